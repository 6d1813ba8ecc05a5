"""Bowel and bladder: what hides the sacrum on a real picture, differing from patient to patient.

The patient lies prone, so gas lies dorsally over a level of fluid; stool is mottled by bubbles.
Courses, calibres and the odds of each filling are form: a radiologist's everyday, not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import FloatArray
from game.patient.patient import Structure
from game.patient.procedural.bearings import Bearings, Site
from game.patient.procedural.solids import Array
from game.patient.procedural.tubes import curve, empty, put_ellipsoid, put_tube
from game.patient.traits import Traits

WALL_MM, BLADDER_WALL_MM = 2.2, 3.5
MOST = 120  # hollow organs at most
LOOPS = 64  # of small bowel that are tried
ODDS = {  # of collapsed, stool, fluid under gas, gas alone
    "rectum": (0.25, 0.25, 0.20, 0.30),
    "sigmoid": (0.20, 0.25, 0.20, 0.35),
    "colon": (0.10, 0.50, 0.18, 0.22),
    "small": (0.40, 0.0, 0.10, 0.08),
}
GASSY = (0.2, 1.6)  # least and most of a patient's gas against those odds; form
GAS_SIGMA = 0.8  # coarse voxels; form
COLLAPSED = 0.62  # of the calibre


@dataclass(eq=False)
class Hollow:
    """Hollow organs: their `level` (n, m, l), mm, positive inside the outer wall, the number of the
    `owner` of each voxel, and by number what fills it (a code), its wall (mm), the y behind which
    it is gas, and whether it is stool; `gassy` weighs the odds of gas for the whole patient."""

    level: Array
    owner: NDArray[np.uint8]
    code: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(MOST + 1, np.uint8))
    wall: Array = field(default_factory=lambda: np.full(MOST + 1, WALL_MM, np.float32))
    gas_y: Array = field(default_factory=lambda: np.full(MOST + 1, np.inf, np.float32))
    stool: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(MOST + 1, np.bool_))
    gassy: float = 1.0
    count: int = 0

    def gas(self, site: Site) -> Array:
        """How far (n, m, l), mm, each voxel of an organ lies above its fluid (dorsally: the patient
        lies prone), up to 30; smoothed, so that one filling passes into the next."""
        above = np.clip(site.back - self.gas_y[self.owner], -30.0, 30.0)
        return np.asarray(ndimage.gaussian_filter(above, GAS_SIGMA), np.float32)

    def number(self, code: Structure) -> int:
        """A new organ's number."""
        self.count += 1
        self.code[self.count] = code
        return self.count


def hollow_organs(at: Bearings, site: Site, traits: Traits) -> tuple[Hollow, Array]:
    """The hollow organs of one patient, and the level of the solid ones between them."""
    random = np.random.default_rng([traits.seed, 0xB0E1])
    made, solid = Hollow(empty(site), np.zeros(site.gap.shape, np.uint8)), empty(site)
    made.gassy = float(random.uniform(*GASSY))
    _small_bowel(made, at, site, random)
    _colon(made, at, site, random)
    _rectum(made, at, site, random)
    _bladder(made, solid, at, site, random, traits)
    return made, solid


def _fill(
    made: Hollow,
    number: int,
    line: FloatArray,
    radius: float,
    odds: str,
    random: np.random.Generator,
) -> float:
    """Draws what organ `number` holds; the calibre, mm, that it then has."""
    weights = np.array(ODDS[odds]) * (1.0, 1.0, made.gassy, made.gassy)
    kind = random.choice(4, p=weights / weights.sum())
    if kind == 0:
        return COLLAPSED * radius
    middle = float(line[:, 1].mean())
    made.stool[number] = kind == 1
    if kind == 2:
        made.gas_y[number] = middle + random.uniform(-0.5, 0.5) * radius
    if kind == 3:
        made.gas_y[number] = -np.inf
    return radius * (1.0 if kind < 3 else random.uniform(1.0, 1.15))


