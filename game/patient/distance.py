"""Signed distances, mm, negative inside: from labels without their stair-steps, and made true.

A label says of each voxel centre on which side of the surface it lies, and nothing more. Of all
surfaces within half a coarse voxel of the label's faces a smooth one is sought: the signed
distance is smoothed over about a slice and put back wherever it went further than that (after
Lempitsky, "Surface extraction from binary volumes with higher-order smoothness", CVPR 2010, whose
quadratic programme this replaces by alternating filter and projection). Labels are never blurred.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import Grid, Point

Distance = NDArray[np.float32]
ROUNDS = 4  # of filter and projection; 20 change the sphere test by below 0.02 mm
SHARPENINGS = 2  # passes of the filter's residual: the pass band is flat, so curves do not shrink
SLACK_MM = 0.4  # how far a centre may end on the other side: hand-drawn slices jitter by a pixel
HALF = 0.45  # of the coarsest voxel: how far the surface may move from the label's faces
_BAND = 2.5  # voxels beside the surface whose foot is found by Newton's method
_NEWTON = 4  # its steps


def distance_of(mask: NDArray[np.bool_], spacing: Point, rounds: int = ROUNDS) -> Distance:
    """The signed distance of a label at its own voxels, stair-steps smoothed away.

    `mask` [x, y, z] on a grid of `spacing` mm. On a 22 mm sphere at 1 x 1 x 3 mm the error is
    0.2 mm rms and the volume right to 1 %. A mask that touches the box's side is cut open there."""
    sigma = [max(spacing) / s for s in spacing]
    side = np.where(mask, np.float32(-1), np.float32(1))
    found = _half_voxel_distance(mask, spacing)
    least = np.maximum(side * found - np.float32(HALF * max(spacing)), np.float32(-SLACK_MM))
    for _ in range(rounds):
        found = side * np.maximum(side * _low_pass(found, sigma), least)
    return found


def _low_pass(volume: Distance, sigma: list[float]) -> Distance:
    """Gaussian of `sigma` voxels whose residual is filtered and added again: 1 - (1 - g)^n."""
    kept, rest = np.zeros_like(volume), volume
    for _ in range(SHARPENINGS):
        smooth = ndimage.gaussian_filter(rest, sigma, mode="nearest", truncate=2.5)
        kept += smooth
        rest = rest - smooth
    return kept


def _half_voxel_distance(mask: NDArray[np.bool_], spacing: Point) -> Distance:
    """Distance to the face between a voxel and the nearest one of the other side."""
    out = np.full(mask.shape, 1e3, np.float32)
    if mask.any():
        out = _to_face(~mask, spacing)
    if not mask.all():
        out -= _to_face(mask, spacing)
    return out


def _to_face(mine: NDArray[np.bool_], spacing: Point) -> Distance:
    """For voxels of `mine`, the distance to the nearest foreign voxel's cell; 0 elsewhere."""
    length, nearest = ndimage.distance_transform_edt(mine, sampling=spacing, return_indices=True)
    reach = np.full(mine.shape, np.inf, np.float32)
    for axis, step in enumerate(spacing):
        at = np.arange(mine.shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)])
        share = np.abs(nearest[axis] - at) * np.float32(step)
        with np.errstate(divide="ignore"):
            np.minimum(reach, np.float32(0.5 * step) / share.astype(np.float32), out=reach)
    kept = length.astype(np.float32) * np.maximum(1 - np.where(mine, reach, 0), 0)
    return np.where(mine, kept, np.float32(0)).astype(np.float32)


def on_grid(
    volume: NDArray[Any], origin: Point, spacing: Point, grid: Grid, order: int = 1
) -> NDArray[np.float32]:
    """`volume` at the voxels of `grid`, linear (order 1) or by cubic splines (order 3); beyond the
    volume its edge goes on."""
    step = np.array([grid.spacing / s for s in spacing])
    start = np.subtract(grid.origin, origin) / spacing
    if order == 1:
        out = np.empty(grid.shape, np.float32)
        _linear(volume, start, step, out)
        return out
    made = ndimage.affine_transform(
        volume, step, start, output_shape=grid.shape, order=order, mode="nearest"
    )
    return np.asarray(made, np.float32)


