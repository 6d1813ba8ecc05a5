"""MetaImage headers (.mhd with its data beside it, .mha with its data in it), judged first."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

from game.patient.errors import PatientError
from game.patient.importing.limits import check_grid, check_length

_MOST_HEADER = 100_000  # bytes; project choice
_TYPES = {  # bytes of a voxel, from the MetaIO documentation
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}


def check_metaimage(path: Path) -> None:
    """Raises PatientError where header and data do not fit, or the data lie in another folder."""
    fields, start = _fields(path)
    name = path.name
    try:
        size = [int(v) for v in fields["DimSize"].split()]
        spacing = [float(v) for v in fields["ElementSpacing"].split()]
        width = _TYPES[fields["ElementType"]]
    except KeyError as error:
        raise PatientError(f"{name}: the header lacks {error.args[0]}, or its value") from None
    except ValueError as error:
        raise PatientError(f"{name}: the header has a value that is no number ({error})") from None
    needed = check_grid(name, size, spacing) * width
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise PatientError(f"{name}: has several channels; 1 is needed")
    data, start = _data(path, fields, start)
    packed = fields.get("CompressedData", "False").lower() == "true"
    found = unpacked_size(data, needed, start) if packed else data.stat().st_size - start
    check_length(data.name, found, needed)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The header's values by name, and the byte after it."""
    with path.open("rb") as stream:
        head = stream.read(_MOST_HEADER)
    at = head.find(b"ElementDataFile")
    end = head.find(b"\n", at)
    end = len(head) if end < 0 else end + 1
    if at < 0:
        if len(head) == _MOST_HEADER:
            raise PatientError(f"{path.name}: no header ends within {_MOST_HEADER} bytes")
        end = len(head)
    pairs = (line.partition("=") for line in head[:end].decode("latin-1").splitlines())
    return {key.strip(): value.strip() for key, mark, value in pairs if mark}, end


def _data(path: Path, fields: Mapping[str, str], start: int) -> tuple[Path, int]:
    """The file with the voxels and the byte that they begin at."""
    name = fields.get("ElementDataFile", "")
    if name == "LOCAL" and path.suffix == ".mha":
        return path, start
    if name != Path(name).name or not name or name in ("LOCAL", "LIST", ".."):
        raise PatientError(
            f"{path.name}: ElementDataFile is {name!r}; a file in the same folder is needed"
        )
    data = path.with_name(name)
    if not data.is_file() or data.is_symlink():
        raise PatientError(f"{name}: there is no such file beside {path.name}")
    return data, 0


def unpacked_size(path: Path, needed: int, start: int = 0, window: int = zlib.MAX_WBITS) -> int:
    """Bytes that a zlib stream from byte `start` unpacks to; stops counting past `needed`.

    Raises zlib.error where its checksum is wrong, EOFError where that is missing."""
    unpack, found = zlib.decompressobj(window), 0
    with path.open("rb") as stream:
        stream.seek(start)
        while (chunk := stream.read(1 << 18)) and found <= needed:
            while chunk and found <= needed:
                found += len(unpack.decompress(chunk, 1 << 24))
                chunk = unpack.unconsumed_tail
    if found == needed and not unpack.eof:
        raise EOFError("the packed voxels end before their checksum")
    return found
