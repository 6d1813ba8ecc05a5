"""The sacroiliac joint: the middle of the gap between facing surfaces of sacrum and hip."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.landmarks.frame import Frame, hip_points
from game.patient.patient import Landmark, Side
from game.patient.segmentation import Bones

GAP_MM = 6.0  # widest joint space taken for the joint (2-4 mm [U], facts/anatomy.md, plus a voxel
# of 3 mm drawn on either side)
MOST_OVERLAP_MM = np.float32(6.0)  # of two labels that were drawn over the joint; project choice
FACING = -0.6  # cosine between the two surfaces' normals, at most; project choice
GAP_FADE_MM, FACING_FADE = 2.0, 0.3  # over which a place stops to be joint; project choice
BACKWARD = 0.05  # posterior against caudal in 'posterior-inferior'; project choice
END_SHARES = (0.0275, 0.04)  # of the joint, that its caudal end is read from, across and along;
# project choice
END_MM = 3.5  # from the middle of the latter to the end: two thirds of its height, where a joint
# narrows linearly; read off the three scans
PIIS_REACH_MM, PIIS_FADE_MM = 25.0, 5.0  # of the PIIS from the joint's caudal end, and over how
# much to either side that ends; project choice
BLUNT_MM = 3.0  # project choice
PIIS_BLUNT_MM = 4.0  # project choice: over 3 mm the few slices that show a PIIS move it by 1.5 mm
PIIS_LOWER = 0.7  # caudal against posterior in 'hindmost and lowest'; project choice
FRONT_BLUNT_MM = (
    6.0  # project choice: the tubercle is blunter, and further from what sets the frame
)
TUBERCLE_HALF_MM = 45.0  # of the pubic tubercles from the midline, at most; project choice


def joint_points(bones: Bones, side: Side) -> FloatArray:
    """Points (n, 3), LPS mm, half-way between the facing surfaces; one per voxel or fewer.

    Raises PatientError where sacrum and hip do not face each other anywhere."""
    index, apart, facing = _between(bones, side, GAP_MM)
    index = index[(apart < GAP_MM) & (facing < FACING)]
    if len(index) < 100:
        raise PatientError(f"the {side} hip bone faces the sacrum at {len(index)} voxels; need 100")
    return bones.grid.point_from_index(index.astype(float))


def _between(
    bones: Bones, side: Side, widest: float
) -> tuple[NDArray[np.int_], FloatArray, FloatArray]:
    """Voxels (n, 3) half-way between sacrum and hip, the gap there, mm (n,), and the cosine (n,)
    between the two surfaces' normals."""
    hip = bones.hip[side]
    middle = np.empty(hip.shape, np.bool_)
    _half_way(bones.sacrum, hip, np.float32(bones.grid.spacing), np.float32(widest), middle)
    index = np.argwhere(middle)
    facing = (_normals(bones.sacrum, index) * _normals(hip, index)).sum(axis=1)
    return index, bones.sacrum[middle] + hip[middle], facing


