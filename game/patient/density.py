"""Hounsfield units where there is no CT: a shell of cortex, trabecular bone by place, soft tissue.

Trabecular bone has published healthy values by region (Nakamura 2020), scaled by the patient's
lumbar value, which is drawn for the bone quality: controls 105.7+-27.7, insufficiency fractures
44.8+-18.3 (Andresen 2025). Below 100 HU in L5 the alae hold voids of negative values lateral to the
foramina, S1-S3 (Wagner 2016). All facts/anatomy.md. Age and sex act through the quality only: the
facts give no slope for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import FloatArray, Grid
from game.patient.cortex import OTHER_BONES_MM, THICKER
from game.patient.distance import on_grid
from game.patient.iliac_cortex import MOST_MM, Ridges
from game.patient.patient import Landmark, Side, Structure
from game.patient.resample import BODY_MM, Body
from game.patient.traits import Quality, Traits

HEALTHY_LUMBAR_HU = 105.7  # Andresen 2025, controls
# L5, HU: mean, standard deviation, least and most. Mean and SD of Andresen 2025 at both ends, the
# middle between them; the limits keep normal bone above Wagner's 100 HU and are project choices.
LUMBAR: Mapping[Quality, tuple[float, float, float, float]] = {
    "normal": (105.7, 27.7, 100.0, 133.4),
    "osteopenic": (75.0, 23.0, 66.0, 95.0),
    "osteoporotic": (44.8, 18.3, 26.5, 63.1),
}
VOID_BELOW_HU, VOID_WHOLE_HU = (
    100.0,
    60.0,
)  # of L5: Wagner 2016; below which a void is whole: project choice
S1_BODY, S2_BODY = 280.0, 192.0  # healthy HU, Nakamura 2020
S1_ALA, S2_ALA = 103.0, 60.0  # healthy, derived from the same
S1_ILIUM, S2_ILIUM = 255.0, 230.0  # healthy, Nakamura 2020
LOW_SACRUM_HU = 60.0  # S3 and below, healthy; as the ala at S2, no better source
FEMUR_HU = 210.0  # healthy; project choice: near the ilium's
VOID_HU = -30.0  # "negative": Wagner 2016; the number is a project choice
VOID_UNDER_MM = (1.5, 4.5)  # below the cortex: where a void begins and is whole; project choice
CORTEX_HU: Mapping[Quality, float] = {
    "normal": 1400.0,
    "osteopenic": 1250.0,
    "osteoporotic": 1100.0,
}
# the thinner, the more porous; dense bone has about 1500; project choices
TEXTURE_HU = (
    28.0  # standard deviation of the trabecular texture from TEXTURE_AT_HU on; project choice
)
TEXTURE_AT_HU = 45.0  # below it, as the square root of the bone that is left: a void has none
TEXTURE_MM = (0.9, 0.9, 1.8)  # its grain (sigma), longer along the load; project choice
PATCHES, PATCH_MM = 0.2, 2.5  # share of its variance in broad patches, and their grain
MOTTLE_HU = 7.0  # standard deviation in soft tissue; project choice
JOINT_MM = 5.0  # sacrum to hip where cartilage lies between: 2-4 mm [U], and rounding
TISSUE_HU: Mapping[Structure, float] = {
    Structure.AIR: -1000.0,
    Structure.SKIN: 30.0,
    Structure.FAT: -100.0,
    Structure.MUSCLE: 50.0,
    Structure.DISC: 80.0,  # also cartilage
    Structure.GAS: -1000.0,
    Structure.METAL: 3000.0,
    Structure.BOWEL: 28.0,
    Structure.URINE: 6.0,
    Structure.CALCIFICATION: 900.0,
}  # textbook CT numbers, rounded
_TILE = 96  # voxels of the texture's repeating block
_SLAB = 32  # planes of a bone that are drawn at a time
_HIPS = (Structure.HIP_LEFT, Structure.HIP_RIGHT)
_SIDE: Mapping[Structure, Side] = {Structure.HIP_LEFT: "left", Structure.HIP_RIGHT: "right"}
_BONES = (
    Structure.SACRUM,
    *_HIPS,
    Structure.L5,
    Structure.SPINE,
    Structure.FEMUR_LEFT,
    Structure.FEMUR_RIGHT,
)


def lumbar_hounsfield(traits: Traits) -> float:
    """The patient's trabecular HU in L5: drawn by the seed, a template's the mean within limits."""
    mean, spread, least, most = LUMBAR[traits.quality]
    if traits.template:
        return min(max(mean, least), most)
    drawn = np.random.default_rng([traits.seed, 0x4055]).normal(mean, spread, 64)
    return float(drawn[(drawn >= least) & (drawn <= most)][0])


@dataclass(frozen=True, eq=False)
class Levels:
    """The sacrum's lengthwise coordinate: `along` (3,), a unit vector from the S1 endplate's centre
    (the origin) to between the S3 foramina; how far along it the foramina S1-S4 lie, and how far
    from the midline, mm; `left` (3,) points to the patient's left."""

    along: FloatArray
    left: FloatArray
    foramina: FloatArray
    aside: FloatArray

    @staticmethod
    def of(landmarks: Mapping[str, Landmark], axes: FloatArray) -> Levels:
        """From the foramina's centres, LPS mm; `axes` (3, 3) are the patient's own."""
        left, right = (
            np.array([landmarks[f"foramen_s{n}_{side}"].point for n in range(1, 5)])
            for side in ("left", "right")
        )
        middle = 0.5 * (left + right)
        along = middle[2] - (middle[2] @ axes[0]) * axes[0]
        along /= np.linalg.norm(along)
        apart = 0.5 * ((left - right) @ axes[0])
        return Levels(along, axes[0], middle @ along, apart)


