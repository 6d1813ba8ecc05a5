"""The embedded patient: a pelvis of the project's own making, from implicit solids.

Bones are signed distances first, each sampled in a box of its own; labels are read off them. The
sacrum comes first, the hips are seated on it, the spine stands on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid
from game.patient.distance import on_grid, surface_points
from game.patient.patient import SIDES, Side, Structure
from game.patient.procedural.bent import Bent
from game.patient.procedural.body import soft_body
from game.patient.procedural.draw import draw
from game.patient.procedural.femur import thigh
from game.patient.procedural.landmarks import landmarks
from game.patient.procedural.pelvis import hip_bone, placed, sacral_bone
from game.patient.procedural.sampling import Bone, part_of, slices_of
from game.patient.procedural.shaping import parameters_of
from game.patient.procedural.spine import lumbar, lumbar_landmarks
from game.patient.redistance import redistanced
from game.patient.segmentation import Bones, Level, Segmentation, Solids
from game.patient.traits import Traits

# the volume's extent, mm from the S1 endplate's centre: L4 to below the lesser trochanters; whole
# steps of 0.75, 1 and 1.5 mm from the midline, so that a symmetric person has symmetric voxels
LOW, HIGH = np.array([-192.0, -150.0, -201.0]), np.array([192.0, 126.0, 90.0])
HIPS: Mapping[Side, Structure] = {"left": Structure.HIP_LEFT, "right": Structure.HIP_RIGHT}
FEMORA: Mapping[Side, Structure] = {"left": Structure.FEMUR_LEFT, "right": Structure.FEMUR_RIGHT}


def procedural(traits: Traits, spacing: float = 0.75) -> Segmentation:
    """The pelvis of a person, voxels of `spacing` mm. Equal traits give equal voxels.

    Raises ValueError for a spacing outside 0.4-3 mm (foramina close above, memory grows below)."""
    if not 0.4 <= spacing <= 3.0:
        raise ValueError(f"spacing is {spacing} mm; it must be 0.4 to 3 mm")
    measures = draw(traits)
    parameters = parameters_of(measures, traits)
    bent = Bent.of(parameters)
    lattice = _lattice(spacing)
    with ThreadPoolExecutor(2) as two:
        sacrum = sacral_bone(parameters, bent)
        poses = placed(traits, measures, parameters.sacral_slope, sacrum)
        both = two.map(lambda side: hip_bone(side, poses[side], sacrum, lattice), SIDES)
        hips = dict(zip(SIDES, both, strict=True))
        column = two.submit(lumbar, measures, parameters, (sacrum, *hips.values()), lattice)
        legs = two.map(lambda side: thigh(side, poses[side], hips[side], lattice), SIDES)
        found = {Structure.SACRUM: sacrum, **{HIPS[side]: hips[side] for side in SIDES}}
        found |= {**dict(zip(FEMORA.values(), legs, strict=True)), **column.result()}
        true = two.map(lambda side: _true(hips[side], sacrum.grid), SIDES)
        bones = _written(np.zeros(lattice.shape, np.uint8), found, lattice)
        codes, origin = soft_body(bones, lattice.origin, spacing, traits)
        hip = dict(zip(SIDES, true, strict=True))
    spine = on_grid(found[Structure.L5].field, *found[Structure.L5].place, sacrum.grid)
    whole = Grid(origin, spacing, (codes.shape[0], codes.shape[1], codes.shape[2]))
    return Segmentation(
        name=f"procedural-{traits.seed}",
        source="procedural",
        origin=origin,
        spacing=(spacing, spacing, spacing),
        structures=codes,
        hounsfield=None,
        known={**landmarks(parameters, bent, poses), **lumbar_landmarks(measures, parameters)},
        notes=(f"procedural pelvis, seed {traits.seed}: no real person's anatomy",),
        solids=Solids(_bones(sacrum, hip, spine), _levels(found, whole)),
    )


def _lattice(spacing: float) -> Grid:
    x, y, z = (int(n) for n in np.ceil((HIGH - LOW) / spacing) + 1)
    return Grid((float(LOW[0]), float(LOW[1]), float(LOW[2])), spacing, (x, y, z))


Hip = tuple[NDArray[np.float32], tuple[FloatArray, FloatArray]]


def _true(bone: Bone, grid: Grid) -> Hip:
    """A bone's true distance on `grid`, and its surface's points and normals there."""
    distance = redistanced(on_grid(bone.field, *bone.place, grid), grid.spacing)
    return distance, surface_points(distance, (grid.spacing,) * 3)


def _bones(sacrum: Bone, hips: Mapping[Side, Hip], spine: NDArray[np.float32]) -> Bones:
    distance = {side: hip[0] for side, hip in hips.items()}
    surface = {side: hip[1] for side, hip in hips.items()}
    return Bones(sacrum.grid, sacrum.field, distance, spine, surface)


def _written(
    codes: NDArray[np.uint8], found: Mapping[Structure, Bone], lattice: Grid
) -> NDArray[np.uint8]:
    """`codes` with the bones written over them, discs first; they keep off each other."""
    for code in sorted(found, key=lambda code: code != Structure.DISC):
        bone = found[code]
        part = part_of(lattice, bone.grid)
        inside = bone.field < 0 if part == bone.grid else on_grid(bone.field, *bone.place, part) < 0
        codes[slices_of(lattice, part)][inside] = code
    return codes


def _levels(found: Mapping[Structure, Bone], lattice: Grid) -> Mapping[Structure, Level]:
    """All but the sacrum, which has a grid of its own, as the segmentation's levels."""
    levels: dict[Structure, Level] = {}
    for code, bone in found.items():
        if code != Structure.SACRUM:
            x, y, z = slices_of(lattice, bone.grid)
            levels[code] = Level((x.start, y.start, z.start), bone.field)
    return levels
