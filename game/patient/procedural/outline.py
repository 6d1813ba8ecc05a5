"""The skin and the fascia under its fat, by habitus.

Skin to sacrum 25 mm beside the midline is 38-58, 25-37, 22-31 mm at 20, 40 and 60 % of sacral
height in four patients (facts/anatomy.md): `average` lies there, slim below and obese above. Trunk
depth is such that brightness control asks for 10-45 mGy/min at the skin (facts/fluoroscopy.md).
Everything else is form: read off pelvic CTs by eye, not validated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from game.geometry.grid import FloatArray
from game.patient.procedural.bearings import Bearings, Site, rising
from game.patient.procedural.solids import Array, profile
from game.patient.traits import Habitus, Sex, Traits

SKIN_MM = 2.0
ROUND = 2.5  # exponent of the trunk's section: 2 an ellipse, more is squarer; form
COVER_MM = 6.0  # no bone comes nearer to the air; form


@dataclass(frozen=True)
class Build:
    """One habitus, mm. `back`: skin to sacrum at 20, 40, 60 % of its height. `fat`: under the skin
    of the buttock. `beside`: beyond the trochanters. `waist`: half breadth above the crests less
    the iliac wings'. `deep`: from the buttocks' height to the belly, at navel and pubis; but at
    least `before` in front of the hip bones."""

    back: tuple[float, float, float]
    fat: float
    beside: float
    waist: float
    deep: tuple[float, float]
    before: float


BUILDS: Mapping[Habitus, Build] = {
    "slim": Build((34.0, 21.0, 17.0), 7.0, 17.0, -8.0, (186.0, 178.0), 8.0),
    "average": Build((46.0, 31.0, 26.5), 18.0, 29.0, 4.0, (207.0, 196.0), 10.0),
    "obese": Build((66.0, 47.0, 41.0), 37.0, 52.0, 34.0, (242.0, 227.0), 14.0),
}
SEX_FAT: Mapping[Sex, float] = {"female": 1.0, "male": 0.8}  # of the buttock and thigh; form
SHARES = (0.2, 0.4, 0.6)
VARY = 0.04  # of widths, depths and fat from one person to the next; form


@dataclass(frozen=True, eq=False)
class Trunk:
    """The section at every coarse z (l,), mm: half breadth, y of belly and buttocks, y of the back
    25 mm beside the midline, depth of the groove in it, and fat of buttock and of the back."""

    half: FloatArray
    front: FloatArray
    seat: FloatArray
    back: FloatArray
    groove: FloatArray
    fat: FloatArray
    back_fat: FloatArray

    @property
    def extent(self) -> tuple[float, float, float]:
        """Greatest half breadth, least y and greatest y, mm."""
        rear = max(self.seat.max(), self.back.max())
        return float(self.half.max()), float(self.front.min()), float(rear)


def trunk_of(at: Bearings, z: FloatArray, traits: Traits) -> Trunk:
    """The trunk around bones, at heights z (l,), mm."""
    build = BUILDS[traits.habitus]
    more, wide, fatter = 1.0 + VARY * np.random.default_rng([traits.seed, 0x5F]).uniform(-1, 1, 3)
    depth = profile([at.height(s) for s in reversed(SHARES)], list(reversed(build.back)))(z)
    heel = float(np.interp(at.height(0.4), z, at.back + depth))
    back = _back(at, z, at.back + depth, heel)
    rise = z - at.endplate_z
    seat = heel + profile(
        (-190.0, -150.0, -110.0, -65.0, -25.0, 30.0, 90.0),
        (-34.0, -10.0, 4.0, 1.0, -5.0, -12.0, -16.0),
    )(rise)
    fat = build.fat * fatter * SEX_FAT[traits.sex]
    return Trunk(
        half=wide * _half_breadth(at, z, build),
        front=np.minimum(heel - more * _depth(at, z, build), at.hip_front_y - build.before),
        seat=seat.astype(float),
        back=back,
        groove=profile((-170.0, -120.0, -85.0, -60.0, 0.0, 60.0), (40.0, 32.0, 9.0, 1.0, 2.0, 5.0))(
            rise
        ).astype(float),
        fat=fat * profile((-180.0, -100.0, -20.0, 80.0), (1.0, 1.15, 1.0, 0.85))(rise),
        back_fat=0.45 * depth - SKIN_MM,
    )


def _back(at: Bearings, z: FloatArray, back: FloatArray, heel: float) -> FloatArray:
    """The back's y: over the sacrum's own from 70 to 5 % of its height; the loin above and the
    cleft's floor below go on smoothly."""
    low, high = at.height(0.72), at.height(0.08)
    above = np.interp(high, z, back) - 0.10 * (z - high)
    below = np.interp(low, z, back) + np.minimum(0.0, 0.35 * (z - low + 12.0))
    line = np.where(z > high, above, np.where(z < low, below, back))
    kernel = np.ones(5) / 5.0
    smooth = np.convolve(np.pad(line, 2, mode="edge"), kernel, mode="valid")
    within = (z <= at.height(0.15)) & (z >= at.height(0.65))
    return np.asarray(np.where(within, line, np.minimum(smooth, heel + 20.0)))


