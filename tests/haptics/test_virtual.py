"""Hands without a device: they arrive where they were sent, and a wall costs time and effort."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tissue_blocks import TOOL, block, law

from haptics.memory import fresh, insertion_of
from haptics.servo import ROW_AXIAL, ROW_EVENTS
from haptics.virtual import PUSH_LIMIT_N, HandState, Push, at_rest, mouse_ticks, scripted_ticks

LAW = law()
DOWN = (0.0, 0.0, -1.0)


def scripted(field, hand: HandState, memory, push: Push, seconds: float = 40.0):
    """A push carried out, and 0.5 s of rest after it: memory, hand, rows, seconds it took."""
    hand, parts = replace(hand, arrived=False), []
    while not hand.arrived and len(parts) < seconds * 60:
        memory, hand, rows = scripted_ticks(field, LAW, TOOL, memory, hand, push, 17)
        parts.append(rows)
    took = len(parts) * 0.017
    for _ in range(30):
        memory, hand, rows = scripted_ticks(field, LAW, TOOL, memory, hand, push, 17)
        parts.append(rows)
    return memory, hand, np.concatenate(parts), took


@pytest.mark.parametrize("goal", [8.5, 21.0, 36.0, 51.0])
def test_the_tip_stops_where_it_was_sent(goal: float) -> None:
    """From 1 mm over the skin into fat, muscle, bone: on the line, within one slip of a sticking
    shaft: 0.3 x 1 N over the 1.9 N/mm of stretched muscle."""
    push = Push(goal, 8.0, 3.0)
    memory, hand, _, _ = scripted(block(), at_rest((0.0, 0.0, 1.0), DOWN), fresh(), push)
    assert hand.arrived
    assert insertion_of(memory).tip == pytest.approx((0.0, 0.0, 1.0 - goal), abs=0.16)


@pytest.mark.parametrize(("hounsfield", "cortex"), [(20.0, 0.5), (200.0, 1.0), (700.0, 2.0)])
def test_osteoporotic_and_dense_bone_can_be_entered(hounsfield: float, cortex: float) -> None:
    push = Push(45.0, 8.0, 3.0)
    field = block(hounsfield, cortex)
    _, hand, rows, _ = scripted(field, at_rest((0.0, 0.0, 1.0), DOWN), fresh(), push)
    assert hand.arrived
    assert rows[:, ROW_AXIAL].max() < PUSH_LIMIT_N


def test_a_weak_hand_stays_before_the_wall() -> None:
    push = Push(45.0, 8.0, 3.0, limit=50.0)
    field = block(200.0, 1.5)
    memory, hand, rows, _ = scripted(field, at_rest((0.0, 0.0, 1.0), DOWN), fresh(), push, 15.0)
    assert not hand.arrived
    assert insertion_of(memory).tip[2] == pytest.approx(-30.0, abs=0.002)
    assert rows[-1, ROW_AXIAL] == pytest.approx(50.0, rel=0.01)


def test_speeds_are_those_asked_for() -> None:
    """36 mm of soft tissue at 9 mm/s with 6 mm of skin indented; then 10 mm of bone at 2.5."""
    start = at_rest((0.0, 0.0, 1.0), DOWN)
    memory, hand, _, soft = scripted(block(), start, fresh(), Push(29.0, 9.0, 2.5))
    assert soft == pytest.approx(29.0 / 9.0, rel=0.3)
    memory, hand, _, _ = scripted(block(), hand, memory, Push(35.0, 9.0, 2.5))
    _, _, _, bone = scripted(block(), hand, memory, Push(45.0, 9.0, 2.5))
    assert bone == pytest.approx(10.0 / 2.5, rel=0.4)


def test_drawing_back_stops_on_the_way_and_leaves_the_body() -> None:
    start = at_rest((0.0, 0.0, 1.0), DOWN)
    memory, hand, _, _ = scripted(block(), start, fresh(), Push(50.0, 8.0, 3.0))
    half = Push(40.0, 8.0, 3.0, inward=False)
    memory, hand, _, _ = scripted(block(), hand, memory, half)
    assert insertion_of(memory).tip[2] == pytest.approx(-39.0, abs=0.1)
    out = Push(-5.0, 8.0, 3.0, inward=False)
    memory, hand, rows, _ = scripted(block(), hand, memory, out)
    assert insertion_of(memory).stage == 0
    assert insertion_of(memory).tip[2] == pytest.approx(6.0, abs=0.2)
    assert np.count_nonzero(rows[:, ROW_EVENTS]) == 1


def wheel(field, memory, hand, per_tick: float, ticks: int):
    parts = []
    for _ in range(ticks):
        memory, hand, rows = mouse_ticks(field, LAW, TOOL, memory, hand, per_tick, 17)
        parts.append(rows)
    return memory, hand, np.concatenate(parts)


def test_a_wall_needs_more_than_one_click() -> None:
    field = block(200.0, 1.5)
    memory, hand, _ = wheel(field, fresh(), at_rest((0.0, 0.0, 0.5), DOWN), 0.08, 480)
    assert insertion_of(memory).tip[2] == pytest.approx(-30.0, abs=0.002)
    memory, hand, rows = wheel(field, memory, hand, 0.0, 120)
    assert insertion_of(memory).stage == 2
    relaxed = hand.resistance
    memory, hand, _ = wheel(field, memory, hand, 1.0, 1)
    memory, hand, rows = wheel(field, memory, hand, 0.0, 60)
    assert insertion_of(memory).stage == 2
    assert relaxed < rows[:, ROW_AXIAL].max() / PUSH_LIMIT_N <= 1.0
    memory, hand, rows = wheel(field, memory, hand, 0.15, 40)
    assert insertion_of(memory).stage == 3
    assert -40.0 < insertion_of(memory).tip[2] < -30.5


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="pointing along"):
        at_rest((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="allowed is up to 600"):
        Push(10.0, 8.0, 3.0, limit=700.0)
    with pytest.raises(ValueError, match="mm/s"):
        Push(10.0, 0.0, 3.0)