@njit(nogil=True, cache=True)
def _linear(volume, start, step, out):  # type: ignore[no-untyped-def]
    nx, ny, nz = volume.shape
    for i in range(out.shape[0]):
        x = min(max(start[0] + i * step[0], 0.0), nx - 1.0)
        a = min(int(x), nx - 2)
        u = x - a
        for j in range(out.shape[1]):
            y = min(max(start[1] + j * step[1], 0.0), ny - 1.0)
            b = min(int(y), ny - 2)
            v = y - b
            p, q, r, s = (1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v
            for k in range(out.shape[2]):
                z = min(max(start[2] + k * step[2], 0.0), nz - 1.0)
                c = min(int(z), nz - 2)
                w = z - c
                low = p * volume[a, b, c] + q * volume[a, b + 1, c]
                low += r * volume[a + 1, b, c] + s * volume[a + 1, b + 1, c]
                high = p * volume[a, b, c + 1] + q * volume[a, b + 1, c + 1]
                high += r * volume[a + 1, b, c + 1] + s * volume[a + 1, b + 1, c + 1]
                out[i, j, k] = (1 - w) * low + w * high


def redistanced(level: Distance, spacing: float) -> Distance:
    """The signed distance to the zero level of `level` on a cubic grid of `spacing` mm.

    `level` must be roughly a distance near its zero. There Newton's method finds each voxel's foot
    on the surface; beyond, the nearest of these feet is carried from voxel to voxel (after
    Danielsson 1980, with feet between voxels). Raises ValueError where there is no zero level."""
    if not (level.min() < 0 < level.max()):
        raise ValueError("the level has no surface; it must be negative inside, positive outside")
    feet = np.full((*level.shape, 3), np.inf, np.float32)
    _plant(level, feet)
    _carry(feet)
    return _measured(level, feet, np.float32(spacing))


@njit(nogil=True, cache=True)
def _at(level, x, y, z):  # type: ignore[no-untyped-def]
    """Trilinear value and gradient at fractional indices, held at the grid's sides."""
    nx, ny, nz = level.shape
    i = min(max(int(x), 0), nx - 2)
    j = min(max(int(y), 0), ny - 2)
    k = min(max(int(z), 0), nz - 2)
    u, v, w = x - i, y - j, z - k
    a00 = level[i, j, k] * (1 - w) + level[i, j, k + 1] * w
    a01 = level[i, j + 1, k] * (1 - w) + level[i, j + 1, k + 1] * w
    a10 = level[i + 1, j, k] * (1 - w) + level[i + 1, j, k + 1] * w
    a11 = level[i + 1, j + 1, k] * (1 - w) + level[i + 1, j + 1, k + 1] * w
    low, high = a00 * (1 - v) + a01 * v, a10 * (1 - v) + a11 * v
    front = level[i, j, k] * (1 - v) + level[i, j + 1, k] * v
    front = front * (1 - u) + (level[i + 1, j, k] * (1 - v) + level[i + 1, j + 1, k] * v) * u
    value = low * (1 - u) + high * u
    slope_y = (a01 - a00) * (1 - u) + (a11 - a10) * u
    slope_z = (value - front) / w if w > 1e-3 else _slope_z(level, i, j, k, u, v)
    return value, high - low, slope_y, slope_z


@njit(nogil=True, cache=True)
def _slope_z(level, i, j, k, u, v):  # type: ignore[no-untyped-def]
    d00 = level[i, j, k + 1] - level[i, j, k]
    d01 = level[i, j + 1, k + 1] - level[i, j + 1, k]
    d10 = level[i + 1, j, k + 1] - level[i + 1, j, k]
    d11 = level[i + 1, j + 1, k + 1] - level[i + 1, j + 1, k]
    return (d00 * (1 - v) + d01 * v) * (1 - u) + (d10 * (1 - v) + d11 * v) * u


@njit(nogil=True, cache=True)
def _plant(level, feet):  # type: ignore[no-untyped-def]
    """The feet, in indices, of the voxels in the band, where Newton's method arrives."""
    nx, ny, nz = level.shape
    spread = _spread(level)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if abs(level[i, j, k]) > _BAND * spread:
                    continue
                x, y, z = float(i), float(j), float(k)
                for _ in range(_NEWTON):
                    value, gx, gy, gz = _at(level, x, y, z)
                    slope = max(gx * gx + gy * gy + gz * gz, 1e-6 * spread * spread)
                    x -= value * gx / slope
                    y -= value * gy / slope
                    z -= value * gz / slope
                value, gx, gy, gz = _at(level, x, y, z)
                away = ((x - i) ** 2 + (y - j) ** 2 + (z - k) ** 2) ** 0.5
                inside = 0 <= x <= nx - 1 and 0 <= y <= ny - 1 and 0 <= z <= nz - 1
                if inside and abs(value) < 0.02 * spread and away < 2 * _BAND:
                    feet[i, j, k, 0], feet[i, j, k, 1], feet[i, j, k, 2] = x, y, z


@njit(nogil=True, cache=True)
def _spread(level):  # type: ignore[no-untyped-def]
    """The level's mean change from voxel to voxel across its zero."""
    total, count = 0.0, 1e-9
    for i in range(level.shape[0] - 1):
        for j in range(level.shape[1]):
            for k in range(level.shape[2]):
                if (level[i, j, k] < 0) != (level[i + 1, j, k] < 0):
                    total += abs(level[i + 1, j, k] - level[i, j, k])
                    count += 1.0
    return 1.5 * total / count


@njit(nogil=True, cache=True)
def _squared(feet, a, b, c, x, y, z):  # type: ignore[no-untyped-def]
    u, v, w = feet[a, b, c, 0] - x, feet[a, b, c, 1] - y, feet[a, b, c, 2] - z
    return u * u + v * v + w * w


@njit(nogil=True, cache=True)
def _carry(feet):  # type: ignore[no-untyped-def]
    """Eight sweeps; each voxel takes a neighbour's foot where that one is nearer."""
    nx, ny, nz, _ = feet.shape
    for sweep in range(8):
        di = 1 if sweep & 1 == 0 else -1
        dj = 1 if sweep & 2 == 0 else -1
        dk = 1 if sweep & 4 == 0 else -1
        for ii in range(nx):
            i = ii if di > 0 else nx - 1 - ii
            for jj in range(ny):
                j = jj if dj > 0 else ny - 1 - jj
                for kk in range(nz):
                    k = kk if dk > 0 else nz - 1 - kk
                    x, y, z = float(i), float(j), float(k)
                    best = _squared(feet, i, j, k, x, y, z)
                    for n in range(3):
                        a = i - di if n == 0 else i
                        b = j - dj if n == 1 else j
                        c = k - dk if n == 2 else k
                        if not (0 <= a < nx and 0 <= b < ny and 0 <= c < nz):
                            continue
                        other = _squared(feet, a, b, c, x, y, z)
                        if other < best:
                            best = other
                            feet[i, j, k, 0] = feet[a, b, c, 0]
                            feet[i, j, k, 1] = feet[a, b, c, 1]
                            feet[i, j, k, 2] = feet[a, b, c, 2]


@njit(nogil=True, cache=True)
def _measured(level, feet, step):  # type: ignore[no-untyped-def]
    out = np.empty_like(level)
    nx, ny, nz = level.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                far = step * _squared(feet, i, j, k, float(i), float(j), float(k)) ** 0.5
                out[i, j, k] = -far if level[i, j, k] < 0 else far
    return out
