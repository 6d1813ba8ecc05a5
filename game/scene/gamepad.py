"""A gamepad as the hand: triggers push and draw the cannula, the left stick aims, it rumbles.

Panda3D polls the device; the first one found is used. Its buttons are keys of the desk.
"""

from __future__ import annotations

from typing import Any

from panda3d.core import InputDevice

from game.scene.wishes import Pad

MIDDLE = 0.12  # of a stick's way that is its middle; a project choice
KEYS = {"lshoulder": "w", "face_a": "k", "face_b": "g", "face_x": "s", "face_y": "t"}


class Gamepad:
    """`device` is Panda3D's InputDevice, None where there is no gamepad: nothing is pressed."""

    def __init__(self, device: Any | None) -> None:
        self._device = device
        self._down: frozenset[str] = frozenset()

    def poll(self) -> tuple[Pad, frozenset[str], tuple[str, ...]]:
        """Triggers and stick, the keys that its buttons hold, and those just pressed."""
        if self._device is None:
            return Pad(), frozenset(), ()
        down = {button.handle.name for button in self._device.buttons if button.pressed}
        before = self._down
        self._down = frozenset(key for name, key in KEYS.items() if name in down)
        axis = InputDevice.Axis
        push = self._value(axis.right_trigger) - self._value(axis.left_trigger)
        lean = (self._value(axis.left_x), self._value(axis.left_y))
        return Pad(push, lean), self._down, tuple(sorted(self._down - before))

    def rumble(self, strong: float, weak: float) -> None:
        """Run both motors so hard, 0 to 1."""
        if self._device is not None:
            self._device.setVibration(strong, weak)

    def _value(self, axis: Any) -> float:
        if self._device is None:
            return 0.0
        value = next((float(a.value) for a in self._device.axes if a.axis == axis), 0.0)
        return 0.0 if abs(value) < MIDDLE else max(-1.0, min(1.0, value))


def first_gamepad(base: Any) -> Gamepad:
    """The first gamepad that is plugged in as the window opens."""
    found = base.devices.getDevices(InputDevice.DeviceClass.gamepad)
    if not found:
        return Gamepad(None)
    base.attachInputDevice(found[0], prefix="gamepad")
    return Gamepad(found[0])
