"""The case over its minutes: phases, pictures by view, aliquots, leaks, drawn from the trace."""

from __future__ import annotations

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from game.geometry.views import ViewName
from game.patient.patient import Side
from game.scoring.metrics import all_of, resting_place, sides_asked
from game.scoring.trace import Trace
from game.simulation.clock import seconds
from game.simulation.events import (
    Aliquot,
    Breached,
    CannulaTaken,
    Event,
    Exposed,
    LeakStarted,
    LegPain,
    Mixed,
    Refused,
)

# Colours: a project choice, told apart in grey print by place and shape as well.
INK, GRID = "#2b2f33", "#d9dde1"
SIDE_COLOUR: dict[Side, str] = {"left": "#1f6fb2", "right": "#d9822b"}
LEAK = "#c2185b"
VIEW_ROWS: tuple[tuple[str, tuple[ViewName, ...]], ...] = (
    ("lateral", ("lateral",)),
    ("AP", ("ap",)),
    ("oblique", ("oblique-left", "oblique-right")),
)
TROUBLE: tuple[tuple[type[Event], str, str], ...] = (
    (Breached, "X", "breach"),
    (LegPain, "P", "leg pain"),
    (LeakStarted, "v", "leak begins"),
    (Refused, "x", "refused"),
)


def timeline_picture(trace: Trace) -> bytes:
    """A PNG of the case against minutes; an empty trace gives an empty chart."""
    figure = Figure(figsize=(11.0, 4.1), dpi=130, facecolor="white")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, 1.0])
    _rows(upper, trace)
    _volumes(lower, trace)
    end = max((seconds(event.time) for event in trace), default=60.0) / 60
    lower.set_xlim(0.0, max(end, 0.1) * 1.01)
    lower.set_xlabel("minutes", color=INK, fontsize=9)
    figure.subplots_adjust(left=0.075, right=0.985, top=0.98, bottom=0.19, hspace=0.08)
    _legend(figure, trace)
    buffer = BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def phases(trace: Trace) -> list[tuple[str, float, float]]:
    """Name, start and end (s) of the phases that took place."""
    end = max((seconds(event.time) for event in trace), default=0.0)
    runs = all_of(trace, Aliquot)
    began = [seconds(run.started) for run in runs]
    mixes = [seconds(mixed.time) for mixed in all_of(trace, Mixed)]
    starts = [(0.0, "views")]
    for side in sides_asked(trace):
        taken = [e for e in all_of(trace, CannulaTaken) if e.side == side]
        if taken:
            starts.append((seconds(taken[0].time), f"{side} cannula"))
        rest = resting_place(trace, side)
        if rest and seconds(rest.time) < min([*began, end]):
            starts.append((seconds(rest.time), "check"))
    for mixed in mixes:
        starts.append((mixed, "mixing"))
    for since in mixes or [0.0]:  # each batch is injected after it was mixed
        starts += [(began[n], "cement") for n in range(len(runs)) if began[n] > since][:1]
    if runs:
        starts.append((seconds(runs[-1].time), "closing"))
    starts.sort(key=lambda start: start[0])
    ends = [time for time, _ in starts[1:]] + [end]
    return [(name, t, e) for (t, name), e in zip(starts, ends, strict=True) if e > t]


def _rows(axes: Axes, trace: Trace) -> None:
    labels = ["events", *(name for name, _ in VIEW_ROWS), "phase"]
    axes.set_yticks(range(len(labels)), labels, fontsize=8, color=INK)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.tick_params(length=0)
    _tidy(axes)
    _phase_bars(axes, trace, len(labels) - 1)
    for row, (_, views) in enumerate(VIEW_ROWS, start=1):
        _pictures(axes, [p for p in all_of(trace, Exposed) if p.view in views], row)
    for kind, marker, label in TROUBLE:
        times = [seconds(event.time) / 60 for event in all_of(trace, kind)]
        if times:
            axes.plot(times, [0] * len(times), marker, ms=6, color=LEAK, label=label, ls="none")


def _phase_bars(axes: Axes, trace: Trace, row: int) -> None:
    length = max((seconds(event.time) for event in trace), default=1.0) or 1.0
    for name, start, end in phases(trace):
        side = next((s for s in SIDE_COLOUR if name.startswith(s)), None)
        colour = SIDE_COLOUR[side] if side else "#9aa3ab"
        axes.barh(row, (end - start) / 60, left=start / 60, height=0.62, color=colour, alpha=0.35,
                  edgecolor="white")  # fmt: skip
        if (end - start) / length > 0.0075 * len(name):
            axes.text((start + end) / 120, row, name, ha="center", va="center", fontsize=8,
                      color=INK)  # fmt: skip


def _pictures(axes: Axes, pictures: list[Exposed], row: int) -> None:
    for picture in pictures:
        colour = INK if picture.hands_out else LEAK
        height = 0.26 if picture.moving else 0.36
        minute = seconds(picture.time) / 60
        axes.plot([minute, minute], [row - height, row + height], color=colour, lw=1.1,
                  ls=":" if picture.moving else "-")  # fmt: skip


def _volumes(axes: Axes, trace: Trace) -> None:
    _tidy(axes)
    axes.set_ylabel("mL", fontsize=9, color=INK)
    top = 0.5
    for side in sides_asked(trace):
        runs = [run for run in all_of(trace, Aliquot) if run.side == side]
        times, totals = [0.0], [0.0]
        for run in runs:
            times += [seconds(run.started) / 60, seconds(run.time) / 60]
            totals += [totals[-1], totals[-1] + run.ml]
        axes.plot(times, totals, color=SIDE_COLOUR[side], lw=1.8, label=f"{side} cement")
        top = max(top, totals[-1])
    leaks = [(seconds(p.time) / 60, p.leak_ml) for p in all_of(trace, Exposed)]
    if leaks:
        axes.step(*zip(*leaks, strict=True), where="post", color=LEAK, lw=1.4,
                  label="beyond the cortex, at each picture")  # fmt: skip
        top = max(top, *(ml for _, ml in leaks))
    axes.set_ylim(0.0, 1.15 * top)


def _legend(figure: Figure, trace: Trace) -> None:
    handles = [handle for axes in figure.axes for handle in axes.get_legend_handles_labels()[0]]
    if not all(picture.hands_out for picture in all_of(trace, Exposed)):
        handles.append(Line2D([], [], color=LEAK, marker="|", ls="none", label="hands in the beam"))
    if any(picture.moving for picture in all_of(trace, Exposed)):
        handles.append(Line2D([], [], color=INK, ls=":", label="C-arm moving"))
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=8, fontsize=8, frameon=False)


def _tidy(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(axis="x", color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK)
