"""One tick of the whole simulation: State in, State out.

    state = begin(case)
    state = step(case, state, control)

Reads no clock, does no I/O, hides no generator. Stepping one State twice gives equal results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from types import MappingProxyType
from typing import TypedDict

from game.devices.cannula import Cannula
from game.devices.carm import CArm, CArmPose, drive
from game.devices.injector import imbalance
from game.devices.tube import Tube
from game.geometry.views import nearest_view, view_angles
from game.patient.patient import FORAMINA, SIDES, Side
from game.simulation import cement
from game.simulation.actions import act, told
from game.simulation.case import Case
from game.simulation.cement import Cement
from game.simulation.cement.heat import setting_celsius
from game.simulation.cement.outcome import (
    column_foot_mm,
    column_mm,
    continuity,
    coverage,
    exits,
    hazards_mm,
    interdigitated_ml,
    leaks,
    levels_of,
)
from game.simulation.cement.products import USUAL, product
from game.simulation.clock import TICK, TICK_S, crossed, interval
from game.simulation.control import Control, Expose, Finish
from game.simulation.events import Briefed, Exposed, LegPain, Outcome, Refused
from game.simulation.exposure import expose
from game.simulation.injecting import Solve, close_run, inject
from game.simulation.operator import hand_at, in_beam, irradiated, pulse_of
from game.simulation.placing import bony_depth, placed, seen, steer, way_ahead
from game.simulation.state import State, Watch

ROOT_HURTS_ML = 0.05  # cement in a foramen that reaches its root: a project choice, not validated


def begin(case: Case) -> State:
    """The state before the first tick: C-arm near AP, trays full, the case briefed."""
    primary, _ = view_angles("ap", case.patient.anatomy)
    start = CArmPose(primary, 0.0, (0.0, 0.0, 0.0))
    return State(
        time=0,
        carm=CArm(start),
        tube=Tube(pulse_rate=case.level.pulse_rate),
        picture_pose=start,
        picture_view="ap",
        cannulas=MappingProxyType({side: Cannula() for side in SIDES}),
        watches=MappingProxyType({side: Watch() for side in SIDES}),
        events=(_briefing(case),),
    )


def step(case: Case, state: State, control: Control, solve: Solve = cement.advance) -> State:
    """The state one tick (1/60 s) later; raises ValueError once the case is finished.

    `solve` may be handed in by a caller that has computed the same cement ahead of time."""
    if state.finished:
        raise ValueError("the case is finished; start another")
    state = replace(state, time=state.time + TICK, events=())
    for action in control.actions:
        state = act(case, state, action)
    state = _move_carm(case, state, control)
    state = steer(case, state, control)
    state = _irradiate(case, state, control)
    state = inject(case, state, control, solve)
    state = _ache(state)
    if any(isinstance(action, Finish) for action in control.actions):
        state = _finish(case, state)
    return state


def _move_carm(case: Case, state: State, control: Control) -> State:
    """The motors run; what has newly stopped them is told."""
    carm = drive(state.carm, control.drive, TICK_S, case.surroundings)
    if carm is state.carm:
        return state
    stopped = carm.stopped if carm.stopped != state.carm.stopped else ""
    newly = bool(stopped) and not state.carm.stopped
    state = replace(state, carm=carm)
    return told(state, Refused(state.time, "drive", stopped)) if newly else state


def _irradiate(case: Case, state: State, control: Control) -> State:
    """Single exposures, and pulses while the pedal is down."""
    tube = state.tube
    shot = any(isinstance(action, Expose) for action in control.actions)
    pulse = control.pedal and (not tube.pedal or crossed(state.time, interval(tube.pulse_rate)))
    edge = control.pedal != tube.pedal
    if not (shot or control.pedal or edge):
        return state
    if control.pedal:
        tube = replace(tube, fluoroscopy_s=tube.fluoroscopy_s + TICK_S)
    if shot or pulse:
        state = replace(state, gripped=_gripped(state, control))
        before, tube = tube, expose(case.patient, tube, state.carm.pose, state.time, shot)
        state = _dose_operator(case, state, before, tube)
    tube = replace(tube, pedal=control.pedal, shots=tube.shots + shot)
    state = replace(state, tube=tube)
    if shot or pulse:
        state = _hold_picture(case, state)
    if shot or edge:
        state = told(seen(case, state), _exposed(case, state, control, control.pedal or edge))
    return state


def _hold_picture(case: Case, state: State) -> State:
    pose = state.carm.pose
    view = nearest_view(pose.primary, pose.secondary, case.patient.anatomy).view
    return replace(state, picture_pose=pose, picture_view=view, picture_field=state.tube.field)


def _gripped(state: State, control: Control) -> Side | None:
    """The side whose cannula a hand is on, None for hands off."""
    side = control.active
    if not control.hand_on or side is None:
        return None
    return side if state.cannulas[side].stage in ("held", "tissue", "bone") else None


def _dose_operator(case: Case, state: State, before: Tube, after: Tube) -> State:
    pulse = pulse_of(before, after, state.carm.pose)
    cannula = None if state.gripped is None else state.cannulas[state.gripped]
    return replace(state, operator=irradiated(state.operator, pulse, cannula, case.surroundings))


def _hands_out(case: Case, state: State, control: Control) -> bool:
    side = _gripped(state, control)
    if side is None:
        return True
    pose, cannula = state.carm.pose, state.cannulas[side]
    hand = hand_at(state.operator.side, pose, cannula, case.surroundings)
    return not in_beam(hand, pose, state.tube.field)


def _exposed(case: Case, state: State, control: Control, fluoroscopy: bool) -> Exposed:
    pose = state.carm.pose
    error = nearest_view(pose.primary, pose.secondary, case.patient.anatomy)
    inside = {s: c for s, c in state.cannulas.items() if c.stage in ("tissue", "bone")}
    return Exposed(
        time=state.time,
        view=error.view,
        turn_deg=error.turn_deg,
        disc_deg=error.disc_deg,
        hands_out=_hands_out(case, state, control),
        moving=state.carm.moving or any(control.drive),
        fluoroscopy=fluoroscopy,
        kvp=state.tube.kvp,
        mas=state.tube.mas,
        tips={side: cannula.tip for side, cannula in inside.items()},
        bone_mm={side: bony_depth(cannula) for side, cannula in inside.items()},
        ahead_mm={side: way_ahead(case, side, cannula) for side, cannula in inside.items()},
        leak_ml=state.cement.leaked_ml,
    )


def _ache(state: State) -> State:
    """A leg hurts when steel or cement meets a root in its foramen."""
    touched = {r for watch in state.watches.values() for r in watch.beyond}
    touched |= {r for r, ml in state.cement.by_region_ml.items() if ml > ROOT_HURTS_ML}
    hurt = tuple(
        (side, root)
        for side in SIDES
        for root in FORAMINA[side]
        if root in touched and root not in state.pain
    )
    if not hurt:
        return state
    events = [LegPain(state.time, side, root.name.lower()) for side, root in hurt]
    return told(replace(state, pain=state.pain + tuple(root for _, root in hurt)), *events)


def _finish(case: Case, state: State) -> State:
    state = close_run(seen(case, state))
    for side in case.level.sides:
        cannula, watch = state.cannulas[side], state.watches[side]
        if cannula.stage == "bone" and not watch.placed:
            state = placed(case, state, side)
    return told(replace(state, finished=True), _outcome(case, state))


def _outcome(case: Case, state: State) -> Outcome:
    cement = state.cement
    return Outcome(
        time=state.time,
        injected_ml=dict(state.injected_ml),
        filled_ml=cement.filled_ml,
        bore_ml=sum(state.injector.bore_ml.values(), 0.0),
        leaked_ml=leaks(cement),
        exposures=state.tube.shots,
        fluoroscopy_s=state.tube.fluoroscopy_s,
        kerma_mgy=state.tube.kerma_mgy,
        kap_gycm2=state.tube.kap_gycm2,
        hand_mgy=state.operator.hand_mgy,
        hand_primary_mgy=state.operator.hand_primary_mgy,
        hand_pulses=state.operator.hand_pulses,
        eye_mgy=state.operator.eye_mgy,
        balance=imbalance(state.injector, state.in_patient_ml),
        celsius=_celsius(case, state),
        tail_ml={side: tail.ml for side, tail in sorted(state.tails.items())},
        tail_mm={side: tail.mm for side, tail in sorted(state.tails.items())},
        exits_ml=exits(cement),
        interdigitated_ml=interdigitated_ml(cement, case.medium, state.channels),
        hazard_mm=hazards_mm(case.patient, cement, case.medium),
        **_columns(case, cement),
    )


def _celsius(case: Case, state: State) -> Mapping[str, float]:
    chosen = product(state.injector.product or USUAL)
    return dict(setting_celsius(case.medium, state.cement, chosen))


class _Columns(TypedDict):
    coverage: Mapping[Side, float]
    column_mm: Mapping[Side, float]
    foot_mm: Mapping[Side, float]
    continuity: Mapping[Side, Mapping[str, float]]


def _columns(case: Case, cement: Cement) -> _Columns:
    """What each side's column of cement came to."""
    grid, levels = case.patient.bone, levels_of(case.patient)
    sheets = {side: case.patient.sheet(side) for side in case.level.sides}
    feet = {s: column_foot_mm(cement, grid, case.approaches[s].entry) for s in sheets}
    return _Columns(
        coverage={s: coverage(sheet, cement, grid) for s, sheet in sheets.items()},
        column_mm={s: column_mm(sheet, cement, grid) for s, sheet in sheets.items()},
        foot_mm={s: mm for s, mm in feet.items() if isfinite(mm)},
        continuity={s: continuity(sheet, cement, grid, levels) for s, sheet in sheets.items()},
    )


def _briefing(case: Case) -> Briefed:
    chosen = {side: case.approaches[side] for side in case.level.sides}
    return Briefed(
        time=0,
        level=case.level.name,
        patient=case.patient.name,
        sides=case.level.sides,
        targets={
            s: (float(a.target[0]), float(a.target[1]), float(a.target[2]))
            for s, a in chosen.items()
        },
        entries={
            s: (float(a.entry[0]), float(a.entry[1]), float(a.entry[2])) for s, a in chosen.items()
        },
        path_mm={side: approach.bone_length for side, approach in chosen.items()},
        shortened_mm={side: approach.shortened_mm for side, approach in chosen.items()},
        foramen_at_risk=dict.fromkeys(case.level.sides, case.level.foramen_at_risk),
    )
