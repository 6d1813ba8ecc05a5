"""The sacral canal and the foramina as tubes, carved where the labels have closed them.

Each tunnel runs from the canal to the mid-tunnel point and from there to a ventral and a dorsal
opening, as cones between spheres. What is open in the labels stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid
from game.patient.landmarks.frame import Frame, Ribbon
from game.patient.landmarks.reading import endplate_normal
from game.patient.patient import FORAMINA, SIDES, Landmark, Region
from game.patient.segmentation import Bones

VENTRAL_RADIUS = (6.3, 6.5, 5.5, 4.5)  # S1, S2: 12.6, 13.0 across (Saluja 2018); S3, S4: project
# choice, not validated
MIDDLE_RADIUS = (2.9, 3.5, 3.6, 2.65)  # see-through diameters 5.8, 7.0, 7.2, 5.3, anatomy.md [M]
DORSAL_RADIUS = (4.5, 3.6, 3.6, 2.7)  # S1 10.4 x 7.7, S2 7.1 x 7.3 (Saluja 2018); S3, S4: as S2 and
# the see-through diameter, project choice
ROOT_RADIUS = (3.5, 3.5, 3.0, 2.5)  # from the canal to mid-tunnel; project choice
ROOT_RISE_MM = 8.0  # a root leaves the canal this far above its foramen; project choice
CANAL_HALF_MM = ((15.0, 7.5), (5.0, 2.8))  # half breadth, half depth at S1 (30 x 15 [U]) and at the
# hiatus' apex (depth 5.6, Abera 2021; breadth: project choice); linear between
BODY_MM = (20.0, 8.0)  # bone before the canal at the foot of S1 (20.1/17.7, Manipal) and at S4
# (project choice)
CANAL_ABOVE_MM = 25.0  # of the spinal canal above the S1 endplate; project choice
LAMINA_MM = 3.0  # bone left behind the canal; project choice
BEYOND_MM = 3.0  # how far a tunnel runs past the surface it opens on; project choice


@dataclass(frozen=True, eq=False)
class Tunnel:
    """A foramen: cones between spheres, `ends` (n, 2, 3) LPS mm, `radii` (n, 2) mm. `open` where
    the labels show it open."""

    region: Region
    ends: FloatArray
    radii: FloatArray
    open: bool


@dataclass(frozen=True, eq=False)
class Canal:
    """The sacral canal: `line` (n, 2) its middle in (p, s) of `frame`, cranial first, with half
    breadth and half depth (n,), mm. `open` where the labels show it open."""

    frame: Frame
    line: FloatArray
    half_breadth: FloatArray
    half_depth: FloatArray
    open: bool

    def distance(self, grid: Grid, box: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Signed distance to the canal's wall, mm, negative inside, at a box of voxels."""
        first = grid.point_from_index(np.array([s.start for s in box]))
        out = np.empty([s.stop - s.start for s in box], np.float32)
        start = self.frame.axes @ (first - self.frame.origin)
        step = np.ascontiguousarray(self.frame.axes.T * grid.spacing)
        flat = np.maximum(self.half_breadth - self.half_depth, 0.0)
        _tube(start, step, self.line, flat, self.half_depth, out)
        return out


def open_foramina(bones: Bones, landmarks: Mapping[str, Landmark], ribbon: Ribbon) -> Bones:
    """`bones` with canal and S1-S4 foramina carved out of the sacrum where they are
    closed; `ribbon` unrolls that sacrum."""
    canal, foramina = tunnels(ribbon, landmarks)
    if canal.open and all(tunnel.open for tunnel in foramina):
        return bones
    sacrum = bones.sacrum.copy()
    if not canal.open:
        box = canal_box(bones.grid, canal, 2.0)
        sacrum[box] = np.maximum(sacrum[box], -canal.distance(bones.grid, box))
    for tunnel in foramina:
        if not tunnel.open:
            for ends, radii in zip(tunnel.ends, tunnel.radii, strict=True):
                _carve(sacrum, bones.grid, ends, radii)
    return replace(bones, sacrum=sacrum)


def tunnels(ribbon: Ribbon, landmarks: Mapping[str, Landmark]) -> tuple[Canal, list[Tunnel]]:
    """The canal, and the eight foramina."""
    canal = _canal(ribbon, landmarks)
    made = [
        _foramen(ribbon, landmarks[f"foramen_s{n + 1}_{side}"], n, FORAMINA[side][n], canal)
        for side in SIDES
        for n in range(4)
    ]
    return canal, made


