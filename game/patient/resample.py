"""A segmentation on its own grid -> signed distances around the sacrum, and a body at 1 mm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import FloatArray, Grid, Point
from game.patient.distance import Distance, distance_of, on_grid, surface_points
from game.patient.errors import PatientError
from game.patient.patient import SIDES, Side, Structure
from game.patient.redistance import redistanced
from game.patient.segmentation import Bones, Level, Segmentation
from game.patient.soft_tissue import BODY_HU, FAT_HU

BONE_MM = 0.75  # voxel of the bone grid; DESIGN.md's cement grid
BODY_MM = 1.0  # voxel of the body grid
MARGIN_MM = 14.0  # of the bone grid around the sacrum: SI joints, L5, the dorsal muscles' entry
VENTRAL_MM = 26.0  # before it: a promontory whose label was drawn as spine lies up to 15 mm ahead
ABOVE_MM, BELOW_MM = 130.0, 150.0  # of the body grid from S1: a lateral picture's field
SKIN_MM = 2.0  # thickness of the skin; project choice
_S1_BELOW_MM, _S1_ABOVE_MM = 45.0, 15.0  # S1 endplate from the top of the sacrum's label, at most
_PAD_MM = 9.0  # around a structure's box, so that its distance is seen on both sides
FINE_MM = 1.6  # a source without a CT whose codes are taken as they are; project choice
_COARSE_MM = 3.0  # soft tissue is taken at about this step: its borders need no more
METAL_HU = 1800  # as the importer's

_HIP: Mapping[Side, Structure] = {"left": Structure.HIP_LEFT, "right": Structure.HIP_RIGHT}
BONE_STRUCTURES = (
    Structure.HIP_LEFT,
    Structure.HIP_RIGHT,
    Structure.L5,
    Structure.SPINE,
    Structure.FEMUR_LEFT,
    Structure.FEMUR_RIGHT,
)

Slices = tuple[slice, slice, slice]
Index = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Body:
    """What lies on the body grid: `structures` codes, `depth` mm of the nearest bone's signed
    distance (about 50 far away), the real `hounsfield` where there is a CT, and `levels`: each
    bone's (and the SKIN's) signed distance on its own part of the grid."""

    grid: Grid
    structures: NDArray[np.uint8]
    depth: Distance
    hounsfield: NDArray[np.int16] | None
    levels: Mapping[Structure, tuple[Grid, Distance]]


def levels_of(segmentation: Segmentation) -> dict[Structure, Level]:
    """Every bone and the discs, as far up and down as a body may reach that has its S1 endplate
    within 45 mm below and 15 mm above the sacrum's top; LPS mm. Or the source's own levels."""
    if segmentation.solids is not None:
        return dict(segmentation.solids.levels)
    boxes = _boxes(segmentation)
    if Structure.SACRUM not in boxes:
        return {}
    top = _box_points(segmentation, boxes[Structure.SACRUM])[1][2]
    bottom, top = top - _S1_BELOW_MM - BELOW_MM, top + _S1_ABOVE_MM + ABOVE_MM
    found = {}
    for code in (Structure.SACRUM, *BONE_STRUCTURES, Structure.DISC):
        if code in boxes:
            low, high = _box_points(segmentation, boxes[code])
            low[2], high[2] = max(low[2], bottom), min(high[2], top)
            if low[2] <= high[2]:
                found[code] = _level(segmentation, code, low, high)
    return found


def levels_again(
    segmentation: Segmentation, levels: Mapping[Structure, Level]
) -> dict[Structure, Level]:
    """`levels` of a segmentation whose column at S1 was parted anew."""
    fresh = dict(levels)
    for code, box in _boxes(segmentation).items():
        if code in (Structure.SACRUM, Structure.SPINE, Structure.DISC):
            fresh[code] = _level(segmentation, code, *_box_points(segmentation, box))
    return fresh


def _level(segmentation: Segmentation, code: Structure, low: FloatArray, high: FloatArray) -> Level:
    crop, first = _crop(segmentation, low - _PAD_MM, high + _PAD_MM)
    return Level(first, distance_of(segmentation.structures[crop] == code, segmentation.spacing))


def bones_of(segmentation: Segmentation, levels: Mapping[Structure, Level]) -> Bones:
    """Signed distances at 0.75 mm around the sacrum, in the segmentation's frame (LPS mm).

    The spine's is true near its surface only. Raises PatientError where sacrum, a hip bone or the
    spine is not there."""
    if segmentation.solids is not None:
        return segmentation.solids.bones
    low, high = _present(segmentation, levels, Structure.SACRUM).box(segmentation)
    origin = low + _PAD_MM - np.array([MARGIN_MM, VENTRAL_MM, MARGIN_MM])
    count = np.ceil((high - _PAD_MM + MARGIN_MM - origin) / BONE_MM).astype(int) + 1
    grid = Grid(_point(origin), BONE_MM, (int(count[0]), int(count[1]), int(count[2])))
    hip = {side: _true(segmentation, levels, _HIP[side], grid) for side in SIDES}
    lowest = Structure.L5 if Structure.L5 in levels else Structure.SPINE
    spine = _present(segmentation, levels, lowest).on(segmentation, grid)
    surface = {s: _surface_points(segmentation, levels[_HIP[s]], origin) for s in SIDES}
    sacrum = _true(segmentation, levels, Structure.SACRUM, grid)
    return Bones(grid, sacrum, hip, spine, surface, lowest == Structure.L5)


def _surface_points(
    segmentation: Segmentation, level: Level, origin: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Points (n, 3) on a bone's zero level, mm from `origin`, and outward unit normals (n, 3)."""
    feet, normals = surface_points(level.distance, segmentation.spacing)
    return feet + level.box(segmentation)[0] - origin, normals


