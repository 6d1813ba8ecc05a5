"""The hip bones: a blade between two fitted surfaces, acetabular mass, ischium and pubis.

The blade is described in an upright frame turned by 30 deg: q runs backwards along it, h through
it towards lateral. Both surfaces were measured on the mean of 16 real left hip bones (pelvis atlas,
doi 10.1088/1361-6560/ab1456, CC BY 4.0): smooth least-squares surfaces, rounded to 1 mm at 49 knots
(rms 1.2-1.7 mm); the outline is read off the same; the lower part is read off by eye. So those 16
bones are no independent test of this shape; others would be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from game.patient.procedural.parameters import Parameters
from game.patient.procedural.solids import (
    Array,
    Box,
    Field,
    Space,
    cone,
    ellipsoid,
    relief,
    smooth_max,
    smooth_min,
)

TURN = np.radians(30.0)
KNOTS_Q = (-120.0, -95.0, -70.0, -45.0, -20.0, 5.0, 30.0)
KNOTS_Z = (-80.0, -60.0, -40.0, -20.0, 0.0, 20.0, 40.0)
INNER = (
    (43, 50, 55, 62, 78, 96, 114),
    (41, 51, 60, 70, 81, 93, 105),
    (40, 48, 61, 73, 81, 88, 96),
    (46, 48, 53, 64, 71, 78, 87),
    (55, 55, 51, 55, 60, 67, 77),
    (64, 62, 61, 59, 60, 64, 68),
    (72, 70, 67, 64, 63, 62, 59),
)
OUTER = (
    (47, 54, 63, 76, 93, 109, 124),
    (57, 64, 71, 83, 97, 104, 114),
    (66, 71, 75, 81, 90, 98, 104),
    (69, 70, 71, 74, 80, 88, 94),
    (68, 69, 73, 74, 75, 80, 85),
    (66, 68, 73, 76, 77, 76, 77),
    (64, 68, 71, 74, 75, 73, 69),
)
OUTLINE = (  # (q, z), from the crest backwards, down past PSIS, PIIS and the notch, and up in front
    (-38, 36), (-9, 28), (9, 16), (21, 4), (28, -8), (29, -16), (27, -26), (20, -34), (15, -44),
    (10, -50), (-12, -55), (-26, -61), (-31, -68), (-29, -76), (-30, -88), (-60, -92), (-98, -84),
    (-101, -72), (-104, -60), (-109, -50), (-124, -42), (-127, -32), (-126, -22), (-122, -12),
    (-114, 0), (-105, 10), (-93, 20), (-71, 30),
)  # fmt: skip
SOCKET = (85.0, -33.0, -103.0)  # centre of the acetabulum
SOCKET_RADIUS = 25.0


def hip(parameters: Parameters, x: Array, y: Array, z: Array, sacrum: Array) -> Array:
    """The left hip bone's field (n, m, l) on axes x, y, z, kept `si_gap` off the field `sacrum` of
    the same shape. The right one is the same on mirrored axes."""
    dx, dy, dz = (np.float32(v) for v in parameters.hip_shift)
    x, y, z = x - dx, y - dy, z - dz
    space = Space(x, *(np.ascontiguousarray(g) for g in np.meshgrid(y, z, indexing="ij")))
    field = Field.empty(space)
    _add_lower(field)
    _add_blade(field, x, y, z)
    _carve_socket(field)
    return smooth_max(field.values, np.float32(parameters.si_gap) - sacrum, 1.0)


def _add_blade(field: Field, x: Array, y: Array, z: Array) -> None:
    box: Box = ((10.0, 150.0), (-110.0, 85.0), (-95.0, 45.0))
    i, j, k = field.space.within(box, 0.0)
    if 0 in field.values[i, j, k].shape:
        return
    c, s = np.float32(np.cos(TURN)), np.float32(np.sin(TURN))
    q = c * y[None, j] - s * x[i, None]
    h = c * x[i, None] + s * y[None, j]
    inner, outer = relief(KNOTS_Q, KNOTS_Z, INNER), relief(KNOTS_Q, KNOTS_Z, OUTER)
    rows, columns = np.broadcast_arrays(q[:, :, None], z[None, None, k])
    low, high = inner(rows, columns), outer(rows, columns)
    thick = np.float32(0.85) * np.maximum(low - h[:, :, None], h[:, :, None] - high)
    rim = _outline_distance(rows, columns)
    blade = smooth_max(thick.astype(np.float32), rim, 5.0)
    field.values[i, j, k] = smooth_min(field.values[i, j, k], blade, 8.0)


def _outline_distance(q: Array, z: Array) -> Array:
    """Signed distance to the outline, read from a 1 mm table."""
    across = np.arange(-140.0, 46.0, 1.0)
    along = np.arange(-105.0, 51.0, 1.0)
    at = np.stack(np.meshgrid(across, along, indexing="ij"), axis=-1)
    table = _polygon_distance(at, np.array(OUTLINE, float))
    return relief(tuple(across), tuple(along), table.tolist())(q, z)


def _polygon_distance(at: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed distance (...) of points (..., 2) to a closed polygon (n, 2), negative inside."""
    best = np.full(at.shape[:-1], np.inf)
    inside = np.zeros(at.shape[:-1], bool)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge, off = b - a, at - a
        t = np.clip(off @ edge / (edge @ edge), 0, 1)
        best = np.minimum(best, np.linalg.norm(off - t[..., None] * edge, axis=-1))
        crosses = (a[1] > at[..., 1]) != (b[1] > at[..., 1])
        rise = edge[1] if edge[1] else 1e-9
        inside ^= crosses & (at[..., 0] < a[0] + (at[..., 1] - a[1]) * edge[0] / rise)
    return np.where(inside, -best, best)


