"""The servo by the wall clock, beside what a game does: python tests/haptics/wall_clock.py --help.

In turns, for a slice each, the compiled servo on the stand-in device and a bare C timer loop wake
up 1000 times a second, while this process draws X-rays and another of its threads runs Python
without a pause. A tick is missed when a millisecond passes without one. The servo may miss at most
twice what the bare loop misses, plus 0.01 %, in the median of three rounds.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from stand_in import Built, StandIn, build, device_running
from tissue_blocks import TOOL, block, law

from game.fluoroscopy.projector import Projector
from game.fluoroscopy.render import render
from game.patient.store import embedded
from game.simulation.step import begin
from game.training.levels import make_case, read_level
from haptics.coupling import published
from haptics.memory import fresh
from haptics.phantom import Phantom
from haptics.safety import ARM, RESET, Mode

TURN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
LEAN_MM = 30.0  # the hand swings this far into the tissue and out of it again


def drawing() -> Callable[[], None]:
    """One X-ray of the embedded patient, on all cores as the room's compute thread draws it."""
    case = make_case(embedded(0), read_level("both-sides"))
    state, projector = begin(case), Projector(case.patient, parallel=True)

    def draw() -> None:
        render(case, state, projector)

    draw()
    return draw


def servo_slice(
    built: Built, device: StandIn, draw: Callable[[], None], seconds: float
) -> tuple[float, int]:
    """Ticks of the servo in so many seconds with a hand that goes in and out: ms passed, ticks."""
    with Phantom(block(cortex=0.6), law(), built.library) as phantom:
        began, before = time.perf_counter(), int(device.get("callbacks"))
        while (passed := time.perf_counter() - began) < seconds:
            flags = RESET if phantom.report().mode is Mode.FAULT else ARM
            now = phantom.now()
            phantom.publish(published(now, flags, 1, fresh(), (0.0, 0.0, 2.0), TOOL, 2, TURN))
            device.put("goal", (0.0, 0.0, -LEAN_MM if passed % 4.0 < 2.0 else 0.0))
            draw()
        return 1000.0 * (time.perf_counter() - began), int(device.get("callbacks")) - before


def timer_slice(
    built: Built, draw: Callable[[], None], seconds: float, realtime: bool
) -> tuple[float, int]:
    """The bare loop's: ms passed, ticks."""
    run_timer = ctypes.CDLL(str(built.timer)).run_timer
    run_timer.argtypes, run_timer.restype = [ctypes.c_int64] * 2, ctypes.c_int64
    found: list[int] = []
    ms = int(1000 * seconds)
    thread = threading.Thread(target=lambda: found.append(run_timer(ms, realtime)))
    began = time.perf_counter()
    thread.start()
    while thread.is_alive():
        draw()
    thread.join()
    return min(1000.0 * (time.perf_counter() - began), float(ms)), found[0]


def busy(stop: threading.Event) -> None:
    """Python without a pause."""
    while not stop.is_set():
        sum(range(1000))


def rounds(minutes: float, slice_s: float, realtime: bool) -> list[tuple[float, float]]:
    """Share of missed ticks of servo and bare loop in three rounds that last so long together."""
    stop, draw, found = threading.Event(), drawing(), []
    with TemporaryDirectory() as folder:
        built = build(Path(folder))
        threading.Thread(target=busy, args=(stop,), daemon=True).start()
        try:
            with device_running(built, wall=True, realtime=realtime) as device:
                servo_slice(built, device, draw, 2.0)  # compiled before it counts
                for _ in range(3):
                    found.append(one_round(built, device, draw, minutes / 3, slice_s, realtime))
        finally:
            stop.set()
    return found


def one_round(
    built: Built, device: StandIn, draw: Callable[[], None], minutes: float, slice_s: float,
    realtime: bool,
) -> tuple[float, float]:  # fmt: skip
    passed, ticks = [0.0, 0.0], [0, 0]
    for _ in range(max(1, round(minutes * 60.0 / (2.0 * slice_s)))):
        for which, part in enumerate((
            servo_slice(built, device, draw, slice_s),
            timer_slice(built, draw, slice_s, realtime),
        )):  # fmt: skip
            passed[which] += part[0]
            ticks[which] += part[1]
    servo, timer = (max(0.0, 1.0 - t / p) for t, p in zip(ticks, passed, strict=True))
    print(json.dumps({"realtime": realtime, "servo": servo, "timer": timer}), flush=True)
    return servo, timer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="wall clock of three rounds")
    parser.add_argument("--slice", type=float, default=20.0, help="seconds before turns change")
    parser.add_argument("--realtime", action="store_true", help="both under SCHED_FIFO")
    asked = parser.parse_args()
    found = rounds(asked.minutes, asked.slice, asked.realtime)
    servo, timer = (median(share) for share in zip(*found, strict=True))
    allowed = 2.0 * timer + 1e-4
    verdict = "within" if servo <= allowed else "BEYOND"
    print(f"missed: servo {servo:.4%}, bare loop {timer:.4%}; {verdict} {allowed:.4%}")


if __name__ == "__main__":
    main()
