"""Implicit solids: signed-distance functions joined smoothly and sampled on a grid.

A solid is a function of three broadcastable coordinate arrays that gives a distance, mm, negative
inside. Joined and carved fields are no exact distances; only their zero set is used.
The cone is the plain form of the round cone; the polynomial smooth minimum is the usual one,
min(a, b) - max(k - |a - b|, 0)^2 / 4k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator, RectBivariateSpline
from scipy.ndimage import map_coordinates

Array = NDArray[np.float32]
Solid = Callable[[Array, Array, Array], Array]
Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
Triple = tuple[float, float, float]

FAR = np.float32(40.0)  # "well outside", mm: beyond every smoothing radius in use


def smooth_min(a: Array, b: Array, k: float) -> Array:
    """The union of two fields, rounded over about `k` mm."""
    blend = np.maximum(k - np.abs(a - b), 0)
    return np.asarray(np.minimum(a, b) - blend * blend * np.float32(0.25 / k), np.float32)


def smooth_max(a: Array, b: Array, k: float) -> Array:
    """The intersection of two fields, rounded over about `k` mm."""
    return -smooth_min(-a, -b, k)


def cone(start: Triple, end: Triple, start_radius: float, end_radius: float) -> tuple[Solid, Box]:
    """A round cone between two points, and the box that holds it, in the solid's coordinates."""
    a, b = np.array(start), np.array(end)
    along = b - a
    length2 = max(float(along @ along), 1e-6)

    def distance(x: Array, y: Array, z: Array) -> Array:
        dx, dy, dz = x - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
        scale = (along / length2).astype(np.float32)
        t = np.clip(dx * scale[0] + dy * scale[1] + dz * scale[2], 0, 1)
        f = along.astype(np.float32)
        gap = np.sqrt((dx - t * f[0]) ** 2 + (dy - t * f[1]) ** 2 + (dz - t * f[2]) ** 2)
        return np.asarray(gap - (start_radius + t * (end_radius - start_radius)), np.float32)

    reach = max(start_radius, end_radius)
    low, high = np.minimum(a, b) - reach, np.maximum(a, b) + reach
    return distance, _box(low, high)


def ellipsoid(centre: Triple, radii: Triple) -> tuple[Solid, Box]:
    """An ellipsoid along the axes (distance to first order), and the box that holds it."""
    c, r = np.array(centre, np.float32), np.array(radii, np.float32)

    def distance(x: Array, y: Array, z: Array) -> Array:
        u, v, w = (x - c[0]) / r[0], (y - c[1]) / r[1], (z - c[2]) / r[2]
        level = np.sqrt(u * u + v * v + w * w)
        steep = np.sqrt((u / r[0]) ** 2 + (v / r[1]) ** 2 + (w / r[2]) ** 2)
        return np.asarray(level * (level - 1) / np.maximum(steep, np.float32(1e-6)), np.float32)

    return distance, _box(c - r, c + r)


def _box(low: NDArray[Any], high: NDArray[Any]) -> Box:
    x, y, z = ((float(a), float(b)) for a, b in zip(low, high, strict=True))
    return x, y, z


@dataclass(frozen=True, eq=False)
class Space:
    """Where a field is sampled: `x` (n,) and two coordinates `a`, `b` (m, l) of the y-z plane.

    In patient axes `a` is y and `b` is z; along the bent sacrum `a` is the distance behind its
    axis and `b` the length along it. Every left-right symmetric frame fits this form."""

    x: Array
    a: Array
    b: Array

    def within(self, box: Box, margin: float) -> tuple[slice, slice, slice]:
        """The smallest block of voxels that holds a box with a margin, mm; empty if outside."""
        (x0, x1), (a0, a1), (b0, b1) = box
        inside = (self.a > a0 - margin) & (self.a < a1 + margin)
        inside &= (self.b > b0 - margin) & (self.b < b1 + margin)
        across = np.asarray((self.x > x0 - margin) & (self.x < x1 + margin))
        rows, columns = np.asarray(inside.any(axis=1)), np.asarray(inside.any(axis=0))
        return _extent(across), _extent(rows), _extent(columns)

    def block(self, where: tuple[slice, slice, slice]) -> tuple[Array, Array, Array]:
        """The three coordinates over a block, ready to broadcast."""
        i, j, k = where
        return self.x[i, None, None], self.a[None, j, k], self.b[None, j, k]


def _extent(mask: NDArray[Any]) -> slice:
    where = np.flatnonzero(mask)
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0)


@dataclass(frozen=True, eq=False)
class Field:
    """A field being built: its `values` (n, m, l) are owned here and updated in place."""

    space: Space
    values: Array

    @staticmethod
    def empty(space: Space) -> Field:
        """Nothing but outside."""
        shape = (len(space.x), *space.a.shape)
        return Field(space, np.full(shape, FAR, np.float32))

    def add(self, solid: Solid, box: Box, k: float = 2.0) -> None:
        """Join a solid, rounded over `k` mm; evaluated in its box only."""
        where = self.space.within(box, k + 4.0)
        part = self.values[where]
        if part.size:
            self.values[where] = smooth_min(part, solid(*self.space.block(where)), k)

    def carve(self, solid: Solid, box: Box, k: float = 1.0) -> None:
        """Take a solid away, edges rounded over `k` mm; evaluated in its box only."""
        where = self.space.within(box, k + 4.0)
        part = self.values[where]
        if part.size:
            self.values[where] = smooth_max(part, -solid(*self.space.block(where)), k)


def profile(
    at: Sequence[float], values: Sequence[float]
) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """A smooth monotone-preserving curve through knots, held constant beyond both ends."""
    curve = PchipInterpolator(at, values)
    low, high = at[0], at[-1]

    def read(where: NDArray[Any]) -> NDArray[np.float32]:
        fine = np.linspace(low, high, 512)
        return np.interp(where, fine, curve(fine)).astype(np.float32)

    return read


def relief(
    rows: Sequence[float], columns: Sequence[float], heights: Sequence[Sequence[float]]
) -> Callable[[Array, Array], Array]:
    """A smooth height over two coordinates, through a table heights[row][column]; held constant
    beyond its edges."""
    spline = RectBivariateSpline(rows, columns, np.array(heights), kx=2, ky=2)
    step = 0.5  # mm, of the table that the spline is read from
    across = np.arange(rows[0], rows[-1] + step, step)
    along = np.arange(columns[0], columns[-1] + step, step)
    table = spline(across, along).astype(np.float32)

    def read(row: Array, column: Array) -> Array:
        i = (row - np.float32(rows[0])) * np.float32(1 / step)
        j = (column - np.float32(columns[0])) * np.float32(1 / step)
        out = map_coordinates(table, np.broadcast_arrays(i, j), order=1, mode="nearest")
        return np.asarray(out, np.float32)

    return read
