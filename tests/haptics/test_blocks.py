"""Forty blocks of bone against the published orders and ranges; and the bench's own block."""

from __future__ import annotations

import numpy as np
import pytest
from tissue_blocks import TOOL, block, law, straight_down

from game.training import layered_block
from haptics.insertion import PUNCTURED
from haptics.memory import fresh
from haptics.servo import ROW_AXIAL, ROW_BROKEN, ROW_EVENTS, run_ticks

DENSITIES = (-50.0, 0.0, 60.0, 100.0, 200.0, 300.0, 500.0, 700.0)  # Hounsfield units
WALLS = (0.5, 0.8, 1.2, 1.6, 2.0)  # mm


def test_forty_blocks_keep_the_published_orders_and_ranges() -> None:
    """Through the cannula, not the formula: puncture before cancellous bone, denser before softer,
    thicker before thinner; from a porcine vertebra's 6.7 N to a clinician's 600 N."""
    puncture, cutting = np.empty((8, 5)), np.empty((8, 5))
    for i, units in enumerate(DENSITIES):
        for j, wall in enumerate(WALLS):
            field, down = block(units, wall), straight_down(np.arange(2.0, -45.0, -0.02))
            rows = run_ticks(field, law(), TOOL, fresh(), down)[1]
            puncture[i, j] = rows[rows[:, ROW_EVENTS] == PUNCTURED, ROW_BROKEN][0]
            marrow = (rows[:, 2] < -34.0) & (rows[:, 2] > -36.0)
            cutting[i, j] = np.median(rows[marrow, ROW_AXIAL])
    assert np.all(puncture > cutting)
    assert np.all(np.diff(puncture, axis=0) > 0)
    assert np.all(np.diff(puncture, axis=1) > 0)
    assert np.all(np.diff(cutting, axis=0)[:-1] > 0)  # both last are beyond trabecular bone
    assert 6.7 <= puncture.min() <= 11.5
    assert 200.0 <= puncture.max() <= 600.0


def test_the_benchs_block_is_the_tests_own() -> None:
    """Two blocks, written apart, give equal forces; the bench's law is off by less than 2 %."""
    own, down = block(200.0, 1.5), straight_down(np.arange(2.0, -80.0, -0.008))
    rows = run_ticks(own, law(), TOOL, fresh(), down)[1]
    theirs = layered_block.pushed(layered_block.block(200.0, 1.5), law(), 80.0)
    np.testing.assert_allclose(theirs[:, ROW_AXIAL], rows[:, ROW_AXIAL], atol=1e-6)
    assert layered_block.furthest_off(law()) <= 0.02
    assert layered_block.ticks_of_a_drop(law()) <= 2


def test_a_broken_order_is_counted() -> None:
    puncture, cutting = layered_block.sweep(law())
    assert layered_block.out_of_order(puncture, cutting) == 0
    puncture[3, 2] = puncture[2, 2]
    assert layered_block.out_of_order(puncture, cutting) == 1
    cutting[2, 4] = 0.0
    assert layered_block.out_of_order(puncture, cutting) == 2


def test_the_written_law_tells_another_law_apart() -> None:
    """The bench's 2 % is no empty bound: 5 % more friction in bone breaks it."""
    table = law()
    rows = layered_block.pushed(layered_block.block(200.0, 1.5), table, 57.0)
    other = table._replace(bone_friction=1.05 * table.bone_friction)
    says = layered_block.written(other, 200.0, 1.5, float(-rows[-1, 2]))
    assert abs(rows[-1, ROW_AXIAL] / says - 1.0) > 0.02
    assert rows[-1, ROW_AXIAL] == pytest.approx(
        layered_block.written(table, 200.0, 1.5, float(-rows[-1, 2])), rel=0.02
    )
