"""The compiled passes over whole volumes against their plain twins."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import Grid
from game.patient.density import _draw_soft
from game.patient.distance import on_grid
from game.patient.landmarks.joint import MOST_OVERLAP_MM, _half_way
from game.patient.patient import Structure
from game.patient.procedural.bearings import pooled
from game.patient.procedural.sampling import FAR_MM, Bone, sampled
from game.patient.procedural.solids import Array
from game.patient.regions import COARSE, _finer, _height
from game.patient.resample import _lay_bones

GRID = Grid((-9.0, -7.0, -11.0), 0.75, (23, 30, 37))


def noise(shape: tuple[int, ...], seed: int, size: float = 4.0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.0, size, shape).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_reading_between_voxels_is_linear_and_held_at_the_sides(dtype: type) -> None:
    volume = (100.0 * noise((6, 9, 7), 1)).astype(dtype)
    grid = Grid((-3.0, 0.5, 1.0), 0.7, (12, 20, 31))
    axes = (
        np.clip((axis - start) / step, 0, n - 1)
        for axis, start, step, n in zip(
            grid.axes(), (-1.0, 0.0, 2.0), (1.0, 1.5, 3.0), volume.shape, strict=True
        )
    )
    at = np.meshgrid(*axes, indexing="ij")
    plain = ndimage.map_coordinates(volume.astype(float), at, order=1, mode="nearest")
    read = on_grid(volume, (-1.0, 0.0, 2.0), (1.0, 1.5, 3.0), grid)
    np.testing.assert_allclose(read, plain, atol=1e-4)


def test_a_solid_is_computed_at_every_voxel_beside_its_surface() -> None:
    def ball(x: Array, y: Array, z: Array) -> Array:
        return np.asarray(np.sqrt(x * x + y * y + z * z) - 6.0, np.float32)

    values = sampled(ball, GRID)
    x, y, z = np.meshgrid(*(a.astype(np.float32) for a in GRID.axes()), indexing="ij")
    plain = ball(x.ravel(), y.ravel(), z.ravel()).reshape(GRID.shape)
    near = np.abs(plain) < 2.0
    assert near.sum() > 3000
    np.testing.assert_array_equal(values[near], plain[near])
    np.testing.assert_array_equal(np.sign(values), np.sign(plain))


def test_a_bone_is_read_as_its_grid_is() -> None:
    bone = Bone(GRID, noise(GRID.shape, 2))
    x, y, z = noise((3, 500), 3, 8.0)
    plain = GRID.sample(bone.field, np.stack((x, y, z), axis=1), FAR_MM)
    assert 50 < np.sum(plain == FAR_MM) < 450
    np.testing.assert_array_equal(bone.at(x, y, z), plain.astype(np.float32))


def test_blocks_are_pooled_as_reduceat_does() -> None:
    codes = np.random.default_rng(4).integers(0, 9, (10, 11, 13)).astype(np.uint8)
    plain = codes
    for axis, n in enumerate(codes.shape):
        plain = np.maximum.reduceat(plain, np.arange(0, n, 4), axis=axis)
    np.testing.assert_array_equal(pooled(codes, 4), plain)


def test_half_way_between_two_bones() -> None:
    one, other = noise((9, 9, 9), 5), noise((9, 9, 9), 6)
    found = np.empty(one.shape, np.bool_)
    _half_way(one, other, np.float32(0.75), np.float32(6.0), found)
    apart = one + other
    plain = (np.abs(one - other) < 0.75) & (apart < 6.0) & (apart > -MOST_OVERLAP_MM)
    assert plain.any()
    np.testing.assert_array_equal(found, plain)


def test_smooth_coordinates_are_read_one_axis_after_the_other() -> None:
    shape = (9, 14, 11)
    plain = noise(tuple(-(-n // COARSE) + 1 for n in shape), 7)
    found = _finer(plain, shape)
    for axis, n in enumerate(shape):
        at = np.arange(n) / COARSE
        low = np.minimum(at.astype(int), plain.shape[axis] - 2)
        share = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        plain = np.take(plain, low, axis) * (1 - share) + np.take(plain, low + 1, axis) * share
    np.testing.assert_array_equal(found, plain)


def test_heights_over_a_plane() -> None:
    point, normal = np.array([1.0, -2.0, 0.5]), np.array([0.6, 0.0, 0.8])
    places = np.stack(np.meshgrid(*GRID.axes(), indexing="ij"), axis=-1)
    np.testing.assert_allclose(_height(GRID, point, normal), (places - point) @ normal, atol=1e-5)


def test_the_deeper_bone_has_a_voxel_and_the_first_of_equals() -> None:
    x, y, z = (float(v) for v in GRID.point_from_index(np.array([4, 5, 6])))
    part = Grid((x, y, z), GRID.spacing, (9, 9, 9))
    one, other = noise(GRID.shape, 8), noise(part.shape, 9)
    at = np.s_[4:13, 5:14, 6:15]
    other[0] = one[at][0]
    tissue = np.full(GRID.shape, Structure.FAT, np.uint8)
    levels = {Structure.L5: (GRID, one), Structure.SPINE: (part, other)}
    depth = _lay_bones(tissue, levels, GRID)
    plain, least = np.where(one < 0, Structure.L5, Structure.FAT), one.copy()
    plain[at][(other < 0) & (other < one[at])] = Structure.SPINE
    least[at] = np.minimum(one[at], other)
    np.testing.assert_array_equal(tissue, plain)
    np.testing.assert_array_equal(depth, least)


def test_soft_tissue_is_mottled_but_for_air_gas_and_bone() -> None:
    codes = np.random.default_rng(10).integers(0, max(Structure) + 1, (9, 9, 9)).astype(np.uint8)
    depth, mottle = noise(codes.shape, 11), noise((4, 4, 4), 12)
    table, found = noise((max(Structure) + 1,), 13, 100.0), np.empty(codes.shape, np.float32)
    _draw_soft(codes, depth, table, mottle, found)
    soft = (depth > 0) & ~np.isin(codes, (Structure.AIR, Structure.GAS))
    tiled = np.tile(mottle, (3, 3, 3))[:9, :9, :9]
    np.testing.assert_array_equal(found, table[codes] + np.where(soft, tiled, np.float32(0)))
