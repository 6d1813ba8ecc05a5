"""Maps of fill and pressure: the right moments, the right side, and amounts that add up."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from blocks import block_case
from game.records.cement_maps import PIXEL_MM, Filling, _layer, _planes, cement_maps, chosen
from game.simulation.cement import Cement, Exit


def bar(x: float = 30.0, exit_way: Exit = Exit.NONE) -> Cement:
    """4 mm by 4 mm of cement along the left path from z = -60 to -40."""
    grid = block_case().patient.bone
    a, b, c = np.meshgrid(*grid.axes(), indexing="ij", sparse=True)
    mask = (np.abs(a - x) <= 1.5) & (np.abs(b) <= 1.5) & (c > -60) & (c <= -40)
    voxels = np.flatnonzero(mask & np.ones(grid.shape, bool)).astype(np.int64)
    ml = np.full(len(voxels), 0.9 * grid.voxel_ml)
    exits = np.full(len(voxels), exit_way, np.uint8)
    return Cement(voxels, ml, float(ml.sum()), flow_mm3_s=20.0, exit=exits,
                  potential=np.linspace(0.0, 1000.0, len(voxels)))  # fmt: skip


def fillings(count: int) -> list[Filling]:
    return [Filling("left", 600.0 + 30 * n, 0.3 * (n + 1), bar()) for n in range(count)]


def test_moments_are_spread_over_the_volume_and_end_with_the_last() -> None:
    given = fillings(9)
    assert [f.ml for f in chosen(given, "left")] == pytest.approx([0.9, 1.8, 2.7])
    assert chosen(given[:2], "left") == given[:2]
    assert chosen(given, "right") == []
    stalled = [*given, replace(given[-1], at_s=900.0)]
    assert chosen(stalled, "left")[-1].at_s == 900.0


def test_a_side_without_cement_has_no_picture() -> None:
    assert cement_maps(block_case(), fillings(3), "right") is None


def test_from_behind_the_patients_left_is_on_the_left() -> None:
    coronal, sagittal, sheet = _planes(block_case(), "left")
    aside = coronal.flat(coronal.origin + np.array([[10.0, 0.0, 0.0]]))
    np.testing.assert_allclose(aside, [[-10.0, 0.0]], atol=1e-9)
    assert coronal.ends == ("L", "R")
    for plane in (sagittal, sheet):
        behind = plane.flat(plane.origin + np.array([[0.0, 10.0, 0.0]]))
        np.testing.assert_allclose(behind, [[10.0, 0.0]], atol=1e-9)
        assert plane.ends == ("anterior", "posterior")


def test_thickness_times_area_is_the_volume() -> None:
    case, cement = block_case(), bar()
    for plane in _planes(case, "left")[:2]:
        fill = np.nan_to_num(_layer(case, plane, cement, "left").fill)
        assert fill.sum() * PIXEL_MM**2 / 1000.0 == pytest.approx(cement.ml.sum(), rel=0.03)
        assert 2.5 < fill.max() < 6.0


def test_pressure_peaks_at_the_tips_and_leaks_are_apart() -> None:
    case = block_case()
    coronal, _, sheet = _planes(case, "left")
    inside, outside = (
        _layer(case, coronal, bar(exit_way=way), "left") for way in (Exit.NONE, Exit.VEINS)
    )
    assert np.nanmax(inside.kpa) == pytest.approx(20.0, rel=1e-6)
    assert inside.beyond.max() == 0.0 < outside.beyond.max()
    on_sheet = _layer(case, sheet, bar(), "left")
    assert 0.8 < np.nanmax(on_sheet.fill) <= 1.0
    aside = _layer(case, sheet, bar(x=40.0), "left")
    assert not np.isfinite(aside.fill).any()


def test_the_picture_shows_every_map_in_colour() -> None:
    png = cement_maps(block_case(), fillings(3), "left")
    assert png is not None
    picture = np.asarray(Image.open(BytesIO(png)).convert("RGB"), float)
    assert picture.shape == (1320, 1485, 3)
    blue = picture[..., 2] - picture[..., 0] > 60
    warm = picture[..., 0] - picture[..., 2] > 90
    half = picture.shape[1] // 2
    assert blue[:, :half].sum() > 2000 > blue[:, half:].sum()
    assert warm[:, half:].sum() > 2000
