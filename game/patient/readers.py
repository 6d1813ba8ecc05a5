"""Volumes from hostile files: the header is judged before a voxel is read.

SimpleITK reads the voxels; whatever its C++ side prints meanwhile becomes the error. It takes a
cut NIfTI file for whole and turns a negative spacing into a direction, so both are checked here.
"""

from __future__ import annotations

import gzip
import os
import re
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)
from numpy.typing import NDArray

from game.geometry.grid import Point
from game.patient.errors import PatientError

MOST_VOXELS = 1_000_000_000  # project choice: ten times a full-body CT at 1 mm
SPACING_MM = (0.1, 12.0)  # project choice: from micro-CT-like detail to useless slices
MOST_TURN = 0.02  # project choice: 1 degree between the scan's axes and the patient's
_MOST_HEADER = 4_000_000  # bytes of NIfTI header and extensions; project choice
_NIFTI_TYPES = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 256: 1, 512: 2, 768: 4}  # code: bytes, nifti1.h
_LABEL = re.compile(rb'<Label\s+Key="(\d{1,5})"[^>]*>\s*(?:<!\[CDATA\[)?([^<\]]{1,80})')


@dataclass(frozen=True, eq=False)
class Volume:
    """`values` [x, y, z] with axes turned to LPS; `origin` is the centre of voxel (0, 0, 0) and
    `spacing` along x, y, z, both mm; `path` names the file in messages."""

    path: Path
    values: NDArray[Any]
    origin: Point
    spacing: Point

    def same_grid(self, other: Volume) -> bool:
        """Whether both grids agree to a hundredth of a voxel."""
        step = np.array(self.spacing)
        return (
            self.values.shape == other.values.shape
            and bool(np.all(np.abs(step - other.spacing) < 0.001 * step))
            and bool(np.all(np.abs(np.subtract(self.origin, other.origin)) < 0.01 * step))
        )

    def grid_text(self) -> str:
        """The grid in words, for messages."""
        shape = " x ".join(str(n) for n in self.values.shape)
        step = " x ".join(f"{v:g}" for v in self.spacing)
        return f"{shape} voxels of {step} mm at {', '.join(f'{v:.1f}' for v in self.origin)}"


def read_volume(path: Path) -> Volume:
    """A MetaImage (.mhd with its data beside it) or NIfTI (.nii, .nii.gz) volume.

    Raises PatientError: file or data file missing or cut short, not 3-D, a spacing that is not a
    number between 0.1 and 12 mm, above 1e9 voxels, axes oblique to the patient's by over 1 degree.
    """
    if not path.is_file():
        raise PatientError(f"{path}: there is no such file")
    try:
        check = _check_meta if path.suffix == ".mhd" else _check_nifti
        check(path)
        return _volume(path, _quiet_read(path))
    except (OSError, EOFError, zlib.error) as error:
        raise PatientError(f"{path.name}: cannot be read ({error})") from None


def label_names(path: Path) -> Mapping[str, int]:
    """Label values by name from a NIfTI file's Caret XML header extension; empty without one."""
    if path.suffix == ".mhd":
        return {}
    try:
        with _opened(path) as stream:
            head = stream.read(352)
            start = int(np.clip(struct.unpack("<f", head[108:112])[0], 352, _MOST_HEADER))
            text = stream.read(start - 352)
    except (OSError, EOFError, zlib.error, struct.error, ValueError, OverflowError) as error:
        raise PatientError(f"{path.name}: the header cannot be read ({error})") from None
    pairs = _LABEL.findall(text)
    return {name.decode("utf-8", "replace").strip(): int(key) for key, name in pairs}


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _check_grid(name: str, size: list[int], spacing: list[float]) -> int:
    """The number of voxels of a header's grid that is fit to be read."""
    if len(size) != 3 or len(spacing) != 3:
        raise PatientError(f"{name}: has {len(size)} axes; a volume of 3 is needed")
    if min(size) < 2:
        raise PatientError(f"{name}: size is {size}; every axis needs 2 voxels or more")
    count = size[0] * size[1] * size[2]
    if count > MOST_VOXELS:
        raise PatientError(f"{name}: size is {size}, {count} voxels; at most {MOST_VOXELS}")
    low, high = SPACING_MM
    for value in spacing:
        if not low <= value <= high:
            raise PatientError(f"{name}: spacing is {value:g} mm; it must be {low} to {high} mm")
    return count


def _check_meta(path: Path) -> None:
    fields = _meta_fields(path)
    name = path.name
    try:
        size = [int(v) for v in fields["DimSize"].split()]
        spacing = [float(v) for v in fields["ElementSpacing"].split()]
        width = _META_TYPES[fields["ElementType"]]
    except KeyError as error:
        raise PatientError(f"{name}: the header lacks {error.args[0]}, or its value") from None
    except ValueError as error:
        raise PatientError(f"{name}: the header has a value that is no number ({error})") from None
    needed = _check_grid(name, size, spacing) * width
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise PatientError(f"{name}: has several channels; 1 is needed")
    _check_meta_data(path, fields, needed)


