"""What the cement came to: how much of the fracture it reaches, its column, where it leaked.

A voxel counts as cement once a quarter of it is (project choice): the film that a front leaves in
the cortex does not. Nothing here weighs or grades; scoring does.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import SIDES, Fracture, Patient, Region
from game.simulation.cement.body import Cement
from game.simulation.cement.channels import Channels
from game.simulation.cement.exits import Exit, exits_ml
from game.simulation.cement.medium import Medium
from game.simulation.cement.places import in_veins, places

QUARTER = 0.25  # of a voxel's volume: a project choice
REACH_MM = 1.0  # cement this near the sheet holds it; two thirds of a voxel's diagonal
STRIP_MM = 1.5  # height of the strips in which the column is looked for: two voxels
LEAST_LEVEL_MM = 5.0  # a level that the sheet only touches is not one it runs through


def solid(cement: Cement, grid: Grid) -> FloatArray:
    """The centres (k, 3), LPS mm, of the voxels inside the envelope that count as cement."""
    inside = (cement.exit == Exit.NONE) & ~in_veins(cement, grid)
    dense = cement.voxels[inside & (cement.ml >= QUARTER * grid.voxel_ml)]
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


def continuity(
    fracture: Fracture, cement: Cement, grid: Grid, levels: Mapping[str, tuple[FloatArray, float]]
) -> dict[str, float]:
    """How much of the fracture's height cement bridges in each sacral level that it runs through:
    the fraction, 0 to 1, of its strips of STRIP_MM there that cement reaches.

    `levels` are `levels_of` the patient. A column is unbroken over a level at 1."""
    held = reached(fracture, cement, grid)
    found = {}
    for name, (plane, height) in levels.items():
        along = fracture.points @ plane[:3] - plane[3]
        own = (along >= 0.0) & (along < height)
        strip = (along[own] / STRIP_MM).astype(int)
        broken = np.bincount(strip) > 0 if own.any() else np.zeros(0, bool)
        if broken.sum() * STRIP_MM >= LEAST_LEVEL_MM:
            filled = np.bincount(strip[held[own]], minlength=len(broken)) > 0
            found[name] = float((filled & broken).sum() / broken.sum())
    return found


def levels_of(patient: Patient) -> dict[str, tuple[FloatArray, float]]:
    """The sacral levels S1 to S3 as slabs: each its plane, downwards (a normal and its offset, 4),
    and its height, mm. A level ends at the middle between its own pair of foramina; S1 begins at
    the endplate. Empty where the foramina are not known."""
    names = [f"foramen_s{n}_{side}" for n in (1, 2, 3) for side in SIDES]
    if not all(name in patient.landmarks for name in names):
        return {}
    start = patient.point("s1_endplate_centre")
    pairs = [patient.point(name) for name in names]
    ends = [0.5 * (pairs[2 * n] + pairs[2 * n + 1]) for n in range(3)]
    found, top = {}, start
    for number, end in enumerate(ends, start=1):
        way = end - top
        height = float(np.linalg.norm(way))
        down = way / height
        found[f"s{number}"] = (np.r_[down, top @ down], height)
        top = end
    return found


def interdigitated_ml(cement: Cement, medium: Medium, channels: Channels) -> float:
    """mL of cement between trabeculae: inside the envelope, out of the fracture's gap, of voids and
    of tracks, where there is nothing to interlock with. A sheet's voxel has its gap's share of its
    pores (`Medium.porosity` holds both) and counts with the rest."""
    size = medium.porosity.size
    inside = (cement.exit == Exit.NONE) & (cement.voxels < size)
    voxels, ml = cement.voxels[inside], cement.ml[inside]
    porosity = medium.porosity.reshape(-1)[voxels].astype(float)
    among = (porosity < 1.0) & ~np.isin(voxels, channels.voxels)
    among &= ~np.isin(voxels, medium.sheet)
    return float(ml[among].sum())


def hazards_mm(patient: Patient, cement: Cement, medium: Medium) -> dict[str, float]:
    """The least distance, mm, from cement to each hazard's wall, by name; negative where it lies
    within. Cells count from a quarter of a voxel on, those in veins all; empty without any."""
    shown = cement.ml >= QUARTER * patient.bone.voxel_ml
    shown |= in_veins(cement, patient.bone)
    points = places(cement, patient.bone, medium.veins)[shown]
    if len(points) == 0:
        return {}
    return {name: float(h.distance(points).min()) for name, h in patient.hazards.items()}


def exits(cement: Cement) -> dict[str, float]:
    """mL beyond the cortical envelope by the exit's name in lower case, as the trace has it."""
    return {e.name.lower(): ml for e, ml in exits_ml(cement.exit, cement.ml).items()}


def leaks(cement: Cement) -> dict[str, float]:
    """mL beyond the cortical envelope by the region's name in lower case, as the trace has it."""
    return {
        region.name.lower(): ml
        for region, ml in sorted(cement.by_region_ml.items())
        if region != Region.MARROW and ml > 0
    }


def _along(fracture: Fracture) -> FloatArray:
    """How far each point of the sheet lies along its long axis, mm (n,)."""
    weights = fracture.areas / fracture.areas.sum()
    centred = fracture.points - weights @ fracture.points
    axes = np.linalg.eigh((centred * weights[:, None]).T @ centred)[1]
    out: FloatArray = centred @ axes[:, -1]
    return out
