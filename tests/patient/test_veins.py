"""Alar veins: from the marrow, through the anterior cortex or a foramen, to the iliac vein."""

from __future__ import annotations

import numpy as np
import pytest

from game.patient.patient import FORAMINA, Patient, Region, Tube
from game.patient.veins import (
    ILIAC_MM,
    RADIUS_MM,
    SPREAD,
    STEP_MM,
    TRUNK_MM,
    WIDEST_MM,
    alar_veins,
)
from game.simulation.case import Case


@pytest.fixture(scope="module")
def patient(embedded_case: Case) -> Patient:
    return embedded_case.patient


@pytest.fixture(scope="module")
def veins(patient: Patient) -> tuple[Tube, ...]:
    return alar_veins(patient)


def test_each_begins_in_marrow_and_leaves_by_the_front_or_a_foramen(
    patient: Patient, veins: tuple[Tube, ...]
) -> None:
    assert len(veins) >= 4
    ways = {Region.PRESACRAL, *FORAMINA["left"], *FORAMINA["right"]}
    for vein in veins:
        regions = [Region(code) for code in patient.region_at(vein.line)]
        assert regions[0] == Region.MARROW
        first_out = next(region for region in regions if region != Region.MARROW)
        assert first_out in ways
        assert patient.depth_in_bone(vein.line[:1])[0] > 1.0


def test_outside_they_lie_before_the_bone_and_end_in_the_iliac_vein(
    patient: Patient, veins: tuple[Tube, ...]
) -> None:
    for vein in veins:
        side = "left" if vein.name.endswith("left") else "right"
        iliac = patient.hazards[f"internal_iliac_vein_{side}"]
        assert iliac.distance(vein.line[-1:])[0] < 0.0
        depth = patient.depth_in_bone(vein.line)
        out = int(np.argmax(depth < 0))
        assert (depth[out:] > 0.5).sum() <= 1  # a corner cut by the drawing
        assert vein.radii[-1] == iliac.radii[0] and vein.radii.max() == vein.radii[-1]


def test_they_are_drawn_without_gaps_in_the_sizes_declared(veins: tuple[Tube, ...]) -> None:
    for vein in veins:
        steps = np.linalg.norm(np.diff(vein.line, axis=0), axis=1)
        assert steps.min() > 0.0 and steps.max() < 3.0 * STEP_MM
        assert 0.0 < vein.radii[0] <= WIDEST_MM
        wide = vein.radii >= TRUNK_MM
        assert wide.any() and steps[wide[:-1]].sum() > 0.5 * ILIAC_MM
    assert RADIUS_MM * np.exp(3 * SPREAD) > WIDEST_MM


def test_the_same_patient_has_the_same_veins(patient: Patient, veins: tuple[Tube, ...]) -> None:
    for one, again in zip(veins, alar_veins(patient), strict=True):
        np.testing.assert_array_equal(one.line, again.line)
        np.testing.assert_array_equal(one.radii, again.radii)
