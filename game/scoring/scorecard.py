"""`score(trace, rubric)`: the whole verdict on a case, from its trace alone.

Weighted items are averaged; critical errors are not: any one of them fails the case, and so does a
case that was not finished. Nothing here rewards fewer images, less time or more cement.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from game.geometry.views import ViewName
from game.patient.patient import Side
from game.scoring import due, metrics
from game.scoring.items import MEASURES, Measure
from game.scoring.names import ItemId, Phase, spoken
from game.scoring.rubric import Rubric, Threshold, tolerance
from game.scoring.trace import Trace
from game.simulation.clock import seconds
from game.simulation.events import Briefed, Exposed, LegPain, Mixed, Refused

_DECIMALS = 6  # of a number in the file: micrometres and microlitres, a project choice


@dataclass(frozen=True)
class Item:
    """One line of the scorecard. `value` is None where it was not done; `share` 0 to 1 is what it
    earned of `possible` points, full at `full`, none at `zero`."""

    id: ItemId
    phase: Phase
    title: str
    side: Side | None
    value: float | None
    unit: str
    full: float
    zero: float
    share: float
    points: float
    possible: float
    reason: str


@dataclass(frozen=True)
class Critical:
    """An error that fails the case by itself."""

    id: str
    side: Side | None
    reason: str


@dataclass(frozen=True)
class Gap:
    """Least clearance of the cannula's surface to one wall, mm; negative beyond it."""

    wall: str
    mm: float


@dataclass(frozen=True)
class Bridged:
    """How much of a fractured level's height cement bridges, 0 to 1."""

    level: str
    share: float


@dataclass(frozen=True)
class SideResult:
    """What one side came to; None where it was not measured."""

    side: Side
    path_mm: float
    shortened_mm: float
    skin_error_mm: float | None
    bony_error_mm: float | None
    tip_error_mm: float | None
    angle_deg: float | None
    in_bone: float | None
    clearance: tuple[Gap, ...]
    breaches: tuple[str, ...]
    aliquots: int
    injected_ml: float | None
    coverage: float | None
    column_mm: float | None
    foramen_at_risk: bool
    foot_mm: float | None = None
    continuity: tuple[Bridged, ...] = ()


@dataclass(frozen=True)
class Leak:
    """Cement in one compartment beyond the cortex, mL."""

    region: str
    ml: float


@dataclass(frozen=True)
class WayOut:
    """Cement beyond the cortex by one exit, mL, and when it began, s."""

    exit: str
    ml: float
    began_s: float | None


@dataclass(frozen=True)
class Nearness:
    """Least distance of cement to a hazard, mm; negative inside it."""

    hazard: str
    mm: float


@dataclass(frozen=True)
class Seen:
    """One picture of the view log: time s, errors in degrees, cement outside the bone in mL."""

    time_s: float
    view: ViewName
    turn_deg: float
    disc_deg: float
    good: bool
    hands_out: bool
    fluoroscopy: bool
    leak_ml: float


@dataclass(frozen=True)
class Counts:
    """Told, never graded."""

    exposures: int
    fluoroscopy_s: float
    kerma_mgy: float
    refused: tuple[str, ...]
    leg_pain: tuple[str, ...]
    case_s: float
    mixed_s: float | None
    filled_ml: float | None
    bore_ml: float | None
    cement_balance_ml: float | None
    kap_gycm2: float = 0.0
    hand_mgy: float = 0.0
    hand_primary_mgy: float = 0.0
    hand_pulses: int = 0
    eye_mgy: float = 0.0
    interdigitated_ml: float | None = None


@dataclass(frozen=True)
class Scorecard:
    """The verdict. `total` is 0 to 100; `passed` needs a finished case, no critical error, and the
    pass mark. `rubric` names the rubric and `rubric_digest` its content."""

    level: str
    patient: str
    rubric: str
    rubric_digest: str
    pass_mark: float
    total: float
    complete: bool
    passed: bool
    critical: tuple[Critical, ...]
    items: tuple[Item, ...]
    sides: tuple[SideResult, ...]
    leaks: tuple[Leak, ...]
    counts: Counts
    views: tuple[Seen, ...]
    exits: tuple[WayOut, ...] = ()
    hazards: tuple[Nearness, ...] = ()

    def phase(self, phase: Phase) -> tuple[Item, ...]:
        """The items of one phase."""
        return tuple(item for item in self.items if item.phase == phase)

    def item(self, name: ItemId, side: Side | None = None) -> Item:
        """One item; raises KeyError where the case does not have it."""
        for item in self.items:
            if item.id == name and item.side == side:
                return item
        raise KeyError(f"this scorecard has no item {name!r} for side {side}")

    def to_json(self) -> str:
        """The same text for the same scorecard, numbers rounded to six decimals."""
        return json.dumps(_rounded(asdict(self)), indent=2, allow_nan=False) + "\n"


