"""Every millilitre of a mixed batch is accounted for, whatever a hand does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.devices.cannula import taken
from game.devices.injector import (
    BATCH_ML,
    COMPLIANCE_ML,
    Injector,
    connect,
    emptied,
    imbalance,
    mix,
    press,
    push_out,
)

DEAD_ML = taken(11, 125).dead_volume_ml


def ready() -> Injector:
    return connect(mix(Injector(), 0), "left", 0.0)


def test_dead_volume_is_the_published_one() -> None:
    """facts/cement.md: .45, .56, .67 mL for 11G of 100, 125, 150 mm; .25, .32, .38 for 13G."""
    found = [taken(g, n).dead_volume_ml for g in (11, 13) for n in (100, 125, 150)]
    assert found == pytest.approx([0.45, 0.56, 0.67, 0.25, 0.32, 0.38], abs=0.01)


def test_the_bore_fills_before_anything_leaves_the_tip() -> None:
    injector = ready()
    for _ in range(10):
        injector = press(injector, 0.1, 0.5, DEAD_ML, 0.0)
    assert injector.bore_ml["left"] == pytest.approx(0.5)
    assert injector.offered_ml == 0.0


def test_the_plunger_stalls_when_the_bone_takes_nothing() -> None:
    injector = ready()
    for _ in range(1000):
        injector = press(injector, 0.1, 0.1, DEAD_ML, 0.0)
    assert injector.backlog_ml == pytest.approx(COMPLIANCE_ML)
    assert injector.syringe_ml == pytest.approx(BATCH_ML - DEAD_ML - COMPLIANCE_ML)


def test_release_takes_back_what_is_compressed() -> None:
    injector = replace(ready(), backlog_ml=0.04, offered_ml=0.04, syringe_ml=BATCH_ML - 0.04)
    released = press(injector, -0.2, 1.0, DEAD_ML, 0.01)
    assert released.backlog_ml == pytest.approx(0.01)
    assert imbalance(released, 0.0) < 1e-15


def test_a_second_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="one batch"):
        mix(ready(), 5)


def test_a_cannula_that_is_not_stocked_is_refused() -> None:
    with pytest.raises(ValueError, match="12; there are"):
        taken(12, 125)


Hand = st.lists(
    st.one_of(
        st.tuples(st.just("press"), st.floats(-0.3, 0.3)),
        st.tuples(st.just("take"), st.floats(0.0, 0.1)),
        st.tuples(st.sampled_from(["connect-left", "connect-right", "empty", "stylet"]), st.none()),
    ),
    max_size=60,
)


@given(Hand)
def test_nothing_is_ever_lost(hand: list[tuple[str, float | None]]) -> None:
    injector, delivered = ready(), 0.0
    for what, amount in hand:
        if what == "press" and amount is not None:
            injector = press(injector, amount, 0.3, DEAD_ML, 0.0)
        elif what == "take" and amount is not None:
            taken_ml = min(amount, injector.backlog_ml)
            injector = replace(injector, backlog_ml=injector.backlog_ml - taken_ml)
            delivered += taken_ml
        elif what == "empty":
            injector = emptied(injector, "left")
        elif what == "stylet":
            injector = push_out(replace(connect(injector, None, 0.0), pushing="left"), 0.1, 1.0)
        else:
            injector = connect(injector, "left" if what.endswith("left") else "right", 0.0)
    assert imbalance(injector, delivered) < 1e-12
    assert min(injector.syringe_ml, injector.backlog_ml, *injector.bore_ml.values(), 0.0) >= -1e-12
