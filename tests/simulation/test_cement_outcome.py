"""What the cement came to, on a flat sheet where the answer is known."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from game.geometry.grid import Grid
from game.patient.patient import Fracture, Region
from game.simulation.cement.body import EMPTY, Cement
from game.simulation.cement.outcome import column_foot_mm, column_mm, coverage, leaks, visible

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


def test_leaks_are_told_by_name_and_small_ones_do_not_show() -> None:
    ledger = {Region.MARROW: 3.0, Region.PRESACRAL: 0.01, Region.DISC: 0.3}
    cement = Cement(EMPTY.voxels, EMPTY.ml, by_region_ml=ledger)
    assert leaks(cement) == {"disc": 0.3, "presacral": 0.01}
    assert visible(cement) == {"disc": 0.3}
