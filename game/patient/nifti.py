"""A patient's volumes as NIfTI-1 files (.nii) that other tools open, and back.

Uncompressed, so that a kept patient is read in a moment. The first voxel axis runs to the patient's
left, the second posterior, the third superior; the affine, in both of the header's forms, says so
in NIfTI's RAS+ world, so that 3D Slicer and ITK show the patient's LPS mm. Codes carry their names
in the header extension that label maps of other programs have (Caret XML).

The header is 32-bit: it holds the grid to a micrometre or so. A patient's JSON page has it exactly,
and a file is read only for the grid it is said to lie on. Layout: nifti1.h, nifti.nimh.nih.gov.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import Grid
from game.patient.errors import PatientError

HEADER = 352  # bytes before an extension or the voxels
_CODES = {"uint8": 2, "int16": 4, "float32": 16}  # nifti1.h's data types
_MM, _SCANNER, _LABELS, _CARET = 2, 1, 1002, 30  # nifti1.h: unit, form, intent; extension code
_MOST_EXTENSION = 65_536  # bytes; project choice
_SLACK_MM = 1e-3  # between a header's 32-bit grid and the page's; project choice


def write_nifti(
    path: Path, volume: NDArray[Any], grid: Grid, names: Mapping[int, str] | None = None
) -> None:
    """Writes `volume` [x, y, z] (uint8, int16 or float32) on `grid`, LPS mm; `names` are its codes'
    where it holds codes. Raises ValueError for another kind of voxel or another shape."""
    if volume.dtype.name not in _CODES or volume.shape != grid.shape:
        raise ValueError(f"voxels are {volume.dtype} of shape {volume.shape}; allowed: "
                         f"{', '.join(_CODES)} of {grid.shape}")  # fmt: skip
    extension = _extension(names) if names else b""
    with path.open("wb") as stream:
        stream.write(_header(volume.dtype, grid, len(extension), names is not None) + extension)
        for slab in _turned(volume):
            stream.write(slab.tobytes())


def _turned(volume: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The volume in the file's order [z, y, x], a slab at a time: it takes no second memory."""
    for k in range(0, volume.shape[2], 16):
        yield np.ascontiguousarray(volume[:, :, k : k + 16].transpose(2, 1, 0))


def _header(dtype: np.dtype[Any], grid: Grid, extension: int, labels: bool) -> bytes:
    head = bytearray(HEADER)
    x, y, z = grid.origin
    step = grid.spacing
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *grid.shape, 1, 1, 1, 1)
    struct.pack_into("<3h", head, 68, _LABELS * labels, _CODES[dtype.name], 8 * dtype.itemsize)
    struct.pack_into("<4f", head, 76, 1.0, step, step, step)
    struct.pack_into("<3f", head, 108, HEADER + extension, 1.0, 0.0)
    struct.pack_into("<B", head, 123, _MM)
    struct.pack_into("<2h", head, 252, _SCANNER, _SCANNER)
    struct.pack_into("<6f", head, 256, 0.0, 0.0, 1.0, -x, -y, z)  # half a turn about z
    struct.pack_into("<12f", head, 280, -step, 0, 0, -x, 0, -step, 0, -y, 0, 0, step, z)
    head[344:348] = b"n+1\0"
    head[348] = extension > 0
    return bytes(head)


def _extension(names: Mapping[int, str]) -> bytes:
    """Codes and their names as Caret XML, padded to whole 16 bytes."""
    labels = "".join(
        f'<Label Key="{code}"><![CDATA[{name}]]></Label>' for code, name in names.items()
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0">'
        f"<LabelTable>{labels}</LabelTable><VolumeType>Label</VolumeType></VolumeInformation>"
        "</CaretExtension>"
    ).encode()
    size = -(-(8 + len(text)) // 16) * 16
    return struct.pack("<2i", size, _CARET) + text.ljust(size - 8, b"\0")


def read_nifti(path: Path, dtype: type, grid: Grid) -> NDArray[Any]:
    """The volume [x, y, z] of a file that must hold `dtype` on `grid`, LPS mm.

    Nothing larger than that is ever taken into memory. Raises PatientError (one line) for a file
    that is not there, is cut, or holds something else."""
    try:
        with path.open("rb") as stream:
            start = _start(path.name, stream.read(HEADER), np.dtype(dtype), grid)
            found = path.stat().st_size - start
            needed = int(np.prod(grid.shape)) * np.dtype(dtype).itemsize
            if found != needed:
                raise PatientError(f"{path.name}: holds {found} bytes of voxels; {needed} needed")
            return _voxels(stream, start, np.dtype(dtype), grid)
    except OSError as error:
        raise PatientError(f"{path}: cannot be read ({error.strerror})") from None


def _voxels(stream: IO[bytes], start: int, dtype: np.dtype[Any], grid: Grid) -> NDArray[Any]:
    """The voxels after `start` bytes, in memory's own order."""
    stream.seek(start)
    flat = np.fromfile(stream, dtype.newbyteorder("<"), int(np.prod(grid.shape)))
    held = flat.reshape(grid.shape[::-1])
    volume = np.empty(grid.shape, dtype)
    for j in range(grid.shape[1]):  # a slice at a time: it fits the processor's cache
        volume[:, j, :] = held[:, j, :].T
    return volume


def _start(name: str, head: bytes, dtype: np.dtype[Any], grid: Grid) -> int:
    """Where the voxels begin in a file whose header says what it must say."""
    if len(head) < HEADER or head[:4] != b"\x5c\x01\x00\x00" or head[344:348] != b"n+1\0":
        raise PatientError(f"{name}: is no little-endian NIfTI-1 file of one part")
    axes, *size = struct.unpack_from("<4h", head, 40)
    (kind,) = struct.unpack_from("<h", head, 70)
    if axes != 3 or tuple(size) != grid.shape or kind != _CODES[dtype.name]:
        raise PatientError(
            f"{name}: holds voxel type {kind} of size {size}; {_CODES[dtype.name]} ({dtype}) of "
            f"{list(grid.shape)} is needed"
        )
    offset, slope, shift = struct.unpack_from("<3f", head, 108)
    if not HEADER <= offset <= HEADER + _MOST_EXTENSION or offset % 16:
        raise PatientError(f"{name}: vox_offset is {offset:g}; a multiple of 16 from {HEADER} on")
    if (slope, shift) not in ((1.0, 0.0), (0.0, 0.0)):
        raise PatientError(f"{name}: values are scaled by {slope:g} and {shift:g}; as they are, "
                           "1 and 0, is needed")  # fmt: skip
    _check_affine(name, head, grid)
    return int(offset)


def _check_affine(name: str, head: bytes, grid: Grid) -> None:
    """Both forms of the affine must be the grid's, to a micrometre."""
    exact = _header(np.dtype(np.uint8), grid, 0, False)
    for what, at, count in (("pixdim", 76, 4), ("qform", 256, 6), ("sform", 280, 12)):
        found, needed = (np.array(struct.unpack_from(f"<{count}f", h, at)) for h in (head, exact))
        if not np.all(np.abs(found - needed) <= _SLACK_MM):
            raise PatientError(f"{name}: {what} is {found.tolist()}; the page's grid needs "
                               f"{needed.tolist()}")  # fmt: skip
    if struct.unpack_from("<2h", head, 252) != (_SCANNER, _SCANNER):
        raise PatientError(f"{name}: qform and sform must both be the scanner's (1)")
