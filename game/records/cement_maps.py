"""Maps of where cement went and at what pressure, at three moments of one side's injection.

Three planes: coronal and sagittal along the path, each with all cement beside it laid on (thickness
in mm, as a thick slab), and the fracture's own plane unrolled. Bone is the outline where the plane
cuts it; cement beyond the cortex has a line around it. Coronal maps are seen from behind, as the
X-rays are: the patient's left is on the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from scipy.ndimage import gaussian_filter

from game.geometry.grid import FloatArray
from game.patient.patient import Fracture, Patient, Side
from game.simulation.case import Case
from game.simulation.cement import Cement, Exit
from game.simulation.cement.places import places

# How the picture looks: project choices.
PIXEL_MM = 0.75
MARGIN_MM = 14.0  # around the path
ASIDE_MM = 26.0  # of the maps, to either side of the path
REACH_MM = 1.5  # of cement to a point of the sheet that it fills
COLUMNS = 3
INK, BONE, SHEET, LEAK, PATH = "#2b2f33", "#8a7a5c", "#d9822b", "#c2185b", "#2b2f33"
PALE = "#f2c998"
FILL_MAP, PRESSURE_MAP = "Blues", "inferno_r"


@dataclass(frozen=True, eq=False)
class Filling:
    """Cement while it flowed: `at_s` of the case, `ml` given on this side so far."""

    side: Side
    at_s: float
    ml: float
    cement: Cement


@dataclass(frozen=True, eq=False)
class _Plane:
    """A map's plane through `origin` (3,): unit `across` (to the right) and `up` (3,), LPS; what
    the picture's left and right ends are called, and half its size across and its span upwards,
    mm."""

    title: str
    origin: FloatArray
    across: FloatArray
    up: FloatArray
    ends: tuple[str, str]
    half: float
    span: tuple[float, float]
    unrolled: bool = False

    def flat(self, points: FloatArray) -> FloatArray:
        """Picture coordinates (n, 2), mm, of LPS points (n, 3)."""
        offset = points - self.origin
        return np.stack([offset @ self.across, offset @ self.up], axis=-1)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        return -self.half, self.half, *self.span

    @property
    def shape(self) -> tuple[int, int]:
        low, high = self.span
        return int(2 * self.half / PIXEL_MM), int((high - low) / PIXEL_MM)

    def pixel(self, flat: FloatArray) -> FloatArray:
        """Column and row (n, 2) of picture coordinates."""
        return np.floor((flat - (-self.half, self.span[0])) / PIXEL_MM).astype(int)


@dataclass(frozen=True, eq=False)
class _Layer:
    """One map: `fill` and `kpa` (w, h), NaN where there is none; `beyond` (w, h) in mm."""

    fill: FloatArray
    kpa: FloatArray
    beyond: FloatArray


def chosen(fillings: Sequence[Filling], side: Side) -> list[Filling]:
    """Up to COLUMNS of one side's, spread over the volume that was given; the last is the last."""
    own = [filling for filling in fillings if filling.side == side]
    if len(own) <= COLUMNS:
        return own
    given = np.array([filling.ml for filling in own])
    goals = given[-1] * np.arange(1, COLUMNS + 1) / COLUMNS
    picks = sorted({int(np.argmin(np.abs(given - goal))) for goal in goals} | {len(own) - 1})
    return [own[n] for n in picks[-COLUMNS:]]


def cement_maps(case: Case, fillings: Sequence[Filling], side: Side) -> bytes | None:
    """A PNG of one side's maps; None where no cement flowed on that side."""
    moments = chosen(fillings, side)
    if not moments:
        return None
    planes = _planes(case, side)
    layers = [[_layer(case, plane, m.cement, side) for m in moments] for plane in planes]
    most = max(1.0, *(_most(layer.kpa) for row in layers for layer in row))
    figure = Figure(figsize=(13.5, 12.0), dpi=110, facecolor="white")
    panels = _panels(figure, planes, len(moments))
    for row, plane in enumerate(planes):
        unit, top = "share of the gap filled", 1.0
        if not plane.unrolled:
            unit, top = "cement, mm thick", max(1.0, *(_usual(la.fill) for la in layers[row]))
        told = ((FILL_MAP, top, unit), (PRESSURE_MAP, most, "pressure, kPa"))
        for half, (colours, highest, name) in enumerate(told):
            own = panels[row][half]
            for axes, layer in zip(own, layers[row], strict=False):
                values = layer.kpa if half else layer.fill
                shown = _map(axes, case, plane, layer, values, colours, highest, side)
            _bar(figure, shown, own[-1], name, half == 0 and not plane.unrolled)
        panels[row][0][0].set_ylabel(plane.title, fontsize=11, color=INK)
    for n, moment in enumerate(moments):
        when = f"{moment.ml:.1f} mL at {int(moment.at_s) // 60}:{int(moment.at_s) % 60:02d} min"
        for half in (0, 1):
            panels[0][half][n].set_title(when, fontsize=9.5, color=INK)
    _legend(figure)
    buffer = BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _panels(
    figure: Figure, planes: Sequence[_Plane], count: int
) -> list[tuple[list[Axes], list[Axes]]]:
    """Axes of each row: those of fill and those of pressure, each with its colour bar's last."""
    half = [1.0] * count + [0.07]
    cells = figure.add_gridspec(
        len(planes), 2 * count + 3, width_ratios=[*half, 0.32, *half],
        height_ratios=[plane.span[1] - plane.span[0] for plane in planes],
        left=0.035, right=0.95, top=0.965, bottom=0.05, hspace=0.06, wspace=0.05,
    )  # fmt: skip
    rows = []
    for row in range(len(planes)):
        made = [figure.add_subplot(cells[row, n]) for n in range(2 * count + 3) if n != count + 1]
        rows.append((made[: count + 1], made[count + 1 :]))
    return rows


