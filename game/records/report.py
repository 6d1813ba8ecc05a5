"""The report of one case: a single HTML file with its pictures inside, to read and to print."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal, get_args

from game.records.style import STYLE
from game.records.whole import whole
from game.scoring.names import PHASES, Phase, is_nerve, spoken, way_out
from game.scoring.scorecard import Item, Scorecard, SideResult

Slot = Literal[
    "entry-left", "entry-right", "lateral-left", "lateral-right", "ap-confirm", "after-ap",
    "after-lateral", "view3d", "fill-left", "fill-right", "timeline",
]  # fmt: skip
SLOTS: tuple[Slot, ...] = get_args(Slot)
XRAYS = SLOTS[:7]
MAPS: tuple[Slot, ...] = ("fill-left", "fill-right")
PHASE_TITLES: Mapping[Phase, str] = {
    "views": "Views", "entry": "Entry", "path": "Path", "cement": "Cement", "conduct": "Conduct",
}  # fmt: skip
FAR_MM = 10.0  # hazards further from cement are not told: a project choice
_WIDE = ("view3d", "fill-left", "fill-right", "timeline")
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A PNG with its place in the report and a caption."""

    slot: Slot
    png: bytes
    caption: str

    def __post_init__(self) -> None:
        if self.slot not in SLOTS:
            raise ValueError(f"picture slot is {self.slot!r}; there are {', '.join(SLOTS)}")
        if not self.png.startswith(_PNG):
            raise ValueError(f"the picture for {self.slot} is not a PNG")


def write_report(
    path: Path, scorecard: Scorecard, figures: Sequence[Picture], header: Mapping[str, str]
) -> None:
    """Write the report to `path`, whole or not at all; `header` is told line by line at its top.

    Raises OSError where the folder cannot be written."""
    with whole(path) as draft:
        draft.write_text(report_html(scorecard, figures, header), encoding="utf-8")


def report_html(scorecard: Scorecard, figures: Sequence[Picture], header: Mapping[str, str]) -> str:
    """The report as one HTML text: no script, nothing loaded from anywhere.

    Pictures stand in the order of SLOTS; a slot without one is left out."""
    placed = {figure.slot: figure for figure in figures}
    xrays = [placed[slot] for slot in XRAYS if slot in placed]
    model = [placed["view3d"]] if "view3d" in placed else []
    maps = [placed[slot] for slot in MAPS if slot in placed]
    timeline = [placed["timeline"]] if "timeline" in placed else []
    parts = (
        _verdict(scorecard, header),
        _section("By phase", _phase_summary(scorecard)),
        _section("Side by side", _sides(scorecard)),
        _section("Cement beyond the cortex", _leaks(scorecard)),
        _section("Cement and what it may harm", _hazards(scorecard)),
        _section("X-ray pictures", _gallery(xrays)),
        _section("In three dimensions", _gallery(model)) if model else "",
        _section("Fill and pressure", _gallery(maps)) if maps else "",
        _section("Over time", _gallery(timeline)) if timeline else "",
        *(_section(PHASE_TITLES[phase], _items(scorecard.phase(phase))) for phase in PHASES),
        _section("Told, not graded", _counts(scorecard)),
        _section("Every picture taken", _views(scorecard)),
    )
    title = escape(f"Sacrosim: {scorecard.level}, {scorecard.patient}")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{''.join(parts)}</main>\n</body>\n</html>\n"
    )


def _verdict(card: Scorecard, told: Mapping[str, str]) -> str:
    word, kind = ("Passed", "pass") if card.passed else ("Not passed", "fail")
    why = _why(card)
    errors = "".join(f"<li>{escape(error.reason)}</li>" for error in card.critical)
    critical = f'<div class="critical"><h2>Critical errors</h2><ul>{errors}</ul></div>'
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in told.items()
    )
    return (
        f"<header><p class='kicker'>Sacrosim &middot; percutaneous sacroplasty</p>"
        f"<div class='verdict {kind}'>"
        f"<div class='total'>{card.total:.0f}<small> / 100</small></div>"
        f"<div><h1>{word}</h1><p>{escape(why)}</p></div></div>"
        f"{critical if card.critical else ''}<dl class='facts'>{facts}</dl></header>\n"
    )


def _why(card: Scorecard) -> str:
    mark = f"The pass mark is {card.pass_mark:g}; rubric {card.rubric} ({card.rubric_digest})."
    if not card.complete:
        return f"The case was not finished. {mark}"
    if card.critical:
        return f"A critical error fails the case whatever the total. {mark}"
    return f"No critical error. {mark}"


