"""A regular grid of cubic voxels in the patient frame, and values read between its voxels.

Volumes are indexed [x, y, z], C order, so z runs fastest in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Grid:
    """`origin` is the centre of voxel (0, 0, 0), patient LPS, mm; `spacing` in mm."""

    origin: Point
    spacing: float
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        if not (np.isfinite(self.spacing) and self.spacing > 0):
            raise ValueError(f"grid spacing is {self.spacing} mm; it must be above 0")
        if min(self.shape) < 2:
            raise ValueError(f"grid shape is {self.shape}; every axis needs 2 voxels or more")

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel, mL."""
        return self.spacing**3 / 1000.0

    def index_from_point(self, points: FloatArray) -> FloatArray:
        """Fractional indices (..., 3) of LPS points (..., 3) in mm."""
        return (np.asarray(points, float) - self.origin) / self.spacing

    def point_from_index(self, indices: FloatArray) -> FloatArray:
        """LPS points (..., 3), mm, of fractional indices (..., 3)."""
        return np.asarray(indices, float) * self.spacing + self.origin

    def axes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The voxel-centre coordinates along x, y and z, mm."""
        x, y, z = (
            o + self.spacing * np.arange(n) for o, n in zip(self.origin, self.shape, strict=True)
        )
        return x, y, z

    def sample(self, volume: NDArray[Any], points: FloatArray, outside: float) -> FloatArray:
        """Trilinear values (n,) of `volume` at LPS points (n, 3); `outside` beyond the grid."""
        at = np.ascontiguousarray(np.atleast_2d(points), dtype=np.float64)
        out = np.empty(len(at))
        _sample(volume, np.array(self.origin), 1.0 / self.spacing, at, outside, out)
        return out

    def nearest(self, volume: NDArray[Any], points: FloatArray, outside: int) -> NDArray[Any]:
        """The nearest voxel's value (n,) at LPS points (n, 3); `outside` beyond the grid."""
        at = np.rint(self.index_from_point(np.atleast_2d(points))).astype(np.int64)
        inside = np.all((at >= 0) & (at < self.shape), axis=1)
        out = np.full(len(at), outside, volume.dtype)
        out[inside] = volume[tuple(at[inside].T)]
        return out


@njit(nogil=True, cache=True)
def trilinear(volume, origin, per_mm, x, y, z, outside):  # type: ignore[no-untyped-def]
    """One trilinear value at an LPS point; serial and nogil, for use inside other kernels."""
    i = (x - origin[0]) * per_mm
    j = (y - origin[1]) * per_mm
    k = (z - origin[2]) * per_mm
    if not (
        0.0 <= i <= volume.shape[0] - 1
        and 0.0 <= j <= volume.shape[1] - 1
        and 0.0 <= k <= volume.shape[2] - 1
    ):
        return outside
    a = min(int(i), volume.shape[0] - 2)
    b = min(int(j), volume.shape[1] - 2)
    c = min(int(k), volume.shape[2] - 2)
    u, v, w = i - a, j - b, k - c
    low = (1 - v) * ((1 - w) * volume[a, b, c] + w * volume[a, b, c + 1]) + v * (
        (1 - w) * volume[a, b + 1, c] + w * volume[a, b + 1, c + 1]
    )
    high = (1 - v) * ((1 - w) * volume[a + 1, b, c] + w * volume[a + 1, b, c + 1]) + v * (
        (1 - w) * volume[a + 1, b + 1, c] + w * volume[a + 1, b + 1, c + 1]
    )
    return (1 - u) * low + u * high


@njit(nogil=True, cache=True)
def _sample(volume, origin, per_mm, points, outside, out):  # type: ignore[no-untyped-def]
    for n in range(len(points)):
        out[n] = trilinear(
            volume, origin, per_mm, points[n, 0], points[n, 1], points[n, 2], outside
        )
