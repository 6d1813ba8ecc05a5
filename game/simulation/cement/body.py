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
from game.simulation.cement.rheology import BODY_C, Product

LEDGER = max(Region) + 1, max(Exit) + 1
BLANK = MappingProxyType(
    {"age_s": 0.0, "celsius": BODY_C, "exit": int(Exit.NONE), "pa_s": 0.0, "potential": 0.0}
)  # what arrays left empty read as


@dataclass(frozen=True, eq=False)
class Cement:
    """One row for each cell that holds cement, in the order in which cells were reached.

    `voxels` (k,) are flat indices into the patient's bone grid, those from the grid's size on nodes
    of the medium's veins; `ml` (k,) the cement in each; `age_s` (k,) its effective age (the seconds
    at 25 C that would have cured it as far) and `celsius` (k,) its temperature, both as they were
    at `time_s`; `exit` (k,) its `Exit`; `pa_s` (k,) its viscosity during the last advance, infinite
    once gelled; `potential` (k,) its pressure then over the flow, Pa s/mm3, 0 at the front.
    Arrays left empty read as age 0, body heat, no exit and no pressure.

    `delivered_ml` is what left the tips: sum(ml) to rounding. `refused_ml` is what of the last
    request the pressure limit kept back. `front_mpa` is the pressure at the tip in bone during the
    last advance, `total_mpa` with the loss in the cannula's bore, `flow_mm3_s` the flow.
    `by_region_ml` is the ledger, `ledger_ml` (regions, exits) the same by exit too. `moved_ml` went
    in since age and temperature were last carried along with the flow; `solved` is mL held and
    flow, mm3/s, when the potentials were last solved."""

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
    pa_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    potential: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    time_s: float = 0.0
    flow_mm3_s: float = 0.0
    moved_ml: float = 0.0
    solved: tuple[float, float] = (0.0, 0.0)
    ledger_ml: NDArray[np.float64] = field(default_factory=lambda: np.zeros(LEDGER))

    def __post_init__(self) -> None:
        rows = len(self.voxels)
        for name, value in BLANK.items():
            held = len(getattr(self, name))
            if held == 0 and rows > 0:
                dtype = np.uint8 if name == "exit" else np.float64
                object.__setattr__(self, name, np.full(rows, value, dtype))
            elif held != rows:
                raise ValueError(f"cement has {rows} voxels and {held} {name}")

    @property
    def mpa(self) -> NDArray[np.float64]:
        """The pressure (k,) in each cell during the last advance, MPa."""
        return 1.0e-6 * self.flow_mm3_s * self.potential

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
    """One 50 ms request: `ml` stand behind the plunger of a cannula of bore and length mm whose
    mouth is at `tip` (LPS mm), pressed with no more than `limit_mpa`.

    `compliance` mL/MPa: 0 prescribes the flow ml / seconds; above 0 what stands behind the plunger
    is a spring, whose pressure is what remains / compliance. `product` is the cement, `age_s` and
    `celsius` the effective age and the temperature of what leaves the bore, `time_s` the case's
    clock as the request begins."""

    tip: Point
    direction: Point
    bore: float
    length: float
    ml: float
    limit_mpa: float
    seconds: float
    product: Product
    age_s: float = 0.0
    celsius: float = BODY_C
    compliance: float = 0.0
    time_s: float = 0.0
