"""The sacrum's own coordinates: the midsagittal frame and the curve that the sacrum follows in it.

A `Frame` has x to the patient's left of the midsagittal plane, p posterior and s superior, mm.
A `Ribbon` unrolls the sacrum: t runs caudally along its curve in the midsagittal plane, x to the
left, r posteriorly along the curve's normal. Seen along r, the foramina are where bone is thin.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.optimize import least_squares
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.geometry.views import axes_from_left
from game.patient.distance import surface_points
from game.patient.errors import PatientError
from game.patient.patient import SIDES, Side
from game.patient.segmentation import Bones

CENTRAL_MM = 30.0  # half-width of the strip whose middle is the sacral curve; project choice
RAY_MM = 35.0  # reach of the rays along r to either side of the curve; project choice
STEP_MM = 0.75  # sampling along the rays
FAR_MM = 5.0  # where two halves differ by more they do not correspond; project choice
LEAST_POINTS, MOST_POINTS = 200, 5000  # of a surface that is mirrored; project choice
PROBE = 0.3  # mm, and 0.01 radian: steps of the slope of the halves' difference; project choice
USUAL_LEAN = 0.75  # radians; project choice near the sacral slope of 39-42 deg (facts/anatomy.md)


@dataclass(frozen=True, eq=False)
class Frame:
    """`origin` (3,) LPS mm, on the midsagittal plane; `axes` (3, 3): left, posterior, superior
    as rows, LPS unit vectors."""

    origin: FloatArray
    axes: FloatArray

    def local(self, points: FloatArray) -> FloatArray:
        """Frame coordinates (..., 3) of LPS points (..., 3)."""
        return (points - self.origin) @ self.axes.T

    def world(self, local: FloatArray) -> FloatArray:
        """LPS points (..., 3) of frame coordinates (..., 3)."""
        return local @ self.axes + self.origin


def midsagittal(bones: Bones) -> Frame:
    """The frame whose plane best mirrors the sacrum onto itself and each hip onto the other.

    Robust least squares over the mirrored surfaces' distances, cut off at 5 mm, from the plane
    between the hips; superior is the scanner's. Raises PatientError where a hip or the sacrum is
    not on the grid."""
    sacrum = _sacral_surface(bones)
    hips = {side: _hip_surface(bones, side) for side in SIDES}
    between = hips["left"].points.mean(axis=0) - hips["right"].points.mean(axis=0)
    centre = sacrum.mean(axis=0)
    start = axes_from_left(np.array([between[0], between[1], 0.0]))

    def normal_of(p: FloatArray) -> FloatArray:
        tilted = start[0] + 0.01 * (p[1] * start[1] + p[2] * start[2])
        return tilted / np.linalg.norm(tilted)

    def asymmetry(p: FloatArray) -> FloatArray:
        mirror = Mirror(centre + p[0] * normal_of(p), normal_of(p))
        apart = [bones.grid.sample(bones.sacrum, mirror.of(sacrum), FAR_MM)]
        for side, other in zip(SIDES, reversed(SIDES), strict=True):
            apart.append(0.5 * hips[other].height(mirror.of(hips[side].points)))
        return np.clip(np.concatenate(apart), -FAR_MM, FAR_MM)

    def slope(p: FloatArray) -> FloatArray:
        steps = PROBE * np.eye(3)
        ends = list(two.map(asymmetry, [*(p + steps), *(p - steps)]))
        return np.stack(
            [(a - b) / (2 * PROBE) for a, b in zip(ends[:3], ends[3:], strict=True)], axis=1
        )

    with ThreadPoolExecutor(2) as two:  # what takes long in it holds no lock
        fit = least_squares(asymmetry, np.zeros(3), slope, loss="soft_l1", xtol=1e-4)
    normal = normal_of(fit.x)
    return Frame(centre + fit.x[0] * normal, axes_from_left(normal))


def own_frame(bones: Bones, middle: Frame) -> Frame:
    """The midsagittal frame `middle` pitched to the sacrum itself, so that it turns with the
    patient: the sacrum's long axis leans forward by USUAL_LEAN."""
    local = middle.local(_voxels(bones.grid, bones.sacrum < 0, 5))[:, 1:]
    axis = np.linalg.eigh(np.cov(local.T))[1][:, 1]
    axis = axis if axis[1] > 0 else -axis
    turn = np.arctan2(-axis[0], axis[1]) - USUAL_LEAN
    back = np.cos(turn) * middle.axes[1] + np.sin(turn) * middle.axes[2]
    return Frame(middle.origin, np.stack([middle.axes[0], back, np.cross(middle.axes[0], back)]))


