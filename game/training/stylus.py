"""A haptic device as the hand on a cannula: what its servo is told and what is reported of it.

The device's own thread moves the cannula and waits for nobody; a simulation tick publishes State
and takes what has happened since the last one. A tick in which nothing was reported, because time
was made to run faster or the device has stopped, leaves the cannula where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import Point
from game.simulation.control import ServoReport
from game.simulation.state import ServoView
from game.training.hands import NOTHING_ASKED, Asked, Grip, HeldHand, report, take_up
from game.training.tissue import Tissue
from haptics.coupling import published
from haptics.device import HapticDevice, Report
from haptics.hdapi import said
from haptics.memory import TICKS
from haptics.safety import ARM, RESET, Fault, Mode
from haptics.servo import ROW_AXIAL
from haptics.tissue import DIAMOND
from haptics.virtual import SILENT, TAP_MJ, Touch, touch_of

ARMING, CLUTCH = 1, 2  # button masks: the stylus' front button, and the one behind it


class Stylus:
    """An open haptic device in a person's hand. Its front button arms it, and clears a fault; while
    the other is held the hand moves and the cannula does not. `take` puts a cannula into it."""

    def __init__(self, device: HapticDevice) -> None:
        self._device = device
        self._generation = self._taps = 0
        self._pressed, self._flags = False, 0
        self.says = ""

    def take(self, tissue: Tissue, view: ServoView, tip: float = DIAMOND) -> StylusHand:
        """A hand on the cannula that State has, whose stylet has that `tip`."""
        return self.hold(take_up(tissue, view, tip))

    def hold(self, grip: Grip) -> StylusHand:
        """A hand on that cannula, whose tip is where the stylus now is."""
        self._generation += 1
        self._device.harden(grip.tissue.field.over)
        return StylusHand(self, grip, self._generation)

    def serve(self, grip: Grip, generation: int, taps: int) -> Report:
        """Publish a cannula and what is asked of the hand; what happened since the last time."""
        self._taps += taps
        self._device.publish(
            published(
                self._device.now(), self._flags, generation, grip.memory, _tip(grip),
                grip.tool, CLUTCH, taps=self._taps, tap=TAP_MJ,
            )
        )  # fmt: skip
        happened = self._device.report()
        pressed = bool(happened.buttons & ARMING)
        if pressed and not self._pressed:
            self._flags = RESET if happened.mode is Mode.FAULT else ARM
        self._flags = self._flags if pressed else 0
        self._pressed, self.says = pressed, _words(happened)
        return happened

    def close(self) -> None:
        """Let go of the hand."""
        self._device.close()


@dataclass(frozen=True, eq=False)
class StylusHand(HeldHand):
    """A device's hand on one cannula, the `generation`-th that its servo takes over. `last` are the
    newest of its rows; none yet where the servo may still have had another cannula."""

    stylus: Stylus
    grip: Grip
    generation: int
    last: NDArray[np.float64] | None = None
    asked_before: bool = False
    touch: Touch = SILENT

    @property
    def resistance(self) -> float:
        return self.touch.resists

    @property
    def says(self) -> str:
        return self.stylus.says

    def told(self, view: ServoView) -> HeldHand:
        """A cannula about which cement has set is taken over anew, from where it is."""
        grip = self.grip.told(view)
        if grip is self.grip:
            return self
        if grip.cement is not self.grip.cement:
            return self.stylus.hold(grip)
        return replace(self, grip=grip)

    def dragged(self, point: Point) -> HeldHand:
        """The stylus itself moves the tip."""
        return self

    def aimed(self, direction: Point) -> HeldHand:
        """The stylus itself aims."""
        return self

    def tick(self, time: int, asked: Asked = NOTHING_ASKED) -> tuple[HeldHand, ServoReport]:
        happened = self.stylus.serve(self.grip, self.generation, asked.taps)
        if not self.asked_before:  # rows until here may be another cannula's
            return replace(self, asked_before=True), _resting(self.grip)
        rows = happened.rows if self.last is not None else happened.rows[1:]
        if not len(rows):
            force = 0.0 if self.last is None else float(self.last[0, ROW_AXIAL])
            return self, _resting(self.grip, force)
        grip = self.grip.moved(happened.memory, self.grip.hand)
        hand = replace(self, grip=grip, last=rows[-1:], touch=touch_of(rows))
        return hand, report(rows, time, happened.memory)


def _tip(grip: Grip) -> Point:
    """Where a cannula's tip is: by its memory, or where it was taken up if it has felt nothing."""
    if grip.memory[TICKS] == 0.0 and not grip.in_tissue:
        return grip.hand.origin
    return grip.insertion.tip


def _resting(grip: Grip, force: float = 0.0) -> ServoReport:
    fresh = grip.memory[TICKS] == 0.0 and not grip.in_tissue
    axis = grip.hand.direction if fresh else grip.insertion.axis
    return ServoReport(_tip(grip), axis, force, force)


def _words(happened: Report) -> str:
    if happened.mode is Mode.FAULT:
        fault = happened.fault.name.lower().replace("_", " ")
        why = said(happened.error) if happened.fault is Fault.DRIVER else fault
        return f"The device has stopped ({why}): let go, then press its front button"
    if happened.mode is Mode.DISARMED:
        return "Press the stylus' front button to feel the tissue"
    return ""
