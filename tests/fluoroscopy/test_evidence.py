"""Landmark evidence of a view: known turns and tilts show as what they are."""

from __future__ import annotations

from math import radians
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from game.devices.carm import CArmPose
from game.fluoroscopy.evidence import evidence, seen
from game.geometry.views import Anatomy, view_angles
from game.patient.patient import Landmark, Plane, Structure
from game.simulation.case import Case

CENTRE = (0.0, 20.0, -20.0)
TILT = radians(39.0)
NORMAL = np.array([0.0, -np.sin(TILT), np.cos(TILT)])


def landmarked() -> Any:
    """A spinous process 30 mm behind the midpoint of two foramina; a disc 10 mm high; two hip
    bones that mirror each other."""
    forward = np.array([0.0, -np.cos(TILT), -np.sin(TILT)])
    places = {
        "foramen_s1_left": (24.0, 28.0, -10.0),
        "foramen_s1_right": (-24.0, 28.0, -10.0),
        "promontory": tuple(17.0 * forward),
        "s1_posterior_corner": tuple(-17.0 * forward),
        "piis_left": (50.0, 50.0, -50.0),
        "piis_right": (-50.0, 50.0, -50.0),
        "anterior_ala_left": (55.0, 10.0, -15.0),
        "anterior_ala_right": (-55.0, 10.0, -15.0),
    }
    levels = np.arange(-60.0, 20.0, 0.5)
    rear = 30.0 * np.abs(np.sin(levels / 12.0))
    edge = np.stack([np.full_like(levels, 60.0), 50.0 - rear, levels - 50.0], axis=1)
    hip = np.concatenate([edge, [[58.0, 12.0, -16.0]]])
    mirrored = hip * [-1.0, 1.0, 1.0]
    tip = np.array([[0.0, 58.0, 30.0], [0.0, 20.0, 30.0]])
    surfaces = {Structure.L5: tip, Structure.HIP_LEFT: hip, Structure.HIP_RIGHT: mirrored}
    return SimpleNamespace(
        anatomy=Anatomy(np.eye(3), NORMAL),
        landmarks={name: Landmark(np.array(place)) for name, place in places.items()},
        point=lambda name: np.array(places[name]),
        planes={
            "l5_s1_disc": Plane(5.0 * NORMAL, NORMAL),
            "midsagittal": Plane(np.zeros(3), np.array([1.0, 0.0, 0.0])),
        },
        surfaces={name: SimpleNamespace(vertices=points) for name, points in surfaces.items()},
    )


ON_THE_DISC = (0.0, -3.1, 3.9)


def at(primary_deg: float, secondary_deg: float, isocentre: Any = CENTRE) -> CArmPose:
    return CArmPose(radians(primary_deg), radians(secondary_deg), isocentre)


def test_a_true_ap_has_the_spinous_process_midway_and_the_disc_open() -> None:
    found = evidence(landmarked(), at(180.0, 39.0))
    assert found.spinous_mm == pytest.approx(0.0, abs=1e-9)
    assert found.spinous_deg == pytest.approx(0.0, abs=1e-9)
    centred = evidence(landmarked(), at(180.0, 39.0, ON_THE_DISC))
    assert centred.disc_mm == pytest.approx(10.0, rel=0.05)
    assert found.iliac_mm is None and found.notch_mm is None


@pytest.mark.parametrize("turn", [-12.0, -5.0, 3.0, 8.0])
def test_the_spinous_process_betrays_the_turn(turn: float) -> None:
    """30 mm x sin of the turn, but for the magnification; the ray runs 9 mm beside the axis, so
    that its own turn is a degree less per 6 deg or so."""
    found = evidence(landmarked(), at(180.0 + turn, 39.0))
    assert found.spinous_deg == pytest.approx(turn, abs=0.25 + 0.05 * abs(turn))
    assert found.spinous_mm == pytest.approx(30.0 * np.sin(radians(turn)), abs=1.0)


@pytest.mark.parametrize("tilt", [5.0, 10.0, 20.0])
def test_a_beam_across_the_disc_closes_it(tilt: float) -> None:
    """Endplates 34 mm deep and 10 apart: the gap closes by 34 sin(t), to 10 cos(t) - 34 sin(t)."""
    expected = 10.0 * np.cos(radians(tilt)) - 34.0 * np.sin(radians(tilt))
    for way in (tilt, -tilt):
        found = evidence(landmarked(), at(180.0, 39.0 + way, ON_THE_DISC)).disc_mm
        assert found == pytest.approx(expected, abs=1.2)


def test_mirrored_hip_bones_lie_on_each_other_in_a_true_lateral() -> None:
    found = evidence(landmarked(), at(90.0, 0.0))
    assert found.iliac_mm == pytest.approx(0.0, abs=1e-9)
    assert found.notch_mm == pytest.approx(0.0, abs=1e-9)
    assert found.disc_mm is None
    assert "notches" in found.words()


@pytest.mark.parametrize("turn", [4.0, -9.0])
def test_a_turned_lateral_parts_the_iliac_densities(turn: float) -> None:
    """2 x 58 mm x sin of the turn."""
    found = evidence(landmarked(), at(90.0 + turn, 0.0))
    assert found.iliac_mm == pytest.approx(116.0 * abs(np.sin(radians(turn))), rel=1e-6)
    assert found.notch_mm is not None and found.notch_mm > 3.0


def test_what_a_patient_lacks_is_not_said() -> None:
    bare = landmarked()
    bare.surfaces, bare.planes = {}, {}
    assert evidence(bare, at(180.0, 39.0)).words() == ""
    assert evidence(bare, at(90.0, 0.0)).words() == ""


def test_seen_is_in_the_isocentres_plane() -> None:
    pose = at(180.0, 0.0)
    assert seen(pose, np.array([[10.0, 20.0, -20.0]]))[0] == pytest.approx([-10.0, 0.0])


def test_true_views_of_the_embedded_patient(embedded_case: Case) -> None:
    patient = embedded_case.patient
    frontal = evidence(patient, CArmPose(*view_angles("ap", patient.anatomy), CENTRE))
    lateral = evidence(patient, CArmPose(*view_angles("lateral", patient.anatomy), CENTRE))
    assert abs(frontal.spinous_deg or 99.0) < 2.0 and (frontal.disc_mm or 0.0) > 3.0
    assert (lateral.iliac_mm or 99.0) < 3.0 and (lateral.notch_mm or 99.0) < 3.0
