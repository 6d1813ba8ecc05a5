"""The cannula's exact chords, and its tip where projection puts it."""

from __future__ import annotations

from dataclasses import replace
from math import pi, radians, sin

import numpy as np
import pytest
from xray_solids import GRID, ball, projector, rays, view

from game.devices.cannula import GAUGES, Cannula
from game.fluoroscopy.instruments import chord, insert
from game.fluoroscopy.joseph import SOFT

RADIUS = GAUGES[11].outer / 2.0
LONG = 4000.0


def across(geometry, direction, point):  # type: ignore[no-untyped-def]
    """Distance of each ray from an infinite line, and the sine of the angle between them."""
    source, directions = rays(geometry)
    normal = np.cross(directions, direction)
    sine = np.linalg.norm(normal, axis=2)
    return np.abs(normal @ (np.array(point) - source)) / sine, sine


@pytest.mark.parametrize("obliquity_deg", [90.0, 60.0, 30.0, 10.0, 3.0])
def test_chord_of_an_endless_cylinder(obliquity_deg: float) -> None:
    """2 sqrt(r^2 - b^2) / sin(angle), within 0.1 % of the longest at every obliquity."""
    geometry = view(180.0, 0.0, size=256, field=30.0)
    angle = radians(obliquity_deg)
    direction = np.array([sin(angle), np.cos(angle), 0.0])
    start, end = tuple(-LONG * direction), tuple(LONG * direction)
    miss, sine = across(geometry, direction, (0.0, 0.0, 0.0))
    exact = 2.0 * np.sqrt(np.maximum(RADIUS**2 - miss**2, 0.0)) / sine
    box, lengths, _ = chord(geometry, start, end, RADIUS)
    found = np.zeros_like(exact)
    found[box] = lengths
    inside = exact < 400.0  # a ray cannot go on behind the focal spot or the detector
    assert np.abs(found - exact)[inside].max() < 1e-3 * exact[inside].max()


def test_down_the_barrel_the_chord_is_the_length() -> None:
    geometry = view(180.0, 0.0, size=65, field=30.0)
    _, lengths, middles = chord(geometry, (0.0, 40.0, 0.0), (0.0, -40.0, 0.0), RADIUS)
    assert lengths.max() == pytest.approx(80.0, rel=1e-4)
    assert middles[len(middles) // 2, len(middles) // 2] == pytest.approx(np.zeros(3), abs=1e-3)


def held(**changes) -> Cannula:  # type: ignore[no-untyped-def]
    direction = (0.0, -0.6, 0.8)
    given = {"stage": "bone", "tip": (5.0, -3.0, 8.0), "direction": direction, "length": 100}
    return Cannula(**(given | changes))


@pytest.mark.parametrize("pose", [(180.0, 39.0), (90.0, 0.0), (-150.0, 35.0), (150.0, -20.0)])
def test_projected_tip(pose: tuple[float, float]) -> None:
    """Along the shaft's image steel ends within 0.1 pixel of the projected tip's own end face."""
    geometry = view(*pose, size=512)
    cannula = held(tip=(5.0, -3.0, 8.0))
    tip, hub = geometry.project(np.array([cannula.tip, cannula.hub]))
    along = (tip - hub) / np.linalg.norm(tip - hub)
    places = np.linspace(-6.0, 6.0, 2401)
    thin = 0.01
    hit = []
    for place in places:
        column, row = tip + place * along
        hit.append(_ray_length(geometry, column, row, cannula, thin) > 0.0)
    assert places[np.array(hit)].max() == pytest.approx(0.0, abs=0.1)


def _ray_length(geometry, column, row, cannula, radius):  # type: ignore[no-untyped-def]
    """The chord of one ray between pixels: a picture of one pixel, moved there."""
    centre = tuple(geometry.pixel(column, row))
    right, down = np.array(geometry.right), np.array(geometry.down)
    shifted = np.array(geometry.source), np.array(centre)
    axis = (shifted[1] - shifted[0]) / np.linalg.norm(shifted[1] - shifted[0])
    right = right - (right @ axis) * axis
    down = np.cross(axis, right)
    one = replace(
        geometry,
        centre=centre,
        right=tuple(right / np.linalg.norm(right)),
        down=tuple(down / np.linalg.norm(down)),
        size=1,
    )
    _, lengths, _ = chord(one, cannula.hub, cannula.tip, radius)
    return lengths.max() if lengths.size else 0.0


def inserted(before, *given):  # type: ignore[no-untyped-def]
    after = before.copied()
    insert(after, *given)
    return after


@pytest.fixture(scope="module")
def soft():  # type: ignore[no-untyped-def]
    return projector(np.full(GRID.shape, SOFT, np.int16))


def test_steel_displaces_tissue_of_the_same_volume(soft) -> None:  # type: ignore[no-untyped-def]
    geometry = view(180.0, 30.0, size=256, field=60.0)  # hub and handle lie outside it
    before = soft.areas(geometry)
    after = inserted(before, geometry, soft, held())
    at = after.steel > 0.1
    lost = (before.soft - after.soft)[at] / 1.06
    assert lost == pytest.approx(after.steel[at] / 8.0, rel=1e-3, abs=1e-4)
    with pytest.raises(ValueError, match="read-only"):  # what a projector keeps
        insert(before, geometry, soft, held())


def test_bore_is_hollow_without_the_stylet_and_takes_cement(soft) -> None:  # type: ignore[no-untyped-def]
    geometry = view(180.0, 0.0, size=512)
    before = soft.areas(geometry)
    solid = inserted(before, geometry, soft, held()).steel.sum()
    empty = inserted(before, geometry, soft, held(stylet=False))
    wall = 1.0 - (GAUGES[11].bore / GAUGES[11].outer) ** 2
    assert empty.steel.sum() / solid == pytest.approx(wall, rel=0.01)
    assert empty.cement.max() == 0.0
    full_ml = pi * (GAUGES[11].bore / 2.0) ** 2 * 100.0 / 1000.0
    half = inserted(before, geometry, soft, held(stylet=False), full_ml / 2.0)
    full = inserted(before, geometry, soft, held(stylet=False), full_ml)
    assert full.cement.max() == pytest.approx(half.cement.max(), rel=0.05)
    assert 0.3 < half.cement.sum() / full.cement.sum() < 0.7


def test_out_of_the_picture_nothing_is_drawn() -> None:
    air = projector(ball(-1000.0, -1000.0, 10.0))
    geometry = view(180.0, 0.0)
    before = air.areas(geometry)
    after = inserted(before, geometry, air, held(tip=(0.0, 0.0, 400.0), direction=(0.0, 0.0, -1.0)))
    assert np.array_equal(after.values, before.values)
