"""Named views: DESIGN.md's angles, and no error at the angles a view asks for."""

from __future__ import annotations

from math import cos, degrees, radians, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from game.geometry.carm import detector_direction
from game.geometry.views import (
    PELVIC_VIEWS,
    VIEWS,
    Anatomy,
    PelvicView,
    ViewName,
    axes_from_left,
    nearest_view,
    pelvic_angles,
    pelvic_error,
    view_angles,
    view_error,
)


def anatomy(tilt_deg: float = 39.0, turn: tuple[float, float, float] = (0, 0, 0)) -> Anatomy:
    """A disc tilted in the sagittal plane (its front lower), in a patient who lies turned."""
    rotation = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    tilt = radians(tilt_deg)
    return Anatomy(rotation.T, rotation @ np.array([0.0, -sin(tilt), cos(tilt)]))


@pytest.mark.parametrize(
    ("name", "primary", "secondary"),
    [
        ("ap", 180.0, 39.0),
        ("oblique-left", -150.0, 35.0),
        ("oblique-right", 150.0, 35.0),
        ("lateral", 90.0, 0.0),
    ],
)
def test_angles_of_the_design(name: ViewName, primary: float, secondary: float) -> None:
    found = np.degrees(view_angles(name, anatomy()))
    assert abs((found[0] - primary + 180.0) % 360.0 - 180.0) < 1e-9
    assert found[1] == pytest.approx(secondary, abs=0.5)


tilts = st.floats(5.0, 60.0)
turns = st.tuples(st.floats(-15, 15), st.floats(-15, 15), st.floats(-30, 30))


@given(tilts, turns, st.sampled_from(VIEWS))
def test_a_true_view_has_no_error(
    tilt: float, turn: tuple[float, float, float], name: ViewName
) -> None:
    patient = anatomy(tilt, turn)
    pose = view_angles(name, patient)
    assert view_error(name, *pose, patient).worst_deg < 1e-6
    assert nearest_view(*pose, patient).view == name


@given(tilts, turns, st.sampled_from(["ap", "oblique-left", "oblique-right"]))
def test_a_frontal_beam_runs_along_the_disc(
    tilt: float, turn: tuple[float, float, float], name: ViewName
) -> None:
    patient = anatomy(tilt, turn)
    beam = detector_direction(*view_angles(name, patient))
    assert beam @ patient.disc_normal == pytest.approx(0.0, abs=1e-9)


@given(tilts, turns)
def test_disc_tilt_is_measured_in_the_patients_own_axes(
    tilt: float, turn: tuple[float, float, float]
) -> None:
    assert degrees(anatomy(tilt, turn).disc_tilt) == pytest.approx(tilt)


@pytest.mark.parametrize("name", VIEWS)
def test_a_turn_is_reported_with_its_size(name: ViewName) -> None:
    primary, secondary = view_angles(name, anatomy())
    error = view_error(name, primary + radians(7.0), secondary, anatomy())
    assert error.turn_deg == pytest.approx(7.0)


def test_a_beam_across_the_disc_is_reported() -> None:
    primary, secondary = view_angles("ap", anatomy())
    error = view_error("ap", primary, secondary + radians(5.0), anatomy())
    assert error.disc_deg == pytest.approx(5.0)


def test_a_lateral_may_come_from_either_side() -> None:
    assert view_error("lateral", radians(-90.0), 0.0, anatomy()).worst_deg < 1e-9


def test_axes_from_a_turned_left() -> None:
    axes = axes_from_left(np.array([2.0, 0.3, -0.2]))
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1.0)
    assert axes[1, 1] > 0.9 and axes[2, 2] > 0.9


@pytest.mark.parametrize(("name", "secondary"), [("inlet", -25.0), ("outlet", 45.0)])
def test_inlet_looks_from_the_head_and_outlet_from_the_feet(
    name: PelvicView, secondary: float
) -> None:
    found = np.degrees(pelvic_angles(name, anatomy()))
    assert abs(found[0]) == pytest.approx(180.0)
    assert found[1] == pytest.approx(secondary)


@given(tilts, turns, st.sampled_from(sorted(PELVIC_VIEWS)))
def test_a_true_pelvic_view_has_no_error(
    tilt: float, turn: tuple[float, float, float], name: PelvicView
) -> None:
    patient = anatomy(tilt, turn)
    assert pelvic_error(name, *pelvic_angles(name, patient), patient) == pytest.approx((0, 0))


def test_pelvic_views_are_not_graded() -> None:
    assert not set(PELVIC_VIEWS) & set(VIEWS)
    assert nearest_view(*pelvic_angles("outlet", anatomy()), anatomy()).view == "ap"
