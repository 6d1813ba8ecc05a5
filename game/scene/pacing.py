"""From seconds on the wall to simulation ticks: an accumulator. Pure; time is an argument."""

from __future__ import annotations

from dataclasses import dataclass

from game.simulation.clock import TICK_S

MOST_TICKS = 6  # in one frame: below 10 frames a second simulated time falls behind, and says so
FAST = 20  # how many times faster waiting passes: a project choice
SMOOTHING_S = 1.0  # the shown time scale is an average over about this long


@dataclass(frozen=True)
class Pacer:
    """`owed` seconds not yet simulated; `scale` simulated over real seconds, as shown."""

    owed: float = 0.0
    scale: float = 1.0

    def frame(self, seconds: float, fast: bool = False) -> tuple[int, Pacer]:
        """How many ticks to make in a frame that took `seconds`, and the pacer after it.

        Never more than `MOST_TICKS` (times `FAST` when fast): what is beyond them is dropped, the
        simulation then runs slower than the wall and `scale` shows it."""
        speed = FAST if fast else 1
        owed = self.owed + speed * max(0.0, seconds)
        ticks = min(int(owed / TICK_S + 1e-9), speed * MOST_TICKS)
        left = min(max(0.0, owed - ticks * TICK_S), TICK_S)
        share = min(1.0, seconds / SMOOTHING_S) if seconds > 0 else 0.0
        now = ticks * TICK_S / seconds if seconds > 0 else self.scale
        return ticks, Pacer(left, self.scale + share * (now - self.scale))
