"""Keys and mouse mean what the screen says they mean; no window is needed."""

from __future__ import annotations

from dataclasses import replace
from math import radians

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import block_case
from game.devices.carm import store
from game.devices.tube import Field
from game.fluoroscopy.display import MONITOR, oriented
from game.scene import layout
from game.scene.camera import Camera
from game.scene.desk import KEYS, PICTURE_PIXELS, read
from game.scene.layout import LIVE, STAGE, Window
from game.scene.switches import LEVELS
from game.scene.wishes import Around, Desk, Inputs, Wish
from game.simulation.control import (
    Collimate,
    Connect,
    Expose,
    Finish,
    Mark,
    Mix,
    MoveStylet,
    Recall,
    RemoveCannula,
    SetPulseRate,
    Stand,
    Store,
    TakeCannula,
)
from game.simulation.state import State
from game.simulation.step import begin

DESK = Desk("left", Camera((0.0, 60.0, -60.0)))


def around(state: State | None = None) -> Around:
    case = block_case()
    return Around(case, begin(case) if state is None else state, None)


def pressed(*keys: str, desk: Desk = DESK, held: tuple[str, ...] = ()) -> tuple[Desk, Wish]:
    return read(around(), desk, Inputs(frozenset(held), keys, (400.0, 300.0)))


def in_hand(stage: str) -> Around:
    state = begin(block_case())
    cannula = replace(state.cannulas["left"], stage=stage)
    return around(replace(state, cannulas={**state.cannulas, "left": cannula}))


@pytest.mark.parametrize(
    ("key", "action"),
    [("x", Expose()), ("m", Mix()), ("t", TakeCannula("left", 11, 125)), ("c", Connect("left")),
     ("s", MoveStylet("left", False)), ("r", RemoveCannula("left"))],
)  # fmt: skip
def test_a_key_is_one_action(key: str, action: object) -> None:
    assert pressed(key)[1].actions == (action,)


def test_numbers_recall_the_true_views() -> None:
    for key, primary in (("1", 180.0), ("2", 90.0), ("3", -150.0), ("4", 150.0)):
        (action,) = pressed(key)[1].actions
        assert isinstance(action, Recall)
        assert np.cos(action.goal.primary - radians(primary)) == pytest.approx(1.0)


def test_arrows_turn_and_with_shift_slide_the_c_arm() -> None:
    assert pressed(held=("arrow_right",))[1].drive == (100, 0, 0, 0, 0)
    assert pressed(held=("arrow_up",))[1].drive == (0, 100, 0, 0, 0)
    assert pressed(held=("arrow_left", "shift"))[1].drive == (0, 0, 100, 0, 0)
    assert pressed(held=("arrow_down", "shift"))[1].drive == (0, 0, 0, 0, -100)
    assert pressed(held=("arrow_up", "arrow_down"))[1].drive == (0, 0, 0, 0, 0)


def test_held_keys_run_pedal_and_plunger() -> None:
    assert pressed(held=("space",))[1].pedal
    assert pressed(held=("v",))[1].plunger == 100
    assert pressed(held=("v", "shift"))[1].plunger == 30
    assert pressed(held=("b",))[1].plunger < 0


def test_finishing_is_asked_for_once() -> None:
    desk, wish = pressed("q")
    assert desk.asking and not wish.actions
    assert pressed("x", desk=desk)[0].asking is False
    assert pressed("escape", desk=desk)[1].actions == (Finish(),)


def test_the_wheel_takes_hold_and_pushes() -> None:
    desk, wish = read(in_hand("tissue"), DESK, Inputs(pressed=("wheel_up", "wheel_up")))
    assert desk.hand_on and wish.clicks == 2.0
    fine = Inputs(frozenset({"shift"}), ("wheel_down",))
    assert read(in_hand("bone"), DESK, fine)[1].clicks == -0.25
    assert read(around(), DESK, Inputs(pressed=("wheel_up",)))[1].clicks == 0.0


def test_with_control_the_wheel_brings_the_onlooker_nearer() -> None:
    near, wish = read(around(), DESK, Inputs(frozenset({"control"}), ("wheel_up",)))
    assert near.camera.distance < DESK.camera.distance and wish.clicks == 0.0


def test_nothing_in_reach_cannot_be_held() -> None:
    assert not pressed("g")[0].hand_on
    assert read(in_hand("bone"), DESK, Inputs(pressed=("g",)))[0].hand_on


def test_tab_changes_sides_and_lets_go() -> None:
    desk, _ = pressed("tab", desk=replace(DESK, hand_on=True))
    assert (desk.side, desk.hand_on) == ("right", False)


def test_a_drag_on_the_stage_places_and_aims() -> None:
    start = Inputs(frozenset({"mouse1"}), ("mouse1",), STAGE.place(0.25, 0.75))
    desk, wish = read(around(), DESK, start)
    assert wish.skin == pytest.approx((0.25, 0.75)) and desk.dragging == "tip"
    assert read(around(), desk, Inputs(mouse=start.mouse))[0].dragging is None
    right = frozenset({"mouse3"})
    desk, _ = read(around(), DESK, Inputs(right, ("mouse3",), (400.0, 300.0)))
    _, wish = read(around(), desk, Inputs(right, (), (410.0, 325.0)))
    assert wish.aim == pytest.approx((5.0, 2.0))
    _, wish = read(around(), desk, Inputs(right | {"shift"}, (), (410.0, 325.0)))
    assert wish.aim == pytest.approx((1.0, 0.4))


