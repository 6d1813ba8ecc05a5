"""L5, L4, their discs, and the upper femora: plain solids for the X-ray picture."""

from __future__ import annotations

import numpy as np

from game.patient.procedural.parameters import Parameters
from game.patient.procedural.solids import (
    Array,
    Field,
    Solid,
    Space,
    cone,
    smooth_max,
)

BODY_HEIGHT = 27.0  # mm, L4 and L5, middle (form)
DISC = (11.0, 11.0)  # mm, L5/S1 and L4/5, middle (form)
LORDOSIS = np.radians(21.6)  # L5-S1 21.6+-7.7 (s41598-022-21840-x); L4-5 taken as the same


def vertebra(
    parameters: Parameters, level: int, x: Array, y: Array, z: Array
) -> tuple[Field, Array]:
    """Bone field of L5 (`level` 0) or L4 (1), and the field (n, m, l) of the disc under it."""
    v, w = _frame(parameters, level, y, z)
    field = Field.empty(Space(x, v, w))
    field.add(_body(0.0, BODY_HEIGHT), ((-32.0, 32.0), (-22.0, 22.0), (-4.0, 34.0)), 1.0)
    _add_arch(field)
    disc = Field.empty(Space(x, v, w))
    disc.add(_wedge(DISC[level]), ((-32.0, 32.0), (-22.0, 22.0), (-22.0, 4.0)), 1.0)
    return field, disc.values


def _frame(parameters: Parameters, level: int, y: Array, z: Array) -> tuple[Array, Array]:
    """Coordinates (m, l) in a vertebra's frame: v backwards, w up, origin on its lower endplate."""
    tilt, at = np.radians(parameters.sacral_slope), np.zeros(2)
    for step in range(level + 1):
        rise = DISC[step] + (BODY_HEIGHT if step else 0.0)
        middle = tilt - 0.5 * LORDOSIS * (1.0 if step == 0 else 1.4)
        at = at + rise * np.array([-np.sin(middle), np.cos(middle)])
        tilt -= LORDOSIS * (0.8 if step == 0 else 1.0)
    dy, dz = y[:, None] - at[0], z[None, :] - at[1]
    v, w = dy * np.cos(tilt) + dz * np.sin(tilt), dz * np.cos(tilt) - dy * np.sin(tilt)
    return v.astype(np.float32), w.astype(np.float32)


def _body(low: float, high: float) -> Solid:
    def distance(x: Array, v: Array, w: Array) -> Array:
        t = np.clip((w - low) / (high - low), 0, 1)
        waist = 1.0 - 0.1 * 4 * t * (1 - t)
        level = np.sqrt((x / 25.0) ** 2 + (v / 16.5) ** 2) / waist
        ends = np.maximum(low - w, w - high)
        round_side = np.asarray((level - 1) * 17.0, np.float32)
        return smooth_max(round_side, np.asarray(ends, np.float32), 2.0)

    return distance


def _wedge(height: float) -> Solid:
    """A disc reaching down past the endplate below; the bone that follows covers the excess."""

    def distance(x: Array, v: Array, w: Array) -> Array:
        level = np.sqrt((x / 24.5) ** 2 + (v / 16.0) ** 2)
        ends = np.maximum(w - 0.5, -w - height - 6.0)
        return smooth_max(np.asarray((level - 1) * 16.0, np.float32), ends.astype(np.float32), 2.0)

    return distance


def _add_arch(field: Field) -> None:
    """Pedicles, articular and transverse processes, laminae, spinous process."""
    for side in (-1.0, 1.0):
        field.add(*cone((side * 15.0, 12.0, 18.0), (side * 17.0, 26.0, 17.0), 6.5, 6.0), 3.0)
        field.add(*cone((side * 18.0, 28.0, 22.0), (side * 19.0, 30.0, 32.0), 6.0, 4.5), 3.0)
        field.add(*cone((side * 18.0, 28.0, 16.0), (side * 17.5, 33.0, -6.0), 5.5, 4.5), 3.0)
        field.add(*cone((side * 18.0, 24.0, 19.0), (side * 44.0, 26.0, 22.0), 5.0, 3.5), 4.0)
        field.add(*cone((side * 16.0, 30.0, 12.0), (0.0, 40.0, 8.0), 4.5, 4.0), 3.0)
    field.add(*cone((0.0, 40.0, 9.0), (0.0, 62.0, 2.0), 4.0, 4.5), 3.0)
    field.add(*cone((0.0, 42.0, 3.0), (0.0, 60.0, -3.0), 3.0, 3.5), 3.0)


def femur(parameters: Parameters, x: Array, y: Array, z: Array) -> Array:
    """The left upper femur's field (n, m, l); the right one is the same on mirrored axes."""
    dx, dy, dz = (np.float32(v) for v in parameters.hip_shift)
    grids = np.meshgrid(y - dy, z - dz, indexing="ij")
    field = Field.empty(Space(x - dx, *(np.ascontiguousarray(g) for g in grids)))
    field.add(*cone((86.0, -33.0, -103.5), (86.0, -33.0, -103.5), 22.5, 22.5), 1.0)
    field.add(*cone((88.0, -33.0, -105.0), (122.0, -24.0, -128.0), 14.0, 15.0), 5.0)
    field.add(*cone((128.0, -14.0, -117.0), (124.0, -22.0, -140.0), 12.0, 15.0), 6.0)
    field.add(*cone((124.0, -22.0, -140.0), (112.0, -24.0, -230.0), 16.0, 13.5), 6.0)
    return field.values