def _add_lower(field: Field) -> None:
    """Acetabular mass, ischium with its spine, pubis."""
    field.add(*cone((88.0, -42.0, -62.0), (84.0, -33.0, -88.0), 10.0, 20.0), 10.0)
    field.add(*ellipsoid((79.0, -33.0, -100.0), (23.0, 30.0, 33.0)), 8.0)
    field.add(*cone((72.0, -6.0, -80.0), (66.0, 4.0, -125.0), 14.0, 13.0), 8.0)
    field.add(*cone((66.0, 4.0, -125.0), (56.0, 4.0, -157.0), 13.0, 15.0), 6.0)
    field.add(*cone((62.0, 8.0, -97.0), (52.0, 25.0, -108.0), 9.0, 3.0), 6.0)
    field.add(*cone((64.0, -46.0, -96.0), (30.0, -68.0, -111.0), 13.0, 8.5), 8.0)
    field.add(*cone((30.0, -68.0, -111.0), (12.0, -73.0, -121.0), 8.5, 9.0), 5.0)
    field.add(*ellipsoid((12.5, -67.0, -129.0), (10.5, 10.0, 19.0)), 4.0)
    field.add(*cone((11.0, -58.0, -143.0), (30.0, -26.0, -158.0), 8.0, 6.5), 5.0)
    field.add(*cone((30.0, -26.0, -158.0), (50.0, -4.0, -161.0), 6.5, 12.0), 6.0)


def _carve_socket(field: Field) -> None:
    field.carve(*ellipsoid(SOCKET, (SOCKET_RADIUS,) * 3), 2.0)
    field.carve(*cone(SOCKET, (125.0, -50.0, -118.0), SOCKET_RADIUS, SOCKET_RADIUS + 5.0), 2.0)


def blade_point(parameters: Parameters, q: float, z: float) -> NDArray[np.float64]:
    """The place (3,) midway between the blade's surfaces at (q, z), model axes."""
    at = (np.array([q], np.float32), np.array([z], np.float32))
    h = 0.5 * sum(float(relief(KNOTS_Q, KNOTS_Z, side)(*at)[0]) for side in (INNER, OUTER))
    c, s = np.cos(TURN), np.sin(TURN)
    return np.array([c * h - s * q, s * h + c * q, z]) + parameters.hip_shift
