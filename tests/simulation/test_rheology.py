"""The cement's clock: against the law it states and the published setting times."""

from __future__ import annotations

from math import inf, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.simulation.cement import rheology
from game.simulation.cement.rheology import FROZEN_PA_S, SETTING_S, WINDOW_S, setting, viscosity


def test_a_fresh_batch_has_its_starting_viscosity() -> None:
    assert viscosity(0.0) == rheology.START_PA_S


def test_viscosity_doubles_as_the_law_says() -> None:
    faster = 2.0 ** ((rheology.BATCH_C - 25.0) / 12.0)
    doubling = 77.0 * log(2.0) / faster
    assert viscosity(100.0 + doubling) == pytest.approx(2.0 * viscosity(100.0))


def test_setting_time_lies_among_the_brands() -> None:
    assert 8.7 * 60 <= SETTING_S <= 13 * 60


def test_window_runs_from_toothpaste_to_stiff_and_ends_before_setting() -> None:
    first, last = WINDOW_S
    assert first < last < SETTING_S
    assert viscosity(first) == pytest.approx(100.0)
    assert viscosity(last) == pytest.approx(rheology.STIFF_PA_S)


def test_set_cement_stays_set() -> None:
    assert not setting(SETTING_S - 1e-6)
    assert setting(SETTING_S)
    assert viscosity(SETTING_S) == viscosity(1e6) == FROZEN_PA_S


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_it_never_thins(one: float, other: float) -> None:
    early, late = sorted((one, other))
    assert viscosity(early) <= viscosity(late) <= FROZEN_PA_S


@pytest.mark.parametrize("age", [-1.0, nan, inf])
def test_an_impossible_age_is_refused_in_one_line(age: float) -> None:
    with pytest.raises(ValueError, match="cement age is") as told:
        viscosity(age)
    assert "\n" not in str(told.value)
