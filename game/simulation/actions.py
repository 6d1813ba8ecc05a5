"""Discrete actions: what a hand does once, and when it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from game.devices import carm, injector
from game.devices.cannula import Cannula, taken
from game.devices.tube import Field, Tube, checked_rate
from game.patient.patient import Side
from game.simulation.case import Case
from game.simulation.clock import seconds
from game.simulation.control import (
    Action,
    Collimate,
    Connect,
    Expose,
    Finish,
    Mark,
    Mix,
    MoveStylet,
    Recall,
    RemoveCannula,
    SetPulseRate,
    Stand,
    Store,
    TakeCannula,
)
from game.simulation.events import (
    CannulaRemoved,
    CannulaTaken,
    Event,
    Marked,
    Mixed,
    Refused,
    StyletMoved,
)
from game.simulation.placing import placed
from game.simulation.state import State, Watch

T = TypeVar("T")


def act(case: Case, state: State, action: Action) -> State:
    """The state after one action; what cannot be done leaves it as it was and says so.

    `Expose` and `Finish` are carried out by `step` itself, after everything has moved."""
    try:
        match action:
            case TakeCannula():
                return _take(state, action)
            case MoveStylet():
                return _move_stylet(case, state, action)
            case RemoveCannula():
                return _remove(state, action.side)
            case Mix():
                return _mix(state)
            case Connect():
                return _connect(state, action.side)
            case Recall():
                moved = carm.recall(state.carm, action.goal, case.surroundings)
                return replace(state, carm=moved)
            case Store():
                return replace(state, carm=carm.store(state.carm, action.name))
            case Collimate() | SetPulseRate():
                return replace(state, tube=_set(state.tube, action))
            case Stand():
                return replace(state, operator=replace(state.operator, side=action.side))
            case Mark():
                return _mark(case, state, action)
            case Expose() | Finish():
                return state
    except ValueError as refusal:
        return told(state, Refused(state.time, action.kind, str(refusal)))


def told(state: State, *events: Event) -> State:
    """The state with more to tell about this tick."""
    return replace(state, events=state.events + events)


def with_side(mapping: Mapping[Side, T], side: Side, value: T) -> Mapping[Side, T]:
    """A read-only copy of a per-side mapping with one side's value replaced."""
    return MappingProxyType({**mapping, side: value})


def _set(tube: Tube, action: Collimate | SetPulseRate) -> Tube:
    if isinstance(action, SetPulseRate):
        return replace(tube, pulse_rate=checked_rate(action.rate))
    return replace(tube, field=Field(action.collimation, action.magnification))


def _take(state: State, action: TakeCannula) -> State:
    if state.cannulas[action.side].stage in ("tissue", "bone"):
        raise ValueError(f"the {action.side} cannula is in the patient; remove it first")
    return told(
        replace(
            state,
            cannulas=with_side(state.cannulas, action.side, taken(action.gauge, action.length)),
            watches=with_side(state.watches, action.side, Watch()),
        ),
        CannulaTaken(state.time, action.side, action.gauge, action.length),
    )


def _in_patient(state: State, side: Side) -> Cannula:
    cannula = state.cannulas[side]
    if cannula.stage not in ("tissue", "bone"):
        raise ValueError(f"the {side} cannula is not in the patient")
    return cannula


def _move_stylet(case: Case, state: State, action: MoveStylet) -> State:
    side, cannula = action.side, _in_patient(state, action.side)
    if cannula.stylet == action.inside:
        raise ValueError(f"the {side} stylet is {'in' if action.inside else 'out'} already")
    if not action.inside and not state.watches[side].placed:
        state = placed(case, state, side)
    if action.inside:
        syringe = injector.connect(state.injector, None, in_flight(state))
        state = replace(state, injector=syringe)
        if syringe.bore_ml.get(side, 0.0) > 0:
            return replace(state, injector=replace(syringe, pushing=side))
    return stylet_moved(state, side, action.inside)


def stylet_moved(state: State, side: Side, inside: bool) -> State:
    """The stylet is home, or out."""
    moved = replace(state.cannulas[side], stylet=inside)
    return told(
        replace(state, cannulas=with_side(state.cannulas, side, moved)),
        StyletMoved(state.time, side, inside),
    )


def _remove(state: State, side: Side) -> State:
    cannula = _in_patient(state, side)
    syringe = state.injector
    if syringe.feeding == side:
        syringe = injector.connect(syringe, None, in_flight(state))
    syringe = injector.emptied(syringe, side)
    removed = replace(cannula, stage="removed")
    return told(
        replace(state, cannulas=with_side(state.cannulas, side, removed), injector=syringe),
        CannulaRemoved(state.time, side, cannula.stylet, cement_age(state)),
    )


def _mix(state: State) -> State:
    in_bone = tuple(sorted(s for s, c in state.cannulas.items() if c.stage == "bone"))
    return told(
        replace(state, injector=injector.mix(state.injector, state.time)),
        Mixed(state.time, in_bone),
    )


def _connect(state: State, side: Side | None) -> State:
    if side is not None and _in_patient(state, side).stylet:
        raise ValueError(f"the {side} stylet is in; draw it before connecting the syringe")
    if side is not None and state.injector.mixed_at is None:
        raise ValueError("no cement is mixed")
    return replace(state, injector=injector.connect(state.injector, side, in_flight(state)))


def _mark(case: Case, state: State, action: Mark) -> State:
    """Measured across the beam: the distance of the picked ray from the planned entry."""
    if state.tube.last_exposure < 0:
        raise ValueError("no picture has been taken to mark on")
    view = state.picture_view
    source = np.array(state.picture_pose.projection().source)
    ray = np.array(action.point) - source
    ray /= np.linalg.norm(ray)
    to_entry = case.approaches[action.side].entry - source
    error = float(np.linalg.norm(to_entry - (to_entry @ ray) * ray))
    return told(state, Marked(state.time, action.side, view, error))


def in_flight(state: State) -> float:
    """mL that the cement solver is placing now."""
    return state.due.ml if state.due is not None else 0.0


def cement_age(state: State) -> float | None:
    """Seconds since mixing, None before."""
    mixed_at = state.injector.mixed_at
    return None if mixed_at is None else seconds(state.time - mixed_at)
