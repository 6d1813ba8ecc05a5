"""Line integrals of a Hounsfield volume along cone-beam rays, split into bone, soft tissue and fat.

Joseph's method (1982, 10.1109/TMI.1982.4307572): a ray is sampled once per slice across its
steepest axis, bilinearly within the slice. Every sample is read as a mixture by volume of the two
materials whose Hounsfield values bracket it (air, fat, soft tissue, cortical bone), so thin
trabecular bone at 100 HU counts as the little bone that it is. Sums over a ray need only the sums
of the values clipped at those anchors.

The volume is read as pairs: a voxel and its neighbour above it (in z) share a 32-bit word, so that
a sample takes two words instead of four values and the sampling loop is vectorised.

A pixel is smaller than a voxel's shadow, so that most are told by their neighbours: every other row
and column is traced, and of what lies between only what the cubic through the neighbours does not
give closely.
"""

from __future__ import annotations

import sys

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

# Hounsfield values of the pure materials. Air by definition; fat and soft tissue as usual in the
# pelvis at 120 kVp; cortical bone from assets/materials.csv at 70 keV: 0.253 x 1.92 / 0.192 - 1.
AIR, FAT, SOFT, BONE = -1000.0, -100.0, 50.0, 1500.0
AIR_32, FAT_32 = np.float32(AIR), np.float32(FAT)
SOFT_32, BONE_32 = np.float32(SOFT), np.float32(BONE)
LOW = 0 if sys.byteorder == "little" else 1  # which half of a word is the low one

# A picture is a view: no State depends on the order of these sums, and the sampling loop runs twice
# as fast when the compiler may choose it.
SUMS_IN_ANY_ORDER = {"reassoc", "contract", "nnan", "nsz"}


NONE = np.float32(0)
SWAPPED = 0.2  # voxels of any one material, though another make up for it; project choice
# Optical depth of 1 mm of bone, soft tissue and fat at 60 keV (facts/fluoroscopy.md).
DEPTH = (0.3148 * 0.192, 0.2048 * 0.106, 0.1974 * 0.095)
_16 = np.int32(16)


def paired(volume: NDArray[np.int16]) -> NDArray[np.int32]:
    """A volume [x, y, z] as words: the voxel in the low half, the next one along z (the end slice's
    own) in the high half; C order. Takes twice the memory."""
    words = np.empty((*volume.shape, 2), np.int16)
    words[..., LOW] = volume
    words[:, :, :-1, 1 - LOW] = volume[:, :, 1:]
    words[:, :, -1, 1 - LOW] = volume[:, :, -1]
    return words.view(np.int32)[..., 0]


# Below, points and rays are tuples of scalars: an array made for each of 262 144 pixels would cost
# as much as the pixels.


@njit(nogil=True, cache=True)
def _limits(source, ray, normals, low, high):  # type: ignore[no-untyped-def]
    """Where along source + t ray the bounds in the x-y plane are entered and left, in [0, 1]."""
    enter, leave = 0.0, 1.0
    for n in range(len(normals)):
        place = normals[n, 0] * source[0] + normals[n, 1] * source[1]
        speed = normals[n, 0] * ray[0] + normals[n, 1] * ray[1]
        if abs(speed) < 1e-12:
            if not low[n] <= place <= high[n]:
                return 1.0, 0.0
            continue
        one, two = (low[n] - place) / speed, (high[n] - place) / speed
        enter = max(enter, min(one, two))
        leave = min(leave, max(one, two))
    return enter, leave


@njit(nogil=True, cache=True, fastmath=SUMS_IN_ANY_ORDER)
def _march(words, first, count, step_d, start_u, slope_u, step_u, start_v, slope_v, top_v):  # type: ignore[no-untyped-def]
    """Sums over slices of the value clipped to air..fat, fat..soft, soft.., and soft..bone.

    The v axis is z, whose neighbour is in the same word."""
    to_fat, to_soft, to_bone, solid = NONE, NONE, NONE, NONE
    for n in range(count):
        along = np.float32(np.int32(n))
        pu = start_u + along * slope_u
        pv = min(max(start_v + along * slope_v, NONE), top_v)
        slab = np.int32(n) + first
        iu, iv = np.int32(pu), np.int32(pv)
        fu, fv = pu - np.float32(iu), pv - np.float32(iv)
        # Unsigned: a signed index would be tested for counting from the end.
        at = np.uint32(np.int32(np.int32(slab * step_d) + np.int32(iu * step_u)) + iv)
        p, q = words[at], words[np.uint32(at + np.uint32(step_u))]
        a = np.float32(np.int32(np.int32(p << _16) >> _16))
        b = np.float32(np.int32(p >> _16))
        c = np.float32(np.int32(np.int32(q << _16) >> _16))
        e = np.float32(np.int32(q >> _16))
        low_u = a + fv * (b - a)
        value = low_u + fu * (c + fv * (e - c) - low_u)
        to_fat += min(max(value, AIR_32), FAT_32)
        to_soft += min(max(value, FAT_32), SOFT_32)
        over = max(value, SOFT_32)
        to_bone += over
        solid += min(over, BONE_32)
    return to_fat, to_soft, to_bone, solid


