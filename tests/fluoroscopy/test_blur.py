"""The fast blurs beside the plain Gaussian filter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from game.fluoroscopy.blur import blurred, enlarged, reduced, spread, step_for


@pytest.mark.parametrize("sigma", [0.25, 0.4, 1.55, 3.0])
def test_short_blur_is_a_gaussian(sigma: float) -> None:
    picture = np.random.default_rng(1).random((61, 83)).astype(np.float32)
    plain = gaussian_filter(picture, sigma, mode="nearest")
    assert blurred(picture, sigma) == pytest.approx(plain, abs=2e-4)


def test_no_blur_changes_nothing() -> None:
    picture = np.random.default_rng(1).random((8, 9)).astype(np.float32)
    assert np.array_equal(blurred(picture, 0.0), picture)


@pytest.mark.parametrize("sigma", [16.0, 27.5, 32.0])
def test_wide_blur_on_a_reduced_picture(sigma: float) -> None:
    """Within 2 % of the sharpest step's height, inside the picture."""
    picture = np.zeros((512, 512), np.float32)
    picture[150:330, 200:] = 1.0
    step = step_for(512, sigma)
    assert step > 1
    found = enlarged(spread(reduced(picture, step), sigma / step), step)
    plain = gaussian_filter(picture, sigma, mode="nearest")
    assert np.abs(found - plain).max() < 0.02


def test_reducing_keeps_the_mean_and_enlarging_a_plane() -> None:
    rows, columns = np.mgrid[:32, :48].astype(np.float32)
    plane = 3.0 * rows - 2.0 * columns
    small = reduced(plane, 4)
    assert small.mean() == pytest.approx(plane.mean())
    assert enlarged(small, 4)[2:-2, 2:-2] == pytest.approx(plane[2:-2, 2:-2], abs=1e-3)


def test_an_odd_picture_is_not_reduced() -> None:
    assert step_for(511, 30.0) == 1
