"""What reaches a device: finite, ordered, in its limits, and the last minute of it as it was."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from chain import ACTIVATED, LIMITS, root_mean_square, run, seen
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from plain_safety import PlainChain

from haptics import safety
from haptics.device import DEVICES, TOUCH, DeviceLimits
from haptics.recorder import TICKS, empty_ring, first_difference, guard_and_record, write_out
from haptics.safety import (
    ARM,
    DISARM,
    FAULT,
    GIVEN,
    HOLD,
    IN_AT,
    IN_FLAGS,
    IN_FORCE,
    IN_PUBLISHED,
    IN_TIME,
    INPUT,
    MODE,
    RESET,
    Fault,
    Mode,
    disarmed,
    guard,
    guarded,
    limits_of,
)

devices = st.sampled_from(DEVICES)


# The map


@given(st.floats(0.0, 2000.0), st.floats(0.0, 2000.0), devices)
def test_the_map_keeps_the_order(one: float, other: float, device: DeviceLimits) -> None:
    low, high = sorted((one, other))
    weak, strong = (shown(f, device) for f in (low, high))
    assert 0.0 <= weak <= strong < limits_of(device).continuous
    if high - low > 1e-6:
        assert weak < strong


def shown(force: float, device: DeviceLimits) -> float:
    told = np.array([0.0, 0.0, force])
    safety._compress(limits_of(device).lasting, told)
    return float(told[2])


def test_layers_stay_apart_on_the_weakest_device() -> None:
    """Muscle 3 N, skin 6, cancellous 30, cortex 80, two walls 160: each at least 0.05 N apart."""
    steps = [shown(f, TOUCH) for f in (3.0, 6.0, 30.0, 80.0, 160.0)]
    assert all(b - a > 0.05 for a, b in pairwise(steps))


def test_layers_stay_apart_in_a_long_push() -> None:
    """The same layers, each pushed on for 3 s: what the motors bear still tells them apart."""
    felt = [run(guard, [seen(1100 + n, (f, 0.0, 0.0)) for n in range(3000)], ACTIVATED)[0][-1, 0]
            for f in (3.0, 6.0, 30.0, 80.0, 160.0)]  # fmt: skip
    assert all(b - a > 0.01 for a, b in pairwise(felt)), felt
    assert felt[-1] < 0.88


def test_a_whole_drop_passes_within_two_ticks() -> None:
    before = run(guard, [seen(1100 + n, (800.0, 0.0, 0.0)) for n in range(3)], ACTIVATED)
    told = run(guard, [seen(1103), seen(1104)], before[1])[0]
    assert before[0][-1, 0] > 0.9 * LIMITS.lasting
    assert told[-1] == pytest.approx(0.0, abs=1e-12)


# The states


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"force": (np.nan, 0, 0)}, Fault.NOT_A_NUMBER),
        ({"force": (0, np.inf, 0)}, Fault.NOT_A_NUMBER),
        ({"at": (0, 0, np.nan)}, Fault.NOT_A_NUMBER),
        ({"speed": (-np.inf, 0, 0)}, Fault.NOT_A_NUMBER),
        ({"error": 0x200}, Fault.DRIVER),
        ({"error": 0x7777}, Fault.DRIVER),
        ({"speed": (800, 800, 0)}, Fault.TOO_FAST),
        ({"at": (0, 1.2, 0)}, Fault.TOO_FAST),
    ],
)
def test_a_fault_is_zero_force_the_same_tick_and_stays(wrong, fault: Fault) -> None:
    before = run(guard, [seen(1100 + n, (60.0, 0.0, 0.0)) for n in range(5)], ACTIVATED)
    assert before[0][-1, 0] > 0.7 * LIMITS.lasting
    rows = [seen(1105, **{"force": (60.0, 0.0, 0.0), **wrong})]
    rows += [seen(1106 + n, (60.0, 0.0, 0.0), at=(0, 1.0, 0)) for n in range(1500)]
    told, memory = run(guard, rows, before[1])
    assert not told.any()
    assert (Mode(int(memory[MODE])), Fault(int(memory[FAULT]))) == (Mode.FAULT, fault)


def test_a_servo_that_was_not_called_is_a_fault() -> None:
    told, memory = run(guard, [seen(1200, (60.0, 0.0, 0.0))], ACTIVATED)
    assert Fault(int(memory[FAULT])) is Fault.LATE
    assert not told.any()


def test_a_reset_disarms_and_arming_needs_a_small_force() -> None:
    memory = run(guard, [seen(1100, error=1), seen(1101, flags=RESET)], ACTIVATED)[1]
    assert memory[MODE] == Mode.DISARMED
    memory = run(guard, [seen(1102 + n, (60.0, 0.0, 0.0)) for n in range(9)], memory)[1]
    assert memory[MODE] == Mode.DISARMED
    memory = run(guard, [seen(1111)], memory)[1]
    assert memory[MODE] == Mode.RAMP


@pytest.mark.parametrize(("flags", "mode"), [(HOLD | ARM, Mode.RAMP), (DISARM, Mode.DISARMED)])
def test_a_hold_and_a_disarming_are_zero_force(flags: int, mode: Mode) -> None:
    told, memory = run(guard, [seen(1100, (60.0, 0.0, 0.0), flags=flags)], ACTIVATED)
    assert not told.any()
    assert memory[MODE] == mode


# Anything at all


wild = st.floats(-1e4, 1e4) | st.floats()
row_of_anything = st.tuples(
    st.tuples(*[wild] * 3), st.tuples(*[st.floats(-0.9, 0.9)] * 3),
    st.sampled_from([ARM, ARM, ARM, ARM | HOLD, RESET, 0]), st.sampled_from([0, 0, 0, 0x200]),
    st.integers(1, 4000),
)  # fmt: skip


@njit(nogil=True)
def hold_on(limits, m, row, told, count, forces):  # type: ignore[no-untyped-def]
    for n in range(count):
        guard(limits, m, row, told)
        forces[n] = told
        row[IN_TIME] += 0.001
        row[IN_PUBLISHED] = row[IN_TIME]


@settings(deadline=None)
@given(st.lists(row_of_anything, min_size=1, max_size=12), devices)
def test_whatever_happens_the_limits_hold(stretches, device: DeviceLimits) -> None:
    limits, memory, n, parts = limits_of(device), disarmed().copy(), 0, []
    for force, at, flags, error, count in stretches:
        forces, row = np.empty((count, 3)), seen(n, force, at, flags=flags, error=error)
        hold_on(limits, memory, row, np.empty(3), count, forces)
        n, _ = n + count, parts.append(forces)
    told = np.vstack([np.zeros((1000, 3)), *parts])
    assert np.isfinite(told).all()
    assert np.linalg.norm(told, axis=1).max() <= device.peak
    assert root_mean_square(told) <= limits.continuous * (1 + 1e-12)


# The twin and the recorder


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), devices)
def test_the_plain_twin_tells_the_same(seed: int, device: DeviceLimits) -> None:
    dice, limits, memory = np.random.default_rng(seed), limits_of(device), disarmed().copy()
    chain, x, told = PlainChain(device), np.zeros(3), np.empty(3)
    for n in range(1600):
        force = np.zeros(3) if n == 0 else dice.normal(0, 40, 3) - 5 * x
        x = x + dice.normal(0, 0.1, 3)
        error, hold = int(dice.random() < 1e-4), bool(dice.random() < 1e-4)
        guard(limits, memory, seen(n, force, x, flags=ARM | HOLD * hold, error=error), told)
        plain = chain.tick(0.001 * n, 0.001 * n, x, np.zeros(3), force, hold=hold, error=error)
        assert told == pytest.approx(plain, abs=1e-9)
    assert memory[GIVEN] == pytest.approx(chain.given, abs=1e-9)


def test_a_tick_leaves_what_it_was_given() -> None:
    before, row = ACTIVATED.copy(), seen(1100, (9.0, 0.0, 0.0))
    one, two = (guarded(LIMITS, ACTIVATED, row) for _ in range(2))
    assert (before == ACTIVATED).all()
    assert (one[0] == two[0]).all() and (one[1] == two[1]).all()
    with pytest.raises(ValueError, match="need"):
        guarded(LIMITS, before[1:], row)


@njit(nogil=True)
def recorded(limits, memory, ring, ticks):  # type: ignore[no-untyped-def]
    row, told = np.zeros(INPUT), np.zeros(3)
    for n in range(ticks):
        row[IN_TIME] = row[IN_PUBLISHED] = 0.001 * n
        row[IN_FLAGS] = ARM
        row[IN_FORCE] = 50.0 * np.sin(0.01 * n)
        row[IN_AT] = 5.0 * np.cos(0.007 * n)
        guard_and_record(limits, memory, row, told, ring)


@pytest.mark.parametrize("ticks", [0, 1, 5500, TICKS + 1, 2 * TICKS + 730])
def test_the_last_minute_replays_bit_for_bit(ticks: int, tmp_path: Path) -> None:
    ring = empty_ring()
    recorded(LIMITS, disarmed().copy(), ring, ticks)
    write_out(ring, LIMITS, tmp_path / "ring.npz")
    assert first_difference(tmp_path / "ring.npz") is None
    with np.load(tmp_path / "ring.npz") as file:
        assert len(file["lines"]) >= min(ticks, 60_000)


def test_a_changed_bit_is_found(tmp_path: Path) -> None:
    ring = empty_ring()
    recorded(LIMITS, disarmed().copy(), ring, 3000)
    ring.lines[2222, IN_FORCE] = np.nextafter(ring.lines[2222, IN_FORCE], 99.0)
    write_out(ring, LIMITS, tmp_path / "ring.npz")
    assert first_difference(tmp_path / "ring.npz") == 2222