def _half_breadth(at: Bearings, z: FloatArray, build: Build) -> FloatArray:
    hip, crest = at.trochanter[0] + build.beside, at.wing + 10.0 + 0.6 * build.beside
    top, wide = at.crest[2], at.trochanter[2] - 10.0
    knots = rising(wide - 80.0, wide, 0.5 * (wide + top), top, top + 35.0, top + 80.0)
    waist = at.wing + build.waist
    return profile(knots, (hip - 5.0, hip, 0.5 * (hip + crest), crest, waist + 8.0, waist))(
        z
    ).astype(float)


def _depth(at: Bearings, z: FloatArray, build: Build) -> FloatArray:
    navel, pubis = build.deep
    knots = rising(at.pubis[2] - 60.0, at.pubis[2], at.pubis[2] + 40.0, at.crest[2] - 10.0)
    return profile(knots, (pubis - 14.0, pubis, 0.5 * (pubis + navel), navel))(z).astype(float)


def under_skin(trunk: Trunk, site: Site) -> Array:
    """About how deep below the skin (n, m, l) every coarse voxel lies, mm; negative outside."""
    middle = (0.5 * (trunk.front + trunk.seat)).astype(np.float32)
    deep = (0.5 * (trunk.seat - trunk.front)).astype(np.float32)
    half = trunk.half.astype(np.float32)
    depth = _section(site, middle, deep, half)
    rear = np.clip((site.back - middle) / (0.5 * deep), 0.0, 1.0)
    hollow = _hollow(trunk, site, middle, deep, half)
    depth -= rear * hollow[:, None, :]
    steep = np.gradient(hollow, site.x, axis=0)[:, None, :]  # the cleft's sides are
    depth /= np.sqrt(1.0 + rear * steep**2)
    return np.asarray(np.maximum(depth, COVER_MM - site.gap), np.float32)


def _section(site: Site, middle: Array, deep: Array, half: Array) -> Array:
    """Depth inside a superellipse, to first order: (1 - L) / |grad L|."""
    u = (site.aside / half) ** (ROUND - 1)
    v = (np.abs(site.back - middle) / deep) ** (ROUND - 1)
    power = u * (site.aside / half) + v * (np.abs(site.back - middle) / deep)
    power = np.maximum(power, np.float32(1e-4))
    level = power ** np.float32(1 / ROUND)
    slope = np.sqrt((u / half) ** 2 + (v / deep) ** 2) * (level / power)
    return np.asarray((1 - level) / np.maximum(slope, 1e-4), np.float32)


def _hollow(trunk: Trunk, site: Site, middle: Array, deep: Array, half: Array) -> Array:
    """How far (n, l) the back lies before the superellipse: to meet the back's line beside the
    midline, and the groove in it."""
    inner = np.maximum(1.0 - (25.0 / half) ** ROUND, 0.0) ** (1 / ROUND)
    short = middle + deep * inner - trunk.back
    aside = np.abs(site.x)[:, None]
    fade = np.clip((aside - 25.0) / (0.42 * half - 25.0), 0.0, 1.0)
    groove = trunk.groove * np.exp(-((aside / 11.0) ** 2))
    return np.asarray(short * (1.0 - fade * fade * (3.0 - 2.0 * fade)) + groove, np.float32)


def under_fascia(trunk: Trunk, site: Site, depth: Array) -> Array:
    """mm below the fascia that ends the subcutaneous fat, from the depth below the skin."""
    rear = (site.back > 0.0).astype(np.float32)
    near = rear * np.exp(-((site.aside / 45.0) ** 2))
    fat = trunk.fat + near * (np.minimum(trunk.back_fat, trunk.fat) - trunk.fat)
    return np.asarray(depth - SKIN_MM - fat, np.float32)
