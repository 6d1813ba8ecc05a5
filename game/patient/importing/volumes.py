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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from game.geometry.grid import FloatArray, Point
from game.patient.errors import PatientError
from game.patient.importing.limits import check_grid
from game.patient.importing.metaimage import check_metaimage
from game.patient.importing.nrrd import check_nrrd

MOST_TURN = 0.002  # below, 0.1 degree, a scan's axes are taken for the patient's; project choice
MOST_SHEAR = 0.001  # of a cosine between a scan's axes that ITK takes for a right angle
SUFFIXES = (".mhd", ".mha", ".nrrd", ".nhdr", ".nii", ".nii.gz")
_MOST_HEADER = 4_000_000  # bytes of NIfTI header and extensions; project choice
_NIFTI_TYPES = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 256: 1, 512: 2, 768: 4}  # code: bytes, nifti1.h
_LABEL = re.compile(rb'<Label\s+Key="(\d{1,5})"[^>]*>\s*(?:<!\[CDATA\[)?([^<\]]{1,80})')


@dataclass(frozen=True, eq=False)
class Volume:
    """`values` [x, y, z] with axes turned to the nearest of LPS; `origin` is the centre of voxel
    (0, 0, 0) and `spacing` along x, y, z, both mm; the columns of `direction` (3, 3) are the axes,
    LPS, not at right angles under a gantry tilt; `path` names the file in messages."""

    path: Path
    values: NDArray[Any]
    origin: Point
    spacing: Point
    direction: FloatArray

    def same_grid(self, other: Volume) -> bool:
        """Whether both grids agree to a hundredth of a voxel."""
        step = np.array(self.spacing)
        return (
            self.values.shape == other.values.shape
            and bool(np.all(np.abs(step - other.spacing) < 0.001 * step))
            and bool(np.all(np.abs(np.subtract(self.origin, other.origin)) < 0.01 * step))
            and bool(np.all(np.abs(self.direction - other.direction) < 1e-4))
        )

    def grid_text(self) -> str:
        """The grid in words, for messages."""
        shape = " x ".join(str(n) for n in self.values.shape)
        step = " x ".join(f"{v:g}" for v in self.spacing)
        at = ", ".join(f"{v:.1f}" for v in self.origin)
        return f"{shape} voxels of {step} mm at {at}, turned by {self.turn_deg:.1f} deg"

    @property
    def turn_deg(self) -> float:
        """The largest angle between an axis of the scan and the patient's, degrees."""
        return float(np.degrees(np.arccos(np.clip(np.diag(self.direction), -1.0, 1.0)).max()))

    def straight(self, order: int, outside: float) -> Volume:
        """The volume on a grid with the patient's axes and its own spacing: nearest voxels (order
        0, labels) or linear between them (order 1); `outside` beyond it."""
        if np.array_equal(self.direction, np.eye(3)):
            return self
        step, last = np.array(self.spacing), np.array(self.values.shape) - 1
        matrix = self.direction * step
        corners = np.array(np.meshgrid(*((0, n) for n in last))).reshape(3, 8).T @ matrix.T
        low = corners.min(axis=0)
        shape = tuple(int(n) for n in np.ceil(np.ptp(corners, axis=0) / step) + 1)
        check_grid(self.path.name, shape, self.spacing)
        inverse = np.linalg.inv(matrix)
        values = affine_transform(
            self.values, inverse * step, inverse @ low, shape, order=order, cval=outside
        )
        x, y, z = low + self.origin
        return replace(
            self, values=values, origin=(float(x), float(y), float(z)), direction=np.eye(3)
        )


def read_volume(path: Path) -> Volume:
    """A MetaImage (.mhd, .mha), NRRD (.nrrd, .nhdr) or NIfTI (.nii, .nii.gz) volume.

    Raises PatientError: file or data file missing or cut short, not 3-D, a spacing that is not a
    number between 0.1 and 12 mm, above 1e9 voxels, axes that are not at right angles.
    """
    if not path.is_file():
        raise PatientError(f"{path}: there is no such file")
    try:
        _CHECKS.get(path.suffix, _check_nifti)(path)
        return _volume(path, _quiet_read(path))
    except (OSError, EOFError, zlib.error) as error:
        raise PatientError(f"{path.name}: cannot be read ({error})") from None


def label_names(path: Path) -> Mapping[str, int]:
    """Label values by name from a NIfTI file's Caret XML header extension; empty without one."""
    if path.suffix in _CHECKS:
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
        needed = check_grid(path.name, size[:3] if flat else size[: max(axes, 1)], spacing)
        if code not in _NIFTI_TYPES:
            raise PatientError(f"{path.name}: voxel type is {code}; allowed: {list(_NIFTI_TYPES)}")
        if not 352 <= offset <= _MOST_HEADER:
            raise PatientError(f"{path.name}: vox_offset is {offset}; 352 to {_MOST_HEADER}")
        needed = needed * _NIFTI_TYPES[code] + int(offset) - 352
        while needed > 0 and (chunk := stream.read(min(needed, 1 << 22))):
            needed -= len(chunk)
        rest = len(stream.read(_MOST_HEADER))  # to the end: there the packed file's checksum stands
    if rest:
        raise PatientError(f"{path.name}: is too long by {rest} bytes or more")
    if needed > 0:
        raise PatientError(f"{path.name}: is cut short: {needed} bytes of voxels are missing")


_CHECKS = {
    ".mhd": check_metaimage,
    ".mha": check_metaimage,
    ".nrrd": check_nrrd,
    ".nhdr": check_nrrd,
}


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
    with _printed() as lines:
        image = sitk.DICOMOrient(image, "LPS")
    direction = np.array(image.GetDirection()).reshape(3, 3)
    origin = image.GetOrigin()
    right = np.abs(direction.T @ direction - np.eye(3)).max()
    if lines or not (right <= MOST_SHEAR and np.all(np.isfinite(origin))):
        raise PatientError(f"{path.name}: the scan's axes are not at right angles, or not finite")
    if np.abs(direction - np.eye(3)).max() <= MOST_TURN:
        direction = np.eye(3)
    values = sitk.GetArrayViewFromImage(image).transpose(2, 1, 0)
    spacing = tuple(image.GetSpacing())
    return Volume(path, np.ascontiguousarray(values), tuple(origin), spacing, direction)
