"""A hand in the picture: where it grips, of a hand's weight, nothing below zero."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from test_picture import AP, lead_case
from xray_solids import GRID, projector, view

from game.devices.cannula import Cannula
from game.fluoroscopy.hand import with_hand
from game.fluoroscopy.render import render

HELD = Cannula(stage="bone", tip=(0.0, 30.0, 0.0), direction=(0.0, -1.0, 0.0), length=100)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_hand_is_where_it_grips_and_the_forearm_goes_to_the_operator(side: str) -> None:
    """Grip 150 mm behind the isocentre, on the beam's axis: the picture's middle."""
    geometry = view(180.0, 0.0, size=128)
    air = projector(np.full(GRID.shape, -1000, np.int16)).areas(geometry)
    found = air.copied()
    with_hand(found, geometry, HELD, side)  # type: ignore[arg-type]
    assert found.values.min() >= -1e-5
    assert found.bone[54:74, 44:84].max() > 0.5
    left, right = found.soft[:, :30].sum(), found.soft[:, -30:].sum()
    assert (left > 5.0 * right) if side == "left" else (right > 5.0 * left)


def test_a_fist_weighs_what_a_fist_weighs() -> None:
    """Without the forearm some 350-450 g of hand; the cylinders leave out the palm."""
    geometry = view(180.0, 0.0, size=256)
    air = projector(np.full(GRID.shape, -1000, np.int16)).areas(geometry)
    found = air.copied()
    with_hand(found, geometry, HELD, "left")
    pixel_cm = geometry.pixel_mm / 10.0 * (530.0 + 150.0) / 1020.0
    middle = slice(0, 256), slice(48, 256)
    grams = float((found.soft + found.bone)[middle].sum()) * pixel_cm**2
    assert 100.0 < grams < 500.0


def test_only_a_hand_that_was_on_at_the_pulse_is_seen() -> None:

    case, state, made = lead_case((0.0, 0.0, 0.0), AP)
    state.cannulas = {"left": HELD}
    state.operator = SimpleNamespace(side="left")
    off = render(case, state, made, size=128).pixels
    state.gripped = "left"
    assert not np.array_equal(render(case, state, made, size=128).pixels, off)
