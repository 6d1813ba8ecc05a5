"""What playing needs on this machine: the room for mouse and keyboard, a device for touch."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from haptics.doctor import Finding, device_findings, library_finding

MOUSE = "mouse play"


def examine(library: Path | None = None) -> list[Finding]:
    """Everything looked for, the room first; `library` is the device driver's."""
    return [*room_findings(), *device_findings(library)]


def room_findings() -> list[Finding]:
    """What the 3D room needs to open."""
    panda = find_spec("panda3d") is not None
    found = [Finding("panda3d", panda, "installed" if panda else "missing; run `make play`", MOUSE)]
    if sys.platform.startswith("linux"):
        display = os.environ.get("DISPLAY", "")
        found += [
            library_finding("libGL.so.1", "libgl1", MOUSE),
            library_finding("libEGL.so.1", "libegl1", MOUSE),
            Finding("display", bool(display), display or "DISPLAY is not set; needs X11", MOUSE),
        ]
    return found


def playable(findings: list[Finding]) -> bool:
    """Whether mouse and keyboard will do: a missing device stops nobody."""
    return all(finding.there for finding in findings if finding.needed == MOUSE)
