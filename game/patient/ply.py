"""Surfaces and point sets as binary PLY files that other tools open, and back.

`comment SPACE=LPS` is how 3D Slicer (from 4.11) tells a surface's frame; coordinates are mm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.patient import Surface

_MOST_HEADER = 2_000  # bytes; project choice
_MOST_ROWS = 20_000_000  # vertices or faces; project choice: 500 times a patient's largest surface
_CORNERS = "property list uchar int vertex_indices"
_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
_COUNT = re.compile(r"element (?:vertex|face) ([0-9]{1,9})")
XYZ = ("x", "y", "z")


def write_surface(path: Path, surface: Surface) -> None:
    """Writes a surface: `float` vertices, LPS mm, and triangles."""
    faces = np.empty(len(surface.faces), _FACE)
    faces["count"], faces["corners"] = 3, surface.faces
    lines = _vertex_lines(len(surface.vertices), "float", XYZ)
    lines += [f"element face {len(faces)}", _CORNERS]
    body = np.ascontiguousarray(surface.vertices, "<f4").tobytes() + faces.tobytes()
    path.write_bytes(_header(lines) + body)


def read_surface(path: Path) -> Surface:
    """The surface of a file as `write_surface` writes it; raises PatientError for any other, and
    for a face whose corners are no vertices."""
    data, body = _split(path)
    vertices, faces = _counts(path, data, 2)
    lines = _vertex_lines(vertices, "float", XYZ)
    _demand(path, data, body, [*lines, f"element face {faces}", _CORNERS],
            12 * vertices + _FACE.itemsize * faces)  # fmt: skip
    points = np.frombuffer(body, "<f4", 3 * vertices).reshape(-1, 3)
    corners = np.frombuffer(body, _FACE, faces, 12 * vertices)
    if np.any(corners["count"] != 3):
        raise PatientError(f"{path.name}: a face has not 3 corners; only triangles are allowed")
    named = np.ascontiguousarray(corners["corners"], np.int32)
    if faces and not (named.min() >= 0 and named.max() < vertices):
        raise PatientError(f"{path.name}: a face names a vertex beyond 0 to {vertices - 1}")
    return Surface(np.array(points, np.float32), named)


def write_points(path: Path, names: Sequence[str], columns: FloatArray) -> None:
    """Writes points as `double` properties: `columns` (n, k) of the k `names`, x y z first."""
    body = np.ascontiguousarray(columns, "<f8").tobytes()
    path.write_bytes(_header(_vertex_lines(len(columns), "double", names)) + body)


def read_points(path: Path, names: Sequence[str]) -> FloatArray:
    """The columns (n, k) of a file as `write_points` writes it; raises PatientError else."""
    data, body = _split(path)
    (count,) = _counts(path, data, 1)
    _demand(path, data, body, _vertex_lines(count, "double", names), 8 * len(names) * count)
    return np.frombuffer(body, "<f8").reshape(count, len(names)).astype(float)


def _vertex_lines(count: int, kind: str, names: Sequence[str]) -> list[str]:
    return [f"element vertex {count}", *(f"property {kind} {name}" for name in names)]


def _header(lines: Sequence[str]) -> bytes:
    top = ("ply", "format binary_little_endian 1.0", "comment SPACE=LPS", "comment unit mm")
    return ("\n".join((*top, *lines, "end_header")) + "\n").encode()


def _split(path: Path) -> tuple[bytes, memoryview]:
    """A file's header and what follows it; its size is judged before it is read."""
    try:
        size = path.stat().st_size
        if size > _MOST_HEADER + 64 * _MOST_ROWS:
            raise PatientError(f"{path.name}: is {size} bytes; too large for a patient's surface")
        data = path.read_bytes()
    except OSError as error:
        raise PatientError(f"{path}: cannot be read ({error.strerror})") from None
    end = data.find(b"end_header\n", 0, _MOST_HEADER)
    if end < 0:
        raise PatientError(f"{path.name}: is no PLY file")
    start = end + len(b"end_header\n")
    return data[:start], memoryview(data)[start:]


def _counts(path: Path, head: bytes, needed: int) -> list[int]:
    found = [int(n) for n in _COUNT.findall(head.decode("ascii", "replace"))]
    if len(found) != needed or max(found) > _MOST_ROWS:
        raise PatientError(f"{path.name}: its elements count {found}; {needed} of up to "
                           f"{_MOST_ROWS} are needed")  # fmt: skip
    return found


def _demand(path: Path, head: bytes, body: memoryview, lines: Sequence[str], size: int) -> None:
    """Raises PatientError unless the header, but for comments on other things, is the one written
    for `lines`, and the body has `size` bytes."""
    if _bare(head) != _bare(_header(lines)):
        raise PatientError(f"{path.name}: is no little-endian PLY file in LPS as a patient's are")
    if len(body) != size:
        raise PatientError(f"{path.name}: holds {len(body)} bytes; {size} are needed")


def _bare(head: bytes) -> list[bytes]:
    lines: list[bytes] = head.splitlines()
    return [n for n in lines if not n.startswith(b"comment") or n == b"comment SPACE=LPS"]
