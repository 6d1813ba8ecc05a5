"""Surfaces of bones (STL, PLY, OBJ) as a `Segmentation`: filled into voxels of 1 mm."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import trimesh
from numba import njit
from numpy.typing import NDArray

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.importing.labels import without_ct
from game.patient.importing.limits import check_grid
from game.patient.importing.names import Choices, Table, name_in_words, parts_of
from game.patient.importing.volumes import Volume
from game.patient.patient import Structure
from game.patient.segmentation import Segmentation

SUFFIXES = (".stl", ".ply", ".obj")
MOST_BYTES = 400_000_000  # of a file; project choice: 8 million triangles of binary STL
VOXEL_MM = 1.0  # project choice: the bone grid has 0.75 mm
SIZE_MM = (60.0, 600.0)  # of all bones together, longest side; project choice
MOST_AREA_MM2 = 3e7  # of the boxes of a bone's triangles, widened by a voxel; project choice: a hip
# bone has 5e4 mm2 of surface, and a million small triangles count 2 mm2 each
STRAY = 0.1  # of lines through a surface that may enter and not leave it; project choice
_SPACE = re.compile(rb"SPACE\s*=\s*(LPS|RAS)\b", re.I)
_HEADER = 2000  # bytes in which SPACE= stands; Slicer writes it in the first lines

Space = Literal["lps", "ras"]


def read_meshes(name: str, paths: Sequence[Path], table: Table, choices: Choices) -> Segmentation:
    """The bones of a folder's mesh files, told apart by their names.

    Raises PatientError, one line, for a file that is damaged, open, of no known space or unit."""
    parts: dict[Structure, tuple[FloatArray, NDArray[np.int64]]] = {}
    spaces = set()
    for path in paths:
        said = name_in_words(path, table)
        structures = parts_of(said) if said else None
        if structures is None or len(structures) != 1:
            raise PatientError(
                f"{path.name}: no bone is named in it; name files sacrum, hip_left, hip_right, L5, "
                "or give --labels FILE.toml with [files]"
            )
        if structures[0] in parts:
            raise PatientError(f"{path.name}: is a second {structures[0].name.lower()}")
        space = _space(path, choices)
        spaces.add(space)
        vertices, faces = loaded(path)
        parts[structures[0]] = (vertices * (1.0 if space == "lps" else (-1.0, -1.0, 1.0)), faces)
    for needed in (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT):
        if needed not in parts:
            bone = needed.name.lower().replace("_", " ")
            raise PatientError(f"{name}: there is no {bone} among its meshes")
    metres = _in_metres(name, np.concatenate([v for v, _ in parts.values()]))
    if metres:
        parts = {code: (vertices * 1000.0, faces) for code, (vertices, faces) in parts.items()}
    notes: tuple[str, ...] = (f"surfaces in {' and '.join(sorted(s.upper() for s in spaces))}",)
    notes += ("the surfaces are in metres; they were taken times 1000",) if metres else ()
    return _filled(name, parts, notes)


def _space(path: Path, choices: Choices) -> Space:
    """The space that the file's header names, else the one that was said."""
    with path.open("rb") as stream:
        found = _SPACE.search(stream.read(_HEADER))
    if not found:
        if choices.space is None:
            raise PatientError(
                f"{path.name}: its header has no SPACE=LPS or SPACE=RAS; say --space lps or "
                "--space ras"
            )
        return choices.space
    own: Space = "lps" if found.group(1).upper() == b"LPS" else "ras"
    if choices.space not in (None, own):
        raise PatientError(
            f"{path.name}: its header says SPACE={own.upper()}; leave out --space {choices.space}"
        )
    return own


def loaded(path: Path) -> tuple[FloatArray, NDArray[np.int64]]:
    """A mesh file's vertices (n, 3), as they stand there, and triangles (m, 3).

    Raises PatientError where it is damaged, too large, or has vertices that are not finite."""
    if path.stat().st_size > MOST_BYTES:
        raise PatientError(f"{path.name}: is {path.stat().st_size} bytes; at most {MOST_BYTES}")
    _check_counts(path)
    try:
        with path.open("rb") as stream:
            mesh = trimesh.load(
                stream, file_type=path.suffix[1:].lower(), process=False, force="mesh",
                skip_materials=True,
            )  # fmt: skip
        vertices = np.array(mesh.vertices, float)
        faces = np.array(mesh.faces, np.int64)
    except Exception as error:  # noqa: BLE001  # trimesh's parsers raise anything on hostile files
        raise PatientError(f"{path.name}: is no mesh ({type(error).__name__})") from None
    if faces.ndim != 2 or faces.shape[1:] != (3,) or len(faces) < 100:
        raise PatientError(f"{path.name}: has {len(faces)} triangles; a bone has 100 or more")
    if not np.all(np.isfinite(vertices)):
        bad = int((~np.isfinite(vertices)).any(axis=1).sum())
        raise PatientError(f"{path.name}: {bad} vertices are not finite")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise PatientError(
            f"{path.name}: a triangle names a vertex beyond 0 to {len(vertices) - 1}"
        )
    return vertices, faces