def canal_box(grid: Grid, canal: Canal, reach: float) -> tuple[slice, slice, slice]:
    """The voxels within `reach` mm of the canal."""
    ends = canal.frame.world(np.c_[np.zeros(len(canal.line)), canal.line])
    return near_box(grid, ends, float(canal.half_breadth.max()) + reach)


def _canal(ribbon: Ribbon, landmarks: Mapping[str, Landmark]) -> Canal:
    """From CANAL_ABOVE_MM above the S1 endplate, behind its posterior corner, to S4."""
    rows = _level_rows(ribbon, landmarks)
    t = np.arange(rows[0], min(rows[4], len(ribbon.curve) - 1.0))
    share = (t - t[0]) / (t[-1] - t[0])
    (wide, deep), (narrow, shallow) = CANAL_HALF_MM
    half_breadth, half_depth = wide + share * (narrow - wide), deep + share * (shallow - deep)
    body = BODY_MM[0] + share * (BODY_MM[1] - BODY_MM[0])
    ventral = _across_midline(ribbon, ribbon.ventral, t)
    dorsal = _across_midline(ribbon, ribbon.dorsal, t)
    r = np.minimum(ventral + body + half_depth, dorsal - LAMINA_MM - half_depth)
    unrolled_line = ribbon.frame.local(ribbon.point(t, 0.0, r))[:, 1:]
    corner = ribbon.frame.local(landmarks["s1_posterior_corner"].point)[1:]
    down = -(endplate_normal(landmarks, ribbon.frame.axes) @ ribbon.frame.axes.T)[1:]
    back = np.array([down[1], -down[0]]) * (1.0 if down[1] > 0 else -1.0)
    top = corner + half_depth[0] * back + (t - t[0])[:, None] * down
    blend = np.clip((t - t[0]) / (rows[1] - rows[0]), 0.0, 1.0)[:, None]
    line = (1.0 - blend) * top + blend * unrolled_line
    above = top[0] - np.arange(CANAL_ABOVE_MM, 0.0, -1.0)[:, None] * down
    extra = len(above)
    return Canal(
        ribbon.frame,
        np.concatenate([above, line]),
        np.r_[np.full(extra, wide), half_breadth],
        np.r_[np.full(extra, deep), half_depth],
        _canal_is_open(ribbon, t),
    )


def _level_rows(ribbon: Ribbon, landmarks: Mapping[str, Landmark]) -> FloatArray:
    """t of the S1 endplate's centre and of the foramina S1-S4, mean of both sides (5,)."""
    marks = [landmarks["s1_endplate_centre"].point]
    for n in range(1, 5):
        pair = [landmarks[f"foramen_s{n}_{side}"].point for side in SIDES]
        marks.append(np.mean(pair, axis=0))
    return np.maximum(ribbon.locate(np.array(marks))[:, 0], 0.0)


def _across_midline(ribbon: Ribbon, image: FloatArray, t: FloatArray) -> FloatArray:
    """A surface map beside the spinous crest, smoothed over 15 mm, at t."""
    strip = image[:, np.abs(np.abs(ribbon.across) - 8.0) < 3.0]
    some = np.isfinite(strip).any(axis=1)
    value = np.nanmedian(strip[some], axis=1)
    whole = np.interp(np.arange(len(image)), np.flatnonzero(some), value)
    smooth = np.convolve(np.pad(whole, 7, mode="edge"), np.full(15, 1 / 15), "valid")
    return np.interp(t, np.arange(len(image)), smooth)


