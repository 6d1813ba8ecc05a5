"""The embedded patient against the published morphometry, its topology, and its own landmarks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import euler_number

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import SIDES, Side, Structure
from game.patient.procedural import procedural
from game.patient.procedural.draw import draw
from game.patient.segmentation import Segmentation
from game.patient.traits import Traits

SIGN = {"left": 1.0, "right": -1.0}


@pytest.fixture(scope="module")
def pelvis() -> Segmentation:
    """The female template: every measure at its published mean."""
    return procedural(Traits(template=True), 1.0)


@pytest.fixture(scope="module")
def around(pelvis: Segmentation) -> tuple[slice, ...]:
    """The voxels within 12 mm of the sacrum's box: all that the distances here need."""
    where = ndimage.find_objects((pelvis.structures == Structure.SACRUM).astype(np.uint8))[0]
    return tuple(slice(max(s.start - 12, 0), s.stop + 12) for s in where)


@pytest.fixture(scope="module")
def near(pelvis: Segmentation, around: tuple[slice, ...]) -> NDArray[np.uint8]:
    return pelvis.structures[around]


@pytest.fixture(scope="module")
def grid(pelvis: Segmentation, around: tuple[slice, ...], near: NDArray[np.uint8]) -> Grid:
    x, y, z = (o + pelvis.spacing[0] * s.start for o, s in zip(pelvis.origin, around, strict=True))
    return Grid((x, y, z), pelvis.spacing[0], (near.shape[0], near.shape[1], near.shape[2]))


