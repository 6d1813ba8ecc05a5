"""The compiled loops of the soft body against their plain twins, and shapes of known size."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import FloatArray
from game.patient.patient import Structure
from game.patient.procedural import bowel
from game.patient.procedural.bearings import Site, distance_to_bone, pooled
from game.patient.procedural.body import BUBBLES, _fill
from game.patient.procedural.tubes import OUTSIDE, curve, empty, put_ellipsoid, put_tube
from game.patient.procedural.vessels import PLAQUE_MM, calcify

STEP = 3
FAT, MUSCLE, SKIN, GAS = Structure.FAT, Structure.MUSCLE, Structure.SKIN, Structure.GAS


def small_site() -> Site:
    x, y, z = (np.arange(-30.0, 31.0, 3.0, dtype=np.float32) for _ in range(3))
    bone = np.zeros((21, 21, 21), np.uint8)
    return Site(x, y, z, bone, np.full(bone.shape, np.float32(99.0)))


def centres(site: Site) -> FloatArray:
    grid = np.meshgrid(site.x, site.y, site.z, indexing="ij")
    return np.asarray(np.stack(grid, axis=-1), float)


def plain_tube(site: Site, line: FloatArray, radii: FloatArray) -> FloatArray:
    """The highest level of all round cones between neighbours of `line`."""
    points, level = centres(site), np.full(site.gap.shape, float(OUTSIDE))
    for a, b, first, last in zip(line[:-1], line[1:], radii[:-1], radii[1:], strict=True):
        share = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0.0, 1.0)
        gap = np.linalg.norm(points - a - share[..., None] * (b - a), axis=-1)
        level = np.maximum(level, first + share * (last - first) - gap)
    return level


def test_a_tube_is_its_plain_twin() -> None:
    site, line = small_site(), curve(((-20.0, 3.0, -12.0), (0.0, 12.0, 2.0), (18.0, -6.0, 14.0)))
    radii = np.linspace(4.0, 9.0, len(line))
    level, owner = empty(site), np.zeros(site.gap.shape, np.uint8)
    put_tube(level, site, line, radii, owner, 7)
    plain = plain_tube(site, line, radii)
    near = plain > -5.0
    assert near.sum() > 800
    np.testing.assert_allclose(level[near], plain[near], atol=1e-4)
    assert np.all(level <= plain + 1e-4)
    assert np.array_equal(owner == 7, level > -3.0)


def test_the_higher_level_owns_a_voxel() -> None:
    site, level = small_site(), empty(small_site())
    owner = np.zeros(level.shape, np.uint8)
    for number, x in ((1, -6.0), (2, 6.0)):
        line = np.array([[x, 0.0, -20.0], [x, 0.0, 20.0]])
        put_tube(level, site, line, np.full(2, 9.0), owner, number)
    middle = centres(site)
    assert np.all(owner[(level > 0) & (middle[..., 0] < -1.0)] == 1)
    assert np.all(owner[(level > 0) & (middle[..., 0] > 1.0)] == 2)


def test_an_ellipsoid_has_its_volume_and_its_axes() -> None:
    site, level = small_site(), empty(small_site())
    put_ellipsoid(level, site, (1.0, -2.0, 0.5), (12.0, 18.0, 15.0))
    fine = ndimage.zoom(level, 6, order=1, grid_mode=True, mode="nearest")
    volume = (fine > 0).sum() * 0.5**3
    assert abs(volume / (4.0 / 3.0 * pi * 12.0 * 18.0 * 15.0) - 1.0) < 0.04


def random_fields(seed: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    made = {}
    for name, size in (("depth", 9.0), ("one", 4.0), ("two", 4.0), ("septa", 1.0), ("level", 6.0),
                       ("gas", 20.0)):  # fmt: skip
        noise = ndimage.gaussian_filter(random.standard_normal((9, 10, 11)), 1.2)
        made[name] = (size * noise / noise.std()).astype(np.float32)
    return made


def test_filling_is_its_plain_twin() -> None:
    """Every voxel's code from the fields read linearly between block centres."""
    fields, random = random_fields(3), np.random.default_rng(4)
    owner = random.integers(0, 4, (9, 10, 11)).astype(np.uint8)
    kind = np.array([0, Structure.BOWEL, Structure.URINE, Structure.BOWEL], np.uint8)
    wall = np.array([2.0, 2.0, 3.5, 2.0], np.float32)
    stool = np.array([False, False, False, True])
    bubbles = random.standard_normal((16, 16, 16)).astype(np.float32)
    bones = np.zeros((9 * STEP, 10 * STEP, 11 * STEP - 1), np.uint8)  # the last block is thinner
    bones[5:9, 6:20, 4:12] = Structure.SACRUM
    thin, skin = np.float32(0.2), np.float32(2.0)
    codes = bones.copy()
    _fill(codes, STEP, fields["depth"], fields["one"], fields["two"], fields["septa"],
          fields["level"], owner, kind, wall, fields["gas"], stool, bubbles, thin,
          skin)  # fmt: skip
    where = np.indices(bones.shape)
    at = (where - 0.5 * (STEP - 1)) / STEP
    read = {n: ndimage.map_coordinates(f, at, order=1, mode="nearest") for n, f in fields.items()}
    own = owner[tuple(where // STEP)]
    bubble = stool[own] & (bubbles[tuple(where % 16)] > BUBBLES)
    meat = np.maximum(read["one"], read["two"])
    plain = np.select(
        [
            bones != 0, read["depth"] <= 0, read["depth"] <= skin,
            (read["level"] > 0) & ((own == 0) | (read["level"] <= wall[own])),
            (read["level"] > 0) & ((read["gas"] > 0) | bubble),
            read["level"] > 0,
            (meat > 0) & ((np.abs(read["septa"]) > thin) | (meat < 1)),
        ],
        [bones, 0, SKIN, MUSCLE, GAS, kind[own], MUSCLE],
        FAT,
    )  # fmt: skip
    assert set(np.unique(plain)) >= {0, SKIN, FAT, MUSCLE, GAS, Structure.BOWEL, Structure.URINE}
    assert (codes == plain).mean() > 0.9995  # the rest: rounding at a threshold


def test_lime_keeps_to_the_wall_and_spares_bone() -> None:
    codes = np.full((60, 40, 40), MUSCLE, np.uint8)
    codes[:, :20] = Structure.SACRUM
    line, radii = np.array([[5.0, 20.0, 20.0], [55.0, 20.0, 20.0]]), np.array([6.0, 6.0])
    calcify(codes, [(line, radii)], np.zeros(3), 1.0, np.ones((8, 8, 8), np.float32))
    lime = np.argwhere(codes == Structure.CALCIFICATION)
    far = np.linalg.norm(lime[:, 1:] - 20.0, axis=1)
    assert len(lime) > 500 and np.all(lime[:, 1] >= 20)
    assert np.all(np.abs(far - 6.0) <= 0.5 * PLAQUE_MM + 1e-6)
    half = pi * 6.0 * PLAQUE_MM * 50.0
    assert abs(len(lime) / half - 1.0) < 0.15


def test_blocks_hold_their_highest_code_and_the_distance_is_euclidean() -> None:
    codes = np.zeros((9, 9, 8), np.uint8)
    codes[4, 4, 7] = Structure.L5
    blocks = pooled(codes, 3)
    assert blocks.shape == (3, 3, 3) and blocks[1, 1, 2] == Structure.L5 and blocks.sum() == 7
    gap = distance_to_bone(blocks, 3.0)
    assert gap[1, 1, 2] == 0.0 and abs(gap[0, 0, 0] - 3.0 * 6.0**0.5) < 1e-5


def test_fluid_that_goes_on_in_a_lumen_has_one_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three segments of a level tube, all drawn half full: their gas begins at one height. Where
    gas alone lies between them, or the level lies outside of the next, each keeps its own."""
    monkeypatch.setitem(bowel.ODDS, "rectum", (0.0, 0.0, 1.0, 0.0))
    site = small_site()
    made = bowel.Hollow(empty(site), np.zeros(site.gap.shape, np.uint8))
    line = curve(((0.0, 0.0, -24.0), (0.0, 2.0, 0.0), (0.0, 0.0, 24.0)))
    last = bowel._segments(made, site, line, 9.0, "rectum", np.random.default_rng(3), 3)
    levels = made.gas_y[1:4]
    assert np.isfinite(last) and np.ptp(levels) == 0.0 and levels[0] == np.float32(last)
    assert bowel._one_level(5.0, np.inf, line, 9.0) == 5.0
    assert bowel._one_level(-np.inf, 5.0, line, 9.0) == -np.inf
    assert bowel._one_level(5.0, 40.0, line, 9.0) == 5.0
