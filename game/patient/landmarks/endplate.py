"""The S1 endplate read from the midsagittal profile of sacrum and spine together.

Hand-drawn labels do not end where the endplate is: one label map cuts S1 coronally, another level
with a slice. So the outline of both labels together is read. The promontory is the corner of its
front; the posterior corner lies on the canal's front wall at the endplate's usual length, and the
endplate is never convex, so sacral bone between the corners lies below their chord.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, gaussian_filter, label
from scipy.spatial import cKDTree
from skimage.measure import find_contours

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.landmarks.frame import Frame
from game.patient.segmentation import Bones

LENGTH_MM, LENGTH_SD = 33.4, 2.2  # S1 superior AP diameter, male [M], facts/anatomy.md
PROMONTORY_RAD, PROMONTORY_SD = 0.96, 0.16  # 55 +- 9 deg between endplate and ventral surface, from
# the S1 diameters and heights of facts/anatomy.md (33.4, 20.1, 28.2, 22.0); spread: project choice
SLOPE_RAD, SLOPE_SD = 0.69, 0.07  # of the endplate in the sacrum's own frame: 40 deg on the
# generated sacra (base angle 38.6-41.8, Manipal); spread: project choice, below the 6 deg between
# standing persons, for the frame turns with the sacrum
SLOPE_REACH = 0.36  # project choice
CHORD_SD = 2.0  # mean height of labelled bone above the endplate, mm; project choice
DEPTH_MM = 8.0  # of S1 looked at under the endplate; project choice
RIVAL_MM = 8.0  # pairs further than this from the best are another place; project choice
VOID_COST = 10.0  # where there is no bone at all under the endplate; project choice
LEAST_TURN, USUAL_TURN, TURN_SD = 0.35, 0.9, 0.4  # of the outline at the promontory, radians over
# 2 x ARM; project choice
STRIP = (-8.0, -4.0, 0.0, 4.0, 8.0)  # sagittal slices that are averaged, mm; project choice
PIXEL = 0.75  # mm
VENTRAL_MM = 16.0  # of ventral surface that gives its direction, mm; project choice
ARM = 8.0  # over which a turn of the outline is read, mm; project choice
EDGE = 4.0  # corners this near the raster's rim are the cut, not anatomy, mm


@dataclass(frozen=True, eq=False)
class Profile:
    """Midsagittal distances on a raster in (p, s): `sacrum` and `spine` (n, m), mm, at
    `corner` + PIXEL * index."""

    corner: FloatArray
    sacrum: FloatArray
    spine: FloatArray

    def point(self, index: NDArray[Any]) -> FloatArray:
        """(p, s) of raster indices (..., 2)."""
        return self.corner + PIXEL * index


def profile_of(bones: Bones, frame: Frame) -> Profile:
    """The strip's mean distances over all that the grid holds."""
    ends = np.array(bones.grid.shape) - 1
    box = np.array([[i, j, k] for i in (0, ends[0]) for j in (0, ends[1]) for k in (0, ends[2])])
    local = frame.local(bones.grid.point_from_index(box))[:, 1:]
    corner, size = local.min(axis=0), np.ptp(local, axis=0)
    p, s = (np.arange(0.0, size[k], PIXEL) + corner[k] for k in (0, 1))
    x, pp, ss = np.meshgrid(np.array(STRIP), p, s, indexing="ij")
    points = frame.world(np.stack([x, pp, ss], axis=-1)).reshape(-1, 3)
    sacrum, spine = (
        bones.grid.sample(volume, points, 30.0).reshape(x.shape).mean(axis=0)
        for volume in (bones.sacrum, bones.spine)
    )
    return Profile(corner, sacrum, spine)


def endplate_corners(bones: Bones, frame: Frame) -> tuple[FloatArray, FloatArray]:
    """Promontory and posterior corner (3,) each, LPS mm: the mean over pairs on the
    common outline, weighted by how likely each is.

    Raises PatientError where the outline has no corner of the usual size."""
    profile = profile_of(bones, frame)
    outline, turn = _outline(profile)
    pairs = list(_pairs(profile, outline, turn))
    if not pairs:
        raise PatientError("the midsagittal outline of sacrum and spine shows no S1 endplate")
    bone = profile.point(np.argwhere(profile.sacrum < 0)[::3])
    other = profile.point(np.argwhere((profile.spine < 0) & (profile.sacrum >= 0))[::3])
    cost = np.array([_cost(outline, turn, bone, other, i, j) for i, j in pairs])
    corners = np.array([[*outline[i], *outline[j]] for i, j in pairs])
    weight = np.exp(-0.5 * (cost - cost.min()))
    weight[np.abs(corners - corners[cost.argmin()]).max(axis=1) > RIVAL_MM] = 0.0
    front, back = np.average(corners, axis=0, weights=weight).reshape(2, 2)
    return frame.world(np.array([0.0, *front])), frame.world(np.array([0.0, *back]))