@njit(nogil=True, cache=True)
def _half_way(one, other, near, widest, out):  # type: ignore[no-untyped-def]
    """Where two distances are alike to `near` and their sum is a gap, no overlap of bones."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                a, b = one[i, j, k], other[i, j, k]
                out[i, j, k] = abs(a - b) < near and -MOST_OVERLAP_MM < a + b < widest


def _normals(distance: FloatArray, index: NDArray[np.int_]) -> FloatArray:
    """Unit gradients (n, 3) at voxels (n, 3), from neighbours two voxels away."""
    gradient = np.empty(index.shape)
    for axis in range(3):
        up, down = index.copy(), index.copy()
        up[:, axis] = np.minimum(up[:, axis] + 2, distance.shape[axis] - 1)
        down[:, axis] = np.maximum(down[:, axis] - 2, 0)
        gradient[:, axis] = distance[tuple(up.T)] - distance[tuple(down.T)]
    return gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-6)


def si_caudal(bones: Bones, side: Side, frame: Frame) -> Landmark:
    """The caudal end of a joint at its posterior-inferior margin: the middle of its last part,
    END_MM further on. A joint ends gradually: places count less where the gap widens.

    Raises PatientError where sacrum and hip do not face each other anywhere."""
    index, apart, facing = _between(bones, side, GAP_MM + GAP_FADE_MM)
    weight = np.clip(0.5 + 0.5 * (GAP_MM - apart) / GAP_FADE_MM, 0.0, 1.0)
    weight *= np.clip(0.5 + 0.5 * (FACING - facing) / FACING_FADE, 0.0, 1.0)
    if weight.sum() < 100.0:
        raise PatientError(
            f"the {side} hip bone faces the sacrum at {weight.sum():.0f} voxels; need 100"
        )
    local = frame.local(bones.grid.point_from_index(index.astype(float)))
    order = np.argsort(local[:, 2] - BACKWARD * local[:, 1], kind="stable")
    local, weight = local[order], weight[order]
    share = np.cumsum(weight) / weight.sum()
    across, along = (
        np.average(local[share <= most], axis=0, weights=weight[share <= most])
        for most in END_SHARES
    )
    return Landmark(frame.world(np.array([*across[:2], along[2] - END_MM])), False, 2.0)


def spines(bones: Bones, side: Side, frame: Frame, caudal: FloatArray) -> dict[str, Landmark]:
    """`psis` and `piis` of one side where the source holds them: the hip's hindmost place above the
    joint's caudal end (3,), and its hindmost and lowest near that end."""
    points, _ = hip_points(bones, side)
    local = frame.local(points) - frame.local(caudal)
    found = {}
    above = local[:, 2] > 0
    if above.any():
        found[f"psis_{side}"] = _furthest(points[above], local[above, 1])
    far = np.linalg.norm(local, axis=1) - PIIS_REACH_MM
    near = far < PIIS_FADE_MM
    if near.any():
        way = np.array([0.0, 1.0, -PIIS_LOWER])
        share = np.clip(0.5 - 0.5 * far[near] / PIIS_FADE_MM, 0.0, 1.0)
        tip = _furthest(points[near], local[near] @ way, PIIS_BLUNT_MM, share)
        # such a mean lies as far within a blunt tip as it is spread: held at BLUNT_MM
        out = (PIIS_BLUNT_MM - BLUNT_MM) * way / (way @ way)
        found[f"piis_{side}"] = tip + out @ frame.axes
    return {name: Landmark(point, True, 5.0) for name, point in found.items()}


def front(bones: Bones, side: Side, frame: Frame) -> dict[str, Landmark]:
    """`asis` and `pubic_tubercle` of one side: the foremost places of the hip bone's upper and of
    its lower medial half. Estimated, for a hip bone may end short of them."""
    points, _ = hip_points(bones, side)
    local = frame.local(points)
    height = local[:, 2] - np.median(local[:, 2])
    upper = height > 0
    medial = (height < 0) & (np.abs(local[:, 0]) < TUBERCLE_HALF_MM)
    found = {}
    for name, here in (("asis", upper), ("pubic_tubercle", medial)):
        if here.sum() > 10:
            reach = -local[here, 1] + 0.5 * local[here, 2]
            mark = _furthest(points[here], reach, FRONT_BLUNT_MM)
            found[f"{name}_{side}"] = Landmark(mark, True, 6.0)
    return found


def _furthest(
    points: FloatArray,
    reach: FloatArray,
    blunt: float = BLUNT_MM,
    share: FloatArray | float = 1.0,
) -> FloatArray:
    """The middle (3,) of the points (n, 3) that reach furthest, fading over `blunt` mm: a blunt
    process has no single hindmost point. Each counts by its `share` (n,) above 0."""
    return np.average(points, axis=0, weights=share * np.exp((reach - reach.max()) / blunt))
