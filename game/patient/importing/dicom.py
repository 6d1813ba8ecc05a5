"""A DICOM CT series and a segmentation object, read by pixels and geometry alone.

No name, number or date of a patient, study or device is ever read: every file is opened with a list
of the tags below, and the identifiers of series serve to keep slices apart and go no further.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.importing.labels import Labels, labels_of
from game.patient.importing.limits import check_grid
from game.patient.importing.names import parts_of
from game.patient.importing.volumes import Volume

_GEOMETRY = ["SOPClassUID", "SeriesInstanceUID", "Modality", "Rows", "Columns", "PixelSpacing",
             "ImagePositionPatient", "ImageOrientationPatient"]  # fmt: skip
_PIXELS = ["RescaleSlope", "RescaleIntercept", "BitsAllocated", "BitsStored", "HighBit",
           "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation", "PixelData",
           "NumberOfFrames"]  # fmt: skip
_SEGMENTS = ["SegmentSequence", "SharedFunctionalGroupsSequence",
             "PerFrameFunctionalGroupsSequence", "SegmentationType"]  # fmt: skip
_SEG = "1.2.840.10008.5.1.4.1.1.66.4"  # Segmentation Storage, DICOM PS3.4 B.5
LEAST_SLICES = 10  # of a series that is a volume; project choice: scouts have 1-2
EVEN_MM = 0.1  # by which slices may lie off an even spacing; project choice
MOST_TILT_DEG = 40.0  # of a gantry; CT gantries tilt up to 30
_DAMAGED = (
    InvalidDicomError, AttributeError, KeyError, ValueError, TypeError, IndexError, OSError,
    EOFError, NotImplementedError, RuntimeError, OverflowError, RecursionError, MemoryError,
)  # fmt: skip  # what pydicom raises on damaged files


@dataclass(frozen=True, eq=False)
class Slice:
    """One file's place: `corner` (3,) the centre of its first pixel, LPS mm; the rows of `axes`
    (2, 3) the directions along a row and down a column; `spacing` down and along, mm."""

    path: Path
    corner: FloatArray
    axes: FloatArray
    spacing: tuple[float, float]
    shape: tuple[int, int]


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark; files without the preamble count where they end in .dcm."""
    with path.open("rb") as stream:
        head = stream.read(132)
    return head[128:] == b"DICM" or path.suffix.lower() == ".dcm"


def read_dicom(paths: Sequence[Path]) -> tuple[Volume | None, Labels | None]:
    """The CT, and the labels of a segmentation object, among DICOM files.

    Raises PatientError where a file is damaged, several series are mixed, slices are missing."""
    series: dict[str, list[Slice]] = {}
    segments: list[Path] = []
    for path in paths:
        page = _page(path, _GEOMETRY)
        if str(page.get("SOPClassUID", "")) == _SEG:
            segments.append(path)
        elif page.get("Modality") == "CT" and "ImagePositionPatient" in page:
            series.setdefault(str(page.get("SeriesInstanceUID", "")), []).append(_slice(path, page))
    long = [files for files in series.values() if len(files) >= LEAST_SLICES]
    if len(long) > 1 or len(segments) > 1:
        counts = " and ".join(str(len(files)) for files in long)
        raise PatientError(
            f"{paths[0].parent.name}: {len(long)} CT series ({counts} slices) and {len(segments)} "
            "segmentation(s) are mixed in it; at most one of each is read"
        )
    if not long and not segments:
        raise PatientError(
            f"{paths[0].parent.name}: has no CT series of {LEAST_SLICES} slices or more"
        )
    ct = _volume(long[0]) if long else None
    return ct, (_segmented(segments[0], ct) if segments else None)


def _page(path: Path, tags: list[str]) -> Any:
    """The named tags of a file, and nothing else of it."""
    try:
        page = pydicom.dcmread(path, force=path.suffix.lower() == ".dcm", specific_tags=tags)
        page.remove_private_tags()
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    return page


def _damaged(path: Path, error: BaseException) -> PatientError:
    return PatientError(
        f"{path.name}: is damaged, or DICOM of a kind not read ({type(error).__name__})"
    )


def _slice(path: Path, page: Any) -> Slice:
    try:
        corner = np.array([float(v) for v in page.ImagePositionPatient])
        axes = np.array([float(v) for v in page.ImageOrientationPatient]).reshape(2, 3)
        down, along = (float(v) for v in page.PixelSpacing)
        shape = int(page.Rows), int(page.Columns)
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    right = np.abs(axes @ axes.T - np.eye(2)).max()
    if corner.shape != (3,) or not (np.all(np.isfinite(corner)) and right < 1e-3):
        raise PatientError(f"{path.name}: its place in the patient is no place")
    return Slice(path, corner, axes, (down, along), shape)


def _volume(slices: list[Slice]) -> Volume:
    """The series in the order of its places, as Hounsfield units."""
    first = slices[0]
    name = first.path.parent.name
    for other in slices[1:]:
        alike = (
            other.shape == first.shape
            and np.allclose(other.spacing, first.spacing, atol=1e-4)
            and np.allclose(other.axes, first.axes, atol=1e-3)
        )
        if not alike:
            raise PatientError(
                f"{name}: slices of the series differ in size, pixel spacing or direction "
                f"({first.path.name} and {other.path.name}): series are mixed"
            )
    normal = np.cross(*first.axes)
    ordered = sorted(slices, key=lambda s: float(s.corner @ normal))
    step = _step(name, np.array([s.corner for s in ordered]), normal)
    spacing = (first.spacing[1], first.spacing[0], float(np.linalg.norm(step)))
    check_grid(name, (first.shape[1], first.shape[0], len(ordered)), spacing)
    values = np.stack([_hounsfield(s) for s in ordered], axis=-1)
    axes = np.stack([*first.axes, step / spacing[2]], axis=1)
    return _in_lps(first.path.parent / "DICOM series", values, ordered[0].corner, spacing, axes)


