"""3D Systems devices (Touch, Phantom Omni, Touch X, Premium) through pyOpenHaptics 1.0.1.

The driver's own 1 kHz thread runs the servo as a compiled C function: no GIL, no exception, every
frame closed, a finite and guarded force. It reads what was published last and writes into rings;
neither side waits for the other. Slots are written before their number is, and there are more of
them than either side can be behind while it copies one.
"""

from __future__ import annotations

import atexit
import logging
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from haptics.coupling import CLUTCHED, PUBLISHED, SESSION, coupling_of
from haptics.device import (
    DEVICES,
    PHANTOM_OMNI,
    TOUCH,
    TOUCH_X,
    DeviceLimits,
    HapticDevice,
    Report,
)
from haptics.hdapi import DeviceError, bound, driver, error_code, opened, quiet, said
from haptics.law import TissueLaw
from haptics.memory import fresh
from haptics.recorder import Ring, empty_ring, write_out
from haptics.safety import DISARM, FAULT, IN_TIME, INPUT, MODE, Fault, Mode, disarmed, limits_of
from haptics.servo import ROW
from haptics.tissue import TissueField

log = logging.getLogger(__name__)

SLOTS = 8
ROWS = 4096  # servo ticks that a reader may be late, 4 s
CLOSING_TICKS = 30  # ms of zero force before the scheduler stops, facts/haptics.md
CLOSING_S = 0.2  # a driver that does not call any more is not waited for longer

# Places among the shared whole numbers
SLOT, TICKS, BUTTONS, FINISH, STILL, DONE, ERROR = 0, 1, 2, 3, 4, 5, 6
CLOCK = 8  # 2 values
FIELD = 10  # addresses of the field's 8 arrays, shapes of its 2 grids
INTEGERS = FIELD + 14


class Shared(NamedTuple):
    """Everything that the callback reads and writes; kept alive as long as the device is open."""

    integers: NDArray[np.int64]
    states: NDArray[np.float64]
    session: NDArray[np.float64]
    cannula: NDArray[np.float64]
    cannulas: NDArray[np.float64]
    safe: NDArray[np.float64]
    seen: NDArray[np.float64]
    transform: NDArray[np.float64]
    told: NDArray[np.float64]
    rows: NDArray[np.float64]
    ring: Ring
    spacings: NDArray[np.float64]


def limits_for(model: str) -> DeviceLimits:
    """The device table's line for a driver's model name; the weakest where it is not known."""
    plain = model.lower().replace("3d systems", "").replace("phantom", "").strip()
    if plain in ("desktop", "touch x", "touchx"):
        return TOUCH_X
    if plain.startswith("omni"):
        return PHANTOM_OMNI
    return next((device for device in DEVICES if device.name.lower() == plain), TOUCH)


def _shared() -> Shared:
    return Shared(
        np.zeros(INTEGERS, np.int64), np.zeros((SLOTS, PUBLISHED)), np.zeros(SESSION),
        fresh().copy(), np.tile(fresh(), (SLOTS, 1)), disarmed().copy(), np.zeros(INPUT),
        np.zeros(16), np.zeros(3), np.zeros((ROWS, ROW)), empty_ring(), np.zeros(2),
    )  # fmt: skip


def _begin(shared: Shared, field: TissueField) -> TissueField:
    """Shared arrays as at the first tick, in that field; its arrays, to be kept alive."""
    for array in (*shared[:10], *shared.ring):
        array[...] = 0
    shared.cannula[:] = fresh()
    shared.cannulas[:] = fresh()
    kept = field._replace(
        codes=np.ascontiguousarray(field.codes, np.uint8),
        layers=np.ascontiguousarray(field.layers, np.uint8),
        hounsfield=np.ascontiguousarray(field.hounsfield, np.int16),
        body_origin=np.ascontiguousarray(field.body_origin, np.float64),
        distance=np.ascontiguousarray(field.distance, np.float32),
        cortex=np.ascontiguousarray(field.cortex, np.float32),
        bone_origin=np.ascontiguousarray(field.bone_origin, np.float64),
        over=np.array(field.over, np.uint8, order="C"),  # its own: cement sets while it is read
    )
    arrays = [value for value in kept if isinstance(value, np.ndarray)]
    shared.integers[FIELD:] = (
        *(array.ctypes.data for array in arrays), *kept.codes.shape, *kept.distance.shape
    )  # fmt: skip
    shared.spacings[:] = kept.body_spacing, kept.bone_spacing
    return kept


# Compiled callbacks with their arrays, while no device uses them: compiling takes seconds
_idle: dict[tuple[object, ...], tuple[Shared, Any]] = {}


