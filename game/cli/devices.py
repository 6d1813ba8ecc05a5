"""Opening what a person holds: the only place that opens a haptic device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from game.errors import BadInput
from game.simulation.case import Case
from game.terminal import screen, working
from game.training.hands import TakeHold, by_mouse
from game.training.stylus import Stylus
from game.training.tissue import tissue_of
from haptics.hdapi import DeviceError
from haptics.phantom import Phantom
from haptics.tissue import BEVEL, DIAMOND

Chosen = Literal["auto", "mouse", "phantom"]
TIPS = {"diamond": DIAMOND, "beveled": BEVEL}


@contextmanager
def in_hand(
    case: Case, device: Chosen, library: Path | None, tip: Literal["diamond", "beveled"], out: Path
) -> Iterator[TakeHold]:
    """What makes a hand on a cannula: the mouse's, or that of a 3D Systems device, which is let go
    of at the end. `auto` says in one line why it is the mouse. After a fault the device's last
    minute is in `out`. Raises BadInput where a device that was asked for does not open."""
    by = partial(by_mouse, tip=TIPS[tip])
    if device == "mouse":
        yield by
        return
    try:
        stylus = _opened(case, library, out)
    except DeviceError as error:
        if device == "phantom":
            raise BadInput(f"{error}; `sacrosim doctor` says more") from None
        screen.print(f"mouse and keyboard: {error}")
        yield by
        return
    try:
        yield partial(stylus.take, tip=TIPS[tip])
    finally:
        stylus.close()


def _opened(case: Case, library: Path | None, out: Path) -> Stylus:
    tissue = tissue_of(case.patient)
    with working("opening the haptic device"):
        device = Phantom(*tissue.read, library, record=out / "fault.npz")
    screen.print(f"device    {device.limits.name}, at most {device.limits.peak} N")
    return Stylus(device)
