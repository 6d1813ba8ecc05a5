"""A sitting without a window: input in, a session out that plays again bit by bit."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blocks import block_case
from game.records.replay import replay
from game.records.session import load_session, save_session
from game.scene.compute import Compute
from game.scene.layout import STAGE
from game.scene.sitting import Sitting, stage_place, status
from game.scene.wishes import Inputs
from game.simulation.cement import EMPTY, NO_CHANNELS, Injection, advance, product
from game.simulation.events import Outcome, Refused, SkinEntered
from game.simulation.step import begin

FRAME = 1.0 / 30.0
SHOT = Injection(
    (30.0, 0.0, -40.0), (0.0, 0.0, 1.0), 2.39, 125.0, 0.02, 3.2, 0.05, product(), age_s=280.0
)


def over_the_back(sitting: Sitting) -> tuple[float, float]:
    return stage_place(sitting.desk.camera, np.array([30.0, 60.5, -50.0]))


def taken_and_pushed(sitting: Sitting, clicks: int) -> None:
    sitting.frame(FRAME, Inputs(pressed=("t",)), None)
    held = frozenset({"mouse1"})
    sitting.frame(FRAME, Inputs(held, ("mouse1",), over_the_back(sitting)), None)
    for _ in range(clicks):
        sitting.frame(FRAME, Inputs(pressed=("wheel_up",)), None)
        sitting.frame(FRAME, Inputs(), None)


def test_dragging_rests_above_the_skin_and_the_wheel_goes_through_it() -> None:
    sitting = Sitting(block_case())
    taken_and_pushed(sitting, 0)
    assert sitting.state.cannulas["left"].stage == "held"
    assert sitting.state.cannulas["left"].tip == pytest.approx((30.0, 62.0, -50.0), abs=0.3)
    for _ in range(60):
        sitting.frame(FRAME, Inputs(pressed=("wheel_up",)), None)
    assert sitting.state.cannulas["left"].stage == "tissue"
    assert sitting.force > 0


def test_hands_let_go_hold_nothing_and_take_up_where_it_was() -> None:
    sitting = Sitting(block_case())
    taken_and_pushed(sitting, 30)
    sitting.frame(FRAME, Inputs(pressed=("g",)), None)
    still = sitting.state.cannulas["left"].tip
    for _ in range(5):
        sitting.frame(FRAME, Inputs(), None)
    assert sitting.state.cannulas["left"].tip == still
    sitting.frame(FRAME, Inputs(pressed=("g",)), None)
    assert sitting.state.cannulas["left"].tip == pytest.approx(still, abs=0.1)


def test_what_was_done_replays_bit_by_bit_and_ends_with_its_outcome() -> None:
    sitting = Sitting(block_case())
    taken_and_pushed(sitting, 40)
    for key in ("x", "m", "m", "q", "q"):
        sitting.frame(FRAME, Inputs(pressed=(key,)), None)
    assert sitting.over
    session, album = sitting.close()
    again = replay(session, block_case())
    assert again.difference is None
    kinds = [type(event) for event in again.trace]
    assert SkinEntered in kinds and Refused in kinds and kinds[-1] is Outcome
    assert album.final is not None


def test_closing_the_window_finishes_the_case() -> None:
    sitting = Sitting(block_case())
    sitting.frame(FRAME, Inputs(), None)
    session, _ = sitting.close()
    assert isinstance(session.trace[-1], Outcome)
    assert len(session) == 3


def test_a_key_pressed_between_ticks_is_not_lost() -> None:
    sitting = Sitting(block_case())
    sitting.frame(0.001, Inputs(pressed=("m",)), None)
    assert sitting.state.time == 0
    sitting.frame(0.1, Inputs(), None)
    assert sitting.state.injector.mixed_at is not None


def test_the_status_line_is_plain_numbers() -> None:
    import json

    told = json.loads(json.dumps(status(Sitting(block_case()))))
    assert told["stage"] == "tray" and told["finished"] is False


def test_cement_from_the_compute_thread_is_the_same_bit_by_bit() -> None:
    case = block_case()
    state = replace(begin(case), due=SHOT, due_side="left")
    direct = advance(case.medium, NO_CHANNELS, EMPTY, SHOT)
    with Compute(case) as compute:
        compute.publish(state)
        ahead = compute.solve(case.medium, NO_CHANNELS, state.cement, SHOT)
        other = compute.solve(case.medium, NO_CHANNELS, state.cement, replace(SHOT))
    for found in (ahead, other):
        assert np.array_equal(found.voxels, direct.voxels)
        assert np.array_equal(found.ml, direct.ml)
        assert found.total_mpa == direct.total_mpa


def test_pictures_are_dropped_when_late_and_never_awaited() -> None:
    case = block_case()
    first = begin(case)
    second = replace(first, time=50)
    third = replace(first, time=100)
    with Compute(case) as compute:
        for state in (first, second, third):
            compute.want(state)
        assert compute.dropped == 2
        shown = []
        for _ in range(2000):
            done = compute.picture()
            if done is not None:
                shown.append(done[0].time)
                break
            time.sleep(0.01)
        assert shown == [100]


def test_the_stage_is_where_the_layout_says() -> None:
    sitting = Sitting(block_case())
    assert STAGE.holds(*over_the_back(sitting))


def test_an_unfinished_session_can_be_kept_and_replayed(tmp_path: Path) -> None:
    sitting = Sitting(block_case())
    taken_and_pushed(sitting, 40)
    save_session(sitting.so_far(), tmp_path / "unfinished.npz")
    kept = load_session(tmp_path / "unfinished.npz")
    again = replay(kept, block_case())
    assert again.difference is None
    assert again.final.digest() == sitting.state.digest()


def test_a_warm_up_shows_nobody_a_picture_and_the_first_one_still_comes() -> None:
    state = begin(block_case())
    with Compute(block_case()) as compute:
        compute.warm_up(state)
        assert compute.picture() is None
        compute.want(state)
        until = time.monotonic() + 120
        while (done := compute.picture()) is None and time.monotonic() < until:
            time.sleep(0.01)
    assert done is not None and done[0] is state
