"""The cannulas in a picture: exact chords through hollow cylinders, displacing the tissue there.

The chord of a ray through an infinite cylinder is 2 sqrt(r^2 - b^2) / sin(angle), b the distance
between the two lines; flat ends cut it. The stylet makes the shaft solid; without it the bore holds
air, or cement as far as it has come. Hub and T-handle are plain cylinders of plastic.
"""

from __future__ import annotations

from itertools import product
from math import pi

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.devices.beam import DENSITIES, Material
from game.devices.cannula import GAUGES, Cannula
from game.fluoroscopy.areas import AreaDensities
from game.fluoroscopy.projector import Projector, tissue_at
from game.fluoroscopy.rows import over_rows
from game.geometry.carm import Projection
from game.geometry.grid import Point

HUB_MM, HUB_RADIUS = 20.0, 5.0  # a bone cannula's plastic hub; project choice
HANDLE_MM, HANDLE_RADIUS = 60.0, 6.0  # its T-handle; project choice
PLASTIC = 1.2  # g/cm3, polycarbonate, attenuating like soft tissue; project choice
CUBE = np.array(list(product((-1.0, 1.0), repeat=3)))  # its corners

Box = tuple[slice, slice]


def chord(
    geometry: Projection, start: Point, end: Point, radius: float
) -> tuple[Box, NDArray[np.float64], NDArray[np.float64]]:
    """A finite cylinder (LPS, mm) in a picture: the pixel box around it, the length (h, w) of
    each ray inside, mm, and the middle (h, w, 3) of that stretch, LPS mm."""
    box = _box(geometry, start, end, radius)
    rows, columns = box
    shape = max(rows.stop - rows.start, 0), max(columns.stop - columns.start, 0)
    lengths, middles = np.zeros(shape), np.zeros((*shape, 3))
    source, corner = np.array(geometry.source), geometry.pixel(columns.start, rows.start)
    right = np.array(geometry.right) * geometry.pixel_mm
    down = np.array(geometry.down) * geometry.pixel_mm
    ends = np.array(start), np.array(end)

    def trace(top: int, bottom: int) -> None:
        _chords(source, corner, right, down, *ends, radius, top, bottom, lengths, middles)

    over_rows(trace, shape[0])
    return box, lengths, middles


def insert(
    areas: AreaDensities,
    geometry: Projection,
    projector: Projector,
    cannula: Cannula,
    bore_ml: float = 0.0,
) -> None:
    """Lays a cannula over `areas`: steel in place of tissue, `bore_ml` of cement in its bore.

    What the shaft displaces is the tissue at the middle of each chord, over the chord's length."""
    values, hub, tip = areas.values, cannula.hub, cannula.tip
    box, outer, middles = chord(geometry, hub, tip, cannula.radius)
    hit = np.nonzero(outer)
    places = hit[0] + box[0].start, hit[1] + box[1].start
    within = _tissue(projector, outer[hit], middles[hit])
    values[:3, *places] -= np.minimum(within, values[:3, *places])
    _add(values, Material.STEEL, box, outer)
    if not cannula.stylet:
        _fill_bore(values, geometry, cannula, bore_ml)
    for start, end, radius in _plastic(cannula):
        box, lengths, _ = chord(geometry, start, end, radius)
        _add(values, Material.SOFT, box, lengths * PLASTIC / DENSITIES[Material.SOFT])


def with_tail(
    areas: AreaDensities, geometry: Projection, start: Point, end: Point, radius: float
) -> None:
    """Lays over `areas` a strand of cement (LPS, mm) between two points, where tissue has
    parted."""
    box, lengths, _ = chord(geometry, start, end, radius)
    _add(areas.values, Material.CEMENT, box, lengths)


def _fill_bore(
    values: NDArray[np.float32], geometry: Projection, cannula: Cannula, bore_ml: float
) -> None:
    radius = GAUGES[cannula.gauge].bore / 2.0
    box, lengths, _ = chord(geometry, cannula.hub, cannula.tip, radius)
    _add(values, Material.STEEL, box, -lengths)
    filled = min(bore_ml * 1000.0 / (pi * radius**2), float(cannula.length))
    if filled > 0.0:
        front = _along(cannula.hub, cannula.direction, filled)
        box, lengths, _ = chord(geometry, cannula.hub, front, radius)
        _add(values, Material.CEMENT, box, lengths)


def _plastic(cannula: Cannula) -> tuple[tuple[Point, Point, float], ...]:
    """Hub and handle: start, end and radius. The handle lies across, level with the table."""
    top = _along(cannula.hub, cannula.direction, -HUB_MM)
    x, _, z = cannula.direction
    length = (x * x + z * z) ** 0.5
    across = (z / length, 0.0, -x / length) if length > 1e-6 else (1.0, 0.0, 0.0)
    ends = (_along(top, across, sign * HANDLE_MM / 2.0) for sign in (-1.0, 1.0))
    return (cannula.hub, top, HUB_RADIUS), (next(ends), next(ends), HANDLE_RADIUS)


