"""The state that an X-ray is taken in: driven there by the machine, or refused with its range."""

from __future__ import annotations

from math import radians
from pathlib import Path

import pydicom
import pytest

from game.cli.cases import exposed_at
from game.fluoroscopy.dicom import save_dicom, shot_of
from game.fluoroscopy.projector import Projector
from game.fluoroscopy.render import exposed, render
from game.geometry.views import PELVIC_VIEWS, VIEWS, named_view, view_errors
from game.simulation.case import Case


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ((60.0, 0.0, 0.0), "-40 to 110"),
        ((0.0, 0.0, -300.0), "-215 to 215"),
        ((0.0, 20.0, 230.0), "detector would stand"),
        ((0.0, 26.0, 0.0), "inside the table; 0 mm or more"),
        ((0.0, 48.0, 0.0), r"\+-75"),
    ],
)
def test_a_pose_out_of_range_is_refused(
    embedded_case: Case, moved: tuple[float, float, float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        exposed_at(embedded_case, "ap", moved)


@pytest.mark.parametrize("view", [*VIEWS, *PELVIC_VIEWS])
def test_every_view_is_reached_and_named(embedded_case: Case, view: str) -> None:
    state = exposed_at(embedded_case, view)  # type: ignore[arg-type]
    pose, anatomy = state.picture_pose, embedded_case.patient.anatomy
    assert view_errors(pose.primary, pose.secondary, anatomy)[view] < 1e-6  # type: ignore[index]
    assert named_view(pose.primary, pose.secondary, anatomy) == view


def test_field_and_pulse_rate_reach_the_tube(embedded_case: Case) -> None:
    state = exposed_at(embedded_case, "ap", field=(0.5, 2.0), pulse_rate=15.0)
    assert state.picture_field.collimation == 0.5
    assert state.tube.pulse_rate == 15.0 and state.tube.shots == 0 and state.tube.pulses == 1


def test_a_views_file_has_its_angles_dose_and_orientation(
    embedded_case: Case, tmp_path: Path
) -> None:
    state = exposed_at(embedded_case, "oblique-left", field=(0.8, 1.0))
    projector = Projector(embedded_case.patient)
    picture = render(embedded_case, state, projector, 64)
    signal = exposed(embedded_case, state, projector, picture.projection)
    save_dicom(shot_of(embedded_case, state, picture, signal), tmp_path / "x.dcm")
    read = pydicom.dcmread(tmp_path / "x.dcm")
    turned = view_errors(
        radians(float(read.PositionerPrimaryAngle)),
        radians(float(read.PositionerSecondaryAngle)),
        embedded_case.patient.anatomy,
    )
    assert turned["oblique-left"] < 0.001
    assert list(read.PatientOrientation) == ["R", "F"]
    dose = float(read.ImageAndFluoroscopyAreaDoseProduct)
    assert dose == pytest.approx(10.0 * state.tube.kap_gycm2, rel=1e-5)
    assert read.RadiationSetting == "GR" and read.Rows == 64
