"""Hands on a cannula: what turns an intention into the servo's report for one simulation tick.

`tissue_field` gives the servo the patient's own fields; a `Hand` carries out scripted pushes (the
expert, tests), a `MouseHand` follows the mouse. Each is a frozen value with the cannula's whole
memory in it, runs the 16 or 17 servo ticks of a simulation tick, and returns itself moved on.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from game.data import data_folder
from game.geometry.grid import Point
from game.patient.patient import Patient, Structure
from game.simulation.clock import SERVO, TICK, servo_ticks
from game.simulation.control import ServoEvent, ServoKind, ServoReport
from game.simulation.state import ServoView
from haptics.insertion import (
    BREACHED,
    CONTACT,
    ENTERED_SKIN,
    LEFT_BODY,
    PUNCTURED,
    SOFT,
    Insertion,
    fresh,
    insertion_of,
    resumed,
)
from haptics.servo import ROW_AXIAL, ROW_AXIS, ROW_BROKEN, ROW_EVENTS, ROW_GAVE, ROW_LAYER, ROW_TIP
from haptics.tissue import (
    Instrument,
    Layer,
    TissueField,
    TissueLaw,
    law_from_table,
    layer_table,
)
from haptics.virtual import (
    HandState,
    Push,
    at_rest,
    mouse_ticks,
    reaimed,
    scripted_ticks,
)

TISSUE_SPEED = 8.0  # mm/s through soft tissue; a project choice
BONE_SPEED = 3.0  # mm/s in bone; a project choice
STUCK_SHARE, STUCK_SPEED = 0.99, 0.05  # of the hand's limit; mm/s; project choices

LAYERS = {
    Structure.AIR: Layer.AIR,
    Structure.SKIN: Layer.SKIN,
    Structure.FAT: Layer.FAT,
    Structure.MUSCLE: Layer.MUSCLE,
    Structure.SACRUM: Layer.MAPPED,
    Structure.HIP_LEFT: Layer.MAPPED,
    Structure.HIP_RIGHT: Layer.MAPPED,
    Structure.L5: Layer.BONE,
    Structure.SPINE: Layer.BONE,
    Structure.FEMUR_LEFT: Layer.BONE,
    Structure.FEMUR_RIGHT: Layer.BONE,
    Structure.DISC: Layer.LIGAMENT,
    Structure.GAS: Layer.VOID,
    Structure.METAL: Layer.METAL,
    Structure.BOWEL: Layer.FAT,
    Structure.URINE: Layer.FAT,
    Structure.CALCIFICATION: Layer.LIGAMENT,
}
KINDS: tuple[tuple[int, ServoKind], ...] = (
    (ENTERED_SKIN, "skin"), (PUNCTURED, "puncture"), (BREACHED, "breach"), (LEFT_BODY, "exit"),
)  # fmt: skip


@cache
def tissue_law() -> TissueLaw:
    """The force law's parameters, from assets/tissue.toml; ValueError where one is out of range."""
    with (data_folder("assets") / "tissue.toml").open("rb") as file:
        return law_from_table(tomllib.load(file))


def tissue_field(patient: Patient) -> TissueField:
    """What the servo reads of a patient: its own arrays, and the distance to the nearest of sacrum
    and hip bones on the bone grid."""
    distance = patient.sacrum_distance
    for hip in patient.hip_distance.values():
        distance = np.minimum(distance, hip)
    return TissueField(
        codes=patient.structures,
        layers=layer_table({int(code): layer for code, layer in LAYERS.items()}),
        hounsfield=patient.hounsfield,
        body_origin=np.array(patient.body.origin),
        body_spacing=float(patient.body.spacing),
        distance=distance,
        cortex=patient.cortex,
        bone_origin=np.array(patient.bone.origin),
        bone_spacing=float(patient.bone.spacing),
    )


@dataclass(frozen=True, eq=False)
class Grip:
    """A hand on one cannula: the tissue it works in, the instrument, the cannula's memory
    (haptics.insertion) and the hand's own state. Build one with `take_up`."""

    field: TissueField
    law: TissueLaw
    tool: Instrument
    memory: NDArray[np.float64]
    hand: HandState

    def moved(self, memory: NDArray[np.float64], hand: HandState) -> Grip:
        """The grip after servo ticks."""
        return Grip(self.field, self.law, self.tool, memory, hand)

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


def take_up(field: TissueField, view: ServoView) -> Grip:
    """A hand that takes hold of a cannula as State has it: one outside the body, or one in the
    patient, whose memory is then read from where it lies (the stretch of a hand is not)."""
    tool = Instrument(float(view.radius), float(view.length))
    memory = fresh()
    if view.in_tissue:
        in_bone = view.bone_entry is not None
        memory = resumed(field, view.tip, view.direction, _along(view), in_bone)
    return Grip(field, tissue_law(), tool, memory, at_rest(view.tip, view.direction))


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
        self, depth: float, speed: float = TISSUE_SPEED, bone_speed: float = BONE_SPEED
    ) -> Hand:
        """Draw back until the tip is `depth` mm along the line, out of the body where negative."""
        return self._pushing(Push(depth, speed, bone_speed, inward=False))

    def _pushing(self, push: Push) -> Hand:
        hand = replace(self.grip.hand, arrived=False)
        return Hand(replace(self.grip, hand=hand), push)

    def tick(self, time: int) -> tuple[Hand, ServoReport]:
        """The simulation tick that ends at `time` (1/3000 s): the hand after it, its report."""
        grip = self.grip
        push = self.push or Push(grip.depth, TISSUE_SPEED, BONE_SPEED)
        hand = grip.hand if self.push or grip.hand.arrived else replace(grip.hand, arrived=True)
        memory, hand, rows = scripted_ticks(
            grip.field, grip.law, grip.tool, grip.memory, hand, push, servo_ticks(time)
        )
        return Hand(grip.moved(memory, hand), self.push), report(rows, time)


@dataclass(frozen=True, eq=False)
class MouseHand:
    """The mouse's hand: it drags the tip over the skin, aims the angles, and its wheel pushes."""

    grip: Grip

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
        return MouseHand(replace(self.grip, hand=hand))

    def tick(self, time: int, clicks: float = 0.0) -> tuple[MouseHand, ServoReport]:
        """The simulation tick that ends at `time` (1/3000 s) with `clicks` of the wheel, forward
        positive: the hand after it and its report."""
        grip = self.grip
        memory, hand, rows = mouse_ticks(
            grip.field, grip.law, grip.tool, grip.memory, grip.hand, clicks, servo_ticks(time)
        )
        return MouseHand(grip.moved(memory, hand)), report(rows, time)


def report(rows: NDArray[np.float64], time: int) -> ServoReport:
    """What the servo tells the simulation of the tick that ends at `time`, from its rows (n, ROW):
    servo ticks fall on whole multiples of 3/3000 s."""
    axial: list[float] = rows[:, ROW_AXIAL].tolist()
    last: list[float] = rows[-1].tolist()
    return ServoReport(
        tip=(last[ROW_TIP], last[ROW_TIP + 1], last[ROW_TIP + 2]),
        direction=(last[ROW_AXIS], last[ROW_AXIS + 1], last[ROW_AXIS + 2]),
        mean_force=sum(axial) / len(axial),
        peak_force=max(axial, key=abs),
        events=_events(rows, ((time - TICK) // SERVO + 1) * SERVO),
    )


def _events(rows: NDArray[np.float64], first: int) -> tuple[ServoEvent, ...]:
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
                events.append(ServoEvent(first + int(n) * SERVO, kind, layer, force))
    return tuple(events)
