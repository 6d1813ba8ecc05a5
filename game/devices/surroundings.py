"""What stands in the C-arm's way: the patient's body and the table, as simple solids.

The body is the prism around it whose sides face eight directions across its long axis, endless
along it (legs and chest go on); the table is an endless slab under it. Tube and detector are boxes
around the beam, and the clearance between two solids is measured along the body's eight directions
and the table's two: never more than the true one. The arc itself is left out: it is built around
the table. Serial, in a fixed order: State depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from game.geometry.carm import (
    DETECTOR_MM,
    SOURCE_TO_DETECTOR_MM,
    SOURCE_TO_ISOCENTRE_MM,
    detector_direction,
)
from game.geometry.grid import Point
from game.patient.patient import Patient, Structure

TABLE_HALF_MM, TABLE_MM = 260.0, 45.0  # half its width, its thickness; project choice
# Housings: the side of a box, and from where to where it reaches from the isocentre towards the
# detector; project choices after mobile C-arms, as the room draws them.
DETECTOR_BOX = (
    DETECTOR_MM + 26.0,
    SOURCE_TO_DETECTOR_MM - SOURCE_TO_ISOCENTRE_MM,
    SOURCE_TO_DETECTOR_MM - SOURCE_TO_ISOCENTRE_MM + 115.0,
)
TUBE_BOX = (190.0, -SOURCE_TO_ISOCENTRE_MM - 110.0, -SOURCE_TO_ISOCENTRE_MM + 60.0)
CONE_BOX = (104.0, -SOURCE_TO_ISOCENTRE_MM + 60.0, -SOURCE_TO_ISOCENTRE_MM + 110.0)
HOUSINGS = (("detector", DETECTOR_BOX), ("tube", TUBE_BOX), ("tube", CONE_BOX))
SIDES = 8
DIRECTIONS = tuple((cos(n * pi / 4.0), sin(n * pi / 4.0)) for n in range(SIDES))

Corners = tuple[Point, ...]


@dataclass(frozen=True)
class Surroundings:
    """`reach` is how far, mm from the origin, the body goes along each of `DIRECTIONS` in the x-y
    plane of the patient's LPS; `table_top` the y of the table's upper face (the body lies on it,
    so it is the lowest of the body)."""

    reach: tuple[float, ...]
    table_top: float

    def crossed(self, start: Point, end: Point) -> tuple[float, float] | None:
        """The shares of the way from `start` to `end` between which a straight line is in the body;
        None where it misses it."""
        enter, leave = 0.0, 1.0
        for (x, y), reach in zip(DIRECTIONS, self.reach, strict=True):
            first = start[0] * x + start[1] * y - reach
            last = end[0] * x + end[1] * y - reach
            if first > 0.0 and last > 0.0:
                return None
            if first > 0.0:
                enter = max(enter, first / (first - last))
            elif last > 0.0:
                leave = min(leave, first / (first - last))
        return (enter, leave) if enter < leave else None


@dataclass(frozen=True)
class Clearance:
    """The least gap, mm, between a housing and what is in its way; negative: inside it."""

    mm: float
    housing: str
    obstacle: str


def surroundings_of(patient: Patient) -> Surroundings:
    """The prism and the table of a patient who lies prone on it."""
    grid = patient.body
    across, along = np.nonzero((patient.structures != Structure.AIR).any(axis=2))
    if len(across) == 0:
        raise ValueError("the patient's volume holds air only")
    x = grid.origin[0] + grid.spacing * across
    y = grid.origin[1] + grid.spacing * along
    reach = tuple(float((c * x + s * y).max()) + 0.5 * grid.spacing for c, s in DIRECTIONS)
    return Surroundings(reach, float(y.min()) - 0.5 * grid.spacing)


def clearance(
    primary: float, secondary: float, isocentre: Point, around: Surroundings
) -> Clearance:
    """The tightest place of a pose (angles in radians, isocentre LPS mm)."""
    found = []
    for housing, box in HOUSINGS:
        corners = _corners(primary, secondary, isocentre, box)
        found.append(Clearance(_from_body(corners, around), housing, "patient"))
        found.append(Clearance(_from_table(corners, around.table_top), housing, "table"))
    return min(found, key=lambda one: one.mm)


def _from_body(corners: Corners, around: Surroundings) -> float:
    return max(
        min(x * c + y * s for x, y, _ in corners) - reach
        for (c, s), reach in zip(DIRECTIONS, around.reach, strict=True)
    )


def _from_table(corners: Corners, top: float) -> float:
    right, left = min(x for x, _, _ in corners), max(x for x, _, _ in corners)
    below, above = max(y for _, y, _ in corners), min(y for _, y, _ in corners)
    return max(above - top, top - TABLE_MM - below, right - TABLE_HALF_MM, -TABLE_HALF_MM - left)


def _corners(
    primary: float, secondary: float, isocentre: Point, box: tuple[float, float, float]
) -> Corners:
    """The eight corners of a housing about the beam, LPS mm."""
    side, near, far = box
    axis = tuple(detector_direction(primary, secondary).tolist())
    across = (cos(primary), sin(primary), 0.0)
    other = (
        axis[1] * across[2] - axis[2] * across[1],
        axis[2] * across[0] - axis[0] * across[2],
        axis[0] * across[1] - axis[1] * across[0],
    )
    half = side / 2.0
    return tuple(
        (
            isocentre[0] + along * axis[0] + u * across[0] + v * other[0],
            isocentre[1] + along * axis[1] + u * across[1] + v * other[1],
            isocentre[2] + along * axis[2] + u * across[2] + v * other[2],
        )
        for along in (near, far)
        for u in (-half, half)
        for v in (-half, half)
    )
