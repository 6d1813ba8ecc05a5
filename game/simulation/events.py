"""What a scorer needs to know, as it happened: the scoring trace is a sequence of these.

`step` emits them from geometry. A trace alone gives the score, so an old session can be scored
again under a new rubric. Times are 1/3000 s; lengths mm; angles degrees (they leave for a file).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from game.devices.injector import SyringeName
from game.geometry.grid import Point
from game.geometry.views import ViewName
from game.patient.patient import Side
from game.simulation.cement.rheology import Consistency


@dataclass(frozen=True)
class Briefed:
    """The first event: what the case asks. Coordinates LPS mm."""

    time: int
    level: str
    patient: str
    sides: tuple[Side, ...]
    targets: Mapping[Side, Point]
    entries: Mapping[Side, Point]
    path_mm: Mapping[Side, float]
    shortened_mm: Mapping[Side, float]
    foramen_at_risk: Mapping[Side, bool]
    kind: Literal["briefed"] = "briefed"


@dataclass(frozen=True)
class Exposed:
    """A picture was made: a single exposure, or the start or the end of a run of fluoroscopy.

    `tips` are the tips in bone or tissue; `bone_mm` how far each has gone into bone; `ahead_mm`
    the way left to its target; `leak_ml` the cement outside the bone at that moment. `hands_out`:
    no hand was in the primary beam."""

    time: int
    view: ViewName
    turn_deg: float
    disc_deg: float
    hands_out: bool
    moving: bool
    fluoroscopy: bool
    kvp: float
    mas: float
    tips: Mapping[Side, Point]
    bone_mm: Mapping[Side, float]
    ahead_mm: Mapping[Side, float]
    leak_ml: float
    kind: Literal["exposed"] = "exposed"


@dataclass(frozen=True)
class CannulaTaken:
    time: int
    side: Side
    gauge: int
    length: int
    kind: Literal["cannula-taken"] = "cannula-taken"


@dataclass(frozen=True)
class Marked:
    """A bony entry picked on a picture; `error_mm` is measured on the patient, across the beam."""

    time: int
    side: Side
    view: ViewName
    error_mm: float
    kind: Literal["marked"] = "marked"


@dataclass(frozen=True)
class SkinEntered:
    time: int
    side: Side
    point: Point
    error_mm: float
    kind: Literal["skin-entered"] = "skin-entered"


@dataclass(frozen=True)
class BoneEntered:
    """The tip went through the cortex from outside: once per puncture of the bone."""

    time: int
    side: Side
    point: Point
    error_mm: float
    angle_deg: float
    kind: Literal["bone-entered"] = "bone-entered"


@dataclass(frozen=True)
class Advanced:
    """The tip went `from_mm` to `to_mm` along bone without a picture between; emitted when the
    next picture is made or the advance is otherwise over. `allowed_mm` was the longest step."""

    time: int
    side: Side
    from_mm: float
    to_mm: float
    allowed_mm: float
    kind: Literal["advanced"] = "advanced"


@dataclass(frozen=True)
class Breached:
    """The tip left the bone by a wall other than its own entry."""

    time: int
    side: Side
    wall: str
    point: Point
    kind: Literal["breached"] = "breached"


@dataclass(frozen=True)
class Placed:
    """A cannula at rest where the cement shall start: measured when its stylet is first drawn.

    `tip_error_mm` to the target; `angle_deg` against the planned direction; `clearance_mm` the
    least distance of the cannula's surface to each wall along its bony path, entry wall apart;
    `in_bone` the fraction of the bony length inside the sacrum."""

    time: int
    side: Side
    tip: Point
    tip_error_mm: float
    angle_deg: float
    clearance_mm: Mapping[str, float]
    in_bone: float
    kind: Literal["placed"] = "placed"


@dataclass(frozen=True)
class StyletMoved:
    time: int
    side: Side
    inside: bool
    kind: Literal["stylet-moved"] = "stylet-moved"


@dataclass(frozen=True)
class Mixed:
    """Powder met liquid. `window_pa_s` is the product's working window, Pa s, None in sessions from
    before there were products."""

    time: int
    placed: tuple[Side, ...]
    product: str = "medium-viscosity"
    window_pa_s: tuple[float, float] | None = None
    kind: Literal["mixed"] = "mixed"


@dataclass(frozen=True)
class StrandTested:
    """The toothpaste test at a cement age (s since mixing): what the strand did."""

    time: int
    age_s: float
    viscosity: float
    answer: Consistency
    kind: Literal["strand-tested"] = "strand-tested"


@dataclass(frozen=True)
class DrawnUp:
    """A syringe was filled; `ml` is what is in it."""

    time: int
    syringe: SyringeName
    ml: float
    kind: Literal["drawn-up"] = "drawn-up"


@dataclass(frozen=True)
class TailLeft:
    """Cement trailed out of the bone behind a cannula that came out: `ml` and `mm` of it lie along
    its way through soft tissue."""

    time: int
    side: Side
    ml: float
    mm: float
    kind: Literal["tail-left"] = "tail-left"


@dataclass(frozen=True)
class Aliquot:
    """One run of the plunger, from the first flow to the end: mL that left the tip, cement age at
    the start (s), viscosity (Pa s), peak pressure (MPa), mL that went outside the envelope during
    it, distance of the tip from the entry cortex (mm)."""

    time: int
    side: Side
    started: int
    ml: float
    age_s: float
    viscosity: float
    peak_mpa: float
    leaked_ml: float
    from_entry_mm: float
    kind: Literal["aliquot"] = "aliquot"


@dataclass(frozen=True)
class LeakStarted:
    """The first 0.01 mL in a region outside the envelope."""

    time: int
    region: str
    kind: Literal["leak-started"] = "leak-started"


@dataclass(frozen=True)
class ExitOpened:
    """The first 0.01 mL beyond the envelope by one way: an `Exit`'s name in lower case."""

    time: int
    exit: str
    kind: Literal["exit-opened"] = "exit-opened"


