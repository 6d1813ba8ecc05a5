"""The projector against closed forms, and against a plain NumPy twin."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from xray_solids import GRID, ball, ball_chord, patient, projector, rays, view

from game.devices.beam import DENSITIES
from game.fluoroscopy.joseph import AIR, BONE, FAT, SOFT
from game.fluoroscopy.projector import POSES_KEPT, Projector
from game.geometry.carm import Projection
from game.patient.patient import Structure

POSES = [(180.0, 0.0), (180.0, 39.0), (90.0, 0.0), (-150.0, 35.0), (135.0, 20.0), (180.0, 58.0)]


def twin(hounsfield: np.ndarray, geometry: Projection) -> np.ndarray:
    """Joseph's sums in plain NumPy: mixtures by volume, g/cm2, (3, h, w)."""
    source, directions = rays(geometry)
    start = GRID.index_from_point(source)
    out = np.zeros((3, geometry.size, geometry.size))
    for row in range(geometry.size):
        for column in range(geometry.size):
            ray = directions[row, column]
            axis = int(np.argmax(np.abs(ray)))
            slabs = np.arange(GRID.shape[axis])
            points = start + np.outer((slabs - start[axis]) / ray[axis], ray)
            hu = map_coordinates(
                hounsfield.astype(float), points.T, order=1, mode="constant", cval=AIR
            )
            bone = np.maximum(hu - SOFT, 0.0) / (BONE - SOFT)
            not_fat = np.clip((hu - FAT) / (SOFT - FAT), 0.0, 1.0)
            tissue = np.clip((hu - AIR) / (FAT - AIR), 0.0, 1.0)
            fractions = [bone, not_fat - np.minimum(bone, 1.0), tissue - not_fat]
            out[:, row, column] = np.sum(fractions, axis=1) / abs(ray[axis])
    return out * DENSITIES[:3, None, None] * GRID.spacing / 10.0


@pytest.mark.parametrize("pose", POSES)
def test_antialiased_ball_of_bone_in_soft_tissue(pose: tuple[float, float]) -> None:
    geometry = view(*pose)
    found = projector(ball(BONE, SOFT, 30.0)).areas(geometry).bone
    exact = ball_chord(geometry, 30.0) * DENSITIES[0] / 10.0
    assert np.sqrt(np.mean((found - exact) ** 2)) <= 0.005 * exact.max()


@pytest.mark.parametrize("pose", POSES)
def test_fast_kernel_equals_its_plain_twin(pose: tuple[float, float]) -> None:
    geometry = view(*pose, size=24)
    hounsfield = ball(700.0, -90.0, 20.0, (5.0, -4.0, 3.0))
    hounsfield[ball(1.0, 0.0, 44.0) == 0] = -1000
    found = projector(hounsfield).areas(geometry).values[:3]
    assert np.abs(found - twin(hounsfield, geometry)).max() < 1e-3


def test_slab_of_fat_then_soft_tissue() -> None:
    """30 mm of fat, 40 mm of soft tissue: each ray sees them at its own obliquity."""
    hounsfield = np.full(GRID.shape, AIR, np.int16)
    hounsfield[:, 10:40] = FAT
    hounsfield[:, 40:80] = SOFT
    geometry = view(180.0, 0.0, size=32, field=100.0)
    areas = projector(hounsfield).areas(geometry)
    oblique = 1.0 / np.abs(rays(geometry)[1][:, :, 1])
    assert areas.fat == pytest.approx(30.0 * 0.095 * oblique, rel=1e-4)
    assert areas.soft == pytest.approx(40.0 * 0.106 * oblique, rel=1e-4)
    assert np.abs(areas.bone).max() < 1e-5


def test_thin_trabecular_bone_counts() -> None:
    """100 HU is far below a hard bone threshold; its share of bone is still there."""
    hounsfield = np.full(GRID.shape, 100, np.int16)
    found = projector(hounsfield).areas(view(180.0, 0.0, size=3, field=2.0)).bone[1, 1]
    share = (100.0 - SOFT) / (BONE - SOFT)
    assert found == pytest.approx(share * 1.92 * 10.1, rel=0.02)


def test_the_body_goes_on_beyond_the_volumes_ends() -> None:
    """A tilted beam enters through the volume's top; the path is as in a longer body, 100 mm deep
    between the middles of its outer voxels."""
    hounsfield = np.full(GRID.shape, SOFT, np.int16)
    geometry = view(180.0, 45.0, size=3, field=2.0)
    found = projector(hounsfield).areas(geometry).soft[1, 1]
    assert found == pytest.approx(10.0 * np.sqrt(2.0) * 1.06, rel=0.002)


def test_bone_and_metal_do_not_go_on_beyond_the_volumes_ends() -> None:
    """Bone and a nail across the lower end slice: a beam that leaves below meets soft tissue."""
    hounsfield = np.full(GRID.shape, SOFT, np.int16)
    geometry = view(180.0, 60.0, size=3, field=2.0)
    plain = projector(hounsfield).areas(geometry).values
    hounsfield[:, :, :2] = BONE
    lying = patient(hounsfield)
    lying.structures[45:55, :, :2] = Structure.METAL
    found = Projector(lying).areas(geometry).values
    assert found[[0, 3]].max() < 10.0 * 0.3, "as much as two slices hold, not a column of it"
    assert found[:3].sum(axis=0) == pytest.approx(plain[:3].sum(axis=0), rel=0.03)


