"""The servo by the wall clock beside a bare timer loop, under a game's load.

In turns, for a short slice each, the compiled servo on the stand-in device and a bare C timer loop
wake up 1000 times a second, while this process draws X-rays on all cores and another of its threads
runs Python without a pause. A tick is missed when a millisecond passes without one. The servo may
miss at most twice what the bare loop misses, plus 0.01 %, in the median of the rounds; with and
without real-time scheduling of both, whose slices take turns as well, so that all four see the same
load. Needs gcc. Run: python -m benchmarks.haptics_wall_clock [--minutes 10] [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from game.fluoroscopy.projector import Projector
from game.fluoroscopy.render import render
from game.patient.store import embedded
from game.simulation.step import begin
from game.training.levels import make_case, read_level
from haptics.coupling import published
from haptics.memory import fresh
from haptics.phantom import Phantom
from haptics.safety import ARM, RESET, Mode
from tests.haptics.stand_in import Built, StandIn, build, device_running
from tests.haptics.tissue_blocks import TOOL, block, law

TURN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
LEAN_MM = 30.0  # the hand swings this far into the tissue and out of it again
FIELD, LAW = block(cortex=0.6), law()
RATIO, ADDED = 2.0, 1e-4  # of the bare loop's share; what is allowed on top


@dataclass
class Counted:
    """ms that passed and ticks in them, of one loop in one round."""

    ms: float = 0.0
    ticks: int = 0

    def add(self, ms: float, ticks: int) -> None:
        self.ms, self.ticks = self.ms + ms, self.ticks + ticks

    @property
    def missed(self) -> float:
        """Share of the milliseconds without a tick."""
        return max(0.0, 1.0 - self.ticks / self.ms)


@dataclass(frozen=True)
class Verdict:
    """Median shares missed of all rounds, and what the servo may miss."""

    realtime: bool
    servo: float
    timer: float
    allowed: float
    met: bool
    rounds: list[tuple[float, float]]
    minutes: float


def drawing() -> Callable[[], None]:
    """One X-ray of the embedded patient, on all cores as the room's compute thread draws it."""
    case = make_case(embedded(0), read_level("both-sides"))
    state, projector = begin(case), Projector(case.patient, parallel=True)

    def draw() -> None:
        render(case, state, projector)

    draw()
    return draw


def servo_slice(built: Built, device: StandIn, seconds: float) -> tuple[float, int]:
    """The servo's for so many seconds with a hand that goes in and out: ms between its first tick
    and its last, by the servo's own stamps, and the ticks after the first."""
    times: list[float] = []
    with Phantom(FIELD, LAW, built.library) as phantom:
        began = phantom.now()
        while (passed := phantom.now() - began) < seconds:
            flags = RESET if phantom.report().mode is Mode.FAULT else ARM
            now = phantom.now()
            phantom.publish(published(now, flags, 1, fresh(), (0.0, 0.0, 2.0), TOOL, 2, TURN))
            device.put("goal", (0.0, 0.0, -LEAN_MM if passed % 2.0 < 1.0 else 0.0))
            times += phantom.served().tolist()
            time.sleep(1.0 / 60.0)
    return 1000.0 * (times[-1] - times[0]), len(times) - 1


def timer_slice(built: Built, seconds: float, realtime: bool) -> tuple[float, int]:
    """The bare loop's for so many seconds: ms by its own clock, ticks."""
    run_timer = ctypes.CDLL(str(built.timer)).run_timer
    run_timer.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(ctypes.c_int64)]
    run_timer.restype, took, found = ctypes.c_int64, ctypes.c_int64(), []
    ms = int(1000 * seconds)
    thread = threading.Thread(target=lambda: found.append(run_timer(ms, realtime, took)))
    thread.start()
    thread.join()
    return took.value / 1e6, found[0]


