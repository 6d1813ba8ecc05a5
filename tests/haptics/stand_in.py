"""The device that tests have: a stand-in libHD built by gcc, and the process that is the device."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SOURCES = Path(__file__).resolve().parent / "device"
NUMBERS = "ticks go", "written served callbacks forces_on open started frames unbalanced scheduled"
FIELDS = np.dtype(
    [("position", "f8", 3), ("velocity", "f8", 3), ("transform", "f8", 16), ("motor", "f8", 3)]
    + [(name, "i8") for name in NUMBERS[0].split()]
    + [("force", "f8", 3)]
    + [(name, "i8") for name in NUMBERS[1].split()]
    + [("mass", "f8"), ("damping", "f8"), ("stiffness", "f8"), ("goal", "f8", 3)]
    + [(name, "i8") for name in ["buttons", "until", "wall", "quit", "watchdog_ticks"]]
    + [
        (name, "i8")
        for name in [
            "fail_init",
            "error",
            "stall",
            "unplugged",
            "hot",
            "jitter_us",
            "unbalance",
            "realtime",
        ]
    ]
)
WATCHDOG_TICKS = 15


@dataclass(frozen=True)
class Built:
    """Where the compiled library and device program are."""

    library: Path
    program: Path
    timer: Path


def build(folder: Path) -> Built:
    """Compile both; skips the test where there is no gcc or no POSIX shared memory."""
    if shutil.which("gcc") is None or not Path("/dev/shm").is_dir():
        pytest.skip("the stand-in device needs gcc and /dev/shm")
    built = Built(folder / "libHD.so", folder / "device", folder / "timer.so")
    flags = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
    shared = ["-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-soname,libHD.so"]
    subprocess.run(
        [*flags, *shared, SOURCES / "libhd.c", "-o", built.library, "-lpthread"], check=True
    )
    subprocess.run([*flags, SOURCES / "device.c", "-o", built.program, "-lpthread"], check=True)
    subprocess.run(
        [*flags, "-shared", "-fPIC", SOURCES / "timer.c", "-o", built.timer, "-lpthread"],
        check=True,
    )
    return built


class StandIn:
    """The shared memory seen from a test; numbers by their names in device/shared.h."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), FIELDS.itemsize)
        self.path, self.all = path, np.frombuffer(self._map, FIELDS)[0:1]

    def get(self, name: str):  # type: ignore[no-untyped-def]
        value = self.all[name][0]
        return value.copy() if isinstance(value, np.ndarray) else value

    def put(self, name: str, value) -> None:  # type: ignore[no-untyped-def]
        self.all[name][0] = value

    def run(self, ticks: int) -> None:
        """Virtual time: let that many ticks pass."""
        until = self.get("ticks") + ticks
        self.put("until", until)
        wait_for(lambda: self.get("ticks") >= until, 10.0 + 0.02 * ticks)


def wait_for(done: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.perf_counter() + seconds
    while not done():
        assert time.perf_counter() < end, f"not within {seconds} s"
        time.sleep(0.001)


@contextmanager
def device_running(built: Built, wall: bool = False, realtime: bool = False) -> Iterator[StandIn]:
    """A device at rest in its centre, held by a hand of 0.15 kg, 3 N s/m, 300 N/m."""
    path = Path(f"/dev/shm/sacrosim-test-{os.getpid()}-{time.monotonic_ns()}")
    path.write_bytes(bytes(FIELDS.itemsize))
    device = StandIn(path)
    for name, value in (("mass", 0.15), ("damping", 3.0), ("stiffness", 300.0), ("wall", wall),
                        ("realtime", realtime),
                        ("watchdog_ticks", WATCHDOG_TICKS)):  # fmt: skip
        device.put(name, value)
    device.put("transform", np.eye(4).ravel())
    process = subprocess.Popen([built.program, path])
    before = os.environ.get("SACROSIM_STAND_IN")
    os.environ["SACROSIM_STAND_IN"] = str(path)
    try:
        yield device
    finally:
        device.put("quit", 1)
        process.wait(5.0)
        path.unlink()
        if before is None:
            del os.environ["SACROSIM_STAND_IN"]
        else:
            os.environ["SACROSIM_STAND_IN"] = before
