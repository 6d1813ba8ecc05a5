"""Heat of setting: against closed forms, its own balance, and published temperatures."""

from __future__ import annotations

from dataclasses import replace
from math import erf, exp, pi, sqrt

import numpy as np
import pytest

from game.geometry.grid import Grid
from game.patient.patient import Region
from game.simulation.cement import Cement, Medium, product
from game.simulation.cement.heat import (
    BONE_J,
    BONE_W,
    CEMENT_J,
    WIDTH_S,
    Slab,
    duration_s,
    set_off,
    setting_celsius,
)
from game.simulation.cement.rheology import BODY_C

USUAL = product()
ALPHA = BONE_W / BONE_J  # mm2/s
NEVER = 1e9  # a gel age that nothing reaches


def plain(size: int, h: float) -> Slab:
    """Bone alone: nothing reacts."""
    shape = (size, size, size)
    return Slab(
        h, np.full(shape, BONE_J * h**3), np.full(shape, BONE_W), np.zeros(shape), np.zeros(shape)
    )


def ball(size: int, h: float, radius: float) -> np.ndarray:
    """The share of each cell (n, n, n) within a sphere about the middle, by 5^3 samples."""
    fine = (np.arange(5 * size) + 0.5) / 5.0 - size / 2.0
    x, y, z = np.meshgrid(fine, fine, fine, indexing="ij", sparse=True)
    inside = (x * x + y * y + z * z) * h * h <= radius * radius
    return inside.reshape(size, 5, size, 5, size, 5).mean(axis=(1, 3, 5))


@pytest.mark.parametrize("seconds", [10.0, 40.0, 120.0])
def test_a_hot_sphere_cools_as_in_an_infinite_medium(seconds: float) -> None:
    """T(0, t) = T0 (erf(s) - 2 s exp(-s^2) / sqrt(pi)), s = a / (2 sqrt(alpha t)) (Carslaw and
    Jaeger, Conduction of Heat in Solids, 10.3)."""
    radius, h, size = 9.0, 1.5, 41
    start = BODY_C + 60.0 * ball(size, h, radius)
    found = set_off(plain(size, h), NEVER, seconds, start).last[20, 20, 20] - BODY_C
    s = radius / (2.0 * sqrt(ALPHA * seconds))
    expected = 60.0 * (erf(s) - 2.0 * s * exp(-s * s) / sqrt(pi))
    assert found == pytest.approx(expected, abs=0.02 * 60.0)


def test_a_sine_decays_at_its_own_rate() -> None:
    """sin(pi x / L)^3 between walls at 37 C decays as exp(-3 (pi / L)^2 alpha t)."""
    size, h, seconds = 24, 2.0, 60.0
    wave = np.sin(pi * (np.arange(size) + 0.5) / size)
    shape = wave[:, None, None] * wave[None, :, None] * wave[None, None, :]
    found = set_off(plain(size, h), NEVER, seconds, BODY_C + 40.0 * shape).last - BODY_C
    decay = exp(-3.0 * (pi / (size * h)) ** 2 * ALPHA * seconds)
    assert np.abs(found - 40.0 * decay * shape).max() <= 0.01 * 40.0 * decay


def test_two_halves_that_conduct_differently_share_the_flux() -> None:
    """A layer of another conductivity: heat that passes one half passes the other (harmonic mean):
    with both at 37 C outside and a uniform start, the balance closes to rounding."""
    slab = plain(12, 2.0)
    slab.conductivity[6:] *= 0.2
    start = np.full(slab.heat.shape, 60.0)
    warmed = set_off(slab, NEVER, 500.0, start)
    stored = float((slab.capacity * (warmed.last - start)).sum())
    assert stored + warmed.through == pytest.approx(0.0, abs=1e-9 * warmed.through)
    assert warmed.last[8:].mean() > warmed.last[:4].mean()


FIT_S = USUAL.age_at(USUAL.toothpaste_pa_s)  # the effective age at which it may be injected
AHEAD = 1.0 - 1.0 / (1.0 + exp((USUAL.gel_age_s - FIT_S) / WIDTH_S))  # what is still to react then
PORES = 0.85  # of vertebral bone, by volume: what cement fills of it


def sphere_mm(ml: float) -> float:
    """The radius of the bone that so much cement fills."""
    return (3.0 * 1000.0 * ml / PORES / (4.0 * pi)) ** (1.0 / 3.0)


def burning(ml: float, h: float = 2.25, size: int = 33) -> tuple[Slab, np.ndarray]:
    """A sphere of bone full of cement that is just fit to be injected."""
    share = PORES * ball(size, h, sphere_mm(ml))
    capacity = h**3 * (share * CEMENT_J + (1 - share) * BONE_J)
    conductivity = share * 0.2e-3 + (1 - share) * BONE_W
    heat = share * h**3 / 1000.0 * USUAL.heat_j_ml
    age = np.where(share > 0, FIT_S, 0.0)
    return Slab(h, capacity, conductivity, heat, age), share


def test_energy_is_kept() -> None:
    slab, _ = burning(4.0)
    warmed = set_off(slab, USUAL.gel_age_s, duration_s(slab, USUAL.gel_age_s))
    stored = float((slab.capacity * (warmed.last - BODY_C)).sum())
    assert warmed.released == pytest.approx(4.0 * AHEAD * USUAL.heat_j_ml, rel=0.01)
    assert stored + warmed.through == pytest.approx(warmed.released, rel=1e-10)


