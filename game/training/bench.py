"""What `sacrosim bench` measures on this machine, beside the budget of each part.

Figures are medians and 95th percentiles of wall time in one process; machines are noisy, so they
are shown and never asserted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, thread_time

import numpy as np
from numba import get_num_threads

from game.devices.carm import CArmPose
from game.fluoroscopy.projector import Projector
from game.fluoroscopy.render import render, scene_areas
from game.fluoroscopy.spectrum import transmitted
from game.geometry.views import PELVIC_VIEWS, VIEWS, ViewName, view_angles
from game.patient import store
from game.patient.build import build
from game.patient.patient import Patient
from game.patient.procedural import procedural
from game.patient.traits import Traits
from game.records.album import Album
from game.records.session import Session
from game.simulation import cement
from game.simulation.case import Case
from game.simulation.cement import Cement, Channels, Injection, Medium
from game.simulation.control import Control
from game.simulation.state import State
from game.simulation.step import begin, step
from game.training import cement_figures
from game.training.delivery_figures import bench_figures, case_figures
from game.training.expert import perform
from game.training.figure import Figure
from game.training.haptic_figures import haptic_figures
from game.training.peers import rtk_joseph
from game.training.plan import stored_position
from game.training.rehearsal import rehearse
from game.training.xray_figures import (
    RATE,
    beside_gvxr,
    figures,
    patient_quadrature,
    rates,
)

REPEATS = 3  # pictures per moment and kind, project choice
PARTS = ("haptics", "simulation", "cement", "fluoroscopy", "procedure", "patient")


@dataclass(frozen=True)
class Row:
    """One figure: milliseconds (or times real time, for the procedure), its budget, and whether it
    is met; None where that is not worked out."""

    part: str
    what: str
    unit: str
    median: float
    p95: float
    budget: str
    met: bool | None = None


def measure(case: Case, parts: Iterable[str] = PARTS, library: Path | None = None) -> list[Row]:
    """The rows of the parts asked for; one expert case is performed for all of them that need one.
    `library` is a haptic device's driver where the system does not find it."""
    parts = tuple(parts)
    if parts == ("haptics",):
        return haptics(case, library)
    if parts == ("patient",):
        return patients()
    began = perf_counter()
    session, album = rehearse(case, perform(case))
    took = perf_counter() - began
    rows = {
        "haptics": lambda: haptics(case, library),
        "simulation": lambda: simulation(case, session),
        "cement": lambda: [*cement_steps(case, session), *cement_rows(case)],
        "fluoroscopy": lambda: fluoroscopy(case, album),
        "procedure": lambda: [procedure(session, took)],
        "patient": patients,
    }
    return [row for part in parts for row in rows[part]()]


def haptics(case: Case, library: Path | None = None) -> list[Row]:
    """What the servo, the law and the safety chain are held to; an open device's ticks where one
    opens, with the driver in `library`."""
    return [
        Row("haptics", held.what, held.unit, held.value, held.value, held.asked, held.met)
        for held in haptic_figures(case, library)
    ]


def simulation(case: Case, session: Session) -> list[Row]:
    """Ticks of the recorded case in which no cement is worked out."""
    times: list[float] = []
    state = begin(case)
    for control in session.controls():
        state = _timed_step(case, state, control, times)
    return [_row("simulation", "tick without cement", times, "mean 0.1, p95 2")]


def _timed_step(case: Case, state: State, control: Control, times: list[float]) -> State:
    began = perf_counter()
    after = step(case, state, control)
    if state.due is None:
        times.append(perf_counter() - began)
    return after


def cement_steps(case: Case, session: Session) -> list[Row]:
    """Every 50 ms cement step of the recorded case, in time of the processor."""
    times: list[float] = []

    def solve(medium: Medium, channels: Channels, body: Cement, injection: Injection) -> Cement:
        began = thread_time()
        after = cement.advance(medium, channels, body, injection)
        times.append(thread_time() - began)
        return after

    state = begin(case)
    for control in session.controls():
        state = step(case, state, control, solve)
    row = _row("cement", "50 ms step, processor's time", times, "mean 1, p95 10, max 25")
    met = float(np.mean(times)) <= 1e-3 and row.p95 <= 10.0 and max(times) <= 25e-3
    return [replace(row, met=met)]


def cement_rows(case: Case) -> list[Row]:
    """Cement's flow beside closed forms, and its delivery beside what was published."""
    found = cement_figures.figures()
    delivered = (*bench_figures(), *case_figures(case, perform(case)))
    return [
        Row("cement", f.what, f.unit, f.value, f.value, f.asked, f.met)
        for f in (*found, *delivered)
    ]


def fluoroscopy(case: Case, album: Album) -> list[Row]:
    """512 x 512 pictures of the case's moments: with the pose kept, and first and full after a
    move; on all cores, as the room's compute thread draws them. The processor's time is that of
    all cores together: on a machine with other work it tells more than the clock."""
    projector = Projector(case.patient, parallel=True)
    views = {str(view): stored_position(case, view) for view in (*VIEWS, *PELVIC_VIEWS)}
    still, first, full = _Times(), _Times(), _Times()
    for moment in album.moments:
        render(case, moment.state, projector)
        for _ in range(REPEATS):
            still.add(lambda m=moment: render(case, m.state, projector))  # type: ignore[misc]
        for nudge in range(1, REPEATS + 1):
            moved = _nudged(moment.state, 0.001 * nudge)
            first.add(lambda s=moved: render(case, s, projector, coarse=True))  # type: ignore[misc]
            full.add(lambda s=moved: render(case, s, projector))  # type: ignore[misc]
    return [
        *still.rows("picture, C-arm still", 33.0),
        *first.rows("first picture after a C-arm move", 60.0),
        *full.rows("full picture after a C-arm move", 300.0),
        *_beside_rtk(projector, views),
        *_beside_gvxr(case, album, projector),
        *(_single(figure) for figure in figures()),
        *(_single(figure) for figure in patient_quadrature(projector, views.values())),
        *(_single(figure) for figure in patient_rates(case.patient)),
    ]


