"""How far a fracture gapes, from person to person and from its middle to its rim.

An insufficiency fracture breaks the cortex first and gapes there ([U], facts/anatomy.md: a step in
the anterior cortex); how wide was not found: all figures are project choices, of the order of what
a CT of 1 mm shows as a line. None was set by how often cement leaks.
"""

from __future__ import annotations

import numpy as np

from game.geometry.grid import FloatArray

MEAN_MM = 1.0  # over a sheet, median of people
PERSON, MOST_SD = 0.35, 1.5  # spread between fractures (of the log), and how far it goes
RIM, RIM_MM = 2.0, 5.0  # times as wide at the cortex as deep inside, and how fast it narrows
_STREAM = 0x6A  # of the seed's generators; so that other draws of a patient stay independent


def gaping(uneven: FloatArray, areas: FloatArray, depth: FloatArray, mean: float) -> FloatArray:
    """Apertures (n,), mm, with `mean` over the `areas` (n,): `uneven` (n,), of any scale, made RIM
    times as wide at the cortex; `depth` (n,) is how far each place lies under it, mm."""
    widened = uneven * (1.0 + (RIM - 1.0) * np.exp(-np.maximum(depth, 0.0) / RIM_MM))
    return np.asarray(widened * (mean * areas.sum() / (widened @ areas)))


def mean_gap(seed: int, number: int) -> float:
    """The mean aperture, mm, of the fracture `number` of the person with this seed; the median's
    of no person (seed 0)."""
    if seed == 0:
        return MEAN_MM
    drawn = np.random.default_rng([seed, _STREAM, number]).standard_normal()
    return float(MEAN_MM * np.exp(PERSON * np.clip(drawn, -MOST_SD, MOST_SD)))
