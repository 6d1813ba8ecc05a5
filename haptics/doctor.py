"""Whether a haptic device can be used on this machine, and if not, what is missing.

Where 3D Systems' Linux driver keeps its settings and which device files it opens is its makers'
convention, not documented in a place that a test could hold it to.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from haptics.hdapi import DeviceError, driver, error_code, opened, quiet

WHEEL = "1.0.1"
SETTINGS = "GTDD_HOME"  # the driver's own variable; ~/.3dsystems where it is not set
DEVICE_FILES = ("ttyACM*", "fw[0-9]*")  # USB and FireWire devices


@dataclass(frozen=True)
class Finding:
    """One thing looked for: `what`, whether it is `there`, what there is to `say` about it, and
    what it is `needed` for."""

    what: str
    there: bool
    say: str
    needed: str = "device"


def device_findings(library: Path | None = None) -> list[Finding]:
    """Package, driver, the libraries it wants, its settings, device files, and the device itself;
    `library` is libHD where the system does not find it."""
    found = [_package(), _driver(library)]
    if sys.platform.startswith("linux"):
        found += [library_finding("libGLU.so.1", "libglu1-mesa"), _settings(), _files()]
    return [*found, _device(library)]


def library_finding(name: str, package: str, needed: str = "device") -> Finding:
    """A shared library, and the Debian package that has it."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return Finding(name, False, f"missing; on Debian: apt-get install {package}", needed)
    return Finding(name, True, "loads", needed)


def _package() -> Finding:
    try:
        there = version("pyopenhaptics")
    except PackageNotFoundError:
        return Finding("pyopenhaptics", False, f"missing; pip install pyopenhaptics=={WHEEL}")
    wanted = f"{there}" if there == WHEEL else f"{there}; only {WHEEL} is known to work"
    return Finding("pyopenhaptics", there == WHEEL, wanted)


def _driver(library: Path | None) -> Finding:
    name = str(library or ("HD.dll" if sys.platform == "win32" else "libHD.so"))
    try:
        ctypes.CDLL(name)
    except OSError as error:
        return Finding("driver", False, f"{error}; install 3D Systems' OpenHaptics and its driver")
    return Finding("driver", True, f"{name} loads")


def _settings() -> Finding:
    folder = Path(os.environ.get(SETTINGS) or Path.home() / ".3dsystems")
    if folder.is_dir():
        return Finding("driver's settings", True, str(folder))
    return Finding("driver's settings", False, f"{folder} is missing; run Touch_Setup once")


def _files() -> Finding:
    files = sorted(file for pattern in DEVICE_FILES for file in Path("/dev").glob(pattern))
    if not files:
        return Finding("device file", False, "no /dev/ttyACM* (USB) or /dev/fw* (FireWire)")
    shut = [str(file) for file in files if not os.access(file, os.R_OK | os.W_OK)]
    if shut:
        return Finding("device file", False, f"no permission to use {', '.join(shut)}; "
                       "join its group (dialout), or add a udev rule")  # fmt: skip
    return Finding("device file", True, ", ".join(map(str, files)))


def _device(library: Path | None) -> Finding:
    """Open it and close it again, without force."""
    try:
        package = driver(library)
        handle = opened(package, "Default Device")
    except DeviceError as error:
        return Finding("device", False, str(error))
    with quiet():
        model, vendor = package.get_model(), package.get_vendor()
        package.close_device(handle)
    code = error_code(package)
    return Finding("device", code == 0, f"{vendor} {model}".strip() or "answers")
