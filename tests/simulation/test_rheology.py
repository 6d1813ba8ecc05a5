"""The cement's law: against what it states, published setting times, Poiseuille, Rabinowitsch,
and numerical integration."""

from __future__ import annotations

from itertools import pairwise
from math import inf, log, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from game.data import data_folder
from game.simulation.cement.products import (
    ProductError,
    product,
    products,
    read_products,
)
from game.simulation.cement.rheology import (
    BODY_C,
    FROZEN_PA_S,
    STIFF_PA_S,
    WARMING_S,
    aged,
    apparent_viscosity,
    bore_flow,
    bore_loss,
    newtonian,
    poiseuille,
    room_age,
)

USUAL = product()
NAMES = ("low-viscosity", "medium-viscosity", "high-viscosity")


def test_a_fresh_batch_has_its_starting_viscosity() -> None:
    assert USUAL.viscosity(0.0) == USUAL.start_pa_s


def test_viscosity_doubles_as_the_law_says() -> None:
    doubling = 77.0 * log(2.0)
    assert USUAL.viscosity(100.0 + doubling) == pytest.approx(2.0 * USUAL.viscosity(100.0))


@pytest.mark.parametrize("name", NAMES)
def test_setting_time_lies_among_the_brands(name: str) -> None:
    """At 25 C: 8.7-13 min, 10.1007/s10856-007-0125-2; half of it at 37 C."""
    gel = product(name).gel_age_s
    assert 8.7 * 60 <= gel <= 13 * 60
    assert aged(0.0, 37.0, gel / 2.0)[0] == pytest.approx(gel)


def test_window_runs_from_toothpaste_to_stiff_and_ends_before_setting() -> None:
    first, last = USUAL.window_s
    assert first < last < USUAL.setting_s
    assert USUAL.viscosity(room_age(first)) == pytest.approx(100.0)
    assert USUAL.viscosity(room_age(last)) == pytest.approx(STIFF_PA_S)


def test_thicker_products_may_be_injected_sooner_and_for_longer() -> None:
    windows = [product(name).window_s for name in NAMES]
    assert [round(first) for first, _ in windows] == sorted(
        (round(first) for first, _ in windows), reverse=True
    )
    assert all(one[1] - one[0] < other[1] - other[0] for one, other in pairwise(windows))


def test_set_cement_stays_set() -> None:
    gel = USUAL.gel_age_s
    assert USUAL.viscosity(gel - 1e-6) < FROZEN_PA_S
    assert USUAL.viscosity(gel) == USUAL.viscosity(1e6) == FROZEN_PA_S


@settings(deadline=None)
@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_it_never_thins(one: float, other: float) -> None:
    early, late = sorted((one, other))
    assert USUAL.viscosity(early) <= USUAL.viscosity(late) <= FROZEN_PA_S


@pytest.mark.parametrize("age", [-1.0, nan, inf])
def test_an_impossible_age_is_refused_in_one_line(age: float) -> None:
    with pytest.raises(ValueError, match="cement age is") as told:
        USUAL.viscosity(age)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", NAMES)
def test_shear_thins_it_by_the_power_law_above_the_floor(name: str) -> None:
    law, index = product(name).law, product(name).index
    at = [float(apparent_viscosity(law, 200.0, shear)) for shear in (0.0, 0.05, 0.1, 1.0, 10.0)]
    assert at[0] == at[1] == at[2]
    assert at[3] / at[4] == pytest.approx(10.0 ** (1.0 - index))
    assert at[3] == pytest.approx(product(name).viscosity(200.0))
    assert apparent_viscosity(law, 200.0, -10.0) == apparent_viscosity(law, 200.0, 10.0)


def test_gelled_cement_does_not_flow() -> None:
    gel = USUAL.gel_age_s
    assert np.isinf(apparent_viscosity(USUAL.law, gel, 100.0))
    assert np.isfinite(apparent_viscosity(USUAL.law, gel - 1e-6, 0.0))
    assert bore_flow(USUAL.law, gel, 1.2, 125.0, 5.0) == 0.0
    assert np.isinf(bore_loss(USUAL.law, gel, 1.2, 125.0, 1.0))


@settings(deadline=None)
@given(st.floats(0.0, 900.0), st.floats(0.0, 100.0), st.floats(0.0, 2000.0))
def test_ageing_in_the_body_is_the_integral_of_the_rate(
    age: float, celsius: float, seconds: float
) -> None:
    def speed(t: float) -> float:
        return 2.0 ** ((37.0 + (celsius - 37.0) * np.exp(-t / WARMING_S) - 25.0) / 12.0)

    grown, warm = aged(age, celsius, seconds)
    expected = quad(speed, 0.0, seconds, epsabs=0.0, epsrel=1e-12, limit=200)[0]
    assert grown - age == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert warm == pytest.approx(BODY_C + (celsius - BODY_C) * np.exp(-seconds / WARMING_S))


