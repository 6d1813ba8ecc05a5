"""What a hand can tell from the force alone, over generated patients.

A scripted hand pushes a cannula through a patient on two courses: the planned path and on beyond
its target, and one that is aimed too far forward. haptics.feel says from the trace of either what
the hand noticed; what the tissue really did then says what it was right about. A breach where
nothing is (`Told.sham`) shows how much of it is chance.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from haptics.feel import Times, claimed_entry, claimed_void, cues, felt
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
ENTRY_MS, SOON_MS, LATER_MS = 250, 300, 1000  # how near a claim must be to what happened
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
    """What one course's trace told of one patient: whether the `entry` cortex was found; a void's
    entry (None where there is none); a breach ahead (None where there is none, or through another
    wall); `sham`, a breach where nothing is; `fell`, a void where none is. The wall's `thickness`,
    mm, the force at which the entry gave way, `puncture` N, unscaled."""

    seed: int
    quality: Quality
    course: Course
    entry: bool
    void: bool | None
    fell: bool | None
    breach: bool | None
    sham: bool | None
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
    fell = None if claim is None else claimed_void(force, claim)
    begins = _void(patient, push, breach)
    ahead = breach is not None and patient.wall_at(push.rows[breach, :3]) in AHEAD
    return Told(
        seed,
        patient.traits.quality if patient.traits else "normal",
        course,
        entry=entry is not None and claim is not None and abs(claim - entry) <= ENTRY_MS,
        void=None if begins is None else _void_found(begins, fell, drops, claim),
        fell=None if begins is not None else fell is not None and fell < (breach or len(force)),
        breach=_noticed(breach, rises, drops) if ahead else None,
        sham=_noticed(_before(push, breach), rises, drops) if ahead else None,
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


def _void_found(begins: int, fell: int | None, drops: Times, claim: int | None) -> bool:
    """A void is found where the hand falls through as in soft tissue, or notices a drop at its
    entry that is not the cortex's own."""
    if fell is not None and fell >= begins - SOON_MS:
        return fell <= begins + LATER_MS
    own = drops[drops > (claim or 0) + LATER_MS]
    return _near(own, begins, SOON_MS, LATER_MS)


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


def study(count: int, folder: Path | None = None, processes: int = 2) -> Iterator[list[Told]]:
    """`count` patients as they come to a sacroplasty, as they are done: made anew, or the first
    ones saved in `folder`."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        if folder is None:
            yield from pool.map(_of_traits, treated(count))
        else:
            saved = sorted(place for place in folder.iterdir() if place.is_dir())
            yield from pool.map(_of_folder, saved[:count])
