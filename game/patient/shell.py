"""The cortex that a coarse CT has averaged away, put back as a thin shell of the same mass.

At 3 mm a cortex of 1-2 mm is smeared over two voxels. Beside each bone surface the smear is taken
off (soft tissue outside and marrow inside are carried to the surface from where it does not reach),
and what was taken off goes into the shell, averaged over a few mm along the surface: so the CT's
own mass is kept, and a thick or dense cortex stays denser than a thin one.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import Grid
from game.patient.cortex import OTHER_BONES_MM
from game.patient.distance import on_grid
from game.patient.patient import Structure
from game.patient.resample import BODY_MM, Body

COARSE_MM = 1.5  # a CT with voxels beyond this does not resolve the cortex; project choice
SMEAR = (
    1.0,
    1.5,
)  # voxels of the CT beside a surface: all is smear up to the first, nothing beyond
# the second. An edge is averaged over half a voxel and read linearly over one more to each side.
ALONG_MM = 4.0  # sigma over which the smear's mass is averaged along the surface; project choice
LEAST_HU, MOST_HU = 300.0, 1600.0  # of the shell above what lies beside it; project choice
METAL_GAP_MM = 4.0  # so near to metal the CT stays as it is
NOTE = (
    "the CT's voxels are {0:g} mm: the cortex, which they average away, is drawn anew as a shell "
    "of assumed thickness with the mass that the CT shows beside each bone surface"
)
_SLAB = 32  # planes that are made at a time
_SKIP = 2  # the smooth fields are made at every second voxel


def shelled(
    body: Body, cortex: NDArray[np.float32], bone: Grid, spacing: float
) -> NDArray[np.int16]:
    """HU [x, y, z] on the body grid: the CT's, with its bones' cortex as a shell.

    `spacing` is the CT's coarsest, mm; `cortex` (thickness, mm) lies on `bone`. Raises ValueError
    where the body has no CT."""
    if body.hounsfield is None:
        raise ValueError("a shell is put into a CT; this body has none")
    thick = _thickness(body, cortex, bone)
    fields = _fields(body, body.hounsfield, thick, spacing)
    usual = ~_beside_metal(body) & (body.depth < (SMEAR[1] + 1) * spacing)
    made = body.hounsfield.copy()
    for at in _slabs(made.shape[0]):
        real, depth = made[at].astype(np.float32), body.depth[at]
        x, y, z = body.grid.point_from_index(np.array([at.start, 0, 0]))
        shape = (len(real), *made.shape[1:])
        slab = Grid((float(x), float(y), float(z)), body.grid.spacing, shape)
        marrow, soft, dense = (_read(field, body.grid, slab) for field in fields)
        bare = _bare(real, depth, marrow, soft, spacing)
        drawn = bare + dense * _shell_share(depth, thick[at])
        made[at][usual[at]] = np.rint(drawn[usual[at]]).astype(np.int16)
    return made


def _slabs(count: int) -> list[slice]:
    """Runs of about `_SLAB` planes that cover `count`, none of them a single plane."""
    edges = list(range(0, max(count - 1, 1), _SLAB))
    return [slice(a, b) for a, b in pairwise([*edges, count])]


def _fields(
    body: Body, hounsfield: NDArray[np.int16], thick: NDArray[np.float32], spacing: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Marrow and soft tissue carried everywhere, and the shell's HU above them, at every second
    voxel."""
    thin = (slice(None, None, _SKIP),) * 3
    real, depth = hounsfield[thin].astype(np.float32), body.depth[thin]
    structures, high = body.structures[thin], SMEAR[1] * spacing
    clean = structures != Structure.METAL
    tissue = clean & (depth > high) & (depth < 5 * high) & (structures > Structure.SKIN)
    marrow, soft = _carried(real, clean & (depth < -high)), _carried(real, tissue)
    usual = clean & (depth < high)
    smear = real - _bare(real, depth, marrow, soft, spacing)
    sigma = ALONG_MM / (_SKIP * body.grid.spacing)
    mass = ndimage.gaussian_filter(np.where(usual, smear, np.float32(0)), sigma)
    share = np.where(usual, _shell_share(depth, thick[thin]), np.float32(0))
    dense = mass / np.maximum(ndimage.gaussian_filter(share, sigma), 1e-3)
    return marrow, soft, np.clip(dense, LEAST_HU, MOST_HU).astype(np.float32)


def _bare(
    real: NDArray[np.float32],
    depth: NDArray[np.float32],
    marrow: NDArray[np.float32],
    soft: NDArray[np.float32],
    spacing: float,
) -> NDArray[np.float32]:
    """The CT without cortex: marrow inside and soft tissue outside up to the surface itself."""
    low, high = SMEAR[0] * spacing, SMEAR[1] * spacing
    carried = soft + (marrow - soft) * np.clip(0.5 - depth / BODY_MM, 0, 1)
    own = np.clip((np.abs(depth) - low) / (high - low), 0, 1)
    return np.asarray(carried + (real - carried) * own, np.float32)


def _shell_share(depth: NDArray[np.float32], thick: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of each voxel the shell fills, 0 to 1."""
    share = np.clip(0.5 - depth / BODY_MM, 0, 1) - np.clip(0.5 - (depth + thick) / BODY_MM, 0, 1)
    return np.asarray(share, np.float32)


def _thickness(body: Body, cortex: NDArray[np.float32], bone: Grid) -> NDArray[np.float32]:
    """The cortex of the nearest bone, mm, on the body grid."""
    thick = np.full(body.grid.shape, np.float32(OTHER_BONES_MM))
    part, level = body.levels[Structure.SACRUM]
    first = np.rint(body.grid.index_from_point(np.array(part.origin))).astype(int)
    at = tuple(slice(int(f), int(f) + n) for f, n in zip(first, part.shape, strict=True))
    own = level <= body.depth[at] + 1e-3
    thick[at][own] = on_grid(cortex, bone.origin, (bone.spacing,) * 3, part)[own]
    return thick


def _beside_metal(body: Body) -> NDArray[np.bool_]:
    metal = body.structures == Structure.METAL
    if not metal.any():
        return metal
    box = ndimage.find_objects(metal.astype(np.uint8))[0]
    reach = int(METAL_GAP_MM / body.grid.spacing) + 1
    wide = tuple(slice(max(s.start - reach, 0), s.stop + reach) for s in box)
    gap = ndimage.distance_transform_edt(~metal[wide], sampling=body.grid.spacing)
    metal[wide] = gap <= METAL_GAP_MM
    return metal


def _carried(real: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A smooth field of the values `where` true, carried to the rest from the nearest of them;
    0 where there are none."""
    if not where.any():
        return np.zeros_like(real)
    near = ndimage.distance_transform_edt(~where, return_distances=False, return_indices=True)
    return np.asarray(ndimage.gaussian_filter(real[tuple(near)], 1.5), np.float32)


def _read(field: NDArray[np.float32], grid: Grid, slab: Grid) -> NDArray[np.float32]:
    return on_grid(field, grid.origin, (_SKIP * grid.spacing,) * 3, slab)
