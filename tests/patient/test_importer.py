"""Every bad folder is one clear line; every good one a segmentation the right way round."""

from __future__ import annotations

import gzip
import shutil
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from game.patient.errors import PatientError
from game.patient.importing import Choices, read_segmentation
from game.patient.importing.names import TOTAL
from game.patient.importing.volumes import label_names, read_volume
from game.patient.patient import Structure
from game.patient.procedural import procedural
from game.patient.segmentation import Segmentation
from game.patient.traits import Traits

SPACING = (3.0, 3.0, 3.0)
SAID = Choices(totalsegmentator="v2")


@cache
def solids() -> dict[str, NDArray[np.bool_]]:
    """The generated pelvis at 3 mm [x, y, z], LPS."""
    codes = procedural(Traits(), 3.0).structures
    code = Structure
    return {
        "sacrum": codes == code.SACRUM, "left": codes == code.HIP_LEFT,
        "right": codes == code.HIP_RIGHT, "spine": codes == code.L5,
        "body": codes != code.AIR, "muscle": codes == code.MUSCLE,
    }  # fmt: skip


SHAPE = procedural(Traits(), 3.0).structures.shape
ORIGIN = procedural(Traits(), 3.0).origin


def write(path: Path, values: NDArray[np.generic], spacing: tuple[float, ...] = SPACING) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
    image.SetSpacing(spacing)
    image.SetOrigin(ORIGIN)
    sitk.WriteImage(image, str(path), useCompression=path.suffix == ".mhd")


def plain_labels() -> NDArray[np.int16]:
    parts, labels = solids(), np.zeros(SHAPE, np.int16)
    for name, code in (("muscle", 5), ("left", 1), ("right", 1), ("sacrum", 3), ("spine", 4)):
        labels[parts[name]] = code
    return labels


def known_labels() -> NDArray[np.uint8]:
    """TotalSegmentator v2's numbers."""
    labels = np.zeros(SHAPE, np.uint8)
    for name, code in (("sacrum", 25), ("left", 77), ("right", 78), ("spine", 27)):
        labels[solids()[name]] = code
    return labels


@pytest.fixture(scope="module")
def good_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels")
    write(folder / "label.mhd", plain_labels())
    write(folder / "mask.mhd", solids()["body"].astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def good_ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, parts = tmp_path_factory.mktemp("ct"), solids()
    labels, ct = known_labels(), np.full(SHAPE, -1000, np.int32)
    ct[parts["body"]] = -90
    ct[parts["muscle"]] = 55
    for name in ("sacrum", "left", "right", "spine"):
        ct[parts[name]] = 300
    ct[30, 30, 12] = 40_000
    write(folder / "labels.nii.gz", labels)
    write(folder / "scan.nii.gz", ct)
    return folder


@pytest.fixture
def labels(good_labels: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good_labels, tmp_path / "map"))


@pytest.fixture
def ct(good_ct: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good_ct, tmp_path / "scan"))


def refused(folder: Path) -> str:
    known = (folder / "label.mhd").exists()  # the pelvic maps tell their numbering themselves
    with pytest.raises(PatientError) as caught:
        read_segmentation(folder, None if known else SAID)
    line = str(caught.value)
    assert line and "\n" not in line and len(line) < 400
    return line


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def nifti_bytes(path: Path, at: int, new: bytes) -> None:
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[at : at + len(new)] = new
    path.write_bytes(gzip.compress(bytes(data)))


def middle(made: Segmentation, code: Structure) -> NDArray[np.float64]:
    at = np.argwhere(made.structures == code).mean(axis=0)
    return at * made.spacing + made.origin


def test_a_label_map_comes_in_with_its_sides(labels: Path) -> None:
    made = read_segmentation(labels)
    assert (made.source, made.hounsfield, made.spacing) == ("labels", None, SPACING)
    assert np.array_equal(made.structures == Structure.HIP_LEFT, solids()["left"])
    assert np.array_equal(made.structures == Structure.HIP_RIGHT, solids()["right"])
    assert any("unverified" in note for note in made.notes)
    assert np.array_equal(made.structures != Structure.AIR, solids()["body"])


