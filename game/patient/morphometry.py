"""Published sacral and pelvic morphometry, and the same measures taken from a patient."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from game.data import data_folder
from game.patient.traits import Sex


@dataclass(frozen=True)
class Row:
    """One published measure: `mean` and `sd` by sex in `unit` (mm or deg), absent where it was not
    published for that sex; `group` and `share` say how it varies with others (project choices)."""

    id: str
    what: str
    unit: str
    mean: Mapping[Sex, float]
    sd: Mapping[Sex, float]
    group: str
    share: float
    source: str

    def deviation(self, value: float, sex: Sex) -> float:
        """How many standard deviations `value` lies above the mean of `sex`."""
        return (value - self.mean[sex]) / self.sd[sex]


@cache
def published() -> tuple[Row, ...]:
    """The table assets/morphometry.csv, in its order."""
    lines = (data_folder("assets") / "morphometry.csv").read_text("utf-8").splitlines()
    sexes: tuple[Sex, Sex] = ("male", "female")
    rows = []
    for line in csv.DictReader(line for line in lines if not line.startswith("#")):
        given = [sex for sex in sexes if line[sex]]
        rows.append(
            Row(
                line["id"],
                line["what"],
                line["unit"],
                {sex: float(line[sex]) for sex in given},
                {sex: float(line[f"{sex}_sd"]) for sex in given},
                line["group"],
                float(line["share"]),
                line["source"],
            )
        )
    return tuple(rows)
