"""Cement on its way to the bone: the bowl, syringes, the hydraulic injector, the cannula's bore.

Every millilitre is somewhere: mixed = bowl + syringe + tube + bores + compressed + delivered +
tails + discarded. A syringe is a spring as well as a piston: what its barrel, its tube and the
pores of the dough give way by (`backlog_ml`) drives cement on after the hand stops, until the
pressure is released. The hand is no stronger than a thumb: a wide barrel makes less pressure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import pi
from types import MappingProxyType
from typing import Literal, get_args

from game.patient.patient import Side

SyringeName = Literal["1-ml", "3-ml", "10-ml", "hydraulic"]
SYRINGE_NAMES: tuple[SyringeName, ...] = get_args(SyringeName)

THUMB_N = 80.0  # a strong thumb, pressing for seconds; 57 N on a 1 mL barrel make the highest
# pressure measured in vivo, 3.2 MPa (PubMed 15738774): a project choice above it
FASTEST_ML_S = 0.2  # of any plunger: a project choice
DRAW_UP = 3000 * 5  # 1/3000 s to fill a syringe, or to change it for a full one: a project choice
STYLET_SLACK_ML = 0.01  # a stylet is no spring: it offers no more than this at once
STYLET_N = 80.0  # on the stylet's knob, likewise a thumb's


@dataclass(frozen=True)
class Syringe:
    """`ml` it holds; inner diameter of its barrel, mm (of the hydraulic injector: the piston that
    the hand's force stands on); `compliance` mL/MPa of barrel, stopper, tube and dough together;
    `friction` of the stopper, N; a tube's bore and length, mm, 0 without; `rated` MPa that it
    bears. Diameters of common Luer-lock syringes: with them 1.7 MPa takes 30, 100 and 280 N
    (facts/cement.md). Compliances: the barrels' elasticity (2 p / E of polycarbonate) is a fifth of
    them, a few per cent of air in hand-mixed dough the rest; with friction and tube, project
    choices."""

    title: str
    ml: float
    barrel: float
    compliance: float
    friction: float
    rated: float
    tube_bore: float = 0.0
    tube_length: float = 0.0

    @property
    def area(self) -> float:
        """mm2 that the pressure acts on: N = MPa x mm2."""
        return pi * self.barrel**2 / 4.0

    @property
    def tube_ml(self) -> float:
        """What its tube holds, mL."""
        return pi * self.tube_bore**2 / 4.0 * self.tube_length / 1000.0

    @property
    def limit_mpa(self) -> float:
        """The pressure that a thumb makes with it, or that it bears."""
        return min(self.rated, (THUMB_N - self.friction) / self.area)

    @property
    def most_ml(self) -> float:
        """What is compressed at that pressure, mL."""
        return self.compliance * self.limit_mpa


SYRINGES: Mapping[SyringeName, Syringe] = MappingProxyType({
    "1-ml": Syringe("1 mL syringe", 1.0, 4.75, 0.015, 2.0, 5.0),
    "3-ml": Syringe("3 mL syringe", 3.0, 8.66, 0.04, 4.0, 5.0),
    "10-ml": Syringe("10 mL syringe", 10.0, 14.5, 0.12, 8.0, 5.0),
    "hydraulic": Syringe("hydraulic injector", 10.0, 3.6, 0.08, 5.0, 7.0, 3.0, 200.0),
})  # fmt: skip


@dataclass(frozen=True)
class Cure:
    """How far the cement in a bore has cured: the mean effective age, s at 25 C, and temperature,
    C, of what stands in it, both as they were at `time` (1/3000 s)."""

    age_s: float
    celsius: float
    time: int


@dataclass(frozen=True)
class Injector:
    """`mixed_at` is when powder last met liquid (1/3000 s), None before; `product` what was mixed.
    `syringe` is the one in the hand, full at `ready_at`; `tube_ml` what stands in its tube;
    `bore_ml` what stands in each cannula and `cures` how far that has cured; `backlog_ml` what is
    compressed behind the plunger; `flow_ml_s` the plunger's speed in the last tick, `load_n` and
    `load_mpa` what the hand on it felt; `leaving_ml_s` how fast cement last left it. `pushing` is
    the cannula whose bore a stylet is emptying, `pushed` the one it has just emptied; `idle`
    whether a hand was told that its pressing moves nothing."""

    mixed_at: int | None = None
    product: str = ""
    mixed_ml: float = 0.0
    bowl_ml: float = 0.0
    syringe: SyringeName | None = None
    syringe_ml: float = 0.0
    ready_at: int = 0
    tube_ml: float = 0.0
    connected: Side | None = None
    bore_ml: Mapping[Side, float] = field(default_factory=lambda: MappingProxyType({}))
    cures: Mapping[Side, Cure] = field(default_factory=lambda: MappingProxyType({}))
    backlog_ml: float = 0.0
    flow_ml_s: float = 0.0
    load_n: float = 0.0
    load_mpa: float = 0.0
    leaving_ml_s: float = 0.0
    pushing: Side | None = None
    pushed: Side | None = None
    idle: bool = False
    discarded_ml: float = 0.0

    @property
    def feeding(self) -> Side | None:
        """The cannula that cement may leave now."""
        return self.pushing or self.connected or self.pushed

    @property
    def spring(self) -> Syringe | None:
        """The syringe that presses on a cannula now; None for a stylet or none."""
        if self.pushing is not None or self.connected is None or self.syringe is None:
            return None
        return SYRINGES[self.syringe]

    @property
    def pressure_mpa(self) -> float:
        """What is compressed over its compliance; 0 without a syringe on a cannula."""
        return 0.0 if self.spring is None else self.backlog_ml / self.spring.compliance

    def filled_way(self, dead_volume_ml: float) -> bool:
        """Whether cement stands all the way from the connected syringe to the tip."""
        if self.spring is None or self.connected is None:
            return False
        short = self.spring.tube_ml - self.tube_ml + dead_volume_ml
        return short - self.bore_ml.get(self.connected, 0.0) <= 1e-12


def mix(injector: Injector, time: int, product: str, ml: float) -> Injector:
    """Start the cement's clock with a fresh batch of `ml`; what is left of one before it, in bowl,
    syringe and tube, is thrown away. Raises ValueError while the syringe is on a cannula, for
    another product than the last, and when `ml` is not above 0."""
    if injector.connected is not None or injector.pushing is not None:
        raise ValueError("cement is on a cannula; take it off before another: one batch at a time")
    if injector.mixed_at is not None and product != injector.product:
        raise ValueError(f"a fresh batch is {product}; the case is treated with {injector.product}")
    if not ml > 0:
        raise ValueError(f"a batch of {ml} mL; it must be above 0")
    kept = _laid_aside(injector)
    return replace(
        kept,
        mixed_at=time,
        product=product,
        mixed_ml=kept.mixed_ml + ml,
        discarded_ml=kept.discarded_ml + kept.bowl_ml,
        bowl_ml=ml,
        syringe=None,
    )


def draw_up(injector: Injector, name: SyringeName, time: int) -> Injector:
    """Fill a syringe from the bowl, as far as the bowl goes; one of another kind takes the place of
    the one in the hand, whose rest is thrown away. Raises ValueError where that cannot be done."""
    if name not in SYRINGES:
        raise ValueError(f"syringe is {name!r}; there are {', '.join(SYRINGES)}")
    if injector.connected is not None:
        raise ValueError("the syringe is on a cannula; take it off before it is filled")
    kept = injector if injector.syringe == name else _laid_aside(injector)
    drawn = min(max(0.0, SYRINGES[name].ml - kept.syringe_ml), injector.bowl_ml)
    if drawn <= 0 and injector.bowl_ml <= 0:
        raise ValueError("no cement is left in the bowl")
    if drawn <= 0:
        raise ValueError(f"the {SYRINGES[name].title} is full")
    return replace(
        kept,
        syringe=name,
        syringe_ml=kept.syringe_ml + drawn,
        bowl_ml=injector.bowl_ml - drawn,
        ready_at=time + DRAW_UP,
    )


def _laid_aside(injector: Injector) -> Injector:
    lost = injector.syringe_ml + injector.tube_ml
    return replace(injector, syringe_ml=0.0, tube_ml=0.0, discarded_ml=injector.discarded_ml + lost)


def spilt(injector: Injector, ml: float) -> Injector:
    """So much of the bowl used up for a test; raises ValueError where it is not there."""
    if not 0 <= ml <= injector.bowl_ml:
        raise ValueError(f"{injector.bowl_ml:.2f} mL are left in the bowl; {ml} mL are needed")
    return replace(injector, bowl_ml=injector.bowl_ml - ml, discarded_ml=injector.discarded_ml + ml)


def press(
    injector: Injector, ml_per_s: float, seconds: float, dead_volume_ml: float, in_flight_ml: float
) -> Injector:
    """Press (or, negative, release) the plunger of the connected syringe for `seconds`.

    A release takes back what is compressed, but for `in_flight_ml` that the bone is taking now. A
    press fills tube and bore (`dead_volume_ml`) first; then it compresses, until a thumb can no
    more, and is never faster than `FASTEST_ML_S`."""
    spring, side = injector.spring, injector.connected
    if spring is None or side is None or injector.mixed_at is None:
        return injector
    if ml_per_s < 0:
        back = min(max(0.0, injector.backlog_ml - in_flight_ml), -ml_per_s * seconds)
        return replace(
            injector,
            syringe_ml=injector.syringe_ml + back,
            backlog_ml=injector.backlog_ml - back,
            flow_ml_s=-back / seconds,
        )
    held = injector.bore_ml.get(side, 0.0)
    tube_room = max(0.0, spring.tube_ml - injector.tube_ml)
    bore_room = max(0.0, dead_volume_ml - held)
    room = tube_room + bore_room + max(0.0, spring.most_ml - injector.backlog_ml)
    moved = min(min(ml_per_s, FASTEST_ML_S) * seconds, injector.syringe_ml, room)
    into_tube = min(moved, tube_room)
    into_bore = min(moved - into_tube, bore_room)
    return replace(
        injector,
        syringe_ml=injector.syringe_ml - moved,
        tube_ml=injector.tube_ml + into_tube,
        bore_ml=MappingProxyType({**injector.bore_ml, side: held + into_bore}),
        backlog_ml=injector.backlog_ml + (moved - into_tube - into_bore),
        flow_ml_s=moved / seconds,
    )


def push_out(
    injector: Injector, ml_per_s: float, seconds: float, in_flight_ml: float = 0.0
) -> Injector:
    """Push a stylet home: it empties the bore of `pushing` through the tip, as fast as the hand
    goes (no faster than `FASTEST_ML_S`). A hand that lets go of it leaves in the bore what has not
    gone out, but for `in_flight_ml` that the bone is taking now."""
    side = injector.pushing
    if side is None:
        return injector
    held = injector.bore_ml.get(side, 0.0)
    if ml_per_s <= 0:
        back = max(0.0, injector.backlog_ml - in_flight_ml)
        bore = MappingProxyType({**injector.bore_ml, side: held + back})
        return replace(injector, bore_ml=bore, backlog_ml=injector.backlog_ml - back)
    room = max(0.0, STYLET_SLACK_ML - injector.backlog_ml)
    moved = min(min(ml_per_s, FASTEST_ML_S) * seconds, held, room)
    home = held - moved <= 0
    return replace(
        injector,
        bore_ml=MappingProxyType({**injector.bore_ml, side: held - moved}),
        backlog_ml=injector.backlog_ml + moved,
        flow_ml_s=moved / seconds,
        pushing=None if home else side,
        pushed=side if home else None,
    )


def connect(injector: Injector, side: Side | None, in_flight_ml: float) -> Injector:
    """Connect the syringe to a cannula or to none; what was compressed drips away, counted."""
    lost = max(0.0, injector.backlog_ml - in_flight_ml)
    return replace(
        injector,
        connected=side,
        pushing=None,
        pushed=None,
        flow_ml_s=0.0,
        load_n=0.0,
        load_mpa=0.0,
        leaving_ml_s=0.0,
        backlog_ml=injector.backlog_ml - lost,
        discarded_ml=injector.discarded_ml + lost,
    )


def dripped(injector: Injector, in_flight_ml: float) -> Injector:
    """What is compressed behind a tip that is in the air runs out of it, and is lost, counted."""
    lost = max(0.0, injector.backlog_ml - in_flight_ml)
    return replace(
        injector,
        backlog_ml=injector.backlog_ml - lost,
        discarded_ml=injector.discarded_ml + lost,
    )


def emptied(injector: Injector, side: Side, discarded: bool = True) -> Injector:
    """The bore of `side` is empty: thrown away with the cannula, or left behind as a tail."""
    held = injector.bore_ml.get(side, 0.0)
    return replace(
        injector,
        bore_ml=MappingProxyType({**injector.bore_ml, side: 0.0}),
        discarded_ml=injector.discarded_ml + (held if discarded else 0.0),
    )


def imbalance(injector: Injector, in_patient_ml: float) -> float:
    """Relative error of the cement's balance, `in_patient_ml` being what left the tips (bone and
    leaks) and the tails. Rounding apart it is 0."""
    if injector.mixed_at is None:
        return 0.0
    found = (
        injector.bowl_ml + injector.syringe_ml + injector.tube_ml + sum(injector.bore_ml.values())
        + injector.backlog_ml + injector.discarded_ml + in_patient_ml
    )  # fmt: skip
    return abs(found - injector.mixed_ml) / injector.mixed_ml
