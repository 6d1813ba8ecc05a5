"""One page that shows a patient: bone surfaces, CT planes and X-ray pictures.

The surfaces are what a CT workstation's shaded display gives: along parallel rays the depth of the
first bone, lit by its slope. CT planes are in radiological convention (the patient's left on the
right); X-ray pictures and the view from behind are as the operator sees them (left on the left).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from game.geometry.grid import FloatArray
from game.patient.patient import Patient, Structure

# How the page looks: project choices.
WINDOW_HU = (-300.0, 900.0)  # a bone window that still parts fat from muscle
SMOOTH_VOXELS = 0.8
BACKGROUND, INK, SOFT = "#0d1013", "#e8ecef", "#9aa4ad"
SHEET = "#ff9d2e"
COLOURS: Mapping[Structure, tuple[float, float, float]] = {
    Structure.SACRUM: (0.93, 0.84, 0.68),
    Structure.HIP_LEFT: (0.78, 0.80, 0.83),
    Structure.HIP_RIGHT: (0.78, 0.80, 0.83),
    Structure.L5: (0.72, 0.78, 0.80),
    Structure.SPINE: (0.72, 0.78, 0.80),
    Structure.FEMUR_LEFT: (0.70, 0.72, 0.76),
    Structure.FEMUR_RIGHT: (0.70, 0.72, 0.76),
}
SLICE_MM = (70.0, 70.0)  # half width and half height of a CT plane


@dataclass(frozen=True)
class View:
    """A parallel view along an axis of the volume: `axis` is looked along, `forwards` says whether
    from its low end; `across` is the picture's horizontal axis, `mirrored` where it runs to the
    left; `letters` stand at the picture's left and right."""

    title: str
    axis: int
    forwards: bool
    across: int
    mirrored: bool
    letters: tuple[str, str]
    bones: tuple[Structure, ...]


ALL = tuple(COLOURS)
VIEWS = (
    View("from the front", 1, True, 0, False, ("R", "L"), ALL),
    View("from behind", 1, False, 0, True, ("L", "R"), ALL),
    View("from the patient's left, without the hip bones", 0, False, 1, False, ("A", "P"),
         (Structure.SACRUM, Structure.L5, Structure.SPINE)),
    View("the sacrum from above, dorsal side up", 2, False, 0, False, ("R", "L"),
         (Structure.SACRUM,)),
)  # fmt: skip


def portrait(patient: Patient, xrays: Mapping[str, NDArray[np.uint8]]) -> bytes:
    """A PNG of `patient` with up to three X-ray pictures (h, w), 0-255, by their captions."""
    figure = Figure(figsize=(13.2, 10.6), dpi=110, facecolor=BACKGROUND)
    grid = figure.add_gridspec(3, 1, height_ratios=[1.0, 0.95, 1.2])
    rows = [figure.add_subfigure(grid[n, 0]) for n in range(3)]
    for axes, view in zip(_panels(rows[0], 4), VIEWS, strict=True):
        _surface(axes, patient, view)
    for axes, plane in zip(_panels(rows[1], 3), _planes(patient), strict=True):
        _slice(axes, patient, *plane)
    for axes, (caption, pixels) in zip(_panels(rows[2], 3), xrays.items(), strict=False):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
        axes.set_title(f"X-ray: {caption}", fontsize=9, color=INK)
    figure.suptitle(_title(patient), fontsize=12, color=INK, y=0.995)
    canvas = FigureCanvasAgg(figure)
    buffer = BytesIO()
    canvas.print_png(buffer)
    return buffer.getvalue()


def _panels(row: SubFigure, count: int) -> list[Axes]:
    row.set_facecolor(BACKGROUND)
    panels = list(np.atleast_1d(row.subplots(1, count)))
    row.subplots_adjust(left=0.01, right=0.99, top=0.86, bottom=0.01, wspace=0.03)
    for axes in panels:
        axes.axis("off")
    return panels


def _title(patient: Patient) -> str:
    made = {"procedural": "generated", "ct": "imported CT", "labels": "imported label map"}
    sides = " and ".join(patient.fractures) or "no"
    return f"{patient.name}: {made[patient.source]}, fractured: {sides}. For training only."


def _surface(axes: Axes, patient: Patient, view: View) -> None:
    """A shaded display of the bones as `view` sees them, sheets in orange."""
    codes = patient.structures
    bone = np.isin(codes, view.bones)
    where = [np.flatnonzero(bone.any(axis=tuple({0, 1, 2} - {n}))) for n in range(3)]
    box = tuple(slice(int(w[0]), int(w[-1]) + 1) for w in where)
    image = lit(codes[box], bone[box], view)
    low = np.array([s.start for s in box], float)
    first = patient.body.point_from_index(low)
    last = patient.body.point_from_index(low + np.array(bone[box].shape) - 1)
    up = 2 if view.axis != 2 else 1
    left, right = float(first[view.across]), float(last[view.across])
    axes.imshow(image, origin="lower", extent=(left, right, float(first[up]), float(last[up])),
                interpolation="bilinear")  # fmt: skip
    for fracture in patient.fractures.values():
        points = fracture.points
        axes.scatter(points[:, view.across], points[:, up], s=1.5, c=SHEET, alpha=0.07, lw=0)
    if view.mirrored:
        axes.invert_xaxis()
    _dress(axes, view.title, view.letters)


