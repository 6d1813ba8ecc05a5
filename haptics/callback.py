"""The C function that the driver calls 1000 times a second, compiled for one open device.

Shared arrays are known to it by their addresses, because a captured array would be copied into it
as a constant. The owner (haptics.phantom) keeps arrays and function alive while it is scheduled.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic

from haptics.coupling import P_FLAGS, PUBLISHED, SESSION, Coupling, serve
from haptics.hdapi import BUTTONS as HD_BUTTONS
from haptics.hdapi import FORCE, POSITION, TRANSFORM, VELOCITY, Calls
from haptics.law import TissueLaw
from haptics.memory import SIZE as CANNULA
from haptics.phantom import (
    BUTTONS,
    CLOCK,
    CLOSING_TICKS,
    DONE,
    ERROR,
    FIELD,
    FINISH,
    INTEGERS,
    ROWS,
    SLOT,
    SLOTS,
    STILL,
    TICKS,
    Shared,
)
from haptics.recorder import LINE, SECONDS, Ring
from haptics.recorder import TICKS as RING_TICKS
from haptics.safety import IN_AT, IN_ERROR, IN_SPEED, IN_TIME, INPUT, SIZE, Limits
from haptics.servo import ROW
from haptics.tissue import TissueField

MONOTONIC = 1  # Linux' CLOCK_MONOTONIC


@intrinsic
def _pointer(_context, address):  # type: ignore[no-untyped-def]
    """The void pointer of an address."""

    def build(_target, builder, _signature, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(address), build


def _clock(wall_clock: bool) -> Any:
    """A compiled function of the shared integers that gives s."""
    if not wall_clock:
        return njit(nogil=True)(lambda integers: integers[TICKS] * 0.001)
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32")
        counter, frequency = kernel.QueryPerformanceCounter, ctypes.c_int64()
        kernel.QueryPerformanceFrequency(ctypes.byref(frequency))
        counter.argtypes, counter.restype, rate = [ctypes.c_void_p], ctypes.c_int, frequency.value

        def counted(integers):  # type: ignore[no-untyped-def]
            counter(integers[CLOCK:].ctypes)
            return integers[CLOCK] / rate

        return njit(nogil=True)(counted)
    gettime = ctypes.CDLL(None).clock_gettime
    gettime.argtypes, gettime.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_int

    def monotonic(integers):  # type: ignore[no-untyped-def]
        gettime(MONOTONIC, integers[CLOCK:].ctypes)
        return integers[CLOCK] + 1e-9 * integers[CLOCK + 1]

    return njit(nogil=True)(monotonic)


def _error_reader(calls: Calls) -> Any:
    """A compiled function of scratch bytes (3,) uint32 that gives the driver's error code."""
    get_error = calls.get_error
    if sys.platform == "win32":

        def by_address(scratch):  # type: ignore[no-untyped-def]
            get_error(scratch.ctypes)
            return np.int64(scratch[0])

        return njit(nogil=True)(by_address)
    return njit(nogil=True)(lambda scratch: get_error() & 0xFFFFFFFF)


@njit(nogil=True)
def _field(integers, spacings):  # type: ignore[no-untyped-def]
    """The patient's field, its arrays at the addresses and in the shapes that the integers say."""
    at = integers[FIELD:]
    body, bone = (at[8], at[9], at[10]), (at[11], at[12], at[13])
    return TissueField(
        carray(_pointer(at[0]), body, np.uint8), carray(_pointer(at[1]), (256,), np.uint8),
        carray(_pointer(at[2]), body, np.int16), carray(_pointer(at[3]), (3,), np.float64),
        spacings[0], carray(_pointer(at[4]), bone, np.float32),
        carray(_pointer(at[5]), bone, np.float32), carray(_pointer(at[6]), (3,), np.float64),
        spacings[1], carray(_pointer(at[7]), bone, np.uint8),
    )  # fmt: skip