def _canal_is_open(ribbon: Ribbon, t: FloatArray) -> bool:
    """Whether the labels show bone, a gap and bone again along most midline rays of S1 and S2."""
    rows = t[: 2 * len(t) // 3].astype(int)
    bone = ribbon.distance[rows][:, np.abs(ribbon.across) <= 2.0] < 0
    entries = (np.diff(bone.astype(np.int8), axis=2) == 1).sum(axis=2)
    return bool((entries >= 2).mean() > 0.5)


def _foramen(ribbon: Ribbon, mark: Landmark, level: int, region: Region, canal: Canal) -> Tunnel:
    t, x, r = ribbon.locate(mark.point[None])[0]
    ventral, dorsal = (
        _level_of(ribbon, surface, t, x, r) for surface in (ribbon.ventral, ribbon.dorsal)
    )
    above = ribbon.frame.local(ribbon.point(t - ROOT_RISE_MM, x, r))[1:]
    near = int(np.argmin(np.linalg.norm(canal.line - above, axis=1)))
    aside = np.sign(x) * (canal.half_breadth[near] - canal.half_depth[near])
    root = ribbon.frame.world(np.array([aside, *canal.line[near]]))
    front = ribbon.point(t, x, min(ventral, r - 2.0) - BEYOND_MM)
    back = ribbon.point(t, x, max(dorsal, r + 2.0) + BEYOND_MM)
    middle = mark.point
    ends = np.array([[middle, front], [middle, back], [root, middle]])
    wide, slim = MIDDLE_RADIUS[level], ROOT_RADIUS[level]
    radii = np.array([[wide, VENTRAL_RADIUS[level]], [wide, DORSAL_RADIUS[level]], [slim, wide]])
    return Tunnel(region, ends, radii, not mark.estimated)


def _level_of(ribbon: Ribbon, surface: FloatArray, t: float, x: float, r: float) -> float:
    """Median r of a surface map within 5-9 mm of a foramen; `r` where the map is empty there."""
    rows, columns = np.meshgrid(np.arange(len(surface)), ribbon.across, indexing="ij")
    apart = np.hypot(rows - t, columns - x)
    ring = surface[(apart > 5.0) & (apart < 9.0)]
    ring = ring[np.isfinite(ring)]
    return float(np.median(ring)) if len(ring) else r


def cone_distance(points: FloatArray, ends: FloatArray, radii: FloatArray) -> FloatArray:
    """Signed distance (n,) of points (n, 3) to a round cone, mm, negative inside: the radius is
    taken where the point projects onto the axis, so it is exact for equal radii and close else."""
    axis = ends[1] - ends[0]
    share = np.clip((points - ends[0]) @ axis / max(float(axis @ axis), 1e-9), 0.0, 1.0)
    apart = np.linalg.norm(points - ends[0] - share[:, None] * axis, axis=1)
    return apart - (radii[0] + share * (radii[1] - radii[0]))


def near_box(grid: Grid, ends: FloatArray, reach: float) -> tuple[slice, slice, slice]:
    """The voxels within `reach` mm of the box of `ends`, clipped to the grid."""
    low = np.floor(grid.index_from_point(ends.min(axis=0) - reach)).astype(int)
    high = np.ceil(grid.index_from_point(ends.max(axis=0) + reach)).astype(int) + 1
    low, high = np.clip(low, 0, grid.shape), np.clip(high, 0, grid.shape)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return x, y, z


def voxel_points(grid: Grid, box: tuple[slice, slice, slice]) -> FloatArray:
    """LPS points (i, j, k, 3) of a box of voxels."""
    index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), -1)
    return grid.point_from_index(index)


@njit(nogil=True, cache=True)
def _tube(start, step, line, flat, half_depth, out):  # type: ignore[no-untyped-def]
    """Distances to a flat tube from the voxels at start + i step[0] + j step[1] + k step[2]: the
    nearest of every fourth point of `line`, then of those beside it."""
    last = len(line) - 1
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                x = start[0] + i * step[0, 0] + j * step[1, 0] + k * step[2, 0]
                p = start[1] + i * step[0, 1] + j * step[1, 1] + k * step[2, 1]
                s = start[2] + i * step[0, 2] + j * step[1, 2] + k * step[2, 2]
                best, near = np.inf, 0
                for n in range(0, last + 1, 4):
                    square = (line[n, 0] - p) ** 2 + (line[n, 1] - s) ** 2
                    if square < best:
                        best, near = square, n
                for n in range(max(near - 3, 0), min(near + 3, last) + 1):
                    square = (line[n, 0] - p) ** 2 + (line[n, 1] - s) ** 2
                    if square < best:
                        best, near = square, n
                aside = max(abs(x) - flat[near], 0.0)
                out[i, j, k] = (aside * aside + best) ** 0.5 - half_depth[near]


def _carve(sacrum: NDArray[np.float32], grid: Grid, ends: FloatArray, radii: FloatArray) -> None:
    box = near_box(grid, ends, float(radii.max()) + 2.0)
    points = voxel_points(grid, box)
    tube = cone_distance(points.reshape(-1, 3), ends, radii).reshape(points.shape[:3])
    sacrum[box] = np.maximum(sacrum[box], -tube)
