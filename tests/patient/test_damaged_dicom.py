"""DICOM that was cut short or has wrong bytes: refused in one line, or read as it was."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from game.patient.errors import PatientError
from game.patient.importing.dicom import read_series
from game.patient.importing.dicom_seg import read_segments
from game.patient.importing.names import Table
from pelves import SPACING, hounsfield, pelvis, write_seg, write_series

some = hounsfield()[:, :, 10:40]  # enough for a reader that looks at geometry alone


def damaged(data: st.DataObject, page: bytes, least: int, within: int) -> bytes:
    """A file's bytes, perhaps cut short, with `least` to 4 wrong ones among the first `within`."""
    hurt = bytearray(page)
    if data.draw(st.booleans()):
        hurt = hurt[: data.draw(st.integers(0, len(hurt) - 1))]
    for _ in range(data.draw(st.integers(least, 4))):
        if hurt:
            at = data.draw(st.integers(0, min(len(hurt), within) - 1))
            hurt[at] = data.draw(st.integers(0, 255))
    return bytes(hurt)


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """Thirty slices."""
    write_series(tmp_path / "ct", some)
    return tmp_path / "ct"


@given(data=st.data())
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_slice_never_crashes(data: st.DataObject, short: Path) -> None:
    paths = sorted(p for p in short.iterdir() if p.suffix == ".dcm")
    kept = paths[4].read_bytes()
    paths[4].write_bytes(damaged(data, kept, 0, 2200))
    try:
        ct, notes = read_series(paths)
    except PatientError as error:
        assert "\n" not in str(error) and "PLANTED" not in str(error)
    else:  # then geometry was not hurt
        assert ct is not None and not notes
        assert ct.values.shape == some.shape and ct.spacing == SPACING
    finally:
        paths[4].write_bytes(kept)


@pytest.fixture(scope="module")
def small_seg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seg")
    paths = write_series(folder / "ct", hounsfield()[:, :, 30:50])
    for k, path in enumerate(paths):
        page = pydicom.dcmread(path)
        page.ImagePositionPatient[2] = pelvis().origin[2] + 3.0 * (30 + k)
        page.save_as(path)
    write_seg(folder / "seg.dcm", paths, ("Sacrum", "Hip left", "hip_right"), "BINARY")
    return folder / "seg.dcm"


@given(data=st.data())
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_segmentation_never_crashes(
    data: st.DataObject, small_seg: Path, tmp_path: Path
) -> None:
    whole = read_segments(small_seg, None, Table()).volume.values
    page = small_seg.read_bytes()
    (tmp_path / "seg.dcm").write_bytes(damaged(data, page, 1, len(page)))
    try:
        found = read_segments(tmp_path / "seg.dcm", None, Table()).volume.values
    except PatientError as error:
        assert "\n" not in str(error) and "PLANTED" not in str(error)
    else:
        assert found.shape == whole.shape
        assert (found != whole).mean() < 0.05
