"""The safety chain driven tick by tick, for tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from haptics.device import TOUCH, DeviceLimits
from haptics.safety import (
    ACTIVE,
    ARM,
    IN_AT,
    IN_ERROR,
    IN_FLAGS,
    IN_FORCE,
    IN_PUBLISHED,
    IN_SPEED,
    IN_TIME,
    INPUT,
    MODE,
    disarmed,
    guard,
    limits_of,
)

LIMITS = limits_of(TOUCH)
Guard = Callable[..., None]


def seen(
    n: int, force=(0.0, 0.0, 0.0), at=(0.0, 0.0, 0.0), speed=(0.0, 0.0, 0.0), flags: int = ARM,
    error: int = 0, published: float | None = None,
) -> np.ndarray:  # fmt: skip
    """What tick n sees, published just now unless told."""
    row = np.zeros(INPUT)
    row[IN_TIME] = 0.001 * n
    row[IN_PUBLISHED] = row[IN_TIME] if published is None else published
    row[IN_AT : IN_AT + 3], row[IN_SPEED : IN_SPEED + 3] = at, speed
    row[IN_FORCE : IN_FORCE + 3], row[IN_FLAGS], row[IN_ERROR] = force, flags, error
    return row


def run(kernel: Guard, rows, memory=None, limits=LIMITS) -> tuple[np.ndarray, np.ndarray]:
    """The forces told (n, 3) for rows seen, and the memory after them."""
    memory = disarmed().copy() if memory is None else memory.copy()
    told = np.empty((len(rows), 3))
    for n, row in enumerate(rows):
        kernel(limits, memory, row, told[n])
    return told, memory


def active(kernel: Guard = guard) -> np.ndarray:
    """A memory after 1.1 s of arming, nothing wanted."""
    memory = run(kernel, [seen(n) for n in range(1100)])[1]
    assert memory[MODE] == ACTIVE
    return memory


ACTIVATED = active()


def root_mean_square(told: np.ndarray) -> float:
    """The highest over any 1000 ticks in a row, N."""
    total = np.concatenate([[0.0], np.cumsum((told**2).sum(axis=1))])
    return float(np.sqrt((total[1000:] - total[:-1000]).max() / 1000))


def bound(device: DeviceLimits) -> float:
    """1 mJ + F_max v T at the speed limit of 1 m/s, mJ."""
    return 1.0 + device.peak * 1000.0 * 0.001
