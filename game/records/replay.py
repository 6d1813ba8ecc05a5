"""Play a session again and compare: the regression test of the whole simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from game.records.session import FORMAT, Session
from game.scoring.trace import Trace
from game.simulation import cement
from game.simulation.case import Case
from game.simulation.clock import UNITS_PER_SECOND
from game.simulation.events import Event
from game.simulation.injecting import Solve
from game.simulation.state import State
from game.simulation.step import begin, step


@dataclass(frozen=True, eq=False)
class Replay:
    """`difference` names the first thing that came out otherwise, None when all is equal."""

    final: State
    trace: Trace
    difference: str | None


Watcher = Callable[[State], None]


def replay(
    session: Session, case: Case, watch: Watcher | None = None, solve: Solve = cement.advance
) -> Replay:
    """Re-simulate a session's controls on `case` and compare digests and trace."""
    state = begin(case)
    trace = list(state.events)
    difference = None
    seconds = iter(session.digests)
    for control in session.controls():
        state = step(case, state, control, solve)
        trace += state.events
        if state.time % UNITS_PER_SECOND == 0:
            expected = next(seconds, None)
            if difference is None and state.digest() != expected:
                difference = f"state at second {state.time // UNITS_PER_SECOND}"
        if watch is not None:
            watch(state)
    difference = difference or _first_difference(session.trace, trace)
    if difference is not None and session.header.format < FORMAT:
        older = f"it has format {session.header.format} and scores only, {FORMAT} replays; "
        difference = older + difference
    return Replay(state, tuple(trace), difference)


def _first_difference(recorded: Trace, again: Sequence[Event]) -> str | None:
    for number, (one, other) in enumerate(zip(recorded, again, strict=False)):
        if one != other:
            return f"event {number}: recorded {one}, replayed {other}"
    if len(recorded) != len(again):
        return f"{len(recorded)} events recorded, {len(again)} replayed"
    return None
