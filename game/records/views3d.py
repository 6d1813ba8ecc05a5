"""The sacrum made of glass, with the cannulas' paths, the fracture sheets and the cement inside.

Triangles are projected without perspective, sorted far to near over all objects together, and
painted; a face seen on edge is more opaque than one seen flat, which makes the outline read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial import Delaunay
from skimage.measure import marching_cubes

from game.devices.cannula import GAUGES, Cannula
from game.geometry.grid import FloatArray
from game.patient.approach import Approach
from game.patient.patient import Fracture, Patient, Region, Side, Tube
from game.scoring.names import way_out
from game.simulation.cement import Cement, Exit, Veins
from game.simulation.cement.places import in_veins

# Everything below is how the picture looks: project choices.
BONE_FACE_MM = 2.4  # edge of the sacrum's triangles: about 8 000 faces
SHAFT_MM = 45.0  # of the cannula shown behind its bony entry
SHEET_POINTS = 500
FINER = 2
INK = "#2b2f33"
BONE, STEEL, SHEET = "#b9a98a", "#39424b", "#d9822b"
FILL = "#1f6fb2"
EXITS = {
    Exit.NONE: FILL, Exit.FRACTURE_GAP: "#c2185b", Exit.BREACH: "#e53935",
    Exit.FORAMINA: "#6a1b9a", Exit.CANAL: "#ab47bc", Exit.SI_JOINT: "#00897b",
    Exit.DISC: "#558b2f", Exit.VEINS: "#00acc1", Exit.CORTEX: "#6d4c41",
}  # fmt: skip
THIN_MM = 0.6
NERVE, ARTERY, VEIN, SAC, GUT = "#d9b400", "#b3261e", "#3a5fa8", "#7a5ca8", "#9a6b54"
HAZARDS = {"artery": ARTERY, "vein": VEIN, "thecal_sac": SAC, "rectum": GUT}


@dataclass(frozen=True)
class Paper:
    """What a picture is drawn on: its size in inches, the ground's colour and the ink's."""

    size: tuple[float, float]
    ground: str
    ink: str


WHITE = Paper((11.0, 4.6), "white", INK)


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles (n, 3, 3), LPS mm, and their unit normals (n, 3), of either sign, in one colour;
    opacity seen flat on and seen on edge."""

    triangles: FloatArray
    normals: FloatArray
    colour: str
    flat: float
    edge: float


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """`right` and `up` are the picture's axes, `away` points from the viewer; unit, LPS."""

    title: str
    right: FloatArray
    up: FloatArray
    away: FloatArray
    at_left: str
    at_right: str


def sacrum_picture(
    patient: Patient,
    cement: Cement,
    cannulas: Mapping[Side, Cannula],
    approaches: Mapping[Side, Approach],
    veins: Veins | None = None,
) -> bytes:
    """A PNG of the sacrum from the front, from its left side and from above; `veins` are those that
    cement may lie in.

    A cannula that never entered bone is left out; the planned paths are dashed."""
    meshes = [_sacrum(patient)]
    meshes += [_sheet(fracture) for fracture in patient.fractures.values()]
    meshes += [_shaft(c) for c in cannulas.values() if c.bone_entry is not None]
    meshes += cement_meshes(patient, cement, veins)
    return _picture(patient, meshes, approaches, WHITE)


def hazards_picture(patient: Patient, paper: Paper = WHITE) -> bytes:
    """A PNG of the sacrum, its fractures and the nerves and vessels on it, from the same sides."""
    meshes = [_sacrum(patient)]
    meshes += [_sheet(fracture) for fracture in patient.fractures.values()]
    meshes += [_tube(tube) for tube in patient.hazards.values() if isinstance(tube, Tube)]
    return _picture(patient, meshes, {}, paper)


