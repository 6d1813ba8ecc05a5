"""Every millilitre of a mixed batch is accounted for, whatever a hand does."""

from dataclasses import replace
from math import pi

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game.devices.cannula import taken
from game.devices.injector import (
    DRAW_UP,
    SYRINGE_NAMES,
    SYRINGES,
    THUMB_N,
    Injector,
    SyringeName,
    connect,
    draw_up,
    dripped,
    emptied,
    imbalance,
    mix,
    press,
    push_out,
    spilt,
)

DEAD_ML = taken(11, 125).dead_volume_ml
BATCH_ML = 10.0


def mixed() -> Injector:
    return mix(Injector(), 0, "medium-viscosity", BATCH_ML)


def ready(name: SyringeName = "10-ml") -> Injector:
    return connect(draw_up(mixed(), name, 0), "left", 0.0)


def test_dead_volume_is_the_published_one() -> None:
    """facts/cement.md: .45, .56, .67 mL for 11G of 100, 125, 150 mm; .25, .32, .38 for 13G."""
    found = [taken(g, n).dead_volume_ml for g in (11, 13) for n in (100, 125, 150)]
    assert found == pytest.approx([0.45, 0.56, 0.67, 0.25, 0.32, 0.38], abs=0.01)


def test_thumb_force_at_the_in_vivo_pressure_is_the_published_one() -> None:
    """facts/cement.md: at 1.7 MPa about 30, 100 and 280 N on 1, 3 and 10 mL."""
    force = [1.7 * SYRINGES[name].area for name in ("1-ml", "3-ml", "10-ml")]  # type: ignore[index]
    assert force == pytest.approx([30.0, 100.0, 280.0], rel=0.01)


def test_a_thumb_makes_less_pressure_on_a_wider_barrel() -> None:
    limits = [SYRINGES[name].limit_mpa for name in ("1-ml", "3-ml", "10-ml")]  # type: ignore[index]
    assert limits == sorted(limits, reverse=True)
    for name in ("1-ml", "3-ml", "10-ml"):
        syringe = SYRINGES[name]  # type: ignore[index]
        assert syringe.limit_mpa * syringe.area + syringe.friction == pytest.approx(THUMB_N)
    assert SYRINGES["hydraulic"].limit_mpa == SYRINGES["hydraulic"].rated


def test_the_bore_fills_before_anything_leaves_the_tip() -> None:
    injector = ready()
    for _ in range(10):
        injector = press(injector, 0.1, 0.5, DEAD_ML, 0.0)
    assert injector.bore_ml["left"] == pytest.approx(0.5)
    assert injector.backlog_ml == 0.0 and not injector.filled_way(DEAD_ML)


def test_the_tube_fills_before_the_bore() -> None:
    injector, tube = ready("hydraulic"), SYRINGES["hydraulic"].tube_ml
    assert tube == pytest.approx(pi * 1.5**2 * 200 / 1000)
    injector = press(injector, 0.1, 10.0, DEAD_ML, 0.0)
    assert injector.tube_ml == pytest.approx(1.0)
    injector = press(injector, 0.1, 9.0, DEAD_ML, 0.0)
    assert injector.tube_ml == pytest.approx(tube)
    assert injector.bore_ml["left"] == pytest.approx(1.9 - tube)


@pytest.mark.parametrize("name", SYRINGE_NAMES)
def test_the_plunger_stalls_when_a_thumb_can_no_more(name: SyringeName) -> None:
    injector = ready(name)
    for _ in range(1000):
        injector = press(injector, 0.1, 0.1, DEAD_ML, 0.0)
    syringe = SYRINGES[name]
    assert injector.pressure_mpa == pytest.approx(min(syringe.limit_mpa, 99.0))
    used = syringe.tube_ml + DEAD_ML + syringe.most_ml
    assert injector.syringe_ml == pytest.approx(syringe.ml - used)
    assert injector.filled_way(DEAD_ML)


def test_release_takes_back_what_is_compressed() -> None:
    injector = replace(ready(), backlog_ml=0.04, syringe_ml=BATCH_ML - 0.04)
    released = press(injector, -0.2, 1.0, DEAD_ML, 0.01)
    assert released.backlog_ml == pytest.approx(0.01)
    assert imbalance(released, 0.0) < 1e-15


def test_a_syringe_is_refilled_from_the_bowl_until_that_is_empty() -> None:
    injector, fills = mixed(), 0
    while injector.bowl_ml > 0:
        injector, fills = draw_up(injector, "1-ml", 100), fills + 1
        assert injector.ready_at == 100 + DRAW_UP
        injector = replace(injector, syringe_ml=0.0, discarded_ml=injector.discarded_ml + 1.0)
    assert fills == 10
    with pytest.raises(ValueError, match="no cement is left in the bowl"):
        draw_up(injector, "1-ml", 0)


def test_another_syringe_throws_away_what_the_last_one_held() -> None:
    injector = draw_up(draw_up(mixed(), "3-ml", 0), "1-ml", 0)
    assert (injector.syringe_ml, injector.discarded_ml, injector.bowl_ml) == (1.0, 3.0, 6.0)
    assert imbalance(injector, 0.0) == 0.0


