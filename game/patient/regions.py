"""Where every voxel near the sacrum lies: in its marrow, or in what a needle or a leak would reach.

Outside the sacrum the order is: canal and foramina (air inside the sacrum's envelope), SI joint
with the hip, disc, then what lies above the alae, before, behind and beside the bone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import (
    distance_transform_edt,
    gaussian_filter,
    grey_closing,
)

from game.geometry.grid import FloatArray, Grid
from game.patient.landmarks.frame import Frame, Ribbon
from game.patient.landmarks.tunnels import (
    canal_box,
    cone_distance,
    near_box,
    tunnels,
    voxel_points,
)
from game.patient.patient import SIDES, Landmark, Plane, Region
from game.patient.segmentation import Bones

JOINT_MM = 8.0  # sacrum to hip, at most, in the joint and its rim; project choice
DISC_HALF_MM = (27.0, 18.0)  # half breadth and half depth of L5/S1, S1's (50 [U], 33.4 [M]) and rim
BRIM_MM = 8.0  # how far below the endplate's plane the alae's upper surface reaches; project choice
ENVELOPE_MM = 1.0  # a tunnel ends this far outside the sacrum's envelope; project choice
TUNNEL_MM = 3.0  # air this far from a tunnel's drawn wall still belongs to it; project choice
COARSE = 4  # voxels per step of the smooth coordinates


def region_map(
    bones: Bones, landmarks: Mapping[str, Landmark], planes: Mapping[str, Plane], ribbon: Ribbon
) -> NDArray[np.uint8]:
    """`Region` codes [x, y, z] on the grid of `bones`; `landmarks` and `planes` in its frame, LPS
    mm; `ribbon` unrolls the sacrum before its foramina were opened. Whatever is negative in
    `bones.sacrum` is MARROW."""
    t, x, r = _coordinates(bones.grid, ribbon)
    region = _around(bones, ribbon, landmarks, planes, (t, x, r))
    _lay_disc(region, bones, ribbon.frame, planes["s1_endplate"])
    _lay_joints(region, bones, x)
    _lay_tunnels(region, bones, ribbon, landmarks, (t, x, r))
    region[bones.sacrum < 0] = Region.MARROW
    return region


def _coordinates(grid: Grid, ribbon: Ribbon) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Ribbon coordinates t, x, r of every voxel, float32, from a coarser lattice."""
    axes = [np.arange(0, n + COARSE, COARSE) for n in grid.shape]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    known = ribbon.locate(grid.point_from_index(lattice.astype(float)).reshape(-1, 3))
    coarse = known.reshape(*lattice.shape).astype(np.float32)
    t, x, r = (_finer(coarse[..., n], grid.shape) for n in range(3))
    return t, x, r


def _finer(coarse: FloatArray, shape: tuple[int, int, int]) -> FloatArray:
    """Linear values at every voxel, one axis after the other."""
    out = np.empty(shape, np.float32)
    at = [np.arange(n) / COARSE for n in shape]
    low = [np.minimum(a.astype(int), n - 2) for a, n in zip(at, coarse.shape, strict=True)]
    x, y, z = ((a - b).astype(np.float32) for a, b in zip(at, low, strict=True))
    planes = np.take(coarse, low[0], 0), np.take(coarse, low[0] + 1, 0)
    coarse = planes[0] * (1 - x)[:, None, None] + planes[1] * x[:, None, None]
    _finer_sections(np.ascontiguousarray(coarse), low[1], y, low[2], z, out)
    return out


@njit(nogil=True, cache=True)
def _finer_sections(planes, low_y, share_y, low_z, share_z, out):  # type: ignore[no-untyped-def]
    """Linear values along y, then along z, in every plane x."""
    one = np.float32(1)
    row = np.empty(planes.shape[2], np.float32)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            b, v = low_y[j], share_y[j]
            for n in range(len(row)):
                row[n] = planes[i, b, n] * (one - v) + planes[i, b + 1, n] * v
            for k in range(out.shape[2]):
                c, w = low_z[k], share_z[k]
                out[i, j, k] = row[c] * (one - w) + row[c + 1] * w


