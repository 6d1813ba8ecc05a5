"""A DICOM CT series, read by pixels and geometry alone.

No name, number or date of a patient, study or device is ever read: every file is opened with a list
of the tags below. The identifiers of series serve to keep slices apart and go no further.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.filereader import read_file_meta_info
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.importing.limits import check_grid
from game.patient.importing.volumes import Volume

GEOMETRY = ("SOPClassUID", "SeriesInstanceUID", "Modality", "Rows", "Columns", "PixelSpacing",
            "ImagePositionPatient", "ImageOrientationPatient", "NumberOfFrames")  # fmt: skip
PIXELS = ("RescaleSlope", "RescaleIntercept", "BitsAllocated", "BitsStored", "HighBit",
          "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation", "PixelData",
          )  # fmt: skip
_ENHANCED = "1.2.840.10008.5.1.4.1.1.2.1"  # Enhanced CT Image Storage, DICOM PS3.4 B.5
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")  # PS3.5 A.1-A.3
_DEFLATED = "1.2.840.10008.1.2.1.99"  # PS3.5 A.5: unpacks to any size before it can be judged
LEAST_SLICES = 10  # of a series that is a volume; project choice: scouts have 1-2
MOST_SLICE_BYTES = 20_000_000  # of one slice's file; project choice: 2048 x 2048 of 16 bits has 8e6
EVEN_MM = 0.1  # by which slices may lie off an even spacing; project choice
MOST_TILT_DEG = 40.0  # of a gantry; project choice, CT gantries tilt up to 30
LEAST_TILT_DEG = 0.1  # that is noted; project choice


@dataclass(frozen=True, eq=False)
class Slice:
    """One picture's place: `corner` (3,) the centre of its first pixel, LPS mm; the rows of `axes`
    (2, 3) the directions along a row and down a column; `spacing` down and along, mm."""

    path: Path
    corner: FloatArray
    axes: FloatArray
    spacing: tuple[float, float]
    shape: tuple[int, int]

    def alike(self, other: Slice) -> bool:
        """Whether two pictures have one size, spacing and direction."""
        return (
            other.shape == self.shape
            and np.allclose(other.spacing, self.spacing, atol=1e-4)
            and np.allclose(other.axes, self.axes, atol=1e-3)
        )


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark; files without the preamble count where they end in .dcm."""
    with path.open("rb") as stream:
        head = stream.read(132)
    return head[128:] == b"DICM" or path.suffix.lower() == ".dcm"


def read_page(path: Path, tags: Sequence[str], most_bytes: int) -> Any:
    """The named tags of a file, and nothing else of it.

    Raises PatientError for a file that is damaged, larger than `most_bytes` or packed in a way that
    is not read."""
    size = path.stat().st_size
    if size > most_bytes:
        raise PatientError(f"{path.name}: is {size} bytes; at most {most_bytes} are read")
    whole = "PixelData" in tags
    with unhurt(path):
        if _syntax(path) == _DEFLATED:
            raise PatientError(
                f"{path.name}: is deflated DICOM; uncompressed, RLE or JPEG 2000 is read"
            )
        page = pydicom.dcmread(
            path, force=path.suffix.lower() == ".dcm", specific_tags=list(tags),
            stop_before_pixels=not whole,
        )  # fmt: skip
        page.remove_private_tags()
        if whole:
            _demand_decoder(path, UID(page.file_meta.get("TransferSyntaxUID", _NATIVE[0])))
    return page


@contextmanager
def unhurt(path: Path) -> Iterator[None]:
    """Whatever a parser raises on a hostile file becomes one PatientError; what it would print or
    log of the file's values is not shown."""
    log = logging.getLogger("pydicom")
    level = log.level
    try:
        log.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PatientError:
        raise
    except Exception as error:  # noqa: BLE001  # pydicom raises anything on hostile files
        raise PatientError(
            f"{path.name}: is damaged, or DICOM of a kind not read ({type(error).__name__})"
        ) from None
    finally:
        log.setLevel(level)


