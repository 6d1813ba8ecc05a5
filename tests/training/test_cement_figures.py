"""The flow's figures that are asked for, timing apart: grid, twin, volume."""

from __future__ import annotations

from game.training.cement_figures import cracked_box, halved, injected, twin


def test_halving_the_voxel_changes_coverage_and_leak_little() -> None:
    coverage, leak = halved()
    assert coverage.value < 5.0
    assert leak.value < 0.1


def test_the_case_of_the_grid_leaks_and_keeps_its_volume() -> None:
    cement = injected(cracked_box(0.75, 7.5, 6.0), 1.5, 6.0)[0]
    assert cement.leaked_ml > 0.05
    assert abs(float(cement.ml.sum()) - 1.5) <= 1e-10 * 1.5


def test_fill_is_the_two_fluid_twin_s() -> None:
    assert twin().value >= 0.95
