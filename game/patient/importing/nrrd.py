"""NRRD headers (.nrrd with its data in it, .nhdr with its data beside it), judged first.

Format: teem.sourceforge.net/nrrd/format.html. Only what a volume of single numbers needs is taken.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from game.patient.errors import PatientError
from game.patient.importing.limits import check_grid, check_length
from game.patient.importing.metaimage import unpacked_size

_MOST_HEADER = 100_000  # bytes; project choice
_WIDTHS = {
    1: ("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"),
    2: ("short", "short int", "signed short", "signed short int", "int16", "int16_t", "ushort",
        "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    4: ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t",
        "float"),
    8: ("double", "longlong", "long long", "int64", "int64_t", "uint64", "uint64_t"),
}  # fmt: skip
_SPACES = (
    "left-posterior-superior",
    "lps",
    "right-anterior-superior",
    "ras",
    "left-anterior-superior",
    "las",
)
_VECTOR = re.compile(r"\(([^)]{1,200})\)")


def check_nrrd(path: Path) -> None:
    """Raises PatientError where header and data do not fit, the space is no patient's, or the data
    lie in another folder."""
    fields, start = _fields(path)
    name = path.name
    try:
        size = [int(v) for v in fields["sizes"].split()]
        rows = [[float(v) for v in row.split(",")] for row in _VECTOR.findall(
            fields["space directions"])]  # fmt: skip
        kind, encoding = fields["type"].lower(), fields["encoding"].lower()
    except KeyError as error:
        raise PatientError(f"{name}: the header lacks {error.args[0]!r}") from None
    except ValueError as error:
        raise PatientError(f"{name}: the header has a value that is no number ({error})") from None
    space = fields.get("space", "").lower()
    if space not in _SPACES:
        raise PatientError(f"{name}: space is {space!r}; left-posterior-superior or RAS is needed")
    if any(len(row) != 3 for row in rows):
        raise PatientError(f"{name}: a space direction has not 3 numbers")
    count = check_grid(name, size, [float(np.linalg.norm(row)) for row in rows])
    width = next((w for w, names in _WIDTHS.items() if kind in names), 0)
    if width == 0:
        raise PatientError(f"{name}: type is {kind!r}; whole numbers, float or double are needed")
    data, start = _data(path, fields, start)
    check_length(data.name, _length(name, data, encoding, start, count * width), count * width)


def _length(name: str, data: Path, encoding: str, start: int, needed: int) -> int:
    if encoding == "raw":
        return data.stat().st_size - start
    if encoding in ("gzip", "gz"):
        return unpacked_size(data, needed, start, zlib.MAX_WBITS | 16)
    raise PatientError(f"{name}: encoding is {encoding!r}; raw or gzip is needed")


def _fields(path: Path) -> tuple[Mapping[str, str], int]:
    """The header's fields by name, and the byte after its empty line."""
    with path.open("rb") as stream:
        head = stream.read(_MOST_HEADER)
    if not head.startswith(b"NRRD000"):
        raise PatientError(f"{path.name}: is no NRRD file")
    found = re.search(rb"\r?\n\r?\n", head)
    end = found.end() if found else len(head)
    lines = head[:end].decode("latin-1").splitlines()[1:]
    pairs = (line.partition(":") for line in lines if not line.startswith("#"))
    return {key.strip().lower(): value.strip() for key, mark, value in pairs if mark}, end


def _data(path: Path, fields: Mapping[str, str], start: int) -> tuple[Path, int]:
    name = fields.get("data file", fields.get("datafile", ""))
    if fields.get("line skip", "0") != "0" or fields.get("byte skip", "0") != "0":
        raise PatientError(f"{path.name}: skips in the data file are not read")
    if not name:
        return path, start
    data = path.with_name(Path(name).name)
    if name != Path(name).name or not data.is_file() or data.is_symlink():
        raise PatientError(f"{path.name}: data file is {name!r}; one in the same folder is needed")
    return data, 0
