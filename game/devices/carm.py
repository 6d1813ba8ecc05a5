"""The C-arm: its pose, its motors, what stops them, and its stored positions.

The base stands on the patient's left. Its own axes are the orbit (the arc sliding in its bracket
about the patient's long axis: detector behind the patient 0, on the left 90 deg) and the angulation
(the arc tilting head to feet). Near the lateral the angulation turns the detector about itself and
the base's swivel tilts it, which is not limited here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import acos, asin, atan2, cos, degrees, hypot, pi, radians, sin
from types import MappingProxyType

from game.devices.surroundings import Clearance, Surroundings, clearance
from game.geometry.carm import (
    DETECTOR_MM,
    Projection,
    angles_of,
    detector_direction,
    projection,
)
from game.geometry.grid import Point

TURN_RATE = radians(20.0)  # rad/s, both axes; a project choice, mobile C-arms turn 10-25 deg/s
TRAVEL_RATE = 50.0  # mm/s, isocentre against patient; a project choice
CREEP = (
    0.01  # of a motor's speed: a recall whose motors all go slower is at its end; project choice
)
# facts/fluoroscopy.md: Siemens Cios as used by DeepDRR. Angulation is +-225 there, which every
# direction meets; table and patient stop it at about 45.
ORBIT = (radians(-40.0), radians(110.0))
# mm of the isocentre from the S1 endplate's centre: horizontal travel 200, vertical 430 (the same);
# along the table the base is wheeled, project choice.
TRAVEL = ((-100.0, 100.0), (-215.0, 215.0), (-300.0, 300.0))
AXES = ("x", "y", "z")
LOOK_S = 0.1  # of motion between looks ahead along a recall's way; project choice
OPPOSITE = radians(175.0)
STEEPEST = radians(75.0)  # of the secondary angle: no beam along the body; project choice
ALLOWED_MM = 0.0  # of clearance


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

    def clearance(self, around: Surroundings) -> Clearance:
        """The tightest place between this pose's housings and what is around them."""
        return clearance(self.primary, self.secondary, self.isocentre, around)


@dataclass(frozen=True)
class CArm:
    """`goal` is the position being recalled, None when the motors follow the hand control, and
    `via` the positions that it is reached by; `stopped` says what has stopped them, empty while
    nothing has; `stored` are the positions that were stored, by name."""

    pose: CArmPose
    goal: CArmPose | None = None
    via: tuple[CArmPose, ...] = ()
    stopped: str = ""
    stored: Mapping[str, CArmPose] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def moving(self) -> bool:
        return self.goal is not None


# Hand control, percent of full speed: primary, secondary, isocentre x, y, z.
Drive = tuple[int, int, int, int, int]
STILL: Drive = (0, 0, 0, 0, 0)


def machine_angles(primary: float, secondary: float) -> tuple[float, float]:
    """Orbit and angulation, radians, of patient-relative angles, the base's swivel at rest: of the
    two that there are the one that tilts less."""
    x, y, z = detector_direction(primary, secondary).tolist()
    orbit = asin(max(-1.0, min(1.0, x)))
    tilt = atan2(z, y) if hypot(y, z) > 1e-9 else 0.0
    if abs(tilt) <= pi / 2.0:
        return orbit, tilt
    return (pi if orbit >= 0.0 else -pi) - orbit, atan2(-z, -y)


def drive(carm: CArm, inputs: Drive, seconds: float, around: Surroundings) -> CArm:
    """The C-arm after `seconds` of its motors; any hand input ends a recall.

    A motor that would leave its range, or bring a housing closer to `around` than it may be,
    stands still while the others go on; `stopped` says why, of a recall once none goes on."""
    if any(inputs):
        wanted = _driven(carm.pose, inputs, seconds)
        pose, stopped = _permitted(carm.pose, wanted, around)
        return replace(carm, pose=pose, goal=None, via=(), stopped=stopped)
    if carm.goal is not None:
        return _recalled(carm, carm.goal, seconds, around)
    return carm if not carm.stopped else replace(carm, stopped="")


