"""The measures of one person, drawn from the published means and standard deviations.

A length varies with body size (a quarter of its variance), and each measure with its group
(`share`) and on its own;
the groups and shares are project choices (assets/morphometry.csv). Deviations beyond 2.3 standard
deviations are drawn again: such sacra exist, but are not what residents are trained on first.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from game.patient.morphometry import Row, published
from game.patient.traits import Sex, Traits

SIZE_SHARE = 0.25  # of the variance of lengths; project choice
MOST_DEVIATION = 2.3  # project choice

Measures = Mapping[str, float]


def draw(traits: Traits) -> Measures:
    """Row id (assets/morphometry.csv) to mm or degrees; a row that was published for one sex only
    has the other's values for both. The template has the means."""
    rows = published()
    if traits.template:
        return {row.id: _mean(row, traits.sex) for row in rows}
    random = np.random.default_rng([traits.seed, 0x5AC])
    size = random.standard_normal()
    groups = {name: random.standard_normal() for name in sorted({row.group for row in rows})}
    drawn = {}
    for row in rows:
        own = random.standard_normal(8)
        sized = SIZE_SHARE if row.unit == "mm" else 0.0
        larger = size * np.sign(_mean(row, traits.sex))  # what lies caudal lies further so
        common = np.sqrt(sized) * larger + np.sqrt(row.share) * groups[row.group]
        rest = np.sqrt(1.0 - sized - row.share)
        deviations = common + rest * own
        within = np.abs(deviations) <= MOST_DEVIATION
        chosen = (
            deviations[np.argmax(within)]
            if within.any()
            else np.clip(deviations[0], -MOST_DEVIATION, MOST_DEVIATION)
        )
        drawn[row.id] = _mean(row, traits.sex) + float(chosen) * _sd(row, traits.sex)
    return drawn


def _mean(row: Row, sex: Sex) -> float:
    return row.mean.get(sex, next(iter(row.mean.values())))


def _sd(row: Row, sex: Sex) -> float:
    return row.sd.get(sex, next(iter(row.sd.values())))
