"""From the bowl to the tip, on the patient of boxes: a spring that runs on, a thumb that tires, a
bore that sets, a tail that is left; nothing is lost and nothing is NaN."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from math import isfinite, pi

import numpy as np
import pytest

from blocks import block_case
from game.devices.cannula import GAUGES
from game.devices.carm import CArmPose
from game.devices.injector import SYRINGES, THUMB_N, SyringeName, imbalance
from game.fluoroscopy.projector import Projector
from game.fluoroscopy.render import scene_areas
from game.patient.patient import Side
from game.simulation.batch import bore_set, in_bore, in_room
from game.simulation.cement import product
from game.simulation.cement.rheology import bore_flow, bore_loss
from game.simulation.clock import UNITS_PER_SECOND, seconds
from game.simulation.control import (
    Connect,
    Control,
    DrawUp,
    Finish,
    Mix,
    MoveStylet,
    RemoveCannula,
    ServoReport,
    TakeCannula,
    ToothpasteTest,
)
from game.simulation.events import (
    Aliquot,
    DrawnUp,
    Event,
    Mixed,
    Outcome,
    Refused,
    StrandTested,
    TailLeft,
)
from game.simulation.state import State
from game.simulation.step import begin, step

UP = (0.0, 0.0, 1.0)
IDLE = Control()
PRESS, RELEASE = Control(plunger=100), Control(plunger=-200)


def run(controls: Iterable[Control], state: State) -> tuple[State, list[Event]]:
    """Step on, and see at every step that every millilitre is somewhere."""
    events: list[Event] = []
    for control in controls:
        state = step(block_case(), state, control)
        events += state.events
        if state.injector.mixed_at is not None:
            assert imbalance(state.injector, state.in_patient_ml) <= 1e-10
            sound = (state.injector.backlog_ml, state.injector.load_n, state.cement.total_mpa)
            assert all(isfinite(value) and value >= 0.0 for value in sound)
    return state, events


def of(events: list[Event], kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in events if isinstance(event, kind)]


def do(*actions) -> Control:  # type: ignore[no-untyped-def]
    return Control(actions=actions)


def travel(start: float, end: float, side: Side = "left", turned: float = 0.0) -> list[Control]:
    x = 30.0 if side == "left" else -30.0
    heights = np.linspace(start, end, max(2, int(abs(end - start) / 0.5)))
    return [
        Control(active=side, servo=ServoReport((x, 0.0, float(z)), UP, turned=turned))
        for z in heights
    ]


def wait(duration: float) -> list[Control]:
    return [IDLE] * round(60 * duration)


@cache
def placed(gauge: int = 11) -> State:
    """The left cannula stands 75 mm deep, its stylet drawn."""
    way = [do(TakeCannula("left", gauge, 125)), *travel(-165, -15), do(MoveStylet("left", False))]
    return run(way, begin(block_case()))[0]


@cache
def connected(name: SyringeName = "1-ml", age: float = 240.0, gauge: int = 11) -> State:
    """A full syringe on the left cannula at a cement age, its bore filled where it held enough."""
    ready = [do(Mix()), *wait(age - 10.0), do(DrawUp(name)), *wait(5.0), do(Connect("left"))]
    return run(ready, placed(gauge))[0]


@cache
def primed(name: SyringeName = "1-ml", age: float = 240.0) -> State:
    """Tube and bore full, a full syringe behind them."""
    state = connected(name, age)
    for _ in range(4000):
        if state.injector.filled_way(state.cannulas["left"].dead_volume_ml):
            break
        state, _ = run([PRESS], state)
    again = [do(Connect(None), DrawUp(name)), *wait(5.1), do(Connect("left"))]
    return run(again, state)[0]


# The batch


def test_cement_is_mixed_before_it_is_drawn_and_drawn_before_it_stiffens() -> None:
    tries = [do(DrawUp()), do(Mix()), do(DrawUp()), *wait(31.0), do(DrawUp())]
    state, events = run(tries, placed())
    said = [event.reason for event in of(events, Refused)]
    assert said == ["no cement is mixed", "the cement is still being mixed; 30 s to go"]
    assert [(event.syringe, event.ml) for event in of(events, DrawnUp)] == [("1-ml", 1.0)]
    _, events = run([do(Connect(None)), *wait(440.0), do(DrawUp("3-ml"))], state)
    assert of(events, Refused)[0].reason == "the cement is stiff; it can no longer be drawn up"


def test_a_fresh_batch_waits_until_the_last_is_stiff_or_used_up() -> None:
    state, events = run([do(Mix()), *wait(60.0), do(Mix())], placed())
    assert of(events, Refused)[0].reason == (
        "cement is mixed already, and 10.0 mL of it are still liquid"
    )
    _, events = run([*wait(400.0), do(Mix()), *wait(40.0), do(DrawUp())], state)
    assert not of(events, Refused) and len(of(events, Mixed)) == len(of(events, DrawnUp)) == 1


def test_a_product_that_is_not_there_is_refused() -> None:
    _, events = run([do(Mix("glue"))], placed())
    assert "cement is 'glue'; there are" in of(events, Refused)[0].reason


def test_the_strand_tells_liquid_toothpaste_stiff_and_set() -> None:
    marks = (60.0, 240.0, 460.0, 580.0)
    state, answers = run([do(Mix())], placed())[0], []
    for mark in marks:
        state, events = run([*wait(mark - seconds(state.time - state.injector.mixed_at)),
                             do(ToothpasteTest())], state)  # fmt: skip
        answers += [event.answer for event in of(events, StrandTested)]
    assert answers == ["liquid", "toothpaste", "stiff", "set"]
    assert state.injector.bowl_ml == pytest.approx(10.0 - 0.4)


def test_a_syringe_is_not_connected_while_it_is_filled_nor_when_there_is_none() -> None:
    mixed = run([do(Mix()), *wait(40.0)], placed())[0]
    _, events = run([do(Connect("left")), do(DrawUp()), do(Connect("left"))], mixed)
    said = [event.reason for event in of(events, Refused)]
    assert said[0] == "no syringe is filled; draw cement up first"
    assert said[1].startswith("the syringe is being filled; 5 s")


def test_a_side_that_waits_cures_faster_in_its_warm_bore() -> None:
    state = run(wait(60.0), primed())[0]
    assert in_bore(state, "left").age_s > in_room(state).age_s + 10.0
    assert 30.0 < in_bore(state, "left").celsius <= 31.0


# The plunger


def test_cement_runs_on_after_the_hand_stops_and_stops_when_the_pressure_is_released() -> None:
    pressed = run([PRESS] * 60, primed("hydraulic"))[0]
    held, let_go = run(wait(5.0), pressed)[0], run([RELEASE] * 120, pressed)[0]
    ran_on = held.cement.delivered_ml - pressed.cement.delivered_ml
    stopped = let_go.cement.delivered_ml - pressed.cement.delivered_ml
    assert ran_on > 0.01
    assert stopped < 0.4 * ran_on
    assert let_go.injector.backlog_ml == 0.0 and let_go.injector.pressure_mpa == 0.0
    later = run(wait(1.0), let_go)[0]
    assert later.cement.delivered_ml == let_go.cement.delivered_ml


def test_a_tube_runs_on_for_longer_than_a_syringe() -> None:
    """Because it gives more: the same cement, the same second of pressing."""
    more = []
    for name in ("1-ml", "hydraulic"):
        pressed = run([PRESS] * 120, primed(name))[0]  # type: ignore[arg-type]
        held = run(wait(10.0), pressed)[0]
        more.append(held.cement.delivered_ml - pressed.cement.delivered_ml)
    assert more[1] > 2.0 * more[0]


def test_a_thumb_on_a_wide_barrel_gives_up() -> None:
    """Stiff cement: 80 N make 4.4 MPa with 1 mL, 0.4 MPa with 10 mL."""
    given = {}
    for name in ("1-ml", "10-ml"):
        start = primed(name, 300.0)  # type: ignore[arg-type]
        state = run([PRESS] * 180, start)[0]
        given[name] = state.cement.delivered_ml - start.cement.delivered_ml
        assert state.injector.load_n <= THUMB_N + 1e-9
        assert state.injector.load_mpa <= SYRINGES[name].limit_mpa + 1e-12  # type: ignore[index]
    assert given["1-ml"] > 3.0 * given["10-ml"]


def test_the_load_is_pressure_times_area_and_friction_and_is_published() -> None:
    state = run([PRESS] * 60, primed())[0]
    syringe, view = SYRINGES["1-ml"], state.servo_view("left")
    expected = view.plunger_mpa * syringe.area + syringe.friction
    assert state.injector.load_n == pytest.approx(expected)
    assert view.plunger_n == state.injector.load_n
    loss = bore_loss(product().law, in_bore(state, "left").age_s, GAUGES[11].bore / 2, 125.0, 100.0)
    assert view.plunger_mpa == pytest.approx(loss, rel=0.15)
    eased = run([RELEASE] * 120, state)[0]
    assert eased.servo_view("left").plunger_n == 0.0


def test_a_narrow_cannula_takes_more_pressure() -> None:
    """13G against 11G: the bores' ratio to 1 + 3 n."""
    law, index = product().law, product().index
    loss = [bore_loss(law, 280.0, GAUGES[g].bore / 2, 125.0, 50.0) for g in (11, 13)]
    assert loss[1] / loss[0] == pytest.approx((2.39 / 1.80) ** (1 + 3 * index), rel=1e-6)


