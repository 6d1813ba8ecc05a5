"""Fracture sheets against a sacrum of simple solids, whose joints are planes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.measure import euler_number

from game.geometry.grid import Grid
from game.patient.build import build
from game.patient.errors import PatientError
from game.patient.fracture import Plan, crushed, crushed_hounsfield, fractures_of, stepped
from game.patient.fracture.crush import GAP_HU
from game.patient.fracture.gape import MEAN_MM, MOST_SD, PERSON, RIM, gaping, mean_gap
from game.patient.fracture.sheet import CLOSE_MM
from game.patient.fracture.step import RUN_MM, STEP_MM
from game.patient.fracture.surface import MEDIAL_MM, RIM_DEPTH_MM, AlaSheet
from game.patient.landmarks.frame import Frame
from game.patient.patient import FORAMINA, SIDES, Fracture, Landmark, Region, Side, Structure
from game.patient.procedural import procedural
from game.patient.segmentation import Bones
from game.patient.traits import FracturePattern, Traits

JOINT_MM = 51.0  # from the midline to the joint's middle
HALF_HEIGHT_MM, HALF_DEPTH_MM = 45.0, 18.0
HOLE_MM, HOLE_AT_MM = 5.0, 20.0  # radius of the foramina, straight from front to back
JOINTS = {"left": Region.SI_JOINT_LEFT, "right": Region.SI_JOINT_RIGHT}


@cache
def block() -> tuple[Bones, dict[str, Landmark], NDArray[np.uint8]]:
    """A block sacrum of half breadth 50 mm with 2 mm to a block hip on either side, four holes a
    side and a canal, and its regions."""
    grid = Grid((-70.0, -30.0, -60.0), 1.0, (141, 61, 121))
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij")
    depth, height = np.abs(y) - HALF_DEPTH_MM, np.abs(z) - HALF_HEIGHT_MM
    region = np.full(grid.shape, Region.LATERAL, np.uint8)
    region[height >= 0] = Region.CEPHALAD
    region[y <= -HALF_DEPTH_MM] = Region.PRESACRAL
    region[y >= HALF_DEPTH_MM] = Region.DORSAL
    sacrum = np.maximum.reduce([np.abs(x) - 50.0, depth, height])
    canal = np.hypot(x / 2.0, y - 6.0) - 5.0
    region[canal < 0.5] = Region.CANAL
    sacrum = np.maximum(sacrum, -canal)
    marks = {"s1_endplate_centre": Landmark(np.array([0.0, 0.0, HALF_HEIGHT_MM]))}
    for sign, side in zip((1.0, -1.0), SIDES, strict=True):
        for level in range(1, 5):
            point = np.array([sign * HOLE_AT_MM, 0.0, 40.0 - 20.0 * level])
            marks[f"foramen_s{level}_{side}"] = Landmark(point)
            hole = np.hypot(x - point[0], z - point[2]) - HOLE_MM
            sacrum = np.maximum(sacrum, -hole)
            region[(hole < 0.5) & (depth < 0)] = FORAMINA[side][level - 1]
        region[(sign * x >= 50.0) & (depth < 0) & (height < 0)] = JOINTS[side]
    hip = {
        side: np.maximum.reduce([52.0 - sign * x, depth, height]).astype(np.float32)
        for side, sign in zip(SIDES, (1.0, -1.0), strict=True)
    }
    spine = np.maximum.reduce([np.abs(x) - 25.0, depth, 48.0 - z]).astype(np.float32)
    region[sacrum < 0] = Region.MARROW
    return Bones(grid, sacrum.astype(np.float32), hip, spine), marks, region


@cache
def broken(*plans: Plan, seed: int = 0) -> dict[str, Fracture]:
    bones, marks, region = block()
    return dict(fractures_of(bones, marks, region, plans, np.eye(3), seed))


@pytest.mark.parametrize("side", SIDES)
def test_it_is_parallel_to_a_flat_joint_at_its_distance(side: Side) -> None:
    fracture = broken(Plan(side, "parallel"))[side]
    sign = 1.0 if side == "left" else -1.0
    assert fracture.side == side
    np.testing.assert_allclose(fracture.normal, [sign, 0.0, 0.0], atol=0.02)
    np.testing.assert_allclose(sign * fracture.points[:, 0], JOINT_MM - MEDIAL_MM, atol=0.6)
    section = 2 * HALF_DEPTH_MM * (HALF_HEIGHT_MM - (40.0 - 60.0))
    assert fracture.areas.sum() == pytest.approx(section, rel=0.05)
    assert fracture.zone == 1 and fracture.ffp == "IIa"
    assert not set(fracture.reaches) & {*JOINTS.values(), Region.CANAL, *FORAMINA[side]}


PLANS = [
    *(Plan(side, "parallel") for side in SIDES),
    Plan("left", "parallel", into_joint=True),
    Plan("right", "si-joint", into_joint=True),
    Plan("left", "foramen", foramen=1),
    Plan("right", "foramen", foramen=2),
    Plan("left", "anterolateral-rim"),
    Plan("left", "anterolateral-rim", into_joint=True),
    Plan("central", "central"),
    Plan("central", "central", into_canal=True),
]


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_every_sheet_lies_in_marrow_and_reaches_the_front(plan: Plan) -> None:
    bones, _, _ = block()
    fracture = broken(plan)[plan.name]
    assert fracture.points[:, 1].min() < -HALF_DEPTH_MM + 1.5
    assert Region.PRESACRAL in fracture.reaches
    assert (bones.sacrum.reshape(-1)[fracture.voxels] < 0).all()
    assert (np.diff(fracture.voxels) > 0).all()
    away = cKDTree(fracture.points).query(
        bones.grid.point_from_index(
            np.stack(np.unravel_index(fracture.voxels, bones.grid.shape), axis=-1)
        )
    )[0]
    assert away.max() < 1.6  # half a voxel's diagonal and half a cell's
    assert 1.5 <= np.abs(fracture.crush_mm) <= 4.0


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_it_reaches_the_joint_a_foramen_or_the_canal_as_planned(plan: Plan) -> None:
    fracture = broken(plan)[plan.name]
    reaches = set(fracture.reaches)
    assert bool(reaches & set(JOINTS.values())) == plan.into_joint
    holes = reaches & {*FORAMINA["left"], *FORAMINA["right"]}
    if plan.foramen:
        assert FORAMINA[fracture.side or "left"][plan.foramen - 1] in holes
        assert fracture.zone == 2
    elif plan.name != "central":
        assert not holes and fracture.zone == 1
    if plan.name == "central":
        assert (Region.CANAL in reaches) == plan.into_canal and fracture.zone == 3


def test_a_rim_fracture_stays_in_the_front_corner() -> None:
    points = broken(Plan("left", "anterolateral-rim"))["left"].points
    assert points[:, 1].max() <= -HALF_DEPTH_MM + RIM_DEPTH_MM + 1.0
    assert points[:, 0].min() > JOINT_MM - MEDIAL_MM - 1.0


def test_an_h_is_two_sheets_and_a_bar_between_them_through_the_canal() -> None:
    sheets = broken(Plan("left", "parallel"), Plan("right", "parallel"), Plan("transverse", "h"))
    bar = sheets["transverse"]
    assert bar.side is None and bar.zone == 3 and {f.ffp for f in sheets.values()} == {"IVb"}
    assert Region.CANAL in bar.reaches
    np.testing.assert_allclose(np.abs(bar.normal), [0.0, 0.0, 1.0], atol=0.15)
    assert bar.normal[2] > 0
    s1, s2 = 20.0, 0.0
    assert (bar.points[:, 2] < s1).all() and (bar.points[:, 2] > s2).all()
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        gap = cKDTree(sheets[side].points).query(bar.points[(sign * bar.points[:, 0]) > 36.0])[0]
        assert gap.min() < 1.5
    assert np.abs(bar.points[:, 0]).max() < JOINT_MM - MEDIAL_MM + 1.0


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_the_aperture_is_uneven_smooth_and_right_on_average(plan: Plan) -> None:
    fracture = broken(plan)[plan.name]
    gaps = fracture.apertures
    assert fracture.aperture == pytest.approx(MEAN_MM)
    assert gaps.min() >= 0 and gaps.std() > 0.1
    near = cKDTree(fracture.points).query(fracture.points, k=2)[1][:, 1]
    assert np.abs(gaps - gaps[near]).mean() < 0.25  # over 1 mm
    np.testing.assert_allclose(fracture.aperture_at(fracture.points[::9]), gaps[::9], atol=0.25)


def test_the_aperture_closes_where_the_sheet_ends_in_bone_and_gapes_at_cortex() -> None:
    fracture = broken(Plan("left", "parallel"))["left"]
    lowest = fracture.points[:, 2] < fracture.points[:, 2].min() + 1.0
    front = fracture.points[:, 1] < fracture.points[:, 1].min() + 1.0
    front &= fracture.points[:, 2] > fracture.points[:, 2].min() + CLOSE_MM + 1.0
    assert fracture.apertures[lowest].max() < 0.5 * fracture.apertures[front].min()


def test_a_gap_is_wider_at_the_cortex_and_keeps_its_mean() -> None:
    areas = np.array([1.0, 2.0, 1.0])
    wide = gaping(np.ones(3), areas, np.array([0.0, 5.0, 1e3]), 1.5)
    assert wide @ areas / areas.sum() == pytest.approx(1.5)
    assert wide[0] / wide[2] == pytest.approx(RIM)
    assert wide[1] / wide[2] == pytest.approx(1.0 + (RIM - 1.0) * np.exp(-1.0))


def test_mean_gaps_spread_as_said_around_their_median() -> None:
    drawn = np.log([mean_gap(seed, 0) / MEAN_MM for seed in range(1, 2001)])
    assert abs(np.median(drawn)) < 0.05 * PERSON * 2
    assert drawn.std() == pytest.approx(PERSON, rel=0.15)
    assert np.abs(drawn).max() <= PERSON * MOST_SD * (1 + 1e-9)
    assert mean_gap(0, 1) == MEAN_MM and mean_gap(3, 0) != mean_gap(3, 1)


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    one, again, other = (broken(Plan("left", "parallel"), seed=s)["left"] for s in (4, 4, 5))
    np.testing.assert_array_equal(one.apertures, again.apertures)
    assert not np.allclose(one.apertures, other.apertures)


def test_a_sheet_that_finds_no_bone_is_refused() -> None:
    bones, marks, region = block()
    with pytest.raises(PatientError, match="at least 200 mm2"):
        outside = np.full_like(region, Region.LATERAL)
        fractures_of(bones, marks, outside, [Plan("left", "parallel")], np.eye(3))


def test_crushed_bone_is_a_band_about_the_sheet() -> None:
    fracture = broken(Plan("left", "parallel"))["left"]
    middle = np.array([JOINT_MM - MEDIAL_MM, 0.0, 10.0])
    away = np.array([0.0, 0.5, 1.0]) * fracture.crush_mm
    change = crushed([fracture], middle + away[:, None] * fracture.normal)
    assert change[0] == pytest.approx(fracture.crush_hu, rel=0.1)
    assert change[1] == pytest.approx(0.5 * fracture.crush_hu, rel=0.4)
    assert change[2] == pytest.approx(0.0, abs=0.1 * abs(fracture.crush_hu))
    assert not crushed([], middle[None]).any()


def test_the_gap_breaks_the_cortex_on_ct_and_nothing_further_off_changes() -> None:
    bones, _, _ = block()
    fracture = broken(Plan("left", "parallel"))["left"]
    before = np.where(bones.sacrum < -2.0, 50, 1000).astype(np.int16)
    after = crushed_hounsfield(before, bones.grid, bones.sacrum < 0, [fracture])
    centres = np.stack(np.meshgrid(*bones.grid.axes(), indexing="ij"), axis=-1)
    gap = fracture.tree.query(centres.reshape(-1, 3))[0].reshape(before.shape)
    np.testing.assert_array_equal(after[gap > fracture.crush_mm], before[gap > fracture.crush_mm])
    cortex = (gap < 0.4) & (bones.sacrum < 0) & (bones.sacrum > -2.0) & (centres[..., 1] < 0)
    assert GAP_HU < after[cortex].mean() < 700
    assert crushed_hounsfield(before, bones.grid, bones.sacrum < 0, []) is before


FRONT = np.array([0.0, -1.0, 0.0])


@cache
def displaced(*plans: Plan) -> tuple[Bones, NDArray[np.uint8], dict[str, Fracture]]:
    bones, _, region = block()
    bones, region, sheets = stepped(bones, region, broken(*plans), FRONT, 0)
    return bones, region, dict(sheets)


def front_at(bones: Bones, x: float, z: float) -> float:
    """How far the front of the block stands before where it was, mm."""
    y = np.arange(-HALF_DEPTH_MM - 4.0, -HALF_DEPTH_MM + 4.0, 0.01)
    depth = bones.grid.sample(bones.sacrum, np.stack(np.broadcast_arrays(x, y, z), axis=-1), 9.0)
    return -HALF_DEPTH_MM - float(y[int(np.argmax(depth < 0))])


def test_the_anterior_cortex_steps_at_the_sheet_and_comes_back_laterally() -> None:
    bones, _, sheets = displaced(Plan("left", "parallel"))
    height, sheet = sheets["left"].step_mm, JOINT_MM - MEDIAL_MM
    assert STEP_MM[0] <= height <= STEP_MM[1]
    for z in (30.0, 15.0, 0.0):
        assert front_at(bones, sheet - 1.5, z) == pytest.approx(0.0, abs=0.1)
        assert front_at(bones, sheet + 1.5, z) == pytest.approx(height, abs=0.25)
        assert front_at(bones, sheet + RUN_MM / 2, z) == pytest.approx(height / 2, abs=0.25)
        assert front_at(bones, sheet + RUN_MM, z) == pytest.approx(0.0, abs=0.1)
        assert front_at(bones, -sheet - 1.5, z) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("plan", [p for p in PLANS if p.name != "central"], ids=str)
def test_a_step_only_adds_bone_in_front_and_leaves_its_openings(plan: Plan) -> None:
    before, _, old = block()
    bones, region, _ = displaced(plan)
    added = (bones.sacrum < 0) & (before.sacrum >= 0)
    assert added.sum() > 20 and not ((bones.sacrum >= 0) & (before.sacrum < 0)).any()
    assert (bones.grid.point_from_index(np.argwhere(added))[:, 1] <= -HALF_DEPTH_MM).all()
    assert set(np.unique(old[added])) == {Region.PRESACRAL}
    np.testing.assert_array_equal(region == Region.MARROW, bones.sacrum < 0)
    np.testing.assert_array_equal(region[~added], old[~added])
    for connectivity in (1, 3):
        assert euler_number(bones.sacrum < 0, connectivity=connectivity) == euler_number(
            before.sacrum < 0, connectivity=connectivity
        )
    assert ndimage.label(bones.sacrum < 0)[1] == 1


def test_a_fracture_of_the_midline_has_no_step() -> None:
    before, _, _ = block()
    bones, _, sheets = displaced(Plan("central", "central"))
    assert sheets["central"].step_mm == 0
    assert bones is before


@pytest.mark.sweep
@pytest.mark.parametrize("pattern", ["parallel", "si-joint", "foramen", "anterolateral-rim", "h"])
def test_a_generated_sacrum_keeps_its_topology_and_landmarks(pattern: FracturePattern) -> None:
    """Genus 17 (facts/anatomy.md), on the voxels and on the surface, whatever was displaced."""
    traits = Traits(fracture=pattern, laterality="bilateral")
    patient = build(procedural(traits, spacing=1.5), traits)
    assert all(STEP_MM[0] <= patient.fractures[side].step_mm <= STEP_MM[1] for side in SIDES)
    assert 2 * euler_number(patient.sacrum_distance < 0, connectivity=3) == -32
    surface = patient.surfaces[Structure.SACRUM]
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    assert mesh.is_watertight and mesh.euler_number == -32 and mesh.body_count == 1
    marks = [f"{name}_{side}" for name in ("anterior_ala", "cephalad_ala") for side in SIDES]
    points = np.stack([patient.point(name) for name in marks])
    assert np.abs(patient.depth_in_bone(points)).max() < 0.75


def leaning(pattern: FracturePattern) -> AlaSheet:
    """A sheet by a joint that leans out by half of its height, far from foramina at 5 mm."""
    foramina = np.array([[20.0 - 20.0 * n, 5.0, 0.0] for n in range(4)])
    return AlaSheet(
        frame=Frame(np.zeros(3), np.eye(3)),
        outward=1.0,
        joint=np.array([JOINT_MM, 0.5, 0.0, 0.0, 0.0, 0.0]),
        foramina=foramina,
        floor=-20.0,
        joint_floor=-30.0,
        plan=Plan("left", pattern),
        front=np.array([-18.0, 0.0, 0.0]),
    )


def test_a_sheet_stands_upright_where_the_ala_fans_out_and_a_rim_fracture_follows_the_joint() -> (
    None
):
    u, v = np.array([0.0, 10.0, 20.0]), np.zeros(3)  # from S2 to S1
    s2 = JOINT_MM - MEDIAL_MM * np.sqrt(1.25)
    np.testing.assert_allclose(leaning("parallel").beside(u, v), s2, atol=0.2)
    rim = leaning("anterolateral-rim").beside(u, v)
    np.testing.assert_allclose(rim, s2 + 0.5 * u, atol=0.2)
    below = leaning("parallel").beside(np.array([-15.0]), np.zeros(1))
    np.testing.assert_allclose(below, s2 - 7.5, atol=0.3)
