"""The two-fluid twin against its closed forms (facts/cement.md, cases 1 and 4) and its balance."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from game.geometry.grid import Grid
from game.simulation.cement import Medium
from game.simulation.cement.two_fluid import Filled, TwoFluid, driven, empty, pumped

H = 0.75
K = 0.01  # mm2
POROSITY = 0.9
POINT = 0.252731  # p0 K h / (Q mu) of a point source on a 7-point grid: facts/cement.md, case 5


def block(shape: tuple[int, int, int], across: float = K) -> Medium:
    """Uniform along x, of permeability `across` along y and z."""
    permeability = np.full((*shape, 3), across, np.float32)
    permeability[..., 0] = K
    return Medium(
        grid=Grid((0.0, 0.0, 0.0), H, shape),
        permeability=permeability,
        porosity=np.full(shape, POROSITY, np.float32),
        region=np.zeros(shape, np.uint8),
        sheet=np.empty(0, np.int64),
    )


def piston_front(cement: float, marrow: float, length: float, mpa: float, seconds: float) -> float:
    """phi L' = K dp / (mu_c L + mu_m (L0 - L)) from L = 0, solved for L, mm."""
    excess = 1.0e-6 * (cement - marrow) / 2.0
    carried = 1.0e-6 * marrow * length
    pushed = K * mpa * seconds / POROSITY
    return (-carried + sqrt(carried**2 + 4.0 * excess * pushed)) / (2.0 * excess)


@pytest.mark.parametrize("ratio", [2.0, 10.0, 1000.0])
def test_a_piston_of_two_fluids(ratio: float) -> None:
    count, mpa, steps = 200, 0.5, 200
    cement = 100.0
    marrow = cement / ratio
    medium = block((count, 2, 2), across=0.0)
    case = TwoFluid(medium, cement, marrow, np.array([4 * (count - 1)]))
    length = (count - 1) * H
    until = 0.9 * POROSITY * 1e-6 * (cement + marrow) / 2.0 * (length * 0.6) ** 2 / (K * mpa)
    found = empty(case)
    times = until * (np.arange(steps + 1) / steps) ** 2  # the front goes with the root of time
    for seconds in np.diff(times).tolist():
        found = driven(case, found, 0, mpa, seconds)
    expected = piston_front(cement, marrow, length, mpa, until)
    assert found.fill.sum() * H - H / 2 == pytest.approx(expected, rel=0.01)
    sharp = np.flatnonzero((found.fill > 0.05) & (found.fill < 0.95))
    assert len(sharp) <= 12 * (2.0 if ratio < 5 else 1.0)


@pytest.mark.parametrize("ratio", [10.0])
def test_the_pressure_at_a_point_source_within_marrow(ratio: float) -> None:
    """Case 1, the radius a of the source being that of a grid point: 1/a = 4 pi 0.252731 / h."""
    half, flow, cement = 16, 60.0, 100.0
    shape = (2 * half + 1,) * 3
    medium = block(shape)
    distance = np.linalg.norm(np.indices(shape) - half, axis=0) * H
    outer = 15.5 * H
    outlet = np.flatnonzero(distance >= outer)
    case = TwoFluid(medium, cement, cement / ratio, outlet)
    middle = int(np.ravel_multi_index((half,) * 3, shape))
    front = 9.0 * H
    volume = POROSITY * 4.0 / 3.0 * pi * front**3
    steps = 25
    found = empty(case)
    for _ in range(steps):
        found = pumped(case, found, {middle: flow}, volume / flow / steps)
    # the pressure of the last fill, without moving any
    pressure = pumped(case, found, {middle: flow}, 1e-9).mpa[middle]
    marrow = cement / ratio
    inverse = 4.0 * pi * POINT / H
    rim = distance[distance < outer].max() + 0.5 * H
    expected = 1e-6 * flow / (4.0 * pi * K) * (
        cement * (inverse - 1.0 / front) + marrow * (1.0 / front - 1.0 / rim)
    )  # fmt: skip
    assert pressure == pytest.approx(expected, rel=0.005)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    ratio=st.floats(1.0, 1e4),
    step=st.floats(0.01, 20.0),
    flow=st.floats(0.0, 200.0),
)
@example(seed=0, ratio=1.0, step=1.0, flow=1.3386094044105463e-279)  # far below rounding
def test_volume_is_kept_and_fills_are_fractions(
    seed: int, ratio: float, step: float, flow: float
) -> None:
    rng = np.random.default_rng(seed)
    shape = (7, 6, 5)
    medium = Medium(
        grid=Grid((0.0, 0.0, 0.0), H, shape),
        permeability=np.exp(rng.normal(-4.6, 1.0, (*shape, 3))).astype(np.float32),
        porosity=rng.uniform(0.3, 0.98, shape).astype(np.float32),
        region=np.zeros(shape, np.uint8),
        sheet=np.empty(0, np.int64),
    )
    case = TwoFluid(medium, 100.0, 100.0 / ratio, np.arange(30))
    found: Filled = empty(case)
    source = int(np.ravel_multi_index((5, 3, 2), shape))
    pores = medium.porosity.reshape(-1).astype(float) * H**3 / 1000.0
    for count in range(1, 5):
        found = pumped(case, found, {source: flow}, step)
        held = float((found.fill * pores).sum()) + found.out_ml
        assert held == pytest.approx(count * flow * step / 1000.0, rel=1e-9, abs=1e-12)
        assert found.fill.min() >= 0.0
        assert found.fill.max() <= 1.0 + 1e-5


def test_what_is_not_physical_is_refused() -> None:
    medium = block((3, 3, 3))
    with pytest.raises(ValueError, match=r"marrow_pa_s is 0\.0; it must be above 0"):
        TwoFluid(medium, 1.0, 0.0, np.array([0]))
    with pytest.raises(ValueError, match="no outlet"):
        TwoFluid(medium, 1.0, 1.0, np.empty(0, np.int64))
