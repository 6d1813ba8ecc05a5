"""The sacroiliac joint: the middle of the gap between facing surfaces of sacrum and hip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.landmarks.frame import Frame
from game.patient.patient import Landmark, Side
from game.patient.segmentation import Bones

GAP_MM = 6.0  # widest joint space taken for the joint (2-4 mm [U], facts/anatomy.md, plus a voxel
# of 3 mm drawn on either side)
FACING = -0.6  # cosine between the two surfaces' normals, at most; project choice
BACKWARD = 0.05  # posterior against caudal in 'posterior-inferior'; project choice
LAST_SHARE = 0.02  # of the joint, that its caudal end is the middle of; project choice
PIIS_REACH_MM = 25.0  # of the PIIS from the joint's caudal end; project choice
BLUNT_MM = 2.0  # project choice


def joint_points(bones: Bones, side: Side) -> FloatArray:
    """Points (n, 3), LPS mm, half-way between the facing surfaces; one per voxel or fewer.

    Raises PatientError where sacrum and hip do not face each other anywhere."""
    hip = bones.hip[side]
    apart = bones.sacrum + hip
    middle = (np.abs(bones.sacrum - hip) < bones.grid.spacing) & (apart < GAP_MM) & (apart > -6.0)
    index = np.argwhere(middle)
    if len(index):
        ours, theirs = _normals(bones.sacrum, index), _normals(hip, index)
        index = index[(ours * theirs).sum(axis=1) < FACING]
    if len(index) < 100:
        raise PatientError(f"the {side} hip bone faces the sacrum at {len(index)} voxels; need 100")
    return bones.grid.point_from_index(index.astype(float))


def _normals(distance: FloatArray, index: NDArray[np.int_]) -> FloatArray:
    """Unit gradients (n, 3) at voxels (n, 3), from neighbours two voxels away."""
    gradient = np.empty(index.shape)
    for axis in range(3):
        up, down = index.copy(), index.copy()
        up[:, axis] = np.minimum(up[:, axis] + 2, distance.shape[axis] - 1)
        down[:, axis] = np.maximum(down[:, axis] - 2, 0)
        gradient[:, axis] = distance[tuple(up.T)] - distance[tuple(down.T)]
    return gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-6)


def si_caudal(joint: FloatArray, frame: Frame) -> Landmark:
    """The caudal end of a joint at its posterior-inferior margin: the middle of its last part."""
    reach = joint @ (BACKWARD * frame.axes[1] - frame.axes[2])
    last = joint[reach >= np.quantile(reach, 1.0 - LAST_SHARE)]
    return Landmark(last.mean(axis=0), False, 2.0)


def spines(bones: Bones, side: Side, frame: Frame, caudal: FloatArray) -> dict[str, Landmark]:
    """`psis` and `piis` of one side where the source holds them: the hip's hindmost place above the
    joint's caudal end (3,), and its hindmost and lowest near that end."""
    points = bones.hip_surface[side][0] + bones.grid.origin
    local = frame.local(points) - frame.local(caudal)
    found = {}
    above = local[:, 2] > 0
    if above.any():
        found[f"psis_{side}"] = _furthest(points[above], local[above, 1])
    near = np.linalg.norm(local, axis=1) < PIIS_REACH_MM
    if near.any():
        found[f"piis_{side}"] = _furthest(points[near], (local[:, 1] - 0.7 * local[:, 2])[near])
    return {name: Landmark(point, True, 5.0) for name, point in found.items()}


def _furthest(points: FloatArray, reach: FloatArray) -> FloatArray:
    """The middle (3,) of the points (n, 3) that reach furthest, fading over BLUNT_MM: a blunt
    process has no single hindmost point."""
    return np.average(points, axis=0, weights=np.exp((reach - reach.max()) / BLUNT_MM))
