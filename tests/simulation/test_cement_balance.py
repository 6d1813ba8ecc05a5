"""Cement is neither made nor lost, whatever is asked; and the same request gives the same bits."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game.geometry.grid import Grid
from game.patient.patient import Region
from game.simulation.cement import EMPTY, NO_CHANNELS, Cement, Injection, Medium, advance
from game.simulation.cement.rheology import FROZEN_PA_S
from game.training.cement_cases import fluid

PLAIN = Injection((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), 2.39, 125.0, 0.002, 3.2, 0.05, fluid(150.0))


def rubble(seed: int, size: int = 14) -> Medium:
    """Random permeability over eight decades with closed voxels, random porosity and regions."""
    rng = np.random.default_rng(seed)
    shape = (size, size + 1, size + 2)
    permeability = 10.0 ** rng.uniform(-9, 0, (*shape, 3))
    permeability[rng.random(shape) < 0.1] = 0.0
    return Medium(
        grid=Grid((-5.0, -5.0, -5.0), 0.75, shape),
        permeability=permeability.astype(np.float32),
        porosity=rng.uniform(0.05, 1.0, shape).astype(np.float32),
        region=rng.integers(0, len(Region), shape).astype(np.uint8),
        sheet=np.empty(0, np.int64),
    )


def check(before: Cement, after: Cement, asked: Injection) -> None:
    placed = after.delivered_ml - before.delivered_ml
    assert 0 <= after.refused_ml <= asked.ml
    assert placed + after.refused_ml == pytest.approx(asked.ml, rel=1e-10, abs=1e-15)
    total = max(after.delivered_ml, 1e-300)
    assert abs(after.ml.sum() - after.delivered_ml) <= 1e-10 * total
    assert abs(sum(after.by_region_ml.values()) - after.delivered_ml) <= 1e-10 * total
    assert np.isfinite([after.front_mpa, after.total_mpa]).all()
    assert after.total_mpa <= asked.limit_mpa * (1 + 1e-9)
    assert (after.ml > 0).all()
    assert np.isfinite(after.potential).all()
    assert len(np.unique(after.voxels)) == len(after.voxels)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    tips=st.lists(st.tuples(*[st.floats(-9, 9)] * 3), min_size=1, max_size=6),
    ml=st.one_of(st.just(0.0), st.floats(1e-12, 1e-2), st.floats(1e-2, 1e6)),
    viscosity=st.floats(0.01, 2e4),
    bore=st.floats(0.1, 3.0),
    limit=st.one_of(st.just(0.0), st.floats(1e-6, 1e4)),
    seconds=st.floats(1e-3, 10.0),
)
def test_volume_is_kept_whatever_is_asked(
    seed: int,
    tips: list[tuple[float, float, float]],
    ml: float,
    viscosity: float,
    bore: float,
    limit: float,
    seconds: float,
) -> None:
    medium, cement = rubble(seed), EMPTY
    for tip in tips:
        asked = Injection(tip, (0.0, 0.0, 1.0), bore, 125.0, ml, limit, seconds, fluid(viscosity))
        after = advance(medium, NO_CHANNELS, cement, asked)
        check(cement, after, asked)
        cement = after


def test_no_voxel_holds_more_than_its_pores() -> None:
    medium, cement = rubble(3), EMPTY
    for _ in range(100):
        cement = advance(medium, NO_CHANNELS, cement, PLAIN)
    room = medium.porosity.reshape(-1)[cement.voxels].astype(float) * medium.grid.voxel_ml
    assert (cement.ml <= room * (1 + 1e-12)).all()


def test_a_full_closed_box_refuses_the_rest() -> None:
    medium, cement = rubble(4, 5), EMPTY
    medium.permeability[:] = 0.05
    for _ in range(200):
        cement = advance(medium, NO_CHANNELS, cement, replace(PLAIN, tip=(-4.0, -4.0, -4.0)))
    holds = float(medium.porosity.sum(dtype=float)) * medium.grid.voxel_ml
    assert cement.delivered_ml == pytest.approx(holds, rel=1e-9)
    assert cement.refused_ml == PLAIN.ml


@pytest.mark.parametrize(
    "asked",
    [
        replace(PLAIN, product=fluid(FROZEN_PA_S)),
        replace(PLAIN, tip=(1000.0, 0.0, 0.0)),
        replace(PLAIN, limit_mpa=0.0),
    ],
    ids=["gelled", "beyond the grid", "no pressure"],
)
def test_what_cannot_flow_is_refused_whole(asked: Injection) -> None:
    after = advance(rubble(1), NO_CHANNELS, EMPTY, asked)
    assert (after.delivered_ml, after.refused_ml, len(after.voxels)) == (0.0, asked.ml, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ml", -0.1), ("ml", nan), ("ml", inf), ("limit_mpa", -1.0), ("age_s", -1.0),
        ("celsius", nan), ("compliance", -1.0), ("bore", 0.0), ("length", -1.0), ("seconds", 0.0),
        ("tip", (nan, 0.0, 0.0)),
    ],
)  # fmt: skip
def test_an_unphysical_request_raises_in_one_line(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"injection {name} is") as told:
        advance(rubble(1), NO_CHANNELS, EMPTY, replace(PLAIN, **{name: value}))  # type: ignore[arg-type]
    assert "\n" not in str(told.value)


def test_same_request_same_bits_and_arguments_untouched() -> None:
    medium, other = rubble(7), rubble(8, 11)

    def run(interleave: bool) -> Cement:
        cement, aside = EMPTY, EMPTY
        for n in range(40):
            asked = replace(PLAIN, tip=(0.0, 0.0, 0.05 * n))
            kept = cement.voxels.tobytes(), cement.ml.tobytes(), cement.potential.tobytes()
            fresh = advance(medium, NO_CHANNELS, cement, asked)
            if interleave:
                aside = advance(other, NO_CHANNELS, aside, asked)
                again = advance(medium, NO_CHANNELS, cement, asked)
                assert again.ml.tobytes() == fresh.ml.tobytes()
            now = cement.voxels.tobytes(), cement.ml.tobytes(), cement.potential.tobytes()
            assert kept == now
            cement = fresh
        return cement

    one, two = run(False), run(True)
    assert one.voxels.tobytes() == two.voxels.tobytes()
    assert one.ml.tobytes() == two.ml.tobytes()
    assert (one.front_mpa, one.total_mpa) == (two.front_mpa, two.total_mpa)


def test_thicker_cement_needs_more_pressure_and_releases_none() -> None:
    thin = advance(rubble(2), NO_CHANNELS, EMPTY, replace(PLAIN, limit_mpa=1e6))
    thick = advance(
        rubble(2), NO_CHANNELS, EMPTY, replace(PLAIN, limit_mpa=1e6, product=fluid(300.0))
    )
    assert thick.total_mpa == pytest.approx(2 * thin.total_mpa)
    assert thick.ml.tobytes() == thin.ml.tobytes()
