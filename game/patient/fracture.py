"""A zone-I fracture sheet in the ala: parallel to the SI joint, lateral to the foramina.

The joint's middle surface is fitted by a smooth function of the position along the sacrum (u,
cranial) and front to back (v); the sheet is that function moved medially. Insufficiency fractures
run 10-15 mm medial to the joint ([U], facts/anatomy.md); most are parallel to it (Bakker 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from game.geometry.grid import FloatArray, Grid
from game.patient.landmarks.foramina import levels
from game.patient.landmarks.frame import Frame, midsagittal
from game.patient.landmarks.joint import joint_points
from game.patient.landmarks.tunnels import VENTRAL_RADIUS
from game.patient.patient import Fracture, Landmark, Region, Side
from game.patient.segmentation import Bones

MEDIAL_MM = 12.0  # from the joint, of 10-15 [U]
APERTURE_MM = 1.0  # project choice, not validated
FORAMEN_GAP_MM = 3.0  # from a foramen's wall where possible; project choice
JOINT_GAP_MM = 4.0  # least distance to the joint where a foramen pushes the sheet; project choice
SAMPLE_MM = 1.0
FINE_MM = 0.35  # under half a voxel, so that no voxel on the sheet is missed


@dataclass(frozen=True, eq=False)
class Sheet:
    """`frame` with u superior and v posterior in it; the outward distance of the joint from the
    midline is the polynomial `joint` (6,) in 1, u, v, u2, uv, v2; `foramen` (2, 4) are u and the
    outward place that each level's foramen asks for, mm."""

    frame: Frame
    outward: float
    joint: FloatArray
    foramen: FloatArray

    def across(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """The sheet's outward distance from the midline at u, v, mm."""
        slope_u, slope_v = self._slopes(u, v)
        joint = _terms(u, v) @ self.joint
        wanted = joint - MEDIAL_MM * np.sqrt(1.0 + slope_u**2 + slope_v**2)
        lateral = np.interp(u, self.foramen[0], self.foramen[1])
        pushed = 0.5 * (wanted + lateral + np.sqrt((wanted - lateral) ** 2 + 4.0))
        return np.minimum(pushed, np.maximum(joint - JOINT_GAP_MM, wanted))

    def _slopes(self, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        _, c_u, c_v, c_uu, c_uv, c_vv = self.joint
        return c_u + 2 * c_uu * u + c_uv * v, c_v + c_uv * u + 2 * c_vv * v

    def points(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """LPS points (..., 3)."""
        return self.frame.world(np.stack([self.outward * self.across(u, v), v, u], axis=-1))


def fracture_sheet(
    bones: Bones, landmarks: Mapping[str, Landmark], region: NDArray[np.uint8], side: Side
) -> Fracture:
    """The sheet of one side, clipped to the marrow, from the ala's upper cortex to the S3 foramen.

    All in the frame of `bones`, LPS mm. Raises PatientError where the joint is not seen and
    ValueError where the sheet would not lie in the marrow."""
    sheet = _sheet(bones, landmarks, side)
    floor = float(sheet.frame.local(landmarks[f"foramen_s3_{side}"].point)[2])
    u, v, inside = _sampled(bones.grid, region, sheet, floor, SAMPLE_MM)
    if inside.sum() < 200:
        raise ValueError(f"the {side} fracture sheet has {inside.sum()} mm2 in bone; need 200")
    points = sheet.points(u, v)
    along_u, along_v = np.gradient(points, SAMPLE_MM, axis=(0, 1))
    normals = np.cross(along_u, along_v)[inside]
    normal = normals.mean(axis=0)
    normal *= np.sign(normal @ sheet.frame.axes[0]) * sheet.outward / np.linalg.norm(normal)
    areas = np.linalg.norm(normals, axis=1) * SAMPLE_MM**2
    voxels = _voxels(bones.grid, region, sheet, (u, v, inside))
    return Fracture(side, points[inside], areas, normal, APERTURE_MM, voxels)


def _sheet(bones: Bones, landmarks: Mapping[str, Landmark], side: Side) -> Sheet:
    frame = midsagittal(bones)
    frame = Frame(landmarks["s1_endplate_centre"].point, frame.axes)
    outward = 1.0 if side == "left" else -1.0
    joint = frame.local(joint_points(bones, side))
    x, v, u = outward * joint[:, 0], joint[:, 1], joint[:, 2]
    terms = _terms(u, v)
    weight = np.ones(len(x))
    for _ in range(4):  # outliers beyond 3 mm count less (Cauchy)
        scaled = terms * weight[:, None]
        fit = np.linalg.solve(terms.T @ scaled, scaled.T @ x)
        weight = 1.0 / (1.0 + ((terms @ fit - x) / 3.0) ** 2)
    holes = frame.local(levels(landmarks, side))
    asked = outward * holes[:, 0] + np.array(VENTRAL_RADIUS) + FORAMEN_GAP_MM
    order = np.argsort(holes[:, 2])
    return Sheet(frame, outward, fit, np.stack([holes[order, 2], asked[order]]))


def _terms(u: FloatArray, v: FloatArray) -> FloatArray:
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1)


def _sampled(
    grid: Grid, region: NDArray[np.uint8], sheet: Sheet, floor: float, step: float
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """A lattice u, v (n, m) above `floor` and which of it lies in the marrow in one piece."""
    reach = float(np.linalg.norm(np.array(grid.shape))) * grid.spacing / 2
    u, v = np.meshgrid(np.arange(floor, reach, step), np.arange(-reach, reach, step), indexing="ij")
    code = grid.nearest(region, sheet.points(u, v).reshape(-1, 3), int(Region.LATERAL))
    parts, count = label((code == Region.MARROW).reshape(u.shape))
    if count == 0:
        return u, v, parts > 0
    return u, v, parts == np.bincount(parts.ravel())[1:].argmax() + 1


def _voxels(
    grid: Grid,
    region: NDArray[np.uint8],
    sheet: Sheet,
    coarse: tuple[FloatArray, FloatArray, NDArray[np.bool_]],
) -> NDArray[np.int64]:
    """Flat indices of the marrow voxels that the sheet's cells touch, ascending."""
    u, v, inside = coarse
    within = np.arange(-0.5, 0.5, FINE_MM) + FINE_MM / 2
    du, dv = (a.ravel() for a in np.meshgrid(within, within, indexing="ij"))
    points = sheet.points(u[inside][:, None] + du, v[inside][:, None] + dv).reshape(-1, 3)
    index = np.rint(grid.index_from_point(points)).astype(np.int64)
    index = index[np.all((index >= 0) & (index < grid.shape), axis=1)]
    flat = np.unique(np.ravel_multi_index(tuple(index.T), grid.shape))
    return flat[region.reshape(-1)[flat] == Region.MARROW]