class _Times:
    """Wall and processor's times, s, of one kind of picture."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.processor: list[float] = []

    def add(self, work: Callable[[], object]) -> None:
        used = process_time()
        self.wall.append(_time(work))
        self.processor.append(process_time() - used)

    def rows(self, what: str, most_ms: float) -> list[Row]:
        """Both, with whether the 95th percentile keeps to `most_ms`."""
        made = []
        for name, times in ((what, self.wall), (f"{what}, processor's time", self.processor)):
            row = _row("fluoroscopy", name, times, f"p95 {most_ms:.0f}")
            made.append(replace(row, met=row.p95 <= most_ms))
        return made


def patient_rates(patient: Patient) -> list[Figure]:
    """Dose rates of the case's own patient in a true AP and a true lateral."""
    made = []
    views: tuple[ViewName, ...] = ("ap", "lateral")
    for view in views:
        x, y, z = patient.point("s1_endplate_centre").tolist()
        pose = CArmPose(*view_angles(view, patient.anatomy), (x, y, z))
        made += rates(patient, pose, f"this patient, {view}, {RATE:.0f}/s")[1]
    return made


def _beside_gvxr(case: Case, album: Album, projector: Projector) -> list[Row]:
    state = album.moments[-1].state

    def anew(number: int) -> object:
        return render(case, _nudged(state, 0.001 * (number + 500)), projector)

    geometry = state.picture_pose.projection(512, state.picture_field.panel_mm)

    def energy() -> object:
        areas = scene_areas(state, projector, geometry, veins=case.medium.veins)
        return transmitted(areas, state.tube.kvp, state.tube.mas)

    made = beside_gvxr(
        case.patient, state.picture_pose, energy, lambda: render(case, state, projector), anew
    )
    return [_single(figure) for figure in made]


def _single(figure: Figure) -> Row:
    """A number that is no time, in both columns."""
    what, unit, value, asked = figure
    return Row("fluoroscopy", what, unit, value, value, asked, figure.met)


def _nudged(state: State, by: float) -> State:
    """A state whose picture is taken `by` mm beside: a pose that is not kept."""
    return replace(state, picture_pose=_beside(state.picture_pose, by))


def _beside(pose: CArmPose, by: float) -> CArmPose:
    x, y, z = pose.isocentre
    return replace(pose, isocentre=(x + by, y, z))


def _beside_rtk(projector: Projector, views: Mapping[str, CArmPose]) -> list[Row]:
    """Our line integrals of three materials beside RTK's of one, view by view, in turns: same
    volume, pose, pixels and threads. No rows where RTK is not installed."""
    grid, threads = projector.patient.body, get_num_threads()
    volume, rows = projector.tissue.astype(np.float32), []
    for view, pose in views.items():
        theirs = rtk_joseph(volume, grid, pose.projection(), threads)
        if theirs is None:
            return []
        _time(theirs)
        ratios = []
        for nudge in range(1, REPEATS + 1):
            geometry = _beside(pose, 0.0137 * nudge).projection()  # kept by no row above
            own = _time(lambda g=geometry: projector.areas(g))  # type: ignore[misc]
            ratios.append(_time(theirs) / own)
        what = f"projection, {view}, times faster than RTK's Joseph on {threads} threads"
        middle, low = float(np.median(ratios)), min(ratios)
        rows.append(Row("fluoroscopy", what, "x", middle, low, "above 3", middle >= 3.0))
    return rows


def procedure(session: Session, took: float) -> Row:
    """How many times faster than real time the expert's case ran."""
    speed = len(session) / 60.0 / took
    return Row("procedure", "expert, headless", "x real time", speed, speed, "40")


def patients() -> list[Row]:
    """Generating people cold, and loading them again."""
    cold, cached = [], []
    with TemporaryDirectory() as folder:
        for seed in range(1, REPEATS + 1):
            began = perf_counter()
            made = build(procedural(Traits(seed=seed)), Traits(seed=seed))
            cold.append(perf_counter() - began)
            place = Path(folder) / str(seed)
            store.save(made, place)
            cached.append(_time(lambda p=place: store.load(p)))  # type: ignore[misc]
    return [
        _row("patient", "a new patient", cold, "10 000"),
        _row("patient", "a kept patient", cached, "500"),
        *_memory(),
    ]


def _memory() -> list[Row]:
    """The most that this process took so far; no row on a system that does not tell."""
    if sys.platform == "win32":
        return []
    from resource import RUSAGE_SELF, getrusage

    most = getrusage(RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return [Row("patient", "most memory of this process", "MB", most, most, "2000")]


def _time(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def _row(part: str, what: str, times: list[float], budget: str) -> Row:
    low, high = np.percentile(np.array(times) * 1000.0, [50, 95])
    return Row(part, what, "ms", float(low), float(high), budget)
