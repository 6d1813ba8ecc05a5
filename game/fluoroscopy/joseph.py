"""Line integrals of a Hounsfield volume along cone-beam rays, split into bone, soft tissue and fat.

Joseph's method (1982, 10.1109/TMI.1982.4307572): a ray is sampled once per slice across its
steepest axis, bilinearly within the slice. Every sample is read as a mixture by volume of the two
materials whose Hounsfield values bracket it (air, fat, soft tissue, cortical bone), so thin
trabecular bone at 100 HU counts as the little bone that it is. Sums over a ray need only the sums
of the values clipped at those anchors.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

# Hounsfield values of the pure materials. Air by definition; fat and soft tissue as usual in the
# pelvis at 120 kVp; cortical bone from assets/materials.csv at 70 keV: 0.253 x 1.92 / 0.192 - 1.
AIR, FAT, SOFT, BONE = -1000.0, -100.0, 50.0, 1500.0

# A picture is a view: no State depends on the order of these sums, and the sampling loop runs twice
# as fast when the compiler may choose it.
SUMS_IN_ANY_ORDER = {"reassoc", "contract", "nnan", "nsz"}


@njit(nogil=True, cache=True)
def _limits(source, ray, low, high):  # type: ignore[no-untyped-def]
    """Where along source + t ray the x and y bounds are entered and left, within [0, 1]."""
    enter, leave = 0.0, 1.0
    for axis in range(2):
        if abs(ray[axis]) < 1e-12:
            if not low[axis] <= source[axis] <= high[axis]:
                return 1.0, 0.0
            continue
        one = (low[axis] - source[axis]) / ray[axis]
        two = (high[axis] - source[axis]) / ray[axis]
        enter = max(enter, min(one, two))
        leave = min(leave, max(one, two))
    return enter, leave


@njit(nogil=True, cache=True, fastmath=SUMS_IN_ANY_ORDER)
def _march(flat, first, count, top_d, step_d, start_u, slope_u, step_u, start_v, slope_v, top_v, step_v):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """Sums over slices of the value clipped to air..fat, fat..soft, soft.., and soft..bone."""
    to_fat, to_soft = np.float32(0), np.float32(0)
    to_bone, solid = np.float32(0), np.float32(0)
    for n in range(count):
        pu = start_u + np.float32(n) * slope_u
        pv = min(max(start_v + np.float32(n) * slope_v, np.float32(0)), top_v)
        slab = min(max(np.int32(n) + first, np.int32(0)), top_d)
        iu, iv = np.int32(pu), np.int32(pv)
        fu, fv = pu - np.float32(iu), pv - np.float32(iv)
        at = np.int64(slab) * step_d + np.int64(iu * step_u + iv * step_v)
        a, b = np.float32(flat[at]), np.float32(flat[at + step_v])
        c, e = np.float32(flat[at + step_u]), np.float32(flat[at + step_u + step_v])
        low_u = a + fv * (b - a)
        value = low_u + fu * (c + fv * (e - c) - low_u)
        to_fat += min(max(value, np.float32(AIR)), np.float32(FAT))
        to_soft += min(max(value, np.float32(FAT)), np.float32(SOFT))
        over = max(value, np.float32(SOFT))
        to_bone += over
        solid += min(over, np.float32(BONE))
    return to_fat, to_soft, to_bone, solid


@njit(nogil=True, cache=True)
def _trace(flat, shape, strides, axes, low, high, source, ray, out):  # type: ignore[no-untyped-def]
    """Volume-fraction lengths (3,) of bone, soft tissue and fat, voxels, along one ray.

    `axes` is the steepest axis and the two others, z last unless first; all in voxel units."""
    d, u, v = axes
    enter, leave = _limits(source, ray, low, high)
    out[:] = 0.0
    one, two = source[d] + enter * ray[d], source[d] + leave * ray[d]
    first, last = int(np.ceil(min(one, two))), int(np.floor(max(one, two)))
    count = last - first + 1
    if leave <= enter or count <= 0:
        return
    slope_u, slope_v = ray[u] / ray[d], ray[v] / ray[d]
    length = np.sqrt(1.0 + slope_u * slope_u + slope_v * slope_v)
    # The first and last sample stand for what lies between them and the bounds, not for half a
    # slice: it matters where the volume cuts through tissue.
    for start, number, weight in (
        (first, count, 1.0),
        (first, 1, first - min(one, two) - 0.5),
        (last, 1, max(one, two) - last - 0.5),
    ):
        to_fat, to_soft, to_bone, solid = _march(
            flat,
            np.int32(start),
            number,
            np.int32(shape[d] - 1),
            np.int32(strides[d]),
            np.float32(source[u] + (start - source[d]) * slope_u),
            np.float32(slope_u),
            np.int32(strides[u]),
            np.float32(source[v] + (start - source[d]) * slope_v),
            np.float32(slope_v),
            np.float32(shape[v] - 1.001),
            np.int32(strides[v]),
        )
        any_tissue = (to_fat - number * AIR) / (FAT - AIR)
        not_fat = (to_soft - number * FAT) / (SOFT - FAT)
        capped = (solid - number * SOFT) / (BONE - SOFT)
        out[0] += weight * length * (to_bone - number * SOFT) / (BONE - SOFT)
        out[1] += weight * length * (not_fat - capped)
        out[2] += weight * length * (any_tissue - not_fat)


@njit(nogil=True, cache=True)
def _steepest(ray):  # type: ignore[no-untyped-def]
    x, y, z = abs(ray[0]), abs(ray[1]), abs(ray[2])
    if y >= x and y >= z:
        return 1, 0, 2
    if x >= z:
        return 0, 1, 2
    return 2, 0, 1


@njit(nogil=True, cache=True)
def _column(volume, low, high, source, corner, down, out, column):  # type: ignore[no-untyped-def]
    """One picture column, top to bottom: neighbours along z share cache lines."""
    flat = volume.ravel()
    shape = volume.shape
    strides = (shape[1] * shape[2], shape[2], 1)
    sums = np.empty(3)
    for row in range(out.shape[1]):
        ray = corner + row * down - source
        _trace(flat, shape, strides, _steepest(ray), low, high, source, ray, sums)
        for material in range(3):
            out[material, row, column] = sums[material]


@njit(nogil=True, cache=True)
def trace_serial(volume, low, high, source, corner, right, down, out):  # type: ignore[no-untyped-def]
    """Fills `out` (3, h, w) with voxel lengths of bone, soft tissue and fat.

    `volume` int16 [x, y, z], C order; `low`, `high` bound the body in x and y; `source`, `corner`
    (the first pixel), `right` and `down` (one pixel) (3,) in fractional voxel indices. In z the
    end slices go on for ever."""
    for column in range(out.shape[2]):
        _column(volume, low, high, source, corner + column * right, down, out, column)


@njit(nogil=True, cache=True, parallel=True)
def trace_parallel(volume, low, high, source, corner, right, down, out):  # type: ignore[no-untyped-def]
    """`trace_serial` over all cores; only for the one thread that owns parallel kernels."""
    for column in prange(out.shape[2]):
        _column(volume, low, high, source, corner + column * right, down, out, column)