@contextmanager
def loaded(nice: int) -> Iterator[None]:
    """A game's load: one thread that draws, and one that runs Python, both without a pause and
    by `nice` less important than the loops."""
    stop, ready = threading.Event(), threading.Barrier(3)

    def again(of: Callable[[], Callable[[], object]]) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
        work = of()
        ready.wait()
        while not stop.is_set():
            work()

    loads = (drawing, lambda: lambda: sum(range(1000)))
    threads = [threading.Thread(target=again, args=(load,)) for load in loads]
    for thread in threads:
        thread.start()
    ready.wait()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def realtime_allowed() -> bool:
    """Whether this machine lets us schedule a thread before all others."""
    found: list[bool] = []

    def tried() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
        except OSError:
            found.append(False)
        else:
            found.append(True)

    thread = threading.Thread(target=tried)
    thread.start()
    thread.join()
    return found[0]


def turn(
    built: Built, seconds: float, realtime: bool, servo_first: bool
) -> tuple[tuple[float, int], tuple[float, int]]:
    """A slice of each loop, the device's process beside both."""
    with device_running(built, wall=True, realtime=realtime) as device:
        bare = None if servo_first else timer_slice(built, seconds, realtime)
        servo = servo_slice(built, device, seconds)
        return servo, bare or timer_slice(built, seconds, realtime)


def one_round(
    built: Built, minutes: float, slice_s: float, kinds: list[bool]
) -> dict[bool, tuple[float, float]]:
    """Shares missed of servo and bare loop by scheduling, `minutes` for each."""
    counted = {kind: (Counted(), Counted()) for kind in kinds}
    for n in range(max(1, round(minutes * 60.0 / (2.0 * slice_s)))):
        for kind in kinds:
            servo, timer = turn(built, slice_s, kind, n % 2 == 0)
            counted[kind][0].add(*servo)
            counted[kind][1].add(*timer)
    return {kind: (servo.missed, timer.missed) for kind, (servo, timer) in counted.items()}


def measured(
    minutes: float, rounds: int, slice_s: float, nice: int, kinds: list[bool]
) -> list[Verdict]:
    """Both loops in turns under load; progress goes to stderr."""
    found: dict[bool, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with TemporaryDirectory() as folder:
        built = build(Path(folder))
        turn(built, 0.5, False, True)  # compiled before it counts
        with loaded(nice):
            for number in range(1, rounds + 1):
                for kind, shares in one_round(built, minutes, slice_s, kinds).items():
                    found[kind].append(shares)
                    print(f"round {number} of {rounds}, {_named(kind)}: servo missed"
                          f" {shares[0]:.4%}, bare loop {shares[1]:.4%}",
                          file=sys.stderr, flush=True)  # fmt: skip
    return [_verdict(kind, found[kind], minutes) for kind in kinds]


def _named(realtime: bool) -> str:
    return "SCHED_FIFO" if realtime else "ordinary"


def _verdict(realtime: bool, rounds: list[tuple[float, float]], minutes: float) -> Verdict:
    servo, timer = (median(share) for share in zip(*rounds, strict=True))
    allowed = RATIO * timer + ADDED
    return Verdict(realtime, servo, timer, allowed, servo <= allowed, rounds, minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of a round, per scheduling")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slice", type=float, default=2.0, help="seconds before turns change")
    parser.add_argument("--nice", type=int, default=0, help="of the load, where others work too")
    parser.add_argument("--json", action="store_true", help="for another program")
    asked = parser.parse_args()
    kinds = [False, True] if realtime_allowed() else [False]
    if len(kinds) == 1:
        print("SCHED_FIFO is not permitted here: only ordinary scheduling", file=sys.stderr)
    verdicts = measured(asked.minutes, asked.rounds, asked.slice, asked.nice, kinds)
    if asked.json:
        print(json.dumps([asdict(verdict) for verdict in verdicts]))
    else:
        for v in verdicts:
            says = "within" if v.met else "BEYOND"
            print(f"{_named(v.realtime)}: servo missed {v.servo:.4%}, bare loop {v.timer:.4%};"
                  f" {says} {v.allowed:.4%}")  # fmt: skip
    sys.exit(0 if all(verdict.met for verdict in verdicts) else 1)


if __name__ == "__main__":
    main()
