"""Cement on the detector: its volume is kept, and it replaces soft tissue."""

from __future__ import annotations

import numpy as np
import pytest
from xray_solids import GRID, ball, ball_chord, projector, view

from game.fluoroscopy.cement import cement_path, fill
from game.fluoroscopy.joseph import SOFT
from game.simulation.cement import EMPTY, Cement

POSES = [(180.0, 39.0), (90.0, 0.0), (-150.0, 35.0)]


def blob(radius: float) -> Cement:
    share = ball(1000.0, 0.0, radius, (10.0, 5.0, -8.0)).ravel() / 1000.0
    voxels = np.flatnonzero(share)
    return Cement(voxels, share[voxels] * GRID.voxel_ml)


@pytest.mark.parametrize("pose", POSES)
def test_one_voxels_volume_is_kept(pose: tuple[float, float]) -> None:
    geometry = view(*pose, size=512)
    at = np.array([60, 40, 55])
    cement = Cement(np.array([np.ravel_multi_index(tuple(at), GRID.shape)]), np.array([0.0009]))
    path = cement_path(geometry, GRID, cement)
    ray = GRID.point_from_index(at) - geometry.source
    axis = (np.array(geometry.centre) - geometry.source) / 1020.0
    pixel = geometry.pixel_mm * (ray @ axis) / 1020.0
    cosine = ray @ axis / np.linalg.norm(ray)
    assert path.sum() * pixel**2 * cosine == pytest.approx(0.9, rel=1e-5)


@pytest.mark.parametrize("pose", POSES)
def test_a_ball_of_cement_has_a_balls_chords(pose: tuple[float, float]) -> None:
    geometry = view(*pose, size=256)
    path = cement_path(geometry, GRID, blob(9.0))
    exact = ball_chord(geometry, 9.0, (10.0, 5.0, -8.0))
    assert path.sum() == pytest.approx(exact.sum(), rel=0.01)
    assert np.sqrt(np.mean((path - exact)[exact > 0] ** 2)) < 0.04 * exact.max()


def test_cement_replaces_soft_tissue() -> None:
    made = projector(np.full(GRID.shape, SOFT, np.int16))
    geometry = view(180.0, 0.0, size=128)
    before = made.areas(geometry)
    after = fill(before, geometry, GRID, blob(9.0))
    at = after.cement > 0.1
    lost = (before.soft - after.soft)[at] / 1.06
    assert lost == pytest.approx(after.cement[at] / 1.38, rel=1e-3)


def test_no_cement_no_shadow() -> None:
    assert cement_path(view(180.0, 0.0), GRID, EMPTY).max() == 0.0
