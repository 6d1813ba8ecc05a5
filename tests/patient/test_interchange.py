"""What a saved patient looks like to other programs: SimpleITK (as 3D Slicer reads) and trimesh."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import trimesh

from blocks import HIGH, LOW, block_patient
from game.geometry.grid import Grid
from game.patient.errors import PatientError
from game.patient.importing.volumes import label_names
from game.patient.nifti import read_nifti, write_nifti
from game.patient.pages import SHEET, volumes_of
from game.patient.patient import SIDES, Structure, Surface
from game.patient.ply import read_points, read_surface, write_points, write_surface
from game.patient.store import save


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved = tmp_path_factory.mktemp("patients") / "block"
    save(block_patient(), saved)
    return saved


def test_every_volume_opens_in_lps_with_its_values_in_place(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name, volume in volumes_of(block_patient()).items():
        image = sitk.ReadImage(str(folder / f"{name}.nii"))
        assert image.GetSize() == volume.grid.shape
        np.testing.assert_allclose(image.GetDirection(), np.eye(3).ravel(), atol=1e-7)
        np.testing.assert_allclose(image.GetOrigin(), volume.grid.origin, atol=1e-4)
        for index in rng.integers(0, volume.grid.shape, (50, 3)).tolist():
            point = volume.grid.point_from_index(np.array(index))
            assert list(image.TransformPhysicalPointToIndex(point)) == index
            assert image.GetPixel(index) == pytest.approx(float(volume.values[tuple(index)]))


def test_a_landmark_lies_at_its_voxel(tmp_path: Path) -> None:
    """A lead ball at an oblique place, its centre found again in LPS by another reader."""
    grid = Grid((-31.0, 12.5, -47.25), 0.75, (60, 70, 80))
    mark = np.array([-14.5, 40.25, -20.0])
    points = np.stack(np.meshgrid(*grid.axes(), indexing="ij"), axis=-1)
    ball = (np.linalg.norm(points - mark, axis=-1) < 4.0).astype(np.uint8)
    write_nifti(tmp_path / "ball.nii", ball, grid, {1: "ball"})
    seen = sitk.LabelShapeStatisticsImageFilter()
    seen.Execute(sitk.ReadImage(str(tmp_path / "ball.nii")))
    np.testing.assert_allclose(seen.GetCentroid(1), mark, atol=0.05)


def test_both_forms_of_the_affine_are_ras(tmp_path: Path) -> None:
    """nifti1.h by hand: world = affine @ index, x to the RIGHT of LPS turned round, y likewise."""
    grid = Grid((-31.0, 12.5, -47.25), 0.75, (6, 7, 8))
    write_nifti(tmp_path / "one.nii", np.zeros(grid.shape, np.float32), grid)
    head = (tmp_path / "one.nii").read_bytes()[:352]
    sform = np.array(struct.unpack_from("<12f", head, 280)).reshape(3, 4)
    b, c, d, *shift = struct.unpack_from("<6f", head, 256)
    a = np.sqrt(max(1.0 - b * b - c * c - d * d, 0.0))
    turn = np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ])  # fmt: skip
    qform = np.column_stack([turn * struct.unpack_from("<3f", head, 80), shift])
    np.testing.assert_allclose(qform, sform)
    index = np.array([5, 2, 7])
    right, front, up = sform @ [*index, 1]
    np.testing.assert_allclose([-right, -front, up], grid.point_from_index(index))


def test_labels_carry_their_names(folder: Path) -> None:
    names = label_names(folder / "labels.nii")
    assert names == {code.name.lower(): code.value for code in Structure}
    held = label_names(folder / "fractures.nii")
    assert held == {"left": 1, "right": 2}


def test_a_surface_opens_where_it_lies(folder: Path) -> None:
    path = folder / "sacrum.ply"
    mesh = trimesh.load(path, process=False)
    surface = block_patient().surfaces[Structure.SACRUM]
    np.testing.assert_array_equal(mesh.vertices, surface.vertices)
    np.testing.assert_array_equal(mesh.faces, surface.faces)
    np.testing.assert_allclose(mesh.bounds, [LOW, HIGH], atol=0.6)
    assert mesh.is_watertight and mesh.volume > 0  # wound outward
    assert b"comment SPACE=LPS\n" in path.read_bytes()[:200]


@pytest.mark.parametrize("side", SIDES)
def test_a_fracture_sheet_opens_as_points(folder: Path, side: str) -> None:
    cloud = trimesh.load(folder / f"fracture_{side}.ply")
    np.testing.assert_array_equal(cloud.vertices, block_patient().fractures[side].points)
    columns = read_points(folder / f"fracture_{side}.ply", SHEET)
    np.testing.assert_array_equal(columns[:, 4], block_patient().fractures[side].apertures)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_a_volume_comes_back_bit_for_bit(tmp_path: Path, kind: type) -> None:
    grid = Grid((0.1, -0.2, 1 / 3), 0.7, (5, 6, 37))
    values = np.random.default_rng(1).integers(0, 200, grid.shape).astype(kind)
    write_nifti(tmp_path / "one.nii", values, grid)
    again = read_nifti(tmp_path / "one.nii", kind, grid)
    assert again.dtype == kind and again.flags.c_contiguous
    np.testing.assert_array_equal(again, values)


def test_only_what_is_asked_for_is_written() -> None:
    grid = Grid((0.0, 0.0, 0.0), 1.0, (2, 2, 2))
    with pytest.raises(ValueError, match="float64 of shape"):
        write_nifti(Path("never.nii"), np.zeros((2, 2, 2)), grid)
    assert not Path("never.nii").exists()


CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (b"SPACE=LPS", b"SPACE=RAS", "in LPS"),
        (b"little_endian", b"big_endian   ", "little-endian"),
        (b"element face 1", b"element face 9", "bytes"),
        (b"element vertex 3", b"element vertex 999999999", "count"),
        (b"property float z", b"property float w", "as a patient's"),
        (b"\x03\x00\x00\x00\x00\x01", b"\x04\x00\x00\x00\x00\x01", "3 corners"),
        (b"\x02\x00\x00\x00", b"\x03\x00\x00\x00", "beyond 0 to 2"),
        (b"end_header\n", b"end_of_it_\n", "no PLY"),
    ],
)
def test_another_surface_is_refused(tmp_path: Path, old: bytes, new: bytes, word: str) -> None:
    path = tmp_path / "one.ply"
    write_surface(path, Surface(CORNERS, np.array([[0, 1, 2]], np.int32)))
    np.testing.assert_array_equal(read_surface(path).faces, [[0, 1, 2]])
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    with pytest.raises(PatientError, match=word) as caught:
        read_surface(path)
    assert "\n" not in str(caught.value)


def test_points_of_other_columns_are_refused(tmp_path: Path) -> None:
    write_points(tmp_path / "one.ply", SHEET, np.ones((3, 5)))
    with pytest.raises(PatientError, match="as a patient's"):
        read_points(tmp_path / "one.ply", (*SHEET[:4], "width"))


@pytest.mark.parametrize(
    ("at", "form", "value", "word"),
    [
        (0, "<i", 540, "NIfTI-1"),
        (42, "<h", -5, "size"),
        (42, "<h", 32767, "size"),
        (70, "<h", 64, "voxel type 64"),
        (108, "<f", 1e9, "vox_offset"),
        (108, "<f", float("nan"), "vox_offset"),
        (112, "<f", 2.0, "scaled"),
        (80, "<f", 3.0, "pixdim"),
        (260, "<f", 1.0, "qform"),
        (292, "<f", float("nan"), "sform"),
        (254, "<h", 0, "scanner"),
    ],
)
def test_another_volume_is_refused(
    tmp_path: Path, at: int, form: str, value: float, word: str
) -> None:
    path, grid = tmp_path / "one.nii", Grid((0.0, 0.0, 0.0), 1.0, (4, 4, 4))
    write_nifti(path, np.zeros(grid.shape, np.int16), grid)
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, at, value)
    path.write_bytes(bytes(data))
    with pytest.raises(PatientError, match=word) as caught:
        read_nifti(path, np.int16, grid)
    assert "\n" not in str(caught.value)
