"""Cement in a picture: every filled voxel is laid on the detector so that its volume is kept.

A voxel's footprint is a tent two voxels wide, the projection of trilinear interpolation; its
weights sum to one, so the sum over pixels of path length x pixel area at the voxel's depth x cosine
of the ray is exactly the voxel's volume. (Off the picture's edge it is lost.)
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.devices.beam import DENSITIES, Material
from game.fluoroscopy.projector import AreaDensities
from game.geometry.carm import Projection
from game.geometry.grid import Grid
from game.simulation.cement import Cement, Veins
from game.simulation.cement.places import places


def cement_path(
    geometry: Projection, grid: Grid, cement: Cement, veins: Veins | None = None
) -> NDArray[np.float32]:
    """Length of cement (h, w) along each pixel's ray, mm; `grid` is the patient's bone grid,
    `veins` are those that cement may lie in."""
    out = np.zeros((geometry.size, geometry.size), np.float32)
    if len(cement.voxels) == 0:
        return out
    points = places(cement, grid, veins)
    source, centre = np.array(geometry.source), np.array(geometry.centre)
    axis = (centre - source) / np.linalg.norm(centre - source)
    rays = points - source
    depth = rays @ axis
    magnified = np.linalg.norm(centre - source) / depth
    pixel = geometry.pixel_mm / magnified
    cosine = depth / np.linalg.norm(rays, axis=1)
    lengths = 1000.0 * cement.ml / (pixel**2 * cosine)
    _splat(geometry.project(points), grid.spacing / pixel, lengths, out)
    return out


def fill(
    areas: AreaDensities,
    geometry: Projection,
    grid: Grid,
    cement: Cement,
    veins: Veins | None = None,
) -> AreaDensities:
    """`areas` with cement in place of as much soft tissue (marrow), as far as there is any."""
    values = areas.values.copy()
    path = cement_path(geometry, grid, cement, veins) / 10.0
    soft = values[Material.SOFT]
    soft -= np.minimum(soft, path * np.float32(DENSITIES[Material.SOFT]))
    values[Material.CEMENT] += path * np.float32(DENSITIES[Material.CEMENT])
    return AreaDensities(values)


@njit(nogil=True, cache=True)
def _splat(places, widths, lengths, out):  # type: ignore[no-untyped-def]
    """Adds tents of half-width `widths` pixels (1 at least), their weights normalised."""
    for n in range(len(places)):
        half = max(widths[n], 1.0)
        column, row = places[n, 0], places[n, 1]
        left, right = int(np.ceil(column - half)), int(np.floor(column + half))
        top, bottom = int(np.ceil(row - half)), int(np.floor(row + half))
        across = 0.0
        for i in range(left, right + 1):
            across += 1.0 - abs(i - column) / half
        along = 0.0
        for j in range(top, bottom + 1):
            along += 1.0 - abs(j - row) / half
        share = lengths[n] / (across * along)
        for j in range(max(top, 0), min(bottom, out.shape[0] - 1) + 1):
            weight = share * (1.0 - abs(j - row) / half)
            for i in range(max(left, 0), min(right, out.shape[1] - 1) + 1):
                out[j, i] += weight * (1.0 - abs(i - column) / half)
