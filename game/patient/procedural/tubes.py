"""Tubes and ellipsoids on the coarse grid: muscles that are cords, bowel, vessels.

A level is mm, positive inside; a field keeps the highest level of all that was put into it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from game.geometry.grid import FloatArray
from game.patient.procedural.bearings import Site
from game.patient.procedural.solids import Array

OUTSIDE = np.float32(-60.0)  # the level where nothing was put, mm


def empty(site: Site) -> Array:
    """A field with nothing in it."""
    return np.full(site.gap.shape, OUTSIDE, np.float32)


def curve(through: Sequence[Sequence[float]] | FloatArray, step: float = 4.0) -> FloatArray:
    """Points (n, 3) about `step` mm apart on the smooth curve through the given ones."""
    knots = np.asarray(through, float)
    chords = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))]
    spline = make_interp_spline(chords, knots, k=min(3, len(knots) - 1))
    return np.asarray(spline(np.linspace(0.0, chords[-1], max(2, int(chords[-1] / step) + 1))))


def put_tube(
    field: Array,
    site: Site,
    line: FloatArray,
    radii: FloatArray,
    owner: NDArray[np.uint8] | None = None,
    number: int = 0,
) -> None:
    """Puts a tube along `line` (n, 3), mm, of `radii` (n,) into `field`, in place; where it is the
    highest, `owner` becomes `number`."""
    owners = np.zeros((1, 1, 1), np.uint8) if owner is None else owner
    low = np.array([site.x[0], site.y[0], site.z[0]], float)
    _tube(field, owners, owner is not None, number, low, float(site.x[1] - site.x[0]),
          np.ascontiguousarray(line, np.float64), np.asarray(radii, np.float64))  # fmt: skip


def put_both(field: Array, site: Site, line: FloatArray, radii: FloatArray) -> None:
    """Puts a tube of the left side and its mirror image into `field`."""
    put_tube(field, site, line, radii)
    put_tube(field, site, line * np.array([-1.0, 1.0, 1.0]), radii)


@njit(nogil=True, cache=True)
def _tube(field, owner, owned, number, low, mm, line, radii):  # type: ignore[no-untyped-def]
    """Round cones between neighbours of `line`; levels are true within 8 mm outside."""
    reach = 8.0
    for m in range(len(line) - 1):
        a, b = line[m], line[m + 1]
        along = b - a
        length2 = max((along * along).sum(), 1e-9)
        wide = max(radii[m], radii[m + 1]) + reach
        first = np.empty(3, np.int64)
        last = np.empty(3, np.int64)
        for n in range(3):
            first[n] = max(0, int(np.ceil((min(a[n], b[n]) - wide - low[n]) / mm)))
            last[n] = min(field.shape[n] - 1, int((max(a[n], b[n]) + wide - low[n]) / mm))
        for i in range(first[0], last[0] + 1):
            dx = low[0] + mm * i - a[0]
            for j in range(first[1], last[1] + 1):
                dy = low[1] + mm * j - a[1]
                for k in range(first[2], last[2] + 1):
                    dz = low[2] + mm * k - a[2]
                    share = (dx * along[0] + dy * along[1] + dz * along[2]) / length2
                    share = min(1.0, max(0.0, share))
                    gx, gy, gz = (
                        dx - share * along[0], dy - share * along[1], dz - share * along[2],
                    )  # fmt: skip
                    level = radii[m] + share * (radii[m + 1] - radii[m])
                    level -= np.sqrt(gx * gx + gy * gy + gz * gz)
                    if level > field[i, j, k]:
                        field[i, j, k] = level
                        if owned and level > -3.0:
                            owner[i, j, k] = number


def put_ellipsoid(
    field: Array,
    site: Site,
    centre: Sequence[float],
    radii: Sequence[float],
    owner: NDArray[np.uint8] | None = None,
    number: int = 0,
) -> None:
    """Puts an ellipsoid along the axes into `field`, in place; `owner` as for a tube."""
    at = tuple(
        slice(int(np.searchsorted(axis, c - r - 8.0)), int(np.searchsorted(axis, c + r + 8.0)))
        for axis, c, r in zip((site.x, site.y, site.z), centre, radii, strict=True)
    )
    u, v, w = (
        (axis[cut] - c) / r
        for axis, cut, c, r in zip((site.x, site.y, site.z), at, centre, radii, strict=True)
    )
    square = u[:, None, None] ** 2 + v[:, None] ** 2 + w**2
    slope = (u[:, None, None] / radii[0]) ** 2 + (v[:, None] / radii[1]) ** 2 + (w / radii[2]) ** 2
    root = np.sqrt(np.maximum(square, 1e-4))
    level = (root - square) / np.maximum(np.sqrt(slope), 1e-4)
    higher = level > field[at]
    field[at][higher] = level[higher]
    if owner is not None:
        owner[at][higher & (level > -3.0)] = number
