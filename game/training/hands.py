"""Hands on a cannula: what turns an intention into the servo's report for one simulation tick.

A `Hand` carries out scripted pushes (the
expert, tests), a `MouseHand` follows the mouse. Each is a frozen value with the cannula's whole
memory in it, runs the 16 or 17 servo ticks of a simulation tick, and returns itself moved on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import Point
from game.simulation.clock import SERVO, TICK, servo_ticks
from game.simulation.control import ServoEvent, ServoKind, ServoReport
from game.simulation.state import ServoView
from game.training.tissue import Tissue, hardened
from haptics.insertion import BREACHED, ENTERED_SKIN, LEFT_BODY, PUNCTURED
from haptics.memory import CONTACT, SOFT, Insertion, fresh, insertion_of
from haptics.memory import TURNING as TURNING_RATE
from haptics.resume import gripped_anew, resumed
from haptics.servo import (
    ROW_AXIAL,
    ROW_AXIS,
    ROW_BROKEN,
    ROW_EVENTS,
    ROW_GAVE,
    ROW_LAYER,
    ROW_TIP,
    TICK_S,
)
from haptics.tissue import DIAMOND, OPEN, Instrument, Layer
from haptics.virtual import (
    SILENT,
    TAP_MJ,
    TURNING,
    HandState,
    Push,
    Touch,
    at_rest,
    mouse_ticks,
    reaimed,
    rumble_of,
    scripted_ticks,
    touch_of,
)

TISSUE_SPEED = 8.0  # mm/s through soft tissue; a project choice
BONE_SPEED = 3.0  # mm/s in bone; a project choice
STUCK_SHARE, STUCK_SPEED = 0.99, 0.05  # of the hand's limit; mm/s; project choices

KINDS: tuple[tuple[int, ServoKind], ...] = (
    (ENTERED_SKIN, "skin"), (PUNCTURED, "puncture"), (BREACHED, "breach"), (LEFT_BODY, "exit"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Grip:
    """A hand on one cannula: the tissue it works in, the instrument, the cannula's memory
    (haptics.memory) and the hand's own state; the tip of its `stylet`; `cement` is what has set of
    it, as far as the tissue knows. Build one with `take_up`."""

    tissue: Tissue
    tool: Instrument
    memory: NDArray[np.float64]
    hand: HandState
    stylet: float = DIAMOND
    cement: NDArray[np.int64] | None = None

    def moved(self, memory: NDArray[np.float64], hand: HandState) -> Grip:
        """The grip after servo ticks."""
        return replace(self, memory=memory, hand=hand)

    def told(self, view: ServoView) -> Grip:
        """The grip on the cannula as State now has it: stylet in or out, cement set about it."""
        tool = instrument(view, self.stylet)
        grip = self if tool == self.tool else replace(self, tool=tool)
        known = 0 if self.cement is None else len(self.cement)
        if view.set_cement is None or len(view.set_cement) == known:
            return grip
        tissue = hardened(self.tissue, view.set_cement)
        memory = gripped_anew(tissue.field, tissue.law, tool.radius, self.memory)
        return replace(grip, tissue=tissue, memory=memory, cement=view.set_cement)

    @cached_property
    def insertion(self) -> Insertion:
        """Where the cannula is and what it is in."""
        return insertion_of(self.memory)

    @property
    def in_tissue(self) -> bool:
        return self.insertion.stage >= SOFT

    @property
    def depth(self) -> float:
        """How far the tip is along the hand's line from its origin, mm; negative before it."""
        if self.insertion.stage < CONTACT:
            return self.hand.s
        tip, origin = np.array(self.insertion.tip), np.array(self.hand.origin)
        return float((tip - origin) @ np.array(self.hand.direction))

    @property
    def resistance(self) -> float:
        """How much of the hand's strength the tissue takes, 0 to 1: for a gauge."""
        return self.hand.resistance


def take_up(tissue: Tissue, view: ServoView, tip: float = DIAMOND) -> Grip:
    """A hand that takes hold of a cannula as State has it: one outside the body, or one in the
    patient, whose memory is then read from where it lies (the stretch of a hand is not). `tip` is
    its stylet's, DIAMOND or BEVEL."""
    tool, hand = instrument(view, tip), at_rest(view.tip, view.direction)
    grip = Grip(tissue, tool, fresh(), hand, tip).told(view)
    if not view.in_tissue:
        return grip
    memory = resumed(
        grip.tissue.field, tissue.law, tool.radius, view.tip, view.direction, _along(view),
        in_bone=view.bone_entry is not None,
    )  # fmt: skip
    return replace(grip, memory=memory)