class Phantom(HapticDevice):
    """One open device. `publish` what State says, read a `report`, `close` it (or use `with`).

    `library` is libHD where the system does not find it; `wall_clock` False counts a tick as 1 ms,
    for a device in virtual time; `record` is where the last minute goes on a fault. Raises
    DeviceError where package, driver or device are missing or refuse.
    """

    def __init__(
        self, field: TissueField, law: TissueLaw, library: Path | None = None,
        name: str = "Default Device", wall_clock: bool = True, record: Path | None = None,
    ) -> None:  # fmt: skip
        self._package = driver(library)
        self._handle = opened(self._package, name)
        self._open, self._read, self._record, self._published = True, 0, record, 0
        self._timed = 0
        self._wall_clock = wall_clock
        self.limits = limits_for(self._package.get_model() or "")
        self._key = (law, self.limits, self._handle, wall_clock)
        idle = self._key in _idle
        self._shared, self._callback = _idle.pop(self._key) if idle else self._compiled(law)
        self._field = _begin(self._shared, field)
        self._start()

    def _compiled(self, law: TissueLaw) -> tuple[Shared, Any]:
        from haptics.callback import compiled

        shared = _shared()
        return shared, compiled(
            shared, law, limits_of(self.limits), coupling_of(self.limits), bound(self._package),
            self._handle, self._wall_clock,
        )  # fmt: skip

    def _start(self) -> None:
        from pyOpenHaptics.hd_callback import hdAsyncSheduler  # the package's own spelling

        atexit.register(self.close)  # and so it is kept while the driver's thread calls it
        with quiet():
            self._package.enable_force()
            hdAsyncSheduler(self._callback.ctypes)
            self._package.start_scheduler()
        if (code := error_code(self._package)) != 0:
            self.close()
            raise DeviceError(f"the device does not start: {said(code)}")

    def __enter__(self) -> Phantom:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def now(self) -> float:
        """s, on the clock that the servo reads."""
        if not self._wall_clock:
            return int(self._shared.integers[TICKS]) * 0.001
        return time.perf_counter() if sys.platform == "win32" else time.monotonic()

    def harden(self, over: NDArray[np.uint8]) -> None:
        """Cement has set; ValueError for another shape than the field's."""
        if over.shape != self._field.over.shape:
            raise ValueError(f"tissue of shape {over.shape}; allowed is {self._field.over.shape}")
        self._field.over[...] = over

    def publish(self, state: NDArray[np.float64]) -> None:
        """Give the servo a new state (haptics.coupling.published); ValueError for another shape."""
        if state.shape != (PUBLISHED,):
            raise ValueError(f"a state of shape {state.shape}; allowed is ({PUBLISHED},)")
        self._published += 1
        self._shared.states[self._published % SLOTS] = state
        self._shared.integers[SLOT] = self._published % SLOTS

    def served(self) -> NDArray[np.float64]:
        """When the servo's ticks since the last call of this began, s, the newest 60 s at most."""
        written, ring = int(self._shared.ring.written[0]), self._shared.ring
        first = max(self._timed, written - len(ring.lines) + SLOTS)
        self._timed = written
        return np.array(ring.lines[np.arange(first, written) % len(ring.lines), IN_TIME])

    def report(self) -> Report:
        """What happened since the last report; after a fault the last minute is written out."""
        shared = self._shared
        ticks = int(shared.integers[TICKS])
        first = max(self._read, ticks - ROWS + SLOTS)
        rows, self._read = shared.rows[np.arange(first, ticks) % ROWS], ticks
        memory = shared.cannulas[ticks % SLOTS].copy()
        memory.flags.writeable = False
        mode = Mode(int(shared.safe[MODE]))
        if mode is Mode.FAULT and self._record is not None:
            self._keep(self._record)
            self._record = None
        return Report(
            rows, memory, mode, Fault(int(shared.safe[FAULT])), int(shared.integers[ERROR]),
            int(shared.integers[BUTTONS]), bool(shared.session[CLUTCHED]),
        )  # fmt: skip

    def _keep(self, path: Path) -> None:
        try:
            write_out(self._shared.ring, limits_of(self.limits), path)
        except OSError as error:  # the hand's safety does not hang on a full disk
            log.warning("the device's last minute is not kept: %s", error)

    def close(self) -> None:
        """Zero force for 30 ticks, then stop; does nothing when closed already."""
        if not self._open:
            return
        self._open = False
        self._shared.integers[FINISH] = DISARM
        end = time.perf_counter() + CLOSING_S
        while self._shared.integers[DONE] == 0 and time.perf_counter() < end:
            time.sleep(0.001)
        with quiet():
            self._package.stop_scheduler()
            self._package.close_device(self._handle)
        atexit.unregister(self.close)
        _idle[self._key] = self._shared, self._callback