def lit(codes: NDArray[np.uint8], bone: NDArray[np.bool_], view: View) -> FloatArray:
    """RGBA (rows, columns, 4), 0-1, of the first `bone` along the view's axis, coloured by the
    `Structure` in `codes`; rows run up the picture."""
    soft = gaussian_filter(bone.astype(np.float32), SMOOTH_VOXELS)
    if not view.forwards:
        soft, codes = np.flip(soft, view.axis), np.flip(codes, view.axis)
    soft, codes = np.moveaxis(soft, view.axis, 2), np.moveaxis(codes, view.axis, 2)
    solid = soft >= 0.5
    seen, first = solid.any(axis=2), solid.argmax(axis=2)
    at = np.clip(first, 1, None)
    i, j = np.indices(first.shape)
    here, before = soft[i, j, at], soft[i, j, at - 1]
    depth = at - np.clip((here - 0.5) / np.maximum(here - before, 1e-3), 0.0, 1.0)
    depth = np.where(seen, depth, np.nan)
    dx, dy = (np.nan_to_num(d, nan=3.0) for d in np.gradient(depth))
    facing = 1.0 / np.sqrt(1.0 + dx**2 + dy**2)
    lit = 0.22 + 0.68 * facing + 0.10 * np.clip(-dy, -1.0, 1.0) * facing
    far = np.nanmax(depth) - np.nanmin(depth) + 1.0
    lit = lit * (1.0 - 0.35 * (np.nan_to_num(depth, nan=0.0) - np.nanmin(depth)) / far)
    table = np.zeros((max(Structure) + 1, 3))
    for code, colour in COLOURS.items():
        table[code] = colour
    deeper = np.minimum(first + 1, codes.shape[2] - 1)
    base = table[np.where(table[codes[i, j, first]].any(-1), codes[i, j, first],
                          codes[i, j, deeper])]  # fmt: skip
    rgb = np.clip(base * lit[..., None], 0.0, 1.0)
    return np.concatenate([rgb, seen[..., None].astype(float)], axis=2).transpose(1, 0, 2)


def _planes(patient: Patient) -> list[tuple[str, FloatArray, FloatArray, FloatArray, str]]:
    """Title, centre (3,), the picture's right and up (unit, LPS), and its letters."""
    left, back, up = patient.anatomy.axes
    centre = patient.point("s1_endplate_centre") - 13.0 * patient.planes["s1_endplate"].normal
    low = 0.5 * (patient.point("foramen_s3_left") + patient.point("foramen_s3_right"))
    along = patient.point("s1_endplate_centre") - low
    along = along - (along @ left) * left
    along /= np.linalg.norm(along)
    middle = 0.5 * (centre + low)
    return [
        ("axial, 13 mm under the S1 endplate", centre + 15.0 * back, left, -back, "RL"),
        ("oblique coronal, along the sacrum", middle, left, along, "RL"),
        ("sagittal, midline", middle, back, up, "AP"),
    ]


def _slice(
    axes: Axes,
    patient: Patient,
    title: str,
    centre: FloatArray,
    right: FloatArray,
    up: FloatArray,
    letters: str,
) -> None:
    wide, high = SLICE_MM
    u, v = np.arange(-wide * 1.5, wide * 1.5, 0.5), np.arange(-high, high, 0.5)
    points = centre + u[None, :, None] * right + v[:, None, None] * up
    hounsfield = patient.body.sample(patient.hounsfield, points.reshape(-1, 3), -1000.0)
    axes.imshow(hounsfield.reshape(len(v), len(u)), cmap="gray", origin="lower",
                vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], interpolation="bilinear",
                extent=(u[0], u[-1], v[0], v[-1]))  # fmt: skip
    _dress(axes, f"CT: {title}", (letters[0], letters[1]))


def _dress(axes: Axes, title: str, letters: tuple[str, str]) -> None:
    """Title, side letters and a scale of 50 mm."""
    axes.set_aspect("equal")
    axes.set_title(title, fontsize=9, color=INK)
    for text, x, align in ((letters[0], 0.02, "left"), (letters[1], 0.98, "right")):
        axes.text(x, 0.96, text, transform=axes.transAxes, ha=align, va="top", color=INK,
                  fontsize=12)  # fmt: skip
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    step = np.sign(right - left)
    start, height = left + 0.03 * (right - left), low + 0.03 * (high - low)
    axes.plot([start, start + step * 50.0], [height, height], color=SOFT, lw=1.5)
    axes.text(start + step * 25.0, height + 0.01 * (high - low), "50 mm", ha="center", va="bottom",
              fontsize=7, color=SOFT)  # fmt: skip
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