@dataclass(frozen=True, eq=False)
class Mirror:
    """A plane through `point` (3,) with unit `normal` (3,)."""

    point: FloatArray
    normal: FloatArray

    def of(self, points: FloatArray) -> FloatArray:
        """The mirror images (n, 3) of points (n, 3)."""
        return points - 2.0 * ((points - self.point) @ self.normal)[:, None] * self.normal


@dataclass(frozen=True, eq=False)
class PointSurface:
    """Points (n, 3), LPS mm, on a surface, with its outward unit normals (n, 3)."""

    points: FloatArray
    normals: FloatArray

    @cached_property
    def tree(self) -> cKDTree:
        """The points, for the nearest one."""
        return cKDTree(self.points)

    def height(self, points: FloatArray) -> FloatArray:
        """Distance (n,) of points (n, 3) from the tangent plane at the nearest point, mm; FAR_MM
        and above where that point is further away."""
        apart, near = self.tree.query(points)
        height = ((points - self.points[near]) * self.normals[near]).sum(axis=1)
        return np.where(apart > FAR_MM, FAR_MM, height)


def _sacral_surface(bones: Bones) -> FloatArray:
    at = np.abs(bones.sacrum) < 0.5 * bones.grid.spacing
    count = int(np.count_nonzero(at))
    if count < LEAST_POINTS:
        raise PatientError(f"the sacrum has {count} surface voxels; need {LEAST_POINTS}")
    return _voxels(bones.grid, at, max(1, count // MOST_POINTS))


def _voxels(grid: Grid, where: NDArray[np.bool_], step: int) -> FloatArray:
    """Centres (n, 3), LPS mm, of every `step`-th of the voxels `where` true."""
    at = np.unravel_index(np.flatnonzero(where)[::step], where.shape)
    return grid.point_from_index(np.transpose(at))


def _hip_surface(bones: Bones, side: Side) -> PointSurface:
    points, normals = hip_points(bones, side)
    if len(points) < LEAST_POINTS:
        raise PatientError(f"the {side} hip has {len(points)} surface points; need {LEAST_POINTS}")
    step = max(1, len(points) // MOST_POINTS)
    return PointSurface(points[::step], normals[::step])


def hip_points(bones: Bones, side: Side) -> tuple[FloatArray, FloatArray]:
    """Points (n, 3), LPS mm, on a hip bone, with outward normals (n, 3): of the whole bone where
    `bones` has it, else of what lies on the grid."""
    spacing = (bones.grid.spacing,) * 3
    points, normals = bones.hip_surface.get(side) or surface_points(bones.hip[side], spacing)
    return points + bones.grid.origin, normals


@dataclass(frozen=True, eq=False)
class Ribbon:
    """The sacral curve: `curve` (n, 2), its `normals` (n, 2) pointing dorsally, both in (p, s) of
    `frame`, one entry per mm of arc, cranial first. `distance` (n, m, k) is the sacrum's signed
    distance at (t, `across`, `along`), mm."""

    frame: Frame
    curve: FloatArray
    normals: FloatArray
    across: FloatArray
    along: FloatArray
    distance: FloatArray

    @cached_property
    def tree(self) -> cKDTree:
        """The curve's points, for projection."""
        return cKDTree(self.curve)

    @cached_property
    def thickness(self) -> FloatArray:
        """Bone along each ray, mm (n, m)."""
        return np.clip(0.5 - self.distance / STEP_MM, 0.0, 1.0).sum(axis=2) * STEP_MM

    @cached_property
    def ventral(self) -> FloatArray:
        """r of the first bone along each ray, mm (n, m); NaN where there is none."""
        return _first_bone(self.distance, self.along)

    @cached_property
    def dorsal(self) -> FloatArray:
        """r of the last bone along each ray, mm (n, m); NaN where there is none."""
        return _first_bone(self.distance[:, :, ::-1], self.along[::-1])

    def point(
        self, t: FloatArray | float, x: FloatArray | float, r: FloatArray | float
    ) -> FloatArray:
        """LPS points (..., 3) at ribbon coordinates, mm; t beyond the curve is held at its end."""
        t, x, r = np.broadcast_arrays(*(np.asarray(v, float) for v in (t, x, r)))
        at = np.clip(t, 0.0, len(self.curve) - 1.0)
        steps = np.arange(len(self.curve))
        p, s = (
            np.interp(at, steps, self.curve[:, k]) + r * np.interp(at, steps, self.normals[:, k])
            for k in (0, 1)
        )
        return self.frame.world(np.stack([x, p, s], axis=-1))

    def locate(self, points: FloatArray) -> FloatArray:
        """Ribbon coordinates (n, 3): t, x, r of LPS points (n, 3)."""
        local = self.frame.local(points)
        near = self.tree.query(local[:, 1:])[1]
        offset = local[:, 1:] - self.curve[near]
        normal = self.normals[near]
        along = np.stack([-normal[:, 1], normal[:, 0]], axis=1) * _turn(self.normals, self.curve)
        t = near + (offset * along).sum(axis=1)
        return np.stack([t, local[:, 0], (offset * normal).sum(axis=1)], axis=1)

    def read(self, image: FloatArray, t: FloatArray, x: FloatArray) -> FloatArray:
        """Values of an (n, m) map of this ribbon at t, x (of one shape); held beyond the edge."""
        column = (x - self.across[0]) / (self.across[1] - self.across[0])
        return map_coordinates(image, [t, column], order=1, mode="nearest")


def _first_bone(distance: FloatArray, along: FloatArray) -> FloatArray:
    """Where each ray of `distance` (n, m, k) at `along` (k,) first enters bone, linear between its
    steps (n, m); NaN where it meets none."""
    bone = distance < 0
    inner = bone.argmax(axis=2)
    outer = np.maximum(inner - 1, 0)
    deep, shallow = (
        np.take_along_axis(distance, at[..., None], 2)[..., 0] for at in (inner, outer)
    )
    share = np.where(inner > outer, deep / np.minimum(deep - shallow, -1e-6), 0.0)
    place = along[inner] + share * (along[outer] - along[inner])
    return np.where(bone.any(axis=2), place, np.nan)


def _turn(normals: FloatArray, curve: FloatArray) -> float:
    rotated = np.stack([-normals[:, 1], normals[:, 0]], axis=1)
    return 1.0 if float((np.gradient(curve, axis=0) * rotated).sum()) > 0 else -1.0


def unrolled(bones: Bones, frame: Frame) -> Ribbon:
    """The sacrum unrolled along the quartic through the middle of its central strip."""
    curve = _central_curve(bones, frame)
    tangent = np.gradient(curve, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normals = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    if normals[:, 0].mean() < 0:
        normals = -normals
    across = np.arange(-70.0, 71.0, 1.0)
    along = np.arange(-RAY_MM, RAY_MM + STEP_MM / 2, STEP_MM)
    empty = Ribbon(frame, curve, normals, across, along, np.empty((0, 0, 0)))
    x, r = np.meshgrid(across, along, indexing="ij")
    distance = np.empty((len(curve), *x.shape))
    for t, section in enumerate(distance):  # each fits into the processor's cache
        points = empty.point(float(t), x, r).reshape(-1, 3)
        section[:] = bones.grid.sample(bones.sacrum, points, outside=30.0).reshape(x.shape)
    return Ribbon(frame, curve, normals, across, along, distance)


def _central_curve(bones: Bones, frame: Frame) -> FloatArray:
    """(n, 2) points in (p, s), 1 mm apart, cranial first."""
    local = frame.local(_voxels(bones.grid, bones.sacrum < 0, 7))
    central = local[np.abs(local[:, 0]) < CENTRAL_MM][:, 1:]
    middle = central.mean(axis=0)
    axis = np.linalg.eigh(np.cov((central - middle).T))[1][:, 1]
    spine = frame.local(_voxels(bones.grid, bones.spine < 0, 7))
    if (spine[:, 1:].mean(axis=0) - middle) @ axis > 0:
        axis = -axis
    side = np.array([-axis[1], axis[0]])
    along, off = (central - middle) @ axis, (central - middle) @ side
    slot = ((along - along.min()) / 4.0).astype(int)
    count = np.maximum(np.bincount(slot), 1)
    mean_along, mean_off = np.bincount(slot, along) / count, np.bincount(slot, off) / count
    used = np.bincount(slot) > 5
    quartic = np.polyfit(mean_along[used], mean_off[used], 4)
    u = np.linspace(along.min() - 8.0, along.max() + 4.0, 400)
    points = middle + u[:, None] * axis + np.polyval(quartic, u)[:, None] * side
    arc = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    at = np.arange(0.0, arc[-1], 1.0)
    return np.stack([np.interp(at, arc, points[:, k]) for k in (0, 1)], axis=1)
