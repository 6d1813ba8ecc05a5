"""Cement from the plunger to the bone, and what is told about it.

An injection asked for at one 50 ms boundary enters the state at the next, always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

from game.devices.cannula import GAUGES
from game.devices.injector import PRESSURE_LIMIT_MPA, Injector, press, push_out
from game.patient.patient import Region, Side
from game.simulation.actions import cement_age, in_flight, stylet_moved, told, with_side
from game.simulation.case import Case
from game.simulation.cement import Cement, Channels, Injection, Medium, viscosity
from game.simulation.cement.exits import exits_ml
from game.simulation.cement.tracks import channels_of, shafts
from game.simulation.clock import CEMENT, CEMENT_S, TICK_S, UNITS_PER_SECOND, seconds
from game.simulation.control import Control
from game.simulation.events import Aliquot, Event, ExitOpened, LeakStarted
from game.simulation.placing import bony_depth
from game.simulation.state import Run, State

Solve = Callable[[Medium, Channels, Cement, Injection], Cement]

LEAK_STARTS_ML = 0.01  # the first voxels beyond the envelope: a project choice
RUN_ENDS = UNITS_PER_SECOND // 2  # half a second without flow ends an aliquot: a project choice


def inject(case: Case, state: State, control: Control, solve: Solve) -> State:
    """One tick of plunger, stylet and, at each 50 ms boundary, cement."""
    if state.injector.mixed_at is None:
        return state
    pushing = state.injector.pushing
    if control.plunger:
        state = replace(state, injector=_pressed(state, control))
    if pushing is not None and state.injector.pushing is None:
        state = stylet_moved(state, pushing, True)
    if state.time % CEMENT:
        return state
    if state.due is None and state.run is None and state.injector.backlog_ml == 0:
        return state
    state = _end_run(_settle(case, state, solve))
    due = _asked(state)
    if due is not None:
        state = _channelled(case, state)
    return replace(state, due=due, due_side=state.injector.feeding)


def _channelled(case: Case, state: State) -> State:
    """Bone as the cannulas have made it by now; the same channels where none has moved."""
    steel = shafts(state.cannulas)
    if steel == state.steel and len(state.holes) == state.bored:
        return state
    channels = channels_of(case.patient.bone, state.holes, steel)
    return replace(state, channels=channels, steel=steel, bored=len(state.holes))


def _pressed(state: State, control: Control) -> Injector:
    """The plunger input drives the syringe, or a stylet on its way home."""
    injector, ml_per_s = state.injector, control.plunger / 1000.0
    if injector.pushing is not None:
        return push_out(injector, ml_per_s, TICK_S)
    if injector.connected is None:
        return injector
    bore = state.cannulas[injector.connected].dead_volume_ml
    return press(injector, ml_per_s, TICK_S, bore, in_flight(state))


def _asked(state: State) -> Injection | None:
    side, ml = state.injector.feeding, state.injector.backlog_ml
    age = cement_age(state)
    if side is None or ml <= 0 or age is None:
        return None
    cannula = state.cannulas[side]
    return Injection(
        tip=cannula.tip,
        direction=cannula.direction,
        bore=GAUGES[cannula.gauge].bore,
        length=float(cannula.length),
        ml=ml,
        viscosity=viscosity(age),
        limit_mpa=PRESSURE_LIMIT_MPA,
        seconds=CEMENT_S,
        time_s=seconds(state.time),
    )


def _settle(case: Case, state: State, solve: Solve) -> State:
    """What was asked for 50 ms ago has happened."""
    due, side = state.due, state.due_side
    if due is None or side is None:
        return state
    cement = solve(case.medium, state.channels, state.cement, due)
    placed_ml = cement.delivered_ml - state.cement.delivered_ml
    injector = replace(state.injector, backlog_ml=max(0.0, state.injector.backlog_ml - placed_ml))
    injected = with_side(state.injected_ml, side, state.injected_ml.get(side, 0.0) + placed_ml)
    before = state
    state = replace(state, cement=cement, injector=injector, injected_ml=injected)
    if placed_ml > 0:
        state = replace(state, run=_run(before, state, side, placed_ml))
    return _tell_leaks(state)


def _run(before: State, state: State, side: Side, placed_ml: float) -> Run:
    run = before.run
    if run is None:
        age = cement_age(before) or 0.0
        due = before.due
        run = Run(side, state.time - CEMENT, 0.0, age, due.viscosity if due else 0.0,
                  before.cement.leaked_ml)  # fmt: skip
    return replace(
        run,
        ml=run.ml + placed_ml,
        peak_mpa=max(run.peak_mpa, state.cement.total_mpa),
        last_flow=state.time,
    )


def _tell_leaks(state: State) -> State:
    """What leaked for the first time, by where it lies and by which way it came."""
    regions = tuple(
        region
        for region, ml in sorted(state.cement.by_region_ml.items())
        if region != Region.MARROW and ml >= LEAK_STARTS_ML and region not in state.leaking
    )
    ways = tuple(
        way
        for way, ml in sorted(exits_ml(state.cement.exit, state.cement.ml).items())
        if ml >= LEAK_STARTS_ML and way not in state.exits
    )
    if not regions and not ways:
        return state
    events: list[Event] = [LeakStarted(state.time, region.name.lower()) for region in regions]
    events += [ExitOpened(state.time, way.name.lower()) for way in ways]
    leaking, exits = state.leaking + regions, state.exits + ways
    return told(replace(state, leaking=leaking, exits=exits), *events)


def _end_run(state: State, quiet: float = RUN_ENDS) -> State:
    run = state.run
    if run is None or state.time - run.last_flow < quiet:
        return state
    aliquot = Aliquot(
        time=state.time,
        side=run.side,
        started=run.started,
        ml=run.ml,
        age_s=run.age_s,
        viscosity=run.viscosity,
        peak_mpa=run.peak_mpa,
        leaked_ml=state.cement.leaked_ml - run.leaked_ml,
        from_entry_mm=bony_depth(state.cannulas[run.side]),
    )
    return told(replace(state, run=None), aliquot)


def close_run(state: State) -> State:
    """End the run in progress, if any, now."""
    return _end_run(state, quiet=-inf)
