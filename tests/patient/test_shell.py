"""The cortex drawn into a coarse CT, on a ball whose true density is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from game.geometry.grid import Grid
from game.patient.cortex import OTHER_BONES_MM
from game.patient.distance import on_grid
from game.patient.patient import Structure
from game.patient.resample import Body
from game.patient.shell import _slabs, shelled

RADIUS_MM, SPACING_MM = 22.0, 3.0
SOFT, MARROW, CORTEX = 50.0, 150.0, 1150.0  # HU
GRID = Grid((-34.5, -34.5, -34.5), 1.0, (70, 70, 70))


def true_hounsfield(depth: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """HU of voxels of `step` mm at `depth` (negative inside), by the share that each part fills."""
    inside = np.clip(0.5 - depth / step, 0, 1)
    deep = np.clip(0.5 - (depth + OTHER_BONES_MM) / step, 0, 1)
    return SOFT + (CORTEX - SOFT) * (inside - deep) + (MARROW - SOFT) * deep


def depth_on(grid: Grid) -> NDArray[np.float64]:
    points = np.stack(np.meshgrid(*grid.axes(), indexing="ij"), axis=-1)
    return np.asarray(np.linalg.norm(points, axis=-1) - RADIUS_MM)


@pytest.fixture(scope="module")
def ball() -> Body:
    """A ball of bone whose CT was taken with voxels of 3 mm."""
    coarse = Grid((-35.0, -35.0, -35.0), SPACING_MM, (25, 25, 25))
    fine = Grid((-36.25, -36.25, -36.25), 0.5, (150, 150, 150))
    cells = true_hounsfield(depth_on(fine), 0.5).reshape(25, 6, 25, 6, 25, 6).mean(axis=(1, 3, 5))
    real = on_grid(cells, coarse.origin, (SPACING_MM,) * 3, GRID)
    depth = depth_on(GRID).astype(np.float32)
    structures = np.where(depth < 0, Structure.SACRUM, Structure.MUSCLE).astype(np.uint8)
    levels = {Structure.SACRUM: (GRID, depth)}
    return Body(GRID, structures, depth, np.rint(real).astype(np.int16), levels)


@pytest.fixture(scope="module")
def drawn(ball: Body) -> NDArray[np.int16]:
    return shelled(ball, np.full(GRID.shape, OTHER_BONES_MM, np.float32), GRID, SPACING_MM)


def test_the_shell_has_the_density_that_was_averaged_away(
    ball: Body, drawn: NDArray[np.int16]
) -> None:
    truth = true_hounsfield(depth_on(GRID), 1.0)
    shell = np.abs(ball.depth + 0.5 * OTHER_BONES_MM) < 0.1
    assert ball.hounsfield is not None
    assert ball.hounsfield[shell].mean() < 0.65 * truth[shell].mean()
    assert drawn[shell].mean() == pytest.approx(truth[shell].mean(), rel=0.12)


def test_the_mass_is_the_cts(ball: Body, drawn: NDArray[np.int16]) -> None:
    assert ball.hounsfield is not None
    near = np.abs(ball.depth) < 8.0
    before, after = (v[near].astype(float).sum() for v in (ball.hounsfield, drawn))
    assert after == pytest.approx(before, rel=0.03)


def test_marrow_and_soft_tissue_are_the_cts_own(ball: Body, drawn: NDArray[np.int16]) -> None:
    assert ball.hounsfield is not None
    far = np.abs(ball.depth) > 4.5
    assert np.array_equal(drawn[far], ball.hounsfield[far])
    rim = (ball.depth > 0.6) & (ball.depth < 1.2)
    assert ball.hounsfield[rim].mean() > SOFT + 100
    assert drawn[rim].mean() == pytest.approx(SOFT, abs=25)


def test_metal_stays(ball: Body) -> None:
    structures = ball.structures.copy()
    structures[34:36, 34:36, 55:60] = Structure.METAL
    with_nail = Body(GRID, structures, ball.depth, ball.hounsfield, ball.levels)
    made = shelled(with_nail, np.ones(GRID.shape, np.float32), GRID, SPACING_MM)
    assert ball.hounsfield is not None
    assert np.array_equal(made[34:36, 34:36, 53:62], ball.hounsfield[34:36, 34:36, 53:62])


@pytest.mark.parametrize("count", [2, 31, 32, 33, 34, 64, 65, 66, 97])
def test_the_slabs_cover_every_plane_once_and_none_is_single(count: int) -> None:
    planes = [n for at in _slabs(count) for n in range(at.start, at.stop)]
    assert planes == list(range(count))
    assert min(at.stop - at.start for at in _slabs(count)) >= 2
