"""Run a procedure (anything that answers States with Controls) on a case, and keep it all."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

from game.records.album import Album
from game.records.session import Recorder, Session, header_for
from game.simulation.case import Case
from game.simulation.clock import UNITS_PER_SECOND, seconds
from game.simulation.control import Control
from game.simulation.state import State
from game.simulation.step import begin, step

Procedure = Generator[Control, State, None]
Progress = Callable[[float], None]


def rehearse(
    case: Case,
    procedure: Procedure,
    patient_path: Path | None = None,
    progress: Progress = lambda _seconds: None,
) -> tuple[Session, Album]:
    """Step `case` with a procedure's controls until it ends; `progress` hears simulated seconds."""
    state = begin(case)
    recorder, album = Recorder(header_for(case, patient_path, "demo"), state), Album()
    control = next(procedure)
    while True:
        state = step(case, state, control)
        recorder.add(control, state)
        album.watch(state)
        if state.time % UNITS_PER_SECOND == 0:
            progress(seconds(state.time))
        try:
            control = procedure.send(state)
        except StopIteration:
            return recorder.session(), album
