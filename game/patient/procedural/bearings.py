"""What the soft body reads off the bones: a coarse grid with the distance to bone, and the places
that muscles and organs are hung on. Only structure codes are read, so any pelvis of voxels serves.

Coordinates here are mm from the midline (x, to the left), and the volume's own y and z (LPS).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import FloatArray
from game.patient.patient import Structure
from game.patient.procedural.solids import Array

RISE_MM = 4.0  # project choice
COARSE_MM = 3.0  # soft tissue is smooth at this step; project choice
BACK_X_MM = 25.0  # where skin to sacrum is measured: facts/anatomy.md
_HIPS = (Structure.HIP_LEFT, Structure.HIP_RIGHT)
_FEMORA = (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT)
_SPINES = (Structure.L5, Structure.SPINE)


@dataclass(frozen=True, eq=False)
class Site:
    """The coarse grid: axes x, y, z (mm), `bone` codes (the highest of each block of voxels) and
    `gap`, mm to the nearest bone, 0 inside."""

    x: Array
    y: Array
    z: Array
    bone: NDArray[np.uint8]
    gap: Array

    @property
    def aside(self) -> Array:
        """mm from the midline (n, 1, 1)."""
        return np.abs(self.x)[:, None, None]

    @property
    def back(self) -> Array:
        """y (1, m, 1)."""
        return self.y[None, :, None]

    @property
    def up(self) -> Array:
        """z (1, 1, l)."""
        return self.z[None, None, :]


@dataclass(frozen=True, eq=False)
class Bearings:
    """Places, mm; a place (aside, y, z) is the mean of both sides, mirrored to the left.

    `wing` is how far aside the iliac wings reach. `back` and `front` (l,) are y of the sacrum's
    dorsal surface 25 mm beside the midline and of its ventral surface in it, at each z of the
    coarse grid, held on beyond its ends."""

    endplate_z: float
    sacrum_low_z: float
    back: FloatArray
    front: FloatArray
    psis: FloatArray
    crest: FloatArray
    pubis: FloatArray
    wing: float
    hip_front_y: float
    ischium_z: float
    head: FloatArray
    trochanter: FloatArray
    spine_front_y: float
    spine_back_y: float
    spine_half: float

    def height(self, share: float) -> float:
        """z at a share of the sacrum's height, from the S1 endplate to the end of S5."""
        return self.endplate_z + share * (self.sacrum_low_z - self.endplate_z)


COCCYX_MM = 25.0  # its height, below S5; form


def rising(*heights: float) -> tuple[float, ...]:
    """Heights in their order, mm, each RISE_MM or more above the one before it: those of different
    bones cross in some pelves."""
    placed = [heights[0]]
    for height in heights[1:]:
        placed.append(max(height, placed[-1] + RISE_MM))
    return tuple(placed)


