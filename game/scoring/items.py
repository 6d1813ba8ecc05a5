"""The items of the scorecard: which metric each reads, on what scale, and how it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from game.patient.patient import Side
from game.scoring import due, metrics
from game.scoring.names import ItemId, Phase, is_cortex, is_nerve
from game.scoring.rubric import Limits
from game.scoring.trace import Trace

Reading = float | None
PerSide = Callable[[Trace, Limits, Side], Reading]
Whole = Callable[[Trace, Limits], Reading]


@dataclass(frozen=True)
class Measure:
    """One item. Either `per_side` or `whole` reads it. `said` is the sentence for a value, filled
    with `value` (and `percent`), `said_not` for a plain no, `missing` where there is no value.
    `applies` tells whether the case has the item at all."""

    id: ItemId
    phase: Phase
    title: str
    unit: str
    said: str
    missing: str
    said_not: str = ""
    per_side: PerSide | None = None
    whole: Whole | None = None
    applies: Callable[[Trace], bool] = lambda trace: True


def _clearance(chosen: Callable[[str, Side], bool]) -> PerSide:
    def read(trace: Trace, limits: Limits, side: Side) -> Reading:
        nearest = metrics.least_clearance(trace, side, lambda wall: chosen(wall, side))
        return nearest[1] if nearest else None

    return read


def _tip_error(trace: Trace, limits: Limits, side: Side) -> Reading:
    rest = metrics.resting_place(trace, side)
    return rest.tip_error_mm if rest else None


def _angle(trace: Trace, limits: Limits, side: Side) -> Reading:
    rest = metrics.resting_place(trace, side)
    return rest.angle_deg if rest else None


def _in_bone(trace: Trace, limits: Limits, side: Side) -> Reading:
    rest = metrics.resting_place(trace, side)
    return rest.in_bone if rest else None


def _breaches(trace: Trace, limits: Limits, side: Side) -> Reading:
    entered = metrics.extra_punctures(trace, side) is not None
    return float(len(metrics.breaches(trace, side))) if entered else None


def _punctures(trace: Trace, limits: Limits, side: Side) -> Reading:
    extra = metrics.extra_punctures(trace, side)
    return None if extra is None else float(extra)


def _advance_steps(trace: Trace, limits: Limits, side: Side) -> Reading:
    over = due.overlong_mm(trace, side)
    return metrics.fraction(mm <= limits.step_slack_mm for mm in over)


def _aliquot_views(trace: Trace, limits: Limits) -> Reading:
    seen = due.looks(trace, limits)
    return sum(look.taken for look in seen) / sum(look.due for look in seen) if seen else None


def _frontal_first(trace: Trace, limits: Limits) -> Reading:
    risk = due.at_risk(trace)
    seen = due.looks(trace, limits)
    return metrics.fraction(look.frontal_first for look in seen if look.aliquot.side in risk)


def _aliquot_size(trace: Trace, limits: Limits) -> Reading:
    return max((run.ml for run in metrics.aliquots(trace)), default=None)


def _volume_total(trace: Trace, limits: Limits) -> Reading:
    given = [metrics.injected_ml(trace, side) for side in ("left", "right")]
    known = [ml for ml in given if ml is not None]
    return sum(known) if known else None


def _leaked(trace: Trace, limits: Limits) -> Reading:
    leaked = metrics.leaked_ml(trace) if _volume_total(trace, limits) is not None else None
    return None if leaked is None else sum(leaked.values(), 0.0)


def _nerve_leak(trace: Trace, limits: Limits) -> Reading:
    leaked = metrics.leaked_ml(trace) if _volume_total(trace, limits) is not None else None
    return None if leaked is None else due.nerve_ml(leaked)


def _after_leak(trace: Trace, limits: Limits) -> Reading:
    after = due.after_leak_ml(trace, limits)
    return max(after.values()) if after else None


def _stylet_back(trace: Trace, limits: Limits, side: Side) -> Reading:
    back = metrics.stylet_back(trace, side)
    return None if back is None else float(back)


NO_ENTRY = "The bone was not entered."
NO_REST = "The cannula was never at rest with its stylet drawn."
NO_CEMENT = "No cement was injected."
NO_END = "The case was not finished, so this was not measured."

MEASURES: tuple[Measure, ...] = (
    Measure(
        "view-oblique", "views", "Oblique view before entry", "deg",
        "The best oblique was {value:.1f}° off", "No still oblique was taken before entry.",
        per_side=lambda t, _, s: metrics.view_error(
            t, "oblique-left" if s == "left" else "oblique-right", s),
    ),
    Measure(
        "view-ap", "views", "AP view before entry", "deg",
        "The best AP was {value:.1f}° off", "No still AP was taken before entry.",
        whole=lambda t, _: metrics.view_error(t, "ap"),
    ),
    Measure(
        "view-lateral", "views", "Lateral view before entry", "deg",
        "The best lateral was {value:.1f}° off", "No still lateral was taken before entry.",
        whole=lambda t, _: metrics.view_error(t, "lateral"),
    ),
    Measure(
        "marked-entry", "entry", "Entry picked on the picture", "mm",
        "The picked entry was {value:.1f} mm off", "No entry was picked on a picture.",
        per_side=lambda t, _, s: metrics.marked_error(t, s),
    ),
    Measure(
        "skin-entry", "entry", "Skin entry", "mm",
        "The skin was entered {value:.1f} mm from the plan", "The skin was not entered.",
        per_side=lambda t, _, s: metrics.skin_error(t, s),
    ),
    Measure(
        "bony-entry", "entry", "Bony entry", "mm",
        "The bone was entered {value:.1f} mm from the plan", NO_ENTRY,
        per_side=lambda t, _, s: metrics.bony_error(t, s),
    ),
    Measure(
        "extra-punctures", "entry", "Extra bony punctures", "count",
        "Punctures of the cortex beyond the first: {value:.0f}", NO_ENTRY,
        per_side=_punctures,
    ),
    Measure(
        "tip-to-target", "path", "Tip to target", "mm",
        "The tip came to rest {value:.1f} mm from the target", NO_REST, per_side=_tip_error,
    ),
    Measure(
        "angle", "path", "Direction", "deg",
        "The cannula lay {value:.1f}° off the planned direction", NO_REST, per_side=_angle,
    ),
    Measure(
        "clearance-cortex", "path", "Clearance to anterior, cephalad and SI cortex", "mm",
        "The cannula's surface came within {value:.1f} mm of a wall", NO_REST,
        per_side=_clearance(is_cortex),
    ),
    Measure(
        "clearance-nerve", "path", "Clearance to foramina and canal", "mm",
        "The cannula's surface came within {value:.1f} mm of a foramen or the canal", NO_REST,
        per_side=_clearance(lambda wall, _: is_nerve(wall)),
    ),
    Measure(
        "in-bone", "path", "Shaft inside bone", "fraction",
        "{percent:.0f} % of the bony path lay inside the sacrum", NO_REST, per_side=_in_bone,
    ),
    Measure(
        "breaches", "path", "Breaches", "count",
        "Times the tip left the bone: {value:.0f}", NO_ENTRY, per_side=_breaches,
    ),
    Measure(
        "advance-pictures", "path", "Hands-out picture before each advance", "fraction",
        "{percent:.0f} % of the advances had their picture", "The cannula was not advanced.",
        per_side=lambda t, _, s: metrics.fraction(due.advances_seen(t, s)),
    ),
    Measure(
        "advance-steps", "path", "Advances within the longest step", "fraction",
        "{percent:.0f} % of the advances kept to the longest step",
        "The cannula was not advanced.", per_side=_advance_steps,
    ),
    Measure(
        "tip-confirmed", "path", "Tip confirmed on AP and lateral", "fraction",
        "{percent:.0f} % of AP and lateral showed the tip where it stayed", NO_ENTRY,
        per_side=lambda t, limits, s: due.confirmed(t, s, limits),
    ),
    Measure(
        "placed-before-mixing", "path", "Cannulas in place before mixing", "fraction",
        "{percent:.0f} % of the cannulas stood in bone when mixing began",
        "No cement was mixed.", whole=lambda t, _: metrics.placed_before_mixing(t),
    ),
    Measure(
        "aliquot-views", "cement", "Views after each aliquot", "fraction",
        "{percent:.0f} % of the frontal and lateral views due were taken", NO_CEMENT,
        whole=_aliquot_views,
    ),
    Measure(
        "frontal-first", "cement", "Frontal view first where a foramen is at risk", "fraction",
        "{percent:.0f} % of the aliquots were looked at in the frontal view first", NO_CEMENT,
        whole=_frontal_first, applies=lambda t: bool(due.at_risk(t)),
    ),
    Measure(
        "aliquot-size", "cement", "Largest aliquot", "mL",
        "The largest aliquot was {value:.2f} mL", NO_CEMENT, whole=_aliquot_size,
    ),
    Measure(
        "volume", "cement", "Cement on one side", "mL",
        "{value:.1f} mL went in (2 to 4 mL is usual, more earns nothing)", NO_CEMENT,
        per_side=lambda t, _, s: metrics.injected_ml(t, s),
    ),
    Measure(
        "volume-total", "cement", "Cement in all", "mL",
        "{value:.1f} mL went in altogether", NO_CEMENT, whole=_volume_total,
    ),
    Measure(
        "coverage", "cement", "Fracture sheet reached", "fraction",
        "Cement reached {percent:.0f} % of the fracture sheet", NO_END,
        per_side=lambda t, _, s: metrics.coverage(t, s),
    ),
    Measure(
        "column", "cement", "Unbroken column", "mm",
        "The unbroken column is {value:.0f} mm long", NO_END,
        per_side=lambda t, _, s: metrics.column_mm(t, s),
    ),
    Measure(
        "leaked", "cement", "Cement beyond the cortex", "mL",
        "{value:.2f} mL lies beyond the cortex", "No cement was injected, or the end not measured.",
        whole=_leaked,
    ),
    Measure(
        "nerve-leak", "cement", "Cement in foramina and canal", "mL",
        "{value:.2f} mL lies in foramina and canal",
        "No cement was injected, or the end not measured.", whole=_nerve_leak,
    ),
    Measure(
        "after-leak", "cement", "Injected after a leak was visible", "mL",
        "{value:.2f} mL went in after a leak was visible on a due view", NO_CEMENT,
        whole=_after_leak,
    ),
    Measure(
        "stop-short", "cement", "Stopped short of the entry cortex", "mm",
        "The tip was {value:.1f} mm from the entry cortex at the last cement", NO_CEMENT,
        per_side=lambda t, _, s: metrics.from_entry_mm(t, s),
    ),
    Measure(
        "working-window", "cement", "Injected outside the working time", "s",
        "{value:.0f} s of injection began with cement too thin or too stiff", NO_CEMENT,
        whole=lambda t, limits: metrics.outside_window_s(t, limits.working_pa_s),
    ),
    Measure(
        "stylet-back", "cement", "Stylet back before removal", "yes",
        "The stylet was home when the cannula came out", "The cannula was not taken out.",
        per_side=_stylet_back, said_not="The cannula came out with its stylet drawn",
    ),
    Measure(
        "hands-out", "conduct", "Hands out of the beam", "fraction",
        "{percent:.0f} % of the exposures were made with hands out", "No picture was taken.",
        whole=lambda t, _: metrics.hands_out(t),
    ),
)  # fmt: skip
