"""What `sacrosim bench haptics` prints: the figures that are no times are held to their bounds."""

from __future__ import annotations

import numpy as np
import pytest

from game.simulation.case import Case
from game.training import bench, haptic_figures
from game.training.haptic_figures import Held, at_most, law_figures, safety_figures, tick_times


def test_a_figure_over_its_bound_is_not_met() -> None:
    assert at_most("tick", "us", 1.9, 2.0) == Held("tick", "us", 1.9, "<= 2", True)
    assert at_most("tick", "us", 2.1, 2.0).met is False


def test_the_law_is_held_to() -> None:
    assert [figure.what for figure in law_figures() if not figure.met] == []


def test_the_safety_chain_is_held_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haptic_figures, "ENERGY_TICKS", 20_000)
    found = list(safety_figures())
    assert [figure.what for figure in found if not figure.met] == []
    stale = next(figure for figure in found if "State has stopped" in figure.what)
    assert 60.0 <= stale.value <= 70.0  # there is force until then


def test_a_law_that_pushes_the_hand_on_would_give_it_more_without_the_chain() -> None:
    """The energy figure's own laws and hands: as much as a force of the lasting size can."""
    limits = haptic_figures.limits_of(haptic_figures.TOUCH)
    memory = haptic_figures.active()
    held = haptic_figures.most_energy(limits, memory, 0.1, 1.0, 100.0, -10.0, 5.0, 20_000)
    loose = limits._replace(lasting=1e-9)
    none = haptic_figures.most_energy(loose, memory, 0.1, 1.0, 100.0, -10.0, 5.0, 20_000)
    assert none < 1e-6 < 1.0 < held


def test_a_way_in_is_as_slow_as_a_hand(embedded_case: Case) -> None:
    hands = haptic_figures.way_in(embedded_case)
    steps = np.linalg.norm(np.diff(hands[:, :3], axis=0), axis=1)
    np.testing.assert_allclose(steps, haptic_figures.SPEED / 1000.0)
    np.testing.assert_allclose(np.linalg.norm(hands[:, 3:6], axis=1), 1.0)


def test_times_are_told_with_their_bounds(
    embedded_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(haptic_figures, "REPEATS", 1)
    found = list(tick_times(embedded_case))
    assert found[0].asked == "<= 2" and found[1].asked == "<= 50"
    assert all(figure.value > 0.0 for figure in found)
    assert found[2].value > found[0].value  # a device's tick does more


def test_bench_passes_on_what_is_met(embedded_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = [at_most("a", "us", 1.0, 2.0), at_most("b", "us", 3.0, 2.0), Held("c", "us", 1.0)]
    monkeypatch.setattr(bench, "haptic_figures", lambda case, library: iter(figures))
    rows = bench.measure(embedded_case, ["haptics"])
    assert [(row.what, row.budget, row.met) for row in rows] == [
        ("a", "<= 2", True), ("b", "<= 2", False), ("c", "", None),
    ]  # fmt: skip
