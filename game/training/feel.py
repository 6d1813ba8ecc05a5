"""What a hand can tell from the force alone, over generated patients.

A scripted hand pushes a cannula through a patient on two courses: the planned path and on beyond
its target, and one that is aimed too far forward. haptics.feel says from the trace of either what
the hand noticed; what the tissue really did then says what it was right about. A breach where
nothing is (`Told.sham`) shows how much of it is chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np

from game.geometry.grid import FloatArray
from game.patient import store
from game.patient.approach import rule_path, skin_exit
from game.patient.build import build
from game.patient.errors import PatientError
from game.patient.patient import Patient, Region, Side
from game.patient.population import treated
from game.patient.procedural import procedural
from game.patient.traits import Quality, Traits
from game.training.tissue import Tissue, tissue_of
from haptics.feel import Times, claimed_entry, cues, felt, hollow
from haptics.insertion import BREACHED, PUNCTURED
from haptics.memory import fresh
from haptics.servo import ROW_AXIAL, ROW_BROKEN, ROW_EVENTS, ROW_LAYER
from haptics.tissue import Instrument, Layer
from haptics.virtual import Push, at_rest, scripted_ticks

Course = Literal["cephalad", "anterior"]
COURSES: tuple[Course, ...] = ("cephalad", "anterior")
LEAN_DEG = 20.0  # how far forward of the planned path the anterior course is aimed
ABOVE_MM, FARTHEST_MM, BEYOND_TICKS = 5.0, 120.0, 1500  # before the skin; of bone; after a breach
SPEED, BONE_SPEED = 8.0, 3.0  # mm/s, as the expert's (game.training.hands)
BATCH = 500  # servo ticks at a time
TOOL = Instrument(1.525, 200.0)  # 11G, and long enough for any course
AHEAD = (Region.CEPHALAD, Region.PRESACRAL, Region.LATERAL)  # the ala's walls ahead of a path
ENTRY_MS, SOON_MS, LATER_MS = 250, 300, 1500  # how near a claim must be to what happened
OVER_MS, CALM_MS = 1000, 6000  # after the puncture: its own drop is over; marrow like any other
VOID_MM = 3.0  # of negative marrow along the way make a void
SHAM_MM = 12.0  # before the far wall, where nothing is
THICKNESSES = ((0.5, 0.8), (0.8, 1.0), (1.0, 1.2), (1.2, 2.0))  # mm of the wall that was breached


@dataclass(frozen=True, eq=False)
class Pushed:
    """A push through a patient: servo `rows` (n, ROW), and how deep under the skin the tip is,
    mm (n,)."""

    rows: FloatArray
    depth: FloatArray

    def first(self, event: int) -> int | None:
        """The tick of the first such event, None where there is none."""
        at = np.flatnonzero(self.rows[:, ROW_EVENTS].astype(int) & event)
        return int(at[0]) if len(at) else None


@dataclass(frozen=True)
class Told:
    """What one course's trace told of one patient: whether the `entry` cortex was found; a void
    believed at a void's entry (None where there is no void), `late` where the void begins so far
    behind the cortex that the cortex' own drop is over; a breach ahead (None where there is none,
    or through another wall); `sham`, a breach where nothing is; `calm`, a void believed a while
    behind the cortex where there is none, and `anywhere` on the way. The wall's `thickness`, mm,
    and the force at which the entry gave way, `puncture` N, unscaled."""

    seed: int
    quality: Quality
    course: Course
    entry: bool
    void: bool | None
    late: bool
    breach: bool | None
    sham: bool | None
    calm: bool | None
    anywhere: bool | None
    thickness: float
    puncture: float


def aimed(patient: Patient, side: Side, course: Course) -> tuple[FloatArray, FloatArray, float]:
    """A point before the skin (3,), LPS mm, a unit direction (3,), and how far under the skin bone
    begins, mm. Raises PatientError where the line does not leave the body."""
    path = rule_path(patient, side)
    direction = path.direction
    if course == "anterior":
        forward = -patient.anatomy.axes[1]
        forward = forward - (forward @ direction) * direction
        forward /= np.linalg.norm(forward)
        lean = np.radians(LEAN_DEG)
        direction = np.cos(lean) * direction + np.sin(lean) * forward
    skin = skin_exit(patient, path.entry, direction)
    return skin - ABOVE_MM * direction, direction, float(np.linalg.norm(path.entry - skin))


def pushed(tissue: Tissue, start: FloatArray, direction: FloatArray, to_bone: float) -> Pushed:
    """A push from before the skin until after the first breach, or as far as the hand gets."""
    x, y, z, u, v, w = (float(n) for n in (*start, *direction))
    goal = Push(ABOVE_MM + to_bone + FARTHEST_MM, SPEED, BONE_SPEED)
    hand, memory = replace(at_rest((x, y, z), (u, v, w)), arrived=False), fresh()
    parts: list[FloatArray] = []
    left = int(1000 * (goal.goal / BONE_SPEED + 10.0))
    while left > 0 and not hand.arrived:
        memory, hand, rows = scripted_ticks(*tissue.read, TOOL, memory, hand, goal, BATCH)
        parts.append(rows)
        breached = bool(np.any(rows[:, ROW_EVENTS].astype(int) & BREACHED))
        left = min(left - BATCH, BEYOND_TICKS) if breached else left - BATCH
    rows = np.concatenate(parts)
    return Pushed(rows, (rows[:, :3] - start) @ direction - ABOVE_MM)


def told(patient: Patient, tissue: Tissue, seed: int, side: Side, course: Course) -> Told:
    """One course through one patient. Raises PatientError where the course leads nowhere."""
    push = pushed(tissue, *aimed(patient, side, course))
    force = felt(push.rows[:, ROW_AXIAL], seed)
    entry, breach = push.first(PUNCTURED), push.first(BREACHED)
    claim, (rises, drops) = claimed_entry(force), cues(force)
    hollows = np.empty(0, np.int64) if claim is None else hollow(force, claim)
    begins = _void(patient, push, breach)
    ahead = breach is not None and patient.wall_at(push.rows[breach, :3]) in AHEAD
    return Told(
        seed,
        patient.traits.quality if patient.traits else "normal",
        course,
        entry=entry is not None and claim is not None and abs(claim - entry) <= ENTRY_MS,
        void=None if begins is None else _near(hollows, begins, SOON_MS, LATER_MS),
        late=begins is not None and entry is not None and begins > entry + OVER_MS,
        breach=_noticed(breach, rises, drops) if ahead else None,
        sham=_noticed(_before(push, breach), rises, drops) if ahead else None,
        calm=None if begins is not None else _calm(entry, breach, hollows),
        anywhere=_anywhere(breach, hollows) if begins is None else None,
        thickness=_thickness(patient, push, breach),
        puncture=float(push.rows[entry, ROW_BROKEN]) if entry is not None else np.inf,
    )


def _near(cue: Times, ms: int, before: int, after: int) -> bool:
    return bool(np.any((cue >= ms - before) & (cue <= ms + after)))


def _noticed(ms: int | None, rises: Times, drops: Times) -> bool | None:
    """Whether a change was noticed about that time; None where there is none."""
    if ms is None:
        return None
    return _near(rises, ms, 2 * SOON_MS, 0) or _near(drops, ms, SOON_MS, SOON_MS)


def _before(push: Pushed, breach: int | None) -> int | None:
    if breach is None:
        return None
    return int(np.argmax(push.depth > push.depth[breach] - SHAM_MM))


def _void(patient: Patient, push: Pushed, breach: int | None) -> int | None:
    """The tick at which the tip comes into a void's VOID_MM; None where there is none."""
    rows = push.rows[:breach]
    units = patient.body.sample(patient.hounsfield, rows[:, :3], outside=0.0)
    hollow = (units < 0.0) & (rows[:, ROW_LAYER] == Layer.CANCELLOUS)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hollow.astype(np.int8), [0]])))
    for begins, ends in edges.reshape(-1, 2):
        if push.depth[ends - 1] - push.depth[begins] >= VOID_MM:
            return int(begins)
    return None


