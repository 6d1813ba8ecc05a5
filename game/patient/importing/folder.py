"""A folder's files sorted by what they are, and read by whoever knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from game.patient.errors import PatientError
from game.patient.importing.ct_alone import parted_by_model
from game.patient.importing.dicom import LEAST_SLICES, is_dicom, read_series
from game.patient.importing.dicom_seg import is_segmentation, read_segments
from game.patient.importing.fit import with_model
from game.patient.importing.labels import (
    Labels,
    demand_same_grid,
    is_map,
    labels_of,
    one_class,
    segmentation_of,
)
from game.patient.importing.meshes import SUFFIXES as MESH_SUFFIXES
from game.patient.importing.meshes import read_meshes
from game.patient.importing.names import PELVIC, Choices, Table, name_of, numbered, read_table
from game.patient.importing.sanity import checked
from game.patient.importing.volumes import SUFFIXES, Volume, label_names, read_volume
from game.patient.segmentation import Segmentation

MOST_FILES = 20_000  # in a folder; project choice
PER_CLASS = "segmentations"  # the folder in which TotalSegmentator writes one file per class
PELVIC_FILES = {"label.mhd", "mask.mhd"}  # of the known pelvic maps, and nothing beside them
DICOM_NAME = "DICOM import"  # a folder of DICOM files is often called by its patient's name


@dataclass(frozen=True)
class Source:
    """A folder's files by kind."""

    volumes: tuple[Path, ...]
    meshes: tuple[Path, ...]
    dicoms: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Scan:
    """What a folder of volumes holds: a CT, labels, or both; and notes."""

    ct: Volume | None
    labels: Labels | None
    notes: tuple[str, ...] = ()


def read_segmentation(folder: Path, choices: Choices | None = None) -> Segmentation:
    """The anatomy in `folder`; scanner LPS mm, axes LPS.

    Raises PatientError (one line) where the folder or a file is missing, damaged or no pelvis."""
    try:
        return _read(folder, choices or Choices())
    except OSError as error:
        raise PatientError(f"{folder}: cannot be read ({error.strerror or error})") from None


def _read(folder: Path, choices: Choices) -> Segmentation:
    table = read_table(choices.labels)
    source = _sorted(files_of(folder))
    if source.meshes and not source.volumes and not source.dicoms:
        return with_model(checked(read_meshes(folder.name, source.meshes, table, choices)))
    name = DICOM_NAME if source.dicoms else folder.name
    scan = _scan(folder, source, table, choices)
    if source.meshes:
        count = len(source.meshes)
        scan = replace(scan, notes=(*scan.notes, f"{count} meshes beside the scan: passed over"))
    if scan.labels is not None:
        made = segmentation_of(name, scan.labels, scan.ct)
        return with_model(checked(replace(made, notes=scan.notes + made.notes)))
    if scan.ct is None:
        raise PatientError(
            f"{folder}: has no label map, CT or mesh; read are .nii, .nii.gz, .mhd, .mha, .nrrd, "
            ".nhdr, DICOM, .stl, .ply and .obj"
        )
    if choices.totalsegmentator or choices.labels:
        raise PatientError(f"{folder}: has no label map, yet its numbering was said")
    made = parted_by_model(name, scan.ct)
    return replace(made, notes=scan.notes + made.notes)


def files_of(folder: Path) -> list[Path]:
    """The files of a folder that count, sorted; hidden files and links are passed over.

    Raises PatientError where there is no such folder, or too many files."""
    if not folder.is_dir():
        what = "is a file; allowed: the folder it lies in" if folder.is_file() else ""
        raise PatientError(f"{folder}: {what or 'there is no such folder'}")
    inner = folder / PER_CLASS
    places = [folder, inner] if inner.is_dir() and not inner.is_symlink() else [folder]
    paths = []
    for path in (p for place in places for p in place.iterdir()):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            paths.append(path)
        if len(paths) > MOST_FILES:
            raise PatientError(f"{folder}: has more than {MOST_FILES} files")
    return sorted(paths)


def _sorted(paths: Sequence[Path]) -> Source:
    volumes = tuple(p for p in paths if p.name.endswith(SUFFIXES))
    meshes = tuple(p for p in paths if p.suffix.lower() in MESH_SUFFIXES)
    known = {*volumes, *meshes}
    return Source(volumes, meshes, tuple(p for p in paths if p not in known and is_dicom(p)))


def _scan(folder: Path, source: Source, table: Table, choices: Choices) -> Scan:
    names = {p.name for p in source.volumes}
    said = table.labels or table.files or choices.totalsegmentator
    if "label.mhd" in names and names <= PELVIC_FILES and not source.dicoms and not said:
        return Scan(None, _pelvic(folder))
    single = {p: name for p in source.volumes if (name := name_of(p, table)) is not None}
    maps, cts, passed = _volumes(source, single)
    ct, segments, notes = _dicoms(folder, source.dicoms, table)
    cts += [] if ct is None else [ct]
    found = len(maps) + bool(single) + (segments is not None)
    if len(cts) > 1 or found > 1:
        raise PatientError(
            f"{folder}: has {found} label map(s) and {len(cts)} CT(s); at most one of each is read"
        )
    if passed:
        notes += (f"{passed} files of other classes were passed over",)
    labels = segments
    if maps:
        values, note = numbered(maps[0].path.name, label_names(maps[0].path), table, choices)
        labels = labels_of(maps[0], values, note)
    elif single:
        labels = one_class(single)
    return Scan(cts[0] if cts else None, labels, notes)


def _volumes(source: Source, single: dict[Path, str]) -> tuple[list[Volume], list[Volume], int]:
    """The label maps and the CTs among the volumes that are no single class that is known by name,
    and how many were passed over as single classes of no interest."""
    maps: list[Volume] = []
    cts: list[Volume] = []
    passed = 0
    for path in source.volumes:
        if path in single:
            continue
        if path.parent.name == PER_CLASS and single:
            passed += 1
            continue
        volume = read_volume(path)
        if single and volume.values.min() >= 0 and volume.values.max() <= 1:
            passed += 1
        else:
            (maps if is_map(volume) else cts).append(volume)
        if len(maps) > 1 or len(cts) > 1:
            break
    return maps, cts, passed


def _dicoms(
    folder: Path, paths: Sequence[Path], table: Table
) -> tuple[Volume | None, Labels | None, tuple[str, ...]]:
    segments = [p for p in paths if is_segmentation(p)]
    if len(segments) > 1:
        raise PatientError(f"{folder}: has {len(segments)} DICOM segmentations; one is read")
    slices = [p for p in paths if p not in segments]
    ct, notes = read_series(slices) if slices else (None, ())
    if paths and ct is None and not segments:
        raise PatientError(f"{folder}: has no DICOM CT series of {LEAST_SLICES} slices or more")
    return ct, read_segments(segments[0], ct, table) if segments else None, notes


def _pelvic(folder: Path) -> Labels:
    """The known label maps: label.mhd, and the body in mask.mhd."""
    label, mask = read_volume(folder / "label.mhd"), read_volume(folder / "mask.mhd")
    demand_same_grid(label, mask)
    labels = labels_of(label, PELVIC, "label.mhd beside mask.mhd: numbering of the pelvic maps")
    return replace(labels, body=mask.values != 0)
