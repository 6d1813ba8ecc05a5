"""One page that shows a patient: bone surfaces, CT planes, X-ray pictures and what must not be hit.

The surfaces are what a CT workstation's shaded display gives: along parallel rays the depth of the
first bone, lit by its slope; orange where a fracture comes to the surface. CT planes are in
radiological convention (the patient's left on the right), with the fractures' course in orange;
X-ray pictures and the view from behind are as the operator sees them (left on the left).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.patient.describe import broken, who
from game.patient.patient import Patient, Structure
from game.records.views3d import Paper, hazards_picture

# How the page looks: project choices.
WIDTH_IN, DPI = 13.2, 120
ROWS = (3.7, 3.9, 4.55, 4.6)  # inches: surfaces, CT, X-rays, hazards
HEAD, LINE = 0.3, 0.24  # inches: the margin of who it is, and one of its lines
SURFACES = (1.35, 1.35, 0.85, 0.95)  # their panels' shares of the width
WINDOW_HU = (-300.0, 900.0)  # a bone window that still parts fat from muscle
SMOOTH_VOXELS = 0.8
BACKGROUND, INK, SOFT = "#0d1013", "#e8ecef", "#9aa4ad"
DARK = Paper((13.0, 4.3), BACKGROUND, INK)
SHEET, SHEET_RGB = "#ff9d2e", (1.0, 0.55, 0.1)
SHEET_MM = 1.1  # of a sheet, within which a surface is orange
CUT_MM = 0.5  # of a CT plane, within which a sheet's points are drawn on it
CT_STEP_MM = 0.35
COLOURS: Mapping[Structure, tuple[float, float, float]] = {
    Structure.SACRUM: (0.93, 0.84, 0.68),
    Structure.HIP_LEFT: (0.78, 0.80, 0.83),
    Structure.HIP_RIGHT: (0.78, 0.80, 0.83),
    Structure.L5: (0.72, 0.78, 0.80),
    Structure.SPINE: (0.72, 0.78, 0.80),
    Structure.FEMUR_LEFT: (0.70, 0.72, 0.76),
    Structure.FEMUR_RIGHT: (0.70, 0.72, 0.76),
}


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

    @property
    def up(self) -> int:
        """The picture's vertical axis."""
        return 2 if self.axis != 2 else 1


@dataclass(frozen=True, eq=False)
class Cut:
    """A CT plane: `centre` (3,), the picture's `right` and `up` (3,), unit, LPS; half its `height`,
    mm; its letters."""

    title: str
    centre: FloatArray
    right: FloatArray
    up: FloatArray
    height: float
    letters: tuple[str, str]


ALL = tuple(COLOURS)
VIEWS = (
    View("From the front", 1, True, 0, False, ("R", "L"), ALL),
    View("From behind", 1, False, 0, True, ("L", "R"), ALL),
    View("From the left, hip bones away", 0, False, 1, False, ("A", "P"),
         (Structure.SACRUM, Structure.L5, Structure.SPINE)),
    View("From above, dorsal side up", 2, False, 0, False, ("R", "L"),
         (Structure.SACRUM,)),
)  # fmt: skip


def portrait(patient: Patient, xrays: Mapping[str, NDArray[np.uint8]]) -> bytes:
    """A PNG of `patient` with up to three X-ray pictures (h, w), 0-255, by their captions."""
    words = (who(patient), *broken(patient))
    heights = (HEAD + LINE * (1 + len(words)), *ROWS)
    figure = Figure(figsize=(WIDTH_IN, sum(heights)), dpi=DPI, facecolor=BACKGROUND)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    rows = [figure.add_subfigure(grid[n, 0]) for n in range(len(heights))]
    _head(rows[0], patient.name, words)
    for axes, view in zip(_panels(rows[1], SURFACES), VIEWS, strict=True):
        _surface(axes, patient, view)
    for axes, cut in zip(_panels(rows[2], (1, 1, 1)), _cuts(patient), strict=True):
        _slice(axes, patient, cut)
    for axes, (caption, pixels) in zip(_panels(rows[3], (1, 1, 1)), xrays.items(), strict=False):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
        _title(axes, f"X-ray: {caption}")
    (axes,) = _panels(rows[4], (1,))
    picture = Image.open(BytesIO(hazards_picture(patient, DARK)))
    axes.imshow(np.asarray(picture), interpolation="lanczos")
    _title(axes, "What must not be hit: placed from landmarks, not seen" if patient.hazards else "")
    canvas = FigureCanvasAgg(figure)
    buffer = BytesIO()
    canvas.print_png(buffer)
    return buffer.getvalue()


def _panels(row: SubFigure, shares: Sequence[float]) -> list[Axes]:
    """Panels side by side, with `shares` of the width."""
    row.set_facecolor(BACKGROUND)
    panels = list(np.ravel(row.subplots(1, len(shares), width_ratios=shares)))
    row.subplots_adjust(left=0.012, right=0.988, top=0.92, bottom=0.015, wspace=0.03)
    for axes in panels:
        axes.axis("off")
    return panels


