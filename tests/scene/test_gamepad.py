"""Keys and gamepad that are held push and aim by the second; a pad shakes by what is felt."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from panda3d.core import GamepadButton, InputDevice

from blocks import block_case
from game.scene.desk import LEAN_DEG_S, PUSH_CLICKS_S, flowing
from game.scene.gamepad import KEYS, Gamepad
from game.scene.sitting import Sitting
from game.scene.wishes import Inputs, Pad, Wish
from haptics.servo import ROW, ROW_AXIAL, ROW_BROKEN, ROW_EVENTS, ROW_STAGE
from haptics.virtual import SILENT, Touch, rumble_of, touch_of


class FakePad:
    """What Panda3D's InputDevice says, without one."""

    def __init__(self) -> None:
        self.values: dict[object, float] = {}
        self.down: set[str] = set()
        self.shaken: list[tuple[float, float]] = []

    @property
    def axes(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(axis=axis, value=value) for axis, value in self.values.items()]

    @property
    def buttons(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(handle=SimpleNamespace(name=n), pressed=n in self.down)
                for n in (*KEYS, "back")]  # fmt: skip

    def setVibration(self, strong: float, weak: float) -> None:  # noqa: N802
        self.shaken.append((strong, weak))


def test_a_pads_buttons_are_those_that_panda_knows() -> None:
    known = {getattr(GamepadButton, name)().name for name in KEYS}
    assert known == set(KEYS)


def test_triggers_stick_and_buttons_are_read() -> None:
    device, axis = FakePad(), InputDevice.Axis
    pad = Gamepad(device)
    device.values = {axis.right_trigger: 1.0, axis.left_trigger: 0.25, axis.left_x: 0.05,
                   axis.left_y: -0.5}  # fmt: skip
    device.down = {"face_a", "lshoulder"}
    assert pad.poll() == (Pad(0.75, (0.0, -0.5)), frozenset({"k", "w"}), ("k", "w"))
    assert pad.poll()[2] == ()
    device.down = set()
    assert pad.poll()[1:] == (frozenset(), ())
    pad.rumble(0.5, 0.25)
    assert device.shaken == [(0.5, 0.25)]


def test_no_gamepad_is_nothing_pressed() -> None:
    pad = Gamepad(None)
    assert pad.poll() == (Pad(), frozenset(), ())
    pad.rumble(1.0, 1.0)


@pytest.mark.parametrize("frames", [1, 7, 60])
def test_pushing_and_leaning_do_not_hang_on_the_frame_rate(frames: int) -> None:
    wishes = [flowing(Wish(push=0.5, lean=(1.0, -1.0)), 2.0 / frames) for _ in range(frames)]
    assert sum(wish.clicks for wish in wishes) == pytest.approx(PUSH_CLICKS_S)
    aims = np.sum([wish.aim for wish in wishes], axis=0)
    assert aims == pytest.approx((2.0 * LEAN_DEG_S, 2.0 * LEAN_DEG_S))


@pytest.mark.parametrize(
    "inputs", [Inputs(frozenset({"e"})), Inputs(pad=Pad(push=1.0))], ids=["key", "gamepad"]
)
def test_held_it_goes_through_skin_and_muscle(inputs: Inputs) -> None:
    sitting = Sitting(block_case())
    sitting.frame(1 / 30, Inputs(pressed=("t",)), None)
    for _ in range(600):
        sitting.frame(1 / 30, inputs, None)
        if sitting.state.cannulas["left"].stage == "tissue":
            break
    assert sitting.state.cannulas["left"].stage == "tissue"
    strong, weak = sitting.rumble
    assert 0.0 <= strong < 1.0 and 0.0 < weak < 1.0
    sitting.frame(1 / 30, Inputs(pressed=("g",)), None)
    assert sitting.rumble == (0.0, 0.0)


def rows_of(axial: float, speed: float = 0.0, broken: float = 0.0) -> np.ndarray:
    """20 servo ticks in bone at `speed` mm/s, a wall giving way in the last where `broken`, N."""
    rows = np.zeros((20, ROW))
    rows[:, 2], rows[:, ROW_AXIAL], rows[:, ROW_STAGE] = -speed * 1e-3 * np.arange(20), axial, 3
    rows[-1, ROW_EVENTS], rows[-1, ROW_BROKEN] = (2 if broken else 0), broken
    return rows


def test_a_touch_grows_with_force_speed_and_the_wall() -> None:
    """Half at 40 N of resistance, at 100 mW of scraping (in 19 of 20 ms) and at a wall of 40 N."""
    assert touch_of(rows_of(40.0)) == pytest.approx((0.5, 0.0, 0.0))
    scrapes = 0.95 * 100.0 / (0.95 * 100.0 + 100.0)
    assert touch_of(rows_of(20.0, 5.0)).scrapes == pytest.approx(scrapes)
    assert touch_of(rows_of(20.0, 5.0, 40.0)).cracks == pytest.approx(0.5)
    assert touch_of(np.zeros((0, ROW))) == SILENT
    forces = [touch_of(rows_of(force)).resists for force in np.linspace(0.0, 600.0, 30)]
    assert forces == sorted(forces) and forces[-1] < 1.0


def test_a_crack_kicks_and_resistance_hums() -> None:
    assert rumble_of(SILENT) == (0.0, 0.0)
    strong, weak = rumble_of(Touch(0.4, 0.2, 0.9))
    assert (strong, weak) == pytest.approx((0.9, 0.3))
