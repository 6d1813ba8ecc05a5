"""The cement that left a tip, and one request for more: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import Point
from game.patient.patient import Region


@dataclass(frozen=True, eq=False)
class Cement:
    """Filled voxels only. `voxels` (k,) are sorted flat indices into the patient's bone grid,
    `ml` (k,) the cement in each; one batch, one age. `delivered_ml` is what left the tips: sum(ml)
    to rounding. `refused_ml` is what of the last request the pressure limit kept back.
    `front_mpa` is the pressure at the tip in bone during the last advance, `total_mpa` with the
    loss in the cannula's bore. `by_region_ml` is the ledger.
    `potential` (k,) is the pressure in each voxel over viscosity and flow during the last advance,
    1/mm3, 0 at the front; empty reads as 0."""

    voxels: NDArray[np.int64]
    ml: NDArray[np.float64]
    delivered_ml: float = 0.0
    refused_ml: float = 0.0
    front_mpa: float = 0.0
    total_mpa: float = 0.0
    by_region_ml: Mapping[Region, float] = field(default_factory=lambda: MappingProxyType({}))
    potential: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

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
    at `viscosity` Pa s and no more than `limit_mpa` at the plunger."""

    tip: Point
    direction: Point
    bore: float
    length: float
    ml: float
    viscosity: float
    limit_mpa: float
    seconds: float
