"""True signed distances, mm, negative inside, to the zero level of what is nearly one."""

from __future__ import annotations

import numpy as np
from numba import njit

from game.patient.distance import Distance

_BAND = 2.5  # voxels beside the surface whose foot is found by Newton's method
_NEWTON = 4  # its steps


def redistanced(level: Distance, spacing: float) -> Distance:
    """The signed distance to the zero level of `level` on a cubic grid of `spacing` mm.

    `level` must be roughly a distance near its zero. There Newton's method finds each voxel's foot
    on the surface; beyond, the nearest of these feet is carried from voxel to voxel (after
    Danielsson 1980, with feet between voxels). Raises ValueError where there is no zero level."""
    if not (level.min() < 0 < level.max()):
        raise ValueError("the level has no surface; it must be negative inside, positive outside")
    feet = np.full((3, *level.shape), np.inf, np.float32)
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
                    feet[0, i, j, k], feet[1, i, j, k], feet[2, i, j, k] = x, y, z


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
def _carry(feet):  # type: ignore[no-untyped-def]
    """Four sweeps over x and y, each up and down z; each voxel takes a neighbour's foot where that
    one is nearer."""
    _, nx, ny, nz = feet.shape
    for sweep in range(4):
        for ii in range(nx):
            i = ii if sweep & 1 == 0 else nx - 1 - ii
            a = i - 1 if sweep & 1 == 0 else i + 1
            for jj in range(ny):
                j = jj if sweep & 2 == 0 else ny - 1 - jj
                b = j - 1 if sweep & 2 == 0 else j + 1
                x, y, z = feet[0, i, j], feet[1, i, j], feet[2, i, j]
                if 0 <= a < nx:
                    _compare(x, y, z, feet[0, a, j], feet[1, a, j], feet[2, a, j], i, j)
                if 0 <= b < ny:
                    _compare(x, y, z, feet[0, i, b], feet[1, i, b], feet[2, i, b], i, j)
                _along(x, y, z, i, j, 0, 1)
                _along(x, y, z, i, j, nz - 1, -1)


@njit(nogil=True, cache=True)
def _compare(x, y, z, x2, y2, z2, i, j):  # type: ignore[no-untyped-def]
    """Takes the feet of the row beside where they are nearer to (i, j, k)."""
    a, b = np.float32(i), np.float32(j)
    for k in range(len(x)):
        c = np.float32(k)
        mine = (x[k] - a) ** 2 + (y[k] - b) ** 2 + (z[k] - c) ** 2
        other = (x2[k] - a) ** 2 + (y2[k] - b) ** 2 + (z2[k] - c) ** 2
        nearer = other < mine
        x[k] = x2[k] if nearer else x[k]
        y[k] = y2[k] if nearer else y[k]
        z[k] = z2[k] if nearer else z[k]


@njit(nogil=True, cache=True)
def _along(x, y, z, i, j, first, way):  # type: ignore[no-untyped-def]
    """Takes the foot of the voxel before, along z, where it is nearer."""
    a, b = np.float32(i), np.float32(j)
    u, v, w = x[first], y[first], z[first]
    for n in range(1, len(x)):
        k = first + way * n
        c = np.float32(k)
        mine = (x[k] - a) ** 2 + (y[k] - b) ** 2 + (z[k] - c) ** 2
        other = (u - a) ** 2 + (v - b) ** 2 + (w - c) ** 2
        if other < mine:
            x[k], y[k], z[k] = u, v, w
        else:
            u, v, w = x[k], y[k], z[k]


@njit(nogil=True, cache=True)
def _measured(level, feet, step):  # type: ignore[no-untyped-def]
    out = np.empty_like(level)
    nx, ny, nz = level.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                u, v, w = feet[0, i, j, k] - i, feet[1, i, j, k] - j, feet[2, i, j, k] - k
                far = step * (u * u + v * v + w * w) ** 0.5
                out[i, j, k] = -far if level[i, j, k] < 0 else far
    return out
