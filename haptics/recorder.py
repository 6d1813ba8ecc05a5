"""The last 60 s of every servo tick, for the question of what happened before a fault.

A ring keeps what each tick saw (haptics.safety INPUT) and told the device, and the safety chain's
memory before each second's first tick. So every second that is whole in the ring is simulated
again from its own start, bit for bit, by the same kernel. The arrays are allocated once and
written by the servo without a lock.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haptics.safety import INPUT, SIZE, Limits, guard

SECOND = 1000  # ticks between two kept memories
SECONDS = 61  # of them the oldest is being overwritten: 60 s are whole at least
TICKS = SECOND * SECONDS
TOLD = INPUT  # place of the force told, 3 values, in a line
LINE = INPUT + 3


class Ring(NamedTuple):
    """`lines` (TICKS, LINE): what a tick saw and told; `memories` (SECONDS, SIZE) before each
    second's first tick; `written` (1,) int64 ticks ever."""

    lines: NDArray[np.float64]
    memories: NDArray[np.float64]
    written: NDArray[np.int64]


def empty_ring() -> Ring:
    """A ring that has seen no tick."""
    return Ring(np.zeros((TICKS, LINE)), np.zeros((SECONDS, SIZE)), np.zeros(1, np.int64))


@njit(nogil=True, cache=True)
def guard_and_record(limits, m, seen, told, ring):  # type: ignore[no-untyped-def]
    """`haptics.safety.guard` in place, written into the ring."""
    n = ring.written[0]
    if n % SECOND == 0:
        ring.memories[n // SECOND % SECONDS, :] = m
    guard(limits, m, seen, told)
    line = ring.lines[n % TICKS]
    line[:INPUT] = seen
    line[INPUT:] = told
    ring.written[0] = n + 1


def write_out(ring: Ring, limits: Limits, path: Path) -> None:
    """Save what the ring holds as .npz, oldest second first, in a folder made for it where there is
    none; raises OSError as numpy does."""
    count = int(ring.written[0])
    begun = (count + SECOND - 1) // SECOND
    first = max(0, begun - SECONDS)
    ticks, seconds = np.arange(first * SECOND, count), np.arange(first, begun)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path, limits=np.array(limits), lines=ring.lines[ticks % TICKS],
        memories=ring.memories[seconds % SECONDS],
    )  # fmt: skip


def first_difference(path: Path) -> int | None:
    """Simulate a written ring again: the first tick (0 the oldest) whose force or kept memory is
    not the same to the last bit, None where there is none."""
    with np.load(path) as file:
        limits, lines, memories = Limits(*file["limits"].tolist()), file["lines"], file["memories"]
    if len(lines) == 0:
        return None
    memory, told = memories[0].copy(), np.empty(3)
    for n, line in enumerate(lines):
        kept = n % SECOND == 0 and memory.tobytes() != memories[n // SECOND].tobytes()
        guard(limits, memory, line[:INPUT], told)
        if kept or told.tobytes() != line[TOLD:].tobytes():
            return n
    return None
