"""A person's case with a device in the hand: the real package and driver on the stand-in device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stand_in import Built, StandIn, build, device_running

from blocks import block_case, block_patient
from game.cli.devices import in_hand
from game.errors import BadInput
from game.records.replay import replay
from game.scene.sitting import Sitting
from game.scene.wishes import Inputs, Wish
from game.simulation.clock import TICK, servo_ticks
from game.simulation.control import ServoReport
from game.simulation.state import ServoView
from game.training.hands import NOTHING_ASKED, Asked, HeldHand, MouseHand
from game.training.stylus import ARMING, Stylus
from game.training.tissue import Tissue, tissue_field, tissue_law
from haptics.device import TOUCH
from haptics.phantom import Phantom

# The stylus held upright by a user at the feet: its z axis, tip to hand, is the device's up
UPRIGHT = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
ABOVE = ServoView(
    tip=(30.0, 63.0, -60.0), direction=(0.0, -1.0, 0.0), radius=1.525, length=125.0, stylet=True,
    bone_entry=None, track=(), plunger_mpa=0.0, bore=2.39,
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("stand-in"))


@pytest.fixture(scope="module")
def tissue() -> Tissue:
    return Tissue(tissue_field(block_patient()), tissue_law())


@pytest.fixture
def device(built: Built) -> Iterator[StandIn]:
    with device_running(built) as running:
        running.put("transform", UPRIGHT)
        running.put("damping", 13.0)  # N s/m, critical: a hand that does not swing
        yield running


class Play:
    """Simulation ticks with the device's virtual time beside them."""

    def __init__(self, device: StandIn, hand: HeldHand) -> None:
        self.device, self.hand, self.time = device, hand, 0
        self.reports: list[ServoReport] = []

    def run(self, ticks: int, asked: Asked = NOTHING_ASKED) -> ServoReport:
        for n in range(ticks):
            self.time += TICK
            self.device.run(servo_ticks(self.time))
            self.hand, report = self.hand.tick(self.time, asked if n == 0 else NOTHING_ASKED)
            self.reports.append(report)
        return self.reports[-1]

    def arm(self) -> None:
        self.device.put("buttons", ARMING)
        self.run(6)
        self.device.put("buttons", 0)
        self.run(70)

    def events(self) -> list[str]:
        return [event.kind for report in self.reports for event in report.events]


@pytest.fixture
def play(built: Built, device: StandIn, tissue: Tissue) -> Iterator[Play]:
    phantom = Phantom(*tissue.read, built.library, wall_clock=False)
    stylus = Stylus(phantom)
    yield Play(device, stylus.take(tissue, ABOVE))
    stylus.close()


def test_the_tip_goes_where_the_stylus_goes(play: Play) -> None:
    assert play.run(4).tip == pytest.approx(ABOVE.tip)
    play.device.put("goal", (5.0, 2.0, -10.0))
    report = play.run(60)
    assert report.tip == pytest.approx((25.0, 65.0, -50.0), abs=0.05)
    assert report.direction == pytest.approx((0.0, -1.0, 0.0))


def test_a_person_arms_it_feels_flesh_and_is_told_what_the_force_was(play: Play) -> None:
    play.run(3)
    assert "front button" in play.hand.says
    play.arm()
    assert play.hand.says == ""
    play.device.put("goal", (0.0, -20.0, 0.0))
    report = play.run(120)
    assert play.events() == ["skin"]
    assert report.tip[1] < 58.0
    assert report.mean_force > 0.5
    assert 0.05 < play.device.get("motor")[1] < TOUCH.peak
    assert 0.0 < play.hand.resistance < 1.0
    assert all(r.events[0].time % 3 == 0 for r in play.reports if r.events)


def test_a_fault_is_told_and_cleared_by_the_button(play: Play) -> None:
    play.arm()
    play.device.put("error", 0x201)
    play.run(3)
    assert "maximum force exceeded" in play.hand.says
    play.run(5)
    play.device.put("buttons", ARMING)
    play.run(5)
    assert "Press the stylus" in play.hand.says  # cleared: the next press arms
    play.device.put("buttons", 0)
    play.run(3)
    play.arm()
    assert play.hand.says == ""


