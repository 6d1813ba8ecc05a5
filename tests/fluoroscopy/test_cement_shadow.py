"""Cement on the detector: its volume is kept, it replaces soft tissue, only changes are laid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xray_solids import GRID, ball, ball_chord, projector, view

from game.fluoroscopy.cement import Shadow, cement_path, fill
from game.fluoroscopy.joseph import SOFT
from game.geometry.carm import Projection
from game.simulation.cement import EMPTY, Cement

POSES = [(180.0, 39.0), (90.0, 0.0), (-150.0, 35.0)]


def twin(geometry: Projection, points: np.ndarray, ml: np.ndarray) -> np.ndarray:
    """Path lengths (h, w), mm, of voxels at points (n, 3) in plain NumPy."""
    out = np.zeros((geometry.size, geometry.size))
    pixels = np.arange(geometry.size)
    axis = (np.array(geometry.centre) - np.array(geometry.source)) / 1020.0
    for (column, row), point, one in zip(geometry.project(points), points, ml, strict=True):
        ray = point - np.array(geometry.source)
        pixel = geometry.pixel_mm * (ray @ axis) / 1020.0
        half = max(GRID.spacing / pixel, 1.0)
        across = np.maximum(1.0 - np.abs(pixels - column) / half, 0.0)
        along = np.maximum(1.0 - np.abs(pixels - row) / half, 0.0)
        path = 1000.0 * one / (pixel**2 * (ray @ axis) / np.linalg.norm(ray))
        out += path * np.outer(along / along.sum(), across / across.sum())
    return out


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
    after = before.copied()
    fill(after, cement_path(geometry, GRID, blob(9.0)))
    at = after.cement > 0.1
    lost = (before.soft - after.soft)[at] / 1.06
    assert lost == pytest.approx(after.cement[at] / 1.38, rel=1e-3)


def test_no_cement_no_shadow() -> None:
    assert cement_path(view(180.0, 0.0), GRID, EMPTY).max() == 0.0


@pytest.mark.parametrize("pose", POSES)
def test_fast_kernel_equals_its_plain_twin(pose: tuple[float, float]) -> None:
    geometry = view(*pose, size=64)
    cement = blob(4.0)
    at = np.stack(np.unravel_index(cement.voxels, GRID.shape), axis=-1)
    plain = twin(geometry, GRID.point_from_index(at), cement.ml)
    assert cement_path(geometry, GRID, cement) == pytest.approx(plain, abs=1e-5)


def grown(steps: list[list[tuple[int, float]]]) -> list[Cement]:
    """Cement after each step: cells are filled further, emptied, or added at the end."""
    ml: dict[int, float] = {}
    made = []
    for step in steps:
        ml |= dict(step)
        made.append(Cement(np.array(list(ml), np.int64), np.array(list(ml.values()), float)))
    return made


CELLS = st.tuples(st.integers(510_000, 510_400), st.floats(0.0, 0.001))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(CELLS, max_size=12), min_size=1, max_size=5))
def test_in_steps_as_at_once(steps: list[list[tuple[int, float]]]) -> None:
    """Bit for bit, in whatever steps the cement came."""
    geometry, shadow = view(180.0, 39.0, size=128), Shadow()
    for cement in grown(steps):
        path = shadow.path(geometry, GRID, cement)
        assert np.array_equal(path, cement_path(geometry, GRID, cement))


def test_a_moved_arm_and_another_body_are_laid_anew() -> None:
    shadow = Shadow()
    cements = (blob(9.0), blob(5.0), EMPTY, blob(9.0))
    for pose, cement in zip((*POSES, POSES[0]), cements, strict=True):
        geometry = view(*pose, size=128)
        path = shadow.path(geometry, GRID, cement)
        assert np.array_equal(path, cement_path(geometry, GRID, cement))


def test_only_what_changed_is_laid(monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[int] = []

    def counted(points: Any, *rest: Any) -> None:
        laid.append(len(points))

    monkeypatch.setattr("game.fluoroscopy.cement._splat", counted)
    geometry, shadow, before = view(180.0, 39.0, size=64), Shadow(), blob(9.0)
    ml = before.ml.copy()
    ml[7:10] *= 0.5
    after = Cement(np.append(before.voxels, 5), np.append(ml, 0.0004))
    for cement in (before, before, after):
        shadow.path(geometry, GRID, cement)
    assert laid == [len(before.voxels), 4]
    shadow.path(view(90.0, 0.0, size=64), GRID, after)
    assert laid[-1] == len(after.voxels)
