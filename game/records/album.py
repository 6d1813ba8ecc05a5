"""Which moments of a case go into its report, kept as states and drawn when the case is over."""

from __future__ import annotations

from dataclasses import dataclass

from game.patient.patient import Side
from game.records.cement_maps import Filling
from game.records.report import SLOTS, Slot
from game.simulation.clock import seconds
from game.simulation.events import Aliquot, CannulaTaken, Exposed, Outcome
from game.simulation.state import State

AT_ENTRY_MM = 3.0  # a tip this little in bone stands at its entry: a project choice


@dataclass(frozen=True, eq=False)
class Moment:
    """A picture worth keeping: its slot in the report, what it shows, the state it was taken in."""

    slot: Slot
    caption: str
    state: State


class Album:
    """Watches a case go by. The last picture that fits a slot is the one kept; a cannula that is in
    bone when the next is taken up is at rest."""

    def __init__(self) -> None:
        self._moments: dict[Slot, Moment] = {}
        self._at_rest: set[Side] = set()
        self._flowing: State | None = None
        self.fillings: list[Filling] = []
        self.final: State | None = None

    def watch(self, state: State) -> None:
        """Look at one state; call it for every tick."""
        if state.run is not None and state.run.last_flow == state.time:
            self._flowing = state
        for event in state.events:
            if isinstance(event, Exposed):
                self._exposed(state, event)
            elif isinstance(event, CannulaTaken):
                self._at_rest |= {s for s, c in state.cannulas.items() if c.stage == "bone"}
            elif isinstance(event, Aliquot):
                self._filled(event)
            elif isinstance(event, Outcome):
                self.final = state

    @property
    def moments(self) -> tuple[Moment, ...]:
        """In the order of the procedure."""
        return tuple(self._moments[slot] for slot in SLOTS if slot in self._moments)

    def _keep(self, slot: Slot, caption: str, state: State) -> None:
        self._moments[slot] = Moment(slot, caption, state)

    def _filled(self, run: Aliquot) -> None:
        """The last state in which cement of this run flowed: at rest it has no pressure."""
        state, self._flowing = self._flowing, None
        if state is not None:
            ml = state.injected_ml.get(run.side, 0.0)
            self.fillings.append(Filling(run.side, seconds(state.time), ml, state.cement))

    def _exposed(self, state: State, event: Exposed) -> None:
        if state.cement.delivered_ml > 0:
            if event.view == "ap":
                self._keep("after-ap", "AP after cement", state)
            elif event.view == "lateral":
                self._keep("after-lateral", "Lateral after cement", state)
        if state.injector.mixed_at is None:
            for side in event.tips:
                self._before_cement(state, event, side)

    def _before_cement(self, state: State, event: Exposed, side: Side) -> None:
        at_entry = event.bone_mm[side] <= AT_ENTRY_MM
        left = side == "left"
        if at_entry and event.view == f"oblique-{side}":
            caption = f"Contralateral oblique, {side} cannula at its entry"
            self._keep("entry-left" if left else "entry-right", caption, state)
        elif event.view == "lateral" and not at_entry and side not in self._at_rest:
            caption = f"Lateral, {side} tip {max(0.0, event.ahead_mm[side]):.1f} mm before target"
            self._keep("lateral-left" if left else "lateral-right", caption, state)
        elif event.view == "ap" and not at_entry:
            self._keep("ap-confirm", "AP, tips at their resting places", state)