def _recalled(carm: CArm, goal: CArmPose, seconds: float, around: Surroundings) -> CArm:
    """One stretch of the way to a goal."""
    target = carm.via[0] if carm.via else goal
    pose, stopped = _permitted(carm.pose, _towards(carm.pose, target, seconds), around)
    if stopped and _crept(carm.pose, pose, seconds):
        return replace(carm, goal=None, via=(), stopped=stopped)
    if pose != target:
        return replace(carm, pose=pose)
    if carm.via:
        return replace(carm, pose=pose, via=carm.via[1:])
    return replace(carm, pose=pose, goal=None)


def _crept(before: CArmPose, after: CArmPose, seconds: float) -> bool:
    """Whether no motor went at CREEP of its speed: along a limit the others may creep for ever."""
    turn = max(abs(after.primary - before.primary), abs(after.secondary - before.secondary))
    travel = max(abs(a - b) for a, b in zip(after.isocentre, before.isocentre, strict=True))
    return turn < CREEP * TURN_RATE * seconds and travel < CREEP * TRAVEL_RATE * seconds


def recall(carm: CArm, goal: CArmPose, around: Surroundings) -> CArm:
    """Start moving to a position, straight or, where something is in the way, with the arc untilted
    for the turn; raises ValueError, with what is allowed, for one that the C-arm cannot take."""
    fault = refusal(goal, around)
    if fault:
        raise ValueError(fault)
    turn = goal.primary - carm.pose.primary
    nearest = carm.pose.primary + atan2(sin(turn), cos(turn))
    goal = replace(goal, primary=nearest)
    return replace(carm, goal=goal, via=_way(carm.pose, goal, around), stopped="")


def _way(pose: CArmPose, goal: CArmPose, around: Surroundings) -> tuple[CArmPose, ...]:
    """Positions to pass so that nothing is met; none where the straight way, or no way, is free."""
    first, last = replace(pose, secondary=0.0), replace(goal, secondary=0.0)
    for via in ((), (last,), (first,), (first, last)):
        if _free(pose, (*via, goal), around):
            return via
    return ()


def _free(pose: CArmPose, stops: tuple[CArmPose, ...], around: Surroundings) -> bool:
    """Whether the motors meet nothing from `pose` by way of `stops`."""
    for stop in stops:
        while pose != stop:
            onward = _towards(pose, stop, LOOK_S)
            if _worsened(pose, onward, around):
                return False
            pose = onward
    return True


def store(carm: CArm, name: str) -> CArm:
    """The C-arm with its present position stored under a name."""
    return replace(carm, stored=MappingProxyType({**carm.stored, name: carm.pose}))


def refusal(pose: CArmPose, around: Surroundings) -> str:
    """Why the C-arm cannot take a position, with what is allowed; empty where it can."""
    return next((text for amount, text in _faults(pose, around) if amount > 1e-9), "")


def _faults(pose: CArmPose, around: Surroundings) -> list[tuple[float, str]]:
    """By how much each limit is passed (above 0: refused), and what to say of it."""
    orbit, _ = machine_angles(pose.primary, pose.secondary)
    low, high = ORBIT
    faults = [
        (
            abs(pose.secondary) - STEEPEST,
            f"secondary angle is {degrees(pose.secondary):.0f} deg; "
            f"the C-arm allows +-{degrees(STEEPEST):.0f}",
        ),
        (
            max(low - orbit, orbit - high),
            f"the arc would stand at {degrees(orbit):.0f} deg of its orbit; "
            f"it allows {degrees(low):.0f} to {degrees(high):.0f}",
        ),
    ]
    for axis, place, (least, most) in zip(AXES, pose.isocentre, TRAVEL, strict=True):
        text = f"isocentre {axis} is {place:.0f} mm; its travel is {least:.0f} to {most:.0f}"
        faults.append((max(least - place, place - most), text))
    tightest = pose.clearance(around)
    into = f"the {tightest.housing} would stand {-tightest.mm:.0f} mm inside the "
    into += f"{tightest.obstacle}; {ALLOWED_MM:.0f} mm or more must be between them"
    return [*faults, (ALLOWED_MM - tightest.mm, into)]


