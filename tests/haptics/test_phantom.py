"""The real package, unchanged, and the driver on it, against the stand-in device."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stand_in import WATCHDOG_TICKS, Built, StandIn, build, device_running, wait_for
from tissue_blocks import TOOL, block, law

from haptics.coupling import PATIENT_FROM_DEVICE, published
from haptics.device import DEVICES, TOUCH
from haptics.hdapi import ERRORS, DeviceError, said
from haptics.memory import fresh, insertion_of
from haptics.phantom import Phantom, limits_for
from haptics.recorder import first_difference
from haptics.safety import ARM, RESET, Fault, Mode

LAW = law()
# Device axes onto LPS as a stylus held upright over the block needs them: its -z is down
TURN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
START = (0.0, 0.0, 2.0)
CALM = 13.0  # N s/m: critical for the stand-in's hand
SYMBOLS = """hdInitDevice hdDisableDevice hdGetCurrentDevice hdBeginFrame hdEndFrame hdEnable
hdGetDoublev hdGetIntegerv hdSetDoublev hdGetString hdGetError hdStartScheduler hdStopScheduler
hdScheduleAsynchronous hdScheduleSynchronous"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("stand-in"))


@pytest.fixture
def device(built: Built) -> Iterator[StandIn]:
    with device_running(built) as running:
        yield running


def opened(built: Built, **options) -> Phantom:
    return Phantom(block(cortex=1.5), LAW, built.library, wall_clock=False, **options)


def publish(phantom: Phantom, flags: int = ARM, generation: int = 1) -> None:
    phantom.publish(published(phantom.now(), flags, generation, fresh(), START, TOOL, 2, TURN))


def run(device: StandIn, phantom: Phantom, ticks: int, flags: int = ARM) -> None:
    """That many ticks, State published every 20 of them."""
    for _ in range(0, ticks, 20):
        publish(phantom, flags)
        device.run(20)


def pressing(device: StandIn, phantom: Phantom) -> None:
    """Armed, and a hand that does not swing leans on the skin and through it."""
    device.put("damping", CALM)
    run(device, phantom, 1200)
    device.put("goal", (0.0, 0.0, -25.0))
    run(device, phantom, 400)
    assert phantom.report().mode is Mode.ACTIVE
    assert device.get("motor")[2] > 0.1


def test_the_library_exports_exactly_the_symbols(built: Built) -> None:
    shown = subprocess.run(
        ["nm", "-D", "--defined-only", built.library], capture_output=True, text=True, check=True
    )
    assert {line.split()[-1] for line in shown.stdout.splitlines()} == set(SYMBOLS.split())


def test_a_hand_feels_skin_and_flesh(built: Built, device: StandIn) -> None:
    with opened(built) as phantom:
        assert phantom.limits == TOUCH
        pressing(device, phantom)
        report = phantom.report()
        assert insertion_of(report.memory).depth > 1.0
        assert np.linalg.norm(device.get("motor")) <= TOUCH.peak
    assert device.get("unbalanced") == 0


def test_virtual_time_is_the_same_every_time(built: Built) -> None:
    def forces() -> list[bytes]:
        with device_running(built) as device, opened(built) as phantom:
            pressing(device, phantom)
            return [device.get(name).tobytes() for name in ("motor", "position", "velocity")]

    assert forces() == forces()


def test_nothing_published_is_no_force(built: Built, device: StandIn) -> None:
    with opened(built) as phantom:
        device.put("goal", (0.0, 0.0, -25.0))
        device.run(100)
        assert not device.get("force").any()
        assert phantom.report().mode is Mode.DISARMED


def test_a_stale_state_is_zero_force_within_70_ms(built: Built, device: StandIn) -> None:
    with opened(built) as phantom:
        pressing(device, phantom)
        publish(phantom)
        device.run(70)
        assert not device.get("motor").any()
        assert phantom.report().mode is Mode.RAMP


CODES = (*ERRORS, 0x7777)  # and one that no header knows


def test_every_error_code_latches_zero_force(built: Built, device: StandIn) -> None:
    with opened(built) as phantom:
        pressing(device, phantom)
        for code in CODES:
            device.put("error", code)
            device.run(1)
            assert not device.get("force").any()
            run(device, phantom, 20)
            report = phantom.report()
            assert not device.get("motor").any()
            assert (report.mode, report.fault, report.error) == (Mode.FAULT, Fault.DRIVER, code)
            run(device, phantom, 20, RESET)
            assert phantom.report().mode is Mode.DISARMED
    assert device.get("unbalanced") == 0


@pytest.mark.parametrize("trouble", ["hot", "unplugged"])
def test_a_device_in_trouble_is_a_fault(trouble: str, built: Built, device: StandIn) -> None:
    with opened(built) as phantom:
        pressing(device, phantom)
        device.put(trouble, 1)
        device.run(2)
        assert phantom.report().fault is Fault.DRIVER
        assert not device.get("force").any()


def test_an_unbalanced_frame_is_a_fault(built: Built, device: StandIn) -> None:
    """Somebody else's frame is open when ours begins: the driver says 0x400, the force is zero."""
    with opened(built) as phantom:
        pressing(device, phantom)
        device.put("unbalance", 1)
        device.run(1)
        assert not device.get("force").any()
        device.run(1)
        report = phantom.report()
        assert (report.fault, report.error) == (Fault.DRIVER, 0x400)
        assert device.get("unbalanced") == 1
        run(device, phantom, 40)
        assert device.get("unbalanced") == 1  # ours are balanced all the while


