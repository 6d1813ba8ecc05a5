"""What a hand can tell from a device's force alone: a detector that reads a trace and nothing else.

What a hand feels is what the device's safety chain lets through, with the hand's own unrest and
slowness (`felt`). Of that it notices changes too large to overlook (`cues`), believes once to have
entered bone (`claimed_entry`), and from then on that it is in a void wherever it meets no more than
the soft tissue before the bone did (`hollow`). The thresholds are project choices; nothing here was
tried on a person.
"""

from __future__ import annotations

from typing import Any

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

# Of the force before, and N on the device: a hand that compares while it pushes is worse than the
# 7-10 % of one that only compares (unverified). So set that in quiet bone at most one in ten
# believes to notice something (game.training.feel, `sham`).
NOTICED, NOTICED_N = 0.15, 0.07
NOISE_N = 0.01  # root mean square of a hand's own unrest
SMOOTH = 20  # ms over which a force is felt
SUDDEN, SLOW = 150, 500  # ms between what is compared
SKIN_N = 0.3  # on a Touch: what no skin has resisted, 8 N unscaled
MEAN_MS = 200  # of force that are compared with a remembered one
SOFT_MS = (1000, 200)  # before a force begins to climb to the entry: what soft tissue had
EARLIER = 1.5  # times whatever gave way before: what gives way now is bone

Trace = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]
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


def felt(axial: FloatArray, seed: int, device: DeviceLimits = TOUCH) -> Trace:
    """The force against the hand, N (n,), positive against going in, for unscaled `axial` forces,
    N (n,), a tick each: what an active device's chain lets through to a hand that pushes, and the
    hand's unrest."""
    memory, told = disarmed().copy(), np.empty(len(axial))
    memory[MODE] = ACTIVE
    _through_the_chain(limits_of(device), memory, np.ascontiguousarray(axial, np.float64), told)
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


def hollow(force: Trace, entry: int) -> Times:
    """The ms after a claimed `entry` at which the hand meets no more than soft tissue had before
    the bone."""
    climbing = entry - int(np.argmax(force[entry::-1] <= 0.5 * force[entry]))
    far, near = SOFT_MS
    soft = float(np.median(force[max(0, climbing - far) : max(1, climbing - near)]))
    mean = np.convolve(force, np.full(MEAN_MS, 1.0 / MEAN_MS))[: len(force)]
    at = np.flatnonzero(mean <= soft)
    return at[at > entry + SUDDEN + MEAN_MS]