@njit(nogil=True, cache=True, fastmath=SUMS_IN_ANY_ORDER)
def _march_up(words, first, count, top_d, start_u, slope_u, step_u, start_v, slope_v, step_v):  # type: ignore[no-untyped-def]
    """`_march` for rays steepest in z, along which a word's two voxels lie in two slices."""
    to_fat, to_soft, to_bone, solid = NONE, NONE, NONE, NONE
    for n in range(count):
        along = np.float32(np.int32(n))
        pu, pv = start_u + along * slope_u, start_v + along * slope_v
        slab = min(max(np.int32(n) + first, np.int32(0)), top_d)
        iu, iv = np.int32(pu), np.int32(pv)
        fu, fv = pu - np.float32(iu), pv - np.float32(iv)
        at = np.uint32(np.int32(np.int32(iu * step_u) + np.int32(iv * step_v)) + slab)
        u, v = np.uint32(step_u), np.uint32(step_v)
        a = np.float32(np.int32(np.int32(words[at] << _16) >> _16))
        b = np.float32(np.int32(np.int32(words[np.uint32(at + v)] << _16) >> _16))
        c = np.float32(np.int32(np.int32(words[np.uint32(at + u)] << _16) >> _16))
        e = np.float32(np.int32(np.int32(words[np.uint32(at + u + v)] << _16) >> _16))
        low_u = a + fv * (b - a)
        value = low_u + fu * (c + fv * (e - c) - low_u)
        to_fat += min(max(value, AIR_32), FAT_32)
        to_soft += min(max(value, FAT_32), SOFT_32)
        over = max(value, SOFT_32)
        to_bone += over
        solid += min(over, BONE_32)
    return to_fat, to_soft, to_bone, solid


@njit(nogil=True, cache=True)
def _sums(words, shape, axes, source, slopes, first, count):  # type: ignore[no-untyped-def]
    """The march of one ray, the clipped sums in float32."""
    d, u, v = axes
    strides = (shape[1] * shape[2], shape[2], 1)
    start_u = np.float32(source[u] + (first - source[d]) * slopes[0])
    start_v = np.float32(source[v] + (first - source[d]) * slopes[1])
    slope_u, slope_v = np.float32(slopes[0]), np.float32(slopes[1])
    step_u = np.int32(strides[u])
    begin, number = np.int32(first), np.int32(count)
    if d == 2:
        step_v, top_d = np.int32(strides[v]), np.int32(shape[d] - 1)
        return _march_up(
            words, begin, number, top_d, start_u, slope_u, step_u, start_v, slope_v, step_v
        )
    step_d, top_v = np.int32(strides[d]), np.float32(shape[v] - 1.001)
    return _march(words, begin, number, step_d, start_u, slope_u, step_u, start_v, slope_v, top_v)


@njit(nogil=True, cache=True)
def _trace(words, shape, bounds, source, ray):  # type: ignore[no-untyped-def]
    """Volume-fraction lengths of bone, soft tissue and fat, voxels, along one ray of a flat volume;
    all in voxel units."""
    enter, leave = _limits(source, ray, bounds[0], bounds[1], bounds[2])
    if leave <= enter:
        return 0.0, 0.0, 0.0
    d, u, v = _steepest(ray)
    one, two = source[d] + enter * ray[d], source[d] + leave * ray[d]
    begin, end = min(one, two), max(one, two)
    first, last = int(np.ceil(begin)), int(np.floor(end))
    count = last - first + 1
    if count <= 0:
        return 0.0, 0.0, 0.0
    axes, slopes = (d, u, v), (ray[u] / ray[d], ray[v] / ray[d])
    length = np.sqrt(1.0 + slopes[0] * slopes[0] + slopes[1] * slopes[1])
    # Where the volume cuts through tissue, the first and last sample stand for what lies between
    # them and the bounds, not for half a slice.
    at_fat, at_soft, at_bone, at_solid = _sums(words, shape, axes, source, slopes, first, count)
    to_fat, to_soft, to_bone, solid = float(at_fat), float(at_soft), float(at_bone), float(at_solid)
    samples = float(count)
    ends = ((first, first - begin - 0.5), (last, end - last - 0.5))
    for at, more in ends:
        if not bounds[3]:
            break
        at_fat, at_soft, at_bone, at_solid = _sums(words, shape, axes, source, slopes, at, 1)
        to_fat += more * at_fat
        to_soft += more * at_soft
        to_bone += more * at_bone
        solid += more * at_solid
        samples += more
    any_tissue = (to_fat - samples * AIR) / (FAT - AIR)
    not_fat = (to_soft - samples * FAT) / (SOFT - FAT)
    capped = (solid - samples * SOFT) / (BONE - SOFT)
    bone = (to_bone - samples * SOFT) / (BONE - SOFT)
    return length * bone, length * (not_fat - capped), length * (any_tissue - not_fat)


@njit(nogil=True, cache=True)
def _steepest(ray):  # type: ignore[no-untyped-def]
    """The ray's steepest axis and the two others, z last unless first."""
    x, y, z = abs(ray[0]), abs(ray[1]), abs(ray[2])
    if y >= x and y >= z:
        return 1, 0, 2
    if x >= z:
        return 0, 1, 2
    return 2, 0, 1