@settings(deadline=None)
@given(st.floats(0.0, 90.0), st.floats(0.0, 300.0), st.floats(0.0, 300.0))
def test_ageing_twice_is_ageing_once(celsius: float, first: float, then: float) -> None:
    """So it does not matter how often ages are brought up to date."""
    once = aged(50.0, celsius, first + then)
    twice = aged(*aged(50.0, celsius, first), then)
    assert twice == pytest.approx(once, rel=1e-11)


@settings(deadline=None)
@given(st.floats(0.1, 1e4), st.floats(0.5, 2.0), st.floats(50.0, 300.0), st.floats(1e-3, 500.0))
def test_a_newtonian_fluid_obeys_poiseuille(
    viscosity: float, radius: float, length: float, flow: float
) -> None:
    law = newtonian(viscosity)
    loss = poiseuille(viscosity, radius, length, flow)
    assert bore_loss(law, 0.0, radius, length, flow) == pytest.approx(loss, rel=1e-12)
    assert bore_flow(law, 0.0, radius, length, loss) == pytest.approx(flow, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mpa", [1e-5, 1e-2, 1.7])
def test_bore_flow_is_the_integral_of_the_profile(name: str, mpa: float) -> None:
    """Q = 2 pi times the integral of r u(r); u from the shear rate at each radius."""
    law, age, radius, length = product(name).law, 300.0, 1.195, 125.0

    def shear(r: float) -> float:
        stress = 0.5e6 * r * mpa / length
        low, high = 0.0, 1e9
        for _ in range(200):
            middle = 0.5 * (low + high)
            if middle * apparent_viscosity(law, age, middle) < stress:
                low = middle
            else:
                high = middle
        return low

    # Integrated by parts: Q = pi times the integral of r^2 shear(r)
    flow = np.pi * quad(lambda r: r * r * shear(r), 0.0, radius, epsrel=1e-7, limit=200)[0]
    assert bore_flow(law, age, radius, length, mpa) == pytest.approx(flow, rel=1e-5)


@settings(deadline=None)
@given(st.sampled_from(NAMES), st.floats(0.0, 500.0), st.floats(1e-4, 1e3))
def test_loss_and_flow_are_each_others_inverse(name: str, age: float, flow: float) -> None:
    law = product(name).law
    loss = bore_loss(law, age, 0.9, 100.0, flow)
    assert bore_flow(law, age, 0.9, 100.0, loss) == pytest.approx(flow, rel=1e-9)


def test_a_power_law_bore_loses_by_rabinowitsch() -> None:
    """Far above the floor: p = (2 L / R) m ((3 n + 1) / n  Q / (pi R^3))^n."""
    n, age, radius, length, flow = USUAL.index, 300.0, 1.195, 125.0, 100.0
    m = 1e-6 * USUAL.viscosity(age) * USUAL.reference_per_s ** (1.0 - n)
    expected = 2 * length / radius * m * ((3 * n + 1) / n * flow / (np.pi * radius**3)) ** n
    assert bore_loss(USUAL.law, age, radius, length, flow) == pytest.approx(expected, rel=1e-6)


def test_there_are_three_cements_and_others_are_refused() -> None:
    assert sorted(products()) == sorted(NAMES)
    with pytest.raises(ProductError, match="cement is 'glue'; there are"):
        product("glue")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("start_pa_s = 4.1", "start_pa_s = -4.1", "medium-viscosity.start_pa_s: -4.1"),
        ("index = 0.6", "index = 3.0", "medium-viscosity.index: 3.0"),
        ("tau_s = 77.0", "tau_s = nan", "medium-viscosity.tau_s: nan"),
        ("tau_s = 77.0", "", "medium-viscosity.tau_s"),
        ("mixing_s = 30.0", "mixing_s = 30.0\ncolour = 3", "medium-viscosity.colour"),
        ("heat_j_ml = 155.0", "heat_j_ml = 155.0\nstiff_pa_s = 50.0", "toothpaste_pa_s is 100.0"),
        ('index = "project', 'note = "project', "no source for index"),
        ("[medium-viscosity]", "[medium-viscosity", "not TOML"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (data_folder("assets") / "cements.toml").read_text()
    assert old in text
    path = tmp_path / "cements.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ProductError) as told:
        read_products(path)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_a_missing_or_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match="No such file"):
        read_products(tmp_path / "none.toml")
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(ProductError, match="no cement in it"):
        read_products(tmp_path / "empty.toml")
