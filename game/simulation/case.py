"""What does not change during a case: the patient, the level, and what is derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from game.devices.surroundings import Surroundings, surroundings_of
from game.devices.tube import checked_rate
from game.patient.approach import Approach
from game.patient.patient import Patient, Side
from game.simulation.cement import Medium

Technique = Literal["long-axis"]


class Level(BaseModel):
    """Goals of a level, as its TOML file gives them; lengths mm, volumes mL, angles degrees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=60)
    title: str = Field(min_length=1, max_length=120)
    brief: str = Field(max_length=2000)
    sides: tuple[Side, ...] = Field(min_length=1, max_length=2)
    technique: Technique = "long-axis"
    gauge: Literal[11, 13] = 11
    length_mm: Literal[100, 125, 150] = 125
    pulse_rate: float = 4.0
    foramen_at_risk: bool = False

    @field_validator("pulse_rate")
    @classmethod
    def _offered_by_the_generator(cls, rate: float) -> float:
        return checked_rate(rate)


@dataclass(frozen=True, eq=False)
class Case:
    """`approaches` are the reference paths that entry, angle and target are graded against;
    `medium` is the patient's bone as cement sees it."""

    patient: Patient
    level: Level
    seed: int
    approaches: Mapping[Side, Approach]
    medium: Medium

    @cached_property
    def surroundings(self) -> Surroundings:
        """What stands in the C-arm's way."""
        return surroundings_of(self.patient)