def test_time_that_runs_faster_leaves_the_cannula_where_it_is(play: Play) -> None:
    still = play.run(10)
    for _ in range(20):
        play.hand, report = play.hand.tick(play.time)
        assert (report.tip, report.direction) == (still.tip, still.direction)


def test_another_cannula_begins_where_it_is_and_not_at_the_old_one(
    play: Play, tissue: Tissue
) -> None:
    play.run(10)
    assert isinstance(play.hand.stylus, Stylus)
    play.hand = play.hand.stylus.take(tissue, replace(ABOVE, tip=(-30.0, 63.0, -40.0)))
    began = len(play.reports)
    play.run(10)
    tips = np.array([report.tip for report in play.reports[began:]])
    np.testing.assert_allclose(tips, [(-30.0, 63.0, -40.0)] * 10, atol=0.01)


def test_a_tap_drives_the_needle_on(play: Play) -> None:
    play.arm()
    play.device.put("goal", (0.0, -20.0, 0.0))
    before = play.run(120).tip[1]
    after = play.run(6, Asked(taps=1)).tip[1]
    assert 1.0 < before - after < 10.5
    assert np.linalg.norm(play.device.get("motor")) < TOUCH.peak


def test_cement_that_sets_about_it_holds_it(play: Play, tissue: Tissue) -> None:
    play.arm()
    play.device.put("goal", (0.0, -20.0, 0.0))
    report = play.run(120)
    grid = block_patient().bone
    index = np.rint(grid.index_from_point(np.array(report.tip))).astype(int)
    if not all(0 <= i < n for i, n in zip(index, grid.shape, strict=True)):
        index = np.array(grid.shape) // 2
    voxel = int(np.ravel_multi_index(tuple(index), grid.shape))
    told = play.hand.told(replace(ABOVE, set_cement=np.array([voxel])))
    assert told is not play.hand
    assert told.told(replace(ABOVE, set_cement=np.array([voxel]))) is told
    play.hand = told
    assert play.run(10).tip == pytest.approx(report.tip, abs=0.5)


def test_a_persons_session_with_a_device_plays_again_bit_by_bit(
    built: Built, device: StandIn, tissue: Tissue
) -> None:
    stylus = Stylus(Phantom(*tissue.read, built.library, wall_clock=False))
    case = block_case()
    sitting = Sitting(case, hold=stylus.take)
    sitting.frame(1 / 60, Inputs(pressed=("t",)), None)

    def run(ticks: int) -> None:
        for _ in range(ticks):
            device.run(servo_ticks(sitting.state.time + TICK))
            sitting.tick(Wish())

    run(3)
    device.put("buttons", ARMING)
    run(6)
    assert any("front button" in line.text for line in sitting.log)
    device.put("buttons", 0)
    run(70)
    device.put("goal", (0.0, -95.0, 0.0))
    run(200)
    assert sitting.state.cannulas["left"].stage == "tissue"
    assert sitting.force > 0.1
    session, _ = sitting.close()
    stylus.close()
    again = replay(session, case)
    assert again.difference is None
    assert len(session.digests) >= 4


def test_auto_takes_the_mouse_where_no_device_opens_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tissue: Tissue
) -> None:
    missing = tmp_path / "libHD.so"
    with in_hand(block_case(), "auto", missing, "beveled", tmp_path) as take:
        hand = take(tissue, ABOVE)
    assert isinstance(hand, MouseHand)
    assert "mouse and keyboard" in capsys.readouterr().err
    opening = in_hand(block_case(), "phantom", missing, "diamond", tmp_path)
    with pytest.raises(BadInput, match="sacrosim doctor"), opening:
        pass


def test_a_device_that_is_asked_for_is_opened_and_let_go(
    built: Built, tmp_path: Path, tissue: Tissue
) -> None:
    with device_running(built, wall=True) as device:
        device.put("transform", UPRIGHT)
        with in_hand(block_case(), "phantom", built.library, "diamond", tmp_path) as take:
            hand = take(tissue, ABOVE)
            for n in range(5):
                hand, _ = hand.tick((n + 1) * TICK)
            assert device.get("open") == 1
        assert (device.get("open"), device.get("started")) == (0, 0)
        assert not device.get("force").any()
