"""Where the cortex of the hip bones is thick: what a radiograph shows of them as lines.

The two parallel densities of a lateral lumbosacral radiograph are the ridge that bounds the
auricular surface above and in front, an increase of compact bone that carries the weight from the
sacrum to the hips (Wongchung 1997, Br J Radiol 70:58). It goes on as the arcuate line to the
pubis; the edge of the greater sciatic notch and the bone under the joint's cartilage are thick too
(textbook). How much thicker is a project choice within the 4 mm that pelvic cortex reaches [U].
The lines are laid along the joint and snapped to the bone's surface, so that an import has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.patient.cortex import OTHER_BONES_MM, THICKER
from game.patient.landmarks.joint import joint_points
from game.patient.patient import Landmark, Side
from game.patient.segmentation import Bones
from game.patient.traits import Quality

RIDGE_MM, ARCUATE_MM, NOTCH_MM, JOINT_MM = 2.4, 1.8, 1.6, 0.6  # more than elsewhere, osteoporotic
ASIDE_MM = 5.0  # sigma, across a line, over which its bone is thicker; project choice
MOST_MM = 4.0  # [U]
STEP_MM = 2.0  # along a line
BOUNDARY = np.radians(np.arange(-25.0, 116.0, 5.0))  # of the joint, from straight forward along the
# S1 endplate upwards, about its middle: the boundary above and in front
OUTER = 97.0  # per cent of the joint's points of a direction that lie within its boundary
NOTCH = (4.0, 46.0)  # mm below the joint's caudal end, between which the notch's edge is looked for
_FAR_MM = 3.0 * ASIDE_MM


@dataclass(frozen=True, eq=False)
class Ridges:
    """One hip bone's lines: `points` (n, 3), LPS mm, and how much thicker the cortex is there,
    `more` (n,), mm."""

    points: FloatArray
    more: FloatArray

    def thickness(self, points: FloatArray, quality: Quality) -> NDArray[np.float32]:
        """Cortical thickness (n,), mm, beneath surface points (n, 3), LPS mm: the thickest that
        any kind of line gives."""
        thicker = np.zeros(len(points), np.float32)
        for more in np.unique(self.more):
            tree = cKDTree(self.points[self.more == more])
            away = tree.query(points, distance_upper_bound=_FAR_MM, workers=2)[0] / ASIDE_MM
            thicker = np.maximum(thicker, more * np.exp(-0.5 * np.minimum(away, 9.0) ** 2))
        thick = THICKER[quality] * (OTHER_BONES_MM + thicker)
        return np.asarray(np.minimum(thick, MOST_MM), np.float32)


def ridges_of(
    bones: Bones,
    hips: Mapping[Side, tuple[Grid, NDArray[np.float32]]],
    landmarks: Mapping[str, Landmark],
    axes: FloatArray,
    up: FloatArray,
) -> Mapping[Side, Ridges]:
    """Both hip bones' lines: `hips` are their whole signed distances, each on its grid, mm, in the
    frame of `bones`. `axes` (3, 3) are the patient's left, posterior and superior, `up` (3,) the S1
    endplate's normal, LPS."""
    return {
        side: _ridges(joint_points(bones, side), _surface(*hip), landmarks, axes, up, side)
        for side, hip in hips.items()
    }


def _surface(grid: Grid, distance: NDArray[np.float32]) -> FloatArray:
    """Every fourth voxel centre (n, 3) at a surface."""
    at = np.argwhere(np.abs(distance) < 0.5 * grid.spacing)[::4]
    return grid.point_from_index(at.astype(float))


def _ridges(
    joint: FloatArray,
    surface: FloatArray,
    landmarks: Mapping[str, Landmark],
    axes: FloatArray,
    up: FloatArray,
    side: Side,
) -> Ridges:
    ahead = np.cross(axes[0], up)
    front = _boundary(joint, ahead, up)
    lines = [(front, RIDGE_MM), (joint[:: max(1, len(joint) // 400)], JOINT_MM)]
    lines.append((_notch(surface, landmarks[f"si_caudal_{side}"].point, axes), NOTCH_MM))
    tubercle = landmarks.get(f"pubic_tubercle_{side}")
    if tubercle is not None:
        foremost = front[int(np.argmax(front @ ahead))]
        lines.append((_between(foremost, tubercle.point), ARCUATE_MM))
    nearest = cKDTree(surface)
    points = np.vstack([surface[nearest.query(line)[1]] for line, _ in lines])
    more = np.concatenate([np.full(len(line), mm) for line, mm in lines])
    return Ridges(points, more)


def _boundary(joint: FloatArray, ahead: FloatArray, up: FloatArray) -> FloatArray:
    """The joint's points (n, 3) that lie furthest from its middle, above and in front."""
    off = joint - joint.mean(axis=0)
    turn, away = np.arctan2(off @ up, off @ ahead), np.hypot(off @ up, off @ ahead)
    found = []
    for angle in BOUNDARY:
        there = np.flatnonzero(np.abs(turn - angle) < np.radians(4.0))
        if len(there):
            reach = np.percentile(away[there], OUTER)
            found.append(joint[there[int(np.argmin(np.abs(away[there] - reach)))]])
    return np.array(found)


def _notch(surface: FloatArray, caudal: FloatArray, axes: FloatArray) -> FloatArray:
    """The edge of the greater sciatic notch (n, 3): the hip bone's hindmost places below the
    joint's caudal end (3,)."""
    below = (caudal - surface) @ axes[2]
    found = []
    for low in np.arange(*NOTCH, STEP_MM):
        there = surface[np.abs(below - low) < STEP_MM]
        if len(there):
            behind = there @ axes[1]
            found.append(there[behind > behind.max() - STEP_MM].mean(axis=0))
    return np.array(found).reshape(-1, 3)


def _between(start: FloatArray, end: FloatArray) -> FloatArray:
    """Points (n, 3) on the straight way, about STEP_MM apart."""
    count = max(int(np.linalg.norm(end - start) / STEP_MM), 2)
    return start + np.linspace(0.0, 1.0, count)[:, None] * (end - start)