def drawn_hounsfield(
    body: Body,
    levels: Levels,
    cortex: NDArray[np.float32],
    bone: Grid,
    traits: Traits | None = None,
    ridges: Mapping[Side, Ridges] | None = None,
) -> NDArray[np.int16]:
    """HU [x, y, z] on the body grid, whose origin is the S1 endplate's centre; `cortex` lies on
    `bone`, and `ridges` say where the hip bones' is thick. Cartilage is written into the body's
    structures first. Equal traits give equal HU."""
    asked = traits or Traits()
    _lay_cartilage(body)
    table = np.full(max(Structure) + 1, TISSUE_HU[Structure.MUSCLE], np.float32)
    for code, value in TISSUE_HU.items():
        table[code] = value
    texture = _texture(asked.seed)
    hounsfield = np.empty(body.grid.shape, np.float32)
    _draw_soft(body.structures, body.depth, table, np.float32(MOTTLE_HU) * texture, hounsfield)
    for code in _BONES:
        if code in body.levels:
            thick = _Thick(cortex, bone, ridges or {}, asked.quality)
            _draw_bone(hounsfield, code, body, levels, thick, asked, texture)
    return np.rint(hounsfield, out=hounsfield).astype(np.int16)


def _lay_cartilage(body: Body) -> None:
    """Writes DISC between sacrum and hip where they come as near as a joint's surfaces."""
    part, sacrum = body.levels[Structure.SACRUM]
    at = _slices(body.grid, part)
    for code in _HIPS:
        if code not in body.levels:
            continue
        own, level = body.levels[code]
        hip = on_grid(level, own.origin, (own.spacing,) * 3, part)
        joint = (sacrum > 0) & (hip > 0) & (sacrum + hip < JOINT_MM)
        body.structures[at][joint] = Structure.DISC


def _slices(grid: Grid, part: Grid) -> tuple[slice, ...]:
    first = np.rint(grid.index_from_point(np.array(part.origin))).astype(int)
    return tuple(slice(int(f), int(f) + n) for f, n in zip(first, part.shape, strict=True))


