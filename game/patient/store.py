"""Patients on disk: one folder with a JSON page and plain arrays; and a cache of imports.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from game import __version__
from game.patient.build import build
from game.patient.errors import PatientError
from game.patient.importing import Choices, files_of, read_segmentation
from game.patient.importing.limits import MOST_VOXELS
from game.patient.pages import FORMAT, arrays_of, page_of, patient_of
from game.patient.patient import Patient
from game.patient.procedural import procedural
from game.patient.traits import Traits

PAGE = "patient.json"
_MOST_PAGE = 4_000_000  # bytes; project choice
CACHE_VARIABLE = "SACROSIM_CACHE"
_KEY = 12  # letters of the code's digest in a kept patient's name


def save(patient: Patient, folder: Path) -> None:
    """Writes `patient` as `folder`, which is whole or absent at any time; an earlier saved patient
    there is replaced.

    Raises PatientError where the folder cannot be written or holds something else."""
    if folder.exists() and not (folder / PAGE).is_file():
        raise PatientError(f"{folder}: exists and is no saved patient; name a new folder")
    try:
        with _beside(folder) as fresh:
            for name, array in arrays_of(patient).items():
                np.save(fresh / f"{name}.npy", array, allow_pickle=False)
            (fresh / PAGE).write_text(json.dumps(page_of(patient), indent=1), "utf-8")
    except OSError as error:
        raise PatientError(f"{folder}: cannot be written ({error.strerror})") from None


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
    page = _page(folder)
    if page.get("format") != FORMAT:
        raise PatientError(
            f"{folder / PAGE}: format is {page.get('format')!r}; this version reads {FORMAT}"
        )
    try:
        return patient_of(page, lambda name: _array(folder, name))
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise PatientError(f"{folder / PAGE}: is damaged ({error!r})") from None
    except PatientError:
        raise
    except ValueError as error:
        raise PatientError(f"{folder / PAGE}: is damaged ({error})") from None


def _page(folder: Path) -> Mapping[str, Any]:
    path = folder / PAGE
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


def _array(folder: Path, name: str) -> NDArray[Any]:
    """One array of a folder, its header judged against the file's size before it is read."""
    path = folder / f"{name}.npy"
    try:
        with path.open("rb") as stream:
            if np.lib.format.read_magic(stream) != (1, 0):
                raise PatientError(f"{path.name}: is no array file of version 1.0")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            count = int(np.prod([int(n) for n in shape], dtype=object))
            rest = path.stat().st_size - stream.tell()
            if fortran or dtype.kind not in "iuf" or not 0 <= count <= MOST_VOXELS:
                raise PatientError(f"{path.name}: holds {dtype} of shape {shape}; plain numbers do")
            if rest != count * dtype.itemsize:
                raise PatientError(
                    f"{path.name}: holds {rest} bytes; {count * dtype.itemsize} are needed"
                )
            return np.fromfile(stream, dtype, count).reshape(shape)
    except OSError as error:
        raise PatientError(f"{path}: cannot be read ({error.strerror})") from None
    except PatientError:
        raise
    except (ValueError, SyntaxError, TypeError, TokenError) as error:
        raise PatientError(f"{path.name}: is no plain array ({error})") from None


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

    What another version of this package made does not count and goes. A damaged entry is made
    again; a cache that cannot be written is done without."""
    folder = cache_folder() / f"patient-{key}-{_code_key()}"
    try:
        return load(folder)
    except PatientError:
        patient = make()
    try:
        if folder.exists() and not (folder / PAGE).is_file():
            shutil.rmtree(folder, ignore_errors=True)
        save(patient, folder)
        for old in folder.parent.glob(f"patient-{glob.escape(key)}-{'?' * _KEY}"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
    except PatientError:
        return patient
    return patient


def source_key(folder: Path) -> str:
    """A hex digest of the files of a folder to import, names and bytes."""
    return _digest(files_of(folder))


def _code_key() -> str:
    """A hex digest of the code that turns a source into a patient."""
    return _digest(sorted(Path(__file__).parent.rglob("*.py")))[:_KEY]


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256(f"{__version__} {FORMAT}".encode())
    for path in paths:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:32]


def embedded(seed: int = 0) -> Patient:
    """The project's own pelvis number `seed`, through the cache."""
    return cached(f"embedded-{seed}", lambda: generated(Traits(seed=seed)))


def generated(traits: Traits) -> Patient:
    """The pelvis of `traits.seed` with the fractures that `traits` ask for or that are drawn.

    Sex, age, habitus, quality and dysmorphism do not shape it yet. Raises PatientError for an H
    fracture on one side."""
    return build(procedural(traits), traits)


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
