"""What `sacrosim bench haptics` measures, each figure with its bound and whether it is met.

Times are of one thread's processor, which other work on the machine stretches less than the wall's.
What takes minutes has commands of its own: `bench haptics --feel N` for what the feel carries, and
benchmarks/haptics_wall_clock.py for the servo beside a game's load.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from time import perf_counter, sleep, thread_time
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.geometry.grid import FloatArray
from game.simulation.case import Case
from game.training import layered_block
from game.training.tissue import tissue_law, tissue_of
from haptics.coupling import SESSION, coupling_of, published, serve
from haptics.device import DEVICES, TOUCH, DeviceLimits
from haptics.hdapi import DeviceError
from haptics.memory import fresh
from haptics.phantom import Phantom
from haptics.recorder import empty_ring
from haptics.safety import (
    ACTIVE,
    ALLOWANCE_MJ,
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
    SPEED_LIMIT,
    TICK_MS,
    disarmed,
    guard,
    guarded,
    limits_of,
)
from haptics.servo import POSE, ROW, run_ticks, tick
from haptics.tissue import Instrument

log = logging.getLogger(__name__)

TOOL = Instrument(1.525, 150.0)  # 11G
ABOVE_MM, SPEED = 5.0, 4.0  # before the skin; mm/s of the hand, between soft tissue's and bone's
BATCH = 500  # ticks timed together for a mean
REPEATS = 5  # of which the median is taken
DEVICE_S, WARMING = 5.0, 100  # how long an open device is timed; its first ticks, not counted
MASSES, DAMPINGS, STIFFNESSES = (0.1, 0.2), (1.0, 5.0), (100.0, 500.0)  # facts/haptics.md, SI
GAINS = ((-10.0, 5.0), (100.0, 10.0), (0.0, 20.0))  # N/mm and N s/mm of laws that push a hand on
ENERGY_TICKS = 1_000_000
RESTLESS_TICKS = 20_000


class Held(NamedTuple):
    """A figure: what it is, its unit and value, what it is asked to be, and whether it is; None
    where nothing is asked."""

    what: str
    unit: str
    value: float
    asked: str = ""
    met: bool | None = None


def at_most(what: str, unit: str, value: float, bound: float) -> Held:
    """A figure that may not be more."""
    return Held(what, unit, value, f"<= {bound:g}", value <= bound)


def haptic_figures(case: Case, library: Path | None = None) -> Iterator[Held]:
    """All of them, as they are measured; an open device's only where one opens with `library`."""
    yield from tick_times(case)
    yield from law_figures()
    yield from safety_figures()
    yield from device_figures(case, library)


# Times


def _clock() -> Any:
    """A compiled function of scratch int64 (2,) that gives the thread's own time, ns; None where
    there is none such."""
    if sys.platform == "win32":
        return None
    gettime = ctypes.CDLL(None).clock_gettime
    gettime.argtypes, gettime.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_int
    own = 3 if sys.platform.startswith("linux") else 16  # CLOCK_THREAD_CPUTIME_ID

    def now(scratch):  # type: ignore[no-untyped-def]
        gettime(own, scratch.ctypes)
        return scratch[0] * 1_000_000_000 + scratch[1]

    return njit(nogil=True)(now)


def way_in(case: Case) -> NDArray[np.float64]:
    """Hand poses (n, POSE), one a tick, from before the skin along the first side's path until
    20 mm beyond its target."""
    approach = case.approaches[case.level.sides[0]]
    far = np.arange(-ABOVE_MM, approach.skin_to_target + 20.0, SPEED / 1000.0)
    hands = np.zeros((len(far), POSE))
    hands[:, :3] = approach.skin + far[:, None] * approach.direction
    hands[:, 3:6] = approach.direction
    return hands


def tick_times(case: Case) -> Iterator[Held]:
    """One tick of the servo, and one of a device, on the planned path."""
    tissue, hands = tissue_of(case.patient), way_in(case)
    run_ticks(*tissue.read, TOOL, fresh(), hands[:1])
    means = []
    for _ in range(REPEATS):
        memory, used = fresh(), thread_time()
        for first in range(0, len(hands), BATCH):
            memory, _ = run_ticks(*tissue.read, TOOL, memory, hands[first : first + BATCH])
        means.append(1e6 * (thread_time() - used) / len(hands))
    yield at_most("servo tick, mean", "us", float(np.median(means)), 2.0)
    if (clock := _clock()) is None:
        return
    singles = _single_ticks(clock, case, hands)
    yield at_most("servo tick, p99.9", "us", float(np.percentile(singles, 99.9)), 50.0)
    whole = _device_ticks(clock, case, hands)
    yield Held("a device's whole tick, mean", "us", float(whole.mean()))
    yield at_most("a device's whole tick, p99.9", "us", float(np.percentile(whole, 99.9)), 50.0)