@dataclass(frozen=True, eq=False)
class _Thick:
    """How thick each bone's cortex is: the sacrum's field on its grid, the hip bones' lines."""

    field: NDArray[np.float32]
    grid: Grid
    ridges: Mapping[Side, Ridges]
    quality: Quality

    def sacrum(self, part: Grid) -> NDArray[np.float32]:
        """mm, on a part of the body's grid."""
        return on_grid(self.field, self.grid.origin, (self.grid.spacing,) * 3, part)

    def other(
        self, code: Structure, points: FloatArray, depth: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """mm (n,), at LPS points (n, 3) of another bone, `depth` (n,) mm from its surface; a hip
        bone's usual thickness where no cortex reaches."""
        thick = np.full(len(points), THICKER[self.quality] * OTHER_BONES_MM, np.float32)
        ridges = self.ridges.get(_SIDE[code]) if code in _SIDE else None
        if ridges is not None:
            under = depth > -MOST_MM - BODY_MM
            thick[under] = ridges.thickness(points[under], self.quality)
        return thick


def _draw_bone(
    hounsfield: NDArray[np.float32],
    code: Structure,
    body: Body,
    levels: Levels,
    cortex: _Thick,
    traits: Traits,
    texture: NDArray[np.float32],
) -> None:
    """Blends shell and marrow over `hounsfield` by the share of each voxel that they fill."""
    part, level = body.levels[code]
    at = _slices(body.grid, part)
    near = (level < 0.5 * part.spacing) & (level <= body.depth[at] + 1e-3)
    field = cortex.sacrum(part) if code == Structure.SACRUM else None
    lumbar, dense = lumbar_hounsfield(traits), CORTEX_HU[traits.quality]
    for first in range(0, part.shape[0], _SLAB):
        some = slice(first, first + _SLAB)
        depth, index = level[some][near[some]], np.stack(np.nonzero(near[some]), axis=1)
        index[:, 0] += first
        points = index * part.spacing + part.origin
        shell = cortex.other(code, points, depth) if field is None else field[some][near[some]]
        half = 0.5 * part.spacing
        inside = np.clip((half - depth) / part.spacing, 0, 1)
        deep = np.clip((half - depth - shell) / part.spacing, 0, 1)
        marrow = marrow_hounsfield(code, points, -depth - shell, levels, lumbar)
        left = np.clip((marrow - VOID_HU) / (TEXTURE_AT_HU - VOID_HU), 0.0, 1.0)
        grain = texture[tuple((index + [s.start for s in at]).T % _TILE)]
        marrow = marrow + (MOTTLE_HU + (TEXTURE_HU - MOTTLE_HU) * np.sqrt(left)) * grain
        here = hounsfield[at][some]
        here[near[some]] = here[near[some]] * (1 - inside) + dense * (inside - deep) + marrow * deep


def marrow_hounsfield(
    code: Structure, points: FloatArray, under: FloatArray, levels: Levels, lumbar: float
) -> FloatArray:
    """Trabecular HU (n,) of bone `code` without texture at LPS points (n, 3), mm from the S1
    endplate's centre, that lie `under` (n,) mm below its cortex, for `lumbar` HU in L5."""
    ratio = lumbar / HEALTHY_LUMBAR_HU
    if code in (Structure.L5, Structure.SPINE):
        return np.full(len(points), lumbar)
    if code in (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT):
        return np.full(len(points), ratio * FEMUR_HU)
    down, s = points @ levels.along, levels.foramina
    bodies = [0.5 * s[0], 0.5 * (s[0] + s[1]), 0.5 * (s[1] + s[2])]  # the middles of S1 to S3
    if code in _HIPS:
        return ratio * np.interp(down, bodies[:2], [S1_ILIUM, S2_ILIUM])
    middle = np.interp(down, bodies, [S1_BODY, S2_BODY, LOW_SACRUM_HU])
    ala = np.interp(down, bodies[:2], [S1_ALA, S2_ALA])
    share = np.clip((VOID_BELOW_HU - lumbar) / (VOID_BELOW_HU - VOID_WHOLE_HU), 0.0, 1.0) ** 2
    share = share * np.interp(under, VOID_UNDER_MM, [0.0, 1.0])
    share = share * np.interp(down, [s[2], s[2] + 10.0], [1.0, 0.0])
    ala = ratio * ala + share * (VOID_HU - ratio * ala)
    beside = np.abs(points @ levels.left) - np.interp(down, s, levels.aside)
    lateral = np.interp(beside, [-6.0, 4.0], [0.0, 1.0])
    return np.asarray(ratio * middle + lateral * (ala - ratio * middle))


def _texture(seed: int) -> NDArray[np.float32]:
    """A repeating block of noise, fine grain on broad patches, mean 0 and standard deviation 1."""
    random = np.random.default_rng([seed, 0x7E])
    made = np.zeros((_TILE,) * 3, np.float32)
    for share, grain in ((1.0 - PATCHES, TEXTURE_MM), (PATCHES, (PATCH_MM,) * 3)):
        noise = random.standard_normal(made.shape, np.float32)
        smooth = ndimage.gaussian_filter(noise, grain, mode="wrap")
        made += np.sqrt(share) * (smooth - smooth.mean()) / smooth.std()
    return np.asarray(made / made.std(), np.float32)


_NO_MOTTLE = (int(Structure.AIR), int(Structure.GAS))


@njit(nogil=True, cache=True)
def _draw_soft(structures, depth, table, mottle, out):  # type: ignore[no-untyped-def]
    """Each structure's HU by `table` into `out`; outside bone with a tiled `mottle`, air and gas
    without."""
    side = len(mottle)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                code = structures[i, j, k]
                value = table[code]
                if depth[i, j, k] > 0 and code != _NO_MOTTLE[0] and code != _NO_MOTTLE[1]:
                    value += mottle[i % side, j % side, k % side]
                out[i, j, k] = value
