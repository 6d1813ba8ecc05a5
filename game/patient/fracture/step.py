"""The anterior cortical step of a displaced ala: the lateral fragment's front stands before the
medial one's where the fracture meets the ventral cortex, and comes back to its place laterally.

On CT: a step of the anterior cortex 10-15 mm medial to the SI joint ([U], facts/anatomy.md). How
far it stands out is not published. Bone is only added, in front of bone that faces forwards: joint,
foramina, the ala's top and the long-axis path keep their places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import FORAMINA, Fracture, FractureName, Region
from game.patient.redistance import redistanced
from game.patient.segmentation import Bones

# Project choices, not validated:
STEP_MM = (1.2, 2.0)  # drawn between: what a 1 mm CT just shows
RUN_MM = 9.0  # lateral to the sheet, over which the fragment comes back to its place
END_MM = (2.0, 5.0)  # beyond the sheet's edge: full step, and none
JOINT_MM = (3.0, 7.0)  # from the hip bone: no step, and full step
NERVE_MM = (2.0, 5.0)  # from canal and foramina, the same
FACING = (0.3, 0.7)  # cosine of the cortex's normal to straight forwards, the same
BAND_MM = 4.0  # about the surface, within which it is moved
_NEIGHBOURS = 16  # points of a sheet whose plane is its own there
_STREAM = 5  # of the seed's generators; so that other draws of a patient stay independent


def stepped(
    bones: Bones,
    region: NDArray[np.uint8],
    fractures: Mapping[FractureName, Fracture],
    front: FloatArray,
    seed: int,
) -> tuple[Bones, NDArray[np.uint8], dict[FractureName, Fracture]]:
    """The bones, region map and fractures once every broken ala has its step, mm, drawn by the
    seed; fractures of the midline have none. `front` (3,) is the patient's own forwards, LPS. The
    arrays given are left as they are."""
    rng = np.random.default_rng([seed, _STREAM])
    level, made = bones.sacrum.copy(), dict(fractures)
    nerves = _nerves(bones.grid, region)
    for name, fracture in fractures.items():
        if fracture.side is not None:
            made[name] = replace(fracture, step_mm=float(rng.uniform(*STEP_MM)))
            _advance(level, bones, nerves, made[name], front)
    if np.array_equal(level, bones.sacrum):
        return bones, region, made
    sacrum = _measured_again(bones, level)
    moved = region.copy()
    moved[sacrum < 0] = Region.MARROW
    return replace(bones, sacrum=sacrum), moved, made


def _measured_again(bones: Bones, level: NDArray[np.float32]) -> NDArray[np.float32]:
    """The signed distance to the zero level of `level`, where that is nearer than the old one: bone
    was only added."""
    sacrum = bones.sacrum.copy()
    changed = np.argwhere(level != sacrum)
    reach = round(2 * BAND_MM / bones.grid.spacing)
    low, high = np.maximum(changed.min(axis=0) - reach, 0), changed.max(axis=0) + reach + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    fresh = redistanced(level, bones.grid.spacing)[box]
    np.minimum(sacrum[box], fresh, out=sacrum[box])
    return sacrum


def _nerves(grid: Grid, region: NDArray[np.uint8]) -> cKDTree:
    """The canal's and the foramina's voxels, every second of them."""
    thin = region[::2, ::2, ::2]
    held = np.isin(thin, (Region.CANAL, *FORAMINA["left"], *FORAMINA["right"]))
    return cKDTree(grid.point_from_index(2.0 * np.argwhere(held)))


def _advance(
    level: NDArray[np.float32],
    bones: Bones,
    nerves: cKDTree,
    fracture: Fracture,
    front: FloatArray,
) -> None:
    """Lowers `level`, the sacrum's signed distance, by the lateral fragment's step, in place."""
    at, points, facing = _ventral(bones, fracture, front)
    lateral, beyond = _from_sheet(fracture, points, front)
    half = 0.5 * bones.grid.spacing  # the step rises within a voxel, not within none
    share = _ramp(lateral, -half, half) * _bell(np.maximum(lateral, 0.0) / RUN_MM)
    share *= facing * (1.0 - _ramp(beyond, *END_MM))
    share *= _ramp(bones.hip[fracture.side or "left"][at], *JOINT_MM)
    away = nerves.query(points, distance_upper_bound=2 * NERVE_MM[1])[0]
    level[at] -= (fracture.step_mm * share * _ramp(away, *NERVE_MM)).astype(np.float32)


def _ventral(
    bones: Bones, fracture: Fracture, front: FloatArray
) -> tuple[tuple[NDArray[np.int64], ...], FloatArray, FloatArray]:
    """Indices and points (n, 3), LPS mm, of the voxels near the sheet and the sacrum's surface
    where it faces forwards, and by how much it does, 0 to 1 (n,)."""
    grid, reach = bones.grid, RUN_MM + BAND_MM
    index = grid.index_from_point(fracture.points)
    low = np.maximum(np.floor(index.min(axis=0) - reach / grid.spacing), 0).astype(int)
    high = np.ceil(index.max(axis=0) + reach / grid.spacing).astype(int) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    near = np.argwhere(np.abs(bones.sacrum[box]) < BAND_MM) + low
    points = grid.point_from_index(near.astype(float))
    facing = _ramp(_slope(grid, bones.sacrum, points) @ front, *FACING)
    near, points, facing = near[facing > 0], points[facing > 0], facing[facing > 0]
    close = np.isfinite(fracture.tree.query(points, distance_upper_bound=reach)[0])
    return tuple(near[close].T), points[close], facing[close]


def _from_sheet(
    fracture: Fracture, points: FloatArray, front: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """How far LPS points (n, 3) lie lateral to the sheet where it is nearest, and beyond its end
    along the cortex, mm (n,): both as seen from the `front`, so that the fragment moves straight
    forwards and overhangs nothing, however oblique the sheet."""
    nearest = fracture.tree.query(points)[1]
    used, where = np.unique(nearest, return_inverse=True)
    normals = _normals(fracture, used)
    normals -= (normals @ front)[:, None] * front
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    away = points - fracture.points[nearest]
    lateral = np.einsum("ij,ij->i", away, normals[where])
    along = (away**2).sum(axis=1) - lateral**2 - (away @ front) ** 2
    return lateral, np.sqrt(np.maximum(along, 0.0))


def _normals(fracture: Fracture, chosen: NDArray[np.int64]) -> FloatArray:
    """Unit normals (k, 3) of a sheet at its points `chosen` (k,), turned outward."""
    points = fracture.points
    near = fracture.tree.query(points[chosen], k=min(_NEIGHBOURS, len(points)))[1]
    cloud = points[near] - points[near].mean(axis=1, keepdims=True)
    normals = np.linalg.eigh(np.einsum("kni,knj->kij", cloud, cloud))[1][:, :, 0]
    return np.asarray(normals * np.where(normals @ fracture.normal < 0, -1.0, 1.0)[:, None])


def _slope(grid: Grid, sacrum: NDArray[np.float32], points: FloatArray) -> FloatArray:
    """Unit directions (n, 3) away from bone."""
    step = grid.spacing * np.eye(3)
    sides = [
        grid.sample(sacrum, points + d, 30.0) - grid.sample(sacrum, points - d, 30.0) for d in step
    ]
    slope = np.stack(sides, axis=1)
    return np.asarray(slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6))


def _bell(share: FloatArray) -> FloatArray:
    """1 at 0, falling as a cosine to 0 at 1 and beyond."""
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip(share, 0.0, 1.0)))


def _ramp(value: FloatArray, start: float, end: float) -> FloatArray:
    """0 up to `start`, 1 from `end` on."""
    return np.clip((value - start) / (end - start), 0.0, 1.0)
