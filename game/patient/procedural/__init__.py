"""The embedded patient: a pelvis of the project's own making, from implicit solids.

The model lives in its own axes (patient LPS at size 1); an individual is the model stretched: by
`size` in all, by `breadth` across, and by a little more on one side than on the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from game.patient.patient import Structure
from game.patient.procedural.bent import Bent
from game.patient.procedural.body import soft_body
from game.patient.procedural.hips import hip
from game.patient.procedural.landmarks import landmarks, sides
from game.patient.procedural.parameters import Parameters, parameters_for
from game.patient.procedural.sacrum import sacrum
from game.patient.procedural.solids import FAR, Array
from game.patient.procedural.spine import femur, vertebra
from game.patient.segmentation import Segmentation
from game.patient.traits import Traits

# the volume's extent in model axes, mm: lower L4 to below the lesser trochanters
LOW, HIGH = np.array([-190.0, -150.0, -185.0]), np.array([190.0, 125.0, 75.0])
SACRUM_BOX = ((-66.0, 66.0), (-32.0, 95.0), (-135.0, 36.0))
HIP_BOX = ((-4.0, 145.0), (-98.0, 86.0), (-182.0, 42.0))
SPINE_BOX = ((-55.0, 55.0), (-75.0, 95.0), (-20.0, 80.0))
FEMUR_BOX = ((55.0, 150.0), (-65.0, 15.0), (-190.0, -75.0))

Axes = tuple[Array, Array, Array]
Block = tuple[slice, slice, slice]


def procedural(traits: Traits, spacing: float = 1.0) -> Segmentation:
    """The pelvis of a person, voxels of `spacing` mm. Equal traits give equal voxels.

    Raises ValueError for a spacing outside 0.4-3 mm (foramina close above, memory grows below)."""
    if not 0.4 <= spacing <= 3.0:
        raise ValueError(f"spacing is {spacing} mm; it must be 0.4 to 3 mm")
    parameters = parameters_for(traits.seed)
    bent = Bent.of(parameters)
    scale = np.array([parameters.size * parameters.breadth, parameters.size, parameters.size])
    count = np.ceil((HIGH - LOW) * scale / spacing).astype(int) + 1
    origin = LOW * scale
    axes = _model_axes(parameters, origin, count, spacing)
    bones = np.zeros((len(axes[0]), len(axes[1]), len(axes[2])), np.uint8)
    _put_bones(bones, parameters, bent, axes)
    codes, start = soft_body(
        bones, (float(origin[0]), float(origin[1]), float(origin[2])), spacing, traits
    )
    return Segmentation(
        name=f"procedural-{traits.seed}",
        source="procedural",
        origin=start,
        spacing=(spacing, spacing, spacing),
        structures=codes,
        hounsfield=None,
        known=landmarks(parameters, bent),
        notes=(f"procedural pelvis, seed {traits.seed}: no real person's anatomy",),
    )


def _model_axes(
    parameters: Parameters, origin: NDArray[np.float64], count: NDArray[np.int64], spacing: float
) -> Axes:
    """The voxel-centre coordinates in the model's axes, float32."""
    x, y, z = (o + spacing * np.arange(n) for o, n in zip(origin, count, strict=True))
    left, right = sides(parameters)
    x = np.where(x > 0, x / left, x / right)
    return (
        x.astype(np.float32),
        (y / parameters.size).astype(np.float32),
        (z / parameters.size).astype(np.float32),
    )


def _put_bones(codes: NDArray[np.uint8], parameters: Parameters, bent: Bent, axes: Axes) -> None:
    """Write discs, vertebrae, hips, femora and the sacrum, in place."""
    field = np.full(codes.shape, FAR, np.float32)
    at = _block(axes, SACRUM_BOX)
    field[at] = sacrum(parameters, bent, *_cut(axes, at)).values
    _put_spine(codes, parameters, axes)
    for sign, bone, thigh in (
        (1.0, Structure.HIP_LEFT, Structure.FEMUR_LEFT),
        (-1.0, Structure.HIP_RIGHT, Structure.FEMUR_RIGHT),
    ):
        own = (np.float32(sign) * axes[0], axes[1], axes[2])
        at = _block(own, FEMUR_BOX)
        codes[at][femur(parameters, *_cut(own, at)) < 0] = thigh
        at = _block(own, HIP_BOX)
        codes[at][hip(parameters, *_cut(own, at), field[at]) < 0] = bone
    codes[field < 0] = Structure.SACRUM


def _put_spine(codes: NDArray[np.uint8], parameters: Parameters, axes: Axes) -> None:
    at = _block(axes, SPINE_BOX)
    own = _cut(axes, at)
    for level, code in ((1, Structure.SPINE), (0, Structure.L5)):
        bone, disc = vertebra(parameters, level, *own)
        codes[at][disc < 0] = Structure.DISC
        codes[at][bone.values < 0] = code


def _block(axes: Axes, box: tuple[tuple[float, float], ...]) -> Block:
    """The slices of the voxels inside a box."""
    parts = []
    for axis, (low, high) in zip(axes, box, strict=True):
        where = np.flatnonzero((axis >= low) & (axis <= high))
        parts.append(slice(int(where[0]), int(where[-1]) + 1))
    return parts[0], parts[1], parts[2]


def _cut(axes: Axes, at: Block) -> Axes:
    return axes[0][at[0]], axes[1][at[1]], axes[2][at[2]]
