"""Cement on its way to the bone: mixing, syringe, the bore of the cannula, the plunger.

Every millilitre is somewhere: syringe + bores + offered + discarded = mixed. What the bone has not
yet taken of the offered volume stays as compression behind the plunger (`backlog_ml`), so flow goes
on for a moment after the hand stops, and releasing the plunger takes it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from game.patient.patient import Side

BATCH_ML = 10.0  # one mixed unit; a project choice, products give 7-20 mL
FASTEST_ML_S = 0.2  # a thumb on a 1 mL syringe; a project choice
COMPLIANCE_ML = 0.05  # the plunger stalls once this much is compressed; a project choice
PRESSURE_LIMIT_MPA = 3.2  # highest in-vivo injection pressure measured, PubMed 15738774


@dataclass(frozen=True)
class Injector:
    """`mixed_at` is when powder met liquid (1/3000 s), None before. `bore_ml` is what stands in
    each cannula; `offered_ml` what has reached a tip, taken by the bone or not; `pushing` the
    cannula whose bore a stylet is emptying, `pushed` the one it has just emptied."""

    mixed_at: int | None = None
    syringe_ml: float = 0.0
    connected: Side | None = None
    bore_ml: Mapping[Side, float] = field(default_factory=lambda: MappingProxyType({}))
    offered_ml: float = 0.0
    backlog_ml: float = 0.0
    pushing: Side | None = None
    pushed: Side | None = None
    discarded_ml: float = 0.0

    @property
    def feeding(self) -> Side | None:
        """The cannula that cement may leave now."""
        return self.pushing or self.connected or self.pushed


def mix(injector: Injector, time: int) -> Injector:
    """Start the cement's clock with a fresh batch; raises ValueError when one is mixed already."""
    if injector.mixed_at is not None:
        raise ValueError("cement is mixed already; one batch per case")
    return replace(injector, mixed_at=time, syringe_ml=BATCH_ML)


def press(
    injector: Injector, ml_per_s: float, seconds: float, dead_volume_ml: float, in_flight_ml: float
) -> Injector:
    """Press (or, negative, release) the plunger of the connected cannula for `seconds`.

    A release takes back what is compressed, but for `in_flight_ml` that the bone is taking now. A
    press stalls once `COMPLIANCE_ML` is compressed, and is no faster than `FASTEST_ML_S`.
    `dead_volume_ml` is the connected cannula's bore, which fills first."""
    side = injector.connected
    if side is None or injector.mixed_at is None:
        return injector
    if ml_per_s < 0:
        back = min(max(0.0, injector.backlog_ml - in_flight_ml), -ml_per_s * seconds)
        return replace(
            injector,
            syringe_ml=injector.syringe_ml + back,
            offered_ml=injector.offered_ml - back,
            backlog_ml=injector.backlog_ml - back,
        )
    room = max(0.0, COMPLIANCE_ML - injector.backlog_ml)
    moved = min(min(ml_per_s, FASTEST_ML_S) * seconds, injector.syringe_ml, room)
    held = injector.bore_ml.get(side, 0.0) + moved
    out = max(0.0, held - dead_volume_ml)
    return replace(
        _offered(injector, out),
        syringe_ml=injector.syringe_ml - moved,
        bore_ml=MappingProxyType({**injector.bore_ml, side: held - out}),
    )


def push_out(injector: Injector, ml_per_s: float, seconds: float) -> Injector:
    """Push a stylet home: it empties the bore of `pushing` through the tip, as fast as the hand
    goes (never backwards, and no faster than `FASTEST_ML_S`)."""
    side = injector.pushing
    if side is None or ml_per_s <= 0:
        return injector
    room = max(0.0, COMPLIANCE_ML - injector.backlog_ml)
    held = injector.bore_ml.get(side, 0.0)
    moved = min(min(ml_per_s, FASTEST_ML_S) * seconds, held, room)
    return replace(
        _offered(injector, moved),
        bore_ml=MappingProxyType({**injector.bore_ml, side: held - moved}),
        pushing=None if held - moved <= 0 else side,
        pushed=side if held - moved <= 0 else None,
    )


def connect(injector: Injector, side: Side | None, in_flight_ml: float) -> Injector:
    """Connect the syringe to a cannula or to none; what was compressed drips away, counted."""
    lost = max(0.0, injector.backlog_ml - in_flight_ml)
    return replace(
        injector,
        connected=side,
        pushing=None,
        pushed=None,
        offered_ml=injector.offered_ml - lost,
        backlog_ml=injector.backlog_ml - lost,
        discarded_ml=injector.discarded_ml + lost,
    )


def emptied(injector: Injector, side: Side) -> Injector:
    """The cannula of `side` is taken away with what stands in its bore."""
    held = injector.bore_ml.get(side, 0.0)
    return replace(
        injector,
        bore_ml=MappingProxyType({**injector.bore_ml, side: 0.0}),
        discarded_ml=injector.discarded_ml + held,
    )


def imbalance(injector: Injector, delivered_ml: float) -> float:
    """Relative error of the cement's balance: mixed = syringe + bores + compressed + delivered +
    discarded. Rounding apart it is 0."""
    if injector.mixed_at is None:
        return 0.0
    bores = sum(injector.bore_ml.values())
    found = injector.syringe_ml + bores + injector.backlog_ml + delivered_ml + injector.discarded_ml
    return abs(found - BATCH_ML) / BATCH_ML


def _offered(injector: Injector, ml: float) -> Injector:
    return replace(
        injector, offered_ml=injector.offered_ml + ml, backlog_ml=injector.backlog_ml + ml
    )
