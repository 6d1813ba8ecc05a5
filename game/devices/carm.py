"""The C-arm: its pose, its motors, and recall of a position."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import atan2, cos, radians, sin

from game.geometry.carm import DETECTOR_MM, Projection, projection
from game.geometry.grid import Point

TURN_RATE = radians(20.0)  # rad/s, both axes; a project choice, mobile C-arms turn 10-25 deg/s
TRAVEL_RATE = 50.0  # mm/s, isocentre against patient; a project choice
SECONDARY_LIMIT = radians(60.0)  # patient and table stop the gantry; a project choice
TRAVEL_LIMIT = 300.0  # mm from the S1 endplate centre; a project choice


@dataclass(frozen=True)
class CArmPose:
    """DICOM primary and secondary angle, radians; isocentre in patient LPS, mm."""

    primary: float
    secondary: float
    isocentre: Point

    def projection(self, size: int = 512, field_mm: float = DETECTOR_MM) -> Projection:
        """The cone-beam geometry of this pose for a picture of `size` x `size` pixels of the
        panel's middle `field_mm`."""
        return projection(self.primary, self.secondary, self.isocentre, size, field_mm)


@dataclass(frozen=True)
class CArm:
    """`goal` is the position being recalled, None when the motors follow the hand control."""

    pose: CArmPose
    goal: CArmPose | None = None

    @property
    def moving(self) -> bool:
        return self.goal is not None


# Hand control, percent of full speed: primary, secondary, isocentre x, y, z.
Drive = tuple[int, int, int, int, int]
STILL: Drive = (0, 0, 0, 0, 0)


def drive(carm: CArm, inputs: Drive, seconds: float) -> CArm:
    """The C-arm after `seconds` of its motors; any hand input ends a recall."""
    if any(inputs):
        return CArm(_driven(carm.pose, inputs, seconds))
    if carm.goal is None:
        return carm
    pose = _towards(carm.pose, carm.goal, seconds)
    return CArm(pose, None if pose == carm.goal else carm.goal)


def recall(carm: CArm, goal: CArmPose) -> CArm:
    """Start moving to a stored position; raises ValueError outside the gantry's range."""
    if abs(goal.secondary) > SECONDARY_LIMIT:
        raise ValueError(
            f"secondary angle {goal.secondary:.3f} rad; the gantry allows +-{SECONDARY_LIMIT:.3f}"
        )
    if max(map(abs, goal.isocentre)) > TRAVEL_LIMIT:
        raise ValueError(f"isocentre {goal.isocentre} mm; travel is +-{TRAVEL_LIMIT} mm")
    turn = goal.primary - carm.pose.primary
    nearest = carm.pose.primary + atan2(sin(turn), cos(turn))
    return replace(carm, goal=replace(goal, primary=nearest))


def _driven(pose: CArmPose, inputs: Drive, seconds: float) -> CArmPose:
    turn = TURN_RATE * seconds / 100.0
    travel = TRAVEL_RATE * seconds / 100.0
    x, y, z = pose.isocentre
    return CArmPose(
        primary=pose.primary + inputs[0] * turn,
        secondary=_within(pose.secondary + inputs[1] * turn, SECONDARY_LIMIT),
        isocentre=(
            _within(x + inputs[2] * travel, TRAVEL_LIMIT),
            _within(y + inputs[3] * travel, TRAVEL_LIMIT),
            _within(z + inputs[4] * travel, TRAVEL_LIMIT),
        ),
    )


def _towards(pose: CArmPose, goal: CArmPose, seconds: float) -> CArmPose:
    turn, travel = TURN_RATE * seconds, TRAVEL_RATE * seconds
    x, y, z = (
        _approach(now, end, travel) for now, end in zip(pose.isocentre, goal.isocentre, strict=True)
    )
    return CArmPose(
        _approach(pose.primary, goal.primary, turn),
        _approach(pose.secondary, goal.secondary, turn),
        (x, y, z),
    )


def _approach(now: float, end: float, most: float) -> float:
    return end if abs(end - now) <= most else now + (most if end > now else -most)


def _within(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))
