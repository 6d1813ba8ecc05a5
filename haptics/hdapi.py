"""3D Systems' C library as pyOpenHaptics 1.0.1 loads it, and what is called of it at 1 kHz.

The wheel loads libHD at import, compares a failed init with the wrong value, raises KeyError for
codes it does not know, prints, and has no getter for position and velocity. So it is imported when
a device is wanted and not before; what a tick needs is bound here as C functions that numba calls
without the GIL; errors are read as the struct that they are.
"""

from __future__ import annotations

import ctypes
import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

BUTTONS, POSITION, VELOCITY, TRANSFORM, FORCE = 0x2000, 0x2050, 0x2051, 0x2052, 0x2700
BAD_HANDLE = 0xFFFFFFFF
ERRORS = {
    0x100: "invalid code", 0x101: "invalid value", 0x102: "invalid operation",
    0x103: "invalid operation", 0x104: "bad handle", 0x200: "warm motors",
    0x201: "maximum force exceeded", 0x202: "maximum force impulse exceeded",
    0x203: "maximum velocity exceeded", 0x204: "force error", 0x300: "device fault",
    0x301: "device already in use", 0x302: "no communication with the device",
    0x303: "communication is not configured", 0x304: "timer error", 0x400: "illegal begin",
    0x401: "illegal end", 0x402: "frame error", 0x500: "invalid priority",
    0x501: "scheduler full", 0x600: "invalid licence",
}  # fmt: skip


class DeviceError(OSError):
    """The device or its driver is missing or does not answer; one line that says what and why."""


class Calls(NamedTuple):
    """The C functions of one tick. `get_error` gives the code in the low 32 bits of an int64 where
    a 12-byte struct comes back in registers (System V, AArch64); elsewhere it takes the struct's
    address."""

    begin_frame: Any
    end_frame: Any
    get_doubles: Any
    get_integers: Any
    set_doubles: Any
    get_error: Any


def said(code: int) -> str:
    """An error code in words."""
    return f"{ERRORS.get(code, 'unknown error')} (0x{code:x})"


def driver(library: Path | None = None) -> ModuleType:
    """The package, its library loaded from `library` where one is given. Raises DeviceError."""
    if library is not None:
        try:
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise DeviceError(f"the driver library {library} does not load ({error})") from None
    try:
        return import_module("pyOpenHaptics.hd")
    except ImportError as error:
        raise DeviceError(f"the package pyopenhaptics is missing ({error})") from None
    except OSError as error:
        raise DeviceError(f"3D Systems' driver is missing ({error})") from None
    except NameError:
        raise DeviceError(f"pyopenhaptics has no driver for {sys.platform}") from None


def bound(package: ModuleType) -> Calls:
    """The functions of a tick, on a handle of their own: the package sets types on its own one."""
    library = ctypes.CDLL(package._lib_hd._name)
    code, address = ctypes.c_uint32, ctypes.c_void_p
    by_address = sys.platform == "win32"
    kinds = {
        "hdBeginFrame": ([code], None),
        "hdEndFrame": ([code], None),
        "hdGetDoublev": ([code, address], None),
        "hdGetIntegerv": ([code, address], None),
        "hdSetDoublev": ([code, address], None),
        "hdGetError": ([address] if by_address else [], None if by_address else ctypes.c_int64),
    }
    for name, (takes, gives) in kinds.items():
        function = getattr(library, name)
        function.argtypes, function.restype = takes, gives
    return Calls(*(getattr(library, name) for name in kinds))


def error_code(package: ModuleType) -> int:
    """The driver's pending error, 0 for none, whatever its number."""
    return int(package._get_error().errorCode)


@contextmanager
def quiet() -> Iterator[None]:
    """What the package prints goes to the log."""
    heard = io.StringIO()
    try:
        with redirect_stdout(heard):
            yield
    finally:
        for line in heard.getvalue().splitlines():
            log.debug("pyopenhaptics: %s", line)


def opened(package: ModuleType, name: str) -> int:
    """The handle of the device of that name; raises DeviceError where it cannot be opened."""
    with quiet():
        handle = package.init_device(name)
    code = error_code(package)
    if handle in (None, BAD_HANDLE) or code != 0:
        raise DeviceError(f"the device {name!r} does not open: {said(code)}")
    return int(handle)
