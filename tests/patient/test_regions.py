"""The region map on a real label map: what an anatomist would say of chosen places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from game.patient.patient import FORAMINA, SIDES, Patient, Region
from game.patient.store import open_patient


@pytest.fixture(scope="module")
def patient(shared_data: Path) -> Patient:
    return open_patient(shared_data / "pelvic-labels" / "case-004")


def at(patient: Patient, point: NDArray[np.float64]) -> Region:
    return Region(int(patient.region_at(point[None])[0]))


def test_marrow_is_the_sacrum_and_nothing_else(patient: Patient) -> None:
    assert ((patient.region == Region.MARROW) == (patient.sacrum_distance < 0)).all()


@pytest.mark.parametrize("side", SIDES)
def test_each_foramen_is_itself_and_open(patient: Patient, side: str) -> None:
    marks = patient.landmarks
    for level in range(4):
        own = FORAMINA["left" if side == "left" else "right"][level]
        assert at(patient, marks[f"foramen_s{level + 1}_{side}"].point) == own


def test_what_lies_around_the_sacrum(patient: Patient) -> None:
    marks, planes = patient.landmarks, patient.planes
    left, up = planes["midsagittal"].normal, planes["s1_endplate"].normal
    back = np.cross(up, left)
    centre = planes["s1_endplate"].point
    s2 = 0.5 * (marks["foramen_s2_left"].point + marks["foramen_s2_right"].point)
    assert at(patient, centre + 6.0 * up) == Region.DISC
    assert at(patient, marks["s1_posterior_corner"].point + 7.0 * back) == Region.CANAL
    assert at(patient, s2 - 30.0 * np.array([0.0, 1.0, 0.0])) == Region.PRESACRAL
    assert at(patient, s2 + 35.0 * np.array([0.0, 1.0, 0.0])) == Region.DORSAL
    for side, joint in zip(SIDES, (Region.SI_JOINT_LEFT, Region.SI_JOINT_RIGHT), strict=True):
        towards_hip = left if side == "left" else -left  # these labels touch: no gap to stand in
        assert at(patient, marks[f"si_caudal_{side}"].point + 1.5 * towards_hip) == joint
        assert at(patient, marks[f"cephalad_ala_{side}"].point + 5.0 * up) == Region.CEPHALAD
