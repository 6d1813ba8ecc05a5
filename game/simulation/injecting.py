"""Cement from the plunger to the bone, and what is told about it.

An injection asked for at one 50 ms boundary enters the state at the next, always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf, pi
from types import MappingProxyType

from game.devices.cannula import GAUGES
from game.devices.injector import STYLET_N, Injector, Syringe, dripped, press, push_out
from game.patient.patient import Region, Side
from game.simulation.actions import in_flight, stylet_moved, told, with_side
from game.simulation.batch import (
    blended,
    bore_set,
    cement_age,
    in_bore,
    in_room,
    product_of,
    way_mm,
)
from game.simulation.case import Case
from game.simulation.cement import Cement, Channels, Injection, Medium
from game.simulation.cement.exits import exits_ml
from game.simulation.cement.rheology import bore_flow, bore_loss
from game.simulation.cement.tracks import channels_of, shafts
from game.simulation.clock import CEMENT, CEMENT_S, TICK_S, UNITS_PER_SECOND, seconds
from game.simulation.control import Control
from game.simulation.events import Aliquot, Event, ExitOpened, LeakStarted, Refused
from game.simulation.placing import bony_depth
from game.simulation.state import Run, State

Solve = Callable[[Medium, Channels, Cement, Injection], Cement]

LEAK_STARTS_ML = 0.01  # the first voxels beyond the envelope: a project choice
TRICKLE_ML = 2.0e-3 * CEMENT_S  # 2 uL/s: slower than this no eye sees it run; a project choice
RUN_ENDS = UNITS_PER_SECOND // 2  # half a second without flow ends an aliquot: a project choice


def inject(case: Case, state: State, control: Control, solve: Solve) -> State:
    """One tick of plunger, stylet and, at each 50 ms boundary, cement."""
    state = _idle_told(state, control)
    if state.injector.mixed_at is None:
        return state
    pushing = state.injector.pushing
    if control.plunger or state.injector.load_n or state.injector.flow_ml_s:
        state = _handled(state, control)
    if pushing is not None and state.injector.pushing is None:
        state = stylet_moved(state, pushing, True)
    if state.time % CEMENT:
        return state
    if state.due is None and state.run is None and state.injector.backlog_ml == 0:
        return state
    state = _end_run(_settle(case, state, solve))
    if _in_air(state):
        return replace(state, injector=dripped(state.injector, 0.0), due=None)
    released = control.plunger < 0 and state.injector.pushed is None  # the pressure is let go
    due = None if released else _asked(state)
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


def _idle_told(state: State, control: Control) -> State:
    """A hand that presses in vain is told so, once each time it begins."""
    why = _in_vain(state) if control.plunger > 0 else ""
    if bool(why) == state.injector.idle:
        return state
    state = replace(state, injector=replace(state.injector, idle=bool(why)))
    return told(state, Refused(state.time, "press", why)) if why else state


def _in_vain(state: State) -> str:
    """Why pressing moves nothing; empty where it does."""
    injector, side = state.injector, state.injector.feeding
    if injector.mixed_at is None:
        return "no cement is mixed"
    if side is None or (injector.pushing is None and injector.spring is None):
        return "no syringe is on a cannula"
    if _in_air(state):
        return f"the {side} tip is outside the patient; the cement drips away"
    if bore_set(state, side):
        return f"the cement in the {side} cannula has set"
    if injector.pushing is not None:
        return ""
    if in_room(state).age_s >= product_of(state).gel_age_s:
        return "the cement in the syringe has set"
    return "" if injector.syringe_ml > 0 else "the syringe is empty"


def _in_air(state: State) -> bool:
    """Whether the cannula that is fed is not in the patient."""
    side = state.injector.feeding
    return side is not None and state.cannulas[side].stage not in ("tissue", "bone")


def _handled(state: State, control: Control) -> State:
    """The plunger input drives the syringe, or a stylet on its way home; the load is felt."""
    injector, ml_per_s = replace(state.injector, flow_ml_s=0.0), control.plunger / 1000.0
    side = injector.feeding
    if side is None:
        return replace(state, injector=replace(injector, load_n=0.0, load_mpa=0.0))
    if injector.pushing is not None:
        injector = (
            injector
            if bore_set(state, side)
            else push_out(injector, ml_per_s, TICK_S, in_flight(state))
        )
    elif injector.spring is not None and ml_per_s:
        dead = state.cannulas[side].dead_volume_ml
        most = _priming_ml_s(state, side, dead)
        injector = press(injector, min(ml_per_s, most), TICK_S, dead, in_flight(state))
    state = _primed(replace(state, injector=injector), side, state.injector)
    mpa, newtons = _load(state, side, control.plunger)
    return replace(state, injector=replace(state.injector, load_n=newtons, load_mpa=mpa))


def _filled_mm(state: State, side: Side, dead_ml: float) -> float:
    """`way_mm` of what cement fills of tube and bore."""
    injector, length = state.injector, float(state.cannulas[side].length)
    spring = injector.spring
    share = injector.tube_ml / spring.tube_ml if spring and spring.tube_ml > 0 else 0.0
    return share * (way_mm(state, side) - length) + length * min(
        1.0, injector.bore_ml.get(side, 0.0) / dead_ml
    )


def _priming_ml_s(state: State, side: Side, dead_ml: float) -> float:
    """The fastest that a thumb drives cement along a bore that is not full yet."""
    spring = state.injector.spring
    length = _filled_mm(state, side, dead_ml)
    if spring is None or length <= 0.0 or state.injector.filled_way(dead_ml):
        return inf
    radius, law = GAUGES[state.cannulas[side].gauge].bore / 2.0, product_of(state).law
    age = in_bore(state, side).age_s
    return float(bore_flow(law, age, radius, length, spring.limit_mpa)) / 1000.0


def _primed(state: State, side: Side, before: Injector) -> State:
    """Fresh cement has come into a bore that was not full."""
    held = state.injector.bore_ml.get(side, 0.0)
    came = held - before.bore_ml.get(side, 0.0)
    if came <= 0.0:
        return state
    return _exchanged(state, side, came / held)


def _exchanged(state: State, side: Side, share: float) -> State:
    cure = blended(in_bore(state, side), in_room(state), share)
    cures = MappingProxyType({**state.injector.cures, side: cure})
    return replace(state, injector=replace(state.injector, cures=cures))


def _load(state: State, side: Side, plunger: int) -> tuple[float, float]:
    """What the hand feels, MPa and N: pressure times area, and friction against its way; 0 for a
    hand that would have to pull."""
    injector, cannula = state.injector, state.cannulas[side]
    spring, bore = injector.spring, GAUGES[cannula.gauge].bore
    if spring is None:
        pressing = injector.pushing is not None and plunger > 0
        area = pi * bore**2 / 4.0
        mpa = min(STYLET_N / area, state.cement.total_mpa) if pressing else 0.0
        return mpa, mpa * area
    way, mpa = (plunger > 0) - (plunger < 0), _pressure(state, side, spring)
    return mpa, max(0.0, mpa * spring.area + way * spring.friction)


def _pressure(state: State, side: Side, spring: Syringe) -> float:
    """MPa at the plunger: what is compressed, less what has left since the bone was last asked, as
    fast as it did before; or, while the bore fills, what the flow loses."""
    injector, cannula = state.injector, state.cannulas[side]
    dead = cannula.dead_volume_ml
    if injector.backlog_ml > 0 or injector.filled_way(dead):
        gone = injector.leaving_ml_s * seconds(state.time % CEMENT) if state.due else 0.0
        return max(0.0, injector.backlog_ml - gone) / spring.compliance
    flow, length = 1000.0 * injector.flow_ml_s, _filled_mm(state, side, dead)
    if flow <= 0.0 or length <= 0.0:
        return 0.0
    age, law = in_bore(state, side).age_s, product_of(state).law
    radius = GAUGES[cannula.gauge].bore / 2.0
    return min(spring.limit_mpa, float(bore_loss(law, age, radius, length, flow)))


def _asked(state: State) -> Injection | None:
    side, ml = state.injector.feeding, state.injector.backlog_ml
    if side is None or ml <= 0:
        return None
    cannula, cure, spring = state.cannulas[side], in_bore(state, side), state.injector.spring
    bore = GAUGES[cannula.gauge].bore
    ahead = state.injector.bore_ml.get(side, 0.0) / cannula.dead_volume_ml
    length = way_mm(state, side) if spring else max(bore, ahead * cannula.length)
    limit = STYLET_N / (pi * bore**2 / 4.0) if spring is None else ml / spring.compliance
    return Injection(
        tip=cannula.tip,
        direction=cannula.direction,
        bore=bore,
        length=length,
        ml=ml,
        limit_mpa=limit,
        seconds=CEMENT_S,
        compliance=0.0 if spring is None else spring.compliance,
        product=product_of(state),
        age_s=cure.age_s,
        celsius=cure.celsius,
        time_s=seconds(state.time),
    )


def _settle(case: Case, state: State, solve: Solve) -> State:
    """What was asked for 50 ms ago has happened."""
    due, side = state.due, state.due_side
    if due is None or side is None:
        return state
    cement = solve(case.medium, state.channels, state.cement, due)
    placed_ml = cement.delivered_ml - state.cement.delivered_ml
    left = max(0.0, state.injector.backlog_ml - placed_ml)
    injector = replace(state.injector, backlog_ml=left, leaving_ml_s=placed_ml / due.seconds)
    injected = with_side(state.injected_ml, side, state.injected_ml.get(side, 0.0) + placed_ml)
    before = state
    state = replace(state, cement=cement, injector=injector, injected_ml=injected)
    if placed_ml >= TRICKLE_ML or (placed_ml > 0 and state.run is not None):
        state = replace(state, run=_run(before, state, side, placed_ml))
    if placed_ml > 0:
        state = _passed(state, side, placed_ml, due)
    return _tell_leaks(state)


def _passed(state: State, side: Side, placed_ml: float, due: Injection) -> State:
    """What left the tip has gone through the bore: fresh cement is behind it, and a shaft that was
    turned before has cement at its tip again."""
    watches = with_side(state.watches, side, replace(state.watches[side], turned=0.0))
    state = replace(state, watches=watches)
    held = state.injector.bore_ml.get(side, 0.0)
    return state if due.compliance == 0 or held <= 0 else _exchanged(state, side, placed_ml / held)


def _run(before: State, state: State, side: Side, placed_ml: float) -> Run:
    run = before.run
    if run is None:
        age = cement_age(before) or 0.0
        due = before.due
        thickness = product_of(before).viscosity(due.age_s) if due else 0.0
        leaked = before.cement.leaked_ml
        run = Run(side, state.time - CEMENT, 0.0, age, thickness, leaked)
    return replace(
        run,
        ml=run.ml + placed_ml,
        peak_mpa=max(run.peak_mpa, state.cement.total_mpa),
        last_flow=state.time if placed_ml >= TRICKLE_ML else run.last_flow,
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
