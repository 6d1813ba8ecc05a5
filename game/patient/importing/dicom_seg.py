"""A DICOM segmentation object (SEG): its segments as labels on the CT's grid, or on its own.

Read by the tags of dicom.py and those below: of a segment its number and its label alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import pixel_array

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.importing.dicom import (
    GEOMETRY,
    LEAST_SLICES,
    PIXELS,
    Slice,
    in_lps,
    read_page,
    slice_of,
    stepped,
    unhurt,
)
from game.patient.importing.labels import Labels, labels_of
from game.patient.importing.limits import check_grid
from game.patient.importing.names import Table, known_name
from game.patient.importing.volumes import Volume

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # Segmentation and
# Label Map Segmentation Storage, DICOM PS3.4 B.5
_SEGMENTS = ("SegmentSequence", "SharedFunctionalGroupsSequence",
             "PerFrameFunctionalGroupsSequence", "SegmentationType")  # fmt: skip
MOST_BYTES = 1_000_000_000  # of a file; project choice: 30 000 frames of 512 x 512 bits
MOST_FRAMES = 100_000  # project choice: 100 segments in 1000 slices
OFF_GRID = 0.1  # voxel by which a frame may lie off the CT's voxels; project choice


def is_segmentation(path: Path) -> bool:
    """Whether a DICOM file is a segmentation; PatientError where it is damaged."""
    return str(read_page(path, ("SOPClassUID",), MOST_BYTES).get("SOPClassUID", "")) in (
        SEGMENTATIONS
    )


def read_segments(path: Path, ct: Volume | None, table: Table) -> Labels:
    """A segmentation's labels on the grid of `ct`, which its frames must lie on, else on its own.

    Segments are told by `table`, by number, else by their own labels; PatientError where neither
    names a bone, or a frame is damaged."""
    page = read_page(path, (*GEOMETRY, *PIXELS, *_SEGMENTS), MOST_BYTES)
    with unhurt(path):
        kind = str(page.get("SegmentationType", ""))
        if kind not in ("BINARY", "LABELMAP"):
            raise PatientError(f"{path.name}: is a {kind} segmentation; BINARY or LABELMAP is read")
        names = _names(path, page, table)
        places = _places(path, page)
    grid = _on_ct(path, ct, places) if ct is not None else _own_grid(path, places)
    codes = np.zeros(grid.values.shape, np.uint16)
    with unhurt(path):
        for number, place, mask in _masks(page, places, names):
            _lay(codes, grid, number, place, mask)
    told = "the table that was given" if table.labels else "the segments' labels"
    return labels_of(replace(grid, path=path, values=codes), names, f"DICOM SEG, bones by {told}")


def _names(path: Path, page: Any, table: Table) -> Mapping[int, str]:
    """What is known by name among the segments, by number; other labels are dropped unseen."""
    if table.labels:
        return table.labels
    found = {}
    for segment in page.SegmentSequence:
        name = known_name(str(segment.get("SegmentLabel", "")))
        if name is not None:
            found[int(segment.SegmentNumber)] = name
    if not found:
        raise PatientError(
            f"{path.name}: no segment has the name of a bone; say --labels FILE.toml, by number"
        )
    return found


def _places(path: Path, page: Any) -> list[Slice]:
    """The place of every frame."""
    count = int(page.NumberOfFrames)
    frames = page.PerFrameFunctionalGroupsSequence
    if not 0 < count <= MOST_FRAMES or len(frames) != count:
        raise PatientError(
            f"{path.name}: has {len(frames)} places for {count} frames; as many are needed, and at "
            f"most {MOST_FRAMES}"
        )
    shared = page.SharedFunctionalGroupsSequence[0]
    return [_place(path, page, own, shared) for own in frames]


def _place(path: Path, page: Any, own: Any, shared: Any) -> Slice:
    def either(name: str) -> Any:
        return (own if name in own else shared)[name][0]

    flat = pydicom.Dataset()
    flat.PixelSpacing = either("PixelMeasuresSequence").PixelSpacing
    flat.ImageOrientationPatient = either("PlaneOrientationSequence").ImageOrientationPatient
    flat.ImagePositionPatient = either("PlanePositionSequence").ImagePositionPatient
    flat.Rows, flat.Columns = page.Rows, page.Columns
    return slice_of(path, flat)


def _masks(
    page: Any, places: list[Slice], names: Mapping[int, str]
) -> Iterator[tuple[int, Slice, NDArray[np.bool_]]]:
    """Segment number, place and pixels [along a row, down a column] of each segment in each frame,
    one frame in memory at a time."""
    label_map = str(page.SegmentationType) == "LABELMAP"
    for n, place in enumerate(places):
        if label_map:
            frame = pixel_array(page, index=n).T
            for number in set(np.unique(frame).tolist()) & set(names):
                yield number, place, frame == number
            continue
        own = page.PerFrameFunctionalGroupsSequence[n]
        number = int(own.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        if number in names:
            yield number, place, _bits(page, n).T > 0


def _bits(page: Any, n: int) -> NDArray[np.uint8]:
    """Frame `n` of a BINARY segmentation (rows, columns). Plain frames are unpacked here: they
    follow each other bit by bit, and pydicom 3.0 loses the last bits of one that ends within a
    byte. ValueError where the file holds fewer bits."""
    if page.file_meta.TransferSyntaxUID.is_encapsulated:
        return np.asarray(pixel_array(page, index=n))
    rows, columns = int(page.Rows), int(page.Columns)
    first, last = n * rows * columns, (n + 1) * rows * columns
    packed = np.frombuffer(page.PixelData, np.uint8)[first // 8 : (last + 7) // 8]
    bits = np.unpackbits(packed, bitorder="little")
    return bits[first % 8 : first % 8 + rows * columns].reshape(rows, columns)


def _on_ct(path: Path, ct: Volume, places: list[Slice]) -> Volume:
    """The CT's grid, demanded to be that of every frame."""
    inverse = np.linalg.inv(ct.direction * ct.spacing)
    for place in places:
        steps = np.stack([place.spacing[1] * place.axes[0], place.spacing[0] * place.axes[1]])
        last = steps[0] * (place.shape[1] - 1) + steps[1] * (place.shape[0] - 1)
        ends = np.array([place.corner, place.corner + last]) - ct.origin
        index = ends @ inverse.T
        off = np.abs(index - np.rint(index)).max()
        uneven = np.abs(np.abs(steps @ inverse.T).max(axis=1) - 1.0).max()
        beyond = index.min() < -0.5 or np.any(index > np.array(ct.values.shape) - 0.5)
        if off > OFF_GRID or uneven > 1e-3 or beyond:
            raise PatientError(
                f"{path.name}: a frame at {place.corner.round(1).tolist()} mm does not lie on the "
                f"CT's voxels ({ct.grid_text()})"
            )
    return ct


