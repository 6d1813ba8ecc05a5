"""State in words: every line the screen shows. Pure."""

from __future__ import annotations

from math import asin, atan2, degrees

from game.devices.cannula import Cannula
from game.devices.carm import CArmPose
from game.devices.injector import SYRINGES, SyringeName
from game.geometry.grid import Point
from game.geometry.views import Anatomy, nearest_view
from game.simulation.batch import cement_age, product_of
from game.simulation.cement.rheology import Consistency
from game.simulation.clock import seconds
from game.simulation.events import (
    Aliquot,
    BoneEntered,
    Breached,
    CannulaRemoved,
    CannulaTaken,
    DrawnUp,
    Event,
    Exposed,
    LeakStarted,
    LegPain,
    Marked,
    Mixed,
    Placed,
    Refused,
    SkinEntered,
    StrandTested,
    StyletMoved,
    TailLeft,
)
from game.simulation.state import State

TRUE_VIEW_DEG = 5.0  # facts/procedure.md, grading [P]
NAMES = {
    "ap": "AP",
    "lateral": "lateral",
    "oblique-left": "oblique for the left",
    "oblique-right": "oblique for the right",
}

SHORT = {"ap": "AP", "lateral": "lateral", "oblique-left": "obl. L", "oblique-right": "obl. R"}

STRANDS: dict[Consistency, str] = {
    "liquid": "it drips and runs: too liquid",
    "toothpaste": "it hangs like toothpaste: inject now",
    "stiff": "it hardly comes out and cracks: too stiff",
    "set": "nothing comes: it has set",
}


def minutes(whole_seconds: float) -> str:
    """'3:07'."""
    return f"{int(whole_seconds) // 60}:{int(whole_seconds) % 60:02d}"


def angles_words(pose: CArmPose) -> str:
    """'LAO 180 CRA 39', degrees as a C-arm prints them."""
    primary = (degrees(pose.primary) + 180.0) % 360.0 - 180.0
    secondary = degrees(pose.secondary)
    side = "LAO" if primary >= 0 else "RAO"
    return f"{side} {abs(primary):.0f}° {'CRA' if secondary >= 0 else 'CAU'} {abs(secondary):.0f}°"


def view_words(pose: CArmPose, anatomy: Anatomy) -> tuple[str, bool]:
    """The nearest named view with its error, and whether it is near enough to count."""
    error = nearest_view(pose.primary, pose.secondary, anatomy)
    true = error.worst_deg <= TRUE_VIEW_DEG
    return f"{NAMES[error.view]}, off by {error.worst_deg:.0f}°", true


def aim_words(direction: Point) -> str:
    """Where a cannula points: degrees towards the head (cranial) and to the patient's side."""
    cranial, left = aim_degrees(direction)
    up = "cranial" if cranial >= 0 else "caudal"
    aside = "left" if left >= 0 else "right"
    return f"{abs(cranial):.0f}° {up}, {abs(left):.0f}° to the patient's {aside}"


def aim_degrees(direction: Point) -> tuple[float, float]:
    """The two angles of a direction, degrees: towards the head, and towards the patient's left;
    (0, 0) is straight down into a prone patient."""
    x, y, z = direction
    return degrees(asin(max(-1.0, min(1.0, z)))), degrees(atan2(x, -y))


def cement_words(state: State) -> str:
    """Age, and what has been injected on each side; what it is like, the toothpaste test says."""
    age = cement_age(state)
    if age is None:
        return "cement not mixed"
    sides = "  ".join(f"{side} {ml:.2f} mL" for side, ml in sorted(state.injected_ml.items()))
    kind = product_of(state).title.split("-")[0].lower()
    return f"cement {minutes(age)} ({kind} viscosity)   injected {sides or '0.00 mL'}"


def syringe_words(state: State, chosen: SyringeName) -> str:
    """What drives the cement, what is in it, and how hard it is pressed."""
    injector = state.injector
    if injector.syringe is None:
        return f"{SYRINGES[chosen].title} chosen, not filled"
    title, left = SYRINGES[injector.syringe].title, seconds(injector.ready_at - state.time)
    if left > 0:
        return f"{title}: being filled, {left:.0f} s"
    where = "off" if injector.connected is None else f"on {injector.connected}"
    load = f"   {injector.load_n:.0f} N, {injector.load_mpa:.1f} MPa"
    return f"{title} {where}: {injector.syringe_ml:.2f} mL{load if injector.load_n else ''}"


def cannula_words(cannula: Cannula) -> str:
    """Where a cannula is and what is in it."""
    where = {
        "tray": "in the tray",
        "held": "outside the skin",
        "tissue": "in soft tissue",
        "bone": "in bone",
        "removed": "removed",
    }[cannula.stage]
    if cannula.stage in ("tray", "removed"):
        return where
    return f"{where}, stylet {'in' if cannula.stylet else 'out'}"


def event_words(event: Event) -> str | None:
    """One event as a line of the log; None for what needs no telling."""
    match event:
        case Refused():
            return f"Refused: {event.reason}"
        case Exposed() if not event.fluoroscopy:
            hands = "" if event.hands_out else ", HANDS IN THE BEAM"
            return f"Picture: {NAMES[event.view]}{hands}"
        case CannulaTaken():
            return f"{event.gauge}G {event.length} mm cannula taken for the {event.side}"
        case Marked():
            return f"Entry marked, {SHORT[event.view]}"
        case SkinEntered():
            return f"Through the skin, {event.side}"
        case BoneEntered():
            return f"In bone, {event.side}"
        case Breached():
            return f"BREACH: the {event.side} tip left the bone ({_plain(event.wall)})"
        case _:
            return _later_words(event)


def _later_words(event: Event) -> str | None:
    match event:
        case StyletMoved():
            return f"{event.side.capitalize()} stylet {'in' if event.inside else 'out'}"
        case Mixed():
            return f"Mixing {event.product} cement: its clock runs"
        case StrandTested():
            return f"Strand at {minutes(event.age_s)}: {STRANDS[event.answer]}"
        case DrawnUp():
            return f"{event.ml:.1f} mL in the {SYRINGES[event.syringe].title}"
        case TailLeft():
            return f"CEMENT TAIL, {event.side}: {event.mm:.0f} mm in the soft tissue"
        case Aliquot():
            return f"{event.ml:.2f} mL injected, {event.side}: pictures are due"
        case LeakStarted():
            return f"LEAK: cement in {_plain(event.region)}. Stop, release (B), look"
        case LegPain():
            return f"LEG PAIN, {event.side} ({event.root.split('_')[1].upper()} root)"
        case CannulaRemoved():
            return f"{event.side.capitalize()} cannula removed"
        case Placed():
            return f"{event.side.capitalize()} cannula at rest"
        case _:
            return None


def alarming(event: Event) -> bool:
    """Whether an event's line is shown in red."""
    if isinstance(event, Exposed):
        return not event.hands_out
    return isinstance(event, Breached | LeakStarted | LegPain | Refused | TailLeft)


def _plain(name: str) -> str:
    return name.replace("_", " ")