def bones_again(
    segmentation: Segmentation, levels: Mapping[Structure, Level], bones: Bones
) -> Bones:
    """`bones` of a segmentation whose column at S1 was parted anew, on the same grid."""
    sacrum = _true(segmentation, levels, Structure.SACRUM, bones.grid)
    return replace(bones, sacrum=sacrum, spine=levels[Structure.SPINE].on(segmentation, bones.grid))


def _true(
    segmentation: Segmentation, levels: Mapping[Structure, Level], code: Structure, grid: Grid
) -> Distance:
    level = _present(segmentation, levels, code)
    try:
        order = 3 if code == Structure.SACRUM else 1
        return redistanced(level.on(segmentation, grid, order), BONE_MM)
    except ValueError:
        raise PatientError(
            f"{segmentation.name}: {code.name.lower()} does not come within {MARGIN_MM:g} mm "
            "of the sacrum"
        ) from None


def body_around(
    segmentation: Segmentation, levels: Mapping[Structure, Level], centre: FloatArray
) -> Body:
    """The body at 1 mm around `centre` (3,), the S1 endplate, but for its sacrum, which
    `with_sacrum` lays into it. All in one frame, LPS mm."""
    grid = _body_grid(segmentation, float(centre[2]))
    skin = _coarse_level(segmentation, Structure.SKIN, grid)
    hounsfield = None
    if segmentation.hounsfield is not None:
        real = on_grid(segmentation.hounsfield, segmentation.origin, segmentation.spacing, grid)
        hounsfield = np.rint(real).astype(np.int16)
        del real
    tissue = _tissue(segmentation, hounsfield, grid)
    _lay_discs(tissue, segmentation, levels, grid)
    tissue[skin > -SKIN_MM] = Structure.SKIN
    tissue[skin > 0] = Structure.AIR
    parts = _bone_levels(segmentation, levels, grid)
    depth = _lay_bones(tissue, parts, grid)
    parts[Structure.SKIN] = (grid, skin)
    return Body(grid, tissue, depth, hounsfield, parts)


def with_sacrum(body: Body, bones: Bones) -> Body:
    """`body` with the sacrum of `bones`, in its frame; its arrays are written to. Where another
    bone lies as deep the sacrum has the voxel."""
    part = _part(body.grid, np.array(bones.grid.origin), _end(bones.grid))
    level = on_grid(bones.sacrum, bones.grid.origin, (bones.grid.spacing,) * 3, part)
    at = _slices(body.grid, part)
    inside = (level < 0) & (level <= body.depth[at])
    body.structures[at][inside] = Structure.SACRUM
    np.minimum(body.depth[at], level, out=body.depth[at])
    if body.hounsfield is not None:
        body.structures[body.hounsfield > METAL_HU] = Structure.METAL
    return replace(body, levels={Structure.SACRUM: (part, level), **body.levels})


