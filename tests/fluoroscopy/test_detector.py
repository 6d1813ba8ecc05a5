"""Scatter, grid, heel, inverse square, collimation and noise of one pulse."""

from __future__ import annotations

from math import atan, radians

import numpy as np
import pytest
from xray_solids import of

from game.devices.beam import air_kerma, fluence
from game.devices.tube import Field
from game.fluoroscopy.detector import PANEL, Detector, detected
from game.fluoroscopy.field import ANODE, heel, lit, open_field
from game.fluoroscopy.scatter import (
    FULL_FIELD_MM,
    air_gap,
    pedestal,
    scatter_to_primary,
)
from game.fluoroscopy.spectrum import transmitted

PIXEL = 298.0 / 256


def ratio(
    water_cm: float,
    kvp: float = 90.0,
    side: float = FULL_FIELD_MM,
    grid: bool = True,
    gap: float | None = None,
) -> float:
    chosen = air_gap(water_cm) if gap is None else gap
    return float(scatter_to_primary(np.array([water_cm], np.float32), chosen, kvp, side, grid)[0])


@pytest.mark.parametrize("water_cm", [20.0, 22.0, 25.0])
@pytest.mark.parametrize("kvp", [80.0, 95.0, 110.0])
def test_frontal_scatter_behind_the_grid(water_cm: float, kvp: float) -> None:
    """0.2-0.4 (facts/fluoroscopy.md [U]), full field, gap of a centred patient."""
    assert 0.2 <= ratio(water_cm, kvp) <= 0.4


@pytest.mark.parametrize("water_cm", [32.0, 35.0])
@pytest.mark.parametrize("kvp", [95.0, 110.0])
def test_lateral_scatter_behind_the_grid(water_cm: float, kvp: float) -> None:
    """0.4-1.0, the same."""
    assert 0.4 <= ratio(water_cm, kvp) <= 1.0


def test_scatter_without_a_grid_behind_35_cm() -> None:
    """1.0-1.5 in CT geometry."""
    assert 1.0 <= ratio(35.0, grid=False) <= 1.5


def test_what_scatter_follows() -> None:
    assert ratio(30.0) > ratio(20.0)
    assert ratio(25.0, side=80.0) < ratio(25.0)
    assert ratio(25.0, gap=100.0) > ratio(25.0, gap=300.0)
    assert ratio(25.0) < 0.5 * ratio(25.0, grid=False)
    assert ratio(0.0) == 0.0


def test_scatter_of_a_flat_field_is_the_stated_share() -> None:
    water = np.full((256, 256), 25.0, np.float32)
    laid = pedestal(np.full_like(water, 3.0), water, PIXEL, 90.0, FULL_FIELD_MM, True)
    assert laid == pytest.approx(3.0 * ratio(25.0), rel=1e-4)


def test_scatter_is_smooth_and_keeps_its_total() -> None:
    water = np.full((256, 256), 20.0, np.float32)
    primary = np.zeros_like(water)
    primary[120:136, 120:136] = 1.0
    laid = pedestal(primary, water, PIXEL, 90.0, FULL_FIELD_MM, True)
    assert laid.sum() == pytest.approx(ratio(20.0) * primary.sum(), rel=0.02)
    assert laid.max() < 0.05


def flat(mas: float, **how: float) -> np.ndarray:
    """One pulse behind 20 cm of tissue, its middle."""
    soft = np.full((256, 256), 21.2, np.float32)
    mean, variance = transmitted(of(soft=soft), 80.0, mas)
    pulse = detected(mean, variance, soft, 0.6, 80.0, (1, 2), Detector(**how))  # type: ignore[arg-type]
    return pulse[64:-64, 64:-64]


def test_noise_variance_is_linear_in_kerma() -> None:
    """Within 5 %; the offset is the panel's own noise."""
    steps = np.array([1.0, 2.0, 4.0, 8.0])
    kerma = steps * air_kerma(80.0, fluence(80.0, 1020.0))
    variances = np.array([flat(mas).var() for mas in steps])
    slope, offset = np.polyfit(kerma, variances, 1)
    assert variances == pytest.approx(slope * kerma + offset, rel=0.05)
    assert abs(offset) < 0.1 * variances[0], "electronic noise is small at these doses"


def test_averaging_frames_takes_noise_away() -> None:
    assert flat(1.0, frames=4).var() == pytest.approx(flat(1.0).var() / 4.0, rel=0.05)
    assert flat(1.0, frames=4).mean() == pytest.approx(flat(1.0).mean(), rel=0.01)


def test_without_a_grid_there_is_more_of_both() -> None:
    assert flat(1.0, grid=False).mean() > flat(1.0).mean() / 0.7


def test_heel() -> None:
    """Falls towards the anode to nothing behind its face, rises a little towards the cathode; at
    the panel's edges (8.3 deg) by a third and by a twentieth or so."""
    assert heel(np.array(0.0)) == pytest.approx(1.0)
    angles = np.linspace(-0.2, float(ANODE), 50)
    assert (np.diff(heel(angles)) < 0.0).all()
    edge = atan(149.0 / 1020.0)
    assert 0.6 < heel(np.array(edge)) < 0.8
    assert 1.02 < heel(np.array(-edge)) < 1.1
    assert heel(np.array(radians(13.0))) < 1e-6


def test_open_field_is_inverse_square_and_slant_across() -> None:
    """Across the anode-cathode axis: (cos)^3 of the angle off the axis."""
    field = open_field(255, 298.0 / 255)
    row = field[127] / field[127, 127]
    cosine = np.cos(np.arctan((np.arange(255) - 127) * (298.0 / 255) / 1020.0))
    assert row == pytest.approx(cosine**3, rel=1e-5)


def test_the_empty_field_is_flat_after_calibration() -> None:
    mean, variance = transmitted(of(soft=np.zeros((128, 128))), 80.0, 50.0)
    pulse = detected(mean, variance, np.zeros_like(mean), 298.0 / 128, 80.0, (1,))
    assert pulse[4:-4].mean(axis=1) == pytest.approx(PANEL.primary * mean[0, 0], rel=0.01)


def test_collimation_shuts_the_beam_out_and_takes_scatter_away() -> None:
    soft = np.full((128, 128), 25.0, np.float32)
    mean, variance = transmitted(of(soft=soft), 90.0, 5.0)
    pulses = [detected(mean, variance, soft, 2.3, 90.0, (1,), beam=Field(c)) for c in (1.0, 0.5)]
    window = lit(128, 0.5)
    assert pulses[1][window, window].min() > 0.0
    assert pulses[1].astype(bool).sum() == 64**2
    middle = slice(56, 72)
    assert pulses[1][middle, middle].mean() < 0.97 * pulses[0][middle, middle].mean()


@pytest.mark.parametrize("size", [64, 65, 200, 511, 512])
def test_the_open_window_is_the_middle_and_all_of_an_open_field(size: int) -> None:
    assert lit(size, 1.0) == slice(0, size)
    for collimation in (0.1, 0.3, 0.5, 0.75):
        window = lit(size, collimation)
        assert window.start == size - window.stop
        assert window.stop - window.start == pytest.approx(collimation * size, abs=2.0)


@pytest.mark.parametrize("frames", [0, 17])
def test_frames_out_of_range_name_the_range(frames: int) -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        Detector(frames=frames)
