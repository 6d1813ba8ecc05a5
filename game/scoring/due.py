"""Views that were due, taken or missed; and what was done although a due view said stop.

A view counts as taken when its error is within the rubric's limit and nothing moved. No image is
ever held against a trainee: what is graded is the picture that was due and was not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from game.geometry.views import ViewName
from game.patient.patient import Side
from game.scoring.metrics import all_of, first_of, worst_deg
from game.scoring.names import is_nerve, wall_name
from game.scoring.rubric import Limits
from game.scoring.trace import Trace
from game.simulation.clock import UNITS_PER_SECOND
from game.simulation.events import (
    Advanced,
    Aliquot,
    BoneEntered,
    Breached,
    Briefed,
    CannulaRemoved,
    Exposed,
    LeakStarted,
    Mixed,
    Placed,
    SkinEntered,
)

TOLD_AFTER = UNITS_PER_SECOND // 2  # `step` tells an aliquot so long after its flow has ended


@dataclass(frozen=True)
class Look:
    """What was looked at after one aliquot and before the next: when the first good frontal and
    the first good lateral were taken (1/3000 s), None where it was missed. `within` counts the
    views that an overlong run should have been interrupted for."""

    aliquot: Aliquot
    frontal: int | None
    lateral: int | None
    within: int

    @property
    def due(self) -> int:
        """Views that were due."""
        return 2 + self.within

    @property
    def taken(self) -> int:
        """Views that were taken."""
        return (self.frontal is not None) + (self.lateral is not None)

    @property
    def frontal_first(self) -> bool:
        """Whether the frontal view was taken, and no lateral before it."""
        return self.frontal is not None and (self.lateral is None or self.frontal < self.lateral)


def looks(trace: Trace, limits: Limits) -> tuple[Look, ...]:
    """For every aliquot, by plunger or by stylet, the views taken before the next one.

    An aliquot is told half a second after its flow has ended; a picture in between shows it."""
    runs = all_of(trace, Aliquot)
    starts = [*(run.started for run in runs), None][1:]
    found = []
    for run, until in zip(runs, starts, strict=True):
        since = max(run.started, run.time - TOLD_AFTER)
        frontal = _first_view(trace, "ap", since, until, limits)
        lateral = _first_view(trace, "lateral", since, until, limits)
        within = 2 * max(0, ceil(run.ml / limits.run_ml - 1e-9) - 1)
        found.append(Look(run, frontal, lateral, within))
    return tuple(found)


def skipped_at_risk(trace: Trace, limits: Limits) -> tuple[Aliquot, ...]:
    """Aliquots that began, or went on too long, on a due view that was skipped, while a foramen
    was at risk on their own side or on the side of the aliquot that was not looked at."""
    seen = looks(trace, limits)
    risk = at_risk(trace)
    blind = [look.aliquot for look in seen if look.within and look.aliquot.side in risk]
    for before, after in pairwise(seen):
        missed = before.frontal is None or before.lateral is None
        if missed and {before.aliquot.side, after.aliquot.side} & risk:
            blind.append(after.aliquot)
    return tuple(blind)


def at_risk(trace: Trace) -> set[Side]:
    """The sides on which the fracture runs through a foramen, as briefed."""
    briefed = first_of(trace, Briefed)
    return {side for side, risk in briefed.foramen_at_risk.items() if risk} if briefed else set()


def advances_seen(trace: Trace, side: Side) -> list[bool]:
    """For each advance, whether a still picture with hands out was made since the one before; for
    the first, since the skin was entered."""
    advances = [event for event in all_of(trace, Advanced) if event.side == side]
    pictures = [p.time for p in all_of(trace, Exposed) if p.hands_out and not p.moving]
    skin = [event.time for event in all_of(trace, SkinEntered) if event.side == side]
    since, seen = min(skin, default=0), []
    for advance in advances:
        seen.append(any(since <= time < advance.time for time in pictures))
        since = advance.time
    return seen


def overlong_mm(trace: Trace, side: Side) -> list[float]:
    """For each advance, by how much it exceeded its longest step; 0 where it did not."""
    return [
        max(0.0, event.to_mm - event.from_mm - event.allowed_mm)
        for event in all_of(trace, Advanced)
        if event.side == side
    ]


def confirmed(trace: Trace, side: Side, limits: Limits) -> float | None:
    """Fraction of AP and lateral taken with the tip where it was to stay: after its last advance,
    before mixing (before its cement where none was mixed). None where the bone was not entered."""
    stops = [e.time for e in all_of(trace, BoneEntered) if e.side == side]
    if not stops:
        return None
    mixed = first_of(trace, Mixed)
    until = mixed.time if mixed else None
    moves = [
        event.time
        for event in all_of(trace, Advanced)
        if event.side == side and (until is None or event.time <= until)
    ]
    since = max(moves + stops)
    views: tuple[ViewName, ViewName] = ("ap", "lateral")
    return sum(_first_view(trace, v, since, until, limits, side) is not None for v in views) / 2


def after_leak_ml(trace: Trace, limits: Limits) -> Mapping[Side, float]:
    """mL injected on each side after a leak was visible on a view that was due, taken or not.

    A leak that was handled once (waited, looked, tip moved) does not count against what follows;
    what leaks anew does."""
    sides = dict.fromkeys(run.side for run in all_of(trace, Aliquot))
    return {side: _after_leak_ml(trace, side, limits) for side in sides}


def unrecognised_breaches(
    trace: Trace, limits: Limits, walls: tuple[str, ...]
) -> tuple[Breached, ...]:
    """Breaches of the given walls that were not seen on a picture and taken back before cement."""
    grave = {wall_name(wall) for wall in walls}
    return tuple(
        event
        for index, event in enumerate(trace)
        if isinstance(event, Breached)
        and wall_name(event.wall) in grave
        and not _taken_back(event, trace[index + 1 :], limits)
    )


def nerve_ml(leaked: Mapping[str, float]) -> float:
    """mL in the foramina and the canal together."""
    return sum((ml for wall, ml in sorted(leaked.items()) if is_nerve(wall)), 0.0)


def _first_view(
    trace: Trace,
    view: ViewName,
    since: int,
    until: int | None,
    limits: Limits,
    showing: Side | None = None,
) -> int | None:
    for picture in all_of(trace, Exposed):
        inside = since <= picture.time and (until is None or picture.time <= until)
        good = picture.view == view and worst_deg(picture) <= limits.view_deg
        shown = showing is None or showing in picture.tips
        if inside and good and shown and not picture.moving:
            return picture.time
    return None


def _after_leak_ml(trace: Trace, side: Side, limits: Limits) -> float:
    after = leaked = excused = 0.0
    handled = False
    before: Aliquot | None = None
    for run in (run for run in all_of(trace, Aliquot) if run.side == side):
        visible = leaked - excused >= limits.leak_visible_ml
        if visible and before and not handled and _handled(trace, before, run, limits):
            excused, handled, visible = leaked, True, False
        after += run.ml if visible else _blind_ml(trace, run, limits)
        leaked += run.leaked_ml
        before = run
    return after


def _handled(trace: Trace, before: Aliquot, after: Aliquot, limits: Limits) -> bool:
    waited = after.started - before.time >= limits.leak_wait_s * UNITS_PER_SECOND
    moved = abs(after.from_entry_mm - before.from_entry_mm) >= limits.leak_move_mm
    looked = any(before.time <= p.time <= after.started for p in all_of(trace, Exposed))
    return waited and moved and looked


def _blind_ml(trace: Trace, run: Aliquot, limits: Limits) -> float:
    """mL of one overlong, leaking run beyond the view that was due after its leak began.

    The flow within a run is taken as constant."""
    starts = [e.time for e in all_of(trace, LeakStarted) if run.started <= e.time <= run.time]
    if not starts or run.leaked_ml < limits.leak_visible_ml or run.time <= run.started:
        return 0.0
    rest = run.ml * (run.time - starts[0]) / (run.time - run.started)
    return max(0.0, rest - limits.run_ml)


def _taken_back(breach: Breached, later: Trace, limits: Limits) -> bool:
    """Whether a picture showed the breach and the tip came back before this side's cement."""
    deep: float | None = None
    for event in later:
        if isinstance(event, Aliquot) and event.side == breach.side:
            return False
        if isinstance(event, Exposed):
            depth = event.bone_mm.get(breach.side, 0.0)
            if deep is not None and depth <= deep - limits.withdrawn_mm:
                return True
            deep = depth if deep is None else max(deep, depth)
        if deep is not None and _clear_of(event, breach):
            return True
    return False


def _clear_of(event: object, breach: Breached) -> bool:
    if isinstance(event, Placed) and event.side == breach.side:
        gaps = {wall_name(wall): gap for wall, gap in event.clearance_mm.items()}
        return gaps.get(wall_name(breach.wall), -1.0) > 0.0
    return isinstance(event, BoneEntered | CannulaRemoved) and event.side == breach.side
