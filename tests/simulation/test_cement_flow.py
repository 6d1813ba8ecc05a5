"""Cement flow against closed forms (facts/cement.md) in blocks of bone."""

from __future__ import annotations

from dataclasses import replace
from math import pi

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from game.geometry.grid import Point
from game.simulation.cement import EMPTY, NO_CHANNELS, Cement, Medium, advance
from game.simulation.cement.bone import TIGHT
from game.simulation.cement.network import FULL
from game.training import cement_cases as cases
from game.training.cement_cases import PA_S, block, pushed, request

H = 0.75


def test_case_1_sphere_at_constant_flow() -> None:
    assert cases.sphere_pressure(0.5, 27, 150) <= 0.005


def test_case_5_point_source() -> None:
    assert cases.point_source() <= 0.005


def test_case_2_sphere_at_constant_pressure() -> None:
    assert cases.sphere_time() <= 0.005


def test_case_3_cylinder_at_constant_pressure() -> None:
    assert cases.cylinder_error() <= 0.01


def test_case_4_piston() -> None:
    assert cases.piston_time() <= 0.005


def test_case_6_crack_along_the_grid() -> None:
    assert cases.crack_pressure() <= 0.005


@pytest.mark.parametrize("normal", [(1.0, 1.0, 0.0), (2.0, 1.0, 0.0), (1.0, 1.0, 1.0)])
def test_case_6_oblique_crack(normal: Point) -> None:
    assert cases.crack_pressure(normal) <= 0.005


@pytest.mark.parametrize("radii", [1.6, 2.0, 3.0, 6.0])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (0.5, 0.0)])
def test_case_7_breach(radii: float, offset: tuple[float, float]) -> None:
    """From a 13G cannula's hole (1.2 mm, 1.6 voxels) on."""
    assert cases.breach(radii, offset) <= 0.05


@pytest.mark.parametrize("index", [0.8, 0.6])
def test_case_8_power_law(index: float) -> None:
    assert cases.power_law(index) <= 0.02


def test_marrow_presses_back_on_what_fills_it_and_not_on_what_leaks() -> None:
    assert cases.marrow_error() < 0.02


def test_a_marrow_that_presses_with_nothing_physical_is_refused() -> None:
    with pytest.raises(ValueError, match=r"marrow_mpa is -0\.1; it must be 0 or more"):
        replace(block((3, 3, 3)), marrow_mpa=-0.1)


def test_the_front_is_a_sphere_in_every_direction() -> None:
    assert cases.front_error() <= 0.02


def test_bore_loss_follows_poiseuille_and_the_limit_reduces_the_flow() -> None:
    medium = block((15, 15, 15))
    thin = replace(request(0.001, bore=2.39), length=125.0)
    free = advance(medium, NO_CHANNELS, EMPTY, thin)
    loss = 8.0 * PA_S * 125.0 * 20.0 / (pi * (2.39 / 2) ** 4) / 1e6
    assert free.total_mpa - free.front_mpa == pytest.approx(loss)
    held = advance(medium, NO_CHANNELS, EMPTY, replace(thin, limit_mpa=0.1))
    assert held.total_mpa == pytest.approx(0.1)
    assert 0 < held.delivered_ml < 0.001
    assert held.delivered_ml + held.refused_ml == 0.001


def test_flow_goes_along_the_axis_that_conducts() -> None:
    """Radii of the ellipsoid go as the root of the permeabilities."""
    medium = block((41, 41, 41))
    medium.permeability[..., 2] *= 4.0
    cement = pushed(medium, 1.0, 300)
    index = np.stack(np.unravel_index(cement.voxels, medium.grid.shape), -1) - 20
    spread = np.sqrt((cement.ml[:, None] * index**2).sum(axis=0))
    assert spread[2] / spread[0] == pytest.approx(2.0, rel=0.05)
    assert spread[1] / spread[0] == pytest.approx(1.0, rel=0.01)


def plain_potential(medium: Medium, cement: Cement, source: int) -> NDArray[np.float64]:
    """The plain twin: potentials of the full voxels by a direct solve, from the equations as the
    docstring of `flow` states them, for uniform porosity."""
    room = float(medium.porosity[0, 0, 0]) * medium.grid.voxel_ml
    fill = dict(zip(cement.voxels.tolist(), (cement.ml / room).tolist(), strict=True))
    assert (cement.pa_s == PA_S).all()
    full = [v for v, f in fill.items() if f >= FULL - 1e-9]
    row = {v: r for r, v in enumerate(full)}
    shape, k = medium.grid.shape, medium.permeability.astype(float)
    entries: list[tuple[int, int, float]] = []
    for v, r in row.items():
        at = np.array(np.unravel_index(v, shape))
        for axis in range(3):
            for step in (-1, 1):
                there = at.copy()
                there[axis] += step
                if not 0 <= there[axis] < shape[axis]:
                    continue
                w = int(np.ravel_multi_index(tuple(there), shape))
                a, b = k[(*at, axis)], k[(*there, axis)]
                if w in row:
                    g = H / PA_S / (0.5 / a + 0.5 / b)
                    entries.append((r, row[w], -g))
                else:
                    filled = max(fill.get(w, 0.0), 0.5 if b < TIGHT * a else 0.0)
                    g = H / PA_S / (0.5 / a + filled / b)
                entries.append((r, r, g))
    rows, columns, values = zip(*entries, strict=True)
    matrix = coo_matrix((values, (rows, columns)), shape=(len(full),) * 2).tocsr()
    right = np.zeros(len(full))
    right[row[source]] = 1.0
    out = np.zeros(len(cement.voxels))
    place = {v: n for n, v in enumerate(cement.voxels.tolist())}
    out[[place[v] for v in full]] = spsolve(matrix, right)
    return out


def test_the_solver_agrees_with_a_direct_solve() -> None:
    medium = block((17, 17, 17))
    rng = np.random.default_rng(5)
    medium.permeability[:] = 10.0 ** rng.uniform(-3, -1, (17, 17, 17, 1)).astype(np.float32)
    cement = pushed(medium, 0.15, 60)
    source = 8 * (17 * 17 + 17 + 1)
    twin = plain_potential(medium, cement, source)
    tiny = advance(medium, NO_CHANNELS, cement, request(1e-9))
    mine = tiny.front_mpa * 1e6 / (1e-6 / 0.05)
    assert mine == pytest.approx(twin.max(), rel=1e-3)
    assert np.abs(tiny.potential[: len(twin)] - twin).max() < 2e-3 * twin.max()
