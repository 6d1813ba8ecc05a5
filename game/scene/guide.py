"""What comes next: one line for a person who does the case for the first time. Pure.

It follows facts of the procedure by what State shows; it gives no coordinate away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from game.geometry.views import ViewName
from game.patient.patient import Side
from game.simulation.batch import bore_set, cement_age, in_room, mixing_left, product_of
from game.simulation.case import Case
from game.simulation.events import Aliquot, Exposed, Marked
from game.simulation.placing import bony_depth, way_ahead
from game.simulation.state import State

ENOUGH_ML = 2.0  # facts/procedure.md: 2-4 mL a side
AT_TARGET_MM = 2.0  # from here on the guide calls it arrived: a project choice
FOOT_MM = 12.0  # the guide ends an injection this far from the entry; facts/procedure.md says 10


@dataclass(frozen=True)
class Memory:
    """Which views were seen since a tip or cement last moved, which ever; which sides marked."""

    fresh: frozenset[ViewName] = frozenset()
    ever: frozenset[ViewName] = frozenset()
    marked: frozenset[Side] = frozenset()
    tips: tuple[object, ...] = ()

    def after(self, state: State) -> Memory:
        """What is remembered after one more state."""
        memory = self
        tips = tuple(cannula.tip for cannula in state.cannulas.values())
        if tips != memory.tips:
            memory = replace(memory, tips=tips, fresh=frozenset())
        for event in state.events:
            match event:
                case Exposed():
                    seen = {event.view}
                    memory = replace(memory, fresh=memory.fresh | seen, ever=memory.ever | seen)
                case Aliquot():
                    memory = replace(memory, fresh=frozenset())
                case Marked():
                    memory = replace(memory, marked=memory.marked | {event.side})
                case _:
                    pass
        return memory


def hint(case: Case, state: State, memory: Memory, side: Side) -> str:
    """The next thing to do, with its keys, for the side at work."""
    if "ap" not in memory.ever:
        return "See the true AP: press 1, wait until the C-arm stands, then X for a picture"
    if state.injector.mixed_at is None:
        return _placing(case, state, memory, side)
    return _filling(case, state, memory, side)


def _placing(case: Case, state: State, memory: Memory, side: Side) -> str:
    cannula = state.cannulas[side]
    oblique: ViewName = "oblique-left" if side == "left" else "oblique-right"
    key = "3" if side == "left" else "4"
    if cannula.stage in ("tray", "removed"):
        if oblique not in memory.ever:
            return f"Profile the {side} ala: press {key}, wait, then X"
        if side not in memory.marked:
            return (
                "Click the bony entry on the picture: halfway between the lower end of the SI "
                "joint and the lateral edge of the S3 foramen"
            )
        return f"Press T to take the cannula for the {side} side"
    if cannula.stage == "held":
        return (
            "Left drag: tip on the skin, towards the feet and outward of the yellow cross. Right "
            "drag: aim at S1 (U shows the plan). Then wheel up"
        )
    if cannula.stage == "tissue":
        return (
            "Wheel up until bone stops you; right drag corrects the aim. Look on the way: "
            "G (hands off), X"
        )
    return _in_bone(case, state, memory, side)


def _in_bone(case: Case, state: State, memory: Memory, side: Side) -> str:
    if state.watches[side].through:
        return "The tip is through a wall of the bone: draw back (wheel down) and look"
    left = way_ahead(case, side, state.cannulas[side])
    if left > AT_TARGET_MM:
        step = 2 if left <= 10.0 else 5
        if "lateral" not in memory.fresh:
            return "Look before you advance: G (hands off), 2 for the lateral, X"
        return f"Wheel up, at most {step} mm, towards mid S1 on the lateral; then look again"
    for view, key in (("ap", "1"), ("lateral", "2")):
        if view not in memory.fresh:
            return f"The tip has arrived. Confirm it: hands off (G), {key}, X"
    others = [s for s in case.level.sides if state.cannulas[s].stage != "bone"]
    if others:
        return f"Confirmed. Tab: now the {others[0]} side"
    return "All cannulas stand. M mixes the cement (5 chooses which) and starts its clock"


def _filling(case: Case, state: State, memory: Memory, side: Side) -> str:
    age, cannula = cement_age(state) or 0.0, state.cannulas[side]
    if cannula.stage == "removed":
        waiting = [s for s in case.level.sides if state.cannulas[s].stage in ("tissue", "bone")]
        if waiting:
            return f"Tab: now the {waiting[0]} side"
        for view, key in (("ap", "1"), ("lateral", "2")):
            if view not in memory.fresh:
                return f"Final pictures: {key}, X"
        return "Done. Q finishes the case and writes your report"
    found = product_of(state).consistency(in_room(state).age_s)
    if mixing_left(state) > 0 or found == "liquid":
        return "Wait for toothpaste (hold F); L presses a strand to see. It must not drip"
    if state.injector.pushing == side:
        return "Hold V: the stylet goes home and empties the bore (shift: slower)"
    if state.injected_ml.get(side, 0.0) >= ENOUGH_ML:
        if not cannula.stylet:
            return "Enough on this side. S sets the stylet on, so that no tail is left"
        unset = age < product_of(state).setting_s
        return (
            "Wait until it has set (hold F), turn (W) and R"
            if unset
            else "Turn it (W), R: remove it"
        )
    if bore_set(state, side):
        return "The cement has set. R removes the cannula, Q finishes"
    if found in ("stiff", "set"):
        return "This batch is too stiff. C takes the syringe off, M mixes a fresh one"
    return _aliquot(state, memory, side)


def _aliquot(state: State, memory: Memory, side: Side) -> str:
    cannula = state.cannulas[side]
    if cannula.stylet:
        return "S draws the stylet"
    if state.injector.connected != side:
        return _syringe(state)
    if state.injector.bore_ml.get(side, 0.0) < cannula.dead_volume_ml - 1e-6:
        if state.injector.syringe_ml <= 0:
            return "The syringe is empty: C takes it off, then A fills it"
        return "Hold V: the cement fills the cannula's bore first"
    for view, key in (("lateral", "2"), ("ap", "1")):
        if view not in memory.fresh:
            return f"A view is due before more cement: {key}, X"
    if state.injector.syringe_ml <= 0:
        return "The syringe is empty: C takes it off, then A fills it"
    if bony_depth(cannula) <= FOOT_MM:
        return "The column is long enough. S sets the stylet on"
    return "Hold V for 0.1 to 0.3 mL (shift: slower). Then withdraw a little (wheel down) and look"


def _syringe(state: State) -> str:
    injector = state.injector
    if injector.connected is not None:
        return f"C takes the syringe off the {injector.connected} side"
    if injector.syringe_ml <= 0:
        return "A fills a syringe (6 chooses which: the wider, the weaker your thumb)"
    return "C connects the syringe"
