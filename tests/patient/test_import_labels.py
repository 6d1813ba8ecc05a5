"""Label maps in every format and numbering: what a number means is read or said, never guessed."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from game.patient.errors import PatientError
from game.patient.importing import Choices, read_segmentation
from game.patient.importing.names import TOTAL, parts_of, read_table
from game.patient.importing.volumes import read_volume
from game.patient.patient import Structure
from game.patient.segmentation import Segmentation
from pelves import NAMED, SPACING, hounsfield, numbered, pelvis, write_volume

V1 = {"sacrum": 92, "hip_left": 90, "hip_right": 91, "vertebrae_L5": 18}
V2 = {"sacrum": 25, "hip_left": 77, "hip_right": 78, "vertebrae_L5": 27}


def assert_bones(made: Segmentation) -> None:
    """Each bone of the generated pelvis where it was, wherever the new grid begins."""
    for code in NAMED.values():
        points = np.argwhere(made.structures == code) * made.spacing + made.origin
        true = np.argwhere(pelvis().structures == code) * SPACING + pelvis().origin
        np.testing.assert_allclose(points, true, atol=1e-3)


def refused(folder: Path, choices: Choices | None = None) -> str:
    with pytest.raises(PatientError) as caught:
        read_segmentation(folder, choices)
    line = str(caught.value)
    assert line and "\n" not in line and len(line) < 400
    return line


def with_names(path: Path, names: dict[str, int]) -> None:
    """Gives a .nii file a header extension with label names, as TotalSegmentator writes it."""
    data = bytearray(path.read_bytes())
    labels = "".join(
        f'<Label Key="{code}" Red="1" Green="0" Blue="0" Alpha="1"><![CDATA[{name}]]></Label>'
        for name, code in names.items()
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0">'
        f"<LabelTable>{labels}</LabelTable></VolumeInformation></CaretExtension>"
    ).encode()
    text += b" " * (-(len(text) + 8) % 16)
    data[108:112] = struct.pack("<f", 352.0 + len(text) + 8)
    block = struct.pack("<4B2i", 1, 0, 0, 0, len(text) + 8, 30) + text
    path.write_bytes(bytes(data[:348]) + block + bytes(data[352:]))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr"])
def test_a_map_in_every_format(tmp_path: Path, suffix: str) -> None:
    write_volume(tmp_path / f"map{suffix}", numbered(V2))
    made = read_segmentation(tmp_path, Choices(totalsegmentator="v2"))
    assert_bones(made)
    assert "labels taken as TotalSegmentator v2, as was said" in made.notes
    assert any("skin and fat are drawn" in note for note in made.notes)
    assert any("the parametric pelvis fits" in note for note in made.notes)


def test_the_numbering_is_demanded_and_never_guessed(tmp_path: Path) -> None:
    write_volume(tmp_path / "map.nii.gz", numbered(V1))
    line = refused(tmp_path)
    assert "--totalsegmentator v1" in line and "--labels FILE.toml" in line
    assert_bones(read_segmentation(tmp_path, Choices(totalsegmentator="v1")))
    assert "no sacrum (label 25)" in refused(tmp_path, Choices(totalsegmentator="v2"))


@pytest.mark.parametrize("numbers", [V1, V2, {name: n + 3 for n, name in enumerate(NAMED)}])
def test_names_in_the_header_tell_any_numbering(tmp_path: Path, numbers: dict[str, int]) -> None:
    write_volume(tmp_path / "map.nii", numbered(numbers))
    with_names(tmp_path / "map.nii", numbers)
    made = read_segmentation(tmp_path)
    assert_bones(made)
    assert "labels by the names in the file" in made.notes


def test_names_in_the_header_against_the_version_that_was_said(tmp_path: Path) -> None:
    write_volume(tmp_path / "map.nii", numbered(V1))
    with_names(tmp_path / "map.nii", V1 | {"hip_right": 92, "sacrum": 91})
    line = refused(tmp_path, Choices(totalsegmentator="v1"))
    assert "label 9" in line and "leave out --totalsegmentator v1" in line


@pytest.mark.parametrize("inner", ["", "segmentations"])
def test_one_file_for_each_class(tmp_path: Path, inner: str) -> None:
    place = tmp_path / inner
    place.mkdir(exist_ok=True)
    for name, code in NAMED.items():
        write_volume(place / f"{name}.nii.gz", (pelvis().structures == code).astype(np.uint8))
    empty = np.zeros(pelvis().structures.shape, np.uint8)
    for other in ("liver", "spleen", "vertebrae_T4"):
        write_volume(place / f"{other}.nii.gz", empty)
    write_volume(tmp_path / "ct.nii.gz", hounsfield())
    made = read_segmentation(tmp_path)
    assert_bones(made)
    assert made.source == "ct"
    assert "2 files of other classes were passed over" in made.notes


def test_a_class_that_is_no_class(tmp_path: Path) -> None:
    for name, code in NAMED.items():
        write_volume(tmp_path / f"{name}.nii.gz", (pelvis().structures == code).astype(np.uint8))
    write_volume(tmp_path / "sacrum.nii.gz", numbered(V2))
    assert "sacrum.nii.gz: holds several labels" in refused(tmp_path)
    write_volume(tmp_path / "sacrum.nii.gz", np.zeros((9, 9, 9), np.uint8))
    assert "different grids" in refused(tmp_path)
    (tmp_path / "sacrum.nii.gz").unlink()
    assert "no sacrum" in refused(tmp_path)


def test_a_table_tells_numbers_and_both_sided_labels(tmp_path: Path) -> None:
    values = numbered({"sacrum": 1, "hip_left": 7, "hip_right": 7, "vertebrae_L5": 3})
    write_volume(tmp_path / "map.nrrd", values.astype(np.uint16) * 40)
    table = tmp_path / "labels.toml"
    table.write_text('[labels]\n40 = "sacrum"\n280 = "hips"\n120 = "vertebrae_L5"\n')
    made = read_segmentation(tmp_path, Choices(labels=table))
    assert_bones(made)
    assert any("side is unverified" in note for note in made.notes)


def test_a_table_tells_files(tmp_path: Path) -> None:
    table = tmp_path / "labels.toml"
    lines = []
    for number, (name, code) in enumerate(NAMED.items()):
        mask = (pelvis().structures == code).astype(np.uint8)
        write_volume(tmp_path / f"part{number}.nii.gz", mask)
        lines.append(f'"part{number}.nii.gz" = "{name}"')
    table.write_text("[files]\n" + "\n".join(lines))
    assert_bones(read_segmentation(tmp_path, Choices(labels=table)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[labels]\n0 = "sacrum"', "whole numbers from 1"),
        ('[labels]\n99999 = "sacrum"', "whole numbers from 1"),
        ('[labels]\nbone = "sacrum"', "whole numbers from 1"),
        ('[labels]\n1 = "scrum"', "'scrum'; allowed: sacrum"),
        ("[labels]\n1 = 4", "'4'; allowed: sacrum"),
        ('[label]\n1 = "sacrum"', "allowed: [labels] and [files]"),
        ("labels = 3", "allowed: [labels] and [files]"),
        ("[labels\n", "cannot be read"),
        ("# " + "x" * 100_001, "at most 100000"),
    ],
)
def test_a_bad_table(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "labels.toml").write_text(text)
    with pytest.raises(PatientError) as caught:
        read_table(tmp_path / "labels.toml")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_the_table_in_the_help_is_a_table(tmp_path: Path) -> None:
    from game.cli import app
    from game.cli.patients import LABELS_TOML

    (tmp_path / "labels.toml").write_text(LABELS_TOML)
    table = read_table(tmp_path / "labels.toml")
    assert table.labels == {3: "sacrum", 1: "hips"} and table.files == {"bone7.stl": "hip_left"}
    shown = CliRunner().invoke(app, ["patient", "import", "--help"]).output
    for line in LABELS_TOML.splitlines():
        assert line in shown


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PatientError, match="no such file of labels"):
        read_table(tmp_path / "absent.toml")


def test_the_two_numberings_are_the_published_ones() -> None:
    """facts/anatomy.md."""
    told = {
        "v1": {90: "hip_left", 92: "sacrum", 18: "vertebrae_L5"},
        "v2": {
            25: "sacrum", 26: "vertebrae_S1", 27: "vertebrae_L5", 28: "vertebrae_L4",
            65: "iliac_artery_left", 68: "iliac_vena_right", 75: "femur_left", 78: "hip_right",
            80: "gluteus_maximus_left", 89: "iliopsoas_right",
        },
    }  # fmt: skip
    for version, table in TOTAL.items():
        assert {code: table[code] for code in told[version]} == told[version]
        assert all(parts_of(name) is not None for name in table.values())
    assert parts_of(TOTAL["v1"][91]) == parts_of(TOTAL["v2"][78]) == (Structure.HIP_RIGHT,)


def test_vessels_are_soft_tissue_and_said(tmp_path: Path) -> None:
    values = numbered(V2)
    values[60:63, 30, 60:80] = 65
    write_volume(tmp_path / "map.nii.gz", values)
    write_volume(tmp_path / "ct.nii.gz", hounsfield())
    made = read_segmentation(tmp_path, Choices(totalsegmentator="v2"))
    assert "labelled vessels count as soft tissue: iliac_artery_left" in made.notes


def test_two_maps_or_two_scans(tmp_path: Path) -> None:
    write_volume(tmp_path / "one.nii.gz", numbered(V2))
    write_volume(tmp_path / "two.nii.gz", numbered(V2))
    assert "2 label map(s) and 0 CT(s)" in refused(tmp_path)


def test_values_that_are_no_hounsfield_units(tmp_path: Path) -> None:
    write_volume(tmp_path / "map.nii.gz", numbered(V2))
    noise = np.random.default_rng(5).normal(1024.0, 20.0, hounsfield().shape)
    write_volume(tmp_path / "ct.nii.gz", np.maximum(hounsfield() + noise, 0.0).astype(np.int16))
    line = refused(tmp_path, Choices(totalsegmentator="v2"))
    assert "HU in the sacrum (median)" in line and "no Hounsfield units" in line


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "scan").write_bytes(b"x")
    monkeypatch.setattr("game.patient.importing.folder.is_dicom", closed)
    assert "cannot be read (Permission denied)" in refused(tmp_path)


def damaged(data: st.DataObject, whole: bytes, head: int) -> bytes:
    """`whole` with up to four of its first `head` bytes changed, and perhaps cut short."""
    page = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        page[data.draw(st.integers(0, min(head, len(page)) - 1))] = data.draw(st.integers(0, 255))
    return bytes(page[: data.draw(st.integers(0, len(page)))] if data.draw(st.booleans()) else page)


def small() -> NDArray[np.int16]:
    return np.arange(7 * 8 * 9, dtype=np.int16).reshape(7, 8, 9)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii", ".nii.gz", ".nhdr", ".mhd"])
@given(data=st.data())
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_volume_never_crashes(data: st.DataObject, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"volume{suffix}"
    write_volume(path, small())
    path.write_bytes(damaged(data, path.read_bytes(), 600))
    try:
        made = read_volume(path)
    except PatientError as error:
        assert "\n" not in str(error) and len(str(error)) < 500
    else:
        assert sorted(made.values.shape) == [7, 8, 9]


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd"])
@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_packed_voxels_are_noticed(
    data: st.DataObject, tmp_path: Path, suffix: str
) -> None:
    """Packed voxels carry a checksum: none comes in changed."""
    path = tmp_path / f"volume{suffix}"
    write_volume(path, small())
    page = bytearray(path.read_bytes())
    head = len(page) - 200
    at = data.draw(st.integers(head, len(page) - 1))
    page[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(page))
    try:
        made = read_volume(path)
    except PatientError:
        return
    assert np.array_equal(made.values, small())


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "volume.nii.gz"
    write_volume(path, small())
    head = bytearray(gzip.decompress(path.read_bytes())[:352])
    head[42:48] = struct.pack("<3h", 3000, 3000, 3000)
    path.write_bytes(gzip.compress(bytes(head) + bytes(1 << 24)))
    with pytest.raises(PatientError, match="27000000000 voxels; at most"):
        read_volume(path)


@given(text=st.text(max_size=60))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_table_never_crashes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.toml"
    path.write_text('[labels]\n1 = "sacrum"\n' + text, "utf-8")
    try:
        table = read_table(path)
    except PatientError as error:
        assert "\n" not in str(error)
    else:
        assert table.labels[1] == "sacrum"
