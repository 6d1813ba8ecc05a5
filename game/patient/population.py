"""Generated people held against the published figures: morphometry, long-axis path, topology.

Every figure is taken on sampled bone. A population is half women and half men, seeds from 1 on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from scipy import ndimage
from skimage.measure import euler_number

from game.geometry.grid import FloatArray
from game.patient.approach import path_figures
from game.patient.errors import PatientError
from game.patient.measuring import measure
from game.patient.morphometry import Row, published
from game.patient.patient import SIDES
from game.patient.procedural.person import person
from game.patient.traits import Habitus, Quality, Sex, Traits

CANONICAL_EULER = -32  # of a sacrum's surface, genus 17: facts/anatomy.md
PATHS: Mapping[str, tuple[float, float]] = {
    "length": (63.5, 5.7),
    "least_axis_clearance": (4.4, 1.6),
    "bone_ahead": (5.6, 3.0),
}  # mm, mean and SD of 38 real alae: facts/procedure.md
FAR_SD, MOST_FAR = 2.5, 0.02  # a row further off counts as an outlier; of all rows at most
MOST_OFF_SD = 0.5  # of a template's row, and of the mean of many people
RATIOS = (0.7, 1.3)  # of their SD to the published one
LEAST_NEAR = 0.9  # of their paths' figures within 2 SD
YOUNGEST, OLDEST = 60, 90  # years, of those who are treated; project choice
HABITUSES: Mapping[Habitus, float] = {"slim": 0.25, "average": 0.5, "obese": 0.25}  # project choice
QUALITIES: Mapping[Quality, float] = {
    "osteoporotic": 0.7,
    "osteopenic": 0.25,
    "normal": 0.05,
}  # insufficiency fractures are of weak bone; the shares are a project choice
_STREAM = 11  # of the seed's generators; so that other draws of a patient stay independent


@dataclass(frozen=True)
class Sampled:
    """One person's figures: rows by id, the paths of both sides by name (mm; empty where there is
    no long-axis path), the Euler characteristic and number of bodies of the sacrum's surface."""

    traits: Traits
    rows: Mapping[str, float]
    paths: Mapping[str, tuple[float, float]]
    euler: int
    bodies: int


@dataclass(frozen=True)
class Spread:
    """How a figure of many people stands to its published mean and SD: `bias` in SD, `ratio` of
    the SDs, `near` the share within 2 SD, `far` how many of `count` lie beyond FAR_SD."""

    what: str
    bias: float
    ratio: float
    near: float
    far: int
    count: int

    @property
    def holds(self) -> bool:
        """Whether bias and SD ratio lie within their bounds."""
        return abs(self.bias) < MOST_OFF_SD and RATIOS[0] <= self.ratio <= RATIOS[1]

    @staticmethod
    def of(what: str, deviations: FloatArray) -> Spread:
        """From deviations (n,) in published SDs, n 2 or more."""
        size = np.abs(deviations)
        return Spread(
            what,
            float(deviations.mean()),
            float(deviations.std(ddof=1)),
            float(np.mean(size <= 2.0)),
            int(np.sum(size > FAR_SD)),
            len(deviations),
        )


def people(count: int) -> list[Traits]:
    """`count` random persons, women at the odd seeds."""
    return [Traits(seed=n, sex="female" if n % 2 else "male") for n in range(1, count + 1)]


def treated(count: int) -> list[Traits]:
    """`count` random patients as they come to a sacroplasty: `people` whose age, habitus, bone and
    fracture are drawn too, the fracture with the published frequencies."""
    drawn = []
    for one in people(count):
        rng = np.random.default_rng([one.seed, _STREAM])
        age = int(rng.integers(YOUNGEST, OLDEST, endpoint=True))
        habitus = list(HABITUSES)[rng.choice(len(HABITUSES), p=list(HABITUSES.values()))]
        quality = list(QUALITIES)[rng.choice(len(QUALITIES), p=list(QUALITIES.values()))]
        drawn.append(
            Traits(one.seed, one.sex, age, habitus, quality, fracture=None, laterality=None)
        )
    return drawn


def sampled(traits: Traits) -> Sampled:
    """Makes one person's bones and measures them; `paths` is empty where the entry rule's midpoint
    lies beside the bone on a side, so that there is no long-axis path."""
    made = person(traits)
    grid, field = made.sacrum.grid, made.sacrum.field
    marks, planes = made.landmarks, made.planes
    paths = {}
    with suppress(PatientError):
        figures = [path_figures(grid, field, marks, planes, side) for side in SIDES]
        paths = {name: (getattr(figures[0], name), getattr(figures[1], name)) for name in PATHS}
    rows = measure(grid, field, made.hip_distance(), marks, planes)
    solid = np.pad(field < 0, 1)
    euler = 2 * int(euler_number(solid, connectivity=3))
    return Sampled(traits, rows, paths, euler, int(ndimage.label(solid)[1]))


def survey(traits: Sequence[Traits], processes: int = 2) -> Iterator[Sampled]:
    """All of them in their order, as they are done."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(sampled, traits)


def row_spreads(found: Sequence[Sampled]) -> list[Spread]:
    """One for each published row that was measured, over all whose sex it was published for."""
    spreads = []
    for row in published():
        off = [
            row.deviation(one.rows[row.id], one.traits.sex)
            for one in found
            if row.id in one.rows and one.traits.sex in row.mean
        ]
        if len(off) > 1:
            spreads.append(Spread.of(row.id, np.array(off)))
    return spreads


def path_spreads(found: Sequence[Sampled]) -> list[Spread]:
    """Length, least clearance and bone ahead of both sides of all who have a path."""
    crossed = [one for one in found if one.paths]
    return [
        Spread.of(name, (np.array([one.paths[name] for one in crossed]).ravel() - mean) / sd)
        for name, (mean, sd) in PATHS.items()
    ]


def sex_differences(found: Sequence[Sampled]) -> dict[str, tuple[float, float]]:
    """Row id to (published, found) difference of the means, men less women, of rows whose means
    differ by half an SD or more."""
    differences = {}
    for row in published():
        if not _differs(row):
            continue
        means: dict[Sex, float] = {}
        for sex in row.mean:
            own = [one for one in found if one.traits.sex == sex and row.id in one.rows]
            if own:
                means[sex] = float(np.mean([one.rows[row.id] for one in own]))
        if len(means) == 2:
            differences[row.id] = (
                row.mean["male"] - row.mean["female"],
                means["male"] - means["female"],
            )
    return differences


def _differs(row: Row) -> bool:
    if len(row.mean) < 2:
        return False
    gap = abs(row.mean["male"] - row.mean["female"])
    return gap >= 0.5 * min(row.sd.values())
