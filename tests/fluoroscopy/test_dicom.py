"""The DICOM object: read back, checked by an independent program, and nobody in it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from math import radians
from pathlib import Path

import numpy as np
import pydicom
import pytest
from xray_solids import UPRIGHT

from game.devices.carm import CArmPose
from game.devices.tube import OPEN, Field, Tube
from game.fluoroscopy.detector import Detector
from game.fluoroscopy.dicom import Shot, dataset, linear, save_dicom
from game.fluoroscopy.display import side_letters
from game.geometry.views import (
    PELVIC_VIEWS,
    VIEWS,
    PelvicView,
    ViewName,
    pelvic_angles,
    view_angles,
)

POSE = CArmPose(radians(210.0), radians(35.0), (4.0, -5.0, 6.0))


def shot(field: Field = OPEN) -> Shot:
    size = 128
    signal = np.random.default_rng(3).uniform(400.0, 4000.0, (size, size)).astype(np.float32)
    edge = round(size * (1.0 - field.collimation) / 2.0)
    signal[: edge or None, :] *= 0.0 if edge else 1.0
    return Shot(
        signal=signal,
        geometry=POSE.projection(size, field.panel_mm),
        pose=POSE,
        field=field,
        tube=Tube(kvp=88.0, mas=0.4, pulses=12, kerma_mgy=3.25, kap_gycm2=0.4, fluoroscopy_s=2.0),
        towards=("R", "F"),
        what="oblique-left",
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    made = shot(Field(0.5, 2.0))
    save_dicom(made, tmp_path / "x.dcm")
    read = pydicom.dcmread(tmp_path / "x.dcm")
    assert read.PositionerPrimaryAngle == pytest.approx(-150.0)
    assert read.PositionerSecondaryAngle == pytest.approx(35.0)
    assert read.DistanceSourceToDetector == 1020.0 and read.DistanceSourceToPatient == 530.0
    assert list(read.ImagerPixelSpacing) == pytest.approx([149.0 / 128] * 2, rel=1e-5)
    assert read.KVP == 88.0 and read.ExposureInuAs == 400
    assert read.ImageAndFluoroscopyAreaDoseProduct == pytest.approx(4.0)  # dGy cm2
    assert read.EntranceDoseInmGy == 3.25
    assert (read.CollimatorLeftVerticalEdge, read.CollimatorRightVerticalEdge) == (32, 97)
    assert list(read.PatientOrientation) == ["R", "F"]


def test_the_table_leads_back_to_the_signal() -> None:
    """Within half a step of the logarithm: ln(10) x 4 / 4095 / 2 = 0.11 %, and the table's own."""
    made = shot()
    back = linear()[dataset(made).pixel_array].astype(float)
    share = back / made.signal
    assert share == pytest.approx(np.median(share), rel=0.005)


def test_nobody_is_in_it_and_it_says_synthetic() -> None:
    made = dataset(shot())
    assert str(made.PatientName) == "Synthetic^Patient" and made.PatientID == "SYNTHETIC"
    assert made.PatientBirthDate == made.StudyDate == made.InstitutionName == ""
    assert made.PatientIdentityRemoved == "YES"
    assert made.ImageType[3] == "SYNTHETIC"
    assert "synthetic" in made.SeriesDescription


def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.dcm", "b.dcm"):
        save_dicom(shot(), tmp_path / name)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


@pytest.mark.parametrize("field", [Field(), Field(0.6), Field(1.0, 2.0)])
def test_dciodvfy_finds_no_error(tmp_path: Path, field: Field) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    made = shot(field)
    save_dicom(made, tmp_path / "x.dcm")
    run = subprocess.run(
        ["dciodvfy", str(tmp_path / "x.dcm")], capture_output=True, text=True, check=False
    )
    said = run.stdout + run.stderr
    assert "XAImage" in said
    assert "Error" not in said


@pytest.mark.parametrize("view", [*VIEWS, *PELVIC_VIEWS])
def test_dciodvfy_finds_no_error_in_any_view(tmp_path: Path, view: ViewName | PelvicView) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    angles = (
        pelvic_angles(view, UPRIGHT)
        if view == "inlet" or view == "outlet"
        else view_angles(view, UPRIGHT)
    )
    pose = CArmPose(*angles, (4.0, -5.0, 6.0))
    geometry = pose.projection(128)
    made = replace(shot(), pose=pose, geometry=geometry, towards=side_letters(geometry, np.eye(3)))
    save_dicom(made, tmp_path / "x.dcm")
    run = subprocess.run(
        ["dciodvfy", str(tmp_path / "x.dcm")], capture_output=True, text=True, check=False
    )
    assert "XAImage" in run.stdout + run.stderr
    assert "Error" not in run.stdout + run.stderr


def test_without_a_grid_the_file_says_so() -> None:

    assert dataset(replace(shot(), detector=Detector(grid=False))).Grid == "NONE"