def test_a_ct_comes_in_with_its_numbers_and_metal(ct: Path) -> None:
    made = read_segmentation(ct, SAID)
    assert made.source == "ct" and made.hounsfield is not None
    assert made.hounsfield[solids()["sacrum"]].min() == 300
    assert made.structures[30, 30, 12] == Structure.METAL and made.hounsfield[30, 30, 12] == 3071
    assert any("3071" in note for note in made.notes)
    assert middle(made, Structure.L5)[2] > middle(made, Structure.SACRUM)[2]


def test_a_turned_scan_is_turned_back(ct: Path) -> None:
    plain = read_segmentation(ct, SAID)
    for name in ("scan.nii.gz", "labels.nii.gz"):
        image = sitk.DICOMOrient(sitk.ReadImage(str(ct / name)), "RAS")
        sitk.WriteImage(image, str(ct / name))
    turned = read_segmentation(ct, SAID)
    assert np.array_equal(turned.structures, plain.structures)
    assert np.allclose(turned.origin, plain.origin, atol=1e-3)


def test_a_nan_slope_in_a_nifti_header_leaves_the_values_as_they_are(ct: Path) -> None:
    plain = read_segmentation(ct, SAID)
    nifti_bytes(ct / "scan.nii.gz", 112, struct.pack("<2f", float("nan"), float("nan")))
    same = read_segmentation(ct, SAID)
    assert plain.hounsfield is not None and np.array_equal(same.hounsfield, plain.hounsfield)


def test_no_folder(tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "absent")
    (tmp_path / "ct.nii").touch()
    assert "is a file; allowed: the folder" in refused(tmp_path / "ct.nii")