def test_metal_counts_as_steel_and_displaces() -> None:
    hounsfield = np.full(GRID.shape, SOFT, np.int16)
    lying = patient(hounsfield)
    lying.structures[:, 40:60] = Structure.METAL
    areas = Projector(lying).areas(view(180.0, 0.0, size=3, field=2.0))
    assert areas.steel[1, 1] == pytest.approx(2.0 * 8.0, rel=1e-3)
    assert areas.soft[1, 1] == pytest.approx(8.0 * 1.06, rel=0.03)


def test_parallel_and_serial_agree() -> None:
    hounsfield, geometry = ball(800.0, 0.0, 25.0), view(-150.0, 35.0)
    serial = projector(hounsfield).areas(geometry).values
    assert np.array_equal(serial, projector(hounsfield, parallel=True).areas(geometry).values)


def test_poses_are_kept_and_dropped() -> None:
    made = projector(ball(800.0, 0.0, 25.0))
    first = made.areas(view(180.0, 0.0, size=8))
    assert made.areas(view(180.0, 0.0, size=8)) is first
    for tilt in range(1, POSES_KEPT + 1):
        made.areas(view(180.0, float(tilt), size=8))
    assert made.areas(view(180.0, 0.0, size=8)) is not first


def test_nothing_in_the_beam() -> None:
    empty = projector(np.full(GRID.shape, AIR, np.int16))
    assert np.abs(empty.areas(view(180.0, 10.0)).values).max() == 0.0


@pytest.mark.parametrize("pose", [(180.0, 39.0), (90.0, 0.0), (-150.0, 35.0)])
def test_against_fine_quadrature_of_the_same_interpolant(pose: tuple[float, float]) -> None:
    """RMS within 0.5 % of the peak of sums over steps of a twentieth of a voxel."""
    hounsfield = ball(900.0, SOFT, 30.0, (5.0, -4.0, 3.0))
    geometry = view(*pose, size=16, field=100.0)
    found = projector(hounsfield).areas(geometry).bone
    source, directions = rays(geometry)
    step = 0.05
    places = np.arange(400.0, 660.0, step)
    fine = np.zeros((16, 16))
    for row, column in np.ndindex(16, 16):
        at = GRID.index_from_point(source + places[:, None] * directions[row, column])
        hu = map_coordinates(hounsfield.astype(float), at.T, order=1, mode="constant", cval=AIR)
        fine[row, column] = (np.maximum(hu - SOFT, 0.0)).sum() * step
    fine *= DENSITIES[0] / 10.0 / (BONE - SOFT)
    assert np.sqrt(np.mean((found - fine) ** 2)) <= 0.005 * fine.max()


@pytest.mark.parametrize("pose", [(180.0, 39.0), (90.0, 0.0), (-150.0, 35.0)])
def test_pixels_told_by_their_neighbours(
    pose: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grainy bone in soft tissue in air, as if every pixel had been traced: bone, and soft tissue
    with fat, to 0.5 % of their peaks (RMS), the depth to 0.5 % (RMS); where soft tissue and fat
    make up for each other 0.04 g/cm2 of either may be the other's. A ball's chords: 0.5 %."""
    hounsfield = ball(800.0, 20.0, 22.0, (4.0, -3.0, 2.0)).astype(float)
    grain = np.random.default_rng(2).normal(0.0, 20.0, hounsfield.shape)
    hounsfield = np.where(ball(1.0, 0.0, 44.0) > 0, hounsfield + grain, -1000.0).astype(np.int16)
    geometry = view(*pose, size=192, field=110.0)
    told = projector(hounsfield).areas(geometry).values[:3]
    both = projector(hounsfield, parallel=True).areas(geometry).values[:3]
    assert np.array_equal(told, both)
    whole = view(*pose, size=512)
    exact = ball_chord(whole, 30.0) * DENSITIES[0] / 10.0
    found = projector(ball(BONE, SOFT, 30.0)).areas(whole).bone
    assert np.sqrt(np.mean((found - exact) ** 2)) <= 0.005 * exact.max()
    monkeypatch.setattr("game.fluoroscopy.projector.TOLD_BY_NEIGHBOURS", 0.0)
    traced = projector(hounsfield).areas(geometry).values[:3]
    off = np.sqrt(np.mean((told - traced) ** 2, axis=(1, 2)))
    assert off[0] <= 0.005 * traced[0].max()
    assert off[1:].max() < 0.04
    flesh, before = told[1] + told[2], traced[1] + traced[2]
    assert np.sqrt(np.mean((flesh - before) ** 2)) <= 0.005 * before.max()
    depth = np.einsum("m,mhw->hw", [0.3148, 0.2048, 0.1974], told - traced)
    assert np.sqrt(np.mean(depth**2)) < 0.005
    assert (told != traced).mean() > 0.2, "some pixels are told, else there is nothing to test"
