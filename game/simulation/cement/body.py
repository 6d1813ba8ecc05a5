"""The cement that left a tip, and one request for more: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import Point
from game.patient.patient import Region
from game.simulation.cement.exits import Exit

BODY_C = 37.0


@dataclass(frozen=True, eq=False)
class Cement:
    """One row for each cell that holds cement, in the order in which cells were reached.

    `voxels` (k,) are flat indices into the patient's bone grid, those from the grid's size on nodes
    of the medium's veins; `ml` (k,) the cement in each; `age_s` (k,) its effective age (the seconds
    at 25 C that would have cured it as far) and `celsius` (k,) its temperature, both as they were
    at `time_s`; `exit` (k,) its `Exit`; `potential` (k,) the pressure over viscosity and flow
    during the last advance, 1/mm3, 0 at the front. Arrays left empty read as age 0, body heat, no
    exit and no pressure.

    `delivered_ml` is what left the tips: sum(ml) to rounding. `refused_ml` is what of the last
    request the pressure limit kept back. `front_mpa` is the pressure at the tip in bone during the
    last advance, `total_mpa` with the loss in the cannula's bore. `by_region_ml` is the ledger."""

    voxels: NDArray[np.int64]
    ml: NDArray[np.float64]
    delivered_ml: float = 0.0
    refused_ml: float = 0.0
    front_mpa: float = 0.0
    total_mpa: float = 0.0
    by_region_ml: Mapping[Region, float] = field(default_factory=lambda: MappingProxyType({}))
    age_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    celsius: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    exit: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    potential: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    time_s: float = 0.0

    def __post_init__(self) -> None:
        rows = len(self.voxels)
        blank = {
            "age_s": np.zeros(rows),
            "celsius": np.full(rows, BODY_C),
            "exit": np.full(rows, Exit.NONE, np.uint8),
            "potential": np.zeros(rows),
        }
        for name, values in blank.items():
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, values)
            elif len(getattr(self, name)) != rows:
                raise ValueError(f"cement has {rows} voxels and {len(getattr(self, name))} {name}")

    @property
    def filled_ml(self) -> float:
        """Inside the cortical envelope, mL."""
        return self.by_region_ml.get(Region.MARROW, 0.0)

    @property
    def leaked_ml(self) -> float:
        """Beyond the cortical envelope, mL."""
        outside = (ml for region, ml in self.by_region_ml.items() if region != Region.MARROW)
        return sum(outside, 0.0)


EMPTY = Cement(np.empty(0, np.int64), np.empty(0, np.float64))


@dataclass(frozen=True)
class Injection:
    """One 50 ms request: `ml` offered at `tip` (LPS mm) through a cannula of bore and length mm,
    at `viscosity` Pa s and no more than `limit_mpa` at the plunger.

    `compliance` mL/MPa: 0 prescribes the flow ml / seconds; above 0 what stands behind the plunger
    is a spring, whose pressure is what remains / compliance. `age_s` and `celsius` are the
    effective age and the temperature of what leaves the bore, `time_s` the case's clock as the
    request begins."""

    tip: Point
    direction: Point
    bore: float
    length: float
    ml: float
    viscosity: float
    limit_mpa: float
    seconds: float
    compliance: float = 0.0
    age_s: float = 0.0
    celsius: float = BODY_C
    time_s: float = 0.0