def score(trace: Trace, rubric: Rubric) -> Scorecard:
    """Grade a trace. A case that was left early scores too: what is missing is not done."""
    briefed = metrics.first_of(trace, Briefed)
    items = tuple(item for measure in MEASURES for item in _items(trace, rubric, measure))
    possible = sum(item.possible for item in items)
    total = 100.0 * sum(item.points for item in items) / possible if possible else 0.0
    critical = critical_errors(trace, rubric)
    complete = metrics.last_outcome(trace) is not None
    return Scorecard(
        level=briefed.level if briefed else "",
        patient=briefed.patient if briefed else "",
        rubric=rubric.name,
        rubric_digest=rubric.digest,
        pass_mark=rubric.pass_mark,
        total=total,
        complete=complete,
        passed=complete and not critical and total >= rubric.pass_mark,
        critical=critical,
        items=items,
        sides=_sides(trace, briefed) if briefed else (),
        leaks=tuple(Leak(r, ml) for r, ml in (metrics.leaked_ml(trace) or {}).items()),
        counts=_counts(trace),
        views=_views(trace, rubric.limits.view_deg),
        exits=tuple(WayOut(*way) for way in metrics.exits(trace)),
        hazards=tuple(Nearness(name, mm) for name, mm in metrics.nearest_hazards(trace)),
    )


def critical_errors(trace: Trace, rubric: Rubric) -> tuple[Critical, ...]:
    """The errors that gate the result (facts/procedure.md, Grading), in a fixed order."""
    found = [
        Critical("breach", event.side, f"The {event.side} tip left the bone into the "
                 f"{spoken(event.wall)}; it was not seen and taken back before cement.")
        for event in due.unrecognised_breaches(trace, rubric.limits, rubric.gates.walls)
    ]  # fmt: skip
    found += [
        Critical("after-leak", side, f"{ml:.2f} mL went into the {side} side after a leak was "
                 f"visible on a view that was due.")
        for side, ml in sorted(due.after_leak_ml(trace, rubric.limits).items())
        if ml > rubric.gates.after_leak_ml
    ]  # fmt: skip
    found += [
        Critical("blind-aliquot", run.side, f"{run.ml:.2f} mL went into the {run.side} side at "
                 f"{seconds(run.started) / 60:.1f} min with a due view skipped and a foramen at "
                 f"risk.")
        for run in due.skipped_at_risk(trace, rubric.limits)
    ]  # fmt: skip
    near_nerves = due.nerve_ml(metrics.leaked_ml(trace) or {})
    if near_nerves > rubric.gates.nerve_ml:
        reason = f"{near_nerves:.2f} mL of cement lies in foramina and canal."
        found.append(Critical("nerve-leak", None, reason))
    return tuple(found)


def _items(trace: Trace, rubric: Rubric, measure: Measure) -> list[Item]:
    threshold = rubric.items[measure.id]
    if not measure.applies(trace):
        return []
    if measure.whole:
        return [_item(measure, threshold, None, measure.whole(trace, rubric.limits), 1)]
    read, sides = measure.per_side, metrics.sides_asked(trace)
    return [
        _item(measure, threshold, side, read(trace, rubric.limits, side), len(sides))
        for side in sides
        if read
    ]


def _item(
    measure: Measure, threshold: Threshold, side: Side | None, value: float | None, parts: int
) -> Item:
    share = 0.0 if value is None else tolerance(value, threshold.full, threshold.zero)
    possible = threshold.weight / parts
    return Item(
        id=measure.id,
        phase=measure.phase,
        title=measure.title,
        side=side,
        value=value,
        unit=measure.unit,
        full=threshold.full,
        zero=threshold.zero,
        share=share,
        points=share * possible,
        possible=possible,
        reason=_reason(measure, threshold, value),
    )


