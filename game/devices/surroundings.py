"""What stands in the C-arm's way: the patient's body and the table, as simple solids.

The body is the prism around it whose sides face eight directions across its long axis, endless
along it (legs and chest go on); the table is an endless slab under it. The detector is a box and
the tube a cylinder about the beam, and the clearance between two solids is measured along those
eight directions: never more than the true one. The arc itself is left out: it is built around the
table. Serial, in a fixed order: State depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin, sqrt

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


@dataclass(frozen=True)
class Shape:
    """A housing about the beam: half its width, and from where to where it reaches from the
    isocentre towards the detector, mm; square, or round."""

    name: str
    half_width: float
    near: float
    far: float
    square: bool = False


TO_DETECTOR = SOURCE_TO_DETECTOR_MM - SOURCE_TO_ISOCENTRE_MM
# Project choices after mobile C-arms, as the room draws them: the panel, the tube, its collimator.
DETECTOR = Shape("detector", DETECTOR_MM / 2.0 + 13.0, TO_DETECTOR, TO_DETECTOR + 115.0, True)
TUBE = Shape("tube", 95.0, -SOURCE_TO_ISOCENTRE_MM - 110.0, -SOURCE_TO_ISOCENTRE_MM + 60.0)
COLLIMATOR = Shape("tube", 52.0, -SOURCE_TO_ISOCENTRE_MM + 60.0, -SOURCE_TO_ISOCENTRE_MM + 110.0)
SHAPES = (DETECTOR, TUBE, COLLIMATOR)
SIDES = 8
DIRECTIONS = tuple((cos(n * pi / 4.0), sin(n * pi / 4.0)) for n in range(SIDES))


@dataclass(frozen=True)
class Surroundings:
    """`reach` is how far, mm from the origin, the body goes along each of `DIRECTIONS` in the x-y
    plane of the patient's LPS; `table_top` the y of the table's upper face (the body lies on it,
    so it is the lowest of the body)."""

    reach: tuple[float, ...]
    table_top: float

    @property
    def table(self) -> tuple[float, ...]:
        """How far the table goes along each of `DIRECTIONS`."""
        middle = self.table_top - 0.5 * TABLE_MM
        return tuple(
            s * middle + abs(c) * TABLE_HALF_MM + abs(s) * 0.5 * TABLE_MM for c, s in DIRECTIONS
        )

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
    table = around.table
    found = []
    for shape in SHAPES:
        housing = _housing(primary, secondary, isocentre, shape)
        found.append(Clearance(_gap(housing, around.reach), shape.name, "patient"))
        found.append(Clearance(_gap(housing, table), shape.name, "table"))
    return min(found, key=lambda one: one.mm)


def _gap(housing: Housing, solid: Sequence[float]) -> float:
    """The widest gap along `DIRECTIONS` between a housing and a solid that reaches so far along
    each of them, mm; along the body's axis both go on for ever."""
    return max(-housing.reach(-c, -s) - solid[n] for n, (c, s) in enumerate(DIRECTIONS))


@dataclass(frozen=True)
class Housing:
    """A box or a cylinder about the beam: its middle, half its length along the beam, half its
    width across it, and the directions of the beam and, for a box, of its sides."""

    middle: Point
    half_length: float
    half_width: float
    along: Point
    sides: tuple[Point, ...]

    def reach(self, x: float, y: float) -> float:
        """How far it goes along a direction (x, y, 0), mm from the origin: its support."""
        axial = x * self.along[0] + y * self.along[1]
        if self.sides:
            across = sum(abs(x * side[0] + y * side[1]) for side in self.sides)
        else:
            across = sqrt(max(1.0 - axial * axial, 0.0))
        own = x * self.middle[0] + y * self.middle[1]
        return own + abs(axial) * self.half_length + across * self.half_width


def _housing(primary: float, secondary: float, isocentre: Point, shape: Shape) -> Housing:
    x, y, z = detector_direction(primary, secondary).tolist()
    middle = 0.5 * (shape.near + shape.far)
    u = (cos(primary), sin(primary), 0.0)
    v = (-z * u[1], z * u[0], x * u[1] - y * u[0])
    return Housing(
        (isocentre[0] + middle * x, isocentre[1] + middle * y, isocentre[2] + middle * z),
        0.5 * (shape.far - shape.near),
        shape.half_width,
        (x, y, z),
        (u, v) if shape.square else (),
    )
