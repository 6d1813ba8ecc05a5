"""Solids sampled on a fine grid where their surface is, read between coarse samples elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.geometry.grid import Grid, Point, trilinear
from game.patient.distance import on_grid
from game.patient.procedural.solids import Array

SIDE = 4  # voxels of a brick
BAND_MM = 2.0  # beside the surface, sampled at every voxel: a cortex and the smoothing of a voxel
STEEPEST = 1.2  # a field may grow this much faster than a distance and no brick is missed
FAR_MM = 50.0  # what is told beyond a bone's grid
AT_ONCE = 1024  # bricks computed together: what is made of them stays in the processor's cache
Solid = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True, eq=False)
class Bone:
    """A field [x, y, z] on a grid of its own, LPS: about a signed distance, mm, near its zero."""

    grid: Grid
    field: Array

    @property
    def place(self) -> tuple[Point, Point]:
        """Origin and spacing, mm, as `on_grid` takes them."""
        return self.grid.origin, (self.grid.spacing,) * 3

    def at(self, x: Array, y: Array, z: Array) -> Array:
        """Values (n,) at points (n,) LPS mm; 50 beyond the grid."""
        out = np.empty(len(x), np.float32)
        _read(self.field, np.array(self.grid.origin), 1.0 / self.grid.spacing, x, y, z, out)
        return out


@njit(nogil=True, cache=True)
def _read(field, origin, per_mm, x, y, z, out):  # type: ignore[no-untyped-def]
    for n in range(len(out)):
        out[n] = trilinear(field, origin, per_mm, float(x[n]), float(y[n]), float(z[n]), FAR_MM)


def bone_of(solid: Solid, lattice: Grid, low: NDArray[Any], high: NDArray[Any]) -> Bone:
    """`solid` on the part of `lattice` between two corners (3,), mm."""
    grid = part_between(lattice, low, high)
    return Bone(grid, measured(sampled(solid, grid), grid.spacing))


def sampled(solid: Solid, grid: Grid) -> Array:
    """The field [x, y, z] of `solid`, a function of coordinates (n,), mm, at the voxels of `grid`.

    Within 2 mm of the surface every voxel is computed; further off the value is read between
    every fourth one, so it has the right sign and about the right size."""
    nodes = tuple((n - 1) // SIDE + 2 for n in grid.shape)
    lattice = Grid(grid.origin, SIDE * grid.spacing, (nodes[0], nodes[1], nodes[2]))
    places = np.meshgrid(*(a.astype(np.float32) for a in lattice.axes()), indexing="ij")
    coarse = solid(*(p.ravel() for p in places)).reshape(lattice.shape)
    values = on_grid(coarse, lattice.origin, (lattice.spacing,) * 3, grid)
    reach = STEEPEST * (0.5 * np.sqrt(3.0) * lattice.spacing + BAND_MM)
    bricks = np.argwhere(_least_corner(np.abs(coarse)) < reach)
    axes = tuple(axis.astype(np.float32) for axis in grid.axes())
    at = np.empty((3, AT_ONCE * SIDE**3), np.float32)
    for first in range(0, len(bricks), AT_ONCE):
        some = bricks[first : first + AT_ONCE]
        count = _places(some, axes, grid.shape, at)
        _put(values, some, solid(*at[:, :count]))
    return values


def _least_corner(size: Array) -> Array:
    """The least of the eight corner values of every brick."""
    for axis in range(3):
        line = np.moveaxis(size, axis, 0)
        size = np.moveaxis(np.minimum(line[1:], line[:-1]), 0, axis)
    return size


@njit(nogil=True, cache=True)
def _places(bricks, axes, shape, at):  # type: ignore[no-untyped-def]
    """The coordinates of the voxels in `bricks` (m, 3) into `at` (3, n); how many there are."""
    x, y, z = axes
    n = 0
    for i0, j0, k0 in SIDE * bricks:
        for i in range(i0, min(i0 + SIDE, shape[0])):
            for j in range(j0, min(j0 + SIDE, shape[1])):
                for k in range(k0, min(k0 + SIDE, shape[2])):
                    at[0, n], at[1, n], at[2, n] = x[i], y[j], z[k]
                    n += 1
    return n


@njit(nogil=True, cache=True)
def _put(values, bricks, found):  # type: ignore[no-untyped-def]
    """`found` (n,) into the voxels that `_places` names."""
    n = 0
    for i0, j0, k0 in SIDE * bricks:
        for i in range(i0, min(i0 + SIDE, values.shape[0])):
            for j in range(j0, min(j0 + SIDE, values.shape[1])):
                for k in range(k0, min(k0 + SIDE, values.shape[2])):
                    values[i, j, k] = found[n]
                    n += 1


def measured(field: Array, spacing: float) -> Array:
    """`field` made a distance, mm, to first order near its zero: divided there by its slope."""
    out = field.copy()
    _divide(field, np.float32(spacing), np.float32(BAND_MM), out)
    return out


@njit(nogil=True, cache=True)
def _divide(field, spacing, near, out):  # type: ignore[no-untyped-def]
    nx, ny, nz = field.shape
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                value = field[i, j, k]
                if abs(value) < near:
                    a = field[i + 1, j, k] - field[i - 1, j, k]
                    b = field[i, j + 1, k] - field[i, j - 1, k]
                    c = field[i, j, k + 1] - field[i, j, k - 1]
                    slope = ((a * a + b * b + c * c) ** 0.5) / (2 * spacing)
                    out[i, j, k] = value / min(max(slope, 0.6), 1.7)


def part_between(lattice: Grid, low: NDArray[Any], high: NDArray[Any]) -> Grid:
    """The part of a lattice that holds the box between two corners (3,), mm, within the lattice."""
    last = np.array(lattice.shape) - 1
    first = np.clip(np.floor(lattice.index_from_point(low)), 0, last - 1).astype(int)
    stop = np.clip(np.ceil(lattice.index_from_point(high)), first + 1, last).astype(int)
    x, y, z = lattice.point_from_index(first)
    a, b, c = (int(n) for n in stop - first + 1)
    return Grid((float(x), float(y), float(z)), lattice.spacing, (a, b, c))


def part_of(lattice: Grid, grid: Grid) -> Grid:
    """`grid` where it is a part of the lattice, else the part of the lattice that it covers."""
    end = grid.point_from_index(np.array(grid.shape) - 1.0)
    if grid.spacing == lattice.spacing:
        first = lattice.index_from_point(np.array(grid.origin))
        if np.allclose(first, np.rint(first), atol=1e-6):
            return grid
    return part_between(lattice, np.array(grid.origin), end)


def slices_of(lattice: Grid, part: Grid) -> tuple[slice, slice, slice]:
    """Where a part of a lattice lies in it."""
    first = np.rint(lattice.index_from_point(np.array(part.origin))).astype(int)
    x, y, z = (slice(int(f), int(f) + n) for f, n in zip(first, part.shape, strict=True))
    return x, y, z
