"""The projector against closed forms, and against a plain NumPy twin."""

from __future__ import annotations

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from scipy.ndimage import map_coordinates
from xray_solids import GRID, ball, ball_chord, patient, projector, rays, view

from game.devices.beam import DENSITIES
from game.fluoroscopy.joseph import AIR, BONE, CLIMB, FAT, REACH, SOFT, fans_of
from game.fluoroscopy.projector import POSES_KEPT, Projector
from game.geometry.carm import Projection
from game.patient.patient import Structure

POSES = [(180.0, 0.0), (180.0, 39.0), (90.0, 0.0), (-150.0, 35.0), (135.0, 20.0), (180.0, 58.0)]


def shares(hounsfield: np.ndarray) -> np.ndarray:
    """Shares by volume (3, ...) of bone, soft tissue and fat, voxel by voxel."""
    hu = hounsfield.astype(float)
    bone = np.maximum(hu - SOFT, 0.0) / (BONE - SOFT)
    not_fat = np.clip((hu - FAT) / (SOFT - FAT), 0.0, 1.0)
    tissue = np.clip((hu - AIR) / (FAT - AIR), 0.0, 1.0)
    return np.stack([bone, not_fat - np.minimum(bone, 1.0), tissue - not_fat])


def between(samples: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Samples (..., n) read at places (k,) by Lanczos's kernel of six."""
    nearest = np.floor(places).astype(int)[:, None] + np.arange(1 - REACH, REACH + 1)
    away = places[:, None] - nearest
    weights = np.sinc(away) * np.sinc(away / REACH)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.sum(samples[..., nearest] * weights, axis=-1)


def twin(hounsfield: np.ndarray, geometry: Projection) -> np.ndarray:
    """The same rays in plain NumPy, from mixtures by volume in ten and twelve bits: g/cm2,
    (3, h, w)."""
    source, corner = (GRID.index_from_point(p) for p in (geometry.source, geometry.pixel(0, 0)))
    pixel = geometry.pixel_mm / GRID.spacing
    right, down = pixel * np.array(geometry.right), pixel * np.array(geometry.down)
    fans = fans_of(source, corner, right, down, geometry.size)
    volumes, steps = shares(hounsfield), np.array([BONE - SOFT, 1023.0, 1023.0])[:, None, None]
    traced = np.zeros((3, len(fans.ahead), len(fans.sideways)))
    for number, k in enumerate(fans.sideways):
        ray = fans.forward + k * fans.aside
        d = int(np.argmax(np.abs(ray)))
        apart = min(1.0, CLIMB / np.abs(fans.climb / ray[d]).max())
        slabs = np.arange(0.0, GRID.shape[d] - 1 + 1e-9, apart)
        along = (slabs - source[d]) / ray[d]
        places = source[:2] + along[:, None] * ray
        lines = (places[:, 0, None], places[:, 1, None], np.arange(GRID.shape[2])[None, :])
        at = np.broadcast_arrays(*lines)
        plane = np.stack([map_coordinates(v, at, order=1, cval=0.0) for v in volumes])
        plane = np.rint(plane * steps) / steps
        z = source[2] + along[:, None] * fans.climb
        where = [np.broadcast_to(np.arange(len(slabs))[:, None], z.shape), z]
        found = [map_coordinates(m, where, order=1, mode="nearest").sum(axis=0) for m in plane]
        length = apart * np.sqrt(ray @ ray + fans.climb**2) / abs(ray[d])
        traced[:, :, number] = np.array(found) * length
    columns = np.arange(geometry.size)
    rows_of = np.stack(
        [
            between(traced[:, row], fans.start[row] + columns * fans.pixel[row])
            for row in range(len(fans.ahead))
        ],
        axis=-1,
    )
    picture = between(rows_of, columns / fans.step + REACH).swapaxes(1, 2)
    return picture * DENSITIES[:3, None, None] * GRID.spacing / 10.0


def quadrature(hounsfield: np.ndarray, geometry: Projection, pixels: np.ndarray) -> np.ndarray:
    """Sums over a twentieth of a voxel of the interpolated mixtures, g/cm2 (3, n), of some pixels
    (n, 2), each a row and a column."""
    source, directions = rays(geometry)
    step, volumes, out = 0.05, shares(hounsfield), np.zeros((3, len(pixels)))
    places = np.arange(400.0, 660.0, step)
    for n, (row, column) in enumerate(pixels):
        at = GRID.index_from_point(source + places[:, None] * directions[row, column])
        out[:, n] = [map_coordinates(v, at.T, order=1, cval=0.0).sum() * step for v in volumes]
    return out * DENSITIES[:3, None] / 10.0


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
    assert np.abs(found - np.maximum(twin(hounsfield, geometry), 0.0)).max() < 1e-3


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


@pytest.mark.parametrize("pose", POSES)
def test_against_fine_quadrature_of_the_same_interpolant(pose: tuple[float, float]) -> None:
    """RMS within 0.5 % of the peak, where samples lie further apart than pixels too."""
    hounsfield = ball(900.0, SOFT, 30.0, (5.0, -4.0, 3.0))
    for size, field in ((16, 100.0), (512, 298.0)):
        geometry = view(*pose, size=size, field=field)
        pixels = np.random.default_rng(size).integers(3 * size // 10, 7 * size // 10, (150, 2))
        found = projector(hounsfield).areas(geometry).bone[pixels[:, 0], pixels[:, 1]]
        fine = quadrature(hounsfield, geometry, pixels)[0]
        assert np.sqrt(np.mean((found - fine) ** 2)) <= 0.005 * fine.max()


@pytest.mark.parametrize("pose", POSES)
def test_grainy_bone_in_a_fine_picture(pose: tuple[float, float]) -> None:
    """Grainy bone in soft tissue in air, of whose pixels a quarter is traced, against fine
    quadrature: bone, and soft tissue with fat, to 0.5 % of their peaks (RMS), the depth to 0.5 %
    (RMS); where soft tissue and fat make up for each other 0.04 g/cm2 of either may be the
    other's. A ball's chords: 0.5 %."""
    hounsfield = ball(800.0, 20.0, 22.0, (4.0, -3.0, 2.0)).astype(float)
    grain = np.random.default_rng(2).normal(0.0, 20.0, hounsfield.shape)
    hounsfield = np.where(ball(1.0, 0.0, 44.0) > 0, hounsfield + grain, -1000.0).astype(np.int16)
    geometry = view(*pose, size=192, field=110.0)
    found = projector(hounsfield).areas(geometry).values[:3]
    assert np.array_equal(found, projector(hounsfield, parallel=True).areas(geometry).values[:3])
    pixels = np.random.default_rng(3).integers(0, 192, (300, 2))
    fine = quadrature(hounsfield, geometry, pixels)
    off = found[:, pixels[:, 0], pixels[:, 1]] - fine
    rms = np.sqrt(np.mean(off**2, axis=1))
    assert rms[0] <= 0.005 * fine[0].max()
    assert rms[1:].max() < 0.04
    assert np.sqrt(np.mean((off[1] + off[2]) ** 2)) <= 0.005 * (fine[1] + fine[2]).max()
    depth = np.array([0.3148, 0.2048, 0.1974]) @ off
    assert np.sqrt(np.mean(depth**2)) < 0.005
    whole = view(*pose, size=512)
    exact = ball_chord(whole, 30.0) * DENSITIES[0] / 10.0
    ours = projector(ball(BONE, SOFT, 30.0)).areas(whole).bone
    assert np.sqrt(np.mean((ours - exact) ** 2)) <= 0.005 * exact.max()


def test_fat_does_not_line_bone() -> None:
    """Between voxels of bone and of air there is bone and air."""
    hounsfield = np.where(ball(1.0, 0.0, 30.0) > 0, BONE, AIR).astype(np.int16)
    areas = projector(hounsfield).areas(view(-150.0, 35.0))
    assert areas.bone.max() > 10.0
    assert max(areas.fat.max(), areas.soft.max()) < 1e-3


def test_a_beam_along_the_body_is_refused() -> None:
    with pytest.raises(ValueError, match="long axis"):
        projector(ball(BONE, SOFT, 30.0)).areas(view(180.0, 84.0))


def test_one_and_two_threads_agree_bit_for_bit() -> None:
    hounsfield, geometry = ball(800.0, -60.0, 25.0), view(-150.0, 35.0, size=128)
    made, before = [], get_num_threads()
    for threads in (1, min(2, before)):
        set_num_threads(threads)
        made.append(projector(hounsfield, parallel=True).areas(geometry).values)
    set_num_threads(before)
    assert np.array_equal(*made)
