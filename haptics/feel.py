"""What a hand can tell from a device's force alone: a detector that reads a trace and nothing else.

What a hand feels is what the device's safety chain lets through, with the hand's own unrest and
slowness (`felt`). Of that it notices changes too large to overlook (`cues`), and believes to have
entered bone (`claimed_entry`) or to have fallen into a void (`claimed_void`). The thresholds are
project choices; nothing here was tried on a person.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haptics.device import TOUCH, DeviceLimits
from haptics.safety import (
    ACTIVE,
    ARM,
    IN_FLAGS,
    IN_FORCE,
    IN_PUBLISHED,
    IN_TIME,
    INPUT,
    MODE,
    disarmed,
    guard,
    limits_of,
)

NOTICED, NOTICED_N = 0.25, 0.15  # of the force before; N on the device
NOISE_N = 0.02  # root mean square of a hand's own unrest
SMOOTH = 20  # ms over which a force is felt
SUDDEN, SLOW = 150, 500  # ms between what is compared
SKIN_N = 0.5  # on the device: what no skin has resisted, 7 N unscaled
EARLIER = 1.5  # times whatever gave way before: what gives way now is bone
CLIMB = 0.25  # of the peak: below that the climb to it has not begun

Trace = NDArray[np.float64]
Times = NDArray[np.int64]


@njit(nogil=True, cache=True)
def _through_the_chain(limits, memory, axial, told):  # type: ignore[no-untyped-def]
    seen, out = np.zeros(INPUT), np.zeros(3)
    seen[IN_FLAGS] = ARM
    for n in range(len(axial)):
        seen[IN_TIME] = seen[IN_PUBLISHED] = 0.001 * n
        seen[IN_FORCE] = -axial[n]
        guard(limits, memory, seen, out)
        told[n] = -out[0]


def felt(axial: Trace, seed: int, device: DeviceLimits = TOUCH) -> Trace:
    """The force against the hand, N (n,), positive against going in, for unscaled `axial` forces,
    N (n,), a tick each: what an active device's chain lets through to a hand that pushes, and the
    hand's unrest."""
    memory, told = disarmed().copy(), np.empty(len(axial))
    memory[MODE] = ACTIVE
    _through_the_chain(limits_of(device), memory, np.ascontiguousarray(axial), told)
    unrest = np.sqrt(SMOOTH) * np.random.default_rng(seed).normal(0.0, NOISE_N, len(told))
    return np.convolve(told + unrest, np.full(SMOOTH, 1.0 / SMOOTH), mode="same")


def _enough(before: Trace) -> Trace:
    return np.maximum(NOTICED_N, NOTICED * np.abs(before))


def cues(force: Trace) -> tuple[Times, Times]:
    """The ms at which a rise, and at which a drop, is large enough to be noticed."""
    rises, drops = [], []
    for back in (SUDDEN, SLOW):
        before, now = force[:-back], force[back:]
        at = np.arange(back, len(force))
        rises.append(at[now - before > _enough(before)])
        drops.append(at[before - now > _enough(before)])
    return np.concatenate(rises), np.concatenate(drops)


def claimed_entry(force: Trace) -> int | None:
    """When this trace says that bone gave way, ms: at the first peak before a sudden drop that is
    EARLIER times every one before it, and more than skin; None where there is none."""
    before = force[:-SUDDEN]
    sudden = np.flatnonzero(before - force[SUDDEN:] > _enough(before))
    earlier = SKIN_N
    for stretch in np.split(sudden, np.flatnonzero(np.diff(sudden) > SUDDEN) + 1):
        if not len(stretch):
            return None
        at = int(stretch[0] + np.argmax(force[stretch[0] : stretch[-1] + SUDDEN]))
        if force[at] > EARLIER * earlier:
            return at
        earlier = max(earlier, float(force[at]))
    return None


def claimed_void(force: Trace, entry: int) -> int | None:
    """When this trace says that the tip fell into a void, ms: where, bone once entered at `entry`
    ms, the hand meets no more than it met in the soft tissue before; None where it always does."""
    low = np.flatnonzero(force[:entry] < CLIMB * force[entry])
    if not len(low):
        return None
    soft = float(np.median(force[max(0, low[-1] - SLOW) : low[-1] + 1]))
    after = entry + SUDDEN
    level = np.convolve(force[after:], np.full(SUDDEN, 1.0 / SUDDEN), mode="valid")
    fallen = np.flatnonzero(level < soft + max(NOTICED_N, NOTICED * soft))
    return after + int(fallen[0]) if len(fallen) else None
