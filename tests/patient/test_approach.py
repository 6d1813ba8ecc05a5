"""The long-axis path on a real pelvis: in bone, clear of every wall, of the length measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blocks import HIGH, LOW, block_patient, box_distance
from game.geometry.grid import Grid
from game.patient.approach import (
    CANNULA_RADIUS_MM,
    CORTEX_MM,
    OWN_CORTEX_MM,
    fracture_gap,
    long_axis,
    path_figures,
    skin_exit,
    way_to,
)
from game.patient.errors import PatientError
from game.patient.patient import SIDES, Landmark, Patient, Plane, Region, Side, Structure
from game.patient.store import open_patient

RADIUS_MM = 1.525  # 11G
ENTRY_MM = 12.0  # of the path, where the sacrum's edge is thin


@pytest.fixture(scope="module")
def patient(shared_data: Path) -> Patient:
    return open_patient(shared_data / "pelvic-ct")


@pytest.mark.parametrize("side", SIDES)
def test_the_path_keeps_to_bone_and_to_its_clearances(patient: Patient, side: Side) -> None:
    path = long_axis(patient, side)
    along = np.arange(0.0, path.bone_length, 0.5)
    shaft = path.entry + along[:, None] * path.direction
    assert (patient.depth_in_bone(shaft) > 0).mean() >= 0.95
    clear = patient.clearance(shaft[along > ENTRY_MM], RADIUS_MM)
    for region, gap in clear.items():
        if region in (Region.PRESACRAL, Region.CEPHALAD, Region.SI_JOINT_LEFT):
            assert gap >= 3.0 - 0.1
        elif Region.CANAL <= region <= Region.FORAMEN_S4_RIGHT:
            assert gap >= 2.0 - 0.1
    # facts/procedure.md: 63.5 +- 5.7 mm, 17.8 +- 8.3 deg to the endplate's normal; within 2.5 SD
    assert 63.5 - 2.5 * 5.7 < path.bone_length < 63.5 + 2.5 * 5.7
    up = patient.planes["s1_endplate"].normal
    assert np.degrees(np.arccos(path.direction @ up)) < 17.8 + 2.5 * 8.3


@pytest.mark.parametrize("side", SIDES)
def test_skin_entry_and_target_lie_on_one_line(patient: Patient, side: Side) -> None:
    path = long_axis(patient, side)
    np.testing.assert_allclose(path.entry + path.bone_length * path.direction, path.target)
    np.testing.assert_allclose(skin_exit(patient, path.entry, path.direction), path.skin)
    assert patient.structure_at(path.skin[None])[0] == Structure.AIR
    np.testing.assert_array_equal(long_axis(patient, side).target, path.target)


def box_path(top: float, side: Side = "left"):  # type: ignore[no-untyped-def]
    """The figures in a box of bone that ends at z = `top`: target (30, 0, -13), entry (30, 15,
    -80)."""
    grid = Grid((-60.0, -25.0, -100.0), 1.0, (121, 51, 121))
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij", sparse=True)
    bone = box_distance(x, y, z, LOW, [*HIGH[:2], top]).astype(np.float32)
    out = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
    marks = {
        "s1_endplate_centre": [0, 0, 0], f"foramen_s1_{side}": [20, 0, -27],
        f"piis_{side}": [35, 3, -84], f"si_caudal_{side}": [99, 99, 99],
        f"s3_lateral_{side}": [25, -3, -76],
    }  # fmt: skip
    landmarks = {name: Landmark(np.array(at, float) * out) for name, at in marks.items()}
    left, up = np.array([1.0, 0, 0]), np.array([0.0, 0, 1])
    planes = {"midsagittal": Plane(np.zeros(3), left), "s1_endplate": Plane(np.zeros(3), up)}
    return path_figures(grid, bone, landmarks, planes, side)


@pytest.mark.parametrize("side", SIDES)
def test_the_figures_of_a_path_through_a_box(side: Side) -> None:
    figures = box_path(0.0, side)
    length = np.hypot(15.0, 67.0)
    assert figures.length == pytest.approx(length, abs=0.1)
    assert figures.least_axis_clearance == pytest.approx(OWN_CORTEX_MM * 15.0 / length, abs=0.1)
    assert figures.bone_ahead == pytest.approx(13.0 * length / 67.0, abs=0.2)
    assert figures.landmark_gap == pytest.approx(np.sqrt(10.0**2 + 6.0**2 + 8.0**2))
    assert figures.normal_deg == pytest.approx(np.degrees(np.arctan2(15.0, 67.0)), abs=0.1)
    assert figures.stop == figures.length


@pytest.mark.parametrize("top", [-11.5, -13.0, -18.0])
def test_the_planner_holds_short_of_cortex_where_the_target_is_too_near_it(top: float) -> None:
    figures = box_path(top)
    per_mm = figures.length / 67.0
    assert figures.bone_ahead == pytest.approx((13.0 + top) * per_mm, abs=0.2)
    assert figures.stop == pytest.approx(figures.length + figures.bone_ahead - CORTEX_MM)


def boxed(top: float) -> Patient:
    """The patient of boxes with the landmarks of a path in the left ala: entry (30, 15, -50),
    target (30, 0, top - 13)."""
    marks = {"s1_endplate_centre": [0, 0, top], "foramen_s1_left": [20, 0, top - 14],
             "si_caudal_left": [35, 3, -54], "s3_lateral_left": [25, -3, -46]}  # fmt: skip
    planes = {"s1_endplate": Plane(np.array([0, 0, top]), np.array([0.0, 0, 1])),
              "midsagittal": Plane(np.zeros(3), np.array([1.0, 0, 0]))}  # fmt: skip
    landmarks = {name: Landmark(np.array(at, float)) for name, at in marks.items()}
    return replace(block_patient(), landmarks=landmarks, planes=planes)


def test_the_plan_goes_to_the_target_where_the_figures_say_so() -> None:
    patient = boxed(0.0)
    figures = path_figures(
        patient.bone, patient.sacrum_distance, patient.landmarks, patient.planes, "left"
    )
    path = long_axis(patient, "left")
    assert figures.stop == figures.length == pytest.approx(np.hypot(15.0, 37.0), abs=0.2)
    assert path.bone_length == pytest.approx(figures.stop, abs=0.2)
    assert path.shortened_mm == 0.0


def test_the_plan_never_passes_where_the_figures_stop() -> None:
    patient = boxed(11.0)  # the target lies 2 mm under the cortex, wherever it moves in its plane
    path = long_axis(patient, "left")
    goal = path.entry + (path.bone_length + path.shortened_mm) * path.direction
    way = way_to(patient.bone, patient.sacrum_distance, path.entry, goal)
    assert goal[2] == pytest.approx(-2.0)
    assert way.bone_ahead == pytest.approx(2.0 / path.direction[2], abs=0.2)
    assert way.stop == pytest.approx(way.length + way.bone_ahead - CORTEX_MM)
    assert path.bone_length <= way.stop
    assert -path.target[2] >= CORTEX_MM + CANNULA_RADIUS_MM - 0.1  # the surface keeps its 3 mm


@pytest.mark.parametrize("side", SIDES)
def test_every_plan_holds_short_of_cortex(patient: Patient, side: Side) -> None:
    path = long_axis(patient, side)
    way = way_to(patient.bone, patient.sacrum_distance, path.entry, path.target)
    assert way.bone_ahead >= CORTEX_MM - 0.1


def test_how_near_a_path_comes_to_its_fracture() -> None:
    path = long_axis(boxed(0.0), "left")
    assert fracture_gap(boxed(0.0), path) == pytest.approx(abs(path.target[0] - 30.0), abs=0.5)
    whole = replace(boxed(0.0), fractures={})
    with pytest.raises(PatientError, match="the left ala is not fractured"):
        fracture_gap(whole, path)


@pytest.mark.parametrize("side", SIDES)
def test_the_path_runs_along_a_fracture_that_is_parallel_to_the_joint(
    patient: Patient, side: Side
) -> None:
    """Smith & Gilula 2006: the cannula lies along the plane of the fracture."""
    if side not in patient.broken_sides:
        pytest.skip(f"the {side} ala is whole")
    sheet, path = patient.sheet(side), long_axis(patient, side)
    assert sheet.pattern == "parallel"
    along = np.arange(0.4 * path.bone_length, path.bone_length, 0.5)
    gaps = sheet.tree.query(path.entry + along[:, None] * path.direction)[0]
    assert np.median(gaps) < 2.5 and gaps.max() < 5.0


def test_an_entry_beside_all_bone_is_refused() -> None:
    with pytest.raises(PatientError, match="no sacrum behind or before"):
        box_path(-86.0)


def test_real_alae_measure_as_published(shared_data: Path) -> None:
    """facts/procedure.md, 38 alae: the mean of these six within 0.5 SD of each."""
    scans = ("pelvic-ct", "pelvic-labels/case-001", "pelvic-labels/case-004")
    found = [
        path_figures(p.bone, p.sacrum_distance, p.landmarks, p.planes, side)
        for p in (open_patient(shared_data / scan) for scan in scans)
        for side in SIDES
    ]
    for name, mean, sd in (
        ("length", 63.5, 5.7), ("least_axis_clearance", 4.4, 1.6),
        ("bone_ahead", 5.6, 3.0), ("normal_deg", 17.8, 8.3),
    ):  # fmt: skip
        values = [getattr(figures, name) for figures in found]
        assert abs(np.mean(values) - mean) < 0.5 * sd, name
        assert all(abs(value - mean) < 2 * sd for value in values), name
