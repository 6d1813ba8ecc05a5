"""The expert's columns of cement without the room: the same aliquots, pauses and withdrawal, given
straight to the bone. Seconds instead of a quarter of an hour's ticks, for studies of many patients.

What differs from the whole procedure: the cannula stands exactly on its planned line; steps are
STEP_S long; the syringe prescribes its flow instead of being a spring (what runs on after the hand
stops is left out); each aliquot is followed by PAUSE_S for two views; nothing is drawn up; the next
side's batch is mixed at once; a leak is seen when the aliquot that made it is over.
"""

from __future__ import annotations

from math import ceil, inf

from game.devices.cannula import GAUGES
from game.devices.injector import SYRINGES
from game.patient.patient import Side
from game.simulation.case import Case
from game.simulation.cement import EMPTY, Cement, Injection, advance
from game.simulation.cement.products import product as product_named
from game.simulation.cement.rheology import BATCH_C, Product, room_age
from game.simulation.cement.tracks import Hole, Shaft, bored, channels_of
from game.training.expert import (
    ALIQUOT_ML,
    FLOW_UL_S,
    FOOT_MM,
    LEAK_REST_S,
    LEAKS_BORNE,
    PATIENCE_S,
    PRIMING_S,
    SEEN_LEAK_ML,
    SYRINGE,
    SYRINGE_ALIQUOTS,
)
from game.training.leakage import TRIALS_BEGAN_S
from game.training.plan import Line, cannula_length, planned_line

STEP_S = 0.25
PAUSE_S = 7.0  # between aliquots: a quarter turn of the C-arm at 20 deg/s and two pictures


def columns(case: Case, product: str) -> tuple[Cement, dict[Side, float], dict[Side, float]]:
    """The cement of all sides of a case; mL given and highest pressure at the plunger, MPa, of
    each."""
    chosen = product_named(product)
    cement, now = EMPTY, 0.0
    given: dict[Side, float] = {}
    peaks: dict[Side, float] = {}
    holes: tuple[Hole, ...] = ()
    for side in case.level.sides:
        holes = _drilled(holes, planned_line(case, side), _radius(case))
    for side in case.level.sides:
        column = _Column(case, side, chosen, holes, now)
        begins = min(chosen.window_s[0], TRIALS_BEGAN_S.get(product, inf))
        now += max(chosen.mixing_s, begins, PRIMING_S)
        cement, now = column.filled(cement, now)
        given[side], peaks[side] = column.ml, column.peak_mpa
    return cement, given, peaks


def _radius(case: Case) -> float:
    return GAUGES[case.level.gauge].outer / 2.0


def _drilled(holes: tuple[Hole, ...], line: Line, radius: float) -> tuple[Hole, ...]:
    for n in range(int(line.bone_length / 0.5) + 1):
        x, y, z = (line.entry + 0.5 * n * line.direction).tolist()
        holes = bored(holes, (x, y, z), radius)
    return holes


class _Column:
    """One side's, of a batch mixed at `mixed` s; `ml` given so far, `peak_mpa` met."""

    def __init__(
        self, case: Case, side: Side, product: Product, holes: tuple[Hole, ...], mixed: float
    ) -> None:
        self.case, self.side, self.product, self.holes = case, side, product, holes
        self.mixed = mixed
        self.line = planned_line(case, side)
        self.ml, self.peak_mpa = 0.0, 0.0

    def filled(self, cement: Cement, now: float) -> tuple[Cement, float]:
        """The cement and the time, s, when the side is done or abandoned."""
        length = cannula_length(self.line)
        bore = 3.141592653589793 * (GAUGES[self.case.level.gauge].bore / 2.0) ** 2 * length / 1000.0
        pushes = ceil(bore / ALIQUOT_ML)
        aliquots = [ALIQUOT_ML] * SYRINGE_ALIQUOTS + [bore / pushes] * pushes
        stretch = (self.line.bone_length - FOOT_MM) / len(aliquots)
        depth, leaks = self.line.bone_length, 0
        for ml in aliquots:
            before = cement.leaked_ml
            cement, now = self._aliquot(cement, now, ml, depth, stretch)
            depth -= stretch
            now += PAUSE_S
            if cement.leaked_ml - before > SEEN_LEAK_ML:
                leaks += 1
                if leaks > LEAKS_BORNE:
                    break
                now += LEAK_REST_S + PAUSE_S
        return cement, now

    def _aliquot(
        self, cement: Cement, now: float, ml: float, depth: float, stretch: float
    ) -> tuple[Cement, float]:
        """One aliquot, drawn back over `stretch` mm; given up where the bone takes no more."""
        part = FLOW_UL_S / 1000.0 * STEP_S
        left, until = ml, now + PATIENCE_S
        while left > 1e-9 and now < until:
            asked = min(part, left)
            here = depth - stretch * (1.0 - left / ml)
            cement = self._step(cement, now, asked, here)
            left -= asked - cement.refused_ml
            self.ml += asked - cement.refused_ml
            self.peak_mpa = max(self.peak_mpa, cement.total_mpa)
            now += STEP_S
        return cement, now

    def _step(self, cement: Cement, now: float, ml: float, depth: float) -> Cement:
        x, y, z = (self.line.entry + depth * self.line.direction).tolist()
        u, v, w = self.line.direction.tolist()
        steel = Shaft((x, y, z), (u, v, w), _radius(self.case), depth)
        injection = Injection(
            tip=(x, y, z),
            direction=(u, v, w),
            bore=GAUGES[self.case.level.gauge].bore,
            length=float(cannula_length(self.line)),
            ml=ml,
            limit_mpa=SYRINGES[SYRINGE].limit_mpa,
            seconds=STEP_S,
            product=self.product,
            age_s=room_age(now - self.mixed),
            celsius=BATCH_C,
            time_s=now,
        )
        channels = channels_of(self.case.patient.bone, self.holes, (steel,))
        return advance(self.case.medium, channels, cement, injection)
