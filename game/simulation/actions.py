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
from game.simulation.batch import bore_set, cement_age, in_room, mixing_left, product_of
from game.simulation.case import Case
from game.simulation.cement.products import product
from game.simulation.clock import seconds
from game.simulation.control import (
    Action,
    Collimate,
    Connect,
    DrawUp,
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
    ToothpasteTest,
)
from game.simulation.events import (
    CannulaRemoved,
    CannulaTaken,
    DrawnUp,
    Event,
    Marked,
    Mixed,
    Refused,
    StrandTested,
    StyletMoved,
)
from game.simulation.placing import placed
from game.simulation.state import State, Watch
from game.simulation.tail import leave_tail

TEST_ML = 0.1  # a strand of 20 mm: a project choice

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
                return _mix(state, action)
            case ToothpasteTest():
                return _test(state)
            case DrawUp():
                return _draw_up(state, action)
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
        if bore_set(state, side):
            raise ValueError(
                f"the cement in the {side} cannula has set; its stylet goes no further"
            )
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
    state = leave_tail(replace(state, injector=syringe), side)
    removed = replace(cannula, stage="removed")
    return told(
        replace(state, cannulas=with_side(state.cannulas, side, removed),
                injector=injector.emptied(state.injector, side)),
        CannulaRemoved(state.time, side, cannula.stylet, cement_age(state)),
    )  # fmt: skip


def _mix(state: State, action: Mix) -> State:
    chosen = product(action.product)
    _demand_use(state)
    in_bone = tuple(sorted(s for s, c in state.cannulas.items() if c.stage == "bone"))
    mixed = injector.mix(state.injector, state.time, chosen.name, chosen.batch_ml)
    window = (chosen.toothpaste_pa_s, chosen.stiff_pa_s)
    return told(replace(state, injector=mixed), Mixed(state.time, in_bone, chosen.name, window))


def _demand_use(state: State) -> None:
    """Raises ValueError while the batch before could still be injected."""
    left = state.injector.bowl_ml + state.injector.syringe_ml
    if state.injector.mixed_at is None or left <= 0:
        return
    found = product_of(state).consistency(in_room(state).age_s)
    if found in ("liquid", "toothpaste"):
        raise ValueError(f"cement is mixed already, and {left:.1f} mL of it are still {found}")


def _dough(state: State) -> float:
    """The effective age of the dough in the bowl; raises ValueError while there is none."""
    product_of(state)
    left = mixing_left(state)
    if left > 0:
        raise ValueError(f"the cement is still being mixed; {left:.0f} s to go")
    return in_room(state).age_s


def _test(state: State) -> State:
    age = _dough(state)
    used = injector.spilt(state.injector, TEST_ML)
    chosen = product_of(state)
    strand = StrandTested(
        state.time, cement_age(state) or 0.0, chosen.viscosity(age), chosen.consistency(age)
    )
    return told(replace(state, injector=used), strand)


def _draw_up(state: State, action: DrawUp) -> State:
    found = product_of(state).consistency(_dough(state))
    if found in ("stiff", "set"):
        raise ValueError(f"the cement is {found}; it can no longer be drawn up")
    filled = injector.draw_up(state.injector, action.syringe, state.time)
    told_of = DrawnUp(state.time, action.syringe, filled.syringe_ml)
    return told(replace(state, injector=filled), told_of)


def _connect(state: State, side: Side | None) -> State:
    if side is not None and _in_patient(state, side).stylet:
        raise ValueError(f"the {side} stylet is in; draw it before connecting the syringe")
    if side is not None and state.injector.mixed_at is None:
        raise ValueError("no cement is mixed")
    if side is not None and state.injector.syringe is None:
        raise ValueError("no syringe is filled; draw cement up first")
    wait = seconds(state.injector.ready_at - state.time)
    if side is not None and wait > 0:
        raise ValueError(f"the syringe is being filled; {wait:.0f} s to go")
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