def pooled(bones: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """The highest code of each block of `step` voxels; the last blocks may be thinner."""
    made = np.zeros([-(-n // step) for n in bones.shape], np.uint8)
    _pool(bones, step, made)
    return made


@njit(nogil=True, cache=True)
def _pool(bones, step, out):  # type: ignore[no-untyped-def]
    for i in range(bones.shape[0]):
        for j in range(bones.shape[1]):
            row = out[i // step, j // step]
            for k in range(bones.shape[2]):
                if bones[i, j, k] > row[k // step]:
                    row[k // step] = bones[i, j, k]


def distance_to_bone(bone: NDArray[np.uint8], mm: float) -> Array:
    """mm from each voxel centre to the nearest of bone's; 0 inside."""
    return np.asarray(ndimage.distance_transform_edt(bone == 0) * mm, np.float32)


def bearings_of(bone: NDArray[np.uint8], origin: FloatArray, mm: float) -> tuple[Bearings, float]:
    """The places of a coarse volume of codes whose first voxel's centre lies at `origin` (3,), LPS
    mm, and the midline's x. Raises ValueError where sacrum, hips, femora or spine are missing."""
    sacrum = _points(bone, origin, mm, (Structure.SACRUM,))
    middle = float(0.5 * (sacrum[:, 0].min() + sacrum[:, 0].max()))
    sacrum[:, 0] -= middle
    hips, femora, spine = (
        _sided(bone, origin, mm, codes, middle) for codes in (_HIPS, _FEMORA, _SPINES)
    )
    z = origin[2] + mm * np.arange(bone.shape[2])
    low = float(sacrum[:, 2].min()) + COCCYX_MM
    beside = sacrum[np.abs(np.abs(sacrum[:, 0]) - BACK_X_MM) <= 0.8 * mm]
    central = sacrum[np.abs(sacrum[:, 0]) < 12.0]
    pubis = hips[(hips[:, 0] < 30.0) & (hips[:, 1] < np.quantile(hips[:, 1], 0.3))]
    lateral = femora[femora[:, 0] > np.quantile(femora[:, 0], 0.75)]
    crest = hips[hips[:, 2] > hips[:, 2].max() - 12.0]
    body = spine[spine[:, 1] < np.quantile(spine[:, 1], 0.4)]
    return Bearings(
        endplate_z=_endplate_z(bone, origin, mm),
        sacrum_low_z=low,
        back=_line(beside, z, mm, np.max),
        front=_line(central, z, mm, np.min),
        psis=hips[hips[:, 1] > hips[:, 1].max() - 2 * mm].mean(axis=0),
        crest=crest.mean(axis=0),
        pubis=pubis.mean(axis=0),
        wing=float(hips[:, 0].max()),
        hip_front_y=float(hips[:, 1].min()),
        ischium_z=float(hips[:, 2].min()),
        head=_head(femora),
        trochanter=np.array([lateral[:, 0].max(), lateral[:, 1].mean(), lateral[:, 2].max()]),
        spine_front_y=float(spine[:, 1].min()),
        spine_back_y=float(spine[:, 1].max()),
        spine_half=float(np.quantile(np.abs(body[:, 0]), 0.95)),
    ), middle


def _head(femora: FloatArray) -> FloatArray:
    """The middle of the femoral head: the highest 40 mm, medially."""
    high = femora[femora[:, 2] > femora[:, 2].max() - 40.0]
    return np.asarray(high[high[:, 0] < high[:, 0].min() + 44.0].mean(axis=0))


def _points(
    bone: NDArray[np.uint8], origin: FloatArray, mm: float, codes: tuple[Structure, ...]
) -> FloatArray:
    found = np.argwhere(np.isin(bone, codes))
    if len(found) == 0:
        raise ValueError(f"there is no {codes[0].name.lower()} to lay soft tissue around")
    return np.asarray(found * mm + origin)


def _sided(
    bone: NDArray[np.uint8],
    origin: FloatArray,
    mm: float,
    codes: tuple[Structure, ...],
    middle: float,
) -> FloatArray:
    """Points (n, 3) with the right side mirrored onto the left."""
    points = _points(bone, origin, mm, codes)
    points[:, 0] = np.abs(points[:, 0] - middle)
    return points


def _endplate_z(bone: NDArray[np.uint8], origin: FloatArray, mm: float) -> float:
    """The mean height at which a disc lies on the sacrum; without one, the sacrum's top less its
    articular processes' usual height."""
    below, above = bone[:, :, :-1] == Structure.SACRUM, bone[:, :, 1:] == Structure.DISC
    met = np.nonzero(below & above)[2]
    if len(met):
        return float(origin[2] + mm * (met.mean() + 0.5))
    top = np.flatnonzero((bone == Structure.SACRUM).any(axis=(0, 1)))[-1]
    return float(origin[2] + mm * top - 25.0)  # form


def _line(
    points: FloatArray, z: FloatArray, mm: float, pick: Callable[[FloatArray], float]
) -> FloatArray:
    """y of the outermost of `points` in every slice z, smoothed over 9 mm, held on at the ends."""
    rows = np.rint((points[:, 2] - z[0]) / mm).astype(int)
    known = np.unique(rows)
    value = np.array([pick(points[rows == row, 1]) for row in known])
    whole = np.interp(np.arange(len(z)), known, value)
    return np.asarray(ndimage.gaussian_filter1d(whole, 3.0 / mm, mode="nearest"))


def wing_maps(site: Site) -> tuple[Array, Array]:
    """How far aside the hip bones' outer and inner surfaces lie: two (n, m, l) arrays that differ
    by side only, mm; carried on from the nearest row where a row (y, z) meets no hip."""
    outer, inner = [], []
    for code, sign in zip(_HIPS, (1.0, -1.0), strict=True):
        hip = site.bone == code
        some = hip.any(axis=0)
        first, last = hip.argmax(axis=0), len(site.x) - 1 - hip[::-1].argmax(axis=0)
        far, near = (last, first) if sign > 0 else (first, last)
        outer.append(_carried(np.abs(site.x)[far], some))
        inner.append(_carried(np.abs(site.x)[near], some))
    left = (site.x > 0)[:, None, None]
    return np.where(left, outer[0], outer[1]), np.where(left, inner[0], inner[1])


def _carried(values: Array, known: NDArray[np.bool_]) -> Array:
    near = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(ndimage.gaussian_filter(values[tuple(near)], 1.2), np.float32)