def _single_ticks(clock: Any, case: Case, hands: NDArray[np.float64]) -> FloatArray:
    """us of each tick in REPEATS ways in, the clock's own time taken off."""

    @njit(nogil=True)
    def timed(field, law, tool, m, hands, row, times):  # type: ignore[no-untyped-def]
        scratch = np.zeros(2, np.int64)
        for n in range(len(hands)):
            before = clock(scratch)
            began = clock(scratch)
            tick(field, law, tool, m, hands[n], row)
            times[n] = clock(scratch) - began - (began - before)

    times, tissue = np.empty((REPEATS, len(hands))), tissue_of(case.patient)
    for own in times:
        timed(*tissue.read, TOOL, fresh().copy(), hands, np.empty(ROW), own)
    return times.ravel() / 1000.0


def _device_ticks(clock: Any, case: Case, hands: NDArray[np.float64]) -> FloatArray:
    """The same with the coupling, the safety chain and the ring: all that a device's tick does
    between reading the hand and writing the force."""

    @njit(nogil=True)
    def timed(  # type: ignore[no-untyped-def]
        field, law, limits, coupling, state, session, m, safe, seen, transform, ring, ways, times
    ):
        scratch, told, row = np.zeros(2, np.int64), np.zeros(3), np.zeros(ROW)
        for n in range(len(ways)):
            seen[IN_TIME] = state[0] = 0.001 * n
            seen[IN_AT : IN_AT + 3] = ways[n]
            before = clock(scratch)
            began = clock(scratch)
            serve(
                field, law, limits, coupling, state, session, m, safe, seen, transform, 0, told,
                row, ring,
            )  # fmt: skip
            times[n] = clock(scratch) - began - (began - before)

    tissue, limits, coupling = tissue_of(case.patient), limits_of(TOUCH), coupling_of(TOUCH)
    here = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    x, y, z = hands[0, :3].tolist()
    state = published(0.0, ARM, 1, fresh(), (x, y, z), TOOL, 2, here)
    times = np.empty((REPEATS, len(hands)))
    for own in times:
        timed(
            *tissue.read, limits, coupling, state, np.zeros(SESSION), fresh().copy(),
            disarmed().copy(), np.zeros(INPUT), _held_along(hands[0, 3:6]), empty_ring(),
            hands[:, :3] - hands[0, :3], own,
        )  # fmt: skip
    return times.ravel() / 1000.0


def _held_along(direction: FloatArray) -> FloatArray:
    """A stylus' transform (16,), column-major, that points along a unit direction (3,)."""
    aside = np.cross(direction, np.roll(direction, 1))
    aside /= np.linalg.norm(aside)
    turn = np.eye(4)
    turn[:3, :3] = np.column_stack([aside, np.cross(-direction, aside), -direction])
    return np.ascontiguousarray(turn.T).ravel()


# The law


def law_figures() -> Iterator[Held]:
    """A layered block against the law written out; 40 blocks against the published orders."""
    law = tissue_law()
    off = 100.0 * layered_block.furthest_off(law)
    yield at_most("force off the law, any layer", "%", off, 2.0)
    yield at_most("breakthrough's drop", "ticks", float(layered_block.ticks_of_a_drop(law)), 2.0)
    puncture, cutting = layered_block.sweep(law)
    wrong = layered_block.out_of_order(puncture, cutting)
    yield at_most(f"{puncture.size} blocks, against a published order", "blocks", wrong, 0.0)
    least, most = float(puncture.min()), float(puncture.max())
    yield Held("weakest wall of them", "N", least, "6.7 to 11.5", 6.7 <= least <= 11.5)
    yield Held("strongest wall of them", "N", most, "<= 600", most <= 600.0)


# Safety


@njit(nogil=True, cache=True)
def most_energy(limits, memory, mass, damping, stiffness, gain, push, ticks):  # type: ignore[no-untyped-def]
    """The most energy, mJ, that a law of force push v - gain x (N/mm, N s/mm) ever gives a hand of
    `mass` kg, `damping` N s/m and `stiffness` N/m whose intent swings by 20 mm."""
    seen, told = np.zeros(INPUT), np.zeros(3)
    x, v, given, most = 0.0, 0.0, 0.0, 0.0
    for n in range(ticks):
        seen[IN_TIME] = seen[IN_PUBLISHED] = 0.001 * n
        seen[IN_FLAGS] = ARM
        seen[IN_AT], seen[IN_SPEED], seen[IN_FORCE] = x, v, push * v - gain * x
        guard(limits, memory, seen, told)
        own = stiffness * 1e-3 * (20.0 * np.sin(0.003 * n) - x) - damping * 1e-3 * v
        v += (told[0] + own) / mass
        given += told[0] * v * 0.001
        x += v * 0.001
        most = max(most, given)
    return most