def test_a_fresh_batch_throws_away_what_was_left_of_the_last_and_leaves_bores_alone() -> None:
    used = connect(press(ready(), 0.2, 10.0, DEAD_ML, 0.0), None, 0.0)
    fresh = mix(used, 900, "medium-viscosity", BATCH_ML)
    assert (fresh.mixed_at, fresh.bowl_ml, fresh.mixed_ml) == (900, BATCH_ML, 2 * BATCH_ML)
    assert (fresh.syringe, fresh.syringe_ml) == (None, 0.0)
    assert fresh.bore_ml == used.bore_ml and fresh.bore_ml["left"] == pytest.approx(DEAD_ML)
    assert imbalance(fresh, 0.0) < 1e-12


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            lambda: mix(mixed(), 5, "low-viscosity", 10.0),
            "a fresh batch is low-viscosity; the case",
        ),
        (lambda: mix(ready(), 5, "medium-viscosity", 10.0), "one batch"),
        (lambda: mix(Injector(), 5, "medium-viscosity", -1.0), "-1.0 mL; it must be above 0"),
        (lambda: mix(Injector(), 5, "medium-viscosity", float("nan")), "nan mL"),
        (lambda: draw_up(ready(), "1-ml", 0), "take it off before"),
        (lambda: draw_up(draw_up(mixed(), "1-ml", 0), "1-ml", 0), "1 mL syringe is full"),
        (lambda: draw_up(mixed(), "2-ml", 0), "'2-ml'; there are 1-ml, 3-ml"),  # type: ignore[arg-type]
        (lambda: draw_up(Injector(), "1-ml", 0), "no cement is left"),
        (lambda: spilt(mixed(), 11.0), "10.00 mL are left in the bowl; 11.0 mL"),
        (lambda: spilt(mixed(), -0.1), "-0.1 mL are needed"),
        (lambda: taken(12, 125), "12; there are"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(wrong, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=said) as told:
        wrong()
    assert "\n" not in str(told.value)


def test_pressing_without_cement_or_syringe_changes_nothing() -> None:
    for injector in (Injector(), mixed(), draw_up(mixed(), "1-ml", 0)):
        assert press(injector, 0.1, 0.1, DEAD_ML, 0.0) is injector
        assert push_out(injector, 0.1, 0.1) is injector


def test_a_stylet_let_go_leaves_in_the_bore_what_did_not_go_out() -> None:
    injector = replace(ready(), connected=None, pushing="left", bore_ml={"left": 0.5})
    injector = replace(injector, syringe_ml=injector.syringe_ml - 0.5)
    pushed = push_out(injector, 0.1, 0.05)
    assert pushed.backlog_ml == pytest.approx(0.005)
    again = push_out(pushed, -0.1, 0.05, in_flight_ml=0.001)
    assert (again.backlog_ml, again.bore_ml["left"]) == pytest.approx((0.001, 0.499))
    assert imbalance(again, 0.0) < 1e-15


Hand = st.lists(
    st.one_of(
        st.tuples(st.just("press"), st.floats(-0.3, 0.3)),
        st.tuples(st.just("take"), st.floats(0.0, 0.1)),
        st.tuples(
            st.sampled_from(
                ["connect-left", "connect-right", "off", "empty", "stylet", "drip", "spill", "tail"]
            ),
            st.none(),
        ),
        st.tuples(st.sampled_from(SYRINGE_NAMES), st.none()),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(Hand)
def test_nothing_is_ever_lost(hand: list[tuple[str, float | None]]) -> None:
    injector, in_patient = ready("1-ml"), 0.0
    for what, amount in hand:
        if what == "press" and amount is not None:
            injector = press(injector, amount, 0.3, DEAD_ML, 0.0)
        elif what == "take" and amount is not None:
            taken_ml = min(amount, injector.backlog_ml)
            injector = replace(injector, backlog_ml=injector.backlog_ml - taken_ml)
            in_patient += taken_ml
        else:
            injector, left = done(injector, what)
            in_patient += left
        assert imbalance(injector, in_patient) < 1e-12
    held = injector.bowl_ml, injector.syringe_ml, injector.tube_ml, injector.backlog_ml
    assert min(*held, *injector.bore_ml.values(), 0.0) >= -1e-12
    for name in ("left", "right"):
        assert injector.bore_ml.get(name, 0.0) <= DEAD_ML * (1 + 1e-12)  # type: ignore[call-overload]


def done(injector: Injector, what: str) -> tuple[Injector, float]:
    """One deed of the hand, and what of it stays in the patient, mL."""
    held = injector.bore_ml.get("left", 0.0)
    match what:
        case "empty":
            return emptied(injector, "left"), 0.0
        case "tail":
            return emptied(injector, "left", discarded=False), held
        case "stylet":
            return push_out(replace(connect(injector, None, 0.0), pushing="left"), 0.1, 1.0), 0.0
        case "drip":
            return dripped(injector, 0.0), 0.0
        case "spill":
            return spilt(injector, min(0.1, injector.bowl_ml)), 0.0
        case "off" | "connect-left" | "connect-right":
            side = {"off": None, "connect-left": "left", "connect-right": "right"}[what]
            return connect(injector, side, 0.0), 0.0  # type: ignore[arg-type]
    try:
        return draw_up(injector, what, 0), 0.0  # type: ignore[arg-type]
    except ValueError:
        return injector, 0.0
