"""Closed triangle surfaces of signed distances, by marching cubes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from game.geometry.grid import Grid
from game.patient.distance import Distance
from game.patient.patient import Surface

MOST_FACES = 40_000  # a structure's in the room; project choice


def surface_of(level: Distance, grid: Grid, coarsest: int = 1) -> Surface:
    """The zero level as a closed surface, LPS mm, faces wound outward.

    Every voxel is used, or every second, third ... up to `coarsest`, the first that gives 40 000
    faces or fewer (the last one whatever it gives). A body cut by the grid's side is closed there.
    Raises ValueError where `level` has no inside."""
    if not level.min() < 0:
        raise ValueError("the level has no surface; it must be negative inside")
    skip = 1
    while skip < coarsest and 2 * _crossings(level < 0, skip) > MOST_FACES:
        skip += 1
    return _marched(level, grid, skip)


def _crossings(inside: NDArray[np.bool_], skip: int) -> int:
    """How many edges of every `skip`-th voxel cross the surface: the vertices that marching cubes
    makes of it, and half its faces."""
    thin = np.pad(inside[::skip, ::skip, ::skip], 1)
    count = 0
    for axis in range(3):
        line = np.moveaxis(thin, axis, 0)
        count += int(np.count_nonzero(line[1:] != line[:-1]))
    return count


def _marched(level: Distance, grid: Grid, skip: int) -> Surface:
    outside = np.float32(0.5 * grid.spacing * skip)
    thin = np.pad(level[::skip, ::skip, ::skip], 1, constant_values=outside)
    # pad wins over an inside at the side: the cap lies about half a voxel out
    step = grid.spacing * skip
    points, faces, _, _ = marching_cubes(
        thin, 0.0, spacing=(step,) * 3, gradient_direction="ascent"
    )
    vertices = (points - step + np.array(grid.origin)).astype(np.float32)
    return Surface(vertices, _outward(vertices, faces.astype(np.int32)))


def _outward(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Faces turned so that the enclosed volume is positive."""
    middle = vertices.mean(axis=0, dtype=float)
    a, b, c = (vertices[faces[:, n]] - middle for n in range(3))
    volume = float(np.einsum("ij,ij->", a, np.cross(b, c)))
    return faces if volume > 0 else np.ascontiguousarray(faces[:, ::-1])