def _around(
    bones: Bones,
    ribbon: Ribbon,
    landmarks: Mapping[str, Landmark],
    planes: Mapping[str, Plane],
    at: tuple[FloatArray, FloatArray, FloatArray],
) -> NDArray[np.uint8]:
    """CEPHALAD, PRESACRAL, DORSAL and LATERAL for every voxel, as if it lay outside."""
    t, x, r = at
    middle, half = _middle_and_width(ribbon)
    before = r < _looked_up(middle, t, x, ribbon)
    region = np.where(before, np.uint8(Region.PRESACRAL), np.uint8(Region.DORSAL))
    plane = planes["s1_endplate"]
    up = _height(bones.grid, plane.point, plane.normal)
    back = np.cross(plane.normal, planes["midsagittal"].normal)
    corner = landmarks["s1_posterior_corner"].point
    behind = _height(bones.grid, corner, back)
    region[(up > -BRIM_MM) & (behind < 0)] = Region.CEPHALAD
    joint_end = max(
        float(ribbon.locate(landmarks[f"si_caudal_{side}"].point[None])[0, 0]) for side in SIDES
    )
    below = t > joint_end
    along = t[below]
    width = np.interp(along, np.arange(len(half)), half)
    beside = (np.abs(x[below]) > width) | (along > len(ribbon.curve) - 1.0)
    region[below] = np.where(beside, np.uint8(Region.LATERAL), region[below])
    return region


def _middle_and_width(ribbon: Ribbon) -> tuple[FloatArray, FloatArray]:
    """r half-way through the bone (n, m), carried on smoothly beside it, and the sacrum's half
    width (n,) along the curve, mm."""
    middle = 0.5 * (ribbon.ventral + ribbon.dorsal)
    empty = ~np.isfinite(middle)
    near = distance_transform_edt(empty, return_distances=False, return_indices=True)
    filled = gaussian_filter(middle[tuple(near)], 2.0)
    reach = np.where(empty, 0.0, np.abs(ribbon.across)).max(axis=1)
    return filled, gaussian_filter(reach, 2.0)


def _looked_up(
    image: FloatArray, t: FloatArray, x: FloatArray, ribbon: Ribbon
) -> NDArray[np.float32]:
    out = np.empty(t.shape, np.float32)
    shift = float(ribbon.across[0])
    _bilinear(
        np.ascontiguousarray(image, np.float32),
        np.ascontiguousarray(t),
        np.ascontiguousarray(x),
        shift,
        1.0 / float(ribbon.across[1] - shift),
        out,
    )
    return out


@njit(nogil=True, cache=True)
def _bilinear(image, t, x, shift, per_mm, out):  # type: ignore[no-untyped-def]
    """`image` at row t and column (x - shift) * per_mm, held at its rim."""
    rows, columns = image.shape
    for i in range(t.shape[0]):
        for j in range(t.shape[1]):
            for k in range(t.shape[2]):
                u = min(max(t[i, j, k], 0.0), rows - 1.0)
                v = min(max((x[i, j, k] - shift) * per_mm, 0.0), columns - 1.0)
                a, b = min(int(u), rows - 2), min(int(v), columns - 2)
                u, v = u - a, v - b
                low = (1 - v) * image[a, b] + v * image[a, b + 1]
                high = (1 - v) * image[a + 1, b] + v * image[a + 1, b + 1]
                out[i, j, k] = (1 - u) * low + u * high


def _height(grid: Grid, point: FloatArray, normal: FloatArray) -> NDArray[np.float32]:
    """Signed height of every voxel over a plane, mm."""
    out = np.empty(grid.shape, np.float32)
    _sum(*((a - p) * n for a, p, n in zip(grid.axes(), point, normal, strict=True)), out)
    return out


