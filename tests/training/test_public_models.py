"""The shipped X-ray tables beside the models they were built from, where those are installed."""

from __future__ import annotations

import pytest

from game.training.public_models import (
    STEEL,
    TISSUES,
    VOLTAGES,
    Paths,
    attenuation_error,
    installed,
    kerma_error,
    spectrum_error,
    transmission_error,
)

pytestmark = pytest.mark.skipif(not installed(), reason="xraydb and spekpy are not installed")


@pytest.mark.parametrize("kvp", VOLTAGES)
def test_attenuation_within_1_percent_of_xraydb(kvp: float) -> None:
    assert attenuation_error(kvp) < 0.01


def test_spectrum_within_1_percent_of_spekpy() -> None:
    assert spectrum_error() < 0.01


@pytest.mark.parametrize("kvp", [61.0, 63.0, 88.0, 105.0, *VOLTAGES])
@pytest.mark.parametrize("paths", [TISSUES, STEEL], ids=["tissues", "steel"])
def test_transmission_within_1_percent_of_the_fine_spectrum(kvp: float, paths: Paths) -> None:
    assert transmission_error(kvp, paths) < 0.01


@pytest.mark.parametrize("kvp", VOLTAGES)
def test_air_kerma_per_mas_within_10_percent(kvp: float) -> None:
    assert kerma_error(kvp) < 0.10
