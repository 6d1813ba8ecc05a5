"""Patients on disk: a folder that other tools open; and a bounded cache of what took long to make.

A folder is written beside its place and renamed, so there is never half of one. What is loaded is
checked as if a stranger had written it: no pickles, sizes before arrays, codes within their lists.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from game import __version__
from game.data import data_folder
from game.patient.build import build
from game.patient.errors import PatientError
from game.patient.fracture import drawn_fractures
from game.patient.importing import Choices, files_of, read_segmentation
from game.patient.nifti import write_nifti
from game.patient.pages import (
    FORMAT,
    PAGES,
    SHEET,
    pages_of,
    patient_of,
    sheet_columns,
    volumes_of,
    written,
)
from game.patient.patient import Patient
from game.patient.ply import write_points, write_surface
from game.patient.procedural import procedural
from game.patient.traits import Traits

PAGE = PAGES[0]
_MOST_PAGE = 4_000_000  # bytes; project choice
MOST_KEPT, MOST_KEPT_BYTES = 12, 3_000_000_000  # of the cache; project choices: some 0.2 GB each
_LITTER_S = 3600.0  # a draft this old was left by a program that was killed; project choice
CACHE_VARIABLE = "SACROSIM_CACHE"
_KEY = 12  # letters of the code's digest in a kept patient's name


def save(patient: Patient, folder: Path) -> None:
    """Writes `patient` as `folder`, which is whole or absent at any time; an earlier saved patient
    there is replaced.

    Raises PatientError where the folder cannot be written or holds something else."""
    demand_free(folder)
    try:
        with _beside(folder) as fresh:
            _write(patient, fresh)
    except OSError as error:
        raise PatientError(f"{folder}: cannot be written ({error.strerror})") from None


def demand_free(folder: Path) -> None:
    """Raises PatientError where something other than a saved patient stands in `folder`'s place."""
    if folder.exists() and not (folder / PAGE).is_file():
        raise PatientError(f"{folder}: exists and is no saved patient; name a new folder")


def _write(patient: Patient, folder: Path) -> None:
    for name, volume in volumes_of(patient).items():
        write_nifti(folder / f"{name}.nii", volume.values, volume.grid, volume.names)
    for code, surface in patient.surfaces.items():
        write_surface(folder / f"{code.name.lower()}.ply", surface)
    for name, fracture in patient.fractures.items():
        write_points(folder / f"fracture_{name}.ply", SHEET, sheet_columns(fracture))
    for name, page in pages_of(patient).items():
        (folder / name).write_text(written(page), "utf-8")


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A fresh folder that takes `folder`'s place when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield fresh
        fresh.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            folder.rename(old / "old")
            fresh.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def load(folder: Path) -> Patient:
    """The patient saved in `folder`; raises PatientError where anything in it is not as saved."""
    who = _page(folder / PAGE)
    if who.get("format") != FORMAT:
        raise PatientError(
            f"{folder / PAGE}: format is {who.get('format')!r}; this version reads {FORMAT}"
        )
    pages = {PAGE: who} | {name: _page(folder / name) for name in PAGES[1:]}
    try:
        return patient_of(pages, folder)
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise PatientError(f"{folder}: its pages are damaged ({error!r})") from None
    except PatientError:
        raise
    except ValueError as error:
        raise PatientError(f"{folder}: its pages are damaged ({error})") from None


def _page(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _MOST_PAGE:
            raise PatientError(f"{path}: is {path.stat().st_size} bytes; at most {_MOST_PAGE}")
        page = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PatientError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise PatientError(f"{path}: is no JSON page") from None
    if not isinstance(page, dict):
        raise PatientError(f"{path}: is no JSON object")
    return page


def cache_folder() -> Path:
    """Where imports are kept: $SACROSIM_CACHE, else $XDG_CACHE_HOME/sacrosim, else
    ~/.cache/sacrosim."""
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "sacrosim"


def cached(key: str, make: Callable[[], Patient]) -> Patient:
    """The patient kept under `key` (a name for a file), made and kept where it is not there yet.

    What another version of this package made does not count and goes, and so do the longest unused
    beyond MOST_KEPT patients or MOST_KEPT_BYTES. A damaged entry is made again; a cache that cannot
    be written is done without."""
    folder = cache_folder() / f"patient-{key}-{_code_key()}"
    try:
        patient = load(folder)
        with suppress(OSError):
            os.utime(folder)  # when it was used last
        return patient
    except PatientError:
        patient = make()
    try:
        if folder.exists() and not (folder / PAGE).is_file():
            shutil.rmtree(folder, ignore_errors=True)
        save(patient, folder)
        for old in folder.parent.glob(f"patient-{glob.escape(key)}-{'?' * _KEY}"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        _drop_unused(folder)
    except PatientError:
        return patient
    return patient


def _drop_unused(fresh: Path) -> None:
    """Removes drafts that a killed program left beside `fresh`, and the kept patients that were
    used longest ago beyond what a cache may hold; never `fresh` itself."""
    for draft in fresh.parent.glob(".patient-*"):
        if time.time() - _used(draft) > _LITTER_S:
            shutil.rmtree(draft, ignore_errors=True)
    others = [p for p in fresh.parent.glob("patient-*") if p != fresh]
    size, kept = _size(fresh), 1
    for folder in sorted(others, key=_used, reverse=True):
        size, kept = size + _size(folder), kept + 1
        if kept > MOST_KEPT or size > MOST_KEPT_BYTES:
            shutil.rmtree(folder, ignore_errors=True)


def _used(folder: Path) -> float:
    """When a folder was touched last; 0 for one that another program has just removed."""
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0


def _size(folder: Path) -> int:
    """Bytes of a folder's files; 0 for one that another program has just removed."""
    with suppress(OSError):
        return sum(path.stat().st_size for path in folder.iterdir())
    return 0


def source_key(folder: Path) -> str:
    """A hex digest of the files of a folder to import, names and bytes."""
    return _digest(files_of(folder))


def _code_key() -> str:
    """A hex digest of the code and the tables that make a patient."""
    code = Path(__file__).parent
    files = [*code.rglob("*.py"), *(code.parent / "geometry").glob("*.py")]
    return _digest([*sorted(files), data_folder("assets") / "MANIFEST.toml"])[:_KEY]


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256(f"{__version__} {FORMAT}".encode())
    for path in paths:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:32]


def embedded(seed: int = 0) -> Patient:
    """The project's own pelvis number `seed`."""
    return generated(Traits(seed=seed))


def generated(traits: Traits) -> Patient:
    """The pelvis of a person, with the fractures that `traits` ask for or that are drawn; through
    the cache. Equal traits give equal patients.

    Raises PatientError for traits that cannot be, as an H fracture on one side."""
    drawn_fractures(traits)  # what cannot be is refused before the long work
    page = json.dumps(asdict(traits), sort_keys=True)
    key = f"generated-{traits.seed}-{hashlib.sha256(page.encode()).hexdigest()[:_KEY]}"
    return cached(key, lambda: build(procedural(traits), traits))


def open_patient(path: Path, choices: Choices | None = None) -> Patient:
    """The patient in a saved folder, or in a folder to import, through the cache; `choices` are
    what a person says about a folder to import.

    Raises PatientError, one line, where `path` is neither."""
    choices = choices or Choices()
    if (path / PAGE).is_file():
        return load(path)
    try:
        key = source_key(path) + choices.key()
    except OSError as error:
        raise PatientError(f"{path}: cannot be read ({error.strerror})") from None
    return cached(key, lambda: build(read_segmentation(path, choices)))