def _syntax(path: Path) -> str:
    with path.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":
            return _NATIVE[0]
    return str(read_file_meta_info(path).get("TransferSyntaxUID", _NATIVE[0]))


def _demand_decoder(path: Path, syntax: UID) -> None:
    if syntax not in _NATIVE and not get_decoder(syntax).is_available:
        raise PatientError(
            f"{path.name}: is compressed ({syntax.name}); uncompressed, RLE or JPEG 2000 is read"
        )


def read_series(slices: Sequence[Path]) -> tuple[Volume | None, tuple[str, ...]]:
    """The one CT series among DICOM files, Hounsfield units, None where there is none; and notes.

    Raises PatientError where a file is damaged, several series are mixed, slices are missing."""
    series: dict[str, list[Slice]] = {}
    passed = 0
    for path in slices:
        page = read_page(path, GEOMETRY, MOST_SLICE_BYTES)
        if str(page.get("SOPClassUID", "")) == _ENHANCED:
            raise PatientError(
                f"{path.name}: is an enhanced (multi-frame) CT; one file per slice is read"
            )
        if page.get("Modality") == "CT" and "ImagePositionPatient" in page:
            with unhurt(path):
                where = slice_of(path, page)
            series.setdefault(str(page.get("SeriesInstanceUID", "")), []).append(where)
        else:
            passed += 1
    long = [files for files in series.values() if len(files) >= LEAST_SLICES]
    if len(long) > 1:
        counts = " and ".join(str(len(files)) for files in long)
        raise PatientError(
            f"{slices[0].parent.name}: {len(long)} CT series ({counts} slices) are mixed in it; "
            "one is read"
        )
    passed += sum(len(files) for files in series.values() if len(files) < LEAST_SLICES)
    notes = (f"{passed} DICOM files that are no slices of a CT were passed over",) if passed else ()
    if not long:
        return None, notes
    volume, more = _volume(long[0])
    return volume, notes + more


def slice_of(path: Path, page: Any) -> Slice:
    """A picture's place by its tags; PatientError where they are no place."""
    corner = np.array([float(v) for v in page.ImagePositionPatient])
    axes = np.array([float(v) for v in page.ImageOrientationPatient]).reshape(2, 3)
    down, along = (float(v) for v in page.PixelSpacing)
    right = np.abs(axes @ axes.T - np.eye(2)).max()
    if corner.shape != (3,) or not (np.all(np.isfinite(corner)) and right < 1e-3):
        raise PatientError(f"{path.name}: its place in the patient is no place")
    return Slice(path, corner, axes, (down, along), (int(page.Rows), int(page.Columns)))


def _volume(slices: list[Slice]) -> tuple[Volume, tuple[str, ...]]:
    """The series in the order of its places, as Hounsfield units."""
    first = slices[0]
    name = first.path.parent.name
    for other in slices[1:]:
        if not first.alike(other):
            raise PatientError(
                f"{name}: slices of the series differ in size, pixel spacing or direction "
                f"({first.path.name} and {other.path.name}): series are mixed"
            )
    ordered, notes = _in_order(name, slices)
    step, tilt = stepped(name, np.array([s.corner for s in ordered]), np.cross(*first.axes))
    if tilt > LEAST_TILT_DEG:
        notes += (f"the gantry was tilted by {tilt:.1f} deg; the scan was straightened",)
    spacing = (first.spacing[1], first.spacing[0], float(np.linalg.norm(step)))
    size = (first.shape[1], first.shape[0], len(ordered))
    check_grid(name, size, spacing)
    values = np.empty(size, np.int16)
    for k, where in enumerate(ordered):
        values[:, :, k] = _hounsfield(where)
    axes = np.stack([*first.axes, step / spacing[2]], axis=1)
    source = first.path.parent / "DICOM series"
    return in_lps(source, values, ordered[0].corner, spacing, axes), notes


