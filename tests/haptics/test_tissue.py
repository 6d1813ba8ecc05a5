"""The force law's parameters and its closed forms."""

from __future__ import annotations

import tomllib
from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tissue_blocks import BONE_TOP, TABLE, TOOL, block, law

from haptics.law import law_from_table
from haptics.tissue import (
    Layer,
    bone_force,
    cancellous_stress,
    density_at,
    interpolated,
    layer_at,
    stretch_at,
    stretch_force,
)

LAW = law()
RADIUS = 1.525


@pytest.mark.parametrize(
    ("name", "row", "told"),
    [
        ("skin_toe", {"value": 99.0}, "99.0; allowed are 0.2 to 2.0"),
        ("skin_toe", {"value": float("nan")}, "nan"),
        ("skin_toe", {"source": ""}, "lacks"),
        ("unheard_of", {"value": 1.0}, "unheard_of"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, row: dict[str, object], told: str) -> None:
    table = tomllib.loads(TABLE.read_text())
    table[name] = {**table.get(name, {}), **row}
    with pytest.raises(ValueError, match=told):
        law_from_table(table)


def test_layers_of_the_block_from_above() -> None:
    field = block(cortex=1.5)
    depths = {-1: "AIR", 1: "SKIN", 5: "FAT", 20: "MUSCLE", 30.7: "CORTEX", 45: "CANCELLOUS"}
    depths |= {59.0: "CORTEX", 61.0: "MUSCLE"}
    assert {d: Layer(layer_at(field, 0.0, 0.0, -d)).name for d in depths} == depths


def test_interpolation_is_exact_for_a_linear_volume() -> None:
    x, y, z = np.meshgrid(*(np.arange(5.0),) * 3, indexing="ij")
    volume = 2.0 * x - 3.0 * y + 0.5 * z
    at = np.random.default_rng(1).uniform(0.0, 4.0, (50, 3))
    for p in at:
        value = interpolated(volume, np.zeros(3), 0.5, *(0.5 * p), -1.0)
        assert value == pytest.approx(2.0 * p[0] - 3.0 * p[1] + 0.5 * p[2], abs=1e-12)
    assert interpolated(volume, np.zeros(3), 0.5, 2.01, 0.0, 0.0, -1.0) == -1.0


def test_bone_without_a_distance_field_is_plain_bone() -> None:
    field = block()._replace(bone_origin=np.array([500.0, 0.0, 0.0]))
    assert layer_at(field, 0.0, 0.0, BONE_TOP - 5.0) == Layer.BONE


@settings(deadline=None)
@given(st.sampled_from([*Layer][:12]), st.floats(0.0, 300.0))
def test_stretch_and_force_are_inverse(layer: Layer, force: float) -> None:
    stretch = stretch_at(LAW, layer, force)
    assert stretch >= 0.0
    assert stretch_force(LAW, layer, stretch) == pytest.approx(force, rel=1e-9, abs=1e-9)


def test_forces_of_bone_are_the_published_forms() -> None:
    density = density_at(block(hounsfield=200.0), LAW, 0.0, 0.0, -40.0)
    assert density == pytest.approx(0.0281 + 0.000936 * 200.0)
    crush = 40.0 * density**2 * pi * RADIUS**2
    wall = 6.0 * 2.0 * pi * RADIUS * 1.5 * density / 0.38
    stress = cancellous_stress(LAW, density)
    marrow = bone_force(LAW, Layer.CANCELLOUS, True, stress, density, 1.5, TOOL, True)
    assert marrow == pytest.approx(crush)
    whole = bone_force(LAW, Layer.CORTEX, False, stress, density, 1.5, TOOL, True)
    assert whole == pytest.approx(crush + wall)
    thin = bone_force(LAW, Layer.CORTEX, False, stress, density, 0.5, TOOL, False)
    assert thin == pytest.approx(crush + LAW.wall_bending * 0.25 * (density / 0.38) ** 2)
    broken = bone_force(LAW, Layer.CORTEX, True, stress, density, 1.5, TOOL, True)
    assert broken == pytest.approx(crush + 0.35 * wall)


def test_a_sweep_of_bone_keeps_the_published_order_and_range() -> None:
    """Porcine puncture is 6.7 N and more, a clinician's push 400-600 N (facts/haptics.md). From 60
    HU on, where there is bone to make a wall; below it the periosteum is what holds (test_blocks).
    """
    densities = 0.0281 + 0.000936 * np.array([60.0, 80.0, 100.0, 150.0, 200.0, 300.0, 500.0, 700.0])
    thicknesses = (0.5, 0.8, 1.2, 1.6, 2.0)
    stresses = [cancellous_stress(LAW, rho) for rho in densities]
    forces = np.array([
        [bone_force(LAW, Layer.CORTEX, False, stress, rho, t, TOOL, True) for t in thicknesses]
        for stress, rho in zip(stresses, densities, strict=True)
    ])  # fmt: skip
    crush = [
        bone_force(LAW, Layer.CANCELLOUS, True, stress, rho, 0.0, TOOL, True)
        for stress, rho in zip(stresses, densities, strict=True)
    ]
    assert np.all(forces > np.array(crush)[:, None])
    assert np.all(np.diff(crush) >= 0)
    assert np.all(np.diff(forces, axis=0) > 0)
    assert np.all(np.diff(forces, axis=1) > 0)
    assert 5.0 < forces.min() < 11.5
    assert 200.0 < forces.max() < 600.0
