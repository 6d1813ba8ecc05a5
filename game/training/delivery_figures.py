"""The figures of cement's delivery that are not times, beside what was published.

Each function measures one number on this machine; `sacrosim bench cement` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import pi
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from game.devices.cannula import GAUGES
from game.devices.injector import SYRINGES, imbalance
from game.simulation.case import Case
from game.simulation.cement.products import product
from game.simulation.cement.rheology import bore_loss, newtonian
from game.simulation.events import Outcome
from game.simulation.state import State
from game.simulation.step import begin, step
from game.training.figure import Figure
from game.training.rehearsal import Procedure

FLOWING_MPA = 0.05  # a pressure this high tells of flow: a project choice
RATE_MM3_S = 50.0  # of the published plunger forces (facts/haptics.md)
FAST_MM3_S = 67.0  # 4 mL/min, of Baroud & Steffen 2005
FILLER_MM, FILLING_ML = 3.0, 1.5  # a rod and its filler; the bore is an assumption


def bench_figures() -> list[Figure]:
    """What needs no patient: forces and losses."""
    law = product().law
    return [
        Figure("thumb at 1.7 MPa on 1 mL", "N", 1.7 * SYRINGES["1-ml"].area, "about 30"),
        Figure("thumb at 1.7 MPa on 3 mL", "N", 1.7 * SYRINGES["3-ml"].area, "about 100"),
        Figure("thumb at 1.7 MPa on 10 mL", "N", 1.7 * SYRINGES["10-ml"].area, "about 280"),
        Figure("rod in a 3 mm filler, 7 min at 20 C, 0.05 mL/s", "N", rod_n(0), "7.8 +- 4.4"),
        Figure("the third filling of it", "N", rod_n(2), "13.3 +- 5.7"),
        Figure("two thirds of the bore doubled: loss less by", "%",
               100.0 * widened(newtonian(100.0), 0.0), "about 63, Poiseuille"),
        Figure("the same with shear-thinning cement at 300 s", "%",
               100.0 * widened(law, 300.0), "about 63"),
    ]  # fmt: skip


def rod_n(filling: int) -> float:
    """The force, N, on a rod in the `filling`-th (0, 1, 2) filler of cement at 20 C; its stopper
    rubs as that of a 1 mL syringe."""
    radius = FILLER_MM / 2.0
    area = pi * radius**2
    age = (420.0 + 30.0 * filling) * 2.0 ** (-5.0 / 12.0)
    length = 1000.0 * FILLING_ML / area
    loss = float(bore_loss(product().law, age, radius, length, RATE_MM3_S))
    return SYRINGES["1-ml"].friction + area * loss


def widened(law: NDArray[np.float64], age_s: float) -> float:
    """The share of the loss that goes where two thirds of an 11G bore are twice as wide."""
    radius = GAUGES[11].bore / 2.0
    narrow = float(bore_loss(law, age_s, radius, 40.0, FAST_MM3_S))
    wide = float(bore_loss(law, age_s, 2.0 * radius, 80.0, FAST_MM3_S))
    return 1.0 - (wide + narrow) / (3.0 * narrow)


class Pressures:
    """What a syringe's pressure came to while a case ran: call `watch` with each state."""

    def __init__(self) -> None:
        self.peak_mpa = self.peak_n = 0.0
        self._shares: list[float] = []

    def watch(self, state: State) -> None:
        """Take in one state."""
        if state.injector.spring is None or state.injector.backlog_ml <= 0:
            return
        self.peak_mpa = max(self.peak_mpa, state.injector.load_mpa)
        self.peak_n = max(self.peak_n, state.injector.load_n)
        total, front = state.cement.total_mpa, state.cement.front_mpa
        if total > FLOWING_MPA:
            self._shares.append(1.0 - front / total)

    @property
    def lost(self) -> float:
        """The mean share of the pressure lost in the cannula while cement flowed; 0 of nothing."""
        return fmean(self._shares) if self._shares else 0.0


def case_figures(case: Case, procedure: Procedure) -> list[Figure]:
    """What comes out over one case: pressures, the balance, how hot it gets."""
    seen, worst, celsius = Pressures(), 0.0, dict[str, float]()
    for state in _states(case, procedure):
        seen.watch(state)
        worst = max(worst, imbalance(state.injector, state.in_patient_ml))
        for event in state.events:
            celsius |= event.celsius if isinstance(event, Outcome) else {}
    return [
        Figure("peak pressure at the syringe", "MPa", seen.peak_mpa, "1.7 +- 0.7"),
        Figure("peak load on the thumb", "N", seen.peak_n, "8-33, at 0.05 mL/s"),
        Figure("pressure lost in the cannula", "%", 100.0 * seen.lost, "about 95"),
        Figure("cement's balance, the worst step", "", worst, "1e-10"),
        Figure("hottest cement", "C", celsius.get("cement", 0.0), "49-112"),
        Figure("hottest canal", "C", celsius.get("canal", 0.0), "39-57, 6-10 mL in a vertebra"),
    ]


def _states(case: Case, procedure: Procedure) -> Iterable[State]:
    state, control = begin(case), next(procedure)
    while True:
        state = step(case, state, control)
        yield state
        try:
            control = procedure.send(state)
        except StopIteration:
            return
