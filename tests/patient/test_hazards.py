"""Hazards: exact distances of tubes, and where they lie on the embedded and on real pelves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from game.geometry.grid import FloatArray, Grid
from game.patient.build import build
from game.patient.hazards import BRIM_GAP_MM, BRIM_MEDIAL_MM, FAR_GAP_MM, PRESACRAL_MM, spaces
from game.patient.landmarks.frame import Frame
from game.patient.landmarks.joint import joint_points
from game.patient.patient import FORAMINA, SIDES, Patient, Region, Side, Space, Tube
from game.patient.population import treated
from game.patient.procedural import procedural
from game.patient.segmentation import Bones
from game.patient.store import embedded, open_patient

WHO = ("embedded", "pelvic-ct", "pelvic-labels/case-001", "pelvic-labels/case-004")
numbers = st.floats(-50.0, 50.0)
lines = arrays(float, (4, 3), elements=numbers)
clouds = arrays(float, (6, 3), elements=numbers)


@pytest.fixture(scope="module", params=WHO)
def patient(request: pytest.FixtureRequest) -> Patient:
    if request.param == "embedded":
        return embedded(0)
    shared: Path = request.getfixturevalue("shared_data")
    return open_patient(shared / request.param)


def to_bone(patient: Patient, points: FloatArray) -> FloatArray:
    """Distance to the sacrum and the hips, mm."""
    every = (patient.sacrum_distance, *patient.hip_distance.values())
    return np.min([patient.bone.sample(volume, points, 50.0) for volume in every], axis=0)


def tube(patient: Patient, name: str) -> Tube:
    found = patient.hazards[name]
    assert isinstance(found, Tube)
    return found


def test_every_hazard_is_there_by_name_and_marked_assumed(patient: Patient) -> None:
    sided = ("l5_ramus", "lumbosacral_trunk", "internal_iliac_artery", "internal_iliac_vein",
             "si_joint", *(f"s{n}_root" for n in range(1, 5)))  # fmt: skip
    names = {f"{name}_{side}" for name in sided for side in SIDES}
    names |= {"thecal_sac", "rectum", "l5_s1_disc", "presacral_space"}
    assert set(patient.hazards) == names
    for name, hazard in patient.hazards.items():
        assert hazard.name == name and hazard.assumed
        if isinstance(hazard, Tube):
            middle = hazard.line[len(hazard.line) // 2]
            assert float(hazard.distance(middle[None])[0]) < 0
            assert np.linalg.norm(np.diff(hazard.line, axis=0), axis=1).max() < 12.0


def test_no_tube_runs_in_bone(patient: Patient) -> None:
    for hazard in patient.hazards.values():
        if isinstance(hazard, Tube):
            assert (to_bone(patient, hazard.line) - hazard.radii).min() > -0.5, hazard.name


@pytest.mark.parametrize("side", SIDES)
def test_each_root_passes_its_foramen(patient: Patient, side: Side) -> None:
    for level in range(4):
        root = tube(patient, f"s{level + 1}_root_{side}")
        passed = set(patient.region_at(root.line))
        assert FORAMINA[side][level] in passed
        assert Region.PRESACRAL in passed
        assert not passed & {Region.MARROW, Region.SI_JOINT_LEFT, Region.SI_JOINT_RIGHT}


@pytest.mark.parametrize("side", SIDES)
def test_the_trunk_lies_on_the_ala(patient: Patient, side: Side) -> None:
    """0-2 mm off the bone, 0.1 mm at the linea terminalis (facts/procedure.md)."""
    ramus, trunk = (tube(patient, f"{n}_{side}") for n in ("l5_ramus", "lumbosacral_trunk"))
    gap = to_bone(patient, trunk.line) - trunk.radii
    assert gap.min() >= -0.1 and gap.max() <= FAR_GAP_MM + 0.05
    assert gap[0] == pytest.approx(BRIM_GAP_MM, abs=0.1)
    on_ala = (to_bone(patient, ramus.line) - ramus.radii)[len(ramus.line) // 2 :]
    assert on_ala.min() >= -0.1 and on_ala.max() <= FAR_GAP_MM + 0.05
    np.testing.assert_allclose(ramus.line[-1], trunk.line[0], atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_the_trunk_crosses_the_brim_medial_to_the_joint(patient: Patient, side: Side) -> None:
    crossing = tube(patient, f"lumbosacral_trunk_{side}").line[0]
    bones = Bones(
        patient.bone, patient.sacrum_distance, patient.hip_distance, patient.sacrum_distance
    )
    joint = joint_points(bones, side)
    away = np.linalg.norm(joint - crossing, axis=1)
    assert away.min() == pytest.approx(BRIM_MEDIAL_MM, abs=0.5)
    out = patient.anatomy.axes[0] * (1.0 if side == "left" else -1.0)
    assert (joint[away.argmin()] - crossing) @ out > 0


def test_a_wide_ala_whose_front_is_far_from_the_joint_has_every_hazard() -> None:
    """A man whose bone nowhere comes within 17 mm of the joint at the brim: the trunk lies as near
    as it can, and no line is a fragment."""
    traits = next(one for one in treated(166) if one.seed == 166)
    made = build(procedural(traits), traits)
    vessels = ("internal_iliac_artery", "internal_iliac_vein")
    for name in ("l5_ramus", "lumbosacral_trunk", *vessels):
        for side in SIDES:
            line = tube(made, f"{name}_{side}").line
            assert np.linalg.norm(np.diff(line, axis=0), axis=1).sum() > 20.0, name
    for side in SIDES:
        trunk = tube(made, f"lumbosacral_trunk_{side}")
        gap = to_bone(made, trunk.line) - trunk.radii
        assert gap.min() >= -0.1 and gap.max() <= FAR_GAP_MM + 0.05


def test_both_sides_of_the_embedded_patient_mirror_each_other() -> None:
    """Its own sides differ by 1-2 mm: so may the tubes."""
    patient = embedded(0)
    frame = Frame(patient.planes["midsagittal"].point, patient.anatomy.axes)
    for name in ("lumbosacral_trunk", "s1_root", "s2_root", "internal_iliac_vein"):
        left, right = (tube(patient, f"{name}_{side}") for side in SIDES)
        mirrored = frame.local(right.line) * [-1.0, 1.0, 1.0]
        seen = replace(left, line=frame.local(left.line)).distance(mirrored)
        assert (seen + left.radii.min()).max() < 4.0, name


def test_vessels_keep_apart_from_bone_and_from_each_other(patient: Patient) -> None:
    for side in SIDES:
        artery, vein = (tube(patient, f"internal_iliac_{n}_{side}") for n in ("artery", "vein"))
        assert (vein.distance(artery.line) - artery.radii).min() > -0.5
        assert (artery.distance(vein.line) - vein.radii).min() > -0.5


def test_the_thecal_sac_ends_at_s2(patient: Patient) -> None:
    sac = tube(patient, "thecal_sac")
    s2 = np.mean([patient.point(f"foramen_s2_{side}") for side in SIDES], axis=0)
    assert np.linalg.norm(sac.line[-1] - s2) < 15.0
    assert set(patient.region_at(sac.line[-8:])) <= {Region.CANAL, *sum(FORAMINA.values(), ())}


def test_spaces_agree_with_the_region_map(patient: Patient) -> None:
    centres = np.random.default_rng(2).uniform(-40.0, 40.0, (400, 3))
    presacral = patient.hazards["presacral_space"].distance(centres)
    deep = presacral < -1.5
    assert (patient.region_at(centres[deep]) == Region.PRESACRAL).all()
    assert (-patient.depth_in_bone(centres[deep]) < PRESACRAL_MM + 1.5).all()
    inside = patient.depth_in_bone(centres) > 2.0
    assert (presacral[inside] > 0).all()
    disc = patient.planes["l5_s1_disc"].point[None]
    assert float(patient.hazards["l5_s1_disc"].distance(disc)[0]) < 0


def test_a_tube_of_one_piece_is_a_capsule() -> None:
    capsule = Tube("capsule", np.array([[0.0, 0, 0], [10.0, 0, 0]]), np.array([2.0, 2.0]))
    points = np.array([[5.0, 0, 0], [5.0, 3, 0], [-4.0, 3, 0], [12.0, 0, 0]])
    np.testing.assert_allclose(capsule.distance(points), [-2.0, 1.0, 3.0, 0.0])


@settings(deadline=None)
@given(lines, clouds, st.floats(0.5, 10.0), arrays(float, 3, elements=numbers))
def test_distance_to_a_tube(line: FloatArray, points: FloatArray, r: float, by: FloatArray) -> None:
    """It moves with the tube, is least -r, never changes faster than the point moves, and is no
    more than that to any point of the line."""
    one = Tube("one", line, np.full(4, r))
    distance = one.distance(points)
    np.testing.assert_allclose(
        replace(one, line=line + by).distance(points + by), distance, atol=1e-6
    )
    assert (distance >= -r - 1e-9).all()
    assert abs(distance[0] - distance[1]) <= np.linalg.norm(points[0] - points[1]) + 1e-9
    to_knots = np.linalg.norm(points[:, None] - line, axis=2).min(axis=1) - r
    assert (distance <= to_knots + 1e-9).all()
    np.testing.assert_allclose(replace(one, line=line[::-1]).distance(points), distance, atol=1e-9)


@settings(deadline=None)
@given(st.floats(3.0, 9.0), clouds)
def test_distance_to_a_space_is_true_to_half_a_voxel(radius: float, points: FloatArray) -> None:
    grid = Grid((-15.0, -15.0, -15.0), 1.0, (31, 31, 31))
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij")
    ball = Space("ball", grid, np.sqrt(x**2 + y**2 + z**2) < radius)
    near = np.clip(points, -14.0, 14.0)
    error = ball.distance(near) - (np.linalg.norm(near, axis=1) - radius)
    assert np.abs(error).max() < 1.2
    assert (ball.distance(points) >= ball.distance(near) - 1e-6).all() or len(points) == 0


def test_a_space_of_no_voxels_is_nowhere() -> None:
    grid = Grid((0.0, 0.0, 0.0), 1.0, (6, 6, 6))
    made = spaces(grid, np.ones((6, 6, 6), np.float32), np.zeros((6, 6, 6), np.uint8))
    assert all((hazard.distance(np.zeros((2, 3))) > 0).all() for hazard in made.values())
