"""The doctor finds the device, or says what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stand_in import Built, build, device_running


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("doctor"))


def doctor(*options: str, **env: str) -> tuple[int, dict[str, dict[str, object]]]:
    """The exit status, and the findings by name."""
    command = [sys.executable, "-c", "from game.cli import main; main()", "doctor", "--json"]
    result = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    assert result.stderr == ""
    return result.returncode, {row["what"]: row for row in json.loads(result.stdout)}


def test_a_device_that_is_there(built: Built) -> None:
    with device_running(built) as device:
        _, found = doctor("--library", str(built.library))
        assert found["device"] == {
            "what": "device", "there": True, "say": "Stand-in Touch", "needed": "device",
        }  # fmt: skip
        assert not device.get("forces_on")


def test_a_device_that_refuses(built: Built) -> None:
    with device_running(built) as device:
        device.put("fail_init", 1)
        _, found = doctor("--library", str(built.library))
        assert found["driver"]["there"] and not found["device"]["there"]
        assert "0x301" in str(found["device"]["say"])


def test_a_licence_that_is_missing(built: Built) -> None:
    with device_running(built) as device:
        device.put("error", 0x600)
        _, found = doctor("--library", str(built.library))
        assert not found["device"]["there"]
        assert "invalid licence" in str(found["device"]["say"])


def test_a_driver_that_is_not_there() -> None:
    _, found = doctor("--library", str(Path("nowhere") / "libHD.so"))
    assert not found["driver"]["there"]
    assert "nowhere/libHD.so" in str(found["driver"]["say"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="DISPLAY is X11's")
def test_the_exit_status_is_mouse_plays() -> None:
    without, found = doctor(DISPLAY="")
    assert without == 1 and not found["display"]["there"]
    there, found = doctor(DISPLAY=":99")
    needed = [row["there"] for row in found.values() if row["needed"] == "mouse play"]
    assert there == (0 if all(needed) else 1)