def _own_grid(path: Path, places: list[Slice]) -> Volume:
    """An empty volume through a segmentation's own frames."""
    first = places[0]
    if not all(first.alike(other) for other in places):
        raise PatientError(f"{path.name}: its frames differ in size, pixel spacing or direction")
    corners = np.unique(np.round([p.corner for p in places], 3), axis=0)
    normal = np.cross(*first.axes)
    corners = corners[np.argsort(corners @ normal)]
    if len(corners) < LEAST_SLICES:
        raise PatientError(f"{path.name}: has {len(corners)} slices; at least {LEAST_SLICES}")
    step, _ = stepped(path.name, corners, normal)
    spacing = (first.spacing[1], first.spacing[0], float(np.linalg.norm(step)))
    size = (first.shape[1], first.shape[0], len(corners))
    check_grid(path.name, size, spacing)
    axes = np.stack([*first.axes, step / spacing[2]], axis=1)
    return in_lps(path, np.zeros(size, np.uint8), corners[0], spacing, axes)


def _lay(
    codes: NDArray[np.uint16], grid: Volume, number: int, place: Slice, mask: NDArray[np.bool_]
) -> None:
    """Writes one frame's pixels where they lie in `codes`, in place."""
    inverse: FloatArray = np.linalg.inv(grid.direction * grid.spacing)
    index = np.argwhere(mask)
    points = (
        place.corner
        + index[:, :1] * place.spacing[1] * place.axes[0]
        + index[:, 1:] * place.spacing[0] * place.axes[1]
    )
    at = np.rint((points - grid.origin) @ inverse.T).astype(int)
    codes[tuple(at.T)] = number
