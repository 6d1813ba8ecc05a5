"""The one function that finds data files: installed under `game/`, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def data_folder(name: Literal["assets", "levels"]) -> Path:
    """The folder of shipped data called `name`; raises FileNotFoundError where it is missing."""
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the data folder {name!r} is neither in the package nor beside it")