def test_no_cell_is_hotter_than_if_none_of_its_heat_went_away() -> None:
    slab, share = burning(6.0)
    warmed = set_off(slab, USUAL.gel_age_s, 400.0)
    adiabatic = BODY_C + AHEAD * USUAL.heat_j_ml / (1000.0 * CEMENT_J)
    assert BODY_C + 30.0 < warmed.peak.max() <= adiabatic + 1e-9
    assert warmed.peak.min() >= BODY_C - 1e-9
    assert warmed.peak[share > 0].max() == warmed.peak.max()


def test_so_much_cement_that_no_heat_leaves_it_warms_by_its_heat_over_its_capacity() -> None:
    """In the middle of 3 m of it: 155 J/mL over 1.7 J/(mL K) are 91 K, of which what has reacted in
    the room is gone."""
    shape = (3, 3, 3)
    h = 1000.0
    slab = Slab(
        h, np.full(shape, CEMENT_J * h**3), np.full(shape, 0.2e-3),
        np.full(shape, h**3 / 1000.0 * USUAL.heat_j_ml), np.full(shape, FIT_S),
    )  # fmt: skip
    warmed = set_off(slab, USUAL.gel_age_s, duration_s(slab, USUAL.gel_age_s))
    rise = AHEAD * USUAL.heat_j_ml / (1000.0 * CEMENT_J)
    assert warmed.peak[1, 1, 1] - BODY_C == pytest.approx(rise, rel=0.005)
    assert 0.85 < AHEAD < 1.0


def test_cement_that_set_long_ago_gives_off_what_it_did_when_it_was_put_in() -> None:
    """How old cement is when the case ends must not matter to how hot it got."""
    early = filled(28, 8)
    late = replace(early, age_s=early.age_s + 900.0)
    assert setting_celsius(medium(), early, USUAL) == pytest.approx(
        setting_celsius(medium(), late, USUAL)
    )


@pytest.mark.parametrize("ml", [6.0, 10.0])
def test_temperatures_at_the_centre_and_the_canal_are_as_published(ml: float) -> None:
    """PubMed 12865844, 6 and 10 mL in vertebrae: centre 49-112 C, canal 39-57 C. The canal's wall
    lies 5 to 10 mm behind the cement of a vertebra: a project choice."""
    slab, _ = burning(ml)
    warmed = set_off(slab, USUAL.gel_age_s, duration_s(slab, USUAL.gel_age_s))
    middle = warmed.peak.shape[0] // 2
    assert 49.0 <= warmed.peak[middle, middle, middle] <= 112.0
    for beyond in (5.0, 7.5, 10.0):
        at = middle + round((sphere_mm(ml) + beyond) / slab.h)
        assert 39.0 <= warmed.peak[middle, at, middle] <= 57.0


def test_half_the_cells_change_the_peak_little() -> None:
    coarse, _ = burning(4.0, 3.0, 25)
    fine, _ = burning(4.0, 1.5, 50)
    peaks = [set_off(s, USUAL.gel_age_s, 250.0).peak.max() for s in (coarse, fine)]
    assert peaks[0] == pytest.approx(peaks[1], abs=0.05 * (peaks[1] - BODY_C))


def medium(size: int = 60) -> Medium:
    shape = (size, size, size)
    region = np.full(shape, Region.MARROW, np.uint8)
    region[:, 38:44, :] = Region.CANAL
    region[26:34, :8, 26:34] = Region.FORAMEN_S1_LEFT
    return Medium(
        grid=Grid((0.0, 0.0, 0.0), 0.75, shape),
        permeability=np.full((*shape, 3), 0.01, np.float32),
        porosity=np.full(shape, 0.9, np.float32),
        region=region,
        sheet=np.empty(0, np.int64),
    )


def filled(about: int, half: int) -> Cement:
    """A cube of cement about the middle of the grid, `half` voxels to each side."""
    block = np.zeros((60, 60, 60), bool)
    block[30 - half : 30 + half, about - half : about + half, 30 - half : 30 + half] = True
    voxels = np.flatnonzero(block)
    ml = np.full(len(voxels), 0.9 * 0.75**3 / 1000.0)
    return Cement(voxels, ml, float(ml.sum()), age_s=np.full(len(voxels), 400.0))


def test_the_canal_is_hotter_the_nearer_the_cement_lies() -> None:
    near = setting_celsius(medium(), filled(28, 8), USUAL)
    far = setting_celsius(medium(), filled(20, 8), USUAL)
    assert set(near) == set(far) == {"cement", "canal", "foramen_s1_left"}
    assert near["cement"] > near["canal"] > far["canal"] > BODY_C
    assert far["foramen_s1_left"] > near["foramen_s1_left"] >= BODY_C
    assert near == setting_celsius(medium(), filled(28, 8), USUAL)


def test_without_cement_nothing_is_told() -> None:
    none = Cement(np.empty(0, np.int64), np.empty(0))
    assert dict(setting_celsius(medium(), none, USUAL)) == {}
    veins = Cement(np.array([60**3 + 4]), np.array([0.01]), 0.01)
    assert dict(setting_celsius(medium(), veins, USUAL)) == {}
