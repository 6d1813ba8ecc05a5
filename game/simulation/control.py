"""One tick of input: everything a session has to record to be played again.

Numbers a hand gives are quantised here, so that what is recorded is what was simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from game.devices.carm import STILL, CArmPose, Drive
from game.devices.injector import SyringeName
from game.geometry.grid import Point
from game.patient.patient import Side
from game.simulation.cement.products import USUAL

ServoKind = Literal["skin", "puncture", "breach", "exit"]


@dataclass(frozen=True)
class ServoEvent:
    """Something felt: `time` in 1/3000 s, `force` in unscaled newtons. Feel only, never graded."""

    time: int
    kind: ServoKind
    layer: str
    force: float


@dataclass(frozen=True)
class ServoReport:
    """The active cannula after this tick's servo ticks: `tip` and unit `direction` (hub to tip) in
    patient LPS mm; mean and peak unscaled axial force, N; how far the shaft was `turned`, rad."""

    tip: Point
    direction: Point
    mean_force: float = 0.0
    peak_force: float = 0.0
    events: tuple[ServoEvent, ...] = ()
    turned: float = 0.0


@dataclass(frozen=True)
class TakeCannula:
    """Take a cannula from the tray for one side, its stylet in."""

    side: Side
    gauge: int = 11
    length: int = 125
    kind: Literal["take-cannula"] = "take-cannula"


@dataclass(frozen=True)
class MoveStylet:
    """Draw the stylet out, or set it in. Over cement in the bore it has to be pushed home: the
    plunger input then drives the stylet until the bore is empty."""

    side: Side
    inside: bool
    kind: Literal["move-stylet"] = "move-stylet"


@dataclass(frozen=True)
class RemoveCannula:
    """Take a cannula out of the patient for good."""

    side: Side
    kind: Literal["remove-cannula"] = "remove-cannula"


@dataclass(frozen=True)
class Mix:
    """Mix powder and liquid of a product (assets/cements.toml): starts its clock."""

    product: Annotated[str, Field(min_length=1, max_length=40)] = USUAL
    kind: Literal["mix"] = "mix"


@dataclass(frozen=True)
class ToothpasteTest:
    """A strand is pressed into the air, and tells what the cement is like."""

    kind: Literal["toothpaste-test"] = "toothpaste-test"


@dataclass(frozen=True)
class DrawUp:
    """Fill a syringe, or the hydraulic injector, from the bowl; it takes a few seconds."""

    syringe: SyringeName = "1-ml"
    kind: Literal["draw-up"] = "draw-up"


@dataclass(frozen=True)
class Connect:
    """Connect the syringe to one cannula, or to none."""

    side: Side | None
    kind: Literal["connect"] = "connect"


@dataclass(frozen=True)
class Expose:
    """One single X-ray exposure."""

    kind: Literal["expose"] = "expose"


@dataclass(frozen=True)
class Recall:
    """Drive the C-arm to a stored position."""

    goal: CArmPose
    kind: Literal["recall"] = "recall"


@dataclass(frozen=True)
class Store:
    """Store the C-arm's present position under a name, in place of one that has it."""

    name: Annotated[str, Field(min_length=1, max_length=40)]
    kind: Literal["store"] = "store"


@dataclass(frozen=True)
class Collimate:
    """Open the collimator for a share of the picture's side, and magnify so many times, from the
    next pulse on."""

    collimation: float = 1.0
    magnification: float = 1.0
    kind: Literal["collimate"] = "collimate"


@dataclass(frozen=True)
class SetPulseRate:
    """Choose how many pulses a second fluoroscopy makes."""

    rate: float
    kind: Literal["set-pulse-rate"] = "set-pulse-rate"


@dataclass(frozen=True)
class Stand:
    """Go and stand on one side of the patient."""

    side: Side
    kind: Literal["stand"] = "stand"


@dataclass(frozen=True)
class Mark:
    """A place picked on the last image as the bony entry of one side; `point` is the place on the
    detector plane, LPS mm."""

    side: Side
    point: Point
    kind: Literal["mark"] = "mark"


@dataclass(frozen=True)
class Finish:
    """The case is over; the outcome is measured."""

    kind: Literal["finish"] = "finish"


Action = (
    TakeCannula | MoveStylet | RemoveCannula | Mix | ToothpasteTest | DrawUp | Connect | Expose
    | Recall | Store | Collimate | SetPulseRate | Stand | Mark | Finish
)  # fmt: skip


@dataclass(frozen=True)
class Control:
    """`drive` is the C-arm hand control in percent; `pedal` runs fluoroscopy; `plunger` is the
    commanded flow, microlitres per second (negative releases); `active` the cannula in the hand;
    `hand_on` whether the operator holds on to it."""

    drive: Drive = STILL
    pedal: bool = False
    plunger: int = 0
    active: Side | None = None
    hand_on: bool = False
    servo: ServoReport | None = None
    actions: tuple[Action, ...] = ()
