"""Cannulas moving through the patient: skin, bone, breach, and where they come to rest.

Everything graded is computed here from geometry; what the hand felt plays no part.
"""

from __future__ import annotations

from dataclasses import replace
from math import acos, degrees

import numpy as np

from game.devices.cannula import Cannula
from game.geometry.grid import FloatArray, Point
from game.patient.patient import Region, Side, Structure
from game.simulation.case import Case
from game.simulation.cement.tracks import BEYOND_MM, bored
from game.simulation.control import Control
from game.simulation.events import (
    Advanced,
    BoneEntered,
    Breached,
    Event,
    Placed,
    SkinEntered,
)
from game.simulation.state import State, Watch
from game.simulation.tail import leave_tail

LEAVES_BONE_MM = 0.25  # how far out the tip must be to have left: a project choice against flutter
TRACK_STEP_MM = 1.0
LAST_STRETCH_MM = 10.0  # facts/procedure.md [P]: advances of 2 mm at most within it, 5 mm before
LONG_STEP_MM, SHORT_STEP_MM = 5.0, 2.0
ENTRY_WALL_MM = 12.0  # the walls beside the entry are judged beyond this: a project choice
OLD_HOLE_MM = 6.0  # nearer than this an entry is the old one: a project choice
ENTRY_WALLS = (Region.DORSAL, Region.LATERAL, Region.SI_JOINT_LEFT, Region.SI_JOINT_RIGHT)


def steer(case: Case, state: State, control: Control) -> State:
    """Move the active cannula to the servo's pose and tell what it went through."""
    side, report = control.active, control.servo
    if side is None or report is None:
        return state
    before = state.cannulas[side]
    if before.stage in ("tray", "removed"):
        return state
    state = _turned(state, side, report.turned)
    if report.tip == before.tip and report.direction == before.direction:
        return state
    moved = replace(before, tip=report.tip, direction=report.direction)
    if before.stage == "held":
        moved, watch, events = _over_skin(case, state, side, moved)
    else:
        moved, watch, events = _through_tissue(case, state, side, before, moved)
    if moved.stage == "held" and before.stage != "held":
        state = leave_tail(state, side)
    state = replace(
        state,
        cannulas={**state.cannulas, side: moved},
        watches={**state.watches, side: watch},
        events=state.events + events,
    )
    return _drilled(case, state, moved)


def _drilled(case: Case, state: State, cannula: Cannula) -> State:
    """The hole that a tip in bone, or just through it, leaves."""
    if cannula.stage != "bone":
        return state
    if float(case.patient.depth_in_bone(np.array([cannula.tip]))[0]) < -BEYOND_MM:
        return state
    return replace(state, holes=bored(state.holes, cannula.tip, cannula.radius))


def _turned(state: State, side: Side, radians: float) -> State:
    if radians == 0.0:
        return state
    watch = state.watches[side]
    watch = replace(watch, turned=watch.turned + radians)
    return replace(state, watches={**state.watches, side: watch})


Moved = tuple[Cannula, Watch, tuple[Event, ...]]


def _over_skin(case: Case, state: State, side: Side, moved: Cannula) -> Moved:
    watch = state.watches[side]
    if case.patient.structure_at(np.array([moved.tip]))[0] == Structure.AIR:
        return moved, watch, ()
    point = _through_skin(case, state.cannulas[side].tip, moved.tip)
    error = _distance(point, case.approaches[side].skin)
    entered = replace(moved, stage="tissue", skin_entry=point)
    return entered, watch, (SkinEntered(state.time, side, point, error),)


def _through_tissue(case: Case, state: State, side: Side, before: Cannula, moved: Cannula) -> Moved:
    watch = state.watches[side]
    depth = float(case.patient.depth_in_bone(np.array([moved.tip]))[0])
    forward = float(np.dot(np.subtract(moved.tip, before.tip), moved.direction)) > 0
    if watch.inside:
        if depth < -LEAVES_BONE_MM:
            return _leave(case, state, side, moved, forward)
        return _deeper(moved, watch)
    if depth > 0:
        return _enter(case, state, side, before, moved)
    if not forward and _outside_body(case, moved):
        return replace(moved, stage="held"), watch, ()
    return moved, watch, ()


def _outside_body(case: Case, cannula: Cannula) -> bool:
    return bool(case.patient.structure_at(np.array([cannula.tip]))[0] == Structure.AIR)


def _enter(case: Case, state: State, side: Side, before: Cannula, moved: Cannula) -> Moved:
    watch = replace(state.watches[side], inside=True, through=False)
    if state.watches[side].through:
        return _deeper(moved, watch)
    point = _crossing(case, before.tip, moved.tip)
    if moved.bone_entry and _distance(point, np.array(moved.bone_entry)) < OLD_HOLE_MM:
        return replace(moved, stage="bone"), watch, ()
    entered = replace(moved, stage="bone", bone_entry=point, deepest=0.0, track=(point,))
    watch = replace(watch, seen_mm=0.0, reached_mm=0.0, placed=False)
    approach = case.approaches[side]
    cosine = float(np.dot(moved.direction, approach.direction))
    angle = degrees(acos(max(-1.0, min(1.0, cosine))))
    error = _distance(point, approach.entry)
    return entered, watch, (BoneEntered(state.time, side, point, error, angle),)