def _pairs(profile: Profile, outline: FloatArray, turn: FloatArray) -> Iterator[tuple[int, int]]:
    """Outline indices of promontory and posterior corner that may form an S1 endplate."""
    reach = LENGTH_SD * 3.5
    spine = profile.point(np.argwhere(profile.spine < 0)[::7])
    ends = profile.point(np.array([[0, 0], np.array(profile.sacrum.shape) - 1]))
    near = cKDTree(spine).query(outline)[0] < 20.0 if len(spine) else np.full(len(outline), True)
    inner = np.all((outline > ends[0] + EDGE) & (outline < ends[1] - EDGE), axis=1)
    for i in np.flatnonzero((turn > LEAST_TURN) & near & inner):
        step = outline - outline[i]
        length = np.hypot(step[:, 0], step[:, 1])
        slope = np.arctan2(step[:, 1], step[:, 0])
        fits = (np.abs(length - LENGTH_MM) < reach) & (np.abs(slope - SLOPE_RAD) < SLOPE_REACH)
        for j in np.flatnonzero(fits):
            yield int(i), int(j)


def _cost(
    outline: FloatArray, turn: FloatArray, bone: FloatArray, other: FloatArray, i: int, j: int
) -> float:
    """Squared deviations, in standard deviations, of one pair from an S1 endplate; `bone` and
    `other` are every third pixel of the sacral and of the spinal label."""
    chord = outline[j] - outline[i]
    length = float(np.hypot(*chord))
    ventral = outline[(i + _caudal(outline) * int(VENTRAL_MM)) % len(outline)] - outline[i]
    angle = float(np.arctan2(np.cross([*ventral, 0], [*chord, 0])[2], ventral @ chord))
    slope = float(np.arctan2(chord[1], chord[0]))
    above, below = _covered(bone, outline[i], chord)
    _, lent = _covered(other, outline[i], chord)
    return (
        ((length - LENGTH_MM) / LENGTH_SD) ** 2
        + ((angle - PROMONTORY_RAD) / PROMONTORY_SD) ** 2
        + ((slope - SLOPE_RAD) / SLOPE_SD) ** 2
        + ((turn[i] - USUAL_TURN) / TURN_SD) ** 2
        + (above / CHORD_SD) ** 2
        + VOID_COST * (1.0 - (below + lent) / DEPTH_MM)
    )


def _covered(pixels: FloatArray, start: FloatArray, chord: FloatArray) -> tuple[float, float]:
    """Mean height, mm, of labelled pixels within 15 mm above and DEPTH_MM below a chord's middle
    four fifths."""
    length = float(np.hypot(*chord))
    along = (pixels - start) @ chord / length
    height = (pixels - start) @ np.array([-chord[1], chord[0]]) / length
    within = (along > 0.1 * length) & (along < 0.9 * length)
    per_pixel = 3 * PIXEL**2 / (0.8 * length)
    above = (within & (height > 0) & (height < 15.0)).sum() * per_pixel
    below = (within & (height < 0) & (height > -DEPTH_MM)).sum() * per_pixel
    return float(above), float(below)


def _caudal(outline: FloatArray) -> int:
    """+1 or -1: the way along the outline that runs down its front from the promontory."""
    x, y = outline[:, 0], outline[:, 1]
    area = 0.5 * float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
    return 1 if area > 0 else -1


def _outline(profile: Profile) -> tuple[FloatArray, FloatArray]:
    """The closed outline (n, 2) of the vertebral column's front part, in (p, s), 1 mm apart, and
    its turn (n,), radians, positive at outward corners."""
    both = np.minimum(profile.sacrum, profile.spine) < 0
    padded = np.pad(both, 20, mode="edge")
    disk = np.hypot(*np.mgrid[-9:10, -9:10]) <= 9  # bridges a disc of 13 mm
    closed = binary_closing(padded, disk)[20:-20, 20:-20]
    parts, _ = label(closed)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    body = binary_fill_holes(parts == sizes.argmax())
    smooth = gaussian_filter(np.pad(body.astype(float), 2), 1.5)
    longest = max(find_contours(smooth, 0.5), key=len)
    points = profile.point(longest - 2.0)
    arc = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    at = np.arange(0.0, arc[-1], 1.0)
    points = np.stack([np.interp(at, arc, points[:, k]) for k in (0, 1)], axis=1)
    return points, _turn(points)


def _turn(points: FloatArray) -> FloatArray:
    reach = int(ARM)
    ahead = np.roll(points, -reach, axis=0) - points
    back = points - np.roll(points, reach, axis=0)
    turn = np.arctan2(
        back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0], (back * ahead).sum(axis=1)
    )
    return turn * _caudal(points)