def _in_order(name: str, slices: list[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """The slices along their normal; one of those that are there twice, and a note.

    Raises PatientError where two that differ lie at one place."""
    normal = np.cross(*slices[0].axes)
    kept: list[Slice] = []
    for here in sorted(slices, key=lambda s: float(s.corner @ normal)):
        if not kept or np.abs(here.corner - kept[-1].corner).max() > 0.5 * EVEN_MM:
            kept.append(here)
        elif not np.array_equal(_hounsfield(here), _hounsfield(kept[-1])):
            raise PatientError(
                f"{name}: {kept[-1].path.name} and {here.path.name} are different slices at one "
                "place: two series are mixed"
            )
    doubled = len(slices) - len(kept)
    return kept, ((f"{doubled} slices were there twice, alike; one was taken",) if doubled else ())


def stepped(name: str, corners: FloatArray, normal: FloatArray) -> tuple[FloatArray, float]:
    """From slice to slice (3,), mm, where `corners` (n, 3) follow one another evenly, and its angle
    to the slices' normal, degrees: the gantry's tilt."""
    heights = corners @ normal
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if not usual > EVEN_MM:
        raise PatientError(f"{name}: the slices do not follow one another: series are mixed")
    worst = int(np.argmax(np.abs(gaps - usual)))
    if abs(gaps[worst] - usual) > max(EVEN_MM, 0.02 * usual):
        what = "missing" if gaps[worst] > usual else "doubled or of another series"
        raise PatientError(
            f"{name}: slices are {what}: {gaps[worst]:.2f} mm between two of them at "
            f"{heights[worst]:.1f} mm, {usual:.2f} mm elsewhere"
        )
    step = (corners[-1] - corners[0]) / (len(corners) - 1)
    line = corners[0] + np.arange(len(corners))[:, None] * step
    if np.abs(corners - line).max() > 10 * EVEN_MM:
        raise PatientError(f"{name}: the slices do not lie in one row")
    tilt = np.degrees(np.arccos(np.clip(step @ normal / np.linalg.norm(step), -1.0, 1.0)))
    if tilt > MOST_TILT_DEG:
        raise PatientError(f"{name}: the gantry tilt is {tilt:.0f} deg; at most {MOST_TILT_DEG:g}")
    return step, float(tilt)


def _hounsfield(where: Slice) -> NDArray[np.int16]:
    """One slice [along a row, down a column], HU by the file's own rescaling."""
    page = read_page(where.path, (*GEOMETRY, *PIXELS), MOST_SLICE_BYTES)
    with unhurt(where.path):
        if int(page.get("NumberOfFrames") or 1) != 1 or int(page.SamplesPerPixel) != 1:
            raise PatientError(f"{where.path.name}: holds more than one picture of single numbers")
        raw = page.pixel_array
        slope, intercept = float(page.RescaleSlope), float(page.RescaleIntercept)
    if raw.shape != where.shape or not (
        np.isfinite(slope) and slope != 0 and np.isfinite(intercept)
    ):
        raise PatientError(f"{where.path.name}: pixels {raw.shape} are no slice of {where.shape}")
    values = np.clip(raw.T * slope + intercept, -32768, 32767)
    return np.rint(values).astype(np.int16)


def in_lps(
    path: Path, values: NDArray[Any], corner: FloatArray, spacing: Sequence[float], axes: FloatArray
) -> Volume:
    """A volume whose axes (3, 3), as columns, are turned and flipped to the nearest of LPS."""
    order = [int(np.argmax(np.abs(axes[row]))) for row in range(3)]
    if sorted(order) != [0, 1, 2]:
        raise PatientError(f"{path.name}: its axes lie too obliquely to the patient's to be told")
    values = values.transpose(order)
    axes, steps = axes[:, order], np.array(spacing, float)[order]
    origin = np.array(corner, float)
    for axis in range(3):
        if axes[axis, axis] < 0:
            origin = origin + axes[:, axis] * steps[axis] * (values.shape[axis] - 1)
            values = np.flip(values, axis)
            axes[:, axis] *= -1.0
    if np.abs(axes - np.eye(3)).max() <= 0.002:
        axes = np.eye(3)
    x, y, z = (float(v) for v in origin)
    sx, sy, sz = (float(v) for v in steps)
    return Volume(path, np.ascontiguousarray(values), (x, y, z), (sx, sy, sz), axes)