@njit(nogil=True)
def _views(addresses):  # type: ignore[no-untyped-def]
    """The shared arrays at those addresses, in the order of haptics.phantom's Shared."""
    return (
        carray(_pointer(addresses[0]), (INTEGERS,), np.int64),
        carray(_pointer(addresses[1]), (SLOTS, PUBLISHED), np.float64),
        carray(_pointer(addresses[2]), (SESSION,), np.float64),
        carray(_pointer(addresses[3]), (CANNULA,), np.float64),
        carray(_pointer(addresses[4]), (SLOTS, CANNULA), np.float64),
        carray(_pointer(addresses[5]), (SIZE,), np.float64),
        carray(_pointer(addresses[6]), (INPUT,), np.float64),
        carray(_pointer(addresses[7]), (16,), np.float64),
        carray(_pointer(addresses[8]), (3,), np.float64),
        carray(_pointer(addresses[9]), (ROWS, ROW), np.float64),
        carray(_pointer(addresses[10]), (2,), np.float64),
        Ring(
            carray(_pointer(addresses[11]), (RING_TICKS, LINE), np.float64),
            carray(_pointer(addresses[12]), (SECONDS, SIZE), np.float64),
            carray(_pointer(addresses[13]), (1,), np.int64),
        ),
    )


def _reader(calls: Calls, handle: int, wall_clock: bool) -> Any:
    """A compiled function that begins a frame and reads the hand into `seen` and `transform`, and
    gives the buttons."""
    begin, _, doubles, whole, _, _ = calls
    clock, error_of = _clock(wall_clock), _error_reader(calls)

    def read(integers, seen, transform):  # type: ignore[no-untyped-def]
        begin(handle)
        doubles(POSITION, seen[IN_AT:].ctypes)
        doubles(VELOCITY, seen[IN_SPEED:].ctypes)
        doubles(TRANSFORM, transform.ctypes)
        pressed, scratch = np.zeros(1, np.int32), np.zeros(3, np.uint32)
        whole(HD_BUTTONS, pressed.ctypes)
        error = error_of(scratch)
        if error != 0:
            integers[ERROR] = error
        seen[IN_ERROR], seen[IN_TIME] = error, clock(integers)
        return pressed[0]

    return njit(nogil=True)(read)


@njit(nogil=True)
def _finished(integers):  # type: ignore[no-untyped-def]
    """Counts ticks since the end was asked for; 1 once there have been enough."""
    if integers[FINISH] == 0:
        return 0
    integers[STILL] += 1
    if integers[STILL] <= CLOSING_TICKS:
        return 0
    integers[DONE] = 1
    return 1


def compiled(
    shared: Shared, law: TissueLaw, limits: Limits, coupling: Coupling, calls: Calls,
    handle: int, wall_clock: bool,
) -> Any:  # fmt: skip
    """The callback, a numba C function uint32(void*); keep a reference while it is scheduled."""
    read, write, end = _reader(calls, handle, wall_clock), calls.set_doubles, calls.end_frame
    arrays = (*shared[:10], shared.spacings, *shared.ring)
    addresses = tuple(array.ctypes.data for array in arrays)

    def called(_user):  # type: ignore[no-untyped-def]
        (
            integers, states, session, cannula, cannulas, safe, seen, transform, told, rows,
            spacings, ring,
        ) = _views(addresses)  # fmt: skip
        n = integers[TICKS]
        pressed = read(integers, seen, transform)
        state = states[integers[SLOT]].copy()
        if integers[FINISH] != 0:
            state[P_FLAGS] = integers[FINISH]
        row = rows[n % ROWS]
        row[:] = rows[(n - 1) % ROWS]
        serve(
            _field(integers, spacings), law, limits, coupling, state, session, cannula, safe, seen,
            transform, pressed, told, row, ring,
        )  # fmt: skip
        write(FORCE, told.ctypes)
        end(handle)
        integers[BUTTONS] = pressed
        cannulas[(n + 1) % SLOTS] = cannula
        integers[TICKS] = n + 1
        return 1 - _finished(integers)

    return cfunc(types.uint32(types.voidptr), nopython=True)(called)
