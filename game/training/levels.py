"""Levels from their TOML files, and the case that a level and a patient make."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from game.data import data_folder
from game.errors import BadInput
from game.patient.approach import CEMENT_MM, Approach, fracture_gap, long_axis
from game.patient.patient import SIDES, Patient, Side
from game.simulation.case import Case, Level
from game.simulation.cement import medium_of


class LevelError(BadInput):
    """A level that does not exist or cannot be read; one line says why."""


def level_names() -> list[str]:
    """The names of the shipped levels, sorted."""
    return sorted(path.stem for path in data_folder("levels").glob("*.toml"))


def read_level(name: str) -> Level:
    """A shipped level by name; raises LevelError naming what there is."""
    if name not in level_names():
        raise LevelError(f"level {name!r} does not exist; there are: {', '.join(level_names())}")
    return level_from(data_folder("levels") / f"{name}.toml")


def level_from(path: Path) -> Level:
    """A level from a TOML file; raises LevelError with the field and what is allowed."""
    try:
        return Level.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LevelError(f"{path.name}: {where}: {first['msg']}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LevelError(f"{path.name}: {error}") from None


def make_case(patient: Patient, level: Level, seed: int = 0) -> Case:
    """A case: the reference paths and the bone as cement sees it are derived here, once.

    Raises LevelError as `approaches_for` does."""
    return Case(
        patient=patient,
        level=level,
        seed=seed,
        approaches=approaches_for(patient, level),
        medium=medium_of(patient),
    )


def approaches_for(patient: Patient, level: Level) -> Mapping[Side, Approach]:
    """The reference path of each side.

    Raises LevelError where the level treats an ala that the patient has not fractured, or whose
    fracture the long-axis path passes too far off."""
    whole = [side for side in level.sides if side not in patient.broken_sides]
    if whole:
        raise LevelError(
            f"level {level.name!r} treats the {whole[0]} ala, which is not fractured in "
            f"{patient.name}; fractured: {', '.join(patient.fractures) or 'nothing'}"
        )
    approaches = {side: long_axis(patient, side) for side in SIDES}
    for side in level.sides:
        _demand_reach(patient, level, approaches[side])
    return approaches


def _demand_reach(patient: Patient, level: Level, path: Approach) -> None:
    """Raises LevelError where cement from this path would not reach its fracture."""
    gap = fracture_gap(patient, path)
    if gap > CEMENT_MM:
        pattern = patient.sheet(path.side).pattern
        raise LevelError(
            f"level {level.name!r} treats the {path.side} ala, but its long-axis path passes "
            f"{gap:.0f} mm from the {pattern} fracture and cement reaches {CEMENT_MM:.0f} mm: "
            f"{patient.name} needs another technique there"
        )
