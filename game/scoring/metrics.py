"""What happened in a case, number by number: one small function per metric, from the trace alone.

Lengths mm, volumes mL, angles degrees, times seconds. A function gives None where what it measures
never happened, so a case that was left early can still be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from game.geometry.views import ViewName
from game.patient.patient import SIDES, Side
from game.scoring.names import wall_name
from game.scoring.trace import Trace
from game.simulation.clock import seconds
from game.simulation.events import (
    Aliquot,
    BoneEntered,
    Breached,
    Briefed,
    CannulaRemoved,
    ExitOpened,
    Exposed,
    Marked,
    Mixed,
    Outcome,
    Placed,
    SkinEntered,
)

E = TypeVar("E")


def all_of(trace: Trace, kind: type[E]) -> list[E]:
    """Every event of one kind, in order."""
    return [event for event in trace if isinstance(event, kind)]


def first_of(trace: Trace, kind: type[E]) -> E | None:
    """The first event of one kind, None where there is none."""
    return next(iter(all_of(trace, kind)), None)


def sides_asked(trace: Trace) -> tuple[Side, ...]:
    """The sides the case asked for; none where it was never briefed."""
    briefed = first_of(trace, Briefed)
    return tuple(side for side in SIDES if briefed and side in briefed.sides)


def worst_deg(picture: Exposed) -> float:
    """How far a picture's beam was from its named view: the larger of turn and tilt."""
    return max(abs(picture.turn_deg), abs(picture.disc_deg))


def view_error(trace: Trace, view: ViewName, side: Side | None = None) -> float | None:
    """The least error of the still pictures of a view before the bone was entered.

    With a side, before that side's first entry; without, before the first of any side."""
    entries = [e for e in all_of(trace, BoneEntered) if side is None or e.side == side]
    until = min((entry.time for entry in entries), default=None)
    errors = [
        worst_deg(picture)
        for picture in all_of(trace, Exposed)
        if picture.view == view and not picture.moving and (until is None or picture.time < until)
    ]
    return min(errors, default=None)


def marked_error(trace: Trace, side: Side) -> float | None:
    """Error of the last entry picked on a picture before the bone was entered."""
    entry = next((e for e in all_of(trace, BoneEntered) if e.side == side), None)
    marks = [
        mark.error_mm
        for mark in all_of(trace, Marked)
        if mark.side == side and (entry is None or mark.time <= entry.time)
    ]
    return marks[-1] if marks else None


def skin_error(trace: Trace, side: Side) -> float | None:
    """Error of the skin puncture that was used: the last one before the last bony entry."""
    entry = _used_entry(trace, side)
    punctures = [
        event.error_mm
        for event in all_of(trace, SkinEntered)
        if event.side == side and (entry is None or event.time <= entry.time)
    ]
    return punctures[-1] if punctures else None


def bony_error(trace: Trace, side: Side) -> float | None:
    """Error of the bony entry that was used: the last one before the cannula was at rest."""
    entry = _used_entry(trace, side)
    return entry.error_mm if entry else None


def extra_punctures(trace: Trace, side: Side) -> int | None:
    """Bony entries beyond the first."""
    count = sum(event.side == side for event in all_of(trace, BoneEntered))
    return count - 1 if count else None


def resting_place(trace: Trace, side: Side) -> Placed | None:
    """Where the cannula was at rest: the last time it was measured before that side's cement."""
    cement = next((run.started for run in aliquots(trace, side)), None)
    rests = [
        event
        for event in all_of(trace, Placed)
        if event.side == side and (cement is None or event.time <= cement)
    ]
    return rests[-1] if rests else None


def least_clearance(
    trace: Trace, side: Side, chosen: Callable[[str], bool]
) -> tuple[str, float] | None:
    """The nearest of the chosen walls and the clearance of the cannula's surface to it."""
    rest = resting_place(trace, side)
    gaps = [(gap, wall_name(w)) for w, gap in (rest.clearance_mm if rest else {}).items()
            if chosen(w)]  # fmt: skip
    return (min(gaps)[1], min(gaps)[0]) if gaps else None


def breaches(trace: Trace, side: Side) -> tuple[str, ...]:
    """The walls that a tip left the bone by, in order."""
    return tuple(wall_name(e.wall) for e in all_of(trace, Breached) if e.side == side)


def injected_ml(trace: Trace, side: Side) -> float | None:
    """mL that left the tip on one side; None where none ever did."""
    runs = [run.ml for run in aliquots(trace, side)]
    outcome = last_outcome(trace)
    told = outcome.injected_ml.get(side) if outcome else None
    total = told if told is not None else sum(runs)
    return total if total > 0 else None