def instrument(view: ServoView, tip: float) -> Instrument:
    """The cannula that State has, with a stylet of that tip, or open where its stylet is out."""
    return Instrument(
        float(view.radius), float(view.length), tip if view.stylet else OPEN, 0.5 * view.bore
    )


def _along(view: ServoView) -> float:
    if not view.track:
        return 0.0
    ahead = (np.array(view.track) - np.array(view.tip)) @ np.array(view.direction)
    return max(0.0, float(ahead.max()))


@dataclass(frozen=True, eq=False)
class Hand:
    """A scripted hand. Give it a line with `place`, then pushes; `tick` carries them out. Once the
    tip is where it shall be (`done`), the hand lets go and holds still."""

    grip: Grip
    push: Push | None = None

    @property
    def done(self) -> bool:
        return self.push is None or self.grip.hand.arrived

    @property
    def stuck(self) -> bool:
        """Whether the hand pushes as hard as it can and gets nowhere (metal, the hub)."""
        hand, push = self.grip.hand, self.push
        if push is None or hand.arrived:
            return False
        return abs(hand.axial) > STUCK_SHARE * push.limit and abs(hand.speed) < STUCK_SPEED

    @property
    def depth(self) -> float:
        """The tip along the line from the placed point, mm."""
        return self.grip.depth

    def told(self, view: ServoView) -> Hand:
        """The hand on the cannula as State now has it."""
        grip = self.grip.told(view)
        return self if grip is self.grip else replace(self, grip=grip)

    def place(self, point: Point, direction: Point) -> Hand:
        """Hold the tip at an LPS point in air or on the skin, along `direction`, hub to tip; raises
        ValueError while the cannula is in tissue."""
        if self.grip.in_tissue:
            raise ValueError(f"the cannula is {self.grip.insertion.depth:.1f} mm in tissue")
        return Hand(replace(self.grip, hand=at_rest(point, direction), memory=fresh()))

    def advance_to(
        self, depth: float, speed: float = TISSUE_SPEED, bone_speed: float = BONE_SPEED
    ) -> Hand:
        """Push until the tip is `depth` mm along the line; speeds in mm/s."""
        return self._pushing(Push(depth, speed, bone_speed, inward=True))

    def withdraw_to(
        self, depth: float, speed: float = TISSUE_SPEED, bone_speed: float = BONE_SPEED,
        turning: float = 0.0,
    ) -> Hand:  # fmt: skip
        """Draw back until the tip is `depth` mm along the line, out of the body where negative, and
        turn the shaft meanwhile, rad/s."""
        return self._pushing(Push(depth, speed, bone_speed, inward=False, turning=turning))

    def _pushing(self, push: Push) -> Hand:
        hand = replace(self.grip.hand, arrived=False)
        return Hand(replace(self.grip, hand=hand), push)

    def tick(self, time: int) -> tuple[Hand, ServoReport]:
        """The simulation tick that ends at `time` (1/3000 s): the hand after it, its report."""
        grip = self.grip
        push = self.push or Push(grip.depth, TISSUE_SPEED, BONE_SPEED)
        hand = grip.hand if self.push or grip.hand.arrived else replace(grip.hand, arrived=True)
        memory, hand, rows = scripted_ticks(
            grip.tissue.field,
            grip.tissue.law,
            grip.tool,
            grip.memory,
            hand,
            push,
            servo_ticks(time),
        )
        return Hand(grip.moved(memory, hand), self.push), report(rows, time, memory)


@dataclass(frozen=True)
class Asked:
    """What a tick asks of a hand: `clicks` of the wheel, forward positive; whether it turns the
    shaft; how many `taps` of the mallet."""

    clicks: float = 0.0
    turning: bool = False
    taps: int = 0


NOTHING_ASKED = Asked()


class HeldHand(Protocol):
    """A person's hand on one cannula, whatever it is that they move."""

    @property
    def resistance(self) -> float:
        """How hard the tissue resists, 0 to 1: for a gauge."""

    @property
    def touch(self) -> Touch:
        """What the last tick was like, for a sound and a rumble."""

    @property
    def rumble(self) -> tuple[float, float]:
        """How hard a gamepad's strong and weak motor shall run, 0 to 1."""
        return rumble_of(self.touch)

    @property
    def says(self) -> str:
        """What the person has to know of what they hold; empty when all is well."""

    def told(self, view: ServoView) -> HeldHand:
        """The hand on the cannula as State now has it."""

    def dragged(self, point: Point) -> HeldHand:
        """The tip brought to another LPS point of the skin, where the hand is moved on a screen."""

    def aimed(self, direction: Point) -> HeldHand:
        """The shaft aimed along `direction`, where the hand is turned on a screen."""

    def tick(self, time: int, asked: Asked = NOTHING_ASKED) -> tuple[HeldHand, ServoReport]:
        """The simulation tick that ends at `time` (1/3000 s): the hand after it and its report."""