def _tissue(
    segmentation: Segmentation, hounsfield: NDArray[np.int16] | None, grid: Grid
) -> NDArray[np.uint8]:
    """Soft tissue inside the skin: by Hounsfield at the body grid, else by the source's own codes
    where it is as fine as the body grid, else by the muscles' border."""
    if hounsfield is None and max(segmentation.spacing) <= FINE_MM:
        return _nearest_tissue(segmentation, grid)
    tissue = np.full(grid.shape, Structure.FAT, np.uint8)
    if hounsfield is not None:
        tissue[hounsfield >= FAT_HU] = Structure.MUSCLE
        tissue[hounsfield < BODY_HU] = Structure.GAS
        return tissue
    tissue[_coarse_level(segmentation, Structure.MUSCLE, grid) < 0] = Structure.MUSCLE
    return tissue


def _nearest_tissue(segmentation: Segmentation, grid: Grid) -> NDArray[np.uint8]:
    """The code of the source's nearest voxel; bones (which are laid anew), discs, skin and air are
    taken for what lies beside them, muscle or fat."""
    table = np.arange(max(Structure) + 1, dtype=np.uint8)
    table[[*BONE_STRUCTURES, Structure.SACRUM, Structure.DISC]] = Structure.MUSCLE
    table[[Structure.SKIN, Structure.AIR]] = Structure.FAT
    rows = [
        np.clip(np.rint((axis - start) / step), 0, count - 1).astype(int)
        for axis, start, step, count in zip(
            grid.axes(), segmentation.origin, segmentation.spacing, segmentation.structures.shape,
            strict=True,
        )
    ]  # fmt: skip
    return np.asarray(table[segmentation.structures[np.ix_(*rows)]])


def _bone_levels(
    segmentation: Segmentation, levels: Mapping[Structure, Level], grid: Grid
) -> dict[Structure, tuple[Grid, Distance]]:
    """Of all bones but the sacrum."""
    made = {}
    for code in BONE_STRUCTURES:
        if code not in levels:
            continue
        low, high = levels[code].box(segmentation)
        if high[2] < grid.origin[2] or low[2] > _end(grid)[2]:
            continue
        part = _part(grid, low, high)
        made[code] = (part, levels[code].on(segmentation, part))
    return made


def _lay_discs(
    tissue: NDArray[np.uint8],
    segmentation: Segmentation,
    levels: Mapping[Structure, Level],
    grid: Grid,
) -> None:
    if Structure.DISC in levels:
        part = _part(grid, *levels[Structure.DISC].box(segmentation))
        level = levels[Structure.DISC].on(segmentation, part)
        tissue[_slices(grid, part)][level < 0] = Structure.DISC


def _lay_bones(
    tissue: NDArray[np.uint8], levels: Mapping[Structure, tuple[Grid, Distance]], grid: Grid
) -> Distance:
    """Writes each bone's code where its distance is the least and negative; that least distance."""
    depth = np.full(grid.shape, 50.0, np.float32)
    for code, (part, level) in levels.items():
        at = _slices(grid, part)
        _lay_bone(tissue[at], depth[at], level, np.uint8(code))
    return depth


@njit(nogil=True, cache=True)
def _lay_bone(tissue, depth, level, code):  # type: ignore[no-untyped-def]
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            for k in range(level.shape[2]):
                if level[i, j, k] < depth[i, j, k]:
                    depth[i, j, k] = level[i, j, k]
                    if level[i, j, k] < 0:
                        tissue[i, j, k] = code


def _boxes(segmentation: Segmentation) -> dict[Structure, Slices]:
    found = ndimage.find_objects(segmentation.structures, max_label=max(Structure))
    return {Structure(n + 1): box for n, box in enumerate(found) if box is not None}


def _present(
    segmentation: Segmentation, levels: Mapping[Structure, Level], code: Structure
) -> Level:
    if code not in levels:
        raise PatientError(f"{segmentation.name}: there is no {code.name.lower()} in it")
    return levels[code]


