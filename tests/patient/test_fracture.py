"""The fracture sheet against a sacrum of simple solids, whose joints are planes."""

from __future__ import annotations

import numpy as np
import pytest

from game.geometry.grid import Grid
from game.patient.fracture import APERTURE_MM, MEDIAL_MM, fracture_sheet
from game.patient.patient import SIDES, Fracture, Landmark, Region, Side
from game.patient.segmentation import Bones

JOINT_MM = 51.0  # from the midline to the joint's middle
HALF_HEIGHT_MM, HALF_DEPTH_MM = 45.0, 18.0


def block() -> tuple[Bones, dict[str, Landmark]]:
    """A block sacrum of half breadth 50 mm with 2 mm to a block hip on either side."""
    grid = Grid((-70.0, -30.0, -60.0), 1.0, (141, 61, 121))
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij")
    depth, height = np.abs(y) - HALF_DEPTH_MM, np.abs(z) - HALF_HEIGHT_MM
    sacrum = np.maximum.reduce([np.abs(x) - 50.0, depth, height])
    hip = {
        side: np.maximum.reduce([52.0 - sign * x, depth, height]).astype(np.float32)
        for side, sign in (("left", 1.0), ("right", -1.0))
    }
    spine = np.maximum.reduce([np.abs(x) - 25.0, depth, 48.0 - z]).astype(np.float32)
    marks = {"s1_endplate_centre": Landmark(np.array([0.0, 0.0, HALF_HEIGHT_MM]))}
    for sign, side in ((1.0, "left"), (-1.0, "right")):
        for level in range(1, 5):
            point = np.array([sign * 20.0, 0.0, 40.0 - 20.0 * level])
            marks[f"foramen_s{level}_{side}"] = Landmark(point)
    left: Side = "left"
    right: Side = "right"
    bones = Bones(grid, sacrum.astype(np.float32), {left: hip["left"], right: hip["right"]}, spine)
    return bones, marks


@pytest.fixture(scope="module", params=SIDES)
def sheet(request: pytest.FixtureRequest) -> tuple[Bones, Fracture]:
    bones, marks = block()
    region = np.where(bones.sacrum < 0, Region.MARROW, Region.PRESACRAL).astype(np.uint8)
    return bones, fracture_sheet(bones, marks, region, request.param)


def test_it_is_parallel_to_a_flat_joint_at_its_distance(sheet: tuple[Bones, Fracture]) -> None:
    _, fracture = sheet
    sign = 1.0 if fracture.side == "left" else -1.0
    np.testing.assert_allclose(fracture.normal, [sign, 0.0, 0.0], atol=0.02)
    np.testing.assert_allclose(sign * fracture.points[:, 0], JOINT_MM - MEDIAL_MM, atol=0.6)


def test_its_area_is_that_of_the_section_down_to_s3(sheet: tuple[Bones, Fracture]) -> None:
    _, fracture = sheet
    section = 2 * HALF_DEPTH_MM * (HALF_HEIGHT_MM - (40.0 - 60.0))
    assert fracture.areas.sum() == pytest.approx(section, rel=0.05)
    assert fracture.aperture == APERTURE_MM


def test_it_reaches_the_anterior_cortex_and_stays_in_the_marrow(
    sheet: tuple[Bones, Fracture],
) -> None:
    bones, fracture = sheet
    assert fracture.points[:, 1].min() < -HALF_DEPTH_MM + 1.5
    assert (bones.sacrum.reshape(-1)[fracture.voxels] < 0).all()
    assert len(np.unique(fracture.voxels)) == len(fracture.voxels)
    assert len(fracture.voxels) == pytest.approx(fracture.areas.sum(), rel=0.15)
