"""Grids: closed forms of trilinear sampling, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.geometry.grid import Grid

GRID = Grid((-3.0, 2.0, 10.0), 0.5, (9, 7, 11))


def linear(points: np.ndarray) -> np.ndarray:
    return 2.0 * points[..., 0] - points[..., 1] + 0.25 * points[..., 2] + 3.0


def test_linear_field_is_sampled_exactly() -> None:
    volume = linear(np.stack(np.meshgrid(*GRID.axes(), indexing="ij"), axis=-1))
    low = np.array(GRID.origin)
    high = GRID.point_from_index(np.array(GRID.shape) - 1.0)
    points = np.random.default_rng(1).uniform(low, high, (500, 3))
    points = np.concatenate([points, low[None], high[None]])
    assert GRID.sample(volume, points, outside=np.nan) == pytest.approx(linear(points), abs=1e-12)


def test_outside_is_what_was_asked_for() -> None:
    volume = np.ones(GRID.shape)
    beyond = np.array(GRID.origin)[None] - [[0.001, 0, 0]]
    assert GRID.sample(volume, beyond, outside=-7.0)[0] == -7.0
    assert GRID.nearest(volume, beyond - 1.0, outside=-7)[0] == -7


@given(st.tuples(*[st.floats(-500, 500)] * 3))
def test_index_and_point_are_inverse(point: tuple[float, float, float]) -> None:
    there = GRID.index_from_point(np.array(point))
    assert GRID.point_from_index(there) == pytest.approx(np.array(point), abs=1e-9)


def test_nearest_takes_the_voxel_around_a_point() -> None:
    codes = np.arange(np.prod(GRID.shape)).reshape(GRID.shape)
    points = GRID.point_from_index(np.array([[2.4, 3.4, 4.6], [7.6, 0.0, 0.4]]))
    assert list(GRID.nearest(codes, points, outside=-1)) == [codes[2, 3, 5], codes[8, 0, 0]]


def test_voxel_volume_in_ml() -> None:
    assert GRID.voxel_ml == pytest.approx(0.000125)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_spacing_is_named(spacing: float) -> None:
    with pytest.raises(ValueError, match="spacing"):
        Grid((0.0, 0.0, 0.0), spacing, (4, 4, 4))


def test_flat_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        Grid((0.0, 0.0, 0.0), 1.0, (4, 1, 4))