def _tissue(
    projector: Projector, lengths: NDArray[np.float64], middles: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Area densities (3, n), g/cm2, of what lies where the chords (n,) are."""
    density = tissue_at(projector.tissue, projector.patient.body, middles)
    return density * lengths / 10.0


def _add(
    values: NDArray[np.float32], material: Material, box: Box, lengths: NDArray[np.float64]
) -> None:
    hit = np.nonzero(lengths)
    place = material, hit[0] + box[0].start, hit[1] + box[1].start
    values[place] += lengths[hit] * (DENSITIES[material] / 10.0)


def _along(start: Point, direction: Point, length: float) -> Point:
    x, y, z = (s + length * d for s, d in zip(start, direction, strict=True))
    return x, y, z


def _box(geometry: Projection, start: Point, end: Point, radius: float) -> Box:
    """Rows and columns that a cylinder can touch: around the cubes about its two ends."""
    corners = np.concatenate([np.array(point) + radius * CUBE for point in (start, end)])
    axis = np.array(geometry.centre) - np.array(geometry.source)
    if ((corners - geometry.source) @ axis <= 0.0).any():  # beside or behind the focal spot
        return slice(0, geometry.size), slice(0, geometry.size)
    places = geometry.project(corners)
    low = np.clip(np.floor(places.min(axis=0)), 0, geometry.size).astype(int)
    high = np.clip(np.ceil(places.max(axis=0)) + 1, 0, geometry.size).astype(int)
    return slice(low[1], max(high[1], low[1])), slice(low[0], max(high[0], low[0]))


@njit(nogil=True, cache=True)
def _chords(source, corner, right, down, start, end, radius, top, bottom, lengths, middles):  # type: ignore[no-untyped-def]
    span = end - start
    height = np.sqrt((span * span).sum())
    axis = span / height
    offset = source - start
    along_0 = (offset * axis).sum()
    across_0 = offset - along_0 * axis
    c = (across_0 * across_0).sum() - radius * radius
    near = c - 0.1 * radius * radius
    for row in range(top, bottom):
        x_0 = corner[0] + row * down[0] - source[0]
        y_0 = corner[1] + row * down[1] - source[1]
        z_0 = corner[2] + row * down[2] - source[2]
        first, last = _near(x_0, y_0, z_0, right, axis, across_0, near, lengths.shape[1])
        for column in range(first, last):
            x, y, z = x_0 + column * right[0], y_0 + column * right[1], z_0 + column * right[2]
            squared = x * x + y * y + z * z
            slant = x * axis[0] + y * axis[1] + z * axis[2]
            a = squared - slant * slant
            b = x * across_0[0] + y * across_0[1] + z * across_0[2]
            # As shares of the ray from the focal spot to the pixel.
            enter, leave = 0.0, 1.0
            if a > 1e-14 * squared:
                root = b * b - a * c
                if root <= 0.0:
                    continue
                root = np.sqrt(root)
                enter, leave = max(enter, (-b - root) / a), min(leave, (-b + root) / a)
            elif c >= 0.0:
                continue
            if abs(slant) > 1e-12 * np.sqrt(squared):
                one, two = -along_0 / slant, (height - along_0) / slant
                enter, leave = max(enter, min(one, two)), min(leave, max(one, two))
            elif not 0.0 <= along_0 <= height:
                continue
            if leave > enter:
                lengths[row, column] = (leave - enter) * np.sqrt(squared)
                halfway = 0.5 * (enter + leave)
                middles[row, column, 0] = source[0] + x * halfway
                middles[row, column, 1] = source[1] + y * halfway
                middles[row, column, 2] = source[2] + z * halfway


@njit(nogil=True, cache=True)
def _near(x, y, z, right, axis, across_0, c, columns):  # type: ignore[no-untyped-def]
    """The columns of a row, from the first to beyond the last, whose rays may meet a cylinder: as
    in `_chords` those with b^2 > a c, a square equation of the column. (x, y, z) is the row's first
    ray; `c` is that of a cylinder a little thicker, so that rounding leaves no ray out."""
    along, slope = x * axis[0] + y * axis[1] + z * axis[2], (right * axis).sum()
    b_0, b_1 = x * across_0[0] + y * across_0[1] + z * across_0[2], (right * across_0).sum()
    a_0 = x * x + y * y + z * z - along * along
    a_1 = x * right[0] + y * right[1] + z * right[2] - along * slope
    a_2 = (right * right).sum() - slope * slope
    one, two, three = b_1 * b_1 - a_2 * c, b_0 * b_1 - a_1 * c, b_0 * b_0 - a_0 * c
    if c <= 0.0 or one >= 0.0:
        return 0, columns
    inside = two * two - one * three
    if inside <= 0.0:
        return 0, 0
    root = np.sqrt(inside)
    first, last = (-two + root) / one, (-two - root) / one
    return max(int(np.floor(max(first, 0.0))), 0), int(np.ceil(min(last, columns - 1.0))) + 1
