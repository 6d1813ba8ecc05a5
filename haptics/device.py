"""What a haptic device is, what it can bear, and what its servo tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from haptics.safety import Fault, Mode

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class DeviceLimits:
    """`peak` and `continuous` force N (None where none is published), `stiffness` N/mm that it can
    render at most, `damping` N s/mm, `workspace` radius mm."""

    name: str
    peak: float
    continuous: float | None
    stiffness: float
    damping: float
    workspace: float


# facts/haptics.md, the device table; Touch's stiffness is the lower of its published 400-500 N/m
TOUCH = DeviceLimits("Touch", 3.3, 0.88, 0.4, 0.004, 75.0)
PHANTOM_OMNI = DeviceLimits("Phantom Omni", 3.3, None, 0.7, 0.005, 100.0)
TOUCH_X = DeviceLimits("Touch X", 7.9, None, 1.0, 0.005, 100.0)
PREMIUM_15_6DOF = DeviceLimits("Premium 1.5 6DOF", 8.5, None, 0.8, 0.005, 120.0)
PREMIUM_30_6DOF = DeviceLimits("Premium 3.0 6DOF", 22.0, None, 1.0, 0.005, 250.0)
DEVICES = (TOUCH, PHANTOM_OMNI, TOUCH_X, PREMIUM_15_6DOF, PREMIUM_30_6DOF)


class Report(NamedTuple):
    """What the servo did since the last report: its `rows` (n, ROW), at most ROWS of them, the
    cannula's `memory` now, the safety chain's state, the buttons, whether the clutch is held."""

    rows: NDArray[np.float64]
    memory: NDArray[np.float64]
    mode: Mode
    fault: Fault
    error: int
    buttons: int
    clutched: bool


class HapticDevice(Protocol):
    """An open device whose own thread runs the servo. It is told what State says and asked what
    happened; neither side waits for the other."""

    def now(self) -> float:
        """s, on the clock that the servo reads and that what is published is stamped with."""

    def harden(self, over: NDArray[np.uint8]) -> None:
        """The tissue has changed: `over` is what haptics.tissue's field of that name is now."""

    def publish(self, state: NDArray[np.float64]) -> None:
        """Give the servo a new state (`haptics.coupling.published`)."""

    def report(self) -> Report:
        """What happened since the last report."""

    def close(self) -> None:
        """Let go of the hand: zero force, then stop; does nothing when closed already."""