@dataclass(frozen=True)
class CannulaRemoved:
    """`stylet_in` says whether the bore was emptied; `cement_s` is the cement's age."""

    time: int
    side: Side
    stylet_in: bool
    cement_s: float | None
    kind: Literal["cannula-removed"] = "cannula-removed"


@dataclass(frozen=True)
class LegPain:
    """The patient's leg hurts: a root is touched by steel or cement."""

    time: int
    side: Side
    root: str
    kind: Literal["leg-pain"] = "leg-pain"


@dataclass(frozen=True)
class Refused:
    """An action that could not be done, and why; the state did not change."""

    time: int
    action: str
    reason: str
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True)
class Outcome:
    """The last event: what was left in the patient. Cement volumes in mL; `coverage` is the
    fraction of each fracture sheet reached; `column_mm` the length of the unbroken column along
    the sheet; `leaked_ml` by region; tails left along the cannulas' ways in mL and mm; `celsius`
    the highest temperature while it sets, in the cement and where a root or the sac lies. Dose: air
    kerma at the reference point, kerma-area product, and what reached the operator's hand
    (scatter, primary) and eye without lead. `exits_ml` is what is outside by exit; `foot_mm` how
    far each side's column ends from its entry, where there is one; `continuity` the fraction of
    each fractured level's height that cement bridges, by side and level; `interdigitated_ml` the
    cement between trabeculae; `hazard_mm` the least distance of cement to each hazard, negative
    inside it."""

    time: int
    injected_ml: Mapping[Side, float]
    filled_ml: float
    bore_ml: float
    leaked_ml: Mapping[str, float]
    coverage: Mapping[Side, float]
    column_mm: Mapping[Side, float]
    exposures: int
    fluoroscopy_s: float
    kerma_mgy: float
    balance: float
    kap_gycm2: float = 0.0
    hand_mgy: float = 0.0
    hand_primary_mgy: float = 0.0
    hand_pulses: int = 0
    eye_mgy: float = 0.0
    tail_ml: Mapping[Side, float] = field(default_factory=dict)
    tail_mm: Mapping[Side, float] = field(default_factory=dict)
    celsius: Mapping[str, float] = field(default_factory=dict)
    exits_ml: Mapping[str, float] = field(default_factory=dict)
    foot_mm: Mapping[Side, float] = field(default_factory=dict)
    continuity: Mapping[Side, Mapping[str, float]] = field(default_factory=dict)
    interdigitated_ml: float = 0.0
    hazard_mm: Mapping[str, float] = field(default_factory=dict)
    kind: Literal["outcome"] = "outcome"


Event = (
    Briefed | Exposed | CannulaTaken | Marked | SkinEntered | BoneEntered | Advanced | Breached
    | Placed | ExitOpened | StyletMoved | Mixed | StrandTested | DrawnUp | Aliquot | LeakStarted
    | TailLeft | CannulaRemoved | LegPain | Refused | Outcome
)  # fmt: skip
