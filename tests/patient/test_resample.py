"""Distances from labels: against shapes whose distance is known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from game.geometry.grid import FloatArray, Grid
from game.geometry.views import Anatomy
from game.patient.distance import distance_of, on_grid, surface_points
from game.patient.lumbosacral import parted_at_s1
from game.patient.patient import Plane, Structure
from game.patient.redistance import redistanced
from game.patient.resample import body_around, bones_of, levels_of, with_sacrum
from game.patient.segmentation import Segmentation
from game.patient.surfaces import surface_of

SPACING = (1.0, 1.0, 3.0)
ORIGIN = (-34.3, -34.7, -34.1)
SHAPE = (70, 70, 24)
FINE = Grid((-30.0, -30.0, -30.0), 0.75, (80, 80, 80))
Solid = Callable[[FloatArray], FloatArray]


def points_of(
    origin: tuple[float, ...], spacing: tuple[float, ...], shape: tuple[int, ...]
) -> FloatArray:
    axes = [o + s * np.arange(n) for o, s, n in zip(origin, spacing, shape, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


FINE_POINTS = points_of(FINE.origin, (0.75,) * 3, FINE.shape)


def sphere(points: FloatArray) -> FloatArray:
    return np.linalg.norm(points, axis=-1) - 22.0


def tube(points: FloatArray) -> FloatArray:
    axis = np.array([0.6, 0.0, 0.8])
    return np.linalg.norm(points - (points @ axis)[..., None] * axis, axis=-1) - 8.0


def made(solid: Solid) -> FloatArray:
    """The distance that the pipeline gives for a solid labelled at 1 x 1 x 3 mm."""
    mask = solid(points_of(ORIGIN, SPACING, SHAPE)) < 0
    return redistanced(on_grid(distance_of(mask, SPACING), ORIGIN, SPACING, FINE, 3), 0.75)


@pytest.fixture(scope="module")
def ball() -> FloatArray:
    return made(sphere)


def test_the_distance_of_a_ball_at_3_mm_slices_is_right_to_0_2_mm(ball: FloatArray) -> None:
    true = sphere(FINE_POINTS)
    error = (ball - true)[np.abs(true) < 3.0]
    assert np.sqrt(np.mean(error**2)) < 0.2
    assert np.percentile(np.abs(error), 95) < 0.35
    assert abs(error.mean()) < 0.06


def test_the_volume_of_a_ball_is_right_to_one_percent(ball: FloatArray) -> None:
    assert np.sum(ball < 0) / np.sum(sphere(FINE_POINTS) < 0) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("solid", [sphere, tube])
def test_no_stair_steps_remain_in_the_normals(solid: Solid) -> None:
    true, found = solid(FINE_POINTS), made(solid)
    near = np.abs(true) < 1.0
    near &= np.all(np.abs(FINE_POINTS) < 26.0, axis=-1)  # the box's sides cut the tube
    slope, ideal = (np.stack(np.gradient(v, 0.75), axis=-1)[near] for v in (found, true))
    cosine = np.sum(slope * ideal, axis=-1) / np.linalg.norm(slope, axis=-1)
    angle = np.degrees(np.arccos(np.clip(cosine / np.linalg.norm(ideal, axis=-1), -1, 1)))
    assert angle.mean() < 2.5  # raw labels: 16 degrees
    assert np.percentile(angle, 95) < 8.0  # raw labels: 36 degrees


def test_the_slope_is_one_near_the_surface(ball: FloatArray) -> None:
    slope = np.linalg.norm(np.stack(np.gradient(ball, 0.75), axis=-1), axis=-1)
    near = np.abs(sphere(FINE_POINTS)) < 1.5
    assert np.percentile(np.abs(slope[near] - 1.0), 98) < 0.05


def test_redistancing_undoes_a_stretched_distance() -> None:
    true = sphere(FINE_POINTS).astype(np.float32)
    error = np.abs(redistanced(1.4 * true, 0.75) - true)
    assert error[np.abs(true) < 1.5].max() < 0.05
    assert error.max() < 0.45  # far away, along the grid's diagonals


def test_a_carried_distance_is_that_of_the_nearest_surface_point() -> None:
    """The plain twin of the sweeps: brute force over the points of the surface itself."""
    grid = Grid((-8.0, -8.0, -8.0), 1.0, (17, 17, 17))
    points = points_of(grid.origin, (1.0,) * 3, grid.shape)
    true = (np.abs(points) - [5.2, 4.3, 3.4]).max(axis=-1).astype(np.float32)
    surface = surface_of(true, grid)
    corners = surface.vertices[surface.faces].mean(axis=1)
    plain = np.sqrt(((points[..., None, :] - corners) ** 2).sum(axis=-1)).min(axis=-1)
    found = np.abs(redistanced(true, 1.0))
    assert np.percentile(np.abs(found - plain), 95) < 0.4


def test_a_level_without_a_surface_is_refused() -> None:
    with pytest.raises(ValueError, match="no surface"):
        redistanced(np.ones((4, 4, 4), np.float32), 1.0)


@given(st.tuples(*[st.floats(0.5, 3.0)] * 3), st.floats(6.0, 9.0))
@settings(max_examples=15, deadline=None)
def test_a_centre_far_from_the_border_never_changes_sides(
    spacing: tuple[float, float, float], radius: float
) -> None:
    shape = tuple(int(26 / s) + 1 for s in spacing)
    points = points_of((-13.0,) * 3, spacing, shape)
    true = np.linalg.norm(points, axis=-1) - radius
    found = distance_of(true < 0, spacing)
    sure = np.abs(true) > max(spacing)
    assert np.array_equal((found < 0)[sure], (true < 0)[sure])


def test_linear_reading_reproduces_a_linear_field() -> None:
    grid = Grid((-5.0, -6.0, -7.0), 0.5, (20, 21, 22))
    slopes = np.array([0.3, -0.7, 1.1])
    volume = points_of((-10.0, -10.0, -10.0), (1.0, 2.0, 3.0), (30, 15, 10)) @ slopes
    read = on_grid(volume, (-10.0, -10.0, -10.0), (1.0, 2.0, 3.0), grid)
    expected = points_of(grid.origin, (0.5,) * 3, grid.shape) @ slopes
    assert np.allclose(read, expected, atol=1e-5)


def test_a_surface_is_closed_outward_and_has_the_balls_volume(ball: FloatArray) -> None:
    surface = surface_of(ball, FINE)
    a, b, c = (surface.vertices[surface.faces[:, n]].astype(float) for n in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0
    assert volume == pytest.approx(4 / 3 * np.pi * 22.0**3, rel=0.01)
    corners = ([0, 1], [1, 2], [2, 0])
    edges = {tuple(e) for pair in corners for e in surface.faces[:, pair].tolist()}
    assert all((b, a) in edges for a, b in edges)


def test_a_body_cut_by_the_grids_side_is_closed_there() -> None:
    grid = Grid((0.0, 0.0, 0.0), 1.0, (12, 12, 12))
    level = (points_of(grid.origin, (1.0,) * 3, grid.shape)[..., 0] - 5.5).astype(np.float32)
    surface = surface_of(level, grid)
    a, b, c = (surface.vertices[surface.faces[:, n]].astype(float) for n in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0
    assert 5.5 * 11 * 11 < volume < 6.5 * 12.5 * 12.5


def dummy() -> Segmentation:
    """Three bars for hips and sacrum, a block for the spine, in a body of fat; 1.5 x 1.5 x 3."""
    spacing, shape = (1.5, 1.5, 3.0), (100, 60, 40)
    points = points_of((-75.0, -40.0, -60.0), spacing, shape)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    codes = np.full(shape, Structure.FAT, np.uint8)
    codes[(np.abs(x) > 72) | (np.abs(y + 2) > 35)] = Structure.AIR
    codes[(np.abs(x) < 30) & (np.abs(y) < 20) & (np.abs(z) < 25)] = Structure.SACRUM
    codes[(np.abs(x - 45) < 12) & (np.abs(y) < 20) & (np.abs(z) < 40)] = Structure.HIP_LEFT
    codes[(np.abs(x + 45) < 12) & (np.abs(y) < 20) & (np.abs(z) < 40)] = Structure.HIP_RIGHT
    codes[(np.abs(x) < 20) & (np.abs(y) < 15) & (z > 33)] = Structure.SPINE
    return Segmentation("dummy", "labels", (-75.0, -40.0, -60.0), spacing, codes, None)


def test_bones_lie_where_the_labels_do() -> None:
    bones = bones_of(dummy(), levels_of(dummy()))
    assert bones.grid.spacing == 0.75
    fields = (bones.sacrum, bones.hip["left"], bones.hip["right"], bones.spine)
    places = ([0.0, 0, 0], [40.0, 0, 0], [-40.0, 0, 0], [0.0, 0, 37])
    inside = [[bones.grid.sample(f, np.array([p]), 50.0)[0] < 0 for p in places] for f in fields]
    assert np.array_equal(inside, np.eye(4, dtype=bool))
    wall = bones.grid.sample(bones.sacrum, np.array([[0.0, 25.0, 0.0]]), 50.0)
    # the last labelled centre lies at 18.5 mm, so the label's face at 19.25
    assert wall[0] == pytest.approx(25.0 - 19.25, abs=0.3)


def test_the_column_at_s1_is_parted_anew_only_where_vertebrae_have_no_labels() -> None:
    segmentation = dummy()
    anatomy = Anatomy(np.eye(3), np.array([0.0, 0.0, 1.0]))
    endplate = Plane(np.array([0.0, 0.0, 20.0]), np.array([0.0, 0.0, 1.0]))
    made = parted_at_s1(segmentation, endplate, anatomy)
    z = segmentation.origin[2] + 3.0 * np.arange(segmentation.structures.shape[2])
    column = made.structures[50, 27]  # at x = 0, y = 0.5
    assert np.all(column[(z > 20) & (z < 25)] == Structure.DISC)
    assert np.all(column[(z > -25) & (z <= 20)] == Structure.SACRUM)
    assert np.array_equal(made.structures[90], segmentation.structures[90])  # beside the column
    codes = segmentation.structures.copy()
    codes[codes == Structure.SPINE] = Structure.L5
    told_apart = replace(segmentation, structures=codes)
    assert parted_at_s1(told_apart, endplate, anatomy) is told_apart


def test_the_body_is_whole_and_its_bones_never_overlap() -> None:
    segmentation = dummy()
    levels = levels_of(segmentation)
    body = with_sacrum(
        body_around(segmentation, levels, np.zeros(3)), bones_of(segmentation, levels)
    )
    assert body.grid.spacing == 1.0
    volumes = np.bincount(body.structures.ravel(), minlength=14) * body.grid.voxel_ml
    truth = np.bincount(segmentation.structures.ravel(), minlength=14) * 6.75 / 1000.0
    for code in (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT):
        assert volumes[code] == pytest.approx(truth[code], rel=0.06)
    assert volumes[Structure.SKIN] > 0


def test_surface_points_are_those_of_the_plain_twin() -> None:
    """The feet by numpy's own gradient, on a lumpy field with sides cut open."""
    random = np.random.default_rng(3)
    field = ndimage.gaussian_filter(random.normal(size=(24, 20, 28)), 3.0)
    field = (field / np.abs(np.stack(np.gradient(field, 0.8, 0.8, 1.5))).max()).astype(np.float32)
    step = np.array([0.8, 0.8, 1.5])
    gradient = np.stack(list(np.gradient(field, *step)), axis=-1)
    slope = np.linalg.norm(gradient, axis=-1)
    near = (np.abs(field) < 0.6 * 1.5 * slope) & (slope > 0.3)
    normals = gradient[near] / slope[near][:, None]
    plain = np.argwhere(near) * step - normals * (field[near] / slope[near])[:, None]
    points, found = surface_points(field, (0.8, 0.8, 1.5))
    assert len(plain) > 300
    np.testing.assert_allclose(points, plain, atol=1e-4)
    np.testing.assert_allclose(found, normals, atol=1e-4)