_META_TYPES = {  # bytes of a voxel, from the MetaIO documentation
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}


def _meta_fields(path: Path) -> dict[str, str]:
    if path.stat().st_size > 100_000:
        raise PatientError(f"{path.name}: is {path.stat().st_size} bytes; a header has below 1e5")
    lines = path.read_text("latin-1").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _check_meta_data(path: Path, fields: Mapping[str, str], needed: int) -> None:
    data_name = fields.get("ElementDataFile", "")
    if data_name != Path(data_name).name or not data_name or data_name in ("LOCAL", "LIST", ".."):
        raise PatientError(
            f"{path.name}: ElementDataFile is {data_name!r}; a file in the same folder is needed"
        )
    data = path.with_name(data_name)
    if not data.is_file():
        raise PatientError(f"{data_name}: there is no such file beside {path.name}")
    packed = fields.get("CompressedData", "False").lower() == "true"
    found = _unpacked_size(data, needed) if packed else data.stat().st_size
    if found != needed:
        short = "cut short" if found < needed else "too long"
        raise PatientError(f"{data_name}: is {short}: {found} bytes of voxels, {needed} needed")


def _unpacked_size(path: Path, needed: int) -> int:
    """Bytes that a zlib stream unpacks to; stops counting past `needed`."""
    unpack, found = zlib.decompressobj(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 18):
            while chunk and found <= needed:
                found += len(unpack.decompress(chunk, 1 << 24))
                chunk = unpack.unconsumed_tail
    return found


def _check_nifti(path: Path) -> None:
    with _opened(path) as stream:
        head = stream.read(352)
        if len(head) < 352 or head[344:347] not in (b"n+1",) or head[:4] != b"\x5c\x01\x00\x00":
            raise PatientError(f"{path.name}: is no little-endian NIfTI-1 file")
        axes, *size = struct.unpack("<8h", head[40:56])
        code, _ = struct.unpack("<2h", head[70:74])
        spacing = [float(v) for v in struct.unpack("<3f", head[80:92])]
        (offset,) = struct.unpack("<f", head[108:112])
        flat = axes == 3 or (3 < axes <= 7 and all(n == 1 for n in size[3:axes]))
        needed = _check_grid(path.name, size[:3] if flat else size[: max(axes, 1)], spacing)
        if code not in _NIFTI_TYPES:
            raise PatientError(f"{path.name}: voxel type is {code}; allowed: {list(_NIFTI_TYPES)}")
        if not 352 <= offset <= _MOST_HEADER:
            raise PatientError(f"{path.name}: vox_offset is {offset}; 352 to {_MOST_HEADER}")
        needed = needed * _NIFTI_TYPES[code] + int(offset) - 352
        while needed > 0 and (chunk := stream.read(min(needed, 1 << 22))):
            needed -= len(chunk)
    if needed > 0:
        raise PatientError(f"{path.name}: is cut short: {needed} bytes of voxels are missing")


def _quiet_read(path: Path) -> sitk.Image:
    """The image; whatever the reader prints or throws becomes one PatientError."""
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    with _printed() as lines:
        try:
            image = sitk.ReadImage(str(path))
        except RuntimeError as error:
            lines.append(str(error).rpartition("\n")[2] or "unreadable")
    if lines:
        raise PatientError(f"{path.name}: cannot be read ({'; '.join(lines)})")
    return image


@contextmanager
def _printed() -> Iterator[list[str]]:
    """Collects what C++ code writes to the process's standard error meanwhile."""
    lines: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            sink.seek(0)
            lines.extend(sink.read(2000).decode("utf-8", "replace").split("\n")[:3])
            lines[:] = [line.strip() for line in lines if line.strip()]


def _volume(path: Path, image: sitk.Image) -> Volume:
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise PatientError(f"{path.name}: is no volume of single numbers")
    image = sitk.DICOMOrient(image, "LPS")
    turn = np.abs(np.array(image.GetDirection()).reshape(3, 3) - np.eye(3)).max()
    origin = image.GetOrigin()
    if not (turn <= MOST_TURN and np.all(np.isfinite(origin))):
        raise PatientError(
            f"{path.name}: the scan's axes lie oblique to the patient's (a cosine is off by "
            f"{turn:.3f}); at most {MOST_TURN} is allowed"
        )
    values = sitk.GetArrayViewFromImage(image).transpose(2, 1, 0)
    return Volume(path, np.ascontiguousarray(values), tuple(origin), tuple(image.GetSpacing()))
