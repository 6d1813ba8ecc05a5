"""One measured number beside what is asked of it, as `sacrosim bench` prints it."""

from __future__ import annotations

import re
from typing import NamedTuple

ABOUT = 0.05  # how near "about" is, of the number


class Figure(NamedTuple):
    """One number, its unit, and what is asked of it: "10-45", "1.7 +- 0.7", "above 1", "about 95"
    (within ABOUT of it), or the most it may be; words may follow after a comma."""

    what: str
    unit: str
    value: float
    asked: str

    @property
    def met(self) -> bool:
        """Whether the number is what is asked."""
        asked, value = self.asked.split(",")[0], float(self.value)  # NumPy's bool is not JSON's
        if asked.startswith("above "):
            return value > float(asked[6:])
        low, high = _range(asked)
        return low <= value <= high


def _range(asked: str) -> tuple[float, float]:
    if asked.startswith("about "):
        value = float(asked[6:])
        return (1.0 - ABOUT) * value, (1.0 + ABOUT) * value
    if " +- " in asked:
        mean, spread = map(float, asked.split(" +- "))
        return mean - spread, mean + spread
    bounds = re.fullmatch(r"([\d.]+)-([\d.]+)", asked)
    return (float(bounds[1]), float(bounds[2])) if bounds else (0.0, float(asked))