def test_a_click_on_the_live_picture_marks_where_it_is() -> None:
    state = begin(block_case())
    place = np.array([12.0, 5.0, -40.0])
    column, row = state.picture_pose.projection(PICTURE_PIXELS).project(place[None])[0]
    mouse = LIVE.place((column + 0.5) / PICTURE_PIXELS, (row + 0.5) / PICTURE_PIXELS)
    shown = Around(block_case(), state, state.picture_pose)
    (mark,) = read(shown, DESK, Inputs(frozenset({"mouse1"}), ("mouse1",), mouse))[1].actions
    assert isinstance(mark, Mark)
    source = np.array(state.picture_pose.projection().source)
    ray = np.array(mark.point) - source
    ray /= np.linalg.norm(ray)
    assert np.linalg.norm(np.cross(place - source, ray)) < 1e-6
    stale = Around(block_case(), state, replace(state.picture_pose, primary=0.0))
    assert not read(stale, DESK, Inputs(pressed=("mouse1",), mouse=mouse))[1].actions


@pytest.mark.parametrize(("flip", "turns"), [(True, 0), (False, 1), (True, 3), (False, 2)])
def test_a_click_on_a_flipped_turned_magnified_picture(flip: bool, turns: int) -> None:
    """The place of a dot that the monitor's own flip and turn have moved."""
    state = replace(begin(block_case()), picture_field=Field(magnification=2.0))
    size, shown = PICTURE_PIXELS, replace(DESK, display=replace(MONITOR, flip=flip, turns=turns))
    dot = np.zeros((size, size), np.uint8)
    dot[100, 300] = 1
    row, column = np.argwhere(oriented(dot, shown.display))[0]
    mouse = LIVE.place((column + 0.5) / size, (row + 0.5) / size)
    around_it = Around(block_case(), state, state.picture_pose)
    (mark,) = read(around_it, shown, Inputs(frozenset({"mouse1"}), ("mouse1",), mouse))[1].actions
    assert isinstance(mark, Mark)
    geometry = state.picture_pose.projection(size, 149.0)
    assert mark.point == pytest.approx(tuple(geometry.pixel(300, 100)), abs=1e-6)


def test_the_monitors_switches_change_the_desk_alone() -> None:
    for key, what in (("i", "invert"), ("j", "flip"), ("o", "turns")):
        desk, wish = pressed(key)
        assert getattr(desk.display, what) and not wish.actions
    assert pressed("8")[0].display.level > 0.0 > pressed("7")[0].display.level
    assert pressed("9")[0].display.width > 1.0 > pressed("0")[0].display.width
    assert pressed("8", "7")[0].display == pressed("9", "0")[0].display == MONITOR
    assert pressed(*"8" * 40)[0].display.level == LEVELS[1], "as far as it goes"
    assert pressed(";")[0].display.sharpen == 2.4 and pressed(";", ";")[0].display.sharpen == 0.0
    assert pressed("n")[0].frames == 2
    assert pressed("n", "n", "n", "n")[0].frames == 1


def test_field_rate_and_side() -> None:
    assert pressed("[")[1].actions == (Collimate(0.9, 1.0),)
    assert pressed("]")[1].actions == (Collimate(1.0, 1.0),)
    assert pressed("=")[1].actions == (Collimate(1.0, 1.5),)
    assert pressed("-")[1].actions == (Collimate(1.0, 1.0),)
    (rate,) = pressed("y")[1].actions
    assert isinstance(rate, SetPulseRate)
    assert pressed("h")[1].actions == (Stand("left"),)


def test_a_stored_position_is_recalled_in_place_of_the_true_view() -> None:
    assert pressed("2", held=("shift",))[1].actions == (Store("lateral"),)
    state = begin(block_case())
    state = replace(state, carm=store(state.carm, "lateral"))
    made = read(around(state), DESK, Inputs(pressed=("2",)))[1]
    assert made.actions == (Recall(state.carm.pose),)


def test_a_pedal_drives_there_and_then_screens() -> None:
    state = begin(block_case())
    on = Inputs(frozenset({"."}))
    (recalled,) = read(around(state), DESK, on)[1].actions
    assert isinstance(recalled, Recall)
    moving = replace(state, carm=replace(state.carm, goal=recalled.goal))
    wish = read(around(moving), DESK, on)[1]
    assert not wish.actions and not wish.pedal
    there = replace(state, carm=replace(state.carm, pose=recalled.goal))
    assert read(around(there), DESK, on)[1].pedal


def test_time_flies_only_while_nothing_is_done() -> None:
    assert pressed(held=("f",))[1].fast
    assert not pressed(held=("f", "v"))[1].fast
    assert not pressed("x", held=("f",))[1].fast


def test_every_key_that_does_something_is_on_the_screen() -> None:
    shown = " ".join(key for key, _ in KEYS).lower().replace(",", " ").split()
    for key in (*"1234xtsgcmvbrfpzuq[]-=ijonkh.", "tab", "esc", "space", "arrows", "wheel"):
        assert key in shown


def test_the_lines_of_keys_have_room_under_each_other() -> None:
    """Letters are 11.5 high (game.scene.hud)."""
    assert (layout.KEYS.height - 4.0) / len(KEYS) > 12.0


@given(
    width=st.integers(320, 4000), height=st.integers(240, 3000),
    x=st.floats(0.0, 1280.0), y=st.floats(0.0, 720.0),
)  # fmt: skip
def test_canvas_and_pixels_are_each_others_inverse(
    width: int, height: int, x: float, y: float
) -> None:
    window = Window(width, height)
    assert window.canvas_from_pixel(*window.pixel_from_canvas(x, y)) == pytest.approx((x, y))
