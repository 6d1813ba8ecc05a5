"""What the expert works out from the landmarks before touching the patient.

The C-arm positions of the technique, the line of each cannula from the skin to its resting place,
and the depths at which a picture is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np

from game.devices.cannula import LENGTHS_MM
from game.devices.carm import CArmPose, refusal
from game.geometry.carm import detector_direction
from game.geometry.grid import FloatArray
from game.geometry.views import PelvicView, ViewName, pelvic_angles, view_angles
from game.patient.approach import skin_exit
from game.patient.patient import Patient, Side
from game.simulation.case import Case
from game.simulation.placing import LAST_STRETCH_MM, LONG_STEP_MM, SHORT_STEP_MM

GRIP_MM = 20.0  # facts/procedure.md
NEAR_MM = 5.0  # that a stored position keeps clear; project choice
LOWEST_MM = 200  # that the C-arm is lowered at most to clear the table; project choice
STEP_MARGIN_MM = 0.4  # the expert stops this far before the longest step allowed


@dataclass(frozen=True, eq=False)
class Line:
    """The line of one cannula: `skin`, `entry` and `target` (3,) LPS mm, unit `direction`."""

    skin: FloatArray
    entry: FloatArray
    target: FloatArray
    direction: FloatArray

    @property
    def bone_length(self) -> float:
        return float((self.target - self.entry) @ self.direction)

    @property
    def tissue_length(self) -> float:
        return float((self.entry - self.skin) @ self.direction)


def stored_position(case: Case, view: ViewName | PelvicView) -> CArmPose:
    """The C-arm position of a view, centred on the planned bony paths: on both, or for an oblique
    on the one of its side. Where the tube would stand in the table the whole arm is lowered along
    the beam, which keeps the view."""
    anatomy = case.patient.anatomy
    if view == "inlet" or view == "outlet":
        primary, secondary = pelvic_angles(view, anatomy)
    else:
        primary, secondary = view_angles(view, anatomy)
    one_sided = {oblique(side) for side in case.approaches}
    shown = [a for side, a in case.approaches.items() if view not in one_sided - {oblique(side)}]
    ends = [point for approach in shown for point in (approach.entry, approach.target)]
    middle = np.round(np.stack(ends).mean(axis=0))
    pose = CArmPose(primary, secondary, (float(middle[0]), float(middle[1]), float(middle[2])))
    return _lowered(pose, case)


def beside(pose: CArmPose, turn_deg: float, tilt_deg: float, lower_mm: float) -> CArmPose:
    """A pose turned and tilted by so many degrees, and moved along its beam towards the tube."""
    primary, secondary = pose.primary + radians(turn_deg), pose.secondary + radians(tilt_deg)
    towards = detector_direction(primary, secondary)
    x, y, z = (np.array(pose.isocentre) - lower_mm * towards).tolist()
    return CArmPose(primary, secondary, (x, y, z))


def _lowered(pose: CArmPose, case: Case) -> CArmPose:
    """The pose, its isocentre so far towards the tube that the tube clears the table; as it was
    where that does not help."""
    for by in range(0, LOWEST_MM, 10):
        tried = beside(pose, 0.0, 0.0, float(by))
        if (
            not refusal(tried, case.surroundings)
            and tried.clearance(case.surroundings).mm > NEAR_MM
        ):
            return tried
    return pose


def oblique(side: Side) -> ViewName:
    """The contralateral oblique that profiles this side's ala."""
    return "oblique-left" if side == "left" else "oblique-right"


def planned_line(case: Case, side: Side, entry_offset: float = 0.0) -> Line:
    """The reference path, or one whose bony entry lies `entry_offset` mm beside it on the bone."""
    approach = case.approaches[side]
    if entry_offset == 0.0:
        return Line(approach.skin, approach.entry, approach.target, approach.direction)
    entry = _displaced(case.patient, approach.entry, approach.direction, entry_offset)
    direction = approach.target - entry
    direction /= np.linalg.norm(direction)
    return Line(skin_exit(case.patient, entry, direction), entry, approach.target, direction)


def cannula_length(line: Line) -> int:
    """The shortest stocked cannula that leaves a grip outside the skin, mm; the longest where none
    does (facts/procedure.md: path + 20 mm)."""
    needed = line.tissue_length + line.bone_length + GRIP_MM
    return min((n for n in LENGTHS_MM if n >= needed), default=max(LENGTHS_MM))


def stops(line: Line) -> list[float]:
    """Bony depths, mm, at which the expert stops for a picture: long steps, then short ones."""
    depths, depth = [], 0.0
    while line.bone_length - depth > LAST_STRETCH_MM:
        depth = min(depth + LONG_STEP_MM - STEP_MARGIN_MM, line.bone_length - LAST_STRETCH_MM)
        depths.append(depth)
        if line.bone_length - depth <= LAST_STRETCH_MM + 1e-9:
            break
    while depth < line.bone_length - 1e-9:
        depth = min(depth + SHORT_STEP_MM - STEP_MARGIN_MM, line.bone_length)
        depths.append(depth)
    return depths


def _displaced(
    patient: Patient, entry: FloatArray, direction: FloatArray, offset: float
) -> FloatArray:
    """The point of the bony surface `offset` mm from `entry`, towards whichever of eight sides
    offers one; raises ValueError where the bone is too small."""
    for sideways in _around(direction):
        found = _on_surface(patient, entry, direction, sideways, offset)
        if found is not None:
            return found
    raise ValueError(f"no bony surface lies {offset} mm beside the entry")


def _around(direction: FloatArray) -> list[FloatArray]:
    first = np.cross(direction, [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(direction, first)
    angles = np.arange(8) * np.pi / 4
    return [np.cos(a) * first + np.sin(a) * second for a in angles]


def _on_surface(
    patient: Patient,
    entry: FloatArray,
    direction: FloatArray,
    sideways: FloatArray,
    offset: float,
) -> FloatArray | None:
    """Shift the line until its first crossing of the surface is `offset` mm from the entry."""
    low, high = 0.0, offset
    found = None
    for _ in range(40):
        shift = (low + high) / 2
        found = _first_crossing(patient, entry + shift * sideways, direction)
        if found is None:
            return None
        if np.linalg.norm(found - entry) < offset:
            low = shift
        else:
            high = shift
    if found is None or abs(np.linalg.norm(found - entry) - offset) > 0.05:
        return None
    return found


def _first_crossing(
    patient: Patient, through: FloatArray, direction: FloatArray
) -> FloatArray | None:
    along = np.arange(-12.0, 12.0, 0.05)
    line = through + along[:, None] * direction
    inside = patient.depth_in_bone(line) > 0
    if inside[0] or not inside.any():
        return None
    point: FloatArray = line[int(np.argmax(inside))]
    return point
