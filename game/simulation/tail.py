"""The tail that cement leaves along the way of a cannula that comes out as it should not.

A bore full of cement that has not set trails a strand out of the bone; one that has set is a rod,
which stands where it is while the steel is drawn off it. Turning the shaft shears both off at the
tip, and a stylet that is home leaves nothing to trail (facts/procedure.md). The strand is as thick
as the bore, and no longer than what stood in it or than the way from bone to skin. That all of it
trails is a project choice, not validated.
"""

from __future__ import annotations

from dataclasses import replace
from math import pi
from types import MappingProxyType

import numpy as np

from game.devices.cannula import GAUGES
from game.geometry.grid import Point
from game.patient.patient import Side
from game.simulation.events import TailLeft
from game.simulation.state import State, Tail

HALF_TURN = pi  # rad of turning shear it off: a project choice


def leave_tail(state: State, side: Side) -> State:
    """The state as the cannula of `side` leaves the bone for good: its bore without what trails."""
    tail = tail_of(state, side)
    if tail is None:
        return state
    bore = {**state.injector.bore_ml, side: state.injector.bore_ml[side] - tail.ml}
    return replace(
        state,
        tails=MappingProxyType({**state.tails, side: tail}),
        injector=replace(state.injector, bore_ml=MappingProxyType(bore)),
        events=(*state.events, TailLeft(state.time, side, tail.ml, tail.mm)),
    )


def tail_of(state: State, side: Side) -> Tail | None:
    """What would trail behind the cannula of `side`; None where nothing does."""
    cannula, held = state.cannulas[side], state.injector.bore_ml.get(side, 0.0)
    given = state.injected_ml.get(side, 0.0)
    if cannula.bone_entry is None or cannula.skin_entry is None or held <= 0 or given <= 0:
        return None
    if cannula.stylet or state.watches[side].turned >= HALF_TURN or side in state.tails:
        return None
    radius = GAUGES[cannula.gauge].bore / 2.0
    area = pi * radius**2
    way = np.subtract(cannula.skin_entry, cannula.bone_entry)
    whole = float(np.linalg.norm(way))
    mm = min(whole, 1000.0 * held / area)
    if mm <= 0:
        return None
    end = np.asarray(cannula.bone_entry) + way * (mm / whole)
    point: Point = (float(end[0]), float(end[1]), float(end[2]))
    return Tail(min(held, mm * area / 1000.0), cannula.bone_entry, point, radius)