def _calm(entry: int | None, breach: int | None, hollows: Times) -> bool | None:
    if entry is None or breach is None or breach < entry + CALM_MS + LATER_MS:
        return None
    return _near(hollows, entry + CALM_MS, SOON_MS, LATER_MS)


def _anywhere(breach: int | None, hollows: Times) -> bool | None:
    return None if breach is None else bool(np.any(hollows < breach - SOON_MS))


def _thickness(patient: Patient, push: Pushed, breach: int | None) -> float:
    if breach is None:
        return float("nan")
    return float(patient.bone.sample(patient.cortex, push.rows[breach, None, :3], 0.0)[0])


def of_patient(patient: Patient, seed: int) -> list[Told]:
    """Both courses on one broken side, the left where none is; those that lead nowhere left out."""
    side: Side = patient.broken_sides[0] if patient.broken_sides else "left"
    tissue, found = tissue_of(patient), []
    for course in COURSES:
        try:
            found.append(told(patient, tissue, seed, side, course))
        except PatientError:
            continue
    return found


def _of_traits(traits: Traits) -> list[Told]:
    return of_patient(build(procedural(traits), traits), traits.seed)


def _of_folder(folder: Path) -> list[Told]:
    patient = store.load(folder)
    return of_patient(patient, patient.traits.seed if patient.traits else 0)