@njit(nogil=True, cache=True)
def _sum(x, y, z, out):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        for j in range(len(y)):
            for k in range(len(z)):
                out[i, j, k] = x[i] + y[j] + z[k]


def _lay_disc(region: NDArray[np.uint8], bones: Bones, frame: Frame, endplate: Plane) -> None:
    """The column on the S1 endplate: the disc, and the vertebra on it."""
    up = _height(bones.grid, endplate.point, endplate.normal)
    across = _height(bones.grid, endplate.point, frame.axes[0]) / DISC_HALF_MM[0]
    back = np.cross(endplate.normal, frame.axes[0])
    deep = _height(bones.grid, endplate.point, back) / DISC_HALF_MM[1]
    column = (across**2 + deep**2 < 1.0) & (up > -0.25 * DISC_HALF_MM[1])
    region[column] = Region.DISC


def _lay_joints(region: NDArray[np.uint8], bones: Bones, x: FloatArray) -> None:
    """The hips, and the gap between them and the sacrum."""
    for side, code in zip(SIDES, (Region.SI_JOINT_LEFT, Region.SI_JOINT_RIGHT), strict=True):
        hip = bones.hip[side]
        own = x > 0 if side == "left" else x < 0
        gap = (bones.sacrum + hip < JOINT_MM) & (bones.sacrum < JOINT_MM) & (hip < JOINT_MM)
        region[((hip < 0) | gap) & own] = code


def _lay_tunnels(
    region: NDArray[np.uint8],
    bones: Bones,
    ribbon: Ribbon,
    landmarks: Mapping[str, Landmark],
    at: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    """Canal and foramina: air near a tunnel and within the sacrum's envelope; the nearest wins."""
    canal, foramina = tunnels(ribbon, landmarks)
    nearest = np.full(region.shape, np.float32(TUNNEL_MM))
    box = canal_box(bones.grid, canal, TUNNEL_MM)
    _claim(region, nearest, box, canal.distance(bones.grid, box), Region.CANAL)
    surfaces = _bridged(ribbon.ventral, -1.0), _bridged(ribbon.dorsal, 1.0)
    for tunnel in foramina:
        for ends, radii in zip(tunnel.ends, tunnel.radii, strict=True):
            box = near_box(bones.grid, ends, float(radii.max()) + TUNNEL_MM)
            points = voxel_points(bones.grid, box)
            tube = cone_distance(points.reshape(-1, 3), ends, radii).reshape(points.shape[:3])
            inside = _enveloped(ribbon, surfaces, (at[0][box], at[1][box], at[2][box]))
            _claim(region, nearest, box, np.where(inside, tube, np.inf), tunnel.region)


def _claim(
    region: NDArray[np.uint8],
    nearest: NDArray[np.float32],
    box: tuple[slice, slice, slice],
    tube: FloatArray,
    code: Region,
) -> None:
    closer = tube < nearest[box]
    region[box][closer] = code
    nearest[box][closer] = tube[closer]


def _enveloped(
    ribbon: Ribbon,
    surfaces: tuple[FloatArray, FloatArray],
    at: tuple[FloatArray, FloatArray, FloatArray],
) -> NDArray[np.bool_]:
    """Whether each voxel lies between the ventral and the dorsal surface, foramina bridged."""
    t, x, r = at
    ventral, dorsal = surfaces
    return (r > _looked_up(ventral, t, x, ribbon) - ENVELOPE_MM) & (
        r < _looked_up(dorsal, t, x, ribbon) + ENVELOPE_MM
    )


def _bridged(surface: FloatArray, sign: float) -> FloatArray:
    """A surface map with its holes filled from around and its dents (13 mm) spanned."""
    empty = ~np.isfinite(surface)
    near = distance_transform_edt(empty, return_distances=False, return_indices=True)
    filled = sign * surface[tuple(near)]
    return sign * gaussian_filter(grey_closing(filled, size=(15, 15)), 1.0)
