"""The study of leaks: what a radiograph shows, rates with their intervals, and going on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.errors import BadInput
from game.simulation.cement import Exit
from game.simulation.cement.products import USUAL
from game.training import leakage
from game.training.columns import columns
from game.training.leak_rates import PUBLISHED, TRIALLED, Risk, compared, interval, rates, risks
from game.training.leakage import (
    CT_ML,
    PIXEL_MM,
    Person,
    Sacroplasty,
    Way,
    study,
)

ML = 0.001


def side(seed: int, *ways: tuple[str, float, float]) -> Person:
    told = tuple(Way(*way) for way in ways)
    one = Sacroplasty(seed, "left", "parallel", "osteoporotic", 2.0, 0.3, 40.0, 1.0, told)
    return Person(seed, (one,), ())


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(17, 63, 0.166, 0.397), (4, 63, 0.018, 0.155), (2, 63, 0.004, 0.110), (1, 63, 0.0, 0.085)],
)
def test_the_published_counts_have_the_published_intervals(
    count: int, of: int, low: float, high: float
) -> None:
    assert interval(count, of) == pytest.approx((low, high), abs=0.006)


@given(st.integers(0, 300), st.integers(1, 300))
def test_an_interval_holds_its_share(count: int, of: int) -> None:
    count = min(count, of)
    low, high = interval(count, of)
    assert 0.0 <= low <= count / of <= high <= 1.0


def test_a_count_beyond_the_whole_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="4 of 3"):
        interval(4, 3)
    assert interval(0, 0) == (0.0, 1.0)


def shown(leak: dict[tuple[float, float], float], rest: dict[tuple[float, float], float]) -> float:
    flat = np.array([*leak, *rest], float)
    ml = np.array([*leak.values(), *rest.values()])
    out = np.arange(len(ml)) < len(leak)
    return leakage._shadow_ml(flat, ml, out)


def test_a_leak_shows_where_it_is_thick_enough_and_not_behind_more_cement() -> None:
    thick = 1.5 * PIXEL_MM**2 * ML  # 1.5 mm of it
    apart = {(0.1, 0.1): thick, (5.1, 0.1): thick}
    assert shown(apart, {}) == pytest.approx(2 * thick)
    assert shown(apart, {(0.1, 0.1): 2 * thick}) == pytest.approx(thick)
    assert shown(apart, {(0.1, 0.1): 0.5 * thick}) == pytest.approx(2 * thick)
    thin = {place: ml / 10 for place, ml in apart.items()}
    assert shown(thin, {}) == 0.0


def test_rates_count_each_sacroplasty_once_for_each_route() -> None:
    people = [
        side(1, ("fracture_gap", 0.2, 0.1), ("veins", 0.2, 0.0)),
        side(2, ("fracture_gap", 0.2, 0.1)),
        side(3, ("disc", CT_ML, 0.0)),
        side(4),
    ]
    found = {rate.route: rate for rate in rates(people)}
    assert (found["fracture_gap"].count, found["fracture_gap"].of) == (2, 4)
    assert found["fracture_gap"].per_cent == 50.0
    assert not found["fracture_gap"].inside
    assert found["veins"].count == 0 == found["disc"].count
    assert found["disc"].inside and not found["veins"].inside
    assert found["any, radiographs"].count == 2 and found["any, CT"].count == 3
    assert {way.name.lower() for way in PUBLISHED} <= found.keys()


def test_the_relative_risk_compares_the_same_alae() -> None:
    leak, vein = ("fracture_gap", 0.2, 0.1), ("veins", 0.2, 0.1)
    thin = [side(1, leak), side(2, leak, vein), side(3), side(9, leak)]
    thick = [side(1, leak), side(2), side(3), side(4, leak)]
    found = {risk.route: risk for risk in risks(thick, thin)}
    whole = found["any, radiographs"]
    assert (whole.thick, whole.thin, whole.of, whole.ratio) == (1, 2, 3, 0.5)
    assert whole.inside and not found["veins"].inside
    assert (found["veins"].thick, found["veins"].thin) == (0, 1)
    assert np.isnan(risks(thick, [side(3)])[0].ratio)


def test_products_are_compared_two_by_two_the_thicker_by_the_thinner() -> None:
    leak = ("fracture_gap", 0.2, 0.1)
    thick, usual, thin = "high-viscosity", USUAL, "low-viscosity"
    found = {usual: [side(1)], thin: [side(1, leak)], thick: [side(1)]}
    pairs = compared(found)
    assert pairs.keys() == {(thick, usual), (thick, thin), (usual, thin)}
    assert pairs[TRIALLED][0].thin == 1 and pairs[TRIALLED][0].published == (0.3, 0.6)
    assert pairs[thick, usual][0].published is None and pairs[thick, usual][0].inside


def test_a_relative_risk_has_the_interval_of_its_log() -> None:
    """15 of 100 beside 30 of 100, by hand: 0.5, exp(ln 0.5 -+ 1.96 sqrt(1/15 + 1/30 - 2/100))."""
    low, high = Risk("any", 15, 30, 100, None).interval
    assert (low, high) == (pytest.approx(0.287, abs=1e-3), pytest.approx(0.870, abs=1e-3))


def test_a_study_goes_on_from_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "_kept", None)  # would fail if anybody were treated anew
    people = [side(1, ("veins", 0.1, 0.05)), Person(2, (), ("no ala is fractured",))]
    for one in people:
        page = leakage._page(tmp_path, f"{one.seed:03d}", columns, USUAL)
        page.write_text(json.dumps(asdict(one)))
    assert list(study(2, tmp_path, columns)) == people


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seed": 1, "sides": [{}], "refused": []}'])
def test_a_damaged_page_counts_as_not_done(tmp_path: Path, text: str) -> None:
    page = tmp_path / "001.json"
    page.write_text(text)
    assert leakage._read(page) is None


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="--keep"):
        next(study(1, tmp_path / "file" / "in", columns))


def test_every_exit_has_its_row() -> None:
    routes = {rate.route for rate in rates([side(1)])}
    assert {way.name.lower() for way in Exit if way != Exit.NONE} < routes