def _head(row: SubFigure, name: str, words: Sequence[str]) -> None:
    """Who it is, and how broken, line by line."""
    row.set_facecolor(BACKGROUND)
    high = HEAD + LINE * (1 + len(words))
    row.text(0.012, 1.0 - 0.25 / high, name, fontsize=16, color=INK, va="center")
    row.text(0.988, 1.0 - 0.25 / high, "For training only", fontsize=10, color=SOFT, va="center",
             ha="right")  # fmt: skip
    for number, line in enumerate(words):
        y = 1.0 - (0.3 + LINE * (number + 1)) / high
        row.text(0.012, y, line, fontsize=10.5, color=SHEET if number else INK, va="center")


def _surface(axes: Axes, patient: Patient, view: View) -> None:
    """A shaded display of the bones as `view` sees them, orange where a fracture opens."""
    codes, share, grid = _shown(patient, view)
    image, depth = lit(codes, share, view)
    _stain(image, _seen_points(depth, grid, view), patient)
    low = grid.point_from_index(np.full(3, -0.5))
    high = grid.point_from_index(np.array(grid.shape) - 0.5)
    extent = (low[view.across], high[view.across], low[view.up], high[view.up])
    axes.imshow(image, origin="lower", extent=extent, interpolation="bilinear")
    _fit(axes, *(float(v) for v in extent))
    if view.mirrored:
        axes.invert_xaxis()
    _dress(axes, view.title, view.letters)


def _shown(patient: Patient, view: View) -> tuple[NDArray[np.uint8], FloatArray, Grid]:
    """The bones of a view: their codes, how much of each voxel they fill (0-1), and the grid. The
    sacrum alone is taken from its signed distance, which is finer."""
    if view.bones == (Structure.SACRUM,):
        grid, level = patient.bone, patient.sacrum_distance
        share = np.clip(0.5 - level / (2.0 * grid.spacing), 0.0, 1.0)
        return np.full(grid.shape, Structure.SACRUM, np.uint8), share, grid
    bone: NDArray[np.bool_] = np.isin(patient.structures, view.bones)
    where = [np.flatnonzero(bone.any(axis=tuple({0, 1, 2} - {n}))) for n in range(3)]
    box = tuple(slice(int(w[0]), int(w[-1]) + 1) for w in where)
    x, y, z = patient.body.point_from_index(np.array([s.start for s in box], float)).tolist()
    held = bone[box]
    grid = Grid((x, y, z), patient.body.spacing, (held.shape[0], held.shape[1], held.shape[2]))
    return patient.structures[box], gaussian_filter(held.astype(np.float32), SMOOTH_VOXELS), grid


def lit(codes: NDArray[np.uint8], share: FloatArray, view: View) -> tuple[FloatArray, FloatArray]:
    """RGBA (rows, columns, 4), 0-1, of the first bone along the view's axis, coloured by the
    `Structure` in `codes`, where `share` passes a half; and its index along that axis (rows,
    columns), not a number beside bone. Rows run up the picture."""
    soft = share if view.forwards else np.flip(share, view.axis)
    codes = codes if view.forwards else np.flip(codes, view.axis)
    soft, codes = np.moveaxis(soft, view.axis, 2), np.moveaxis(codes, view.axis, 2)
    solid = soft >= 0.5
    seen, first = solid.any(axis=2), solid.argmax(axis=2)
    at = np.clip(first, 1, None)
    i, j = np.indices(first.shape)
    here, before = soft[i, j, at], soft[i, j, at - 1]
    depth = at - np.clip((here - 0.5) / np.maximum(here - before, 1e-3), 0.0, 1.0)
    depth = np.where(seen, depth, np.nan)
    rgb = np.clip(_base(codes, first) * _light(depth)[..., None], 0.0, 1.0)
    image = np.concatenate([rgb, np.isfinite(depth)[..., None].astype(float)], axis=2)
    index = depth if view.forwards else share.shape[view.axis] - 1 - depth
    return image.transpose(1, 0, 2), index.T


def _light(depth: FloatArray) -> FloatArray:
    """How bright each pixel is: by its slope, from above, fading with the distance."""
    dx, dy = (np.nan_to_num(d, nan=3.0) for d in np.gradient(depth))
    facing = 1.0 / np.sqrt(1.0 + dx**2 + dy**2)
    bright = 0.22 + 0.68 * facing + 0.10 * np.clip(-dy, -1.0, 1.0) * facing
    near = np.nanmin(depth)
    far = np.nanmax(depth) - near + 1.0
    return np.asarray(bright * (1.0 - 0.35 * (np.nan_to_num(depth, nan=0.0) - near) / far))


def _base(codes: NDArray[np.uint8], first: NDArray[np.int64]) -> FloatArray:
    """The colour of what is seen first, or of what lies just behind it."""
    table = np.zeros((max(Structure) + 1, 3))
    for code, colour in COLOURS.items():
        table[code] = colour
    i, j = np.indices(first.shape)
    deeper = np.minimum(first + 1, codes.shape[2] - 1)
    front = table[codes[i, j, first]]
    return np.where(front.any(axis=-1, keepdims=True), front, table[codes[i, j, deeper]])


