"""Where the cells of cement lie: voxels of the bone grid, and nodes of veins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid
from game.simulation.cement.body import Cement
from game.simulation.cement.veins import Veins


def in_veins(cement: Cement, grid: Grid) -> NDArray[np.bool_]:
    """Which rows (k,) of cement lie in nodes of veins."""
    return np.asarray(cement.voxels >= int(np.prod(grid.shape)))


def places(cement: Cement, grid: Grid, veins: Veins | None) -> FloatArray:
    """The middle (k, 3), LPS mm, of every row's voxel or node."""
    size = int(np.prod(grid.shape))
    nodes = cement.voxels >= size
    if not nodes.any():
        return _centres(cement.voxels, grid)
    if veins is None:
        raise ValueError(f"cement lies in veins (cell {int(cement.voxels.max())}), none are given")
    points = np.empty((len(cement.voxels), 3))
    points[~nodes] = _centres(cement.voxels[~nodes], grid)
    points[nodes] = veins.points[cement.voxels[nodes] - size]
    return points


def _centres(voxels: NDArray[np.int64], grid: Grid) -> FloatArray:
    return grid.point_from_index(np.stack(np.unravel_index(voxels, grid.shape), axis=-1))
