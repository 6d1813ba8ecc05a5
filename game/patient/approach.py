"""The long-axis path on one side, as Smith & Gilula (2006) describe it, read from a patient.

Entry: midpoint between the inferior margin of the SI joint and the lateral margin of the S3
foramen, on the posterior surface. Target: mid S1 on the lateral, 13 mm below the S1 endplate and
10 mm lateral to the S1 foramen's centre (facts/procedure.md, measured on 38 real alae). The path
is shortened until the cannula's surface keeps its clearance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.geometry.views import axes_from_left
from game.patient.errors import PatientError
from game.patient.landmarks.reading import ala_target
from game.patient.patient import FORAMINA, Landmark, Patient, Plane, Region, Side, Structure

CANNULA_RADIUS_MM = 1.525  # 11G, the larger of the two in use
CORTEX_MM, FORAMEN_MM = 3.0, 2.0  # facts/procedure.md, grading [P]
MOST_SHIFT_MM = 12.0  # of the target within the ala; project choice
SHORTEST_MM = 35.0  # of safe bone; project choice (63.5 +- 5.7 measured)
ENTRY_REACH_MM = 12.0  # of the path that belongs to the entry; project choice
PIERCED_MM = 1.5  # of the way in which the tip may still stand in the cortex it pierces
FARTHEST_SKIN_MM = 200.0
OWN_CORTEX_MM = 10.0  # of the path that runs through the cortex which it enters by; with it three
# real pelves have 4.5 +- 1.1 mm of clearance, of 4.4 +- 1.6 measured (facts/procedure.md)
AHEAD_MM = 60.0  # beyond the target that is looked at


@dataclass(frozen=True, eq=False)
class Approach:
    """All points (3,) LPS mm. `skin` is where the path's line leaves the body, `entry` where it
    meets the posterior cortex, `target` where the tip shall stop, `direction` the unit vector from
    skin to target. `shortened_mm` says how far the target lies short of the anatomical one."""

    side: Side
    skin: FloatArray
    entry: FloatArray
    target: FloatArray
    direction: FloatArray
    shortened_mm: float

    @property
    def bone_length(self) -> float:
        """Entry to target, mm."""
        return float(((self.target - self.entry) ** 2).sum() ** 0.5)

    @property
    def skin_to_target(self) -> float:
        """Skin to target along the path, mm."""
        return float(((self.target - self.skin) ** 2).sum() ** 0.5)


def long_axis(patient: Patient, side: Side) -> Approach:
    """The reference path of one side.

    The anatomical target may move within the ala, in the plane of the endplate, towards the plane
    of the fracture and away from walls that the straight way would come too near; then the path is
    shortened. Raises PatientError where less than
    `SHORTEST_MM` of bone is left: such an ala needs another technique. A whole ala has a path too,
    so that a cannula on the wrong side can be measured."""
    entry = _entry(patient, side)
    targets = _targets(patient, side)
    sheet = patient.fractures[side].tree if side in patient.fractures else None
    paths = [_path(patient, side, entry, target, shift, sheet) for target, shift in targets]
    best = min(paths, key=lambda path: path.cost)
    if best.length < SHORTEST_MM:
        raise PatientError(
            f"the {side} long-axis path has {best.length:.0f} mm of safe bone; "
            f"at least {SHORTEST_MM:.0f} mm are needed"
        )
    return Approach(
        side=side,
        skin=skin_exit(patient, entry, best.direction),
        entry=entry,
        target=entry + best.length * best.direction,
        direction=best.direction,
        shortened_mm=best.full - best.length,
    )


@dataclass(frozen=True)
class PathFigures:
    """The path by the entry rule to the anatomical target, as facts/procedure.md measures it, mm.

    `length` from the bony entry to the target; `least_axis_clearance` of the path's axis to any
    cortex or foramen wall, beyond OWN_CORTEX_MM from the entry; `bone_ahead` of the target along
    the path, negative by how far the target lies beyond the cortex; `landmark_gap` between the two
    landmarks that the entry lies midway between; `normal_deg` to the endplate's normal; `stop`,
    where the planner holds: at the target or CORTEX_MM short of cortex, whichever comes first."""

    length: float
    least_axis_clearance: float
    bone_ahead: float
    landmark_gap: float
    normal_deg: float
    stop: float


def path_figures(
    grid: Grid,
    sacrum: NDArray[np.float32],
    landmarks: Mapping[str, Landmark],
    planes: Mapping[str, Plane],
    side: Side,
) -> PathFigures:
    """One side's figures from the sacrum's signed distance on `grid`, its landmarks and planes.

    The inferior margin of the joint is the posterior inferior iliac spine where there is one, as in
    the published measuring, else the joint's own caudal end. Takes a millisecond. Raises
    PatientError where there is no bone behind or before the entry landmarks."""
    left, up = planes["midsagittal"].normal, planes["s1_endplate"].normal
    margin = (landmarks.get(f"piis_{side}") or landmarks[f"si_caudal_{side}"]).point
    lateral = landmarks[f"s3_lateral_{side}"].point
    entry = _snapped(grid, sacrum, 0.5 * (margin + lateral), axes_from_left(left)[1], side)
    target = ala_target(landmarks, side, left, up)
    length = float(np.linalg.norm(target - entry))
    direction = (target - entry) / length
    along = np.arange(0.0, length + AHEAD_MM, 0.1)
    depth = -grid.sample(sacrum, entry + along[:, None] * direction, 50.0)
    shaft = (along > OWN_CORTEX_MM) & (along <= length)
    outside = np.flatnonzero((depth < 0) & (along > 0.5 * length))
    ahead = (float(along[outside[0]]) if len(outside) else float(along[-1])) - length
    return PathFigures(
        length=length,
        least_axis_clearance=float(depth[shaft].min()),
        bone_ahead=ahead,
        landmark_gap=float(np.linalg.norm(margin - lateral)),
        normal_deg=float(np.degrees(np.arccos(np.clip(direction @ up, -1.0, 1.0)))),
        stop=min(length, length + ahead - CORTEX_MM),
    )


def skin_exit(patient: Patient, point: FloatArray, direction: FloatArray) -> FloatArray:
    """Where the line through an LPS point (3,), against `direction`, leaves the body; raises
    PatientError where it does not within the body grid."""
    steps = np.arange(0.0, FARTHEST_SKIN_MM, 0.25)
    line = point - steps[:, None] * direction
    outside = patient.structure_at(line) == Structure.AIR
    if not outside.any() or outside[0]:
        raise PatientError("the path does not leave the body through skin")
    skin: FloatArray = line[int(np.argmax(outside))]
    return skin


@dataclass(frozen=True, eq=False)
class _Path:
    """A candidate: how much of its `full` way keeps the clearances, and what it costs."""

    direction: FloatArray
    full: float
    length: float
    cost: float


def _entry(patient: Patient, side: Side) -> FloatArray:
    """The rule's midpoint, brought straight back (or forward) onto the posterior surface, so that
    it stays the midpoint in the frontal picture; raises PatientError where there is no bone."""
    middle = (patient.point(f"si_caudal_{side}") + patient.point(f"s3_lateral_{side}")) / 2
    return _snapped(patient.bone, patient.sacrum_distance, middle, patient.anatomy.axes[1], side)


def _snapped(
    grid: Grid, sacrum: NDArray[np.float32], middle: FloatArray, back: FloatArray, side: Side
) -> FloatArray:
    line = middle + np.arange(30.0, -30.0, -0.1)[:, None] * back
    inside = grid.sample(sacrum, line, 50.0) <= 0
    if not inside.any():
        raise PatientError(f"there is no sacrum behind or before the {side} entry landmarks")
    point: FloatArray = line[int(np.argmax(inside))]
    return point


def _targets(patient: Patient, side: Side) -> list[tuple[FloatArray, float]]:
    """The anatomical target and its neighbours in the plane of the endplate, with their shifts."""
    left = patient.planes["midsagittal"].normal
    up = patient.planes["s1_endplate"].normal
    back = np.cross(up, left)
    goal = ala_target(patient.landmarks, side, left, up)
    moves = np.arange(-MOST_SHIFT_MM, MOST_SHIFT_MM + 1.0, 2.0)
    return [
        (goal + u * left + v * back, float(np.hypot(u, v)))
        for u in moves
        for v in moves
        if np.hypot(u, v) <= MOST_SHIFT_MM
    ]


def _path(
    patient: Patient,
    side: Side,
    entry: FloatArray,
    target: FloatArray,
    shift: float,
    sheet: cKDTree | None,
) -> _Path:
    full = float(np.linalg.norm(target - entry))
    direction = (target - entry) / full
    along = np.arange(0.0, full + 0.25, 0.5)
    shaft = entry + along[:, None] * direction
    spare = _spare(patient, side, shaft, along)
    inside = patient.depth_in_bone(shaft) > 0
    good = (spare >= 0) & (inside | (along < PIERCED_MM))
    reach = len(along) if good.all() else int(np.argmin(good))
    length = min(full, float(along[reach - 1])) if reach else 0.0
    if _through_bone(patient, entry, direction):
        length = 0.0
    least = float(spare[: max(reach, 1)].min())
    off_plane = 0.0 if sheet is None else float(sheet.query(shaft)[0].mean())
    cost = full - length + 0.5 * off_plane + 0.1 * shift - 0.5 * min(least, 2.0)
    return _Path(direction, full, length, cost)


def _spare(patient: Patient, side: Side, shaft: FloatArray, along: FloatArray) -> FloatArray:
    """Clearance of the cannula's surface beyond what each wall asks for, mm, along the shaft. The
    entry rule itself lies near the joint's caudal end: there the joint asks for no more than not to
    be touched."""
    joint = Region.SI_JOINT_LEFT if side == "left" else Region.SI_JOINT_RIGHT
    asked = dict.fromkeys((Region.PRESACRAL, Region.CEPHALAD, joint, Region.DISC), CORTEX_MM)
    asked |= dict.fromkeys((*FORAMINA[side], Region.CANAL), FORAMEN_MM)
    spare = np.full(len(shaft), np.inf)
    for region, clearance in asked.items():
        if region in patient.walls:
            gap = patient.walls[region].query(shaft)[0]
            near_entry = (along < ENTRY_REACH_MM) & (region == joint)
            least = CANNULA_RADIUS_MM + np.where(near_entry, 0.0, clearance)
            spare = np.minimum(spare, gap - least)
    return spare


def _through_bone(patient: Patient, entry: FloatArray, direction: FloatArray) -> bool:
    """Whether the way from the skin to the entry is barred by bone."""
    before = entry - np.arange(2.0, 60.0)[:, None] * direction
    barred = (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT)
    return bool(np.isin(patient.structure_at(before), barred).any())
