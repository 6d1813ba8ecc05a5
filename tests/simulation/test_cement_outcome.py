"""What the cement came to, on a flat sheet where the answer is known."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from blocks import block_case, block_patient
from game.geometry.grid import Grid
from game.patient.patient import Fracture, Landmark, Region, Tube
from game.simulation.cement.body import EMPTY, Cement
from game.simulation.cement.channels import NO_CHANNELS, Channels
from game.simulation.cement.exits import Exit
from game.simulation.cement.outcome import (
    column_foot_mm,
    column_mm,
    continuity,
    coverage,
    exits,
    hazards_mm,
    interdigitated_ml,
    leaks,
    levels_of,
)

GRID = Grid((0.0, 0.0, 0.0), 0.75, (10, 40, 80))


def sheet() -> Fracture:
    """The plane x = 3 mm, 15 mm deep and 45 mm high."""
    y, z = (a.ravel() for a in np.meshgrid(np.arange(5, 20, 0.5), np.arange(5, 50, 0.5)))
    points = np.stack([np.full(len(y), 3.0), y, z], axis=-1)
    return Fracture(
        "left", points, np.full(len(y), 0.25), np.array([1.0, 0, 0]), 1.0, np.empty(0, np.int64)
    )


def filled(*heights: tuple[float, float], share: float = 0.9) -> Cement:
    """Cement over the sheet's whole depth between pairs of heights, mm."""
    _, _, z = GRID.axes()
    mask = np.zeros(GRID.shape, bool)
    for low, high in heights:
        mask[3:6, :, (z >= low) & (z <= high)] = True
    voxels = np.flatnonzero(mask).astype(np.int64)
    ml = np.full(len(voxels), share * GRID.voxel_ml)
    return Cement(voxels, ml, float(ml.sum()), by_region_ml={Region.MARROW: float(ml.sum())})


def test_coverage_is_the_fraction_of_the_area_within_reach() -> None:
    assert coverage(sheet(), filled((0, 27)), GRID) == pytest.approx(0.5, abs=0.03)
    assert coverage(sheet(), filled((0, 60)), GRID) == 1.0
    assert coverage(sheet(), filled((0, 60), share=0.1), GRID) == 0.0
    assert coverage(sheet(), EMPTY, GRID) == 0.0


def test_reach_widens_what_counts() -> None:
    narrow = coverage(sheet(), filled((0, 20)), GRID, reach_mm=1.0)
    assert coverage(sheet(), filled((0, 20)), GRID, reach_mm=6.0) > narrow + 0.08


def test_column_is_the_longest_unbroken_stretch() -> None:
    assert column_mm(sheet(), filled((0, 60)), GRID) == pytest.approx(44.5)
    gap = filled((10, 20), (28, 46))
    assert column_mm(sheet(), gap, GRID) == pytest.approx(20.0, abs=2.0)
    assert column_mm(sheet(), EMPTY, GRID) == 0.0


def test_foot_is_the_nearest_cement_to_the_entry() -> None:
    entry = np.array([3.0, 10.0, 2.0])
    assert column_foot_mm(filled((12, 30)), GRID, entry) == pytest.approx(10.0, abs=0.8)
    assert column_foot_mm(EMPTY, GRID, entry) == inf


def test_leaks_are_told_by_name_and_what_stays_inside_is_none() -> None:
    ledger = {Region.MARROW: 3.0, Region.PRESACRAL: 0.01, Region.DISC: 0.3}
    cement = Cement(EMPTY.voxels, EMPTY.ml, by_region_ml=ledger)
    assert leaks(cement) == {"disc": 0.3, "presacral": 0.01}


def test_cement_outside_the_envelope_is_no_fill() -> None:
    inside = filled((0, 60))
    outside = replace(inside, exit=np.full(len(inside.voxels), Exit.FRACTURE_GAP, np.uint8))
    assert coverage(sheet(), outside, GRID) == 0.0
    assert column_mm(sheet(), outside, GRID) == 0.0


