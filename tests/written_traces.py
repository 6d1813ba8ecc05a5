"""Traces written by hand: an expert's case, told event by event, that tests then spoil."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

from game.geometry.views import ViewName
from game.patient.patient import Side
from game.simulation.clock import UNITS_PER_SECOND
from game.simulation.events import (
    Advanced,
    Aliquot,
    BoneEntered,
    Briefed,
    CannulaRemoved,
    CannulaTaken,
    Event,
    Exposed,
    Marked,
    Mixed,
    Outcome,
    Placed,
    SkinEntered,
    StyletMoved,
)

E = TypeVar("E")
Trace = tuple[Event, ...]
PATH_MM = 60.0
DEPTHS = (0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 52, 54, 56, 58, 60)
WALLS = {
    "canal": 9.0, "foramen_s1_left": 5.0, "foramen_s1_right": 5.0, "si_joint_left": 4.0,
    "si_joint_right": 4.5, "cephalad": 6.0, "presacral": 3.5, "disc": 12.0, "dorsal": 2.0,
}  # fmt: skip


class Pen:
    """Writes a trace, one event after the other, `pause` seconds apart."""

    def __init__(self) -> None:
        self.time = 0
        self.events: list[Event] = []
        self.depth: dict[Side, float] = {}
        self.leak_ml = 0.0

    def write(self, kind: type[Any], *args: Any, pause: float = 2.0, **more: Any) -> None:
        self.time += int(pause * UNITS_PER_SECOND)
        self.events.append(kind(self.time, *args, **more))

    def picture(self, view: ViewName, **more: Any) -> None:
        given: dict[str, Any] = {
            "turn_deg": 1.0, "disc_deg": -0.5, "hands_out": True, "moving": False,
            "fluoroscopy": False, "kvp": 80.0, "mas": 0.4,
            "tips": {side: (10.0, 20.0, depth) for side, depth in self.depth.items()},
            "bone_mm": dict(self.depth),
            "ahead_mm": {side: PATH_MM - depth for side, depth in self.depth.items()},
            "leak_ml": self.leak_ml,
        }  # fmt: skip
        self.write(Exposed, view, **{**given, **more})


def expert() -> Trace:
    """Both sides, nothing wrong: every item earns full marks."""
    pen = Pen()
    pen.write(
        Briefed, "both-sides", "case", ("left", "right"),
        {"left": (20.0, 0.0, -13.0), "right": (-20.0, 0.0, -13.0)},
        {"left": (40.0, 30.0, -70.0), "right": (-40.0, 30.0, -70.0)},
        {"left": PATH_MM, "right": PATH_MM}, {"left": 0.0, "right": 2.0},
        {"left": True, "right": False}, pause=0.0,
    )  # fmt: skip
    pen.picture("ap")
    pen.picture("lateral")
    for side in ("left", "right"):
        _place(pen, side)
    pen.picture("ap")
    pen.write(Mixed, ("left", "right"), pause=10.0)
    pen.time += 230 * UNITS_PER_SECOND
    for side in ("left", "right"):
        _fill(pen, side)
    for side in ("left", "right"):
        pen.write(StyletMoved, side, True)
    pen.picture("ap")
    pen.picture("lateral")
    for side in ("left", "right"):
        pen.write(CannulaRemoved, side, True, 600.0)
    pen.write(
        Outcome, {"left": 2.4, "right": 2.4}, 4.75, 0.5, {"si_joint_left": 0.05},
        {"left": 0.72, "right": 0.66}, {"left": 41.0, "right": 38.0}, 90, 0.0, 21.5, 0.0,
    )  # fmt: skip
    return tuple(pen.events)


def _place(pen: Pen, side: Side) -> None:
    oblique: ViewName = "oblique-left" if side == "left" else "oblique-right"
    pen.picture(oblique)
    pen.write(Marked, side, oblique, 1.5)
    pen.write(CannulaTaken, side, 11, 125)
    pen.write(SkinEntered, side, (45.0, 70.0, -110.0), 3.0)
    pen.depth[side] = 0.0
    pen.picture(oblique)
    pen.write(BoneEntered, side, (40.0, 30.0, -70.0), 2.0, 1.2)
    for start, end in pairwise(DEPTHS):
        allowed = 5.0 if end <= 50 else 2.0
        pen.time += 4 * UNITS_PER_SECOND
        pen.depth[side] = float(end)
        pen.write(Advanced, side, float(start), float(end), allowed, pause=0.0)
        pen.picture("lateral", pause=0.0)
    pen.picture("ap")
    pen.write(Placed, side, (20.0, 0.0, -13.0), 1.0, 1.2, dict(WALLS), 1.0)
    pen.write(StyletMoved, side, False, pause=0.0)


def _fill(pen: Pen, side: Side) -> None:
    for number in range(8):
        pen.time += 3 * UNITS_PER_SECOND
        begun = pen.time
        pen.write(
            Aliquot, side, begun, 0.3, 250.0 + 10 * number, 200.0, 1.1, 0.0, 55.0 - 5 * number
        )
        pen.picture("ap")
        pen.picture("lateral")


def spoiled(trace: Trace, kind: type[E], change: Callable[[E], E | None], nth: int = 0) -> Trace:
    """The trace with its `nth` event of a kind changed, or left out where `change` gives None."""
    places = [index for index, event in enumerate(trace) if isinstance(event, kind)]
    changed: Any = change(trace[places[nth]])  # type: ignore[arg-type]
    new = () if changed is None else (changed,)
    return trace[: places[nth]] + new + trace[places[nth] + 1 :]


def altered(trace: Trace, kind: type[E], nth: int = 0, **changes: Any) -> Trace:
    """The trace with fields of its `nth` event of a kind replaced."""
    return spoiled(trace, kind, lambda event: replace(event, **changes), nth)  # type: ignore[type-var]


def without(trace: Trace, unwanted: Callable[[Event], bool]) -> Trace:
    """The trace without the events that the condition picks."""
    return tuple(event for event in trace if not unwanted(event))


def delayed(trace: Trace, since: int, seconds: float) -> Trace:
    """The trace with everything from `since` (1/3000 s) on put off."""
    later = int(seconds * UNITS_PER_SECOND)

    def put_off(event: Event) -> Event:
        if isinstance(event, Aliquot) and event.started >= since:
            return replace(event, time=event.time + later, started=event.started + later)
        return replace(event, time=event.time + later) if event.time >= since else event

    return tuple(put_off(event) for event in trace)