def _phase_summary(card: Scorecard) -> str:
    rows = []
    for phase in PHASES:
        items = card.phase(phase)
        points, possible = sum(i.points for i in items), sum(i.possible for i in items)
        share = points / possible if possible else 0.0
        lost = sorted((i for i in items if i.share < 1.0), key=lambda i: i.points - i.possible)
        least = escape(lost[0].title + _of(lost[0])) if lost else "nothing lost"
        rows.append((PHASE_TITLES[phase], _bar(share), f"{points:.1f} / {possible:g}", least))
    return _table(("Phase", "Share", "Points", "Most lost on"), rows, raw=(1, 3), right=(2,))


def _items(items: Iterable[Item]) -> str:
    rows = [
        (
            escape(item.title + _of(item)),
            _value(item),
            _bar(item.share),
            f"{item.points:.1f} / {item.possible:g}",
            escape(item.reason),
        )
        for item in items
    ]
    heads = ("Item", "Value", "Share", "Points", "Why")
    return _table(heads, rows, raw=(0, 2, 4), right=(1, 3))


def _sides(card: Scorecard) -> str:
    if not card.sides:
        return _nothing("No side was asked for.")
    lines: tuple[tuple[str, Callable[[SideResult], str]], ...] = (
        ("Planned path in bone", lambda s: _number(s.path_mm, "mm")),
        ("Plan shortened by", lambda s: _number(s.shortened_mm, "mm")),
        ("Skin entry error", lambda s: _number(s.skin_error_mm, "mm")),
        ("Bony entry error", lambda s: _number(s.bony_error_mm, "mm")),
        ("Tip to target", lambda s: _number(s.tip_error_mm, "mm")),
        ("Angle to plan", lambda s: _number(s.angle_deg, "°")),
        ("Bony path inside the sacrum", lambda s: _percent(s.in_bone)),
        ("Breaches", lambda s: ", ".join(map(spoken, s.breaches)) or "none"),
        ("Least clearance", _nearest),
        ("Aliquots", lambda s: str(s.aliquots)),
        ("Cement injected", lambda s: _number(s.injected_ml, "mL", 2)),
        ("Fracture sheet reached", lambda s: _percent(s.coverage)),
        ("Unbroken column", lambda s: _number(s.column_mm, "mm", 0)),
        ("Height bridged by level", _bridged),
        ("Column's foot from the entry", lambda s: _number(s.foot_mm, "mm", 0)),
        ("Foramen at risk", lambda s: "yes" if s.foramen_at_risk else "no"),
    )
    rows = [(name, *(tell(side) for side in card.sides)) for name, tell in lines]
    heads = ("", *(side.side.capitalize() for side in card.sides))
    numbers = tuple(range(1, len(heads)))
    return _table(heads, rows, right=numbers) + _clearances(card)


def _bridged(side: SideResult) -> str:
    return ", ".join(f"{b.level.upper()} {_percent(b.share)}" for b in side.continuity) or "–"


def _clearances(card: Scorecard) -> str:
    walls = sorted({gap.wall for side in card.sides for gap in side.clearance})
    if not walls:
        return ""
    known = [{gap.wall: gap.mm for gap in side.clearance} for side in card.sides]
    rows = [(spoken(wall), *(_number(k.get(wall), "mm") for k in known)) for wall in walls]
    heads = ("Clearance of the surface to", *(s.side.capitalize() for s in card.sides))
    return _table(heads, rows, right=tuple(range(1, len(heads))))


def _nearest(side: SideResult) -> str:
    gaps = [(gap.mm, gap.wall) for gap in side.clearance if gap.wall not in ("dorsal", "lateral")]
    return f"{min(gaps)[0]:.1f} mm to {spoken(min(gaps)[1])}" if gaps else "–"


def _leaks(card: Scorecard) -> str:
    if not card.complete:
        return _nothing("Not measured: the case was not finished.")
    leaks = [leak for leak in card.leaks if leak.ml > 0]
    if not leaks:
        return _nothing("None.")
    rows = [
        (spoken(leak.region), f"{leak.ml:.3f} mL", "nerves" if is_nerve(leak.region) else "")
        for leak in leaks
    ]
    rows.append(("in all", f"{sum(leak.ml for leak in leaks):.3f} mL", ""))
    return _table(("Compartment", "Volume", "At risk"), rows, right=(1,)) + _ways_out(card)


def _ways_out(card: Scorecard) -> str:
    if not card.exits:
        return ""
    rows = [
        (way_out(way.exit), f"{way.ml:.3f} mL", "–" if way.began_s is None else _clock(way.began_s))
        for way in card.exits
    ]
    return _table(("Way out of the bone", "Volume", "Began"), rows, right=(1, 2))