def test_continuity_is_told_level_by_level() -> None:
    down = np.array([0.0, 0.0, -1.0])
    levels = {
        "s1": (np.r_[down, -50.0], 15.0),  # z from 50 down to 35
        "s2": (np.r_[down, -35.0], 15.0),  # to 20
        "s3": (np.r_[down, -20.0], 15.0),  # to 5
        "s4": (np.r_[down, -5.0], 15.0),  # below the sheet
    }
    found = continuity(sheet(), filled((0, 12.5), (34, 60)), GRID, levels)
    assert found["s1"] == 1.0 and "s4" not in found
    assert found["s2"] == pytest.approx(0.1, abs=0.11)
    assert found["s3"] == pytest.approx(0.5, abs=0.11)
    assert continuity(sheet(), EMPTY, GRID, levels) == {"s1": 0.0, "s2": 0.0, "s3": 0.0}


def test_levels_run_from_the_endplate_to_the_s3_foramina() -> None:
    assert levels_of(block_patient()) == {}
    marks = {
        f"foramen_s{n}_{side}": Landmark(np.array([x, 0.0, -20.0 * n]))
        for n in (1, 2, 3)
        for side, x in (("left", 20.0), ("right", -20.0))
    }
    patient = replace(block_patient(), landmarks={**block_patient().landmarks, **marks})
    levels = levels_of(patient)
    assert list(levels) == ["s1", "s2", "s3"]
    for number, (plane, height) in enumerate(levels.values()):
        np.testing.assert_allclose(plane, [0.0, 0.0, -1.0, 20.0 * number])
        assert height == pytest.approx(20.0)


def block_cement(*boxes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]) -> Cement:
    """Full voxels of the block's bone grid between pairs of indices along each axis."""
    grid = block_patient().bone
    mask = np.zeros(grid.shape, bool)
    for x, y, z in boxes:
        mask[slice(*x), slice(*y), slice(*z)] = True
    voxels = np.flatnonzero(mask).astype(np.int64)
    return Cement(voxels, np.full(len(voxels), grid.voxel_ml))


def test_only_cement_between_trabeculae_interdigitates() -> None:
    medium = block_case().medium
    cement = block_cement(((72, 82), (25, 35), (30, 40)))
    assert interdigitated_ml(cement, medium, NO_CHANNELS) == pytest.approx(1.0)
    held = np.sort(cement.voxels)[:400]
    track = Channels(held, np.full((400, 3), 0.3), np.ones(400))
    assert interdigitated_ml(cement, medium, track) == pytest.approx(0.6)
    out = replace(cement, exit=np.full(len(cement.voxels), Exit.VEINS, np.uint8))
    assert interdigitated_ml(out, medium, NO_CHANNELS) == 0.0
    on_sheet = Cement(medium.sheet, np.full(len(medium.sheet), 1e-3))
    assert interdigitated_ml(on_sheet, medium, NO_CHANNELS) == 0.0


def test_the_distance_to_a_hazard_is_that_of_the_nearest_cement() -> None:
    line = np.stack([np.full(3, 30.0), np.full(3, -25.0), np.array([-60.0, -40.0, -20.0])], axis=1)
    nerve = Tube("nerve", line, np.full(3, 2.0))
    patient = replace(block_patient(), hazards={"nerve": nerve})
    cement = block_cement(((90, 99), (15, 20), (50, 60)))  # y from -14 on
    assert hazards_mm(patient, cement, block_case().medium) == {
        "nerve": pytest.approx(9.0, abs=0.1)
    }
    assert hazards_mm(patient, EMPTY, block_case().medium) == {}


def test_the_ledger_by_exit_is_told_by_name() -> None:
    cement = block_cement(((70, 72), (25, 26), (30, 31)))
    cement = replace(cement, exit=np.array([Exit.VEINS, Exit.NONE], np.uint8))
    assert exits(cement) == {"veins": pytest.approx(1e-3)}