@njit(nogil=True, cache=True)
def _pixel(words, shape, bounds, source, ends, out, row, column):  # type: ignore[no-untyped-def]
    """One ray of a picture; `ends` are the column's first pixel and the step to the next row's."""
    x, y, z, dx, dy, dz = ends
    ray = (x + row * dx - source[0], y + row * dy - source[1], z + row * dz - source[2])
    bone, soft, fat = _trace(words, shape, bounds, source, ray)
    out[0, row, column] = bone
    out[1, row, column] = soft
    out[2, row, column] = fat


@njit(nogil=True, cache=True)
def _between(out, row, column, down, across, tolerance):  # type: ignore[no-untyped-def]
    """Fills a pixel from its two neighbours on either side along one direction, by the cubic
    through them; False where cubic and straight line differ by more than the tolerance, or a
    neighbour lies outside the picture."""
    height, width = out.shape[1], out.shape[2]
    first_row, last_row = row - 3 * down, row + 3 * down
    first_column, last_column = column - 3 * across, column + 3 * across
    if first_row < 0 or last_row >= height or first_column < 0 or last_column >= width:
        return False
    bent = 0.0
    for material in range(3):
        inner = (
            out[material, row - down, column - across] + out[material, row + down, column + across]
        )
        outer = out[material, first_row, first_column] + out[material, last_row, last_column]
        if abs(inner - outer) > 16.0 * SWAPPED:
            return False
        bent += DEPTH[material] * (inner - outer)
        out[material, row, column] = 0.5625 * inner - 0.0625 * outer
    return abs(bent) <= 16.0 * tolerance


@njit(nogil=True, cache=True)
def _even_column(words, shape, bounds, source, ends, out, column, tolerance):  # type: ignore[no-untyped-def]
    """One picture column, top to bottom (neighbours along z share cache lines): every other pixel,
    then those between, traced where the others do not tell them. Tolerance 0 traces them all."""
    step = 2 if tolerance > 0.0 else 1
    for row in range(0, out.shape[1], step):
        _pixel(words, shape, bounds, source, ends, out, row, column)
    for row in range(1, out.shape[1], 2):
        if step == 2 and not _between(out, row, column, 1, 0, tolerance):
            _pixel(words, shape, bounds, source, ends, out, row, column)


@njit(nogil=True, cache=True)
def _odd_column(words, shape, bounds, source, ends, out, column, tolerance):  # type: ignore[no-untyped-def]
    """A column between two that are done."""
    for row in range(out.shape[1]):
        if not _between(out, row, column, 0, 1, tolerance):
            _pixel(words, shape, bounds, source, ends, out, row, column)


@njit(nogil=True, cache=True)
def _ends(corner, right, down, column):  # type: ignore[no-untyped-def]
    return (
        corner[0] + column * right[0],
        corner[1] + column * right[1],
        corner[2] + column * right[2],
        down[0],
        down[1],
        down[2],
    )


@njit(nogil=True, cache=True)
def trace_serial(words, bounds, source, corner, right, down, tolerance, out):  # type: ignore[no-untyped-def]
    """Fills `out` (3, h, w) with voxel lengths of bone, soft tissue and fat.

    `words` are a `paired` volume; `bounds` are unit vectors (n, 2) in the x-y plane and the lowest
    and highest extent (n,) of the body along each, within the volume, and whether the volume's
    sides cut through the body; `source`, `corner` (the first pixel), `right`
    and `down` (one pixel) (3,) in fractional voxel indices. In z the end slices go on for ever.
    Pixels that their neighbours tell to within `tolerance` of optical depth x mm per voxel are not
    traced; 0 traces all."""
    step = 2 if tolerance > 0.0 else 1
    flat, shape = words.reshape(-1), words.shape
    start = (source[0], source[1], source[2])
    for column in range(0, out.shape[2], step):
        ends = _ends(corner, right, down, column)
        _even_column(flat, shape, bounds, start, ends, out, column, tolerance)
    if step == 2:
        for column in range(1, out.shape[2], 2):
            ends = _ends(corner, right, down, column)
            _odd_column(flat, shape, bounds, start, ends, out, column, tolerance)


@njit(nogil=True, cache=True, parallel=True)
def trace_parallel(words, bounds, source, corner, right, down, tolerance, out):  # type: ignore[no-untyped-def]
    """`trace_serial` over all cores; only for the one thread that owns parallel kernels."""
    step = 2 if tolerance > 0.0 else 1
    flat, shape = words.reshape(-1), words.shape
    start = (source[0], source[1], source[2])
    for n in prange((out.shape[2] + step - 1) // step):
        ends = _ends(corner, right, down, n * step)
        _even_column(flat, shape, bounds, start, ends, out, n * step, tolerance)
    for n in prange(out.shape[2] // 2):
        if step == 2:
            column = 2 * n + 1
            ends = _ends(corner, right, down, column)
            _odd_column(flat, shape, bounds, start, ends, out, column, tolerance)