@pytest.fixture(scope="module")
def bone(near: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(near == Structure.SACRUM)


@pytest.fixture(scope="module")
def depth(bone: NDArray[np.bool_]) -> NDArray[np.float32]:
    """mm inside the sacrum, negative outside; 1 mm voxels, so half a voxel wrong at most."""
    inside = ndimage.distance_transform_edt(bone)
    outside = ndimage.distance_transform_edt(~bone)
    return np.asarray(np.where(bone, inside - 0.5, 0.5 - outside), np.float32)


def mark(pelvis: Segmentation, name: str) -> FloatArray:
    return pelvis.known[name].point


def axes_of_s1(pelvis: Segmentation) -> tuple[FloatArray, FloatArray]:
    """Unit vectors along the S1 endplate backwards, and up out of it."""
    back = mark(pelvis, "s1_posterior_corner") - mark(pelvis, "promontory")
    back /= np.linalg.norm(back)
    return back, np.array([0.0, -back[2], back[1]])


def bone_along(
    grid: Grid, depth: NDArray[np.float32], start: FloatArray, along: FloatArray
) -> float:
    """Length, mm, of the longest stretch of sacrum on a line of +-45 mm through `start`."""
    steps = np.arange(-45.0, 45.0, 0.1)
    inside = grid.sample(depth, start + np.outer(steps, along), -9.0) > 0
    pieces, count = ndimage.label(inside)
    return max(float((pieces == n + 1).sum()) * 0.1 for n in range(count))


def voxels(pelvis: Segmentation, code: Structure) -> FloatArray:
    return np.argwhere(pelvis.structures == code) * pelvis.spacing[0] + np.array(pelvis.origin)


@pytest.mark.parametrize("seed", [0, 1])
def test_topology_is_that_of_a_sacrum(seed: int) -> None:
    """One body of genus 17: the surface's Euler characteristic is -32, the solid's half of it."""
    bone = procedural(Traits(seed=seed)).structures == Structure.SACRUM
    where = ndimage.find_objects(bone.astype(np.uint8))[0]
    solid = np.pad(bone[where], 1)
    assert ndimage.label(solid)[1] == 1
    assert ndimage.label(~solid)[1] == 1, "a closed hollow"
    assert 2 * euler_number(solid, connectivity=3) == -32


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_each_foramen_is_an_open_tunnel(
    pelvis: Segmentation, grid: Grid, depth: NDArray[np.float32], side: Side, level: int
) -> None:
    """Inside a tube of 8 mm around its middle, the space from front to back is one piece."""
    centre = mark(pelvis, f"foramen_s{level}_{side}")
    other = 2 if level == 1 else level - 1
    down = (centre - mark(pelvis, f"foramen_s{other}_{side}")) * (1 if level > 1 else -1)
    through = np.cross([1.0, 0.0, 0.0], down)
    through /= np.linalg.norm(through)
    up = np.cross(through, [1.0, 0.0, 0.0])
    u, v = np.arange(-8.0, 8.5, 0.5), np.arange(-28.0, 28.5, 0.5)
    a, b, c = np.meshgrid(u, u, v, indexing="ij")
    at = centre + a[..., None] * np.array([1.0, 0, 0]) + b[..., None] * up + c[..., None] * through
    free = grid.sample(depth, at.reshape(-1, 3), -9.0).reshape(a.shape) < 0
    pieces, _ = ndimage.label(free & (a * a + b * b <= 64.0))
    middle = pieces[len(u) // 2, len(u) // 2, len(v) // 2]
    assert middle > 0
    assert (pieces[..., 0] == middle).any() and (pieces[..., -1] == middle).any()


def test_breadth(pelvis: Segmentation, bone: NDArray[np.bool_]) -> None:
    across = np.flatnonzero(bone.any(axis=(1, 2)))
    assert (across[-1] - across[0] + 1) * pelvis.spacing[0] == pytest.approx(120.7, abs=6.2)


@pytest.mark.parametrize(
    ("x", "below", "mean", "deviation"),
    [
        (0.0, 1.5, 29.6, 1.8),
        (0.0, 8.0, 26.8, 2.6),
        (0.0, 15.0, 22.7, 1.4),
        (35.0, 8.0, 21.6, 4.7),
        (-35.0, 8.0, 21.6, 4.7),
        (35.0, 15.0, 31.3, 4.9),
        (-35.0, 15.0, 31.3, 4.9),
    ],
)
def test_front_to_back(
    pelvis: Segmentation,
    grid: Grid,
    depth: NDArray[np.float32],
    x: float,
    below: float,
    mean: float,
    deviation: float,
) -> None:
    """Body and ala, measured along the endplate: within 1 SD of 6 European women."""
    back, up = axes_of_s1(pelvis)
    found = bone_along(grid, depth, np.array([x, 0, 0]) - below * up, back)
    assert found == pytest.approx(mean, abs=deviation)


@pytest.mark.parametrize(
    ("level", "apart", "apart_sd", "pitch", "pitch_sd"),
    [(1, 46.4, 2.7, 25.8, 2.8), (2, 41.9, 3.7, 20.9, 2.4), (3, 37.9, 3.2, 17.4, 1.9)],
)
def test_foramen_centres(
    pelvis: Segmentation,
    level: int,
    apart: float,
    apart_sd: float,
    pitch: float,
    pitch_sd: float,
) -> None:
    left, right = (mark(pelvis, f"foramen_s{level}_{side}") for side in SIDES)
    below = mark(pelvis, f"foramen_s{level + 1}_left")
    assert np.linalg.norm(left - right) == pytest.approx(apart, abs=apart_sd)
    assert np.linalg.norm(left - below) == pytest.approx(pitch, abs=pitch_sd)


@pytest.mark.parametrize("side", SIDES)
def test_landmarks_lie_on_what_they_name(
    pelvis: Segmentation, grid: Grid, depth: NDArray[np.float32], side: Side
) -> None:
    on_bone = mark(pelvis, f"s3_lateral_{side}")[None]
    assert np.all(np.abs(grid.sample(depth, on_bone, -9.0)) < 2.0)


def test_left_is_left(pelvis: Segmentation) -> None:
    for left, right in (
        (Structure.HIP_LEFT, Structure.HIP_RIGHT),
        (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT),
    ):
        assert voxels(pelvis, left)[:, 0].min() > 0 > voxels(pelvis, right)[:, 0].max()


def test_sides_are_not_mirror_images() -> None:
    person = procedural(Traits(), 1.5)
    left, right = (np.abs(mark(person, f"foramen_s2_{side}")) for side in SIDES)
    assert 0.1 < np.abs(left - right).max() < 3.0


def test_joint_gap(near: NDArray[np.uint8], grid: Grid, bone: NDArray[np.bool_]) -> None:
    """Hips keep 2-4 mm off the sacrum; over a joint of some size they are as near as that."""
    rim = bone & ~ndimage.binary_erosion(bone)
    for code in (Structure.HIP_LEFT, Structure.HIP_RIGHT):
        far = ndimage.distance_transform_edt(near != code)
        assert far[rim].min() >= 2.0
        joint = grid.point_from_index(np.argwhere(rim & (far <= 4.5)))
        assert len(joint) > 500  # mm2
        assert 30.0 < np.ptp(joint[:, 2]) < 60.0


def test_skin_to_sacrum(pelvis: Segmentation) -> None:
    """38-58, 25-37, 22-31 mm at 20, 40, 60 % of sacral height, x = +-25 mm (4 CTs)."""
    last = voxels(pelvis, Structure.SACRUM)[:, 2].min() + 25.0  # the coccyx is about 25 mm high
    whole = Grid(pelvis.origin, pelvis.spacing[0], pelvis.structures.shape)
    for share, low, high in ((0.2, 38, 58), (0.4, 25, 37), (0.6, 22, 31)):
        for x in (-25.0, 25.0):
            i, _, k = np.rint(whole.index_from_point(np.array([x, 0, share * last]))).astype(int)
            column = pelvis.structures[i, :, k]
            skin = np.flatnonzero(column != Structure.AIR)[-1]
            assert low <= skin - np.flatnonzero(column == Structure.SACRUM)[-1] <= high


def test_every_structure_is_there(pelvis: Segmentation) -> None:
    found = set(np.unique(pelvis.structures).tolist())
    assert found == {int(code) for code in Structure} - {int(Structure.METAL)}
    assert pelvis.hounsfield is None


def test_same_seed_same_voxels(pelvis: Segmentation) -> None:
    again = procedural(Traits(template=True), 1.0)
    assert np.array_equal(again.structures, pelvis.structures)


def test_seeds_differ_as_published() -> None:
    """The breadth of 200 women: 120.7+-6.2 mm [M]."""
    breadths = [draw(Traits(seed=seed))["breadth"] for seed in range(200)]
    assert np.mean(breadths) == pytest.approx(120.7, abs=0.3 * 6.2)
    assert 0.7 < np.std(breadths) / 6.2 < 1.3


@pytest.mark.parametrize("spacing", [0.0, -1.0, 0.1, 5.0, float("nan")])
def test_a_spacing_that_cannot_be_is_refused(spacing: float) -> None:
    with pytest.raises(ValueError, match="spacing is"):
        procedural(Traits(), spacing)
