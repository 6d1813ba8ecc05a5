"""A picture's rows, shared out over the cores.

Kernels and NumPy let go of Python's lock, so plain threads run them side by side. Rows come in
bands that are the same on any machine, and no band may read what another writes: the result is bit
for bit the same on one core and on many. Any thread may call this, several at once too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from numba import config

BAND = 64  # rows of a band; project choice
CORES: int = config.NUMBA_NUM_THREADS  # the environment's variable of this name sets it

_helpers = ThreadPoolExecutor(max(CORES - 1, 1), thread_name_prefix="rows")


def over_rows(work: Callable[[int, int], object], height: int) -> None:
    """Calls `work` with the first row and the row after the last of every band of `height` rows.

    The caller works too, and does all that no helper has begun: a helper that is kept waiting, or
    that a forked process lacks, costs nothing but its share."""
    waiting = deque(range(0, height, BAND))

    def share() -> None:
        while waiting:
            try:
                begin = waiting.popleft()
            except IndexError:  # another took the last
                return
            work(begin, min(begin + BAND, height))

    helpers = min(CORES, len(waiting)) - 1
    jobs = [_helpers.submit(share) for _ in range(helpers)]
    try:
        share()
    finally:
        waiting.clear()
        for job in jobs:
            if not job.cancel():
                job.result()