def _reason(measure: Measure, threshold: Threshold, value: float | None) -> str:
    if value is None:
        return f"Not done: {measure.missing[0].lower()}{measure.missing[1:]}"
    if measure.unit == "yes":
        return f"{measure.said if value else measure.said_not}."
    said = measure.said.format(value=value, percent=100.0 * value)
    full, zero = (_amount(x, measure.unit) for x in (threshold.full, threshold.zero))
    return f"{said}; full marks at {full}, none at {zero}."


def _amount(value: float, unit: str) -> str:
    if unit == "fraction":
        return f"{100 * value:g} %"
    if unit == "deg":
        return f"{value:g}°"
    return f"{value:g}" if unit == "count" else f"{value:g} {unit}"


def _sides(trace: Trace, briefed: Briefed) -> tuple[SideResult, ...]:
    return tuple(_side(trace, briefed, side) for side in metrics.sides_asked(trace))


def _side(trace: Trace, briefed: Briefed, side: Side) -> SideResult:
    rest = metrics.resting_place(trace, side)
    gaps = sorted(rest.clearance_mm.items()) if rest else []
    return SideResult(
        side=side,
        path_mm=briefed.path_mm.get(side, 0.0),
        shortened_mm=briefed.shortened_mm.get(side, 0.0),
        skin_error_mm=metrics.skin_error(trace, side),
        bony_error_mm=metrics.bony_error(trace, side),
        tip_error_mm=rest.tip_error_mm if rest else None,
        angle_deg=rest.angle_deg if rest else None,
        in_bone=rest.in_bone if rest else None,
        clearance=tuple(Gap(wall, mm) for wall, mm in gaps),
        breaches=metrics.breaches(trace, side),
        aliquots=len(metrics.aliquots(trace, side)),
        injected_ml=metrics.injected_ml(trace, side),
        coverage=metrics.coverage(trace, side),
        column_mm=metrics.column_mm(trace, side),
        foramen_at_risk=briefed.foramen_at_risk.get(side, False),
        foot_mm=metrics.foot_mm(trace, side),
        continuity=tuple(Bridged(*level) for level in metrics.continuity(trace, side)),
    )


def _counts(trace: Trace) -> Counts:
    end, mixed = metrics.last_outcome(trace), metrics.first_of(trace, Mixed)
    pictures = metrics.all_of(trace, Exposed)
    return Counts(
        exposures=end.exposures if end else len(pictures),
        fluoroscopy_s=end.fluoroscopy_s if end else 0.0,
        kerma_mgy=end.kerma_mgy if end else 0.0,
        refused=tuple(f"{e.action}: {e.reason}" for e in metrics.all_of(trace, Refused)),
        leg_pain=tuple(e.root for e in metrics.all_of(trace, LegPain)),
        case_s=max((seconds(event.time) for event in trace), default=0.0),
        mixed_s=seconds(mixed.time) if mixed else None,
        filled_ml=end.filled_ml if end else None,
        bore_ml=end.bore_ml if end else None,
        cement_balance_ml=end.balance if end else None,
        kap_gycm2=end.kap_gycm2 if end else 0.0,
        hand_mgy=end.hand_mgy if end else 0.0,
        hand_primary_mgy=end.hand_primary_mgy if end else 0.0,
        hand_pulses=end.hand_pulses if end else 0,
        eye_mgy=end.eye_mgy if end else 0.0,
        interdigitated_ml=end.interdigitated_ml if end else None,
    )


def _views(trace: Trace, limit_deg: float) -> tuple[Seen, ...]:
    return tuple(
        Seen(
            time_s=seconds(picture.time),
            view=picture.view,
            turn_deg=picture.turn_deg,
            disc_deg=picture.disc_deg,
            good=not picture.moving and metrics.worst_deg(picture) <= limit_deg,
            hands_out=picture.hands_out,
            fluoroscopy=picture.fluoroscopy,
            leak_ml=picture.leak_ml,
        )
        for picture in metrics.all_of(trace, Exposed)
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DECIMALS) + 0.0  # no negative zero
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return value