def test_pressing_builds_the_pressure_that_the_flow_loses() -> None:
    """In steady flow the syringe's pressure is the bore's loss at that flow, and little more."""
    state = run([Control(plunger=50)] * 240, primed())[0]
    age, bore = in_bore(state, "left").age_s, GAUGES[11].bore / 2
    loss = bore_loss(product().law, age, bore, 125.0, 50.0)
    assert state.injector.load_mpa == pytest.approx(loss, rel=0.1)
    assert bore_flow(product().law, age, bore, 125.0, loss) == pytest.approx(50.0)


# What a person does wrong


def test_pressing_without_a_syringe_or_cement_is_told_once_and_moves_nothing() -> None:
    state, events = run([PRESS] * 30, placed())
    assert [event.reason for event in of(events, Refused)] == ["no cement is mixed"]
    state, events = run([do(Mix()), *wait(40.0), do(DrawUp()), *[PRESS] * 30], state)
    assert [event.reason for event in of(events, Refused)] == ["no syringe is on a cannula"]
    assert state.cement.delivered_ml == 0.0 and state.injector.syringe_ml == 1.0


def test_set_cement_does_not_move_and_a_thumb_presses_in_vain() -> None:
    state = run(wait(420.0), primed())[0]
    assert bore_set(state, "left")
    pressed, events = run([PRESS] * 120, state)
    assert pressed.cement.delivered_ml == state.cement.delivered_ml
    assert pressed.injector.load_n == pytest.approx(THUMB_N)
    assert of(events, Refused)[0].reason == "the cement in the left cannula has set"
    eased, events = run([RELEASE] * 60 + [do(MoveStylet("left", True))], pressed)
    assert eased.injector.backlog_ml == 0.0
    assert "has set; its stylet goes no further" in of(events, Refused)[0].reason