def _segments(
    made: Hollow,
    site: Site,
    line: FloatArray,
    radius: float,
    odds: str,
    random: np.random.Generator,
    pieces: int,
    level: float = np.inf,
) -> float:
    """A stretch of bowel as `pieces` segments, each with its own filling, with haustra. Fluid that
    reaches from one to the next has one level, which `level` (y, mm) hands on; the last is
    returned, infinite where there is none."""
    cuts = np.linspace(0, len(line) - 1, pieces + 1).astype(int)
    for first, last in pairwise(cuts):
        part = line[first : last + 1]
        number = made.number(Structure.BOWEL)
        own = _fill(made, number, part, radius * random.uniform(0.85, 1.15), odds, random)
        level = made.gas_y[number] = _one_level(float(made.gas_y[number]), level, part, own)
        depth = 0.22 if odds == "colon" else 0.10
        waves = np.arange(len(part)) * 4.0 * 2.0 * np.pi / 26.0 + random.uniform(0, 6.28)
        put_tube(made.level, site, part, own * (1.0 - depth + depth * np.cos(waves)),
                 made.owner, number)  # fmt: skip
    return level


def _one_level(own: float, before: float, line: FloatArray, radius: float) -> float:
    """The level (y, mm) of a segment's fluid: that of the segment before where both hold fluid
    under gas and it lies within this one."""
    least, most = line[:, 1].min() - radius, line[:, 1].max() + radius
    shared = np.isfinite(own) and np.isfinite(before) and least < before < most
    return before if shared else own


def _moved(points: Sequence[Sequence[float]], random: np.random.Generator, mm: float) -> FloatArray:
    """The curve through points that were each moved by up to `mm`, but the first and the last."""
    knots = np.asarray(points, float)
    knots[1:-1] += random.uniform(-mm, mm, (len(knots) - 2, 3))
    return curve(knots)


def _rectum(made: Hollow, at: Bearings, site: Site, random: np.random.Generator) -> None:
    """In the sacrum's hollow, from the anal canal to S3; the sigmoid from there to the left."""
    radius = random.uniform(13.0, 18.0)
    anus = at.height(1.22)
    heights = np.linspace(at.height(1.02), at.height(0.5), 6)
    front = np.interp(heights, site.z, at.front)
    hollow = [(3.0 * np.sin(n * 1.7), y - 10.0 - radius, z)
              for n, (y, z) in enumerate(zip(front, heights, strict=True))]  # fmt: skip
    floor = (0.0, hollow[0][1] - 8.0, anus)
    canal = curve(((0.0, hollow[0][1] + 14.0, anus - 28.0), floor, hollow[0]))
    number = made.number(Structure.BOWEL)
    put_tube(made.level, site, canal, np.linspace(10.0, 7.0, len(canal)), made.owner, number)
    level = _segments(made, site, curve(hollow), radius, "rectum", random, 2)
    _sigmoid(made, at, site, random, hollow[-1], radius, level)


def _sigmoid(
    made: Hollow,
    at: Bearings,
    site: Site,
    random: np.random.Generator,
    start: tuple[float, float, float],
    radius: float,
    level: float,
) -> None:
    """From the rectum by a loop in the pelvis, high or low, to the left iliac fossa."""
    x, y, z = start
    up, over = random.uniform(-14.0, 34.0), random.uniform(-30.0, 25.0)
    line = _moved((
        start,
        (x - 12.0, y - 22.0, z + 12.0),
        (over - 18.0, y - 44.0, z + up),
        (over + 16.0, y - 58.0, z + up - 8.0),
        (46.0, y - 48.0, z + 8.0),
        (70.0, at.hip_front_y + 44.0, at.endplate_z - 8.0),
        (at.crest[0] - 30.0, at.hip_front_y + 48.0, at.endplate_z + 18.0),
    ), random, 10.0)  # fmt: skip
    _segments(made, site, line, min(radius, 16.0), "sigmoid", random, 5, level)


