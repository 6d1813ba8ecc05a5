"""Line integrals of a Hounsfield volume along cone-beam rays, split into bone, soft tissue and fat.

Every voxel is read as a mixture by volume of the two materials whose Hounsfield values bracket it
(air, fat, soft tissue, cortical bone), so that thin trabecular bone at 100 HU counts as the little
bone that it is. Between voxels the mixtures are interpolated, not the Hounsfield values: half-way
from bone to air there is no fat. A ray is sampled once per slice across its steepest horizontal
axis (Joseph 1982, 10.1109/TMI.1982.4307572), more often where it is steep in z.

Rays are taken in fans, each the upright plane through the focal spot in one horizontal direction.
Within it the interpolation across the plane is the same for all rays, so that the plane is first
cut out of the volume, slice by slice along z as the volume lies in memory; the rays then see a
small flat picture that stays in the processor's cache. A fan meets the detector in an upright line,
straight but not quite along a column; it is traced where it crosses the picture's rows, and every
row is read off between the fans afterwards.

The volume, not the picture, says how close samples have to lie (`APART`): in fine pictures rows
too are read off between those traced. That is done with Lanczos's kernel of six samples (Duchon
1979, J. Appl. Meteorol. 18, 1016).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from game.geometry.grid import FloatArray

# Hounsfield values of the pure materials. Air by definition; fat and soft tissue as usual in the
# pelvis at 120 kVp; cortical bone from assets/materials.csv at 70 keV: 0.253 x 1.92 / 0.192 - 1.
AIR, FAT, SOFT, BONE = -1000.0, -100.0, 50.0, 1500.0

# A picture is a view: no State depends on the order of these sums, and the sampling loop runs twice
# as fast when the compiler may choose it.
SUMS_IN_ANY_ORDER = {"reassoc", "contract", "nnan", "nsz"}

# Voxels between samples of the picture half-way to the detector, and voxels that a ray may climb
# from one sample to the next. Chosen so that pictures of real and generated pelves keep to 0.5 % of
# fine quadrature, material by material.
APART, CLIMB = 0.6, 1.15
REACH = 3  # of the kernel, samples to either side
PHASES = 1024  # places between two samples that the kernel is worked out for
BLOCKS = 32  # shares that the fans are dealt out in
NEAREST = 0.1  # of the way to the detector: no row lies closer to the focal spot; project choice

# A sample is a word of three shares by volume: fat and soft tissue in ten bits each, bone in twelve
# (one for each Hounsfield unit beyond soft tissue).
SHARE, BONE_SHARE, MOST = np.float32(1023.0), np.float32(BONE - SOFT), np.float32(4095.0)
_AIR, _FAT, _SOFT = np.float32(AIR), np.float32(FAT), np.float32(SOFT)
_TO_FAT, _TO_SOFT = np.float32(1.0 / (FAT - AIR)), np.float32(1.0 / (SOFT - FAT))
_TO_BONE = np.float32(1.0 / (BONE - SOFT))
_NONE, _HALF, _ALL = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_10, _20, _LOW, _TOP = np.int32(10), np.int32(20), np.int32(0x3FF), np.int32(0xFFF)

# Unit vectors (n, 2) in the x-y plane, the lowest and highest extent (n,) of a body along each, in
# voxels and within the volume, and whether the volume's sides cut through the body.
Bounds = tuple[FloatArray, FloatArray, FloatArray, bool]


class Fans(NamedTuple):
    """How a picture is traced. Lengths are in voxels, directions horizontal unit vectors (2,).

    `forward` points across the picture's rows away from the focal spot, `aside` along them. Fan j
    goes along forward + sideways[j] x aside. Row i of those traced, `step` pixels apart and
    `REACH` of them before the picture's first, lies `ahead[i]` forward of the focal spot and climbs
    `climb[i]` in z per unit forward. The picture's first pixel lies at `start[i]` among the fans,
    the next `pixel[i]` further."""

    forward: FloatArray
    aside: FloatArray
    sideways: FloatArray
    step: int
    ahead: FloatArray
    climb: FloatArray
    start: FloatArray
    pixel: FloatArray


def fans_of(
    source: FloatArray, corner: FloatArray, right: FloatArray, down: FloatArray, size: int,
    apart: float = APART,
) -> Fans:  # fmt: skip
    """The fans for a picture of `size` x `size` pixels: `source`, `corner` (the first pixel),
    `right` (level) and `down` (one pixel each), all (3,) in voxels. Raises ValueError where a row
    lies so near the focal spot that the beam runs along the patient."""
    pixel = float(np.linalg.norm(right[:2]))
    aside = right[:2] / pixel
    forward = np.array([-aside[1], aside[0]])
    middle = corner + 0.5 * (size - 1) * (right + down) - source
    forward *= np.sign(forward @ middle[:2])
    step = max(1, int(2.0 * apart / pixel))
    rows = step * (np.arange(-(-size // step) + 2 * REACH) - REACH)
    offset = corner - source + rows[:, None] * down
    ahead, before = offset[:, :2] @ forward, offset[:, :2] @ aside
    if ahead.min() < NEAREST * np.linalg.norm(middle):
        raise ValueError("the beam runs along the patient's long axis; tilt it less")
    between = 2.0 * apart / ahead.max()
    low, high = (before / ahead).min(), ((before + (size - 1) * pixel) / ahead).max()
    number = int(np.ceil((high - low) / between)) + 2 * REACH + 1
    first = low - REACH * between
    return Fans(
        forward, aside, first + between * np.arange(number), step, ahead, offset[:, 2] / ahead,
        (before / ahead - first) / between, pixel / ahead / between,
    )  # fmt: skip


def lanczos(phases: int) -> NDArray[np.float32]:
    """Weights (phases, 6) of the samples about places 0, 1 / phases, ... behind the third of them;
    each row sums to 1."""
    away = np.arange(1 - REACH, REACH + 1) - np.arange(phases)[:, None] / phases
    weights = np.sinc(away) * np.sinc(away / REACH)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


ACROSS = lanczos(PHASES)


def trace(
    volume: NDArray[np.int16], bounds: Bounds, source: FloatArray, fans: Fans,
    out: NDArray[np.float32], parallel: bool = False,
) -> None:  # fmt: skip
    """Fills `out` (3, h, w) with voxel lengths of bone, soft tissue and fat.

    `volume` [x, y, z], HU, in C order; `source` (3,) in fractional voxel indices. In z the end
    slices go on for ever. `parallel` uses all cores: only for the one thread that owns parallel
    kernels."""
    fanned = np.empty((3, len(fans.ahead), len(fans.sideways)), np.float32)
    rows = np.empty((3, len(fans.ahead), out.shape[2]), np.float32)
    x, y, z = source.tolist()
    work = _trace_parallel if parallel else _trace_serial
    work(volume, bounds, (x, y, z), fans, ACROSS, lanczos(fans.step), fanned, rows, out)


@njit(nogil=True, cache=True)
def _trace_serial(volume, bounds, source, fans, across, down, fanned, rows, out):  # type: ignore[no-untyped-def]
    for block in range(BLOCKS):
        _share(volume, bounds, source, fans, block, fanned)
    for row in range(rows.shape[1]):
        _across(fanned, row, fans.start[row], fans.pixel[row], across, rows)
    for row in range(out.shape[1]):
        _down(rows, row, fans.step, down, out)


@njit(nogil=True, cache=True, parallel=True)
def _trace_parallel(volume, bounds, source, fans, across, down, fanned, rows, out):  # type: ignore[no-untyped-def]
    for block in prange(BLOCKS):
        _share(volume, bounds, source, fans, block, fanned)
    for row in prange(rows.shape[1]):
        _across(fanned, row, fans.start[row], fans.pixel[row], across, rows)
    for row in prange(out.shape[1]):
        _down(rows, row, fans.step, down, out)


# Below, points and rays are tuples of scalars: an array made for each of thousands of rays would
# cost as much as the rays.


@njit(nogil=True, cache=True)
def _share(volume, bounds, source, fans, block, out):  # type: ignore[no-untyped-def]
    """Traces every `BLOCKS`th fan into its column of `out` (3, rows, fans)."""
    nz, slices = volume.shape[2], max(volume.shape[0], volume.shape[1])
    steepest = max(abs(fans.climb[0]), abs(fans.climb[-1]))
    most = int(slices * max(1.0, steepest * np.sqrt(2.0) / CLIMB)) + 2
    words, beyond = np.zeros(most * nz + 1, np.int32), np.zeros((2, 3, most + 1), np.int64)
    for number in range(block, len(fans.sideways), BLOCKS):
        k = fans.sideways[number]
        x, y = fans.forward[0] + k * fans.aside[0], fans.forward[1] + k * fans.aside[1]
        enter, leave = _limits(source, (x, y), bounds, fans.ahead.max())
        d = 0 if abs(x) > abs(y) else 1
        ray = x if d == 0 else y
        one, two = source[d] + enter * ray, source[d] + leave * ray
        begin, end = min(one, two), max(one, two)
        lines = _lines(begin, end, min(1.0, CLIMB * abs(ray) / max(steepest, 1e-9)))
        if leave <= enter or lines[1] <= 0:
            out[:, :, number] = 0.0
            continue
        _plane(volume, source, (x, y), fans.climb, lines, words)
        _sum_ends(words, nz, lines[1], beyond)
        _fan(words, nz, beyond, source, (x, y), fans.climb, lines, bounds[3], out[:, :, number])


@njit(nogil=True, cache=True)
def _lines(begin, end, apart):  # type: ignore[no-untyped-def]
    """Where a plane is cut: the first line, how many, how far apart (counted from the first slice),
    and by how much more than half a step the bounds lie beyond the first and last."""
    first = np.ceil(begin / apart) * apart
    count = int(np.floor((end - first) / apart)) + 1
    behind = (end - first) / apart - (count - 1)
    return first, count, apart, (first - begin) / apart - 0.5, behind - 0.5


@njit(nogil=True, cache=True)
def _limits(source, ray, bounds, furthest):  # type: ignore[no-untyped-def]
    """Where along source + t ray the bounds in the x-y plane are entered and left."""
    normals, low, high = bounds[0], bounds[1], bounds[2]
    enter, leave = 0.0, furthest
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


@njit(nogil=True, cache=True)
def _plane(volume, source, ray, climb, lines, words):  # type: ignore[no-untyped-def]
    """Cuts the plane along `ray` (2,) out of the volume, as far along z as rays go there."""
    nz, flat = volume.shape[2], volume.reshape(-1)
    d, u = (0, 1) if abs(ray[0]) > abs(ray[1]) else (1, 0)
    strides = volume.shape[1] * nz, nz
    first, count, apart = lines[0], lines[1], lines[2]
    for n in range(count):
        at = first + n * apart
        along = (at - source[d]) / ray[d]
        one, two = source[2] + along * climb[0], source[2] + along * climb[-1]
        low = min(max(int(np.floor(min(one, two))) - 1, 0), nz - 1)
        high = max(min(int(np.ceil(max(one, two))) + 1, nz - 1), low)
        place = source[u] + along * ray[u]
        beside = min(max(int(np.floor(place)), 0), volume.shape[u] - 2)
        share = min(max(place - beside, 0.0), 1.0)
        slab = int(at)
        begin = slab * strides[d] + beside * strides[u] + low
        line = words[n * nz + low : n * nz + high + 1]
        if at > slab:
            _between_four(flat, begin, strides[u], share, strides[d], at - slab, line)
        else:
            _between_two(flat, begin, strides[u], share, line)


# One array is written and few are read: with more the compiler gives up on vectors.


@njit(nogil=True, cache=True, fastmath={"contract", "nnan"})
def _between_two(volume, first, beside, share, words):  # type: ignore[no-untyped-def]
    """Words along z: of the flat volume's voxels from `first` on and those `beside` of them, by
    `share`."""
    one, two = volume[first : first + len(words)], volume[first + beside :]
    there = np.float32(share)
    here = _ALL - there
    for z in range(len(words)):
        bone, soft, fat = _shares(one[z])
        bone_2, soft_2, fat_2 = _shares(two[z])
        bone, soft = here * bone + there * bone_2, here * soft + there * soft_2
        words[z] = _word(bone, soft, here * fat + there * fat_2)


@njit(nogil=True, cache=True, fastmath={"contract", "nnan"})
def _between_four(volume, first, beside, share, beyond, part, words):  # type: ignore[no-untyped-def]
    """`_between_two`, and by `part` between them and the same `beyond`."""
    one, two = volume[first : first + len(words)], volume[first + beside :]
    three, four = volume[first + beyond :], volume[first + beyond + beside :]
    a, b = np.float32((1.0 - part) * (1.0 - share)), np.float32((1.0 - part) * share)
    c, e = np.float32(part * (1.0 - share)), np.float32(part * share)
    for z in range(len(words)):
        bone, soft, fat = _shares(one[z])
        bone_2, soft_2, fat_2 = _shares(two[z])
        bone_3, soft_3, fat_3 = _shares(three[z])
        bone_4, soft_4, fat_4 = _shares(four[z])
        bone = a * bone + b * bone_2 + c * bone_3 + e * bone_4
        soft = a * soft + b * soft_2 + c * soft_3 + e * soft_4
        words[z] = _word(bone, soft, a * fat + b * fat_2 + c * fat_3 + e * fat_4)


@njit(nogil=True, cache=True, fastmath={"contract", "nnan"})
def _shares(hounsfield):  # type: ignore[no-untyped-def]
    """Shares by volume of bone (above 1 where denser), soft tissue and fat in a voxel."""
    hu = np.float32(hounsfield)
    bone = max(hu - _SOFT, _NONE) * _TO_BONE
    lean = min(max((hu - _FAT) * _TO_SOFT, _NONE), _ALL)
    tissue = min(max((hu - _AIR) * _TO_FAT, _NONE), _ALL)
    return bone, lean - min(bone, _ALL), tissue - lean


@njit(nogil=True, cache=True, fastmath={"contract", "nnan"})
def _word(bone, soft, fat):  # type: ignore[no-untyped-def]
    low = np.int32(fat * SHARE + _HALF) | (np.int32(soft * SHARE + _HALF) << _10)
    return low | (np.int32(min(bone * BONE_SHARE, MOST) + _HALF) << _20)


@njit(nogil=True, cache=True)
def _sum_ends(words, nz, count, beyond):  # type: ignore[no-untyped-def]
    """Running sums over lines of their first and last sample: what rays beyond the volume's ends in
    z go through."""
    for end in range(2):
        for n in range(count):
            word = words[n * nz + end * (nz - 1)]
            beyond[end, 0, n + 1] = beyond[end, 0, n] + ((word >> _20) & _TOP)
            beyond[end, 1, n + 1] = beyond[end, 1, n] + ((word >> _10) & _LOW)
            beyond[end, 2, n + 1] = beyond[end, 2, n] + (word & _LOW)


@njit(nogil=True, cache=True)
def _fan(words, nz, beyond, source, ray, climb, lines, cut, out):  # type: ignore[no-untyped-def]
    """Traces the rays of one plane (nz samples a line) into `out` (3, rows). Where the volume is
    `cut` through tissue, the first and last sample stand for what lies between them and the
    bounds, not for half a step."""
    d = 0 if abs(ray[0]) > abs(ray[1]) else 1
    level = (ray[0] * ray[0] + ray[1] * ray[1]) / (ray[d] * ray[d])
    first, count, apart, before, behind = lines
    top, pitch = np.float32(nz - 1), np.int32(nz)
    for row in range(len(climb)):
        slope = climb[row] / ray[d]
        start, step = source[2] + (first - source[d]) * slope, slope * apart
        enter, leave = _within(start, step, count, nz - 1)
        low, high = (0, 1) if step > 0.0 else (1, 0)
        sums = _march(words[enter * nz :], leave - enter, pitch,
                      np.float32(start + enter * step), np.float32(step), top)  # fmt: skip
        bone, soft, fat = float(sums[0]), float(sums[1]), float(sums[2])
        bone += beyond[low, 0, enter] + (beyond[high, 0, count] - beyond[high, 0, leave])
        soft += beyond[low, 1, enter] + (beyond[high, 1, count] - beyond[high, 1, leave])
        fat += beyond[low, 2, enter] + (beyond[high, 2, count] - beyond[high, 2, leave])
        if cut:
            end = np.float32(start + (count - 1) * step)
            one = _march(words, 1, pitch, np.float32(start), np.float32(step), top)
            two = _march(words[(count - 1) * nz :], 1, pitch, end, np.float32(step), top)
            bone += before * one[0] + behind * two[0]
            soft += before * one[1] + behind * two[1]
            fat += before * one[2] + behind * two[2]
        length = apart * np.sqrt(level + slope * slope)
        out[0, row] = length * bone / BONE_SHARE
        out[1, row] = length * soft / SHARE
        out[2, row] = length * fat / SHARE


@njit(nogil=True, cache=True)
def _within(start, step, count, top):  # type: ignore[no-untyped-def]
    """From which sample to which, of `count` at start, start + step, ..., those between 0 and `top`
    lie; some before and after may be among them."""
    if abs(step) < 1e-6:
        return 0, count
    one, two = -start / step, (top - start) / step
    enter, leave = int(np.floor(min(one, two))), int(np.ceil(max(one, two))) + 1
    enter = min(max(enter, 0), count)
    return enter, max(min(leave, count), enter)


@njit(nogil=True, cache=True, fastmath=SUMS_IN_ANY_ORDER)
def _march(words, count, pitch, start, slope, top):  # type: ignore[no-untyped-def]
    """Sums over samples of bone, soft tissue and fat."""
    bone, soft, fat = _NONE, _NONE, _NONE
    for n in range(count):
        place = min(max(start + np.float32(np.int32(n)) * slope, _NONE), top)
        z = np.int32(place)
        # Unsigned: a signed index would be tested for counting from the end.
        at = np.uint32(np.int32(np.int32(n) * pitch) + z)
        here, after = words[at], words[np.uint32(at + np.uint32(1))]
        part = place - np.float32(z)
        low, high = np.float32(np.int32(here & _LOW)), np.float32(np.int32(after & _LOW))
        fat += low + part * (high - low)
        low = np.float32(np.int32((here >> _10) & _LOW))
        high = np.float32(np.int32((after >> _10) & _LOW))
        soft += low + part * (high - low)
        low = np.float32(np.int32((here >> _20) & _TOP))
        high = np.float32(np.int32((after >> _20) & _TOP))
        bone += low + part * (high - low)
    return bone, soft, fat


@njit(nogil=True, cache=True, fastmath={"contract"})
def _across(fanned, row, start, pixel, kernel, out):  # type: ignore[no-untyped-def]
    """Reads one traced row off between the fans: pixels lie at start, start + pixel, ..."""
    for material in range(3):
        samples, to = fanned[material, row], out[material, row]
        for column in range(len(to)):
            place = start + column * pixel
            fan = int(place)
            w = kernel[int((place - fan) * PHASES)]
            at = samples[fan + 1 - REACH : fan + 1 + REACH]
            near = w[1] * at[1] + w[2] * at[2] + w[3] * at[3] + w[4] * at[4]
            to[column] = w[0] * at[0] + near + w[5] * at[5]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _down(rows, row, step, kernel, out):  # type: ignore[no-untyped-def]
    """Reads one row of the picture off between those traced; nothing below zero."""
    first, w = row // step + 1, kernel[row % step]
    for material in range(3):
        r, to = rows[material, first : first + 2 * REACH], out[material, row]
        for column in range(len(to)):
            near = w[1] * r[1, column] + w[2] * r[2, column] + w[3] * r[3, column]
            value = w[0] * r[0, column] + near + w[4] * r[4, column] + w[5] * r[5, column]
            to[column] = max(value, _NONE)