def aliquots(trace: Trace, side: Side | None = None) -> list[Aliquot]:
    """Every run of flow, by plunger or by a stylet pushed home, of one side or of both."""
    return [run for run in all_of(trace, Aliquot) if side is None or run.side == side]


def last_outcome(trace: Trace) -> Outcome | None:
    """What was measured at the end; None where the case was not finished."""
    ends = all_of(trace, Outcome)
    return ends[-1] if ends else None


def coverage(trace: Trace, side: Side) -> float | None:
    """Fraction of the fracture sheet that cement reached."""
    end = last_outcome(trace)
    return end.coverage.get(side) if end else None


def column_mm(trace: Trace, side: Side) -> float | None:
    """Length of the unbroken column of cement along the fracture sheet."""
    end = last_outcome(trace)
    return end.column_mm.get(side) if end else None


def leaked_ml(trace: Trace) -> Mapping[str, float] | None:
    """mL beyond the cortical envelope by compartment; None where it was never measured."""
    end = last_outcome(trace)
    return {wall_name(w): ml for w, ml in sorted(end.leaked_ml.items())} if end else None


def exits(trace: Trace) -> list[tuple[str, float, float | None]]:
    """Each way out of the bone: its name, mL at the end, and when it opened, s."""
    end = last_outcome(trace)
    began = {event.exit: seconds(event.time) for event in all_of(trace, ExitOpened)}
    return [(way, ml, began.get(way)) for way, ml in sorted(end.exits_ml.items())] if end else []


def foot_mm(trace: Trace, side: Side) -> float | None:
    """How far the column ends from the bony entry planned."""
    end = last_outcome(trace)
    return end.foot_mm.get(side) if end else None


def continuity(trace: Trace, side: Side) -> list[tuple[str, float]]:
    """Each fractured level and how much of its height cement bridges."""
    end = last_outcome(trace)
    return sorted(end.continuity.get(side, {}).items()) if end else []


def nearest_hazards(trace: Trace) -> list[tuple[str, float]]:
    """The hazards, the one that cement came nearest to first, and that distance, mm."""
    end = last_outcome(trace)
    gaps = sorted((mm, name) for name, mm in end.hazard_mm.items()) if end else []
    return [(name, mm) for mm, name in gaps]


def from_entry_mm(trace: Trace, side: Side) -> float | None:
    """How near the entry cortex cement was still injected: the least distance of the tip."""
    return min((run.from_entry_mm for run in aliquots(trace, side)), default=None)


def outside_window_s(trace: Trace, window: tuple[float, float]) -> float | None:
    """Seconds of injection begun with cement thinner or stiffer than the product's own window, or
    than `window`, Pa s, where the trace does not tell the product's."""
    runs, mixed = aliquots(trace), first_of(trace, Mixed)
    low, high = window if mixed is None or mixed.window_pa_s is None else mixed.window_pa_s
    bad = (seconds(r.time - r.started) for r in runs if not low <= r.viscosity <= high)
    return sum(bad, 0.0) if runs else None


def stylet_back(trace: Trace, side: Side) -> bool | None:
    """Whether the stylet was home when the cannula that gave cement came out."""
    cement = next((run.started for run in aliquots(trace, side)), None)
    removals = [
        event.stylet_in
        for event in all_of(trace, CannulaRemoved)
        if event.side == side and cement is not None and event.time >= cement
    ]
    return removals[0] if removals else None


def placed_before_mixing(trace: Trace) -> float | None:
    """Fraction of the cannulas asked for that stood in bone when mixing began."""
    mixed, sides = first_of(trace, Mixed), sides_asked(trace)
    if mixed is None or not sides:
        return None
    return sum(side in mixed.placed for side in sides) / len(sides)


def hands_out(trace: Trace) -> float | None:
    """Fraction of the exposures made with the operator's hands out of the beam."""
    return fraction(picture.hands_out for picture in all_of(trace, Exposed))


def fraction(flags: Iterable[bool]) -> float | None:
    """The fraction that is true, None of nothing."""
    known = list(flags)
    return sum(known) / len(known) if known else None


def _used_entry(trace: Trace, side: Side) -> BoneEntered | None:
    rest = resting_place(trace, side)
    entries = [
        event
        for event in all_of(trace, BoneEntered)
        if event.side == side and (rest is None or event.time <= rest.time)
    ]
    return entries[-1] if entries else None