def test_a_tip_drawn_out_of_the_patient_drips_and_the_drops_are_counted() -> None:
    state = run([PRESS] * 60, primed())[0]
    state = run(travel(-15, -190), state)[0]
    assert state.cannulas["left"].stage == "held"
    before = state.injector.discarded_ml
    state, events = run([PRESS] * 500, state)  # the bore again, and then the air
    assert state.injector.discarded_ml > before + 0.05
    assert "outside the patient" in of(events, Refused)[0].reason


def test_a_tip_in_soft_tissue_still_keeps_every_millilitre() -> None:
    state = run(travel(-15, -100), primed())[0]
    assert state.cannulas["left"].stage != "held"
    after = run([PRESS] * 120, state)[0]
    assert after.cement.delivered_ml >= state.cement.delivered_ml


def test_an_empty_syringe_is_told() -> None:
    state, events = run([PRESS] * 800, primed())
    assert [event.reason for event in of(events, Refused)] == ["the syringe is empty"]
    assert state.injector.syringe_ml == pytest.approx(0.0, abs=1e-12)


# The end


def pulled(turned: float, until_set: bool = False, stylet: bool = False) -> list[Event]:
    """0.4 mL in, then the cannula out."""
    way = [PRESS] * 240 + [RELEASE] * 60
    if stylet:
        way += [do(MoveStylet("left", True))] + [PRESS] * 500
    way += wait(480.0) if until_set else []
    way += travel(-15, -60, turned=turned)
    return run([*way, do(RemoveCannula("left")), do(Finish())], primed())[1]


def test_a_cannula_drawn_unturned_leaves_a_tail() -> None:
    events = pulled(turned=0.0)
    (tail,), (outcome,) = of(events, TailLeft), of(events, Outcome)
    assert 0.0 < tail.ml <= 0.5608 and tail.mm == pytest.approx(70.0, abs=1.0)
    assert tail.mm * pi * 1.195**2 / 1000.0 == pytest.approx(tail.ml)
    assert outcome.tail_ml == {"left": tail.ml} and outcome.tail_mm == {"left": tail.mm}
    assert outcome.balance <= 1e-10


def test_turned_or_with_its_stylet_home_it_leaves_none() -> None:
    for events in (pulled(turned=0.1), pulled(turned=0.0, stylet=True)):
        assert not of(events, TailLeft)
        assert of(events, Outcome)[0].tail_ml == {}
        assert of(events, Outcome)[0].balance <= 1e-10


def test_a_set_rod_stays_unless_it_is_turned_off() -> None:
    assert of(pulled(turned=0.0, until_set=True), TailLeft)
    assert not of(pulled(turned=0.1, until_set=True), TailLeft)


def test_the_tail_shows_on_the_x_ray() -> None:
    way = [PRESS] * 240 + [RELEASE] * 60 + travel(-15, -60) + [do(RemoveCannula("left"))]
    state = run(way, primed())[0]
    projector = Projector(block_case().patient)
    geometry = CArmPose(pi, 0.0, (30.0, 0.0, -125.0)).projection(128)
    with_it = scene_areas(state, projector, geometry)
    without = scene_areas(replace(state, tails={}), projector, geometry)
    shown = (with_it.cement - without.cement).max()
    assert shown > 0.1 * 2.39 * 1.38 / 10.0  # g/cm2: some pixels cross much of the strand


def test_the_outcome_tells_how_hot_it_got() -> None:
    (outcome,) = of(pulled(turned=0.1), Outcome)
    assert 37.5 < outcome.celsius["cement"] < 128.0
    assert 37.0 <= outcome.celsius["canal"] < outcome.celsius["cement"]


def test_aliquots_carry_what_the_bore_had() -> None:
    events = pulled(turned=0.1)
    runs = of(events, Aliquot)
    assert runs and all(95.0 < aliquot.viscosity < 400.0 for aliquot in runs)
    assert UNITS_PER_SECOND == 3000
