"""The batch that was mixed: how old it is, in the room and in each bore."""

from __future__ import annotations

from game.devices.cannula import GAUGES
from game.devices.injector import SYRINGES, Cure
from game.patient.patient import Side
from game.simulation.cement.products import product
from game.simulation.cement.rheology import BATCH_C, BORE_C, Product, aged, room_age
from game.simulation.clock import seconds
from game.simulation.state import State


def cement_age(state: State) -> float | None:
    """Seconds since mixing, None before."""
    mixed_at = state.injector.mixed_at
    return None if mixed_at is None else seconds(state.time - mixed_at)


def product_of(state: State) -> Product:
    """What was mixed; raises ValueError before."""
    if state.injector.mixed_at is None:
        raise ValueError("no cement is mixed")
    return product(state.injector.product)


def mixing_left(state: State) -> float:
    """Seconds until powder and liquid are one dough; 0 once they are."""
    age = cement_age(state)
    return 0.0 if age is None else max(0.0, product_of(state).mixing_s - age)


def in_room(state: State) -> Cure:
    """What stands in bowl, syringe and tube."""
    return Cure(room_age(cement_age(state) or 0.0), BATCH_C, state.time)


def in_bore(state: State, side: Side) -> Cure:
    """What stands in a cannula, which the patient warms; as in the room where it holds none."""
    cure = state.injector.cures.get(side)
    if cure is None or state.injector.bore_ml.get(side, 0.0) <= 0.0:
        return in_room(state)
    age, celsius = aged(cure.age_s, cure.celsius, seconds(state.time - cure.time), BORE_C)
    return Cure(age, celsius, state.time)


def bore_set(state: State, side: Side) -> bool:
    """Whether what stands in a cannula has gelled there."""
    held = state.injector.bore_ml.get(side, 0.0)
    return held > 0.0 and in_bore(state, side).age_s >= product_of(state).gel_age_s


def blended(old: Cure, fresh: Cure, share: float) -> Cure:
    """Cement of which `share` has been exchanged for fresh: the bore counts as well mixed."""
    share = min(1.0, max(0.0, share))
    age = old.age_s + share * (fresh.age_s - old.age_s)
    return Cure(age, old.celsius + share * (fresh.celsius - old.celsius), fresh.time)


def way_mm(state: State, side: Side) -> float:
    """How long a bore of the cannula's own width would lose as much as tube and cannula together,
    mm, both full. A power-law fluid loses in proportion to L / R^(1 + 3 n)."""
    cannula, syringe = state.cannulas[side], state.injector.syringe
    tube = SYRINGES[syringe] if syringe is not None else None
    if tube is None or tube.tube_bore <= 0 or state.injector.pushing is not None:
        return float(cannula.length)
    power = 1.0 + 3.0 * product_of(state).index
    return cannula.length + tube.tube_length * (
        GAUGES[cannula.gauge].bore / tube.tube_bore
    ) ** power  # fmt: skip
