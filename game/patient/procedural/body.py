"""The soft body around bones: skin, fat, muscles, bowel, bladder, vessels.

Smooth levels (mm) are made on a grid of about 3 mm around the bones' own voxels and read between
its points at every voxel, so that borders and thin planes come out finer than that grid.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import FloatArray, Point
from game.patient.patient import Structure
from game.patient.procedural.bearings import (
    COARSE_MM,
    Bearings,
    Site,
    bearings_of,
    distance_to_bone,
    pooled,
)
from game.patient.procedural.bowel import Hollow, hollow_organs
from game.patient.procedural.muscles import muscles
from game.patient.procedural.outline import SKIN_MM, Trunk, trunk_of, under_fascia, under_skin
from game.patient.procedural.solids import Array
from game.patient.procedural.vessels import arteries, calcify, vessels
from game.patient.traits import Traits

AIR_MM = 8.0  # beyond the skin, left, right, before and behind
SEPTA = {"slim": 0.015, "average": 0.03, "obese": 0.045}  # of the noise: fat between fibres; form
AGED = 0.02  # more of it in thirty years after fifty; form
GRAIN_MM = (12.0, 12.0, 26.0)  # of that noise, width at half height; form
BUBBLES_MM, BUBBLES = 1.3, 0.75  # grain of stool, and the noise above which it is gas; form
PATCH_MM = 2.2  # grain of lime (sigma); form
TILE = 64  # voxels of the block of noise that repeats


def soft_body(
    bones: NDArray[np.uint8], origin: Point, spacing: float, traits: Traits
) -> tuple[NDArray[np.uint8], Point]:
    """`Structure` codes of a whole body around `bones` (codes [x, y, z], AIR between them; voxels
    of `spacing` mm, the first one's centre at `origin`, LPS mm), and its origin: the grid is
    widened in x and y to hold the body, in whole voxels. Bones keep their voxels.

    Raises ValueError where sacrum, a hip, a femur or the spine is missing."""
    step = max(1, round(COARSE_MM / spacing))
    mm = step * spacing
    coarse = pooled(bones, step)
    centre = np.array(origin) + 0.5 * (step - 1) * spacing  # of the first block
    at, middle = bearings_of(coarse, centre, mm)
    trunk = trunk_of(at, centre[2] + mm * np.arange(coarse.shape[2]), traits)
    pads = _pads(trunk, middle, centre, coarse.shape, mm)
    before = np.array([pads[0][0], pads[1][0], 0])
    site = _site(np.pad(coarse, (*pads, (0, 0))), centre - mm * before, middle, mm)
    fill = [-n % step for n in bones.shape[:2]]  # up to whole blocks
    wide = [(step * a, step * b + f) for (a, b), f in zip(pads, fill, strict=True)]
    codes = np.pad(bones, (*wide, (0, 0)))
    _lay(codes, at, site, trunk, step, traits)
    x, y, z = np.array(origin) - mm * before
    return codes, (float(x), float(y), float(z))


def _site(coarse: NDArray[np.uint8], first: FloatArray, middle: float, mm: float) -> Site:
    """The coarse grid of blocks whose first one's centre lies at `first` (3,), LPS mm."""
    x, y, z = (
        (start + mm * np.arange(count)).astype(np.float32)
        for start, count in zip(first - np.array([middle, 0.0, 0.0]), coarse.shape, strict=True)
    )
    return Site(x, y, z, coarse, distance_to_bone(coarse, mm))


def _pads(
    trunk: Trunk, middle: float, centre: FloatArray, shape: tuple[int, ...], mm: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Coarse voxels to be added before and behind in x and y, so that the trunk fits."""
    half, front, rear = trunk.extent
    ends = ((middle - half, middle + half), (front, rear))
    pads = []
    for n, (low, high) in enumerate(ends):
        last = centre[n] + mm * (shape[n] - 1)
        before = int(np.ceil((centre[n] - low + AIR_MM) / mm))
        behind = int(np.ceil((high + AIR_MM - last) / mm))
        pads.append((max(0, before), max(0, behind)))
    return pads[0], pads[1]


def _lay(
    codes: NDArray[np.uint8], at: Bearings, site: Site, trunk: Trunk, step: int, traits: Traits
) -> None:
    """Fills what is AIR in `codes`, in place."""
    depth = under_skin(trunk, site)
    fascia = under_fascia(trunk, site, depth)
    one, two = muscles(at, site, trunk, fascia, traits)
    hollow, solid = hollow_organs(at, site, traits)
    lines = arteries(at, site)
    organs = np.minimum(np.maximum(vessels(lines, site), solid), fascia - 12.0)
    _make_room(hollow, np.maximum(np.maximum(one, two), organs), fascia, site.gap)
    np.maximum(two, np.minimum(organs, -one - 1.0), out=two)
    mm = float(site.x[1] - site.x[0])
    random = np.random.default_rng([traits.seed, 0xFA7])
    septa = _noise(random, depth.shape, np.array(GRAIN_MM) / 2.35 / mm)
    bubbles = _noise(random, (TILE,) * 3, BUBBLES_MM * step / mm)
    thin = SEPTA[traits.habitus] + AGED * max(traits.age - 50, 0) / 30.0
    _fill(codes, step, depth, one, two, septa, hollow.level, hollow.owner, hollow.code,
          hollow.wall, hollow.gas(site), hollow.stool, bubbles, np.float32(thin),
          np.float32(SKIN_MM))  # fmt: skip
    if traits.calcified_vessels:
        low = np.array([site.x[0], site.y[0], site.z[0]], float) - 0.5 * (step - 1) * mm / step
        calcify(codes, lines, low, mm / step, _noise(random, (TILE,) * 3, PATCH_MM * step / mm))


def _noise(
    random: np.random.Generator, shape: tuple[int, ...], sigma: float | FloatArray
) -> NDArray[np.float32]:
    """Smooth noise that repeats, mean 0 and standard deviation 1; `sigma` in voxels."""
    rough = random.standard_normal(shape, np.float32)
    smooth = ndimage.gaussian_filter(rough, sigma, mode="wrap")
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)


def _make_room(hollow: Hollow, solid: Array, fascia: Array, gap: Array) -> None:
    """Bowel keeps off muscles, bones and the belly wall."""
    for limit, off in ((-solid, 1.5), (fascia, 14.0), (gap, 4.0)):
        np.minimum(hollow.level, limit - np.float32(off), out=hollow.level)


_AIR, _SKIN, _FAT, _MUSCLE, _GAS = (
    int(code)
    for code in (Structure.AIR, Structure.SKIN, Structure.FAT, Structure.MUSCLE, Structure.GAS)
)


@njit(nogil=True, cache=True)
def _fill(  # type: ignore[no-untyped-def]
    codes, step, depth, one, two, septa, level, owner, kind, wall, gas, stool, bubbles, thin, skin,
):  # fmt: skip
    """Reads the coarse fields between their points and writes a code where there is none yet."""
    fields = (depth, one, two, septa, level, gas)
    rows = np.empty((6, depth.shape[2]), np.float32)
    side = bubbles.shape[0]
    for i in range(codes.shape[0]):
        a, i0, i1 = _between(i, step, depth.shape[0])
        for j in range(codes.shape[1]):
            b, j0, j1 = _between(j, step, depth.shape[1])
            for n in range(6):
                field = fields[n]
                for k in range(depth.shape[2]):
                    low = field[i0, j0, k] + b * (field[i0, j1, k] - field[i0, j0, k])
                    high = field[i1, j0, k] + b * (field[i1, j1, k] - field[i1, j0, k])
                    rows[n, k] = low + a * (high - low)
                if n == 0 and rows[0].max() <= 0.0:
                    break
            if rows[0].max() <= 0.0:
                continue
            for k in range(codes.shape[2]):
                if codes[i, j, k] != _AIR:
                    continue
                c, k0, k1 = _between(k, step, depth.shape[2])
                under = rows[0, k0] + c * (rows[0, k1] - rows[0, k0])
                if under <= 0.0:
                    continue
                if under <= skin:
                    codes[i, j, k] = _SKIN
                    continue
                within = rows[4, k0] + c * (rows[4, k1] - rows[4, k0])
                if within > 0.0:
                    own = owner[i // step, j // step, k // step]
                    if own == 0 or within <= wall[own]:
                        codes[i, j, k] = _MUSCLE
                    elif rows[5, k0] + c * (rows[5, k1] - rows[5, k0]) > 0.0 or (
                        stool[own] and bubbles[i % side, j % side, k % side] > BUBBLES
                    ):
                        codes[i, j, k] = _GAS
                    else:
                        codes[i, j, k] = kind[own]
                    continue
                first = rows[1, k0] + c * (rows[1, k1] - rows[1, k0])
                second = rows[2, k0] + c * (rows[2, k1] - rows[2, k0])
                meat = max(first, second)
                grain = rows[3, k0] + c * (rows[3, k1] - rows[3, k0])
                if meat > 0.0 and (abs(grain) > thin or meat < 1.0):
                    codes[i, j, k] = _MUSCLE
                else:
                    codes[i, j, k] = _FAT


@njit(nogil=True, cache=True, inline="always")
def _between(n, step, count):  # type: ignore[no-untyped-def]
    """Share and neighbours of voxel n between the middles of coarse blocks."""
    at = (n - 0.5 * (step - 1)) / step
    low = min(max(int(np.floor(at)), 0), count - 2)
    return np.float32(min(max(at - low, 0.0), 1.0)), low, low + 1