def _leave(case: Case, state: State, side: Side, moved: Cannula, forward: bool) -> Moved:
    watch = replace(state.watches[side], inside=False, through=forward)
    if not forward:
        return moved, watch, ()
    region = case.patient.wall_at(np.array(moved.tip))
    watch = replace(watch, beyond=(*watch.beyond, region))
    breach = Breached(state.time, side, region.name.lower(), moved.tip)
    return moved, watch, (breach,)


def _deeper(moved: Cannula, watch: Watch) -> Moved:
    depth = bony_depth(moved)
    if depth <= moved.deepest:
        return moved, replace(watch, reached_mm=max(watch.reached_mm, depth)), ()
    track = moved.track
    if not track or _distance(moved.tip, np.array(track[-1])) >= TRACK_STEP_MM:
        track = (*track, moved.tip)
    deeper = replace(moved, deepest=depth, track=track)
    return deeper, replace(watch, reached_mm=max(watch.reached_mm, depth)), ()


def bony_depth(cannula: Cannula) -> float:
    """How far the tip is from its bony entry along the shaft, mm; 0 before entry."""
    if cannula.bone_entry is None:
        return 0.0
    return max(0.0, float(np.dot(np.subtract(cannula.tip, cannula.bone_entry), cannula.direction)))


def way_ahead(case: Case, side: Side, cannula: Cannula) -> float:
    """What is left of the way to the target along the planned direction, mm."""
    approach = case.approaches[side]
    return float((approach.target - np.array(cannula.tip)) @ approach.direction)


def seen(case: Case, state: State) -> State:
    """A picture was made: every advance since the last one is told with the step it was allowed."""
    events: list[Event] = []
    watches = dict(state.watches)
    for side, cannula in state.cannulas.items():
        watch = watches[side]
        if cannula.stage != "bone":
            continue
        if watch.reached_mm > watch.seen_mm + 0.05:
            events.append(_advance(case, state, side, watch))
        depth = bony_depth(cannula)
        watches[side] = replace(watch, seen_mm=depth, reached_mm=depth)
    return replace(state, watches=watches, events=state.events + tuple(events))


def _advance(case: Case, state: State, side: Side, watch: Watch) -> Advanced:
    left = case.approaches[side].bone_length - watch.reached_mm
    allowed = SHORT_STEP_MM if left < LAST_STRETCH_MM - SHORT_STEP_MM else LONG_STEP_MM
    return Advanced(state.time, side, watch.seen_mm, watch.reached_mm, allowed)


def placed(case: Case, state: State, side: Side) -> State:
    """Measure where a cannula rests: tip, angle, clearance of its surface, fraction in bone."""
    cannula = state.cannulas[side]
    watches = {**state.watches, side: replace(state.watches[side], placed=True)}
    state = replace(state, watches=watches)
    if cannula.bone_entry is None:
        return state
    approach = case.approaches[side]
    shaft = _along(np.array(cannula.bone_entry), np.array(cannula.tip))
    cosine = float(np.dot(cannula.direction, approach.direction))
    event = Placed(
        time=state.time,
        side=side,
        tip=cannula.tip,
        tip_error_mm=_distance(cannula.tip, approach.target),
        angle_deg=degrees(acos(max(-1.0, min(1.0, cosine)))),
        clearance_mm=_clearances(case, cannula, shaft),
        in_bone=float(np.mean(case.patient.depth_in_bone(shaft) >= -1e-3)),
    )
    return replace(state, events=(*state.events, event))


def _clearances(case: Case, cannula: Cannula, shaft: FloatArray) -> dict[str, float]:
    whole = case.patient.clearance(shaft, cannula.radius)
    from_entry = np.linalg.norm(shaft - shaft[0], axis=1)
    past_entry = shaft[from_entry >= min(ENTRY_WALL_MM, float(from_entry[-1]))]
    deep = case.patient.clearance(past_entry, cannula.radius)
    return {
        region.name.lower(): (deep if region in ENTRY_WALLS else whole)[region] for region in whole
    }


def _along(start: FloatArray, end: FloatArray) -> FloatArray:
    count = max(2, int(np.ceil(np.linalg.norm(end - start) / 0.5)) + 1)
    return start + np.linspace(0.0, 1.0, count)[:, None] * (end - start)


def _through_skin(case: Case, outside: Point, inside: Point) -> Point:
    """The first place on the way of one tick that is not air; the skin may have given way at once
    after it was pressed in."""
    way = _along(np.array(outside), np.array(inside))
    within = case.patient.structure_at(way) != Structure.AIR
    x, y, z = way[int(np.argmax(within))].tolist()
    return x, y, z


def _crossing(case: Case, outside: Point, inside: Point) -> Point:
    """Where the segment goes through the sacral surface, by bisection to a micrometre."""
    low, high = np.array(outside), np.array(inside)
    for _ in range(30):
        middle = (low + high) / 2
        if float(case.patient.depth_in_bone(middle[None])[0]) > 0:
            high = middle
        else:
            low = middle
    return float(high[0]), float(high[1]), float(high[2])


def _distance(point: Point, other: FloatArray) -> float:
    return float(np.linalg.norm(np.array(point) - other))
