"""DICOM: a series comes in by its geometry, what is mixed, tilted or missing is said, and nothing
of whose scan it was comes in at all."""

from __future__ import annotations

import json
import shutil
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from scipy.ndimage import map_coordinates, shift

from game.patient.errors import PatientError
from game.patient.importing import Choices, read_segmentation
from game.patient.importing.dicom import read_series
from game.patient.importing.dicom_seg import read_segments
from game.patient.importing.names import Table
from game.patient.patient import Structure
from pelves import (
    IDENTITY,
    NAMED,
    SPACING,
    UID_ROOT,
    hounsfield,
    pelvis,
    write_seg,
    write_series,
    write_volume,
)

BONE = 178  # half-way between the pelvis' muscle and its bone
NAMES = ("Sacrum", "Hip left", "hip_right", "vertebrae_L5")
SLICES = slice(10, 40)  # of the pelvis: enough for a reader that looks at geometry alone


def some() -> np.ndarray[Any, Any]:
    return hounsfield()[:, :, SLICES]


def refused(folder: Path) -> str:
    with pytest.raises(PatientError) as caught:
        read_segmentation(folder)
    line = str(caught.value)
    assert line and "\n" not in line and len(line) < 400
    return line


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole pelvis as a series with its segmentation."""
    folder = tmp_path_factory.mktemp("PLANTED^FOLDER")
    paths = write_series(folder)
    write_seg(folder / "seg.dcm", paths, NAMES, "BINARY")
    return folder


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """Thirty slices."""
    write_series(tmp_path / "ct", some())
    return tmp_path / "ct"


def test_a_series_with_a_segmentation_comes_in_whole(whole: Path) -> None:
    made = read_segmentation(whole)
    assert made.source == "ct" and made.hounsfield is not None
    assert np.array_equal(made.hounsfield, hounsfield())
    np.testing.assert_allclose(made.origin, pelvis().origin, atol=1e-6)
    for code in NAMED.values():
        assert np.array_equal(made.structures == code, pelvis().structures == code), code


def test_a_label_map_kind_of_segmentation_says_the_same(whole: Path, tmp_path: Path) -> None:
    paths = sorted(p for p in whole.glob("slice*"))
    ct, _ = read_series(paths)
    write_seg(tmp_path / "map.dcm", paths, NAMES, "LABELMAP")
    labels = read_segments(tmp_path / "map.dcm", ct, Table())
    assert np.array_equal(labels.volume.values == Structure.L5, pelvis().structures == Structure.L5)


def test_a_segmentation_alone_lies_on_its_own_grid(whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole / "seg.dcm", tmp_path)
    made = read_segmentation(tmp_path)
    assert made.hounsfield is None and made.spacing == SPACING
    here = (made.structures == Structure.SACRUM).sum()
    assert here == (pelvis().structures == Structure.SACRUM).sum()


def test_segments_of_other_names_are_told_by_a_table(whole: Path, tmp_path: Path) -> None:
    paths = sorted(p for p in whole.glob("slice*"))
    write_seg(tmp_path / "seg.dcm", paths, NAMES, "BINARY")
    page = pydicom.dcmread(tmp_path / "seg.dcm")
    for segment in page.SegmentSequence:
        segment.SegmentLabel = "PLANTED LABEL"
    page.save_as(tmp_path / "seg.dcm")
    with pytest.raises(PatientError, match="no segment has the name of a bone") as caught:
        read_segments(tmp_path / "seg.dcm", None, Table())
    assert "PLANTED" not in str(caught.value)
    table = Table(labels={1: "sacrum", 2: "hip_left", 3: "hip_right"})
    found = read_segments(tmp_path / "seg.dcm", None, table).volume.values
    assert set(np.unique(found)) == {0, 4, 5, 6}


def test_a_segmentation_of_another_grid(whole: Path, tmp_path: Path) -> None:
    paths = sorted(p for p in whole.glob("slice*"))
    write_series(tmp_path, np.pad(hounsfield()[1:], ((0, 1), (0, 0), (0, 0))), (3.1, 3.1, 3.0))
    write_seg(tmp_path / "seg.dcm", paths, NAMES, "BINARY")
    assert "does not lie on the CT's voxels" in refused(tmp_path)


def test_a_series_with_a_label_map_beside_it(whole: Path, tmp_path: Path) -> None:
    for path in whole.glob("slice*"):
        shutil.copy(path, tmp_path)
    write_volume(tmp_path / "sacrum.nii.gz", (pelvis().structures == 4).astype(np.uint8))
    write_volume(tmp_path / "hip_left.nii.gz", (pelvis().structures == 5).astype(np.uint8))
    write_volume(tmp_path / "hip_right.nii.gz", (pelvis().structures == 6).astype(np.uint8))
    made = read_segmentation(tmp_path)
    assert made.hounsfield is not None
    assert np.array_equal(made.structures == Structure.SACRUM, pelvis().structures == 4)


def test_no_identity_is_kept_or_said(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from game.cli import app

    out = tmp_path / "kept"
    result = CliRunner().invoke(app, ["patient", "import", str(whole), "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    printed = capfd.readouterr()
    said = json.loads(result.output.strip().splitlines()[-1])
    assert said["name"] == "DICOM import"
    texts = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    texts += [str(path.relative_to(out)).encode() for path in out.rglob("*")]
    texts += [json.dumps(said).encode(), printed.out.encode(), printed.err.encode()]
    assert len(texts) > 10
    planted = {"PLANTED", UID_ROOT, *(v for k, v in IDENTITY.items() if k.endswith("Date"))}
    for text in texts:
        for words in planted | set(IDENTITY.values()):
            for coding in ("utf-8", "utf-16-le", "utf-32-le"):
                assert words.encode(coding) not in text, words


def test_no_identity_stands_in_a_refusal(
    short: Path,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def spoilt(page: FileDataset, k: int) -> None:
        if k == 7:
            page.PatientBirthDate = "PLANTED"  # no date: pydicom would warn of it
            page.PixelData = page.PixelData[:100]

    write_series(short, some(), change=spoilt)
    capfd.readouterr(), recwarn.clear(), caplog.clear()
    line = refused(short)
    assert "slice-1-007.dcm" in line
    said = line + caplog.text + "".join(capfd.readouterr())
    said += "".join(str(w.message) for w in recwarn)
    assert "PLANTED" not in said and UID_ROOT not in said


def test_sagittal_slices_are_turned(tmp_path: Path) -> None:
    def sagittal(page: FileDataset, k: int) -> None:
        page.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        x, y, z = pelvis().origin
        page.ImagePositionPatient = [x + 3.0 * k, y, z + 3.0 * (hounsfield().shape[2] - 1)]

    values = hounsfield().transpose(1, 2, 0)[:, ::-1]
    ct, _ = read_series(write_series(tmp_path, values, change=sagittal))
    assert ct is not None and np.array_equal(ct.values, hounsfield())
    np.testing.assert_allclose(ct.origin, pelvis().origin, atol=1e-6)


def test_a_tilted_gantry_is_straightened_and_said(tmp_path: Path) -> None:
    lean, values = float(np.tan(np.radians(15.0))), hounsfield().astype(float)
    sheared = np.stack(
        [
            shift(values[:, :, k], (0.0, -lean * k), order=1, mode="nearest")
            for k in range(values.shape[2])
        ],
        axis=2,
    )
    ct, notes = read_series(write_series(tmp_path, np.rint(sheared), shear=lean))
    assert ct is not None and any("tilted by 15.0 deg" in note for note in notes)
    np.testing.assert_allclose(ct.origin, pelvis().origin, atol=1e-6)
    straight = ct.straight(1, -1024.0)
    places = np.stack(np.meshgrid(*map(np.arange, straight.values.shape), indexing="ij"))
    index = places * np.array(straight.spacing)[:, None, None, None] / SPACING[0]
    bone = map_coordinates(values, index, order=1, mode="nearest") > BONE
    there = straight.values > BONE
    assert 2 * (bone & there).sum() / (bone.sum() + there.sum()) > 0.95


def test_too_much_tilt(tmp_path: Path) -> None:
    with pytest.raises(PatientError, match="gantry tilt is 45 deg"):
        read_series(write_series(tmp_path, some(), shear=1.0))


def test_mixed_series(short: Path) -> None:
    write_series(short, some(), series="2")
    assert "2 CT series (30 and 30 slices) are mixed" in refused(short)


@pytest.mark.parametrize(
    ("tag", "value"),
    [("PixelSpacing", [2.5, 2.5]), ("ImageOrientationPatient", [0.96, 0.28, 0, -0.28, 0.96, 0])],
)
def test_slices_that_differ_within_a_series(tmp_path: Path, tag: str, value: list[float]) -> None:
    def other(page: FileDataset, k: int) -> None:
        if k == 20:
            setattr(page, tag, value)

    with pytest.raises(PatientError, match="differ in size, pixel spacing or direction"):
        read_series(write_series(tmp_path, some(), change=other))


def test_a_missing_slice(short: Path) -> None:
    (short / "slice-1-013.dcm").unlink()
    assert "slices are missing: 6.00 mm between two of them" in refused(short)


def test_a_slice_that_is_there_twice(short: Path) -> None:
    shutil.copy(short / "slice-1-013.dcm", short / "copy.dcm")
    ct, notes = read_series(sorted(short.iterdir()))
    assert ct is not None and ct.values.shape[2] == 30
    assert any("1 slices were there twice" in note for note in notes)
    page = pydicom.dcmread(short / "copy.dcm")
    page.PixelData = bytes(len(page.PixelData))
    page.save_as(short / "copy.dcm")
    assert "different slices at one place" in refused(short)


def test_scouts_are_passed_over_and_said(short: Path) -> None:
    write_series(short, some()[:, :, :2], series="9")
    ct, notes = read_series(sorted(short.iterdir()))
    assert ct is not None and ct.values.shape[2] == 30
    assert any("2 DICOM files" in note for note in notes)


def test_no_ct_among_the_files(short: Path) -> None:
    for path in sorted(short.iterdir())[5:]:
        path.unlink()
    assert "no DICOM CT series of 10 slices" in refused(short)


@pytest.mark.parametrize("tag", ["RescaleIntercept", "PixelSpacing", "Rows", "PixelData"])
def test_a_tag_that_is_missing(tmp_path: Path, tag: str) -> None:
    def without(page: FileDataset, k: int) -> None:
        if k == 3:
            delattr(page, tag)

    with pytest.raises(PatientError, match=r"slice-1-003\.dcm"):
        read_series(write_series(tmp_path, some(), change=without))


@pytest.mark.parametrize("value", [[0.0, 3.0], [-3.0, 3.0], [40.0, 40.0]])
def test_absurd_pixels(tmp_path: Path, value: list[float]) -> None:
    def absurd(page: FileDataset, _: int) -> None:
        page.PixelSpacing = value

    with pytest.raises(PatientError, match="spacing"):
        read_series(write_series(tmp_path, some(), change=absurd))


def test_an_absurd_size_is_refused_before_a_pixel_is_read(tmp_path: Path) -> None:
    def absurd(page: FileDataset, _: int) -> None:
        page.Rows = page.Columns = 65_000

    with pytest.raises(PatientError, match="at most 1000000000"):
        read_series(write_series(tmp_path, some(), change=absurd))


def repacked(paths: list[Path], folder: Path, syntax: str) -> list[Path]:
    """The slices in another transfer syntax; what no encoder here makes is junk."""
    folder.mkdir()
    for path in paths:
        page = pydicom.dcmread(path)
        if syntax == RLELossless:
            page.compress(RLELossless)
        elif syntax != DeflatedExplicitVRLittleEndian:
            stream = BytesIO(page.PixelData)
            if syntax == JPEG2000Lossless:
                stream = BytesIO()
                Image.fromarray(page.pixel_array).save(stream, "JPEG2000", no_jp2=True)
            page.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
            page["PixelData"].is_undefined_length = True
        page.file_meta.TransferSyntaxUID = syntax
        page.save_as(folder / path.name)
    return sorted(folder.iterdir())


def test_packed_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = write_series(tmp_path / "plain", some())
    for syntax in (RLELossless, JPEG2000Lossless):
        ct, _ = read_series(repacked(plain, tmp_path / syntax.name, syntax))
        assert ct is not None and np.array_equal(ct.values, some())
    deflated = repacked(plain, tmp_path / "deflated", DeflatedExplicitVRLittleEndian)
    with pytest.raises(PatientError, match="is deflated"):
        read_series(deflated)
    junk = repacked(plain, tmp_path / "junk", JPEGLSLossless)
    with pytest.raises(PatientError, match=r"slice-1-000\.dcm"):
        read_series(junk)
    absent = SimpleNamespace(is_available=False)  # whatever decoders this machine has
    monkeypatch.setattr("game.patient.importing.dicom.get_decoder", lambda _: absent)
    with pytest.raises(PatientError, match=r"is compressed \(JPEG-LS"):
        read_series(junk)


def test_slices_5_mm_apart_are_said(tmp_path: Path) -> None:
    thick = hounsfield()[:, :, ::2]  # 6 mm
    paths = write_series(tmp_path, thick, (3.0, 3.0, 6.0))
    ct, _ = read_series(paths)
    assert ct is not None and ct.spacing == (3.0, 3.0, 6.0)
    for name in ("sacrum", "hip_left", "hip_right", "vertebrae_L5"):
        mask = (pelvis().structures == NAMED[name])[:, :, ::2].astype(np.uint8)
        write_volume(tmp_path / f"{name}.nii.gz", mask, (3.0, 3.0, 6.0))
    made = read_segmentation(tmp_path)
    assert "slices are 6 mm apart: fine shape is not resolved" in made.notes


def test_a_numbering_that_is_said_for_no_label_map(short: Path) -> None:
    with pytest.raises(PatientError, match="no label map, yet its numbering was said"):
        read_segmentation(short, Choices(totalsegmentator="v1"))