def _box_points(segmentation: Segmentation, box: Slices) -> tuple[FloatArray, FloatArray]:
    """Centres of a box's first and last voxels, mm."""
    step, origin = np.array(segmentation.spacing), np.array(segmentation.origin)
    low = np.array([s.start for s in box]) * step + origin
    return low, np.array([s.stop - 1 for s in box]) * step + origin


def _crop(segmentation: Segmentation, low: FloatArray, high: FloatArray) -> tuple[Slices, Index]:
    step, origin = np.array(segmentation.spacing), np.array(segmentation.origin)
    shape = np.array(segmentation.structures.shape)
    first = np.clip(np.floor((low - origin) / step), 0, shape - 2).astype(int)
    last = np.clip(np.ceil((high - origin) / step), first + 1, shape - 1).astype(int)
    box = (
        slice(int(first[0]), int(last[0]) + 1),
        slice(int(first[1]), int(last[1]) + 1),
        slice(int(first[2]), int(last[2]) + 1),
    )
    return box, (box[0].start, box[1].start, box[2].start)


def _coarse_level(segmentation: Segmentation, least: Structure, grid: Grid) -> Distance:
    """The distance to where codes from `least` up begin, from every second or third voxel where
    the source is fine."""
    low, high = np.array(grid.origin), _end(grid)
    crop, first = _crop(segmentation, low - _PAD_MM, high + _PAD_MM)
    origin = _point(np.array(first) * segmentation.spacing + segmentation.origin)
    skip = [max(1, int(_COARSE_MM / s)) for s in segmentation.spacing]
    x, y, z = segmentation.spacing
    spacing = (x * skip[0], y * skip[1], z * skip[2])
    thin = segmentation.structures[crop][:: skip[0], :: skip[1], :: skip[2]]
    level = distance_of(thin >= least, spacing, rounds=1)
    return on_grid(level, origin, spacing, grid)


def _body_grid(segmentation: Segmentation, middle: float) -> Grid:
    """1 mm over the body's x and y and over z around `middle`, within what the scan has; a row of
    air on each side in x and y where the scan has it."""
    z = segmentation.origin[2] + segmentation.spacing[2] * np.arange(
        segmentation.structures.shape[2]
    )
    within = np.flatnonzero((z > middle - BELOW_MM) & (z < middle + ABOVE_MM))
    slab = segmentation.structures[:, :, within[0] : within[-1] + 1]
    inside = slab.max(axis=2) > Structure.AIR
    low, high = [], []
    for axis in (0, 1):
        at = np.nonzero(inside.any(axis=1 - axis))[0]
        start, step = segmentation.origin[axis], segmentation.spacing[axis]
        low.append(start + step * max(int(at[0]) - 2, 0))
        high.append(start + step * min(int(at[-1]) + 2, inside.shape[axis] - 1))
    low.append(max(float(z[0]), middle - BELOW_MM))
    high.append(min(float(z[-1]), middle + ABOVE_MM))
    count = [int((b - a) / BODY_MM) + 1 for a, b in zip(low, high, strict=True)]
    return Grid((low[0], low[1], low[2]), BODY_MM, (count[0], count[1], count[2]))


def _part(grid: Grid, low: FloatArray, high: FloatArray) -> Grid:
    """The part of `grid` from `low` to `high`, mm, within the grid."""
    last = np.array(grid.shape) - 1
    first = np.clip(np.floor(grid.index_from_point(low)), 0, last - 1).astype(int)
    stop = np.clip(np.ceil(grid.index_from_point(high)), first + 1, last).astype(int)
    count = stop - first + 1
    shape = (int(count[0]), int(count[1]), int(count[2]))
    return Grid(_point(grid.point_from_index(first)), grid.spacing, shape)


def _slices(grid: Grid, part: Grid) -> Slices:
    first = np.rint(grid.index_from_point(np.array(part.origin))).astype(int)
    x, y, z = (slice(int(f), int(f) + n) for f, n in zip(first, part.shape, strict=True))
    return x, y, z


def _point(vector: FloatArray) -> Point:
    return float(vector[0]), float(vector[1]), float(vector[2])


def _end(grid: Grid) -> FloatArray:
    """The centre of a grid's last voxel, mm."""
    return grid.point_from_index(np.array(grid.shape, float) - 1.0)
