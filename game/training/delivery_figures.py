"""The figures of cement's delivery that are not times, beside what was published.

Each function measures one number on this machine; `sacrosim bench cement` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import pi
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from game.devices.cannula import GAUGES
from game.devices.injector import SYRINGES, imbalance
from game.geometry.grid import Grid, Point
from game.patient.patient import Patient, Region
from game.simulation.case import Case
from game.simulation.cement import EMPTY, NO_CHANNELS, Injection, Medium, advance
from game.simulation.cement.products import product
from game.simulation.cement.rheology import BORE_C, bore_loss, newtonian
from game.simulation.events import Outcome
from game.simulation.state import State
from game.simulation.step import begin, step
from game.training.figure import Figure
from game.training.mould import mould_figures
from game.training.rehearsal import Procedure

FLOWING_MPA = 0.05  # a pressure this high tells of flow: a project choice
RATE_MM3_S = 50.0  # of the published plunger forces (facts/haptics.md)
FAST_MM3_S = 67.0  # 4 mL/min, of Baroud & Steffen 2005
FILLER_MM, FILLING_ML = 3.0, 1.5  # a rod and its filler; the bore is an assumption
VERTEBRA_ML, CANNULA_MM = 3.0, 125.0  # what is injected into whole bone; project choices
VERTEBRA_MM2 = (3.44e-2, 3.44e-2, 4.45e-2)  # across, and along the body: Baroud 2004, silicone oil
VERTEBRA_POROSITY = 0.85  # of the cores that it was measured on, nearly: a project choice
STEP_S, NO_LIMIT_MPA = 0.05, 1.0e9
DEEP_MM = 13.0  # below the endplate, as the target lies (facts/procedure.md)


def bench_figures() -> list[Figure]:
    """What needs no patient: forces and losses."""
    law = product().law
    return [
        Figure("thumb at 1.7 MPa on 1 mL", "N", 1.7 * SYRINGES["1-ml"].area, "about 30"),
        Figure("thumb at 1.7 MPa on 3 mL", "N", 1.7 * SYRINGES["3-ml"].area, "about 100"),
        Figure("thumb at 1.7 MPa on 10 mL", "N", 1.7 * SYRINGES["10-ml"].area, "about 280"),
        Figure("rod in a 3 mm filler, 7 min at 20 C, 0.05 mL/s", "N", rod_n(0), "7.83 +- 4.36"),
        Figure("the third filling of it", "N", rod_n(2), "13.27 +- 5.73"),
        Figure("pressure lost in the cannula, bone of 3.4 and 4.5e-8 m2", "%",
               100.0 * lost(whole_bone(), (0.0, 0.0, 0.0)), "about 95"),
        *mould_figures(),
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


def whole_bone() -> Medium:
    """A block of cancellous bone without a fracture, as loose as vertebrae were measured to be."""
    shape = (61, 61, 61)
    return Medium(
        grid=Grid((-22.5, -22.5, -22.5), 0.75, shape),
        permeability=np.broadcast_to(np.array(VERTEBRA_MM2, np.float32), (*shape, 3)).copy(),
        porosity=np.full(shape, VERTEBRA_POROSITY, np.float32),
        region=np.full(shape, Region.MARROW, np.uint8),
        sheet=np.empty(0, np.int64),
    )


def lost(medium: Medium, tip: Point) -> float:
    """The mean share of the pressure lost in an 11G cannula, 0 to 1, while the usual cement, just
    fit to be injected, goes into bone at the published 4 mL/min."""
    cement = product()
    steps = round(1000.0 * VERTEBRA_ML / FAST_MM3_S / STEP_S)
    request = Injection(
        tip, (0.0, 0.0, 1.0), GAUGES[11].bore, CANNULA_MM, VERTEBRA_ML / steps, NO_LIMIT_MPA,
        STEP_S, cement, age_s=cement.age_at(cement.toothpaste_pa_s), celsius=BORE_C,
    )  # fmt: skip
    body, shares = EMPTY, []
    for n in range(steps):
        body = advance(medium, NO_CHANNELS, body, replace(request, time_s=STEP_S * n))
        if body.total_mpa > 0:
            shares.append(1.0 - body.front_mpa / body.total_mpa)
    return fmean(shares)


def unbroken(patient: Patient) -> Point:
    """The middle of the first segment's body, where no fracture of an ala runs, LPS mm."""
    middle = patient.point("s1_endplate_centre") - DEEP_MM * patient.planes["s1_endplate"].normal
    x, y, z = middle.tolist()
    return x, y, z


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
        Figure("pressure lost in the cannula, tip in the fracture", "%", 100.0 * seen.lost,
               "about 95"),
        Figure("the same in the first segment's body, away from it", "%",
               100.0 * lost(case.medium, unbroken(case.patient)), "about 95"),
        Figure("cement's balance, the worst step", "", worst, "1e-10"),
        Figure("hottest cement", "C", celsius.get("cement", 0.0), "49-112"),
        Figure("hottest canal", "C", celsius.get("canal", 0.0), "39-57, 6-10 mL in a vertebra"),
    ]  # fmt: skip


def _states(case: Case, procedure: Procedure) -> Iterable[State]:
    state, control = begin(case), next(procedure)
    while True:
        state = step(case, state, control)
        yield state
        try:
            control = procedure.send(state)
        except StopIteration:
            return
