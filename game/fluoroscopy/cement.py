"""Cement in a picture: every filled voxel is laid on the detector so that its volume is kept.

A voxel's footprint is a tent two voxels wide, the projection of trilinear interpolation; its
weights sum to one, so the sum over pixels of path length x pixel area at the voxel's depth x cosine
of the ray is exactly the voxel's volume. (Off the picture's edge it is lost.)

From one picture to the next few cells change, so a `Shadow` keeps the last one's and lays only the
changes. Footprints are added up as whole numbers: the sum is the same in whatever steps the cement
came.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.devices.beam import DENSITIES, Material
from game.fluoroscopy.areas import AreaDensities
from game.geometry.carm import Projection
from game.geometry.grid import FloatArray, Grid
from game.simulation.cement import EMPTY, Cement, Veins
from game.simulation.cement.places import places

STEPS_PER_MM = 2.0**30  # of path length; a picture holds 2**33 mm of it


class Shadow:
    """The cement of the last picture, as it lies on the detector. Not thread-safe."""

    def __init__(self) -> None:
        self._seen: tuple[Projection, Grid, Veins | None] | None = None
        self._cement = EMPTY
        self._steps = np.zeros((0, 0), np.int64)

    def path(
        self, geometry: Projection, grid: Grid, cement: Cement, veins: Veins | None = None
    ) -> NDArray[np.float32]:
        """As `cement_path`, bit for bit. Only cells whose fill differs from the last call's are
        laid; all of them where the pose has changed or the cement is another body."""
        seen = geometry, grid, veins
        before = self._cement
        rows = len(before.voxels)
        if seen != self._seen or not np.array_equal(cement.voxels[:rows], before.voxels):
            self._steps = np.zeros((geometry.size, geometry.size), np.int64)
            before, rows = EMPTY, 0
        was = np.zeros(len(cement.ml))
        was[:rows] = before.ml
        changed = np.flatnonzero(cement.ml != was)
        if len(changed):
            new = Cement(cement.voxels[changed], cement.ml[changed])
            _lay(geometry, grid, new, was[changed], veins, self._steps)
        self._seen, self._cement = seen, cement
        return _in_mm(self._steps)


def cement_path(
    geometry: Projection, grid: Grid, cement: Cement, veins: Veins | None = None
) -> NDArray[np.float32]:
    """Length of cement (h, w) along each pixel's ray, mm; `grid` is the patient's bone grid,
    `veins` are those that cement may lie in."""
    steps = np.zeros((geometry.size, geometry.size), np.int64)
    _lay(geometry, grid, cement, np.zeros(len(cement.ml)), veins, steps)
    return _in_mm(steps)


def fill(areas: AreaDensities, path: NDArray[np.float32]) -> None:
    """Lays over `areas` a `path` (h, w) of cement, mm, in place of as much soft tissue (marrow), as
    far as there is any."""
    values, filled = areas.values, np.flatnonzero(path.any(axis=1))
    if len(filled) == 0:
        return
    rows = slice(filled[0], filled[-1] + 1)
    centimetres = path[rows] / np.float32(10.0)
    soft = values[Material.SOFT, rows]
    soft -= np.minimum(soft, centimetres * np.float32(DENSITIES[Material.SOFT]))
    values[Material.CEMENT, rows] += centimetres * np.float32(DENSITIES[Material.CEMENT])


def _lay(
    geometry: Projection, grid: Grid, cement: Cement, was: FloatArray, veins: Veins | None,
    steps: NDArray[np.int64],
) -> None:  # fmt: skip
    """Adds to `steps` (h, w) what cement is more than the mL that it `was` (k,)."""
    if len(cement.voxels) == 0:
        return
    points = places(cement, grid, veins)
    source, centre = np.array(geometry.source), np.array(geometry.centre)
    axes = np.stack([geometry.right, geometry.down, centre - source])
    far = float(np.linalg.norm(axes[2]))
    axes[2] /= far
    _splat(points, source, axes, far, geometry.pixel_mm, grid.spacing, was, cement.ml, steps)


def _in_mm(steps: NDArray[np.int64]) -> NDArray[np.float32]:
    return (steps * (1.0 / STEPS_PER_MM)).astype(np.float32)


@njit(nogil=True, cache=True)
def _splat(points, source, axes, far, pixel, spacing, before, after, out):  # type: ignore[no-untyped-def]
    """Turns the shadows of voxels at points (n, 3) from `before` into `after` (n,), mL: tents whose
    weights are normalised, half as wide as two voxels (one pixel at least), rounded to whole steps
    at every pixel. `axes` are the picture's right and down and the beam, `far` the way along it."""
    middle = 0.5 * (out.shape[0] - 1)
    for n in range(len(points)):
        x, y, z = points[n, 0] - source[0], points[n, 1] - source[1], points[n, 2] - source[2]
        depth = x * axes[2, 0] + y * axes[2, 1] + z * axes[2, 2]
        magnified = far / depth
        column = (x * axes[0, 0] + y * axes[0, 1] + z * axes[0, 2]) * magnified / pixel + middle
        row = (x * axes[1, 0] + y * axes[1, 1] + z * axes[1, 2]) * magnified / pixel + middle
        half = max(spacing * magnified / pixel, 1.0)
        cosine = depth / np.sqrt(x * x + y * y + z * z)
        steps = 1000.0 * STEPS_PER_MM * (magnified / pixel) ** 2 / cosine
        was, now = before[n] * steps, after[n] * steps
        left, right = int(np.ceil(column - half)), int(np.floor(column + half))
        top, bottom = int(np.ceil(row - half)), int(np.floor(row + half))
        across = 0.0
        for i in range(left, right + 1):
            across += 1.0 - abs(i - column) / half
        along = 0.0
        for j in range(top, bottom + 1):
            along += 1.0 - abs(j - row) / half
        whole = across * along
        for j in range(max(top, 0), min(bottom, out.shape[0] - 1) + 1):
            line = (1.0 - abs(j - row) / half) / whole
            for i in range(max(left, 0), min(right, out.shape[1] - 1) + 1):
                weight = line * (1.0 - abs(i - column) / half)
                out[j, i] += np.int64(np.rint(weight * now)) - np.int64(np.rint(weight * was))