def _step(name: str, corners: FloatArray, normal: FloatArray) -> FloatArray:
    """From slice to slice (3,), mm, where they follow one another evenly."""
    heights = corners @ normal
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if not usual > EVEN_MM:
        raise PatientError(f"{name}: slices lie at the same place; two series are mixed in one")
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
    return step


def _hounsfield(where: Slice) -> NDArray[np.int16]:
    """One slice [along a row, down a column], HU by the file's own rescaling."""
    page = _page(where.path, [*_GEOMETRY, *_PIXELS])
    try:
        raw = page.pixel_array
        slope = float(page.get("RescaleSlope", 1.0))
        intercept = float(page.get("RescaleIntercept", 0.0))
    except _DAMAGED as error:
        raise _damaged(where.path, error) from None
    if raw.shape != where.shape or not (
        np.isfinite(slope) and slope != 0 and np.isfinite(intercept)
    ):
        raise PatientError(f"{where.path.name}: pixels {raw.shape} are no slice of {where.shape}")
    values = np.clip(raw.T * slope + intercept, -32768, 32767)
    return np.rint(values).astype(np.int16)


def _in_lps(
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


def _segmented(path: Path, ct: Volume | None) -> Labels:
    """A DICOM SEG's labels on the CT's grid, else on its own."""
    page = _page(path, [*_GEOMETRY, *_PIXELS, *_SEGMENTS])
    try:
        names = {int(s.SegmentNumber): str(s.SegmentLabel) for s in page.SegmentSequence}
        frames = np.atleast_3d(page.pixel_array) if page.NumberOfFrames > 1 else (
            page.pixel_array[None])  # fmt: skip
        places = [_frame(path, page, n) for n in range(len(frames))]
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    known = {code: _plain(name) for code, name in names.items() if parts_of(_plain(name))}
    grid = ct if ct is not None else _frame_grid(path, [place for _, place in places])
    codes = np.zeros(grid.values.shape, np.uint16)
    inverse = np.linalg.inv(grid.direction * grid.spacing)
    for (number, place), frame in zip(places, frames, strict=True):
        if number in known:
            _lay(codes, number, frame.T > 0, place, inverse, np.array(grid.origin))
    return labels_of(replace(grid, path=path, values=codes), known,
                     f"{path.name}: DICOM SEG, labels by the segments' names")  # fmt: skip


def _plain(label: str) -> str:
    return label.strip().replace(" ", "_")


def _frame(path: Path, page: Any, n: int) -> tuple[int, Slice]:
    """Segment number and place of one frame."""
    own, shared = page.PerFrameFunctionalGroupsSequence[n], page.SharedFunctionalGroupsSequence[0]
    number = int(own.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    flat = {
        "PixelSpacing": _either(own, shared, "PixelMeasuresSequence").PixelSpacing,
        "ImageOrientationPatient": _either(
            own, shared, "PlaneOrientationSequence"
        ).ImageOrientationPatient,
        "ImagePositionPatient": _either(own, shared, "PlanePositionSequence").ImagePositionPatient,
        "Rows": page.Rows,
        "Columns": page.Columns,
    }
    made = pydicom.Dataset()
    for tag, value in flat.items():
        setattr(made, tag, value)
    return number, _slice(path, made)


def _either(own: Any, shared: Any, name: str) -> Any:
    return (own if name in own else shared)[name][0]


def _frame_grid(path: Path, places: list[Slice]) -> Volume:
    """An empty volume through a segmentation's own frames."""
    first = places[0]
    normal = np.cross(*first.axes)
    corners = np.unique(np.round([p.corner for p in places], 3), axis=0)
    corners = corners[np.argsort(corners @ normal)]
    if len(corners) < LEAST_SLICES:
        raise PatientError(f"{path.name}: has {len(corners)} slices; at least {LEAST_SLICES}")
    step = _step(path.name, corners, normal)
    spacing = (first.spacing[1], first.spacing[0], float(np.linalg.norm(step)))
    size = (first.shape[1], first.shape[0], len(corners))
    check_grid(path.name, size, spacing)
    axes = np.stack([*first.axes, step / spacing[2]], axis=1)
    return _in_lps(path, np.zeros(size, np.uint8), corners[0], spacing, axes)


def _lay(
    codes: NDArray[np.uint16],
    number: int,
    mask: NDArray[np.bool_],
    place: Slice,
    inverse: FloatArray,
    origin: FloatArray,
) -> None:
    """Writes one frame's pixels where they lie in `codes`, in place."""
    index = np.argwhere(mask)
    points = (
        place.corner
        + index[:, :1] * place.spacing[1] * place.axes[0]
        + index[:, 1:] * place.spacing[0] * place.axes[1]
    )
    at = np.rint((points - origin) @ inverse.T).astype(int)
    inside = np.all((at >= 0) & (at < codes.shape), axis=1)
    codes[tuple(at[inside].T)] = number