def safety_figures() -> Iterator[Held]:
    """What the safety chain of a Touch, or of any device of the table, lets through at worst."""
    bound = ALLOWANCE_MJ + TOUCH.peak * SPEED_LIMIT * 0.001 * TICK_MS
    energy = max(
        float(most_energy(limits_of(TOUCH), active(), *hand, *gains, ENERGY_TICKS))
        for hand in product(MASSES, DAMPINGS, STIFFNESSES)
        for gains in GAINS
    )
    yield at_most("energy given to any hand, 1e6 ticks", "mJ", energy, bound)
    told = {device: _restless(device) for device in DEVICES}
    peak = max(float(np.linalg.norm(force, axis=1).max()) / d.peak for d, force in told.items())
    yield at_most("greatest force of any device", "of its peak", peak, 1.0)
    lasting = max(_worst_second(force) / limits_of(d).continuous for d, force in told.items())
    yield at_most("1 s RMS of any device", "of its continuous force", lasting, 1.0)
    yield at_most("force after a fault", "ticks", float(_ticks_of_force(IN_ERROR, 1.0)), 1.0)
    yield at_most("force after State has stopped", "ms", float(_ticks_of_force(None, 0.0)), 70.0)


def active() -> NDArray[np.float64]:
    """The memory of a chain that is active and has told nothing yet."""
    memory = disarmed().copy()
    memory[MODE] = ACTIVE
    return memory


def _restless(device: DeviceLimits) -> FloatArray:
    """Forces told (n, 3) for a law that asks for anything from nothing to 10 kN, in any way."""
    dice = np.random.default_rng(1)
    memory, told = active(), np.zeros((RESTLESS_TICKS, 3))
    sizes = np.repeat(10.0 ** dice.uniform(-1.0, 4.0, RESTLESS_TICKS // 50), 50)
    for n, size in enumerate(sizes):
        seen = _seen(n)
        seen[IN_FORCE : IN_FORCE + 3] = size * dice.normal(0.0, 1.0, 3)
        memory, told[n] = guarded(limits_of(device), memory, seen)
    return told


def _seen(n: int) -> NDArray[np.float64]:
    seen = np.zeros(INPUT)
    seen[IN_TIME] = seen[IN_PUBLISHED] = 0.001 * n
    seen[IN_FLAGS] = ARM
    return seen


def _worst_second(told: FloatArray) -> float:
    total = np.concatenate([[0.0], np.cumsum((told**2).sum(axis=1))])
    return float(np.sqrt((total[1000:] - total[:-1000]).max() / 1000.0))


def _ticks_of_force(place: int | None, value: float) -> int:
    """How many ticks there still is force after `place` of what a tick sees became `value`, or,
    without a place, after State was published for the last time."""
    memory, held, since = active(), 0, 100
    for n in range(since + 200):
        seen = _seen(n)
        seen[IN_FORCE] = 60.0
        if n >= since:
            seen[IN_PUBLISHED] = 0.001 * since if place is None else seen[IN_PUBLISHED]
            if place is not None:
                seen[place] = value
        memory, told = guarded(limits_of(TOUCH), memory, seen)
        held = n - since + 1 if n >= since and told.any() else held
    return held


# An open device


def device_figures(case: Case, library: Path | None) -> Iterator[Held]:
    """Between two ticks of an open device that is not armed, over DEVICE_S; none where no device
    opens. A tick is missed when a ms passes without one."""
    try:
        device = Phantom(*tissue_of(case.patient).read, library)
    except DeviceError as error:
        log.info("no device is timed: %s", error)
        return
    with device:
        times: list[float] = []
        began = perf_counter()
        while perf_counter() - began < DEVICE_S:
            sleep(0.02)
            times += device.served().tolist()
    gaps = 1000.0 * np.diff(times[WARMING:])
    name = device.limits.name
    yield Held(f"between two ticks of the {name}, median", "ms", float(np.median(gaps)))
    yield Held(f"between two ticks of the {name}, p99.9", "ms", float(np.percentile(gaps, 99.9)))
    missed = 100.0 * max(0.0, 1.0 - len(gaps) / float(gaps.sum()))
    yield at_most("ticks it missed", "%", missed, 0.01)
