"""Beer-Lambert in one bin and in sixteen, against closed forms and published attenuation."""

from __future__ import annotations

import numpy as np
import pytest
from xray_solids import ball_chord, of, view

from game.devices import beam
from game.devices.beam import DENSITIES, KVP_RANGE, Material, air_kerma, attenuation, fluence
from game.fluoroscopy import spectrum
from game.fluoroscopy.spectrum import transmitted, unattenuated


def signal(kvp: float, depth_by_bin: np.ndarray) -> np.ndarray:
    """The textbook sum over bins, for optical depths (n, bins)."""
    table = attenuation(kvp)
    weights = fluence(kvp, 1020.0) * table.absorbed * table.energy
    return np.asarray(np.exp(-depth_by_bin) @ weights)


def mono(monkeypatch: pytest.MonkeyPatch, energy_bin: int) -> None:
    """A beam of one bin only."""

    def one(kvp: float, distance_mm: float) -> np.ndarray:
        all_bins = fluence(kvp, distance_mm)
        return np.where(np.arange(len(all_bins)) == energy_bin, all_bins, 0.0)

    monkeypatch.setattr(spectrum, "fluence", one)


@pytest.mark.parametrize("name", ["bone", "soft", "fat", "steel", "cement"])
def test_slab_in_one_bin(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mono(monkeypatch, 9)
    grams = np.linspace(0.0, 6.0, 25)[None]
    mean, _ = transmitted(of(**{name: grams}), 80.0, 1.0)
    slope = attenuation(80.0).mass[Material[name.upper()], 9]
    assert mean == pytest.approx(unattenuated(80.0, 1.0) * np.exp(-slope * grams), rel=1e-3)


@pytest.mark.parametrize("kvp", [60.0, 80.0, 97.0, 110.0])
def test_two_materials_and_all_bins(kvp: float) -> None:
    bone, soft = np.meshgrid(np.linspace(0, 6, 7), np.linspace(0, 25, 6))
    mean, _ = transmitted(of(bone=bone, soft=soft), kvp, 2.0)
    mass = attenuation(kvp).mass
    depth = bone[..., None] * mass[Material.BONE] + soft[..., None] * mass[Material.SOFT]
    assert mean == pytest.approx(2.0 * signal(kvp, depth), rel=1e-3)


def test_ball_of_bone_in_water_is_beer_lambert() -> None:
    geometry = view(180.0, 20.0)
    grams = ball_chord(geometry, 25.0) * DENSITIES[Material.BONE] / 10.0
    mean, _ = transmitted(of(bone=grams), 80.0, 1.0)
    expected = signal(80.0, grams[..., None] * attenuation(80.0).mass[Material.BONE])
    assert mean == pytest.approx(expected, rel=1e-3)


def test_polychromatic_beam_hardens() -> None:
    """The second 10 cm of tissue take away a smaller share than the first."""
    mean, _ = transmitted(of(soft=np.array([[0.0, 10.6, 21.2]])), 80.0, 1.0)
    first, second = mean[0, 1] / mean[0, 0], mean[0, 2] / mean[0, 1]
    assert second > 1.05 * first


def test_barium_edge() -> None:
    """Cement, not bone, jumps at 37.44 keV: Ba 5.55 -> 29.07 cm2/g (xraydb), 11.2 wt% of it."""
    table = attenuation(60.0)
    below, above = np.searchsorted(table.energy, 37.44) - 1, np.searchsorted(table.energy, 37.44)
    jump = table.mass[Material.CEMENT, above] - table.mass[Material.CEMENT, below]
    assert table.energy[below] < 37.44 < table.energy[above]
    assert 2.2 < jump < 0.112 * (29.07 - 5.55)
    assert table.mass[Material.BONE, above] < table.mass[Material.BONE, below]


def test_half_the_noise_energy_is_compound_poisson() -> None:
    """Variance over mean is the mean energy weighted by energy: between the beam's ends."""
    mean, variance = transmitted(of(soft=np.array([[15.0]])), 80.0, 1.0)
    assert 40.0 < variance[0, 0] / mean[0, 0] < 80.0


@pytest.mark.parametrize(
    ("material", "kev", "published"),
    [
        # facts/fluoroscopy.md, cm2/g
        (Material.BONE, 60.0, 0.3148),
        (Material.SOFT, 60.0, 0.2048),
        (Material.FAT, 60.0, 0.1974),
        (Material.STEEL, 60.0, 1.266),
        (Material.CEMENT, 60.0, 1.11),
        (Material.BONE, 40.0, 0.6655),
        (Material.SOFT, 40.0, 0.2688),
        (Material.STEEL, 80.0, 0.623),
        (Material.CEMENT, 80.0, 0.594),
    ],
)
def test_attenuation_against_the_facts(material: Material, kev: float, published: float) -> None:
    table = attenuation(max(60.0, 1.25 * kev))
    past_edge = table.energy > 37.44
    logs = np.log(table.energy[past_edge]), np.log(table.mass[material][past_edge])
    found = np.exp(np.interp(np.log(kev), *logs))
    assert found == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize(("kvp", "published"), [(60.0, 16.69), (80.0, 35.76), (110.0, 75.78)])
def test_air_kerma_per_mas(kvp: float, published: float) -> None:
    """uGy/mAs at 1 m by SpekPy 2.5.4 for the same tube."""
    assert 1000.0 * air_kerma(kvp, fluence(kvp, 1000.0)) == pytest.approx(published, rel=0.001)


def test_inverse_square() -> None:
    assert fluence(80.0, 500.0) == pytest.approx(4.0 * fluence(80.0, 1000.0))


@pytest.mark.parametrize("kvp", [59.9, 120.1, float("nan")])
def test_voltage_out_of_range_names_the_range(kvp: float) -> None:
    low, high = KVP_RANGE
    with pytest.raises(ValueError, match=f"{low:.0f}-{high:.0f}"):
        beam.fluence(kvp, 1000.0)


def test_the_fast_sum_equals_the_naive_one() -> None:
    """All five materials, all bins: within 0.01 % of sum w exp(-mu x) in double precision."""
    random = np.random.default_rng(5)
    grams = random.random((5, 40, 50)) * np.array([8.0, 30.0, 10.0, 12.0, 4.0])[:, None, None]
    mean, variance = transmitted(
        of(**dict(zip(["bone", "soft", "fat", "steel", "cement"], grams, strict=True))), 97.0, 2.0
    )
    table = attenuation(97.0)
    depth = np.einsum("mhw,mb->hwb", grams.astype(np.float32).astype(float), table.mass)
    weights = 2.0 * fluence(97.0, 1020.0) * table.absorbed * table.energy
    through = np.exp(-depth)
    assert mean == pytest.approx(through @ weights, rel=1e-4, abs=1e-9 * weights.sum())
    squares = weights * table.energy
    assert variance == pytest.approx(through @ squares, rel=1e-4, abs=1e-9 * squares.sum())