def test_no_label_map(tmp_path: Path, ct: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has no label map" in refused(empty)
    (ct / "labels.nii.gz").unlink()
    (ct / "scan.nii.gz").rename(ct / "one.nii.gz")
    shutil.copy(ct / "one.nii.gz", ct / "two.nii.gz")
    assert "0 label map(s) and 2 CT(s)" in refused(ct)


def test_a_label_map_without_its_mask(labels: Path) -> None:
    (labels / "mask.mhd").unlink()
    assert "mask.mhd" in refused(labels)


@pytest.mark.parametrize("kept", [0, 10, 300])
def test_a_truncated_data_file(labels: Path, kept: int) -> None:
    data = labels / "label.zraw"
    data.write_bytes(data.read_bytes()[:kept])
    assert "label.zraw" in refused(labels) or "label.mhd" in refused(labels)


def test_a_truncated_nifti_file(ct: Path) -> None:
    scan = ct / "scan.nii.gz"
    whole = gzip.decompress(scan.read_bytes())
    scan.write_bytes(gzip.compress(whole[: len(whole) // 2]))
    assert "cut short" in refused(ct)
    scan.write_bytes(gzip.compress(whole)[:500])
    assert "scan.nii.gz" in refused(ct)


def test_a_label_map_without_a_sacrum(labels: Path) -> None:
    values = plain_labels()
    values[values == 3] = 0
    write(labels / "label.mhd", values)
    assert "no sacrum" in refused(labels)


def test_a_ct_label_map_without_a_sacrum(ct: Path) -> None:
    write(ct / "labels.nii.gz", np.where(solids()["left"], 77, 0).astype(np.uint8))
    assert "no sacrum (label 25)" in refused(ct)


@pytest.mark.parametrize("value", ["-3", "0", "nan", "inf", "1e9", "three"])
def test_a_bad_spacing_in_a_metaimage(labels: Path, value: str) -> None:
    edit(labels / "label.mhd", "ElementSpacing = 3 3 3", f"ElementSpacing = 3 {value} 3")
    line = refused(labels)
    assert "spacing" in line or "no number" in line


@pytest.mark.parametrize("value", [-3.0, 0.0, float("nan"), float("inf"), 1e-9])
def test_a_bad_spacing_in_a_nifti_header(ct: Path, value: float) -> None:
    nifti_bytes(ct / "scan.nii.gz", 80, struct.pack("<f", value))
    assert "spacing" in refused(ct)


def test_an_absurd_size_is_refused_before_a_voxel_is_read(labels: Path) -> None:
    edit(
        labels / "label.mhd",
        "DimSize = " + " ".join(str(n) for n in SHAPE),
        "DimSize = 60000 40000 30000",
    )
    assert "at most 1000000000" in refused(labels)


def test_an_absurd_nifti_size(ct: Path) -> None:
    nifti_bytes(ct / "scan.nii.gz", 42, struct.pack("<3h", 32000, 32000, 32000))
    assert "at most 1000000000" in refused(ct)


def test_different_grids(ct: Path) -> None:
    write(ct / "labels.nii.gz", np.pad(known_labels(), ((0, 0), (0, 0), (0, 1))))
    assert "different grids" in refused(ct)


def test_different_mask_grid(labels: Path) -> None:
    write(labels / "mask.mhd", solids()["body"].astype(np.uint8), (3.0, 3.0, 4.0))
    assert "different grids" in refused(labels)


def test_a_data_file_elsewhere_is_not_opened(labels: Path) -> None:
    edit(labels / "label.mhd", "= label.zraw", "= ../../label.zraw")
    assert "same folder" in refused(labels)


def test_labels_that_are_no_whole_numbers(labels: Path) -> None:
    write(labels / "label.mhd", plain_labels().astype(np.float32))
    assert "whole numbers" in refused(labels)


def test_labels_of_another_numbering(labels: Path) -> None:
    write(labels / "label.mhd", plain_labels() * np.int16(50))
    assert "no sacrum" in refused(labels)


def test_a_speck_of_a_sacrum(labels: Path) -> None:
    values = plain_labels()
    values[values == 3] = 0
    values[solids()["sacrum"].nonzero()[0][0], 26, 14] = 3
    write(labels / "label.mhd", values)
    assert "sacrum has" in refused(labels)


@pytest.mark.parametrize(("axis", "word"), [(1, "posterior"), (2, "cranial")])
def test_a_patient_the_wrong_way_round(labels: Path, axis: int, word: str) -> None:
    write(labels / "label.mhd", np.flip(plain_labels(), axis))
    write(labels / "mask.mhd", np.flip(solids()["body"], axis).astype(np.uint8))
    assert word in refused(labels)


def test_swapped_hips_in_a_ct(ct: Path) -> None:
    parts, values = solids(), np.zeros(SHAPE, np.uint8)
    for name, code in (("sacrum", 25), ("left", 78), ("right", 77), ("spine", 27)):
        values[parts[name]] = code
    write(ct / "labels.nii.gz", values)
    assert "left hip bone" in refused(ct)


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_metaimage_header_never_crashes(
    data: st.DataObject, good_labels: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good_labels, folder)
    header = bytearray((folder / "label.mhd").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(header) - 1))
        header[at] = data.draw(st.integers(0, 255))
    (folder / "label.mhd").write_bytes(bytes(header))
    try:
        made = read_volume(folder / "label.mhd")
    except PatientError as error:
        assert "\n" not in str(error)
    else:
        assert sorted(made.values.shape) == sorted(SHAPE)


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_nifti_header_never_crashes(
    data: st.DataObject, good_ct: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good_ct, folder)
    for _ in range(data.draw(st.integers(1, 4))):
        at, value = data.draw(st.integers(0, 351)), data.draw(st.integers(0, 255))
        nifti_bytes(folder / "scan.nii.gz", at, bytes([value]))
    try:
        made = read_volume(folder / "scan.nii.gz")
    except PatientError as error:
        assert "\n" not in str(error)
    else:
        assert np.prod(made.values.shape) == np.prod(SHAPE)


def test_real_ct_names_and_sides(shared_data: Path) -> None:
    folder = shared_data / "pelvic-ct"
    names = label_names(folder / "totalsegmentator_v2.nii.gz")
    assert {name: names[name] for name in ("sacrum", "hip_left", "vertebrae_L5")} == {
        name: code
        for code, name in TOTAL["v2"].items()
        if name in ("sacrum", "hip_left", "vertebrae_L5")
    }
    made = read_segmentation(folder)
    assert middle(made, Structure.HIP_LEFT)[0] > 50 > -50 > middle(made, Structure.HIP_RIGHT)[0]
    assert np.any(made.structures == Structure.METAL)


@pytest.mark.parametrize("case", ["case-001", "case-004"])
def test_real_label_maps_have_two_like_hips(shared_data: Path, case: str) -> None:
    made = read_segmentation(shared_data / "pelvic-labels" / case)
    count = np.bincount(made.structures.ravel(), minlength=14)
    assert count[Structure.HIP_LEFT] == pytest.approx(count[Structure.HIP_RIGHT], rel=0.05)
    assert count[Structure.FEMUR_LEFT] == pytest.approx(count[Structure.FEMUR_RIGHT], rel=0.05)
