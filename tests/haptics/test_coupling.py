"""A device's tick against its plain twin, and what the stylus does besides pushing."""

from __future__ import annotations

import numpy as np
import pytest
from plain_coupling import PlainCoupling
from plain_servo import PlainCannula
from tissue_blocks import TOOL, block, law

from haptics.coupling import (
    PATIENT_FROM_DEVICE,
    PUBLISHED,
    SESSION,
    TURN_S,
    TURNING,
    coupling_of,
    published,
    serve,
)
from haptics.device import TOUCH, TOUCH_X, DeviceLimits
from haptics.memory import DEPTH, TAPPED, fresh
from haptics.recorder import empty_ring
from haptics.safety import ARM, IN_AT, IN_SPEED, IN_TIME, INPUT, disarmed, limits_of
from haptics.servo import ROW, ROW_STAGE

LAW = law()
UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))  # the stylus' -z is down in the block
START = (0.0, 0.0, 2.0)


class Served:
    """The kernel on arrays of its own, tick by tick."""

    def __init__(self, device: DeviceLimits, field, turn=UPRIGHT) -> None:
        self.field, self.turn = field, turn
        self.limits, self.coupling = limits_of(device), coupling_of(device)
        self.session, self.memory = np.zeros(SESSION), fresh().copy()
        self.safe, self.ring, self.row = disarmed().copy(), empty_ring(), np.zeros(ROW)
        self.seen, self.told = np.zeros(INPUT), np.zeros(3)
        self.n, self.taps = 0, 0

    def tick(self, at, speed, stylus: np.ndarray, clutched: bool, tap: float = 0.0) -> np.ndarray:
        self.taps += tap > 0
        time = 0.001 * self.n
        state = published(time, ARM, 1, fresh(), START, TOOL, 2, self.turn, taps=self.taps, tap=tap)
        assert state.shape == (PUBLISHED,)
        self.seen[IN_TIME], self.seen[IN_AT : IN_AT + 3] = time, at
        self.seen[IN_SPEED : IN_SPEED + 3] = speed
        transform = np.zeros(16)
        for axis in range(3):
            transform[4 * axis : 4 * axis + 3] = stylus[:, axis]
        serve(
            self.field, LAW, self.limits, self.coupling, state, self.session, self.memory,
            self.safe, self.seen, transform, 2 if clutched else 0, self.told, self.row, self.ring,
        )  # fmt: skip
        self.n += 1
        return self.told


def rolled(angle: float, lean: float = 0.0) -> np.ndarray:
    """A stylus' axes as columns, leaned about y and turned about its own z."""
    c, s = np.cos(angle), np.sin(angle)
    about_z = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    c, s = np.cos(lean), np.sin(lean)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]) @ about_z


@pytest.mark.parametrize(("seed", "device"), [(1, TOUCH), (2, TOUCH_X)])
def test_the_plain_twin_tells_the_same(seed: int, device: DeviceLimits) -> None:
    """A restless hand that pushes in, turns, taps and clutches, through skin into bone."""
    dice, field = np.random.default_rng(seed), block(cortex=0.6)
    served = Served(device, field)
    twin = PlainCoupling(device, PlainCannula(field, LAW, TOOL), np.array(UPRIGHT), np.array(START))
    at, angle, stages = np.zeros(3), 0.0, set()
    for n in range(4000):
        wanted = np.array([0.0, 0.0, -0.02]) + dice.normal(0.0, 0.01, 3)
        at, angle = at + wanted, angle + dice.normal(0.002, 0.002)
        clutched = n % 900 > 860
        tap = 60.0 if n > 1500 and n % 400 == 0 else 0.0
        stylus = rolled(angle, 0.02 * np.sin(0.01 * n))
        told = served.tick(at, 1000.0 * wanted, stylus, clutched, tap)
        plain = twin.tick(0.001 * n, 0.001 * n, at, 1000.0 * wanted, stylus, clutched, tap)
        assert told == pytest.approx(plain, abs=1e-9), n
        assert served.row[:3] == pytest.approx(twin.cannula.tip, abs=1e-9), n
        stages.add(served.row[ROW_STAGE])
    assert stages == {0.0, 1.0, 2.0, 3.0}
    assert np.linalg.norm(served.told) > 0.1


@pytest.mark.parametrize("rate", [0.5, -3.0])
def test_a_stylus_turned_evenly_turns_the_shaft_at_its_rate(rate: float) -> None:
    """Smoothed over TURN_S: within 1 % after five of them, whatever way the stylus leans."""
    served = Served(TOUCH, block())
    for n in range(int(6 * TURN_S * 1000)):
        served.tick(np.zeros(3), np.zeros(3), rolled(0.001 * rate * n, 0.4), False)
    assert served.session[TURNING] == pytest.approx(rate, rel=0.01)


def test_a_tap_does_not_pull_the_hand() -> None:
    """The hand's place goes along with the cannula, so the spring's force stays as it was."""
    served, at = Served(TOUCH, block(cortex=0.6)), np.zeros(3)
    while served.memory[DEPTH] < 35.0:
        at[2] -= 0.02
        served.tick(at, (0.0, 0.0, -20.0), rolled(0.0), False)
    for _ in range(300):
        before = served.tick(at, np.zeros(3), rolled(0.0), False).copy()
    after = served.tick(at, np.zeros(3), rolled(0.0), False, 60.0)
    assert served.memory[TAPPED] > 0.5
    assert after == pytest.approx(before, abs=0.05)


def test_the_patients_frame_for_a_user_at_the_feet() -> None:
    """Device up is posterior, right is the patient's right, towards the user is caudal; a stylus
    that points down goes in anteriorly."""
    served = Served(TOUCH, block(), PATIENT_FROM_DEVICE)
    upright = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    served.tick(np.zeros(3), np.zeros(3), upright, False)
    served.tick((1.0, 2.0, -3.0), np.zeros(3), upright, False)
    assert served.row[:3] == pytest.approx((-1.0, 2.0, 5.0))
    assert served.row[3:6] == pytest.approx((0.0, -1.0, 0.0))