@dataclass(frozen=True, eq=False)
class MouseHand(HeldHand):
    """The mouse's hand: it drags the tip over the skin, aims the angles, and its wheel pushes."""

    grip: Grip
    touch: Touch = SILENT
    says: str = ""

    @property
    def resistance(self) -> float:
        return self.grip.resistance

    def told(self, view: ServoView) -> MouseHand:
        grip = self.grip.told(view)
        return self if grip is self.grip else replace(self, grip=grip)

    def dragged(self, point: Point) -> MouseHand:
        """The tip held at another LPS point of the skin, without its push; nothing changes where it
        is there already, or once it is in tissue."""
        if self.grip.in_tissue or point == self.grip.hand.origin:
            return self
        hand = at_rest(point, self.grip.hand.direction)
        return MouseHand(replace(self.grip, hand=hand))

    def aimed(self, direction: Point) -> MouseHand:
        """The angles set to `direction`, hub to tip: free on the skin, about the skin entry in soft
        tissue, without effect in bone."""
        hand = reaimed(self.grip.hand, self.grip.memory, direction)
        return replace(self, grip=replace(self.grip, hand=hand))

    def tick(self, time: int, asked: Asked = NOTHING_ASKED) -> tuple[MouseHand, ServoReport]:
        """The simulation tick that ends at `time` (1/3000 s): the hand after it and its report."""
        grip = self.grip
        memory, hand, rows = mouse_ticks(
            *grip.tissue.read, grip.tool, grip.memory, grip.hand, asked.clicks,
            servo_ticks(time), TURNING if asked.turning else 0.0, asked.taps * TAP_MJ,
        )  # fmt: skip
        return MouseHand(grip.moved(memory, hand), touch_of(rows)), report(rows, time, memory)


TakeHold = Callable[[Tissue, ServoView], HeldHand]


def by_mouse(tissue: Tissue, view: ServoView, tip: float = DIAMOND) -> MouseHand:
    """The mouse's hand on a cannula whose stylet has that `tip`."""
    return MouseHand(take_up(tissue, view, tip))


def report(
    rows: NDArray[np.float64], time: int, memory: NDArray[np.float64] | None = None
) -> ServoReport:
    """What the servo tells the simulation of the tick that ends at `time`, from its rows (n, ROW)
    and the cannula's memory after them, which has how fast the shaft is turned, rad/s: servo ticks
    fall on whole multiples of 3/3000 s; a device's, which may be more, not beyond."""
    axial: list[float] = rows[:, ROW_AXIAL].tolist()
    last: list[float] = rows[-1].tolist()
    return ServoReport(
        tip=(last[ROW_TIP], last[ROW_TIP + 1], last[ROW_TIP + 2]),
        direction=(last[ROW_AXIS], last[ROW_AXIS + 1], last[ROW_AXIS + 2]),
        mean_force=sum(axial) / len(axial),
        peak_force=max(axial, key=abs),
        turned=0.0 if memory is None else float(memory[TURNING_RATE]) * len(rows) * TICK_S,
        events=_events(rows, ((time - TICK) // SERVO + 1) * SERVO, time // SERVO * SERVO),
    )


def _events(rows: NDArray[np.float64], first: int, last: int) -> tuple[ServoEvent, ...]:
    happened: list[float] = rows[:, ROW_EVENTS].tolist()
    if not any(happened):
        return ()
    events: list[ServoEvent] = []
    for n in np.flatnonzero(happened):
        row = rows[n]
        for bit, kind in KINDS:
            if int(row[ROW_EVENTS]) & bit:
                at = ROW_GAVE if kind in ("skin", "puncture") else ROW_LAYER
                layer = Layer(int(row[at])).name.lower()
                force = float(row[ROW_AXIAL] if kind == "exit" else row[ROW_BROKEN])
                time = min(first + int(n) * SERVO, last)
                events.append(ServoEvent(time, kind, layer, force))
    return tuple(events)