def _picture(
    patient: Patient, meshes: list[Mesh], approaches: Mapping[Side, Approach], paper: Paper
) -> bytes:
    meshes = [mesh for mesh in meshes if len(mesh.triangles)]
    views = viewpoints(patient)
    frames = [_frame(view, meshes) for view in views]
    figure = Figure(figsize=paper.size, dpi=150 * FINER, facecolor=paper.ground)
    panels = figure.subplots(1, 3, width_ratios=[right - left for left, right, _ in frames])
    tallest = max(height for _, _, (_, height) in frames)
    for axes, view, (left, right, (middle, _)) in zip(panels, views, frames, strict=True):
        axes.set_xlim(left, right)
        axes.set_ylim(middle - tallest / 2 - 9.0, middle + tallest / 2)  # room for the scale
        _paint(axes, view, meshes)
        _plan(axes, view, approaches)
        _label(axes, view, paper.ink)
    _legend(figure, meshes, paper.ink)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.93, bottom=0.09, wspace=0.04)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    """The figure drawn `FINER` times larger and brought down, which hides the triangles' seams."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").reduce(FINER)
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def viewpoints(patient: Patient) -> tuple[Viewpoint, Viewpoint, Viewpoint]:
    """From the front, the patient's left, and above along the normal of the L5/S1 disc."""
    left, posterior, superior = patient.anatomy.axes
    down = -np.asarray(patient.anatomy.disc_normal, float)
    dorsal = posterior - (posterior @ down) * down
    dorsal /= np.linalg.norm(dorsal)
    return (
        Viewpoint("From the front", left, superior, posterior, "R", "L"),
        Viewpoint("From the patient's left", posterior, superior, -left, "anterior", "posterior"),
        Viewpoint("From above, L5/S1 flat, dorsal side up", np.cross(down, dorsal), dorsal, down,
                  "R", "L"),
    )  # fmt: skip


def cement_meshes(patient: Patient, cement: Cement, veins: Veins | None = None) -> list[Mesh]:
    """Surfaces of the cement inside the cortex and, apart by exit, of what lies beyond it."""
    own = ~in_veins(cement, patient.bone)
    voxels, ml, exits = cement.voxels[own], cement.ml[own], cement.exit[own]
    beyond = patient.region.ravel()[voxels] != Region.MARROW
    exits = np.where(beyond & (exits == Exit.NONE), Exit.CORTEX, exits)
    meshes = [
        Mesh(*_surface_of(patient, voxels[exits == way], ml[exits == way]), colour, 0.8, 0.95)
        for way, colour in EXITS.items()
        if np.any(exits == way)
    ]
    if veins is not None and not own.all():
        meshes += _filled_veins(cement, veins, int(np.prod(patient.bone.shape)))
    return meshes


def _filled_veins(cement: Cement, veins: Veins, size: int) -> list[Mesh]:
    """Each vein as far as cement has got in it, drawn no thinner than shows."""
    held = np.zeros(len(veins.before), bool)
    held[cement.voxels[cement.voxels >= size] - size] = True
    starts = np.flatnonzero(veins.before < size).tolist()
    meshes = []
    for first, last in zip(starts, [*starts[1:], len(held)], strict=True):
        reach = first + int(np.argmin(np.r_[held[first:last], False]))
        if reach - first > 1:
            line = veins.points[first:reach]
            radii = np.maximum(veins.radius[first:reach], THIN_MM)
            triangles = _walls(line, radii, line[-1] - line[0])
            colour = EXITS[Exit.VEINS]
            meshes.append(Mesh(triangles, _face_normals(triangles), colour, 0.9, 1.0))
    return meshes


def _sacrum(patient: Patient) -> Mesh:
    stride = max(1, round(BONE_FACE_MM / patient.bone.spacing))
    volume = np.ascontiguousarray(patient.sacrum_distance[::stride, ::stride, ::stride])
    volume = np.pad(volume, 1, constant_values=float(BONE_FACE_MM))
    vertices, faces, normals, _ = marching_cubes(volume, 0.0)
    points = patient.bone.point_from_index((vertices - 1.0) * stride)
    return Mesh(points[faces], _unit(normals[faces].mean(axis=1)), BONE, 0.05, 0.5)


