"""Who a generated patient is: all that is chosen, or drawn by the seed, before any anatomy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from game.patient.errors import PatientError

Sex = Literal["female", "male"]
Habitus = Literal["slim", "average", "obese"]
Quality = Literal["normal", "osteopenic", "osteoporotic"]
Dysmorphism = Literal["none", "mammillary", "sacralised"]
FracturePattern = Literal[
    "parallel", "si-joint", "foramen", "anterolateral-rim", "central", "h", "none"
]
Laterality = Literal["left", "right", "bilateral"]

AGES = (18, 100)  # years: adults


@dataclass(frozen=True)
class Traits:
    """One person. `template` puts every measure at its published mean and makes both sides equal;
    else `seed` draws the measures (game.patient.procedural.draw). `fracture` and `laterality` of
    None are drawn by the seed with the published frequencies.

    Raises PatientError for an age outside 18-100 years or a seed outside 0 to 2^32 - 1."""

    seed: int = 0
    sex: Sex = "female"
    age: int = 75
    habitus: Habitus = "average"
    quality: Quality = "osteoporotic"
    fracture: FracturePattern | None = "parallel"
    laterality: Laterality | None = "bilateral"
    dysmorphism: Dysmorphism = "none"
    calcified_vessels: bool = False
    template: bool = False

    def __post_init__(self) -> None:
        low, high = AGES
        if not low <= self.age <= high:
            raise PatientError(f"age is {self.age} years; allowed: {low} to {high}")
        if not 0 <= self.seed < 2**32:
            raise PatientError(f"seed is {self.seed}; allowed: 0 to {2**32 - 1}")
