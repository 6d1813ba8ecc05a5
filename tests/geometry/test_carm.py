"""C-arm geometry: DICOM's angles, DESIGN.md's poses, and on which side of a picture things land."""

from __future__ import annotations

from math import radians

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.geometry.carm import (
    SOURCE_TO_DETECTOR_MM,
    SOURCE_TO_ISOCENTRE_MM,
    Projection,
    angles_of,
    detector_direction,
    projection,
)

CENTRE = (0.0, 0.0, 0.0)
MIDDLE = 255.5
angles = st.tuples(st.floats(-179.9, 179.9), st.floats(-80.0, 80.0))


def view(primary_deg: float, secondary_deg: float) -> Projection:
    return projection(radians(primary_deg), radians(secondary_deg), CENTRE)


def place(geometry: Projection, point: tuple[float, float, float]) -> tuple[float, float]:
    """How far right and down of the middle a point lands, pixels."""
    column, row = geometry.project(np.array([point]))[0]
    return column - MIDDLE, row - MIDDLE


@pytest.mark.parametrize(
    ("primary", "secondary", "towards"),
    [
        (0.0, 0.0, (0, -1, 0)),  # DICOM: PA of a supine patient, detector in front
        (90.0, 0.0, (1, 0, 0)),  # LAO positive: detector to the patient's left
        (180.0, 0.0, (0, 1, 0)),  # prone, tube below: detector behind
        (0.0, 90.0, (0, 0, 1)),  # cranial positive
        (-150.0, 0.0, (-0.5, np.sqrt(0.75), 0)),  # left ala: detector 30 deg to the right
        (150.0, 0.0, (0.5, np.sqrt(0.75), 0)),
    ],
)
def test_documented_directions(
    primary: float, secondary: float, towards: tuple[float, float, float]
) -> None:
    found = detector_direction(radians(primary), radians(secondary))
    assert found == pytest.approx(np.array(towards), abs=1e-12)


@given(angles)
def test_angles_come_back_from_the_direction(pose: tuple[float, float]) -> None:
    primary, secondary = radians(pose[0]), radians(pose[1])
    assert angles_of(detector_direction(primary, secondary)) == pytest.approx((primary, secondary))


def test_lead_marker_ap() -> None:
    geometry = view(180.0, 39.0)
    right, down = place(geometry, (20.0, 0.0, 0.0))
    assert right < -30 and abs(down) < 1e-9, "the patient's left is on the picture's left"
    right, down = place(geometry, (0.0, 0.0, 20.0))
    assert down < -20 and abs(right) < 1e-9, "the head is up"


def test_lead_marker_lateral() -> None:
    geometry = view(90.0, 0.0)
    right, down = place(geometry, (0.0, 20.0, 0.0))
    assert right > 30 and abs(down) < 1e-9, "detector on the left: posterior is on the right"
    assert place(geometry, (0.0, 0.0, 20.0))[1] < -30
    assert place(geometry, (20.0, 0.0, 0.0)) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_lead_marker_lateral_from_the_other_side() -> None:
    assert place(view(-90.0, 0.0), (0.0, 20.0, 0.0))[0] < -30


@pytest.mark.parametrize("primary", [-150.0, 150.0])
def test_lead_marker_oblique(primary: float) -> None:
    """Left stays left; what is posterior moves away from the detector's side."""
    geometry = view(primary, 35.0)
    assert place(geometry, (20.0, 0.0, 0.0))[0] < -25
    assert place(geometry, (0.0, 0.0, 20.0))[1] < -20
    right, _ = place(geometry, (0.0, 20.0, 0.0))
    detector_on_left = primary > 0
    assert (right > 10) if detector_on_left else (right < -10)


def test_distances_and_magnification() -> None:
    geometry = view(-150.0, 35.0)
    source, detector = np.array(geometry.source), np.array(geometry.centre)
    assert np.linalg.norm(source) == pytest.approx(SOURCE_TO_ISOCENTRE_MM)
    assert np.linalg.norm(detector - source) == pytest.approx(SOURCE_TO_DETECTOR_MM)
    right, _ = place(geometry, tuple(10.0 * np.array(geometry.right)))
    assert right * geometry.pixel_mm == pytest.approx(10.0 * 1020.0 / 530.0)


@given(angles, st.tuples(st.floats(0, 511), st.floats(0, 511)), st.floats(0.2, 1.0))
def test_every_point_of_a_ray_lands_on_its_pixel(
    pose: tuple[float, float], pixel: tuple[float, float], share: float
) -> None:
    geometry = view(*pose)
    source = np.array(geometry.source)
    point = source + share * (geometry.pixel(*pixel) - source)
    assert geometry.project(point[None])[0] == pytest.approx(np.array(pixel), abs=1e-6)


@given(angles)
def test_picture_axes_are_a_right_handed_frame(pose: tuple[float, float]) -> None:
    geometry = view(*pose)
    right, down = np.array(geometry.right), np.array(geometry.down)
    towards = detector_direction(radians(pose[0]), radians(pose[1]))
    assert np.cross(right, down) == pytest.approx(-towards, abs=1e-9)
    assert right[2] == pytest.approx(0.0, abs=1e-12), "the head stays up: no roll"


def test_beam_along_the_body_is_refused() -> None:
    with pytest.raises(ValueError, match="long axis"):
        view(0.0, 90.0)


def test_projection_matrix_is_the_projection() -> None:
    geometry = projection(radians(-150.0), radians(35.0), (4.0, -5.0, 6.0), 300)
    points = np.random.default_rng(2).uniform(-80.0, 80.0, (50, 3))
    seen = np.column_stack([points, np.ones(50)]) @ geometry.matrix().T
    assert seen[:, :2] / seen[:, 2:] == pytest.approx(geometry.project(points), abs=1e-9)
