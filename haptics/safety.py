"""What a device may be told to do with a force: one pure tick of 1 ms, and the states around it.

    disarmed --arm, small force--> ramp (1 s) --> active      a hold or a stale State: ramp anew
        ^                                            |
        +------------ reset ------- fault <----------+        latched, zero force the same tick

A force passes, in this order: finite check, compressive map, ramp, slew limit, thermal limit,
passivity controller, norm clamp. The map F_dev = p F / (F + half) is strictly monotone and below p
for every finite F, so layers keep their order on a device a hundred times too weak for them. Its p
is what the motors bear for ever: nothing sags while a hand leans on bone, and only what gives way
feels as if it did.

The passivity observer is exact for a force held between ticks: E += F[k-1] . (x[k] - x[k-1]), mJ
given to the hand. Above ALLOWANCE_MJ the part of a force that goes with the motion is taken away,
and the rest is held under peak - (E - allowance) / (v T): whatever the hand does below the speed
limit, E stays below allowance + peak v T. What the hand puts in counts as credit only as far as a
spring of the device's greatest stiffness could give it back.

The heat P follows F2 with a time constant of N ticks; the thermal limit keeps it under
p2 = c2 / (1 + N/1000), whatever a force asks for. The sum of F2 over any 1000 ticks is
N (P_end - P_begin) + sum P <= (N + 1000) p2 = 1000 c2, so the 1 s RMS stays under the continuous
force c.

The whole memory is one array of float64, `disarmed()`; a plain twin is in
tests/haptics/plain_safety.py. Nothing here was tried on a person or on a real device's motors.
"""

from __future__ import annotations

from enum import IntEnum
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haptics.device import DeviceLimits

# N that a device shows as half of what it can for long; a project choice between muscle (2 N) and
# cortex (77 N)
HALF_N = 15.0
# N per N of peak and servo tick: a breakthrough's whole drop passes within 2 ticks
SLEW = 0.5
SMALL = 0.2  # of the lasting force: arming needs less, so that nothing kicks; a project choice
RAMP_TICKS = 1000  # 1 s, facts/haptics.md
SPEED_LIMIT = 1000.0  # mm/s: a fault above 1 m/s, facts/haptics.md
ALLOWANCE_MJ = 1.0  # may be given to the hand before the controller acts
STALE_S = 0.065  # State older than this: zero force; a tick below the 70 ms that are promised
LATE_S = 0.065  # a servo that was not called for so long: a fault
TICK_MS = 1.0
# Continuous force per peak where none is published: the Touch's 0.88 / 3.3 N; not validated
CONTINUOUS_SHARE = 0.88 / 3.3
WINDOW = 1000.0  # ticks of the RMS limit, 1 s
HEAT_TICKS = 100.0  # time constant of the heat; a project choice


class Mode(IntEnum):
    """The states of the safety chain."""

    DISARMED = 0
    RAMP = 1
    ACTIVE = 2
    FAULT = 3


class Fault(IntEnum):
    """Why the chain latched zero force."""

    NONE = 0
    NOT_A_NUMBER = 1
    DRIVER = 2
    TOO_FAST = 3
    LATE = 4


DISARMED, RAMP, ACTIVE, FAULTED = 0, 1, 2, 3
NOT_A_NUMBER, DRIVER, TOO_FAST, LATE = 1, 2, 3, 4

# Places in the memory array
MODE, FAULT, RAMPED, SEEN, GIVEN, TIME = 0, 1, 2, 3, 4, 5
TOLD, AT, MOVED = 6, 9, 12  # 3 values each: N, mm, mm
HEAT = 15  # N2: what motors have been given, a running mean
SIZE = 16

# Places in what one tick sees
IN_TIME, IN_PUBLISHED = 0, 1  # s, of one clock: now, and when State was last published
IN_AT, IN_SPEED, IN_FORCE = 2, 5, 8  # 3 values each: mm, mm/s, unscaled N
IN_FLAGS, IN_ERROR = 11, 12  # a sum of the flags below; the driver's error code, 0 for none
INPUT = 13

# Flags: wants force; clutched, or else without force; clear a fault; no force any more
ARM, HOLD, RESET, DISARM = 1, 2, 4, 8


