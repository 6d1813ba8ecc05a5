"""What the cement came to: how much of the fracture it reaches, its column, where it leaked.

A voxel counts as cement once a quarter of it is (project choice): the film that a front leaves in
the cortex does not. Nothing here weighs or grades; scoring does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import Fracture, Region
from game.simulation.cement.body import Cement

QUARTER = 0.25  # of a voxel's volume: a project choice
REACH_MM = 1.0  # cement this near the sheet holds it; two thirds of a voxel's diagonal
STRIP_MM = 1.5  # height of the strips in which the column is looked for: two voxels
VISIBLE_ML = 0.05  # a leak this big shows on a radiograph: a project choice, not validated


def solid(cement: Cement, grid: Grid) -> FloatArray:
    """The centres (k, 3), LPS mm, of the voxels that count as cement."""
    dense = cement.voxels[cement.ml >= QUARTER * grid.voxel_ml]
    return grid.point_from_index(np.stack(np.unravel_index(dense, grid.shape), axis=-1))


def reached(
    fracture: Fracture, cement: Cement, grid: Grid, reach_mm: float = REACH_MM
) -> NDArray[np.bool_]:
    """Which of the sheet's points (n,) have cement within `reach_mm`."""
    points = solid(cement, grid)
    if len(points) == 0:
        return np.zeros(len(fracture.points), bool)
    gap = cKDTree(points).query(fracture.points, distance_upper_bound=reach_mm)[0]
    return np.asarray(np.isfinite(gap), bool)


def coverage(fracture: Fracture, cement: Cement, grid: Grid, reach_mm: float = REACH_MM) -> float:
    """The fraction of the sheet's area that cement reaches, 0 to 1."""
    held = fracture.areas[reached(fracture, cement, grid, reach_mm)]
    return float(held.sum() / fracture.areas.sum())


def column_mm(fracture: Fracture, cement: Cement, grid: Grid, reach_mm: float = REACH_MM) -> float:
    """The longest stretch of the sheet's long axis, mm, every strip of which cement reaches.

    The long axis is the first principal axis of the sheet's points, weighted by area."""
    held = reached(fracture, cement, grid, reach_mm)
    along = _along(fracture)
    strips = int(np.ceil(np.ptp(along) / STRIP_MM)) or 1
    strip = np.minimum(((along - along.min()) / STRIP_MM).astype(int), strips - 1)
    longest = run = 0
    for there in np.bincount(strip[held], minlength=strips) > 0:
        run = run + 1 if there else 0
        longest = max(longest, run)
    return min(longest * STRIP_MM, float(np.ptp(along)))


def column_foot_mm(cement: Cement, grid: Grid, entry: FloatArray) -> float:
    """The least distance, mm, from the entry point (3,) to cement; infinite without any."""
    points = solid(cement, grid)
    return float(np.linalg.norm(points - entry, axis=1).min(initial=np.inf))


def leaks(cement: Cement) -> dict[str, float]:
    """mL beyond the cortical envelope by the region's name in lower case, as the trace has it."""
    return {
        region.name.lower(): ml
        for region, ml in sorted(cement.by_region_ml.items())
        if region != Region.MARROW and ml > 0
    }


def visible(cement: Cement) -> dict[str, float]:
    """The leaks that a radiograph would show."""
    return {name: ml for name, ml in leaks(cement).items() if ml >= VISIBLE_ML}


def _along(fracture: Fracture) -> FloatArray:
    """How far each point of the sheet lies along its long axis, mm (n,)."""
    weights = fracture.areas / fracture.areas.sum()
    centred = fracture.points - weights @ fracture.points
    axes = np.linalg.eigh((centred * weights[:, None]).T @ centred)[1]
    out: FloatArray = centred @ axes[:, -1]
    return out
