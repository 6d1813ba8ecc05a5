"""A folder's files sorted by what they are, and read by whoever knows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from game.patient.errors import PatientError
from game.patient.importing.ct_alone import parted_by_model
from game.patient.importing.dicom import is_dicom, read_dicom
from game.patient.importing.fit import with_model
from game.patient.importing.labels import Labels, labels_of, one_class, segmentation_of
from game.patient.importing.meshes import SUFFIXES as MESH_SUFFIXES
from game.patient.importing.meshes import read_meshes
from game.patient.importing.names import PELVIC, Choices, Table, name_of, numbered, read_table
from game.patient.importing.sanity import checked
from game.patient.importing.volumes import SUFFIXES, Volume, label_names, read_volume
from game.patient.segmentation import Segmentation

MOST_FILES = 20_000  # in a folder; project choice
PER_CLASS = "segmentations"  # the folder in which TotalSegmentator writes one file per class


@dataclass(frozen=True)
class Source:
    """A folder's files by kind."""

    volumes: tuple[Path, ...]
    meshes: tuple[Path, ...]
    dicoms: tuple[Path, ...]


def read_segmentation(folder: Path, choices: Choices | None = None) -> Segmentation:
    """The anatomy in `folder`; scanner LPS mm, axes LPS.

    Raises PatientError (one line) where the folder or a file is missing, damaged or no pelvis."""
    choices = choices or Choices()
    if not folder.is_dir():
        raise PatientError(f"{folder}: there is no such folder")
    table = read_table(choices.labels)
    source = _sorted(folder)
    if source.meshes and not source.volumes and not source.dicoms:
        return _finished(read_meshes(folder.name, source.meshes, table, choices))
    ct, labels = _ct_and_labels(folder, source, table, choices)
    if labels is not None:
        return _finished(segmentation_of(folder.name, labels, ct))
    if ct is not None:
        return checked(parted_by_model(folder.name, ct))
    raise PatientError(
        f"{folder}: has no label map, CT or mesh; read are .nii, .nii.gz, .mhd, .mha, .nrrd, "
        ".nhdr, DICOM, .stl, .ply and .obj"
    )


def _finished(made: Segmentation) -> Segmentation:
    return with_model(checked(made))


def _sorted(folder: Path) -> Source:
    """Hidden files and links are passed over."""
    paths = [p for p in folder.iterdir() if p.is_file() and not p.is_symlink()]
    inner = folder / PER_CLASS
    if inner.is_dir() and not inner.is_symlink():
        paths += [p for p in inner.iterdir() if p.is_file() and not p.is_symlink()]
    if len(paths) > MOST_FILES:
        raise PatientError(f"{folder}: has {len(paths)} files; at most {MOST_FILES}")
    paths = sorted(p for p in paths if not p.name.startswith("."))
    volumes = tuple(p for p in paths if p.name.endswith(SUFFIXES))
    meshes = tuple(p for p in paths if p.suffix.lower() in MESH_SUFFIXES)
    rest = [p for p in paths if p not in volumes and p not in meshes]
    return Source(volumes, meshes, tuple(p for p in rest if is_dicom(p)))


def _ct_and_labels(
    folder: Path, source: Source, table: Table, choices: Choices
) -> tuple[Volume | None, Labels | None]:
    if {p.name for p in source.volumes} >= {"label.mhd"} and not table.labels:
        return None, _pelvic(folder)
    named = {p: name_of(p, table) for p in source.volumes}
    single = {path: name for path, name in named.items() if name is not None}
    volumes = [read_volume(p) for p in source.volumes if p not in single]
    ct, segments = read_dicom(source.dicoms) if source.dicoms else (None, None)
    maps = [v for v in volumes if _is_map(v)]
    cts = [v for v in volumes if not any(v is other for other in maps)]
    cts += [] if ct is None else [ct]
    found = len(maps) + bool(single) + (segments is not None)
    if len(cts) > 1 or found > 1:
        names = ", ".join(v.path.name for v in (*maps, *cts)) or folder.name
        raise PatientError(
            f"{folder}: has {found} label map(s) and {len(cts)} CT(s) among {names[:160]}; at most "
            "one of each is read"
        )
    labels = segments
    if maps:
        values, note = numbered(maps[0].path.name, label_names(maps[0].path), table, choices)
        labels = labels_of(maps[0], values, note)
    elif single:
        labels = one_class({name: read_volume(path) for path, name in single.items()})
    return (cts[0] if cts else None), labels


def _is_map(volume: Volume) -> bool:
    """Whether a volume holds labels: it names them, or has whole numbers from 0 to 255."""
    if label_names(volume.path):
        return True
    return bool(volume.values.min() >= 0 and volume.values.max() <= 255)


def _pelvic(folder: Path) -> Labels:
    """The known label maps: label.mhd, and the body in mask.mhd."""
    label, mask = read_volume(folder / "label.mhd"), read_volume(folder / "mask.mhd")
    if not label.same_grid(mask):
        raise PatientError(
            f"label.mhd and mask.mhd lie on different grids: {label.grid_text()}; "
            f"{mask.grid_text()}"
        )
    labels = labels_of(label, PELVIC, "label.mhd beside mask.mhd: numbering of the pelvic maps")
    return replace(labels, body=np.asarray(mask.straight(0, 0).values != 0))
