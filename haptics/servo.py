"""One servo tick of 1 ms, pure: a patient's fields, a memory and a hand in; a memory, the proxy's
pose and a force out. It reads nothing else and waits for nobody; numba runs it without the GIL.

A hand (POSE,) is: tip (3) LPS mm, unit direction hub to tip (3), how fast it turns the shaft,
rad/s, and the energy, mJ, of a mallet's tap that falls in this tick (0 for none).

A row of a report (ROW,) is: proxy tip (3) LPS mm, direction (3), force on the hand (3) N, axial
force N (positive against going in), events (haptics.insertion), N at which the last wall gave
way, layer at the tip, stage, layer whose wall that was. A plain twin of equal output is in
tests/haptics/plain_servo.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haptics.insertion import push, tap, touch
from haptics.law import TissueLaw
from haptics.memory import (
    AXIS,
    BONE_MM,
    BROKEN,
    CONTACT,
    GAVE,
    LAYER,
    SIZE,
    SOFT,
    SOFT_MM,
    STAGE,
    TAPPED,
    TICKS,
    TIP,
    TURNING,
)
from haptics.redirect import turn
from haptics.tissue import Instrument, TissueField, lateral_stiffness

TICK_S = 0.001  # 1 kHz, what haptic devices of this class are served at

# Places in a hand
TURN, TAP = 6, 7
POSE = 8

# Places in a row
ROW_TIP, ROW_AXIS, ROW_FORCE = 0, 3, 6
ROW_AXIAL, ROW_EVENTS, ROW_BROKEN, ROW_LAYER, ROW_STAGE, ROW_GAVE = 9, 10, 11, 12, 13, 14
ROW = 15


@njit(nogil=True, cache=True)
def tick(field, law, tool, m, hand, row):  # type: ignore[no-untyped-def]
    """One tick in place: `m` (SIZE,) memory, `hand` (POSE,), `row` (ROW,)."""
    axial, events = 0.0, 0
    m[TURNING], m[TAPPED] = abs(hand[TURN]), 0.0
    if m[STAGE] <= CONTACT:
        axial, events = touch(field, law, tool, m, hand)
    if m[STAGE] >= SOFT:
        if m[STAGE] == SOFT:
            turn(field, law, tool, m, hand[3], hand[4], hand[5])
        gap = 0.0
        for axis in range(3):
            gap += (hand[axis] - m[TIP + axis]) * m[AXIS + axis]
        axial, more = push(field, law, tool, m, gap)
        events |= more
        if hand[TAP] > 0.0 and m[STAGE] >= SOFT:
            gap = 0.0
            for axis in range(3):
                gap += (hand[axis] - m[TIP + axis]) * m[AXIS + axis]
            events |= tap(field, law, tool, m, gap, axial, hand[TAP])
    m[TICKS] += 1.0
    _report(law, m, hand, axial, events, row)


@njit(nogil=True, cache=True)
def _report(law, m, hand, axial, events, row):  # type: ignore[no-untyped-def]
    stiffness, along = 0.0, 0.0
    if m[STAGE] >= SOFT:
        stiffness = lateral_stiffness(law, m[SOFT_MM], m[BONE_MM])
    for axis in range(3):
        along += (hand[axis] - m[TIP + axis]) * m[AXIS + axis]
    for axis in range(3):
        u = m[AXIS + axis]
        aside = hand[axis] - m[TIP + axis] - along * u
        row[ROW_TIP + axis] = m[TIP + axis]
        row[ROW_AXIS + axis] = u
        row[ROW_FORCE + axis] = -axial * u - stiffness * aside
    row[ROW_AXIAL], row[ROW_EVENTS], row[ROW_BROKEN] = axial, events, m[BROKEN]
    row[ROW_LAYER], row[ROW_STAGE], row[ROW_GAVE] = m[LAYER], m[STAGE], m[GAVE]


@njit(nogil=True, cache=True)
def _ticks(field, law, tool, m, hands, rows):  # type: ignore[no-untyped-def]
    for n in range(len(hands)):
        tick(field, law, tool, m, hands[n], rows[n])


def run_ticks(
    field: TissueField,
    law: TissueLaw,
    tool: Instrument,
    memory: NDArray[np.float64],
    hands: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One tick for each hand pose (n, POSE): the new memory (read-only) and the report's rows (n,
    ROW). Raises ValueError for a memory or poses of another shape, or poses that are no numbers."""
    if memory.shape != (SIZE,) or hands.ndim != 2 or hands.shape[1] != POSE:
        raise ValueError(
            f"memory {memory.shape} and hands {hands.shape}; need ({SIZE},) and (n, {POSE})"
        )
    if not np.isfinite(hands).all():
        raise ValueError("a hand pose is not a number")
    after, rows = memory.copy(), np.empty((len(hands), ROW))
    _ticks(field, law, tool, after, np.ascontiguousarray(hands, np.float64), rows)
    after.flags.writeable = False
    return after, rows