class Limits(NamedTuple):
    """A device's `peak` and `continuous` force, N; the `lasting` one that its heat allows for ever;
    what a spring of its greatest stiffness stores at the peak twice over, `credit` mJ."""

    peak: float
    continuous: float
    lasting: float
    credit: float


def limits_of(device: DeviceLimits) -> Limits:
    """The limits the chain holds for a device; CONTINUOUS_SHARE where no figure is published."""
    continuous = device.continuous or CONTINUOUS_SHARE * device.peak
    lasting = continuous / sqrt(1.0 + HEAT_TICKS / WINDOW)
    return Limits(device.peak, continuous, lasting, device.peak**2 / device.stiffness)


def disarmed() -> NDArray[np.float64]:
    """The memory (SIZE,) of a chain that lets no force through; read-only, as every kept one."""
    memory = np.zeros(SIZE)
    memory.flags.writeable = False
    return memory


def guarded(
    limits: Limits, memory: NDArray[np.float64], seen: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One tick: the new memory (read-only) and the force to tell the device (3,), N, for what the
    tick sees (INPUT,). Raises ValueError for arrays of another shape."""
    if memory.shape != (SIZE,) or seen.shape != (INPUT,):
        raise ValueError(f"memory {memory.shape}, seen {seen.shape}; need ({SIZE},), ({INPUT},)")
    after, told = memory.copy(), np.empty(3)
    guard(limits, after, seen, told)
    after.flags.writeable = False
    return after, told


@njit(nogil=True, cache=True)
def guard(limits, m, seen, told):  # type: ignore[no-untyped-def]
    """One tick in place: `m` (SIZE,) memory, `seen` (INPUT,), `told` (3,) the force out, N."""
    fault = _fault_of(m, seen)
    if fault != NOT_A_NUMBER:
        _observe(limits, m, seen)
    for axis in range(3):
        told[axis] = 0.0 if fault == NOT_A_NUMBER else seen[IN_FORCE + axis]
    _compress(limits.lasting, told)
    _change_mode(limits, m, seen, told, fault)
    gain = _gain(m)
    for axis in range(3):
        told[axis] *= gain
    if gain > 0.0:
        _slew(limits.peak, m, told)
        _hold_under(_cool_enough(limits, m), told)
        _keep_passive(limits, m, told)
        _clamp(limits.peak, told)
    _remember(m, told)


@njit(nogil=True, cache=True)
def _fault_of(m, seen):  # type: ignore[no-untyped-def]
    for place in range(INPUT):
        if not isfinite(seen[place]):
            return NOT_A_NUMBER
    if seen[IN_ERROR] != 0.0:
        return DRIVER
    passed = 0.0
    if m[SEEN] > 0.0:
        passed = seen[IN_TIME] - m[TIME]
        if passed > LATE_S:
            return LATE
    return TOO_FAST if _too_fast(m, seen, passed) else 0


@njit(nogil=True, cache=True)
def _too_fast(m, seen, passed):  # type: ignore[no-untyped-def]
    """By the driver's own velocity, or by the way since the last tick."""
    speed, way = 0.0, 0.0
    for axis in range(3):
        speed += seen[IN_SPEED + axis] ** 2
        way += (seen[IN_AT + axis] - m[AT + axis]) ** 2
    most = SPEED_LIMIT * max(passed, 0.001 * TICK_MS)
    return speed > SPEED_LIMIT**2 or (m[SEEN] > 0.0 and way > most * most)


@njit(nogil=True, cache=True)
def _observe(limits, m, seen):  # type: ignore[no-untyped-def]
    for axis in range(3):
        m[MOVED + axis] = seen[IN_AT + axis] - m[AT + axis] if m[SEEN] > 0.0 else 0.0
        m[GIVEN] += m[TOLD + axis] * m[MOVED + axis]
        m[AT + axis] = seen[IN_AT + axis]
    m[GIVEN] = max(m[GIVEN], -limits.credit)
    m[SEEN], m[TIME] = 1.0, seen[IN_TIME]


@njit(nogil=True, cache=True)
def _norm(v):  # type: ignore[no-untyped-def]
    return sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


@njit(nogil=True, cache=True)
def _hold_under(most, told):  # type: ignore[no-untyped-def]
    """Cut the norm of a force to `most` N, its direction kept."""
    norm = _norm(told)
    if norm > most:
        scale = most / norm * (1.0 - 1e-15)
        for axis in range(3):
            told[axis] *= scale


@njit(nogil=True, cache=True)
def _compress(lasting, told):  # type: ignore[no-untyped-def]
    """The map. Components near the largest float count as 1e100 N each: as strong as it gets."""
    for axis in range(3):
        told[axis] = min(1e100, max(-1e100, told[axis]))
    scale = lasting / (_norm(told) + HALF_N)
    for axis in range(3):
        told[axis] *= scale


@njit(nogil=True, cache=True)
def _stale(seen):  # type: ignore[no-untyped-def]
    return seen[IN_TIME] - seen[IN_PUBLISHED] > STALE_S


@njit(nogil=True, cache=True)
def _change_mode(limits, m, seen, told, fault):  # type: ignore[no-untyped-def]
    if fault != 0:
        if m[MODE] != FAULTED:
            m[MODE], m[FAULT] = FAULTED, fault
        return
    flags = int(seen[IN_FLAGS])
    held = flags & HOLD != 0 or _stale(seen)
    if m[MODE] == FAULTED:
        if flags & RESET != 0:
            m[MODE], m[FAULT] = DISARMED, 0.0
    elif flags & DISARM != 0:
        m[MODE] = DISARMED
    elif m[MODE] == DISARMED:
        if flags & ARM != 0 and not held and _norm(told) <= SMALL * limits.lasting:
            m[MODE], m[RAMPED] = RAMP, 0.0
    elif held:
        m[MODE], m[RAMPED] = RAMP, 0.0
    elif m[MODE] == RAMP:
        m[RAMPED] += 1.0
        if m[RAMPED] >= RAMP_TICKS:
            m[MODE] = ACTIVE


@njit(nogil=True, cache=True)
def _gain(m):  # type: ignore[no-untyped-def]
    """0 to 1: what of a force passes in this mode."""
    if m[MODE] == RAMP:
        return m[RAMPED] / RAMP_TICKS
    return 1.0 if m[MODE] == ACTIVE else 0.0


@njit(nogil=True, cache=True)
def _slew(peak, m, told):  # type: ignore[no-untyped-def]
    """No further from the last force than SLEW times the peak."""
    size, most = 0.0, SLEW * peak
    for axis in range(3):
        size += (told[axis] - m[TOLD + axis]) ** 2
    size = sqrt(size)
    if size > most:
        for axis in range(3):
            told[axis] = m[TOLD + axis] + (told[axis] - m[TOLD + axis]) * (most / size)


@njit(nogil=True, cache=True)
def _cool_enough(limits, m):  # type: ignore[no-untyped-def]
    """N that the heat leaves: the peak for cold motors, falling to p as the heat comes to p2, so
    the next heat is never over it."""
    most = limits.continuous**2 / (1.0 + HEAT_TICKS / WINDOW)
    slope = limits.peak**2 / most - 1.0
    return sqrt(max(0.0, most + slope * (most - m[HEAT])))


@njit(nogil=True, cache=True)
def _keep_passive(limits, m, told):  # type: ignore[no-untyped-def]
    over = m[GIVEN] - ALLOWANCE_MJ
    if over <= 0.0:
        return
    way, along = 0.0, 0.0
    for axis in range(3):
        way += m[MOVED + axis] ** 2
        along += told[axis] * m[MOVED + axis]
    if along > 0.0 and way > 0.0:
        for axis in range(3):
            told[axis] -= along / way * m[MOVED + axis]
    # over, mJ, by the way at the speed limit in one tick, mm: N
    _hold_under(max(0.0, limits.peak - over / (SPEED_LIMIT * 0.001 * TICK_MS)), told)


@njit(nogil=True, cache=True)
def _clamp(peak, told):  # type: ignore[no-untyped-def]
    """Whatever came before, also a memory that another device left: never over the peak."""
    _hold_under(peak, told)


@njit(nogil=True, cache=True)
def _remember(m, told):  # type: ignore[no-untyped-def]
    square = 0.0
    for axis in range(3):
        m[TOLD + axis] = told[axis]
        square += told[axis] * told[axis]
    m[HEAT] += (square - m[HEAT]) / HEAT_TICKS
