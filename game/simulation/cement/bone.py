"""The medium and what cannulas made of it, as kernels read it: cells, their neighbours and half
resistances. A cell is a voxel (six neighbours, and the first node of a vein that drains it) or a
node of a vein (what it hangs on, and up to five that hang on it)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.simulation.cement.channels import Channels
from game.simulation.cement.medium import Medium

VEIN = 6  # a voxel's face towards its vein
POINT = 0.252731  # p0 K h / (mu Q) of a point source on the seven-point grid (Watson's integral)
MOUTH = 4096  # voxels under a bore, at most
TIGHT = 1.0e-3  # bone so much tighter than its neighbour is a wall to it: a project choice


class Bone(NamedTuple):
    """`over` (voxels,) is a voxel's place among the channels, -1 outside them; `roots` (sorted)
    the voxels with a vein, `first` the nodes there; `after` the nodes that hang on a node, those of
    node n at `span[n]` to `span[n + 1]`; `marrow_pa` what marrow presses with."""

    shape: tuple[int, int, int]
    h: float
    permeability: NDArray[np.float32]
    porosity: NDArray[np.float32]
    region: NDArray[np.uint8]
    sheet: NDArray[np.int64]
    over: NDArray[np.int32]
    channel: NDArray[np.float64]
    pores: NDArray[np.float64]
    widening: NDArray[np.float64]
    before: NDArray[np.int64]
    pipe: NDArray[np.float64]
    radius: NDArray[np.float64]
    holds: NDArray[np.float64]
    where: NDArray[np.uint8]
    roots: NDArray[np.int64]
    first: NDArray[np.int64]
    span: NDArray[np.int64]
    after: NDArray[np.int64]
    marrow_pa: float


def bone_of(medium: Medium, channels: Channels, over: NDArray[np.int32]) -> Bone:
    """`over` (voxels,) is -1 everywhere but at `channels.voxels`, where it counts from 0."""
    size, veins = medium.porosity.size, medium.veins
    before = np.empty(0, np.int64) if veins is None else veins.before
    root = np.flatnonzero(before < size)
    root = root[np.argsort(before[root])]
    hung = np.flatnonzero(before >= size)
    parent = before[hung] - size
    order = np.argsort(parent, kind="stable")
    counts = np.bincount(parent, minlength=len(before))
    return Bone(
        shape=medium.grid.shape,
        h=medium.grid.spacing,
        permeability=medium.permeability.reshape(-1, 3),
        porosity=medium.porosity.reshape(-1),
        region=medium.region.reshape(-1),
        sheet=medium.sheet,
        over=over,
        channel=channels.permeability,
        pores=channels.porosity,
        widening=channels.widening,
        before=before,
        pipe=np.empty(0) if veins is None else veins.gain,
        radius=np.empty(0) if veins is None else veins.radius,
        holds=np.empty(0) if veins is None else veins.ml,
        where=np.empty(0, np.uint8) if veins is None else veins.region,
        roots=before[root],
        first=root.astype(np.int64),
        span=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        after=hung[order].astype(np.int64),
        marrow_pa=1.0e6 * medium.marrow_mpa,
    )


@njit(nogil=True, cache=True, error_model="numpy")
def beyond(bone, v, f):  # type: ignore[no-untyped-def]
    """The cell across face f (-x, +x, -y, +y, -z, +z, the vein) of cell v; -1 where none is."""
    size = bone.porosity.size
    if v >= size:
        n = v - size
        if f == 0:
            return bone.before[n]
        place = bone.span[n] + f - 1
        return size + bone.after[place] if place < bone.span[n + 1] else -1
    if f == VEIN:
        place = np.searchsorted(bone.roots, v)
        found = place < len(bone.roots) and bone.roots[place] == v
        return size + bone.first[place] if found else -1
    shape = bone.shape
    z, y, x = v % shape[2], v // shape[2] % shape[1], v // (shape[1] * shape[2])
    return across(v, x, y, z, f, shape)


@njit(nogil=True, cache=True, error_model="numpy")
def across(v, x, y, z, f, shape):  # type: ignore[no-untyped-def]
    """The voxel across face f (-x, +x, -y, +y, -z, +z) of voxel v at x, y, z; -1 beyond the
    grid."""
    if f == 0:
        return v - shape[1] * shape[2] if x > 0 else -1
    if f == 1:
        return v + shape[1] * shape[2] if x < shape[0] - 1 else -1
    if f == 2:
        return v - shape[2] if y > 0 else -1
    if f == 3:
        return v + shape[2] if y < shape[1] - 1 else -1
    if f == 4:
        return v - 1 if z > 0 else -1
    return v + 1 if z < shape[2] - 1 else -1


@njit(nogil=True, cache=True, error_model="numpy")
def turned(bone, v, f, w):  # type: ignore[no-untyped-def]
    """The face of w, which lies across face f of v, that leads back."""
    size = bone.porosity.size
    if v < size:
        return 0 if f == VEIN else f ^ 1
    if f > 0:
        return 0
    if w < size:
        return VEIN
    place = bone.span[w - size]
    while bone.after[place] != v - size:
        place += 1
    return 1 + place - bone.span[w - size]


@njit(nogil=True, cache=True, error_model="numpy")
def half(bone, v, f, w):  # type: ignore[no-untyped-def]
    """From the middle of v to its face f, beyond which w lies, 1/mm3; infinite where v is closed.

    Bone beside a channel whose opening the voxels do not resolve conducts better by the channel's
    widening (`channels.widening`)."""
    size = bone.porosity.size
    if v >= size:
        return 0.5 / bone.pipe[w - size if f > 0 else v - size]
    place = bone.over[v]
    if f == VEIN:
        k = bone.channel[place].mean() if place >= 0 else float(bone.permeability[v].mean())
        return drained(k, bone.h, bone.radius[w - size]) + 0.5 / bone.pipe[w - size]
    if place >= 0:
        return 0.5 / (bone.channel[place, f // 2] * bone.h)
    wide = 1.0
    if w < size and bone.over[w] >= 0:
        wide = wide_at(bone.permeability, bone.widening[bone.over[w]], v, w, f // 2)
    return 0.5 / (bone.permeability[v, f // 2] * bone.h * wide)


@njit(nogil=True, cache=True, error_model="numpy")
def drained(k, h, radius):  # type: ignore[no-untyped-def]
    """What a vein's mouth of `radius` mm adds to the resistance of its voxel, 1/mm3. A sink in the
    middle of a voxel of h is a sphere of h / (4 pi 0.2527) (facts/cement.md, case 5): a narrower
    mouth adds the stretch within that, a wider one nothing (as Peaceman 1978 has it for wells)."""
    return max(0.0, 1.0 / radius - 4.0 * np.pi * POINT / h) / (4.0 * np.pi * k)


@njit(nogil=True, cache=True, error_model="numpy")
def wide_at(permeability, widening, v, w, axis):  # type: ignore[no-untyped-def]
    """The widening of a channel's voxel w for the bone v beside it; 1 unless w is a hole in what
    is so tight that nothing else passes."""
    return widening if permeability[w, axis] <= TIGHT * permeability[v, axis] else 1.0


@njit(nogil=True, cache=True, error_model="numpy")
def room_of(bone, v):  # type: ignore[no-untyped-def]
    """What cell v can hold, mL."""
    size = bone.porosity.size
    if v >= size:
        return bone.holds[v - size]
    place = bone.over[v]
    pores = bone.pores[place] if place >= 0 else float(bone.porosity[v])
    return pores * bone.h**3 / 1000.0


@njit(nogil=True, cache=True, error_model="numpy")
def region_of(bone, v):  # type: ignore[no-untyped-def]
    size = bone.porosity.size
    return bone.where[v - size] if v >= size else bone.region[v]


@njit(nogil=True, cache=True, error_model="numpy")
def ease(bone, v, axis):  # type: ignore[no-untyped-def]
    """Permeability of voxel v along an axis, mm2."""
    place = bone.over[v]
    return bone.channel[place, axis] if place >= 0 else float(bone.permeability[v, axis])


@njit(nogil=True, cache=True, error_model="numpy")
def mouth_of(bone, tip, radius):  # type: ignore[no-untyped-def]
    """The voxels, sorted, that a bore of `radius` at `tip`, in cells, opens into: those with their
    centre within it and the one that holds the tip, unless they are closed or TIGHT against the
    loosest of them; none where the tip is beyond the grid."""
    shape = bone.shape
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for k in range(3):
        nearest = np.rint(tip[k])
        if not 0 <= nearest < shape[k]:
            return np.empty(0, np.int64)
        low[k] = max(0, int(min(nearest, np.ceil(tip[k] - radius))))
        high[k] = min(shape[k] - 1, int(max(nearest, np.floor(tip[k] + radius))))
    found, loose = np.empty(MOUTH, np.int64), np.empty(MOUTH)
    count = 0
    for x in range(low[0], high[0] + 1):
        for y in range(low[1], high[1] + 1):
            for z in range(low[2], high[2] + 1):
                a, b, c = x - tip[0], y - tip[1], z - tip[2]
                holds = x == np.rint(tip[0]) and y == np.rint(tip[1]) and z == np.rint(tip[2])
                if (holds or a * a + b * b + c * c <= radius * radius) and count < MOUTH:
                    v = (x * shape[1] + y) * shape[2] + z
                    found[count] = v
                    loose[count] = (ease(bone, v, 0) + ease(bone, v, 1) + ease(bone, v, 2)) / 3.0
                    count += 1
    least = TIGHT * loose[:count].max()
    return found[:count][(loose[:count] > 0.0) & (loose[:count] >= least)]


@njit(nogil=True, cache=True, error_model="numpy")
def among(values, v):  # type: ignore[no-untyped-def]
    """Whether sorted values hold v."""
    place = np.searchsorted(values, v)
    return place < len(values) and values[place] == v