def _colon(made: Hollow, at: Bearings, site: Site, random: np.random.Generator) -> None:
    """Descending colon, caecum with the ascending colon, and the transverse where it hangs low."""
    x, y, low = at.crest[0] - 26.0, at.hip_front_y, at.endplate_z
    left = _moved(((x - 4.0, y + 48.0, low + 18.0), (x, y + 52.0, low + 45.0),
                   (x - 2.0, y + 62.0, low + 110.0)), random, 5.0)  # fmt: skip
    _segments(made, site, left, random.uniform(11.0, 15.0), "colon", random, 2)
    right = _moved(((-x + 16.0, y + 26.0, low - 18.0), (-x + 6.0, y + 36.0, low + 15.0),
                    (-x + 2.0, y + 52.0, low + 110.0)), random, 8.0)  # fmt: skip
    _segments(made, site, right, random.uniform(20.0, 27.0), "colon", random, 2)
    dip = random.uniform(0.0, 60.0)
    across = _moved(((-72.0, y + 14.0, low + 110.0), (-34.0, y + 4.0, low + 100.0 - dip),
                     (30.0, y + 4.0, low + 100.0 - dip), (72.0, y + 16.0, low + 110.0)),
                    random, 8.0)  # fmt: skip
    _segments(made, site, across, random.uniform(15.0, 20.0), "colon", random, 3)


def _small_bowel(made: Hollow, at: Bearings, site: Site, random: np.random.Generator) -> None:
    """Short bent loops."""
    for place in _packed(at, random):
        way, bend = random.normal(size=(2, 3)) * (1.0, 0.7, 0.8)
        way *= random.uniform(14.0, 24.0) / np.linalg.norm(way)
        line = curve((place - way, place + 6.0 * bend, place + way))
        number, radius = made.number(Structure.BOWEL), random.uniform(9.0, 13.0)
        own = _fill(made, number, line, radius, "small", random)
        put_tube(made.level, site, line, np.full(len(line), own), made.owner, number)


def _packed(at: Bearings, random: np.random.Generator) -> list[FloatArray]:
    """The loops' places (3,), 21 mm apart or more, between brim, belly wall and spine and, fewer,
    in the pelvis."""
    middle = np.array([0.0, at.hip_front_y + 22.0, at.endplate_z + 12.0])
    room = np.array([78.0, 32.0, 92.0])
    kept: list[FloatArray] = []
    for _ in range(LOOPS * 8):
        place = middle + room * random.uniform(-1.0, 1.0, 3)
        if place[2] < at.endplate_z - 20.0:
            place[:2] = place[:2] * (0.5, 1.0) + (0.0, 14.0)
        near = any(np.linalg.norm((place - other) / (1.0, 0.9, 0.8)) < 21.0 for other in kept)
        if near or ((place - middle) ** 2 / room**2).sum() > 1.6:
            continue
        kept.append(np.asarray(place))
        if len(kept) == LOOPS:
            break
    return kept


def _bladder(
    made: Hollow,
    solid: Array,
    at: Bearings,
    site: Site,
    random: np.random.Generator,
    traits: Traits,
) -> None:
    """The bladder by its filling behind the pubis, and on it the womb, or below it the prostate."""
    size = random.uniform(20.0, 40.0)
    number = made.number(Structure.URINE)
    made.wall[number] = BLADDER_WALL_MM
    _, y, z = at.pubis
    centre = (random.uniform(-4.0, 4.0), y + 22.0 + 0.75 * size, z + 16.0 + 0.8 * size)
    made.level[_near(site, centre, 1.3 * size)] -= 200.0  # nothing else lies in the bladder
    put_ellipsoid(made.level, site, centre, (1.15 * size, 0.8 * size, 0.85 * size),
                  made.owner, number)  # fmt: skip
    if traits.sex == "male":
        put_ellipsoid(solid, site, (0.0, y + 34.0, z + 2.0), (22.0, 17.0, 18.0))
        return
    shrunk = 0.7 if traits.age > 55 else 1.0
    tilt = random.uniform(-8.0, 8.0)
    put_ellipsoid(
        solid, site, (tilt, centre[1] + 0.8 * size + 9.0, centre[2] + 8.0),
        (26.0 * shrunk, 20.0 * shrunk, 30.0 * shrunk),
    )  # fmt: skip


def _near(site: Site, centre: Sequence[float], reach: float) -> NDArray[np.bool_]:
    x, y, z = centre
    gap = (site.x[:, None, None] - x) ** 2 + (site.back - y) ** 2 + (site.up - z) ** 2
    return np.asarray(gap < reach * reach * 0.6)