def _hazards(card: Scorecard) -> str:
    """The nearest ones: further ones do not matter."""
    near = [gap for gap in card.hazards if gap.mm < FAR_MM]
    if not near:
        return _nothing(f"Cement came within {FAR_MM:.0f} mm of none." if card.hazards else "–")
    rows = [(gap.hazard.replace("_", " "), _number(gap.mm, "mm")) for gap in near]
    return _table(("Nearest cement to", "Distance"), rows, right=(1,))


def _counts(card: Scorecard) -> str:
    counts = card.counts
    rows = [
        ("Duration", _clock(counts.case_s)),
        ("Exposures", str(counts.exposures)),
        ("Fluoroscopy", _number(counts.fluoroscopy_s, "s")),
        ("Air kerma at the reference point", _number(counts.kerma_mgy, "mGy", 2)),
        ("Kerma-area product", _number(counts.kap_gycm2, "Gy cm²", 3)),
        ("Operator's hand, scatter", _number(counts.hand_mgy, "mGy", 3)),
        (
            "Operator's hand, primary beam",
            f"{_number(counts.hand_primary_mgy, 'mGy', 3)} in {counts.hand_pulses} pulses",
        ),
        ("Operator's eye, scatter", _number(counts.eye_mgy, "mGy", 4)),
        ("Cement mixed at", "–" if counts.mixed_s is None else _clock(counts.mixed_s)),
        ("Cement in bone", _number(counts.filled_ml, "mL", 2)),
        ("of it between trabeculae", _number(counts.interdigitated_ml, "mL", 2)),
        ("Cement left in the cannulas", _number(counts.bore_ml, "mL", 2)),
        ("Leg pain", ", ".join(map(spoken, counts.leg_pain)) or "none"),
        ("Refused actions", "; ".join(counts.refused) or "none"),
    ]
    return _table(("", ""), rows)


def _views(card: Scorecard) -> str:
    if not card.views:
        return _nothing("No picture was taken.")
    rows = [
        (
            _clock(seen.time_s),
            seen.view.replace("ap", "AP").replace("-", " "),
            f"{seen.turn_deg:+.1f}°",
            f"{seen.disc_deg:+.1f}°",
            "within limit" if seen.good else "off",
            "out" if seen.hands_out else "in the beam",
            "fluoroscopy" if seen.fluoroscopy else "single",
            f"{seen.leak_ml:.2f} mL",
        )
        for seen in card.views
    ]
    heads = ("Time", "View", "Turn", "Tilt", "View", "Hands", "Kind", "Beyond cortex")
    return f'<div class="small">{_table(heads, rows, right=(0, 2, 3, 7))}</div>'


def _gallery(figures: Sequence[Picture]) -> str:
    if not figures:
        return _nothing("None was taken.")
    cards = "".join(
        f'<figure class="{figure.slot}"><img alt="{escape(figure.caption)}" '
        f'src="data:image/png;base64,{b64encode(figure.png).decode()}">'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
        for figure in figures
    )
    kind = "wide" if figures[0].slot in _WIDE else "gallery"
    return f'<div class="{kind}">{cards}</div>'


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>\n"


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    raw: Sequence[int] = (),
    right: Sequence[int] = (),
) -> str:
    """A table; cells are escaped here, apart from the columns in `raw`, which are HTML already."""

    def cell(tag: str, column: int, text: str) -> str:
        content = text if tag == "td" and column in raw else escape(text)
        return f"<{tag}{' class=n' if column in right else ''}>{content}</{tag}>"

    head = "".join(cell("th", k, text) for k, text in enumerate(heads))
    body = "".join(
        f"<tr>{''.join(cell('td', k, text) for k, text in enumerate(row))}</tr>" for row in rows
    )
    thead = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    return f"<table>{thead}<tbody>{body}</tbody></table>"


def _bar(share: float) -> str:
    kind = "full" if share >= 0.995 else "none" if share <= 0.005 else "part"
    return f'<span class="bar {kind}"><i style="width:{100 * share:.0f}%"></i></span>'


def _value(item: Item) -> str:
    if item.value is None:
        return "not done"
    if item.unit == "yes":
        return "yes" if item.value else "no"
    if item.unit == "fraction":
        return _percent(item.value)
    if item.unit == "count":
        return f"{item.value:.0f}"
    decimals = {"mL": 2, "s": 0}.get(item.unit, 1)
    return _number(item.value, "°" if item.unit == "deg" else item.unit, decimals)


def _number(value: float | None, unit: str, decimals: int = 1) -> str:
    if value is None:
        return "–"
    return f"{value:.{decimals}f}{'' if unit == '°' else ' '}{unit}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _clock(time_s: float) -> str:
    return f"{int(time_s) // 60}:{int(time_s) % 60:02d}"


def _of(item: Item) -> str:
    return f", {item.side}" if item.side else ""


def _nothing(text: str) -> str:
    return f'<p class="nothing">{escape(text)}</p>'
