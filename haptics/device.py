"""What a haptic device is: a hand's pose in, a force out, and limits that hold for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

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


@dataclass(frozen=True)
class HandPose:
    """Where a hand holds the cannula's tip, mm, and the unit direction from hub to tip."""

    tip: Vector
    direction: Vector


class HapticDevice(Protocol):
    """One device, read and written once per servo tick, in the frame of its own driver."""

    @property
    def limits(self) -> DeviceLimits:
        """What this device can bear and render."""

    def read(self) -> HandPose:
        """The hand's pose now; raises OSError when the device does not answer."""

    def write(self, force: Vector) -> None:
        """Push the hand with `force`, N, already within `limits`; raises OSError as `read`."""