def _surface_of(
    patient: Patient, voxels: NDArray[np.int64], ml: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Triangles (n, 3, 3), LPS mm, and normals around filled voxels: half full, lightly blurred."""
    grid = patient.bone
    where = np.stack(np.unravel_index(voxels, grid.shape), axis=1)
    low = where.min(axis=0) - 3
    volume = np.zeros(where.max(axis=0) - low + 4)
    volume[tuple((where - low).T)] = np.minimum(1.0, ml / (0.5 * grid.voxel_ml))
    volume = gaussian_filter(volume, 0.9)
    if volume.max() <= 0.3:
        return np.empty((0, 3, 3)), np.empty((0, 3))
    step = 1 if len(voxels) < 6000 else 2
    vertices, faces, normals, _ = marching_cubes(volume, 0.3, step_size=step)
    return grid.point_from_index(vertices + low)[faces], _unit(normals[faces].mean(axis=1))


def _sheet(fracture: Fracture) -> Mesh:
    """The sheet as triangles between samples of its points, over its own mean plane."""
    points = fracture.points[:: max(1, len(fracture.points) // SHEET_POINTS)]
    if len(points) < 4:
        return Mesh(np.empty((0, 3, 3)), np.empty((0, 3)), SHEET, 0.0, 0.0)
    across, along = _beside(np.asarray(fracture.normal, float))
    triangles = points[Delaunay(np.stack([points @ across, points @ along], axis=1)).simplices]
    longest = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2).max(axis=1)
    triangles = triangles[longest < 3.0 * np.median(longest)]
    return Mesh(triangles, _face_normals(triangles), SHEET, 0.28, 0.5)


def _shaft(cannula: Cannula) -> Mesh:
    """The cannula where it was deepest, as a tube with `SHAFT_MM` of it outside the bone."""
    along = np.asarray(cannula.direction, float)
    tip = np.asarray(cannula.track[-1] if cannula.track else cannula.tip, float)
    start = np.asarray(cannula.bone_entry, float) - SHAFT_MM * along
    radius = GAUGES[cannula.gauge].outer / 2.0
    stations = start + np.linspace(0.0, 1.0, 40)[:, None] * (tip - start)
    triangles = _walls(stations, np.full(len(stations), radius), along)
    return Mesh(triangles, _face_normals(triangles), STEEL, 0.95, 1.0)


def _tube(tube: Tube) -> Mesh:
    colour = next((c for part, c in HAZARDS.items() if part in tube.name), NERVE)
    line = np.asarray(tube.line, float)
    triangles = _walls(line, np.asarray(tube.radii, float), line[-1] - line[0])
    return Mesh(triangles, _face_normals(triangles), colour, 0.75, 0.9)


def _walls(line: FloatArray, radii: FloatArray, along: FloatArray) -> FloatArray:
    """Triangles (k, 3, 3) of a tube of `radii` (n,) around `line` (n, 3), its rings across its own
    course, `along` to begin with."""
    courses = np.gradient(line, axis=0)
    courses /= np.maximum(np.linalg.norm(courses, axis=1, keepdims=True), 1e-9)
    turn = np.linspace(0.0, 2.0 * np.pi, 13)
    first = _beside(along)[0]
    one = _unit(first - (courses @ first)[:, None] * courses)
    other = np.cross(courses, one)
    ring = np.cos(turn)[:, None] * one[:, None] + np.sin(turn)[:, None] * other[:, None]
    rings = line[:, None, :] + radii[:, None, None] * ring
    a, b = rings[:-1, :-1], rings[:-1, 1:]
    c, d = rings[1:, :-1], rings[1:, 1:]
    walls = np.concatenate([np.stack([a, b, d], 2), np.stack([a, d, c], 2)])
    return walls.reshape(-1, 3, 3)


def _face_normals(triangles: FloatArray) -> FloatArray:
    one, two = (triangles[:, k] - triangles[:, 0] for k in (1, 2))
    return _unit(np.cross(one, two))


def _unit(vectors: FloatArray) -> FloatArray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _beside(axis: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors across `axis` and across each other."""
    axis = axis / np.linalg.norm(axis)
    across = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    across /= np.linalg.norm(across)
    return across, np.cross(axis, across)


def _frame(view: Viewpoint, meshes: list[Mesh]) -> tuple[float, float, tuple[float, float]]:
    """Left and right edge, and (middle, height), of what a viewpoint shows, mm."""
    points = np.concatenate([mesh.triangles.reshape(-1, 3) for mesh in meshes])
    across, along = points @ view.right, points @ view.up
    height = float(np.ptp(along)) + 12.0
    middle = float(along.max() + along.min()) / 2
    return float(across.min()) - 6.0, float(across.max()) + 6.0, (middle, height)


def _paint(axes: Axes, view: Viewpoint, meshes: list[Mesh]) -> None:
    triangles = np.concatenate([mesh.triangles for mesh in meshes])
    colours = np.concatenate([_shade(mesh, view) for mesh in meshes])
    order = np.argsort(-(triangles.mean(axis=1) @ view.away), kind="stable")
    flat = np.stack([triangles @ view.right, triangles @ view.up], axis=-1)
    axes.add_collection(
        PolyCollection(
            list(flat[order]), facecolors=colours[order], edgecolors="none", antialiased=False
        )
    )


def _shade(mesh: Mesh, view: Viewpoint) -> FloatArray:
    """RGBA (n, 4): lit from the viewer's upper left; more opaque on edge."""
    facing = mesh.normals @ view.away
    normals = mesh.normals * np.where(facing > 0, -1.0, 1.0)[:, None]
    light = -0.75 * view.away + 0.5 * view.up - 0.43 * view.right
    bright = 0.55 + 0.45 * np.clip(normals @ light, 0.0, 1.0)
    base = np.array([int(mesh.colour[k : k + 2], 16) / 255.0 for k in (1, 3, 5)])
    alpha = mesh.flat + (mesh.edge - mesh.flat) * (1.0 - np.abs(facing)) ** 2
    return np.concatenate([base * bright[:, None], alpha[:, None]], axis=1)


def _label(axes: Axes, view: Viewpoint, ink: str) -> None:
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title(view.title, fontsize=10, color=ink)
    for text, x, align in ((view.at_left, 0.01, "left"), (view.at_right, 0.99, "right")):
        axes.text(x, 0.97, text, transform=axes.transAxes, ha=align, va="top", color=ink,
                  fontsize=15 if len(text) == 1 else 9)  # fmt: skip
    left, bottom = axes.get_xlim()[0] + 4, axes.get_ylim()[0] + 4
    axes.plot([left, left + 20], [bottom, bottom], color=ink, lw=1.6)
    axes.text(left + 10, bottom + 2, "20 mm", ha="center", va="bottom", fontsize=7, color=ink)


def _plan(axes: Axes, view: Viewpoint, approaches: Mapping[Side, Approach]) -> None:
    for approach in approaches.values():
        ends = np.stack([approach.entry, approach.target])
        across, along = ends @ view.right, ends @ view.up
        axes.plot(across, along, color="#ffffff", lw=0.9, ls=(0, (3, 2)))
        axes.plot(across[1], along[1], marker="+", ms=8, mew=1.4, color="#111111")


def _legend(figure: Figure, meshes: list[Mesh], ink: str) -> None:
    names = {
        BONE: "sacrum", STEEL: "cannula at its deepest", SHEET: "fracture sheet",
        FILL: "cement in bone", NERVE: "nerves",
        ARTERY: "internal iliac artery", VEIN: "and vein", SAC: "thecal sac", GUT: "rectum",
    }  # fmt: skip
    names |= {c: f"leak: {way_out(e.name.lower())}" for e, c in EXITS.items() if e != Exit.NONE}
    shown = {mesh.colour for mesh in meshes if len(mesh.triangles)}
    patches = [Patch(color=c, label=name) for c, name in names.items() if c in shown]
    figure.legend(handles=patches, loc="lower center", ncols=7, frameon=False, fontsize=9,
                  labelcolor=ink)  # fmt: skip