def _permitted(pose: CArmPose, wanted: CArmPose, around: Surroundings) -> tuple[CArmPose, str]:
    """All motors, or, where that passes a limit further than before, one after the other, each only
    where it does not; and what has stopped the others."""
    if not _worsened(pose, wanted, around):
        return wanted, ""
    stopped = ""
    for motor in MOTORS:
        tried = motor(pose, wanted)
        fault = "" if tried == pose else _worsened(pose, tried, around)
        pose, stopped = (pose, stopped or fault) if fault else (tried, stopped)
    return pose, stopped


def _worsened(pose: CArmPose, tried: CArmPose, around: Surroundings) -> str:
    """The first limit that `tried` passes further than `pose` does, in words; empty: none."""
    if not refusal(tried, around):
        return ""
    before = _faults(pose, around)
    worse = (
        text
        for (amount, text), (past, _) in zip(_faults(tried, around), before, strict=True)
        if amount > max(past, 0.0) + 1e-9
    )
    return next(worse, "")


def _shifted(axis: int) -> Motor:
    def shift(pose: CArmPose, wanted: CArmPose) -> CArmPose:
        place = list(pose.isocentre)
        place[axis] = wanted.isocentre[axis]
        return replace(pose, isocentre=(place[0], place[1], place[2]))

    return shift


Motor = Callable[[CArmPose, CArmPose], CArmPose]
MOTORS: tuple[Motor, ...] = (
    lambda pose, wanted: replace(pose, primary=wanted.primary, secondary=wanted.secondary),
    lambda pose, wanted: replace(pose, primary=wanted.primary),
    lambda pose, wanted: replace(pose, secondary=wanted.secondary),
    *(_shifted(axis) for axis in range(3)),
)


def _driven(pose: CArmPose, inputs: Drive, seconds: float) -> CArmPose:
    turn = TURN_RATE * seconds / 100.0
    travel = TRAVEL_RATE * seconds / 100.0
    x, y, z = pose.isocentre
    return CArmPose(
        primary=pose.primary + inputs[0] * turn,
        secondary=pose.secondary + inputs[1] * turn,
        isocentre=(x + inputs[2] * travel, y + inputs[3] * travel, z + inputs[4] * travel),
    )


def _towards(pose: CArmPose, goal: CArmPose, seconds: float) -> CArmPose:
    """Both turns end together: the detector goes the shortest way, which is the arc's own."""
    travel = TRAVEL_RATE * seconds
    x, y, z = (
        _approach(now, end, travel) for now, end in zip(pose.isocentre, goal.isocentre, strict=True)
    )
    return CArmPose(*_turned(pose, goal, TURN_RATE * seconds), (x, y, z))


def _turned(pose: CArmPose, goal: CArmPose, most: float) -> tuple[float, float]:
    """Primary and secondary angle after a turn of at most `most` on the great circle to the goal;
    where the two are opposite each other, by the primary angle."""
    here = detector_direction(pose.primary, pose.secondary)
    there = detector_direction(goal.primary, goal.secondary)
    cosine = sum(a * b for a, b in zip(here.tolist(), there.tolist(), strict=True))
    left = acos(max(-1.0, min(1.0, cosine)))
    if left <= most:
        return goal.primary, goal.secondary
    if left > OPPOSITE:
        return _approach(pose.primary, goal.primary, most), pose.secondary
    share = most / left
    way = sin((1.0 - share) * left) * here + sin(share * left) * there
    primary, secondary = angles_of(way)
    turn = primary - pose.primary
    return pose.primary + atan2(sin(turn), cos(turn)), secondary


def _approach(now: float, end: float, most: float) -> float:
    return end if abs(end - now) <= most else now + (most if end > now else -most)
