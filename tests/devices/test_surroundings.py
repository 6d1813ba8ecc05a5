"""Body and table in the C-arm's way: closed forms on a round body."""

from __future__ import annotations

from math import hypot, radians
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from game.devices.surroundings import (
    DETECTOR,
    TABLE_MM,
    TUBE,
    Surroundings,
    clearance,
    surroundings_of,
)
from game.geometry.grid import Grid
from game.patient.patient import Structure

ROUND = Surroundings((120.0,) * 8, -120.0)
CENTRE = (0.0, 0.0, 0.0)


def at(primary_deg: float, secondary_deg: float, isocentre: Any = CENTRE) -> Any:
    return clearance(radians(primary_deg), radians(secondary_deg), isocentre, ROUND)


def test_ap_the_tube_hangs_under_the_table() -> None:
    """Its collimator's front is 420 mm below the isocentre, the table's underside at 165."""
    found = at(180.0, 0.0)
    assert (found.housing, found.obstacle) == ("tube", "table")
    assert found.mm == pytest.approx(420.0 - 120.0 - TABLE_MM)


def test_a_lateral_stands_beside_the_table() -> None:
    """Half the table is 260 mm wide, the collimator (radius 52) stands at 420 and its lowest edge
    68 mm above it: no more than the true distance, no less than one axis gives."""
    assert 420.0 - 260.0 <= at(90.0, 0.0).mm <= hypot(420.0 - 260.0, 120.0 - 52.0)


def test_tilting_brings_the_tube_to_the_table() -> None:
    """The upper front edge of the tube's housing, 470 mm out and 95 mm up, in closed form."""
    for tilt in (40.0, 50.0):
        angle = radians(tilt)
        edge = 470.0 * np.cos(angle) - TUBE.half_width * np.sin(angle)
        assert at(180.0, tilt).mm <= edge - 120.0 - TABLE_MM + 1e-9
    assert at(180.0, 60.0).mm < 0.0 < at(180.0, 40.0).mm


def test_the_detector_in_the_patient() -> None:
    """Lowered by 400 mm the detector's face is 30 mm inside."""
    found = at(180.0, 0.0, (0.0, -400.0, 0.0))
    assert (found.housing, found.obstacle) == ("detector", "patient")
    assert found.mm == pytest.approx(DETECTOR.near - 400.0 - 120.0)


@pytest.mark.parametrize("aside", [0.0, 40.0, 100.0])
def test_a_line_through_the_body(aside: float) -> None:
    """An octagon about a circle: the way in is at most the octagon's corner radius out of it."""
    span = ROUND.crossed((aside, -500.0, 3.0), (aside, 500.0, 3.0))
    assert span is not None
    length = (span[1] - span[0]) * 1000.0
    assert 2.0 * np.sqrt(120.0**2 - aside**2) <= length + 1e-9
    assert length <= 2.0 * min(120.0, hypot(120.0, 120.0 * np.tan(np.pi / 8)) * 2**0.5 - aside)


def test_a_line_beside_the_body_or_short_of_it() -> None:
    assert ROUND.crossed((130.0, -500.0, 0.0), (130.0, 500.0, 0.0)) is None
    assert ROUND.crossed((0.0, -500.0, 0.0), (0.0, -200.0, 0.0)) is None
    assert ROUND.crossed((0.0, 0.0, 0.0), (0.0, 240.0, 0.0)) == pytest.approx((0.0, 0.5))


def test_surroundings_of_a_box() -> None:
    grid = Grid((-50.0, -40.0, 0.0), 1.0, (101, 81, 3))
    structures = np.zeros(grid.shape, np.uint8)
    structures[20:81, 10:61] = Structure.MUSCLE  # x -30..30, y -30..20
    made = surroundings_of(SimpleNamespace(body=grid, structures=structures))  # type: ignore[arg-type]
    assert made.table_top == -30.5
    assert made.reach[0] == pytest.approx(30.5)
    assert made.reach[2] == pytest.approx(20.5)
    assert made.reach[6] == pytest.approx(30.5)
    structures[:] = 0
    with pytest.raises(ValueError, match="air"):
        surroundings_of(SimpleNamespace(body=grid, structures=structures))  # type: ignore[arg-type]
