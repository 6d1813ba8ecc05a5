"""The sacrum on its fine grid, and the hip bones seated on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import SIDES, Side
from game.patient.procedural import hips
from game.patient.procedural.bent import Bent
from game.patient.procedural.draw import Measures
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.pose import Flank, Pose, poses
from game.patient.procedural.sacrum import sacrum
from game.patient.procedural.sampling import Bone, bone_of, part_between
from game.patient.procedural.solids import Array, smooth_max
from game.patient.redistance import redistanced
from game.patient.resample import BONE_MM, MARGIN_MM, VENTRAL_MM
from game.patient.traits import Traits

# the widest box a sacrum with its coccyx may fill, mm from the S1 endplate's centre
SACRUM_LOW, SACRUM_HIGH = np.array([-80.0, -40.0, -150.0]), np.array([80.0, 110.0, 50.0])
SEARCH_MM = 3.0  # step at which the box that it does fill is looked for
HIP_MARGIN_MM = np.array([22.0, 30.0, 26.0])  # around a hip bone's named points
CRUMB_ML = 0.1  # bone of its own that is smaller is none (form)
SYMPHYSIS_HALF_MM = 2.2  # of a gap of 4-5 mm (textbook)
SIGN: Mapping[Side, float] = {"left": 1.0, "right": -1.0}


def axes_of(grid: Grid) -> tuple[Array, Array, Array]:
    """The voxel centres' coordinates, mm, float32."""
    x, y, z = (axis.astype(np.float32) for axis in grid.axes())
    return x, y, z


def sacral_bone(parameters: Parameters, bent: Bent) -> Bone:
    """The sacrum's true distance on the bone grid that a patient has around it."""
    count = np.ceil((SACRUM_HIGH - SACRUM_LOW) / SEARCH_MM).astype(int) + 1
    x, y, z = (float(v) for v in SACRUM_LOW)
    rough = Grid((x, y, z), SEARCH_MM, (int(count[0]), int(count[1]), int(count[2])))
    inside = np.argwhere(sacrum(parameters, bent, *axes_of(rough)).values < 1.0)
    low, high = (rough.point_from_index(at) for at in (inside.min(axis=0), inside.max(axis=0)))
    x, y, z = (float(v) for v in BONE_MM * np.floor((SACRUM_LOW - 40.0) / BONE_MM))
    fine = np.ceil((SACRUM_HIGH + 40.0 - (x, y, z)) / BONE_MM).astype(int)
    lattice = Grid((x, y, z), BONE_MM, (int(fine[0]), int(fine[1]), int(fine[2])))
    before = np.array([MARGIN_MM, VENTRAL_MM, MARGIN_MM])
    grid = part_between(lattice, low - before, high + MARGIN_MM)
    field = sacrum(parameters, bent, *axes_of(grid)).values
    return Bone(grid, redistanced(_in_one_piece(field), BONE_MM))


def _in_one_piece(field: FloatArray) -> FloatArray:
    """A field, negative inside, without the crumbs that two cuts near one another leave between."""
    parts, _ = ndimage.label(field < 0)
    sizes = np.bincount(parts.ravel())
    crumbs = (sizes < CRUMB_ML * 1000.0 / BONE_MM**3) & (np.arange(len(sizes)) > 0)
    return np.where(crumbs[parts], -field, field) if crumbs.any() else field


def placed(traits: Traits, measures: Measures, slope: float, sacral: Bone) -> Mapping[Side, Pose]:
    """Both hip bones' poses on this sacrum; `slope` of its S1 endplate, degrees, prone LPS."""
    return poses(traits, measures, slope, {side: _flank(sacral, SIGN[side]) for side in SIDES})


def _flank(sacral: Bone, sign: float) -> Flank:
    """How far the sacrum reaches to one side at (y, z); where it is not, the nearest place's."""
    x, y, z = sacral.grid.axes()
    own = sign * x > 0
    out = np.abs(x[own])[:, None, None] - sacral.field[own]  # the last voxel inside, and its depth
    reach = np.where(sacral.field[own] < 0, out, 0.0).max(axis=0)
    at = np.argwhere(reach > 20.0)
    places = np.column_stack((y[at[:, 0]], z[at[:, 1]]))

    def read(behind: float, up: float) -> float:
        near = np.linalg.norm(places - (behind, up), axis=1)
        close = at[near <= near.min() + 2.0]
        return float(reach[close[:, 0], close[:, 1]].mean())

    return read


def hip_bone(side: Side, pose: Pose, sacral: Bone, lattice: Grid) -> Bone:
    """One hip bone on its part of the lattice."""
    sign = np.float32(SIGN[side])
    joint = hips.auricle(pose.auricular, pose.fall)

    def solid(x: Array, y: Array, z: Array) -> Array:
        aside = sign * x
        outside = joint(*pose.on_endplate(y, z))
        bone = hips.solid(*pose.model(aside, y, z), sacral.at(x, y, z), outside, pose.gap)
        return smooth_max(bone, np.float32(SYMPHYSIS_HALF_MM) - aside, 1.0)

    low, high = _box(pose, SIGN[side])
    bone = bone_of(solid, lattice, low, high)
    near = part_between(lattice, *_ends(sacral.grid))
    _without_islands(bone, near)
    return bone


def _ends(grid: Grid) -> tuple[FloatArray, FloatArray]:
    return np.array(grid.origin), grid.point_from_index(np.array(grid.shape) - 1.0)


def _without_islands(bone: Bone, near: Grid) -> None:
    """What the sacrum cuts off a hip bone goes, in place: pieces that lie wholly inside the part
    `near` of its lattice."""
    first = np.rint(bone.grid.index_from_point(np.array(near.origin))).astype(int)
    last = np.minimum(first + near.shape, bone.grid.shape)
    block = bone.field[
        tuple(slice(max(int(a), 0), int(b)) for a, b in zip(first, last, strict=True))
    ]
    pieces, count = ndimage.label(block < 0)
    sides = [pieces[[0, -1]], pieces[:, [0, -1]], pieces[:, :, [0, -1]]]
    held = np.zeros(count + 1, bool)
    for side in sides:
        held[np.unique(side)] = True
    held[0] = True
    np.abs(block, out=block, where=~held[pieces])


def _box(pose: Pose, sign: float) -> tuple[FloatArray, FloatArray]:
    points = np.array([pose.place(name) for name in pose.places])
    low, high = points.min(axis=0) - HIP_MARGIN_MM, points.max(axis=0) + HIP_MARGIN_MM
    across = (max(float(low[0]), 0.0), float(high[0]))
    low[0], high[0] = across if sign > 0 else (-across[1], -across[0])
    return low, high