def _seen_points(depth: FloatArray, grid: Grid, view: View) -> FloatArray:
    """LPS points (rows, columns, 3) of what a view sees; not numbers beside bone."""
    rows, columns = np.indices(depth.shape)
    index = np.empty((*depth.shape, 3))
    index[..., view.axis], index[..., view.across], index[..., view.up] = depth, columns, rows
    return grid.point_from_index(index)


def _stain(image: FloatArray, points: FloatArray, patient: Patient) -> None:
    """Orange into an RGBA picture (rows, columns, 4) where its points lie on a fracture."""
    seen = np.asarray(np.isfinite(points.sum(axis=-1)))
    if not patient.fractures or not seen.any():
        return
    sheets = cKDTree(np.concatenate([f.points for f in patient.fractures.values()]))
    away = sheets.query(points[seen], distance_upper_bound=2 * SHEET_MM)[0]
    share = np.clip(2.0 * (SHEET_MM - away) / SHEET_MM + 1.0, 0.0, 1.0)[:, None]
    image[seen, :3] = (1.0 - share) * image[seen, :3] + share * SHEET_RGB


def _cuts(patient: Patient) -> tuple[Cut, Cut, Cut]:
    """Axial through the target's level, oblique coronal along the sacrum, sagittal at midline."""
    left, back, up = patient.anatomy.axes
    centre = patient.point("s1_endplate_centre") - 13.0 * patient.planes["s1_endplate"].normal
    low = 0.5 * (patient.point("foramen_s3_left") + patient.point("foramen_s3_right"))
    along = patient.point("s1_endplate_centre") - low
    along = along - (along @ left) * left
    along /= np.linalg.norm(along)
    middle = 0.5 * (centre + low)
    return (
        Cut("axial, 13 mm under the S1 endplate", centre + 15 * back, left, -back, 50, ("R", "L")),
        Cut("oblique coronal, along the sacrum", middle, left, along, 60, ("R", "L")),
        Cut("sagittal, midline", middle, back, up, 72, ("A", "P")),
    )


def _slice(axes: Axes, patient: Patient, cut: Cut) -> None:
    wide = cut.height * _aspect(axes)
    u, v = np.arange(-wide, wide, CT_STEP_MM), np.arange(-cut.height, cut.height, CT_STEP_MM)
    points = cut.centre + u[None, :, None] * cut.right + v[:, None, None] * cut.up
    hounsfield = patient.body.sample(patient.hounsfield, points.reshape(-1, 3), -1000.0)
    axes.imshow(hounsfield.reshape(len(v), len(u)), cmap="gray", origin="lower",
                vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], interpolation="bilinear",
                extent=(u[0], u[-1], v[0], v[-1]))  # fmt: skip
    normal = np.cross(cut.right, cut.up)
    for fracture in patient.fractures.values():
        away = fracture.points - cut.centre
        on = away[np.abs(away @ normal) < CUT_MM]
        axes.scatter(on @ cut.right, on @ cut.up, s=2.5, c=SHEET, alpha=0.5, lw=0)
    axes.set_xlim(u[0], u[-1])
    axes.set_ylim(v[0], v[-1])
    _dress(axes, f"CT: {cut.title}", cut.letters)


def _aspect(axes: Axes) -> float:
    """A panel's width over its height."""
    box = axes.get_window_extent()
    return float(box.width / box.height)


def _fit(axes: Axes, left: float, right: float, low: float, high: float) -> None:
    """Limits about a picture that fill the panel, with room for the letters and the scale."""
    low, high = low - 0.11 * (high - low), high + 0.03 * (high - low)
    high_half = 0.5 * max(high - low, 1.06 * (right - left) / _aspect(axes))
    across, along = 0.5 * (left + right), 0.5 * (low + high)
    axes.set_xlim(across - high_half * _aspect(axes), across + high_half * _aspect(axes))
    axes.set_ylim(along - high_half, along + high_half)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=9.5, color=INK, pad=5)


def _dress(axes: Axes, title: str, letters: tuple[str, str]) -> None:
    """Title, side letters and a scale of 50 mm on dark ground, so that they read on any picture."""
    axes.set_aspect("equal")
    _title(axes, title)
    ground = {"facecolor": BACKGROUND, "alpha": 0.75, "edgecolor": "none", "pad": 2.5}
    for text, x, align in ((letters[0], 0.02, "left"), (letters[1], 0.98, "right")):
        axes.text(x, 0.97, text, transform=axes.transAxes, ha=align, va="top", color=INK,
                  fontsize=13, fontweight="bold", bbox=ground)  # fmt: skip
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    step = np.sign(right - left)
    start, height = left + 0.03 * (right - left), low + 0.035 * (high - low)
    axes.plot([start, start + step * 50.0], [height, height], color=INK, lw=2.0,
              solid_capstyle="butt")  # fmt: skip
    axes.text(start + step * 25.0, height + 0.015 * (high - low), "50 mm", ha="center",
              va="bottom", fontsize=8, color=INK, bbox={**ground, "pad": 1.0})  # fmt: skip
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
