"""Which moments of a case go into its report, kept as states and drawn when the case is over."""

from __future__ import annotations

from dataclasses import dataclass

from game.patient.patient import SIDES, Side
from game.simulation.events import Exposed, Outcome, Placed
from game.simulation.state import State

AT_ENTRY_MM = 3.0  # a tip this little in bone stands at its entry: a project choice


@dataclass(frozen=True, eq=False)
class Moment:
    """A picture worth keeping: its slot, what it shows, and the state it was taken in."""

    slot: str
    caption: str
    state: State


class Album:
    """Watches a case go by; `moments` are in the order of the procedure."""

    def __init__(self) -> None:
        self._moments: dict[str, Moment] = {}
        self._last_lateral: dict[Side, Moment] = {}
        self.final: State | None = None

    def watch(self, state: State) -> None:
        """Look at one state; call it for every tick."""
        for event in state.events:
            match event:
                case Exposed():
                    self._exposed(state, event)
                case Placed() if event.side in self._last_lateral:
                    self._keep(self._last_lateral[event.side])
                case Outcome():
                    self.final = state
                case _:
                    pass

    @property
    def moments(self) -> tuple[Moment, ...]:
        order = [
            *(f"{slot}-{side}" for side in SIDES for slot in ("entry", "target", "confirm")),
            "after-ap", "after-lateral",
        ]  # fmt: skip
        return tuple(self._moments[slot] for slot in order if slot in self._moments)

    def _keep(self, moment: Moment) -> None:
        self._moments[moment.slot] = moment

    def _exposed(self, state: State, event: Exposed) -> None:
        for side in event.tips:
            self._of_side(state, event, side)
        if state.cement.delivered_ml > 0 and event.view in ("ap", "lateral"):
            name = "AP" if event.view == "ap" else "Lateral"
            self._keep(Moment(f"after-{event.view}", f"{name} after cement", state))

    def _of_side(self, state: State, event: Exposed, side: Side) -> None:
        at_entry = event.bone_mm[side] <= AT_ENTRY_MM
        if at_entry and event.view == f"oblique-{side}":
            caption = f"Contralateral oblique, {side} cannula at its entry"
            self._keep(Moment(f"entry-{side}", caption, state))
        if state.injector.mixed_at is not None:
            return
        if event.view == "lateral" and not at_entry:
            caption = f"Lateral, {side} tip at its resting place"
            self._last_lateral[side] = Moment(f"target-{side}", caption, state)
        if event.view == "ap" and not at_entry:
            self._keep(Moment(f"confirm-{side}", f"AP, {side} tip at its resting place", state))