def saved_in(folder: Path) -> list[Path]:
    """The saved patients in a folder of them, by name; none where there is no such folder."""
    return sorted(page.parent for page in folder.glob(f"*/{store.PAGE}"))


def study(count: int, folder: Path | None = None, processes: int = 2) -> Iterator[list[Told]]:
    """`count` patients as they come to a sacroplasty, as they are done: made anew, or the first
    ones saved in `folder`."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        if folder is None:
            yield from pool.map(_of_traits, treated(count))
        else:
            yield from pool.map(_of_folder, saved_in(folder)[:count])


@dataclass(frozen=True)
class Share:
    """The `share` of `count` courses of which something is true, what it is asked to be, and
    whether it is; None where nothing is asked, or there is no such course."""

    what: str
    share: float
    count: int
    asked: str = ""
    met: bool | None = None


ENTRIES, BREACHES_OVER_VOIDS, SHAMS = 0.95, 0.5, 0.1  # at least, at most, at most
VOIDS = 0.75  # of voids whose entry should be felt: a project choice


def summary(found: Sequence[Told]) -> list[Share]:
    """What the traces told: entry, voids, breaches by the wall's thickness and over voids."""
    over = [one for one in found if one.void is not None]
    rows = [
        _share("entry cortex found", [one.entry for one in found], least=ENTRIES),
        _share("a void's entry found", [one.void for one in over], least=VOIDS),
        _share("the same, void not just behind the cortex", [o.void for o in over if o.late]),
        _share("believed behind the cortex, no void", [one.calm for one in found], most=SHAMS),
        _share("believed anywhere on a way without one", [one.anywhere for one in found]),
    ]
    for course in COURSES:
        own = [one.breach for one in found if one.course == course]
        rows.append(_share(f"{course} breach noticed", own))
    thin = [_share(f"breach noticed, wall {low:g}-{high:g} mm",
                   [one.breach for one in found if low <= one.thickness < high])
            for low, high in THICKNESSES]  # fmt: skip
    known = [row.share for row in thin if row.count]
    order = Share("thinner walls noticed less often", float(known == sorted(known)), len(known),
                  "yes", known == sorted(known) if len(known) > 1 else None)  # fmt: skip
    return [
        *rows,
        *thin,
        order,
        _share("breach noticed over a void", [o.breach for o in over], most=BREACHES_OVER_VOIDS),
        _share("a breach believed where none is", [one.sham for one in found], most=SHAMS),
    ]


def _share(
    what: str, values: Sequence[bool | None], least: float | None = None, most: float | None = None
) -> Share:
    known = [value for value in values if value is not None]
    share = sum(known) / len(known) if known else float("nan")
    if not known or (least is None and most is None):
        return Share(what, share, len(known))
    if least is not None:
        return Share(what, share, len(known), f">= {least:.0%}", share >= least)
    return Share(what, share, len(known), f"<= {most:.0%}", share <= (most or 0.0))
