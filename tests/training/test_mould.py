"""Cement setting in a mould: the twin against a closed form, and what was measured."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest

from game.simulation.cement import product
from game.simulation.cement.heat import CEMENT_J, WIDTH_S
from game.training.mould import FIRST_S, FOAM, PTFE, ROOM_C, Plate, mould_figures, peak_c

USUAL = product()


def test_between_plates_that_take_no_heat_it_warms_by_its_heat_over_its_capacity() -> None:
    ahead = 1.0 - 1.0 / (1.0 + exp((USUAL.gel_age_s - FIRST_S) / WIDTH_S))
    rise = ahead * USUAL.heat_j_ml / (1000.0 * CEMENT_J)
    found = peak_c(USUAL, 40.0, Plate(1e-9, 1e-3)) - ROOM_C
    assert found == pytest.approx(rise, rel=0.01)


def test_without_heat_it_stays_at_the_room_s_temperature() -> None:
    assert peak_c(replace(USUAL, heat_j_ml=0.0), 6.0, PTFE) == ROOM_C


def test_thin_cement_between_ptfe_is_as_much_less_hot_as_was_measured() -> None:
    """About 50 C (Li 2004, abstract), to which the law's width was fitted; with an eighth of the
    width it would be a quarter of that."""
    hotter, thicker, _ = mould_figures()
    assert hotter.met
    assert 0.6 * 75.0 < thicker.value < 75.0
    sharp = [peak_c(USUAL, 6.0, plate, width_s=WIDTH_S / 8.0) for plate in (FOAM, PTFE)]
    assert sharp[0] - sharp[1] < 0.35 * hotter.value
