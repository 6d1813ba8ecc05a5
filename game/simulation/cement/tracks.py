"""What cannulas leave in the bone: tracks that conduct cement, and steel that bars its way.

A track is a hole of the cannula's own radius r filled with blood and marrow, through bone and,
where the tip went through it, cortex. Flow within it is Poiseuille's, which for a hole wider than a
voxel is a permeability r^2 / 8 (a porous medium of the same conductance per area). Where steel
stands now nothing flows but at its mouth. A hole's walls are taken to be clean: bone that the
stylet packs beside it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import dist

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.devices.cannula import Cannula
from game.geometry.grid import FloatArray, Grid, Point
from game.patient.patient import Side
from game.simulation.cement.aperture import widening
from game.simulation.cement.channels import NO_CHANNELS, Channels

APART_MM = 0.7  # between two places of a track; the hole between is 1.46 mm in radius of 1.5
BEYOND_MM = 2.5  # a hole is followed this far outside the bone, through all of the cortex
MOVED_MM = 0.25  # steel that has moved less than this bars the same voxels: a project choice
PARTS = 1.0 / MOVED_MM


@dataclass(frozen=True)
class Hole:
    """Where a tip of `radius` mm has been, LPS mm."""

    at: Point
    radius: float


@dataclass(frozen=True)
class Shaft:
    """Steel in bone: its tip, LPS mm to MOVED_MM, unit direction, `radius` and the `length` of it
    that counts, mm."""

    tip: Point
    direction: Point
    radius: float
    length: float


def bored(holes: tuple[Hole, ...], tip: Point, radius: float) -> tuple[Hole, ...]:
    """`holes` with one where `tip` is, unless one of that size is near: the same value then."""
    for hole in reversed(holes):
        if hole.radius >= radius and dist(hole.at, tip) < APART_MM:
            return holes
    return (*holes, Hole(tip, radius))


def shafts(cannulas: Mapping[Side, Cannula]) -> tuple[Shaft, ...]:
    """The cannulas that stand in bone, in the order of the sides' names."""
    standing = []
    for _, cannula in sorted(cannulas.items()):
        if cannula.stage == "bone" and cannula.bone_entry is not None:
            x, y, z = (round(value * PARTS) / PARTS for value in cannula.tip)
            reach = dist(cannula.tip, cannula.bone_entry) + BEYOND_MM
            length = round(reach * PARTS) / PARTS
            standing.append(Shaft((x, y, z), cannula.direction, cannula.radius, length))
    return tuple(standing)


def channels_of(grid: Grid, holes: Iterable[Hole], steel: Iterable[Shaft]) -> Channels:
    """The voxels of `grid` that holes and steel have changed; steel bars what it fills, except
    before its mouth."""
    opened = _opened(grid, tuple(holes))
    barred = _barred(grid, tuple(steel))
    voxels = np.union1d(opened[0], barred).astype(np.int64)
    if len(voxels) == 0:
        return NO_CHANNELS
    permeability = np.zeros(len(voxels))
    permeability[np.searchsorted(voxels, opened[0])] = opened[1]
    permeability[np.searchsorted(voxels, barred)] = 0.0
    return Channels(
        voxels=voxels,
        permeability=np.column_stack([permeability] * 3),
        porosity=np.ones(len(voxels)),
        widening=np.where(
            permeability > 0,
            widening(np.sqrt(8.0 * np.maximum(permeability, 1e-3)), grid.spacing),
            1.0,
        ),
    )


@lru_cache(maxsize=2)
def _opened(grid: Grid, holes: tuple[Hole, ...]) -> tuple[NDArray[np.int64], FloatArray]:
    """Voxels (k,), sorted, with their centre in a hole, and the largest r^2 / 8 (k,) there, mm2."""
    flats, values = [np.empty(0, np.int64)], [np.empty(0)]
    for radius in sorted({hole.radius for hole in holes}):
        points = np.array([hole.at for hole in holes if hole.radius == radius])
        index = _near(grid, points, radius)
        flats.append(index)
        values.append(np.full(len(index), radius**2 / 8.0))
    flat, value = np.concatenate(flats), np.concatenate(values)
    voxels, place = np.unique(flat[::-1], return_index=True)
    return voxels, value[::-1][place]


def _near(grid: Grid, points: FloatArray, radius: float) -> NDArray[np.int64]:
    """Flat indices, each once, of the voxels with their centre within `radius` of points (n, 3),
    and of those that hold one."""
    reach = int(np.ceil(radius / grid.spacing))
    steps = np.arange(-reach, reach + 1)
    around = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    at = grid.index_from_point(points)
    nearest = np.rint(at)
    cells = nearest[:, None] + around
    far = ((cells - at[:, None]) ** 2).sum(axis=2) > (radius / grid.spacing) ** 2
    kept = ~far | np.all(around == 0, axis=1)
    kept &= np.all((cells >= 0) & (cells < grid.shape), axis=2)
    index = cells[kept].astype(np.int64)
    return np.unique(np.ravel_multi_index(tuple(index.T), grid.shape)).astype(np.int64)


def _barred(grid: Grid, steel: tuple[Shaft, ...]) -> NDArray[np.int64]:
    """Flat indices, sorted, of the voxels with their centre inside a shaft, behind its mouth."""
    found = [np.empty(0, np.int64), *(_barred_by(grid, shaft) for shaft in steel)]
    return np.unique(np.concatenate(found)).astype(np.int64)


@lru_cache(maxsize=4)
def _barred_by(grid: Grid, shaft: Shaft) -> NDArray[np.int64]:
    """Those of one shaft: of two, one stands still while the other is drawn."""
    tip = grid.index_from_point(np.array(shaft.tip))
    back, radius = -np.array(shaft.direction), shaft.radius / grid.spacing
    return np.asarray(_cylinder(grid.shape, tip, back, radius, shaft.length / grid.spacing))


@njit(nogil=True, cache=True)
def _cylinder(shape, tip, back, radius, length):  # type: ignore[no-untyped-def]
    """Flat indices, sorted, of the cells with their centre less than `radius` from the line that
    runs `back` from `tip`, more than half a cell and less than `length` along; all in cells."""
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for k in range(3):
        end = tip[k] + length * back[k]
        low[k] = max(0, int(np.floor(min(tip[k], end) - radius)))
        high[k] = min(shape[k], int(np.ceil(max(tip[k], end) + radius)) + 1)
    found = np.empty(max(0, np.prod(np.maximum(high - low, 0))), np.int64)
    count = 0
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            for k in range(low[2], high[2]):
                x, y, z = i - tip[0], j - tip[1], k - tip[2]
                depth = x * back[0] + y * back[1] + z * back[2]
                aside = x * x + y * y + z * z - depth * depth
                if 0.5 < depth < length and aside <= radius * radius:
                    found[count] = (i * shape[1] + j) * shape[2] + k
                    count += 1
    return found[:count].copy()