def test_a_jittering_scheduler_is_borne_until_it_is_too_late(built: Built) -> None:
    """Some ms late: the force stays within the peak, whatever is felt. Beyond the 65 ms of a stale
    hand: a fault, and no force."""
    with device_running(built, wall=True) as device:
        device.put("jitter_us", 4000)
        with Phantom(block(cortex=1.5), LAW, built.library) as phantom:
            lean(device, phantom)
            for _ in range(50):
                publish(phantom)
                time.sleep(0.01)
                assert np.linalg.norm(device.get("force")) <= TOUCH.peak
            device.put("jitter_us", 400_000)
            wait_for(lambda: phantom.report().fault is Fault.LATE, 30.0)
            assert not device.get("force").any()
    assert device.get("unbalanced") == 0


def test_a_position_that_is_no_number(built: Built, device: StandIn) -> None:
    with opened(built) as phantom:
        pressing(device, phantom)
        device.put("goal", (np.nan, 0.0, 0.0))
        device.run(2)
        assert phantom.report().fault is Fault.NOT_A_NUMBER
        assert not device.get("force").any()


def test_a_stalled_scheduler_is_the_hardwares_to_stop(built: Built, device: StandIn) -> None:
    with opened(built) as phantom:
        pressing(device, phantom)
        device.put("stall", 1)
        device.run(WATCHDOG_TICKS + 1)
        assert not device.get("motor").any()
        device.put("stall", 0)


def test_the_clutch_moves_the_hand_alone(built: Built, device: StandIn) -> None:
    with opened(built) as phantom:
        pressing(device, phantom)
        device.put("buttons", 2)
        run(device, phantom, 20)
        tip = phantom.report().rows[-1, :3]
        device.put("goal", (10.0, 0.0, 5.0))
        run(device, phantom, 400)
        report = phantom.report()
        assert report.clutched and not device.get("motor").any()
        assert report.rows[-1, :3] == pytest.approx(tip, abs=1.0)  # the spring relaxes, no more
        assert np.linalg.norm(device.get("position")[:2]) > 5.0


def test_a_failed_init_is_seen(built: Built, device: StandIn, capsys) -> None:
    device.put("fail_init", 1)
    with pytest.raises(DeviceError, match="does not open"):
        opened(built)
    assert capsys.readouterr().out == ""


def test_zero_force_for_30_ms_before_the_end_and_no_prints(built: Built, capsys) -> None:
    with device_running(built, wall=True) as device:
        phantom = Phantom(block(cortex=1.5), LAW, built.library)
        lean(device, phantom)
        before = device.get("callbacks")
        phantom.close()
        assert device.get("callbacks") - before >= 30
        assert not device.get("force").any()
        assert (device.get("started"), device.get("open")) == (0, 0)
        phantom.close()
    assert capsys.readouterr().out == ""


def lean(device: StandIn, phantom: Phantom) -> None:
    """The same push by the wall clock, until there is some force."""

    def going() -> bool:
        """A busy machine may let the servo wait too long: that fault is cleared, and armed anew."""
        report = phantom.report()
        publish(phantom, RESET if report.mode is Mode.FAULT else ARM)
        return bool(device.get("motor")[2] > 0.02)

    device.put("goal", (0.0, 0.0, -15.0))
    wait_for(going, 60.0)


GAME = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from tissue_blocks import TOOL, block, law
from haptics.coupling import PATIENT_FROM_DEVICE, published
from haptics.memory import (fresh)
from haptics.phantom import Phantom
phantom = Phantom(block(cortex=1.5), law(), Path({library!r}))
turn = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
while True:
    # a busy machine may let the servo wait too long: that fault is cleared, and armed anew
    flags = 4 if phantom.report().mode == 3 else 1
    phantom.publish(published(phantom.now(), flags, 1, fresh(), (0.0, 0.0, 2.0), TOOL, 2, turn))
    time.sleep(0.01)
"""


def test_a_killed_game_leaves_no_force(built: Built) -> None:
    """kill -9 with the device active: the device's own watchdog lets go."""
    with device_running(built, wall=True) as device:
        tests = str(Path(__file__).parent)
        code = GAME.format(tests=tests, library=str(built.library))
        game = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
        try:
            wait_for(lambda: device.get("callbacks") > 100, 90.0)
            device.put("goal", (0.0, 0.0, -15.0))
            wait_for(lambda: device.get("motor")[2] > 0.02, 60.0)
        finally:
            game.send_signal(signal.SIGKILL)
            game.wait()
        ticks = device.get("ticks")
        wait_for(lambda: device.get("ticks") > ticks + WATCHDOG_TICKS + 1)
        assert not device.get("motor").any()


def test_a_fault_writes_the_last_minute(built: Built, device: StandIn, tmp_path: Path) -> None:
    kept = tmp_path / "fault.npz"
    with opened(built, record=kept) as phantom:
        pressing(device, phantom)
        assert not kept.exists()
        device.put("error", 0x201)
        device.run(5)
        phantom.report()
    assert first_difference(kept) is None


@pytest.mark.parametrize("device_limits", DEVICES)
def test_models_are_known_by_their_names(device_limits) -> None:
    assert limits_for(device_limits.name) == device_limits
    assert limits_for("PHANTOM " + device_limits.name) == device_limits


def test_an_unknown_model_gets_the_weakest_limits() -> None:
    assert limits_for("A newer one") == TOUCH


def test_codes_in_words() -> None:
    assert said(0x600) == "invalid licence (0x600)"
    assert said(0x7777) == "unknown error (0x7777)"


def test_the_devices_frame_is_turned_and_not_mirrored() -> None:
    turn = np.array(PATIENT_FROM_DEVICE)
    assert turn @ turn.T == pytest.approx(np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert turn @ (0.0, 1.0, 0.0) == pytest.approx((0.0, 1.0, 0.0))  # up is posterior, prone
