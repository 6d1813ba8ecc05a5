"""The S1 posterior foramen's depth and slant, on a plate with a slit whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from game.geometry.grid import FloatArray
from game.patient.dorsal_channel import channel

UP, LEFT = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])


ROOM = 6.0  # mm, radius of the epidural space


def plate(depth: float, angle: float, side: float = 1.0) -> tuple[float, float] | None:
    """Bone behind and before a canal 6 mm high with a round space of ROOM at its side; from the
    back (y = 0) a slit 7 mm wide leads to the space's wall. The slit's middle is 23 mm from the
    midline at the back, and goes `depth` mm forwards and medially at `angle` degrees."""
    slant = np.tan(np.radians(angle))
    end = np.array([23.0 - slant * depth, -depth])
    centre = end - ROOM * np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])

    def distance(at: FloatArray) -> FloatArray:
        x, y = side * at[..., 0], at[..., 1]
        space = np.hypot(x - centre[0], y - centre[1]) < ROOM
        canal = (x < centre[0]) & (np.abs(y - centre[1]) < 3.0)
        slit = (np.abs(x - 23.0 - slant * y) < 3.5) & (y > centre[1])
        return np.where((y > 0) | space | canal | slit, 1.0, -1.0)

    return channel(distance, np.zeros(3), 23.0, side * LEFT, UP)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("depth", "angle"), [(8.0, 0.0), (9.0, 20.0), (11.0, 30.0)])
def test_a_slit_is_measured_as_it_was_made(depth: float, angle: float, side: float) -> None:
    found = plate(depth, angle, side)
    assert found is not None
    assert found[0] == pytest.approx(depth / np.cos(np.radians(angle)), abs=1.2)
    assert found[1] == pytest.approx(angle, abs=4.0)


def test_a_closed_foramen_is_not_measured() -> None:
    solid = channel(lambda at: np.full(at.shape[:-1], -1.0), np.zeros(3), 23.0, LEFT, UP)
    assert solid is None