def _planes(case: Case, side: Side) -> tuple[_Plane, _Plane, _Plane]:
    approach = case.approaches[side]
    left, posterior, _ = case.patient.anatomy.axes
    along = np.asarray(approach.direction, float)
    middle = 0.5 * (approach.entry + approach.target)
    half = 0.5 * approach.bone_length + MARGIN_MM
    right = -left - (-left @ along) * along
    back = posterior - (posterior @ along) * along
    span = (-half, half)
    return (
        _Plane("coronal along the path", middle, _unit(right), along, ("L", "R"), ASIDE_MM, span),
        _Plane("sagittal along the path", middle, _unit(back), along, ("anterior", "posterior"),
               ASIDE_MM, span),
        _sheet_plane(case.patient.sheet(side), along, posterior),
    )  # fmt: skip


def _sheet_plane(sheet: Fracture, along: FloatArray, posterior: FloatArray) -> _Plane:
    """The mean plane of the fracture, the path's direction upwards in it."""
    normal = _unit(np.asarray(sheet.normal, float))
    up = _unit(along - (along @ normal) * normal)
    back = np.cross(up, normal)
    back *= np.sign(back @ posterior) or 1.0
    middle = sheet.points.mean(axis=0)
    offset = sheet.points - middle
    low, high = float((offset @ up).min()), float((offset @ up).max())
    half = float(np.abs(offset @ back).max()) + 5.0
    return _Plane("the fracture's plane", middle, back, up, ("anterior", "posterior"), half,
                  (low - 5.0, high + 5.0), unrolled=True)  # fmt: skip


def _unit(vector: FloatArray) -> FloatArray:
    return vector / np.linalg.norm(vector)


def _layer(case: Case, plane: _Plane, cement: Cement, side: Side) -> _Layer:
    points = places(cement, case.patient.bone, case.medium.veins)
    kpa = 1000.0 * cement.mpa
    if plane.unrolled:
        return _on_sheet(case, plane, cement, (points, kpa), case.patient.sheet(side))
    near = np.abs((points - plane.origin) @ np.cross(plane.across, plane.up)) < ASIDE_MM
    inside = near & (cement.exit == Exit.NONE)
    flat = plane.flat(points)
    fill = _laid(plane, flat[near], cement.ml[near])
    beyond = _laid(plane, flat[near & ~inside], cement.ml[near & ~inside])
    press = _highest(plane, flat[near], kpa[near])
    return _Layer(np.where(fill > 0.1, fill, np.nan), press, beyond)


def _laid(plane: _Plane, flat: FloatArray, ml: FloatArray) -> FloatArray:
    """Thickness of cement (w, h), mm, a little blurred: a voxel is as large as a pixel."""
    out = np.zeros(plane.shape)
    index = plane.pixel(flat)
    held = np.all((index >= 0) & (index < plane.shape), axis=1)
    np.add.at(out, tuple(index[held].T), 1000.0 * ml[held] / PIXEL_MM**2)
    return np.asarray(gaussian_filter(out, 0.8))


def _highest(plane: _Plane, flat: FloatArray, value: FloatArray) -> FloatArray:
    """The most of what lies on each pixel (w, h), NaN on none; one pixel is closed around each."""
    out = np.full(plane.shape, -1.0)
    index = plane.pixel(flat)
    for step in ((0, 0), (1, 0), (0, 1), (1, 1)):
        at = index + step
        held = np.all((at >= 0) & (at < plane.shape), axis=1)
        np.maximum.at(out, tuple(at[held].T), value[held])
    return np.where(out < 0, np.nan, out)


