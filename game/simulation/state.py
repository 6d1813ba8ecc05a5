"""Everything that changes during a case, as one frozen value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from game.devices.cannula import GAUGES, Cannula
from game.devices.carm import CArm, CArmPose
from game.devices.injector import Injector
from game.devices.tube import OPEN, Field, Tube
from game.geometry.grid import Point
from game.geometry.views import ViewName
from game.patient.patient import Region, Side
from game.simulation.cement import EMPTY, NO_CHANNELS, Cement, Channels, Injection, product
from game.simulation.cement.exits import Exit
from game.simulation.cement.rheology import set_at
from game.simulation.cement.tracks import Hole, Shaft
from game.simulation.clock import UNITS_PER_SECOND, seconds
from game.simulation.events import Event
from game.simulation.operator import Operator

SETTING_STEP = 10 * UNITS_PER_SECOND  # set cement is published so often: a project choice


@dataclass(frozen=True)
class Watch:
    """What grading has to remember between ticks about one cannula.

    `turned` is how far the shaft was turned since cement last left it, rad. `inside` is whether the
    tip is in bone; `seen_mm` the bony depth at the last picture;
    `reached_mm` the deepest since; `beyond` the walls it has gone through and `through` whether it
    is beyond one now; `placed` whether its resting place was measured."""

    inside: bool = False
    seen_mm: float = 0.0
    reached_mm: float = 0.0
    beyond: tuple[Region, ...] = ()
    through: bool = False
    placed: bool = False
    turned: float = 0.0


@dataclass(frozen=True)
class Tail:
    """Cement that trailed behind a cannula as it came out: mL, and the line along which it lies,
    LPS mm, `radius` mm thick."""

    ml: float
    start: Point
    end: Point
    radius: float

    @property
    def mm(self) -> float:
        """Its length, mm."""
        return float(np.linalg.norm(np.subtract(self.end, self.start)))


@dataclass(frozen=True)
class Run:
    """One run of the plunger in progress: when and where it began, and with what."""

    side: Side
    started: int
    ml: float
    age_s: float
    viscosity: float
    leaked_ml: float
    peak_mpa: float = 0.0
    last_flow: int = 0


@dataclass(frozen=True, eq=False)
class State:
    """`time` in 1/3000 s. `due` is the injection, through the cannula of `due_side`, whose result
    enters 50 ms after it was asked for, in bone as `channels` was at that moment: what the `steel`
    that stood then, and the first `bored` of the `holes` that tips have left, made of it. `leaking`
    and `pain` are the regions that have leaked and hurt so far, `exits` the ways out that have
    opened. `picture_pose`, `picture_view`,
    `picture_field` and `gripped`, the side whose cannula a hand was on, belong to the image that
    the monitor holds. `events` are this tick's, in order."""

    time: int
    carm: CArm
    tube: Tube
    picture_pose: CArmPose
    picture_view: ViewName
    cannulas: Mapping[Side, Cannula]
    watches: Mapping[Side, Watch]
    picture_field: Field = OPEN
    gripped: Side | None = None
    operator: Operator = field(default_factory=Operator)
    injector: Injector = field(default_factory=Injector)
    cement: Cement = EMPTY
    channels: Channels = NO_CHANNELS
    holes: tuple[Hole, ...] = ()
    steel: tuple[Shaft, ...] = ()
    bored: int = 0
    due: Injection | None = None
    due_side: Side | None = None
    injected_ml: Mapping[Side, float] = field(default_factory=lambda: MappingProxyType({}))
    tails: Mapping[Side, Tail] = field(default_factory=lambda: MappingProxyType({}))
    run: Run | None = None
    leaking: tuple[Region, ...] = ()
    exits: tuple[Exit, ...] = ()
    pain: tuple[Region, ...] = ()
    finished: bool = False
    events: tuple[Event, ...] = ()

    def digest(self) -> str:
        """SHA-256 over every number of this state: equal states, equal digests, bit for bit."""
        sha = hashlib.sha256()
        for part in (
            self.time, self.carm, self.tube, self.picture_pose, self.picture_field, self.gripped,
            self.operator, sorted(self.cannulas.items()),
            sorted(self.watches.items()), replace(self.injector, bore_ml={}, cures={}),
            sorted(self.injector.bore_ml.items()), sorted(self.injector.cures.items()),
            sorted(self.tails.items()), self.due, self.due_side,
            sorted(self.injected_ml.items()), self.run, self.leaking, self.exits, self.pain,
            self.finished,
            self.cement.delivered_ml, self.cement.front_mpa, self.cement.total_mpa,
            self.cement.time_s, self.holes, self.steel, self.bored,
        ):  # fmt: skip
            sha.update(repr(part).encode())
        body, channels = self.cement, self.channels
        for array in (
            body.voxels, body.ml, body.age_s, body.celsius, body.exit, body.potential,
            channels.voxels, channels.permeability, channels.porosity,
        ):  # fmt: skip
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()

    @property
    def in_patient_ml(self) -> float:
        """Cement that left the cannulas: bone, leaks and tails, mL."""
        return self.cement.delivered_ml + sum((t.ml for t in self.tails.values()), 0.0)

    def set_cement(self) -> NDArray[np.int64] | None:
        """The cells of the cement that have set, as of the last whole `SETTING_STEP`; None before
        any could have."""
        mixed_at = self.injector.mixed_at
        if mixed_at is None or len(self.cement.voxels) == 0:
            return None
        now = seconds(self.time - self.time % SETTING_STEP)
        known = product(self.injector.product)
        return self.cement.voxels[set_at(self.cement.age_s, self.cement.celsius,
                                         now - self.cement.time_s, known.gel_age_s)]  # fmt: skip

    def servo_view(self, side: Side) -> ServoView:
        """What the 1 kHz servo must know about the cannula in the hand."""
        cannula = self.cannulas[side]
        return ServoView(
            tip=cannula.tip,
            direction=cannula.direction,
            radius=cannula.radius,
            length=float(cannula.length),
            stylet=cannula.stylet,
            bone_entry=cannula.bone_entry,
            track=cannula.track,
            plunger_mpa=self.injector.load_mpa,
            plunger_n=self.injector.load_n,
            in_tissue=cannula.stage in ("tissue", "bone"),
            bore=GAUGES[cannula.gauge].bore,
            set_cement=self.set_cement(),
        )


@dataclass(frozen=True)
class ServoView:
    """Published each tick for the servo: the instrument (mm), its stylet, its track, the
    plunger's load (MPa, and N in the hand), and the cells (flat indices into the patient's bone
    grid, vein nodes beyond it) with cement that has set."""

    tip: Point
    direction: Point
    radius: float
    length: float
    stylet: bool
    bone_entry: Point | None
    track: tuple[Point, ...]
    plunger_mpa: float
    plunger_n: float = 0.0
    in_tissue: bool = False
    bore: float = 0.0
    set_cement: NDArray[np.int64] | None = field(default=None, compare=False)