def _check_counts(path: Path) -> None:
    """Raises PatientError where a header promises more than the file can hold."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(_HEADER)
    counts = [int(n) for n in re.findall(rb"^element\s+\w+\s+(\d{1,18})", head, re.M)]
    if path.suffix.lower() == ".stl" and not head.lstrip().startswith(b"solid"):
        counts = [int.from_bytes(head[80:84], "little") * 50]
    if counts and max(counts) > size:
        raise PatientError(f"{path.name}: promises {max(counts)} parts in {size} bytes: cut short")


def _in_metres(name: str, vertices: FloatArray) -> bool:
    """Whether the bones are in metres; PatientError where neither metres nor mm fit."""
    size = float(np.ptp(vertices, axis=0).max())
    low, high = SIZE_MM
    if low <= size <= high:
        return False
    if low <= 1000.0 * size <= high:
        return True
    raise PatientError(
        f"{name}: the bones together are {size:.4g} long; {low:g} to {high:g} mm, or that in metres"
    )


def _filled(
    name: str,
    parts: Mapping[Structure, tuple[FloatArray, NDArray[np.int64]]],
    notes: tuple[str, ...],
) -> Segmentation:
    """The bones as voxels; in the order of the codes where two overlap."""
    corners = np.concatenate([vertices for vertices, _ in parts.values()])
    low = corners.min(axis=0) - 8.0 * VOXEL_MM
    low[2] -= 20.0
    shape = (
        np.ceil((corners.max(axis=0) - low + np.array([8.0, 8.0, 60.0])) / VOXEL_MM).astype(int) + 1
    )
    size = (int(shape[0]), int(shape[1]), int(shape[2]))
    check_grid(name, size, (VOXEL_MM,) * 3)
    codes = np.zeros(size, np.uint8)
    for code, (vertices, faces) in sorted(parts.items()):
        _demand_area(name, code, vertices, faces)
        inside, stray = _inside((vertices - low) / VOXEL_MM, faces, size)
        if stray > STRAY:
            raise PatientError(
                f"{name}: the surface of the {code.name.lower().replace('_', ' ')} is open: "
                f"{stray:.0%} of the lines through it enter and do not leave; at most {STRAY:.0%}"
            )
        codes[inside & (codes == 0)] = code
    x, y, z = (float(v) for v in low)
    grid = Volume(Path(name), codes, (x, y, z), (VOXEL_MM,) * 3, np.eye(3))
    return without_ct(name, grid, codes, None, notes)


def _demand_area(
    name: str, code: Structure, vertices: FloatArray, faces: NDArray[np.int64]
) -> None:
    """Raises PatientError where the triangles' boxes cover more than a bone's surface can."""
    corners = vertices[faces]
    span = np.sort(np.ptp(corners, axis=1) + VOXEL_MM, axis=1)
    area = float((span[:, 1] * span[:, 2]).sum())
    if area > MOST_AREA_MM2:
        raise PatientError(
            f"{name}: the triangles of the {code.name.lower().replace('_', ' ')} cover {area:.3g} "
            f"mm2; at most {MOST_AREA_MM2:.3g} mm2"
        )


def _inside(
    vertices: FloatArray, faces: NDArray[np.int64], shape: tuple[int, int, int]
) -> tuple[NDArray[np.bool_], float]:
    """Voxels inside a nearly closed surface: where at least two of the three lines along the axes
    have met an odd number of triangles; and the share of lines that meet an odd number in all.
    `vertices` in voxels."""
    votes, stray = np.zeros(shape, np.uint8), []
    for axis in range(3):
        turned = [(axis + 1) % 3, (axis + 2) % 3, axis]
        toggles = np.zeros([shape[k] for k in turned], np.uint8)
        # off the voxel centres by an odd fraction, so that no line meets an edge exactly
        _cross(vertices[:, turned] + (0.000137, 0.000211, 0.0), faces, toggles)
        count = toggles.sum(axis=2)
        odd = count % 2 == 1
        stray.append(int(odd.sum()) / max(int((count > 0).sum()), 1))
        inside = np.cumsum(toggles, axis=2, dtype=np.uint8) % 2 == 1
        inside[odd] = False
        votes += inside.transpose(np.argsort(turned))
    return votes >= 2, float(max(stray)) if votes.any() else 1.0


@njit(nogil=True, cache=True)
def _cross(vertices, faces, toggles):  # type: ignore[no-untyped-def]
    """Counts at [x, y, z] the triangles that the line x, y meets between z - 1 and z."""
    nx, ny, nz = toggles.shape
    for n in range(len(faces)):
        a, b, c = vertices[faces[n, 0]], vertices[faces[n, 1]], vertices[faces[n, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0.0:
            continue
        i0 = max(int(np.ceil(min(a[0], b[0], c[0]))), 0)
        i1 = min(int(np.floor(max(a[0], b[0], c[0]))), nx - 1)
        j0 = max(int(np.ceil(min(a[1], b[1], c[1]))), 0)
        j1 = min(int(np.floor(max(a[1], b[1], c[1]))), ny - 1)
        for i in range(i0, i1 + 1):
            for j in range(j0, j1 + 1):
                u = ((b[0] - i) * (c[1] - j) - (b[1] - j) * (c[0] - i)) / area
                v = ((c[0] - i) * (a[1] - j) - (c[1] - j) * (a[0] - i)) / area
                w = 1.0 - u - v
                if u >= 0.0 and v >= 0.0 and w >= 0.0:
                    k = int(np.ceil(u * a[2] + v * b[2] + w * c[2]))
                    if 0 <= k < nz:
                        toggles[i, j, k] += 1