def _on_sheet(
    case: Case,
    plane: _Plane,
    cement: Cement,
    cells: tuple[FloatArray, FloatArray],
    sheet: Fracture,
) -> _Layer:
    """The sheet's own points: how full the voxel there is, and its pressure."""
    grid = case.patient.bone
    size = case.medium.porosity.size
    fill, press = np.zeros(size, np.float32), np.zeros(size, np.float32)
    own = cement.voxels < size
    at = cement.voxels[own]
    room = case.medium.porosity.reshape(-1)[at] * grid.voxel_ml
    fill[at], press[at] = np.minimum(1.0, cement.ml[own] / room), cells[1][own]
    points = sheet.points
    share = grid.nearest(fill.reshape(grid.shape), points, 0).astype(float)
    kpa = grid.nearest(press.reshape(grid.shape), points, 0).astype(float)
    flat = plane.flat(points)
    shown = _highest(plane, flat, share)
    pressed = _highest(plane, flat, np.where(share > 0, kpa, -1.0))
    out = (cement.exit != Exit.NONE) & (np.abs((cells[0] - plane.origin) @ sheet.normal) < 8.0)
    beyond = _laid(plane, plane.flat(cells[0][out]), cement.ml[out])
    return _Layer(np.where(shown > 0, shown, np.nan), pressed, beyond)


def _most(values: FloatArray) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else 0.0


def _usual(values: FloatArray) -> float:
    """What all but a hundredth of the cement stays below: a vein that runs along the look is many
    times as thick as the column."""
    held = values[np.isfinite(values) & (values > 0)]
    return float(np.percentile(held, 99.0)) if held.size else 0.0


def _map(
    axes: Axes,
    case: Case,
    plane: _Plane,
    layer: _Layer,
    values: FloatArray,
    colours: str,
    top: float,
    side: Side,
) -> AxesImage:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#d9dde1")
    if not plane.unrolled:
        _outline(axes, case.patient, plane)
    _fracture(axes, plane, case.patient.sheet(side))
    extent = plane.extent
    shown = axes.imshow(values.T, extent=extent, origin="lower", cmap=colours, vmin=0.0, vmax=top,
                        interpolation="nearest", zorder=2)  # fmt: skip
    if layer.beyond.max() > 0.1:
        axes.contour(layer.beyond.T, levels=[0.1], extent=extent, origin="lower", colors=LEAK,
                     linewidths=1.2, zorder=4)  # fmt: skip
    approach = case.approaches[side]
    ends = plane.flat(np.stack([approach.entry, approach.target]))
    axes.plot(ends[:, 0], ends[:, 1], color=PATH, lw=0.8, ls=(0, (3, 2)), zorder=3)
    _scale(axes, plane)
    return shown


def _outline(axes: Axes, patient: Patient, plane: _Plane) -> None:
    """Where the plane cuts the bone, a voxel fine."""
    across = np.arange(-plane.half, plane.half, PIXEL_MM)
    up = np.arange(*plane.span, PIXEL_MM)
    u, v = np.meshgrid(across, up)
    points = plane.origin + u[..., None] * plane.across + v[..., None] * plane.up
    depth = patient.depth_in_bone(points.reshape(-1, 3)).reshape(u.shape)
    axes.contourf(u, v, depth, levels=[0.0, 1e3], colors="#f3efe6", zorder=0)
    axes.contour(u, v, depth, levels=[0.0], colors=BONE, linewidths=1.0, zorder=3)


def _fracture(axes: Axes, plane: _Plane, sheet: Fracture) -> None:
    """The sheet where it meets the plane; in its own plane, all of it."""
    gap = np.abs((sheet.points - plane.origin) @ np.cross(plane.across, plane.up))
    own = plane.unrolled
    flat = plane.flat(sheet.points if own else sheet.points[gap < 0.7])
    axes.plot(flat[:, 0], flat[:, 1], ls="none", marker="s" if own else ".",
              ms=2.2 if own else 1.8, color=PALE if own else SHEET, mew=0,
              zorder=1)  # fmt: skip


def _scale(axes: Axes, plane: _Plane) -> None:
    low, high = plane.span
    axes.set_xlim(-plane.half, plane.half)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    start, base = -plane.half + 2.0, low + 2.5
    axes.plot([start, start + 10], [base, base], color=INK, lw=2.0, zorder=5)
    middle = start + 5, base + 1.0
    told = axes.text(*middle, "10 mm", ha="center", va="bottom", fontsize=7, color=INK)
    told.set_path_effects([withStroke(linewidth=2.0, foreground="white")])
    told.set_zorder(6)
    for text, x, align in ((plane.ends[0], 0.02, "left"), (plane.ends[1], 0.98, "right")):
        size = 11 if len(text) == 1 else 7
        axes.text(x, 0.985, text, transform=axes.transAxes, ha=align, va="top", fontsize=size,
                  color=INK)  # fmt: skip


def _bar(figure: Figure, shown: AxesImage, axes: Axes, unit: str, open_above: bool) -> None:
    bar = figure.colorbar(shown, cax=axes, extend="max" if open_above else "neither")
    bar.set_label(unit, fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=BONE, lw=1.2, label="bone where the plane cuts it"),
        Patch(color=PALE, label="fracture sheet"),
        Line2D([], [], color=PATH, lw=0.9, ls=(0, (3, 2)), label="planned path"),
        Line2D([], [], color=LEAK, lw=1.2, label="cement beyond the cortex"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=4, frameon=False, fontsize=9,
                  labelcolor=INK)  # fmt: skip
