"""Hounsfield units where there is no CT: a shell of cortex, trabecular bone by place, soft tissue.

The default patient has the osteoporosis of an insufficiency fracture: healthy trabecular values
times 44.8 / 105.7, the lumbar ratio of fracture patients to controls (Andresen 2025), and a void of
negative values in the alae lateral to the foramina, S1-S3 (Wagner 2016); all facts/anatomy.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import FloatArray, Grid
from game.patient.cortex import OTHER_BONES_MM
from game.patient.distance import on_grid
from game.patient.patient import Structure
from game.patient.resample import Body

OSTEOPOROSIS = 44.8 / 105.7  # Andresen 2025
S1_BODY, S2_BODY, ILIUM = 280.0, 192.0, 240.0  # healthy HU, Nakamura 2020; ilium 255 and 230
LUMBAR_HU = 44.8  # Andresen 2025, fracture patients
VOID_HU = -30.0  # "negative": Wagner 2016; the number is a project choice
LOW_SACRUM_HU = 60.0  # S3 and below; healthy ala at S2 (Nakamura 2020), no better source
FEMUR_HU = 90.0  # project choice: near the ilium's
CORTEX_HU = 1100.0  # thin cortex of osteoporosis, below dense bone's 1500; project choice
TEXTURE_HU = 28.0  # standard deviation of the trabecular texture; project choice
TEXTURE_MM = 1.0  # its grain (sigma): about a trabecular spacing
MOTTLE_HU = 7.0  # standard deviation in soft tissue; project choice
TISSUE_HU: Mapping[Structure, float] = {
    Structure.AIR: -1000.0,
    Structure.SKIN: 30.0,
    Structure.FAT: -100.0,
    Structure.MUSCLE: 50.0,
    Structure.DISC: 80.0,
    Structure.GAS: -1000.0,
    Structure.METAL: 3000.0,
}  # textbook CT numbers, rounded
_TILE = 96  # voxels of the texture's repeating block
_BONES = (
    Structure.SACRUM,
    Structure.HIP_LEFT,
    Structure.HIP_RIGHT,
    Structure.L5,
    Structure.SPINE,
    Structure.FEMUR_LEFT,
    Structure.FEMUR_RIGHT,
)


def drawn_hounsfield(
    body: Body, axes: FloatArray, cortex: NDArray[np.float32], bone: Grid, seed: int = 1
) -> NDArray[np.int16]:
    """HU [x, y, z] on the body grid, whose origin is the S1 endplate's centre; `axes` (3, 3) are
    the patient's own; `cortex` lies on `bone`. The same seed gives the same texture."""
    table = np.full(max(Structure) + 1, TISSUE_HU[Structure.MUSCLE], np.float32)
    for code, value in TISSUE_HU.items():
        table[code] = value
    hounsfield = table[body.structures]
    texture = _texture(seed)
    _add_tiled(hounsfield, texture, (body.structures > Structure.AIR) & (body.depth > 0), MOTTLE_HU)
    for code in _BONES:
        if code in body.levels:
            _draw_bone(hounsfield, code, body, axes, cortex, bone, texture)
    return np.rint(hounsfield).astype(np.int16)


def _draw_bone(
    hounsfield: NDArray[np.float32],
    code: Structure,
    body: Body,
    axes: FloatArray,
    cortex: NDArray[np.float32],
    bone: Grid,
    texture: NDArray[np.float32],
) -> None:
    """Blends shell and marrow over `hounsfield` by the share of each voxel that they fill."""
    part, level = body.levels[code]
    first = np.rint(body.grid.index_from_point(np.array(part.origin))).astype(int)
    at = tuple(slice(int(f), int(f) + n) for f, n in zip(first, part.shape, strict=True))
    near = (level < 0.5 * part.spacing) & (level <= body.depth[at] + 1e-3)
    depth = level[near]
    shell = np.full(depth.shape, OTHER_BONES_MM, np.float32)
    if code == Structure.SACRUM:
        step = (bone.spacing,) * 3
        shell = on_grid(cortex, bone.origin, step, part)[near]
    half = 0.5 * part.spacing
    inside = np.clip((half - depth) / part.spacing, 0, 1)
    deep = np.clip((half - depth - shell) / part.spacing, 0, 1)
    where = np.nonzero(near)
    grain = texture[tuple((w + f) % _TILE for w, f in zip(where, first, strict=True))]
    marrow = _marrow(code, np.stack(where, axis=1) * part.spacing + part.origin, axes)
    marrow = marrow + TEXTURE_HU * grain
    here = hounsfield[at]
    here[near] = here[near] * (1 - inside) + CORTEX_HU * (inside - deep) + marrow * deep


def _marrow(code: Structure, points: FloatArray, axes: FloatArray) -> FloatArray:
    """Trabecular HU (n,) at LPS points (n, 3), mm, from the S1 endplate's centre."""
    if code in (Structure.L5, Structure.SPINE):
        return np.full(len(points), LUMBAR_HU)
    if code in (Structure.HIP_LEFT, Structure.HIP_RIGHT):
        return np.full(len(points), OSTEOPOROSIS * ILIUM)
    if code in (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT):
        return np.full(len(points), FEMUR_HU)
    own = points @ axes.T
    aside, down = np.abs(own[:, 0]), -own[:, 2]
    body = OSTEOPOROSIS * np.interp(down, [10.0, 45.0], [S1_BODY, S2_BODY])
    body = np.interp(down, [55.0, 75.0], [1.0, 0.0]) * (body - LOW_SACRUM_HU) + LOW_SACRUM_HU
    # lateral to the foramina (S1 centres lie 23 mm from the midline, facts), above S3's end
    share = np.interp(aside, [18.0, 28.0], [0.0, 1.0]) * np.interp(down, [55.0, 75.0], [1.0, 0.0])
    return np.asarray(body + share * (VOID_HU - body))


def _texture(seed: int) -> NDArray[np.float32]:
    """A repeating block of smooth noise, mean 0 and standard deviation 1."""
    noise = np.random.default_rng(seed).standard_normal((_TILE,) * 3).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, TEXTURE_MM, mode="wrap")
    made: NDArray[np.float32] = (smooth / smooth.std()).astype(np.float32)
    return made


def _add_tiled(
    volume: NDArray[np.float32],
    texture: NDArray[np.float32],
    where: NDArray[np.bool_],
    scale: float,
) -> None:
    across = np.ix_(np.arange(volume.shape[1]) % _TILE, np.arange(volume.shape[2]) % _TILE)
    for i in range(volume.shape[0]):
        volume[i] += np.where(where[i], np.float32(scale) * texture[i % _TILE][across], 0)
