"""What reaches a device: finite, ordered, in its limits, not in jumps, and never energy for free.

Each guard has a trial that fails without it; `test_every_guard_is_needed` takes the guards away one
by one from the module's own source and shows that.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from plain_safety import PlainChain

from haptics import safety
from haptics.device import DEVICES, TOUCH, DeviceLimits
from haptics.recorder import TICKS, empty_ring, first_difference, guard_and_record, write_out
from haptics.safety import (
    ACTIVE,
    ARM,
    DISARM,
    FAULT,
    GIVEN,
    HEAT,
    HOLD,
    IN_AT,
    IN_ERROR,
    IN_FLAGS,
    IN_FORCE,
    IN_PUBLISHED,
    IN_SPEED,
    IN_TIME,
    INPUT,
    MODE,
    RESET,
    SLEW,
    TOLD,
    Fault,
    Mode,
    disarmed,
    guard,
    guarded,
    limits_of,
)

devices = st.sampled_from(DEVICES)
LIMITS = limits_of(TOUCH)
Guard = Callable[..., None]


def seen(
    n: int, force=(0.0, 0.0, 0.0), at=(0.0, 0.0, 0.0), speed=(0.0, 0.0, 0.0), flags: int = ARM,
    error: int = 0, published: float | None = None,
) -> np.ndarray:  # fmt: skip
    """What tick n sees, published just now unless told."""
    row = np.zeros(INPUT)
    row[IN_TIME] = 0.001 * n
    row[IN_PUBLISHED] = row[IN_TIME] if published is None else published
    row[IN_AT : IN_AT + 3], row[IN_SPEED : IN_SPEED + 3] = at, speed
    row[IN_FORCE : IN_FORCE + 3], row[IN_FLAGS], row[IN_ERROR] = force, flags, error
    return row


def run(kernel: Guard, rows, memory=None, limits=LIMITS) -> tuple[np.ndarray, np.ndarray]:
    """The forces told (n, 3) for rows seen, and the memory after them."""
    memory = disarmed().copy() if memory is None else memory.copy()
    told = np.empty((len(rows), 3))
    for n, row in enumerate(rows):
        kernel(limits, memory, row, told[n])
    return told, memory


def active(kernel: Guard = guard) -> np.ndarray:
    """A memory after 1.1 s of arming, nothing wanted."""
    memory = run(kernel, [seen(n) for n in range(1100)])[1]
    assert memory[MODE] == ACTIVE
    return memory


ACTIVATED = active()


# What each guard is there for; each of these is run on the real kernel and without its guard.


def clamp_holds(kernel: Guard) -> None:
    """Whatever a memory says of the heat and of what was told, nothing over the peak is told."""
    memory = ACTIVATED.copy()
    memory[TOLD], memory[HEAT] = 50.0, -1000.0
    told = run(kernel, [seen(1100 + n, (500.0, 0.0, 0.0)) for n in range(3)], memory)[0]
    assert np.linalg.norm(told, axis=1).max() <= TOUCH.peak


def watchdog_holds(kernel: Guard) -> None:
    """70 ms after the last published State there is no force; fresh State ramps it up again."""
    rows = [seen(1100 + n, (60.0, 0.0, 0.0), published=1.1) for n in range(100)]
    told = np.linalg.norm(run(kernel, rows, ACTIVATED)[0], axis=1)
    assert told[60] > 0.5
    assert not told[70:].any()


def slew_holds(kernel: Guard) -> None:
    rows = [seen(1100 + n, (900.0 * (-1) ** n, 0.0, 0.0)) for n in range(10)]
    told = np.vstack([np.zeros(3), run(kernel, rows, ACTIVATED)[0]])
    assert np.linalg.norm(np.diff(told, axis=0), axis=1).max() <= SLEW * TOUCH.peak * (1 + 1e-9)


def passivity_holds(kernel: Guard) -> None:
    """A law that pushes the hand on, in and out, gives it no more than the bound."""
    assert energy_given(kernel, SimpleNamespace(m=0.15, b=3.0, k=300.0), 3000) <= bound(TOUCH)


def ramp_holds(kernel: Guard) -> None:
    """In the first second the force is at most its share of the peak."""
    rows = [seen(0), *(seen(n, (400.0, 0.0, 0.0)) for n in range(1, 1000))]
    told = np.linalg.norm(run(kernel, rows)[0], axis=1)
    assert (told <= TOUCH.peak * np.arange(1000) / 1000 + 1e-12).all()
    assert told[-1] > 0.3


def thermal_holds(kernel: Guard) -> None:
    """Whatever a map asks of the motors: here the peak, all the time."""
    rows = [seen(1100 + n, (600.0, 0.0, 0.0)) for n in range(2500)]
    told = run(kernel, rows, ACTIVATED, LIMITS._replace(lasting=TOUCH.peak))[0]
    assert root_mean_square(told) <= 0.88
    assert np.linalg.norm(told, axis=1).max() > 2.0


def root_mean_square(told: np.ndarray) -> float:
    """The highest over any 1000 ticks in a row, N."""
    total = np.concatenate([[0.0], np.cumsum((told**2).sum(axis=1))])
    return float(np.sqrt((total[1000:] - total[:-1000]).max() / 1000))


def bound(device: DeviceLimits) -> float:
    """1 mJ + F_max v T at the speed limit of 1 m/s, mJ."""
    return 1.0 + device.peak * 1000.0 * 0.001


def energy_given(kernel: Guard, hand: SimpleNamespace, ticks: int) -> float:
    """The most energy, mJ, ever given to a hand (kg, N s/m, N/m) by a law of negative damping."""
    memory, told, row = ACTIVATED.copy(), np.zeros(3), seen(0)
    x, v, given, most = 0.5, 20.0, 0.0, 0.0
    for n in range(ticks):
        row[IN_TIME] = row[IN_PUBLISHED] = 1.1 + 0.001 * n
        row[IN_AT], row[IN_SPEED], row[IN_FORCE] = x, v, 20.0 * v
        row[IN_FLAGS] = ARM
        kernel(LIMITS, memory, row, told)
        v += (told[0] - hand.b * v * 1e-3 - hand.k * x * 1e-3) / hand.m  # mm/s in 1 ms
        given += told[0] * v * 0.001
        x += v * 0.001
        most = max(most, given)
    return most


GUARDS: dict[str, tuple[Callable[[Guard], None], Callable[..., object]]] = {
    "_clamp": (clamp_holds, lambda *_: None),
    "_stale": (watchdog_holds, lambda *_: False),
    "_slew": (slew_holds, lambda *_: None),
    "_keep_passive": (passivity_holds, lambda *_: None),
    "_gain": (ramp_holds, lambda m: float(m[MODE] in (1, 2))),
    "_cool_enough": (thermal_holds, lambda *_: np.inf),
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_holds(name: str) -> None:
    GUARDS[name][0](guard)


def module_without(name: str) -> ModuleType:
    """The safety module as plain Python, one of its functions replaced."""
    source = Path(safety.__file__).read_text(encoding="utf-8")
    module = ModuleType("safety_without_a_guard")
    plain = source.replace("from numba import njit", "njit = lambda **_: lambda f: f")
    assert plain != source
    exec(compile(plain, "safety_without_a_guard", "exec"), module.__dict__)
    assert name in vars(module)
    setattr(module, name, GUARDS[name][1])
    return module


@pytest.mark.parametrize("name", GUARDS)
def test_every_guard_is_needed(name: str) -> None:
    with pytest.raises(AssertionError):
        GUARDS[name][0](module_without(name).guard)


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


@njit(nogil=True)
def most_given(limits, memory, hand, gains, ticks):  # type: ignore[no-untyped-def]
    """energy_given of a law -gains[0] x + gains[1] v + gains[2], in the plane; the intent circles.
    Returns (most energy, whether a fault came)."""
    row, told = np.zeros(INPUT), np.zeros(3)
    x, v = np.zeros(3), np.zeros(3)
    given, most = 0.0, 0.0
    for n in range(ticks):
        row[IN_TIME] = row[IN_PUBLISHED] = 1.1 + 0.001 * n
        row[IN_FLAGS] = ARM
        for axis in range(3):
            row[IN_AT + axis], row[IN_SPEED + axis] = x[axis], v[axis]
            row[IN_FORCE + axis] = gains[1] * v[axis] - gains[0] * x[axis] + gains[2]
        guard(limits, memory, row, told)
        for axis in range(3):
            goal = 20.0 * np.sin(0.001 * n * (3.0 + axis))
            own = hand[2] * 1e-3 * (goal - x[axis]) - hand[1] * 1e-3 * v[axis]
            v[axis] += (told[axis] + own) / hand[0]
            given += told[axis] * v[axis] * 0.001
            x[axis] += v[axis] * 0.001
        most = max(most, given)
    return most, memory[MODE] == 3.0


hands = st.tuples(st.floats(0.1, 0.2), st.floats(1.0, 5.0), st.floats(100.0, 500.0))
laws = st.tuples(st.floats(-50.0, 2000.0), st.floats(-10.0, 10.0), st.floats(-100.0, 100.0))


@settings(deadline=None, max_examples=60)
@given(hands, laws, devices)
def test_no_hand_is_given_more_energy_than_the_bound(hand, law, device: DeviceLimits) -> None:
    limits = limits_of(device)
    most, _ = most_given(limits, ACTIVATED.copy(), np.array(hand), np.array(law), 20_000)
    assert most <= bound(device) * (1 + 1e-9)


@pytest.mark.sweep
@pytest.mark.parametrize("hand", [(0.1, 1.0, 100.0), (0.2, 5.0, 500.0), (0.1, 5.0, 500.0)])
def test_a_million_ticks_of_an_active_law_stay_in_the_bound(hand) -> None:
    law = np.array([-10.0, 5.0, 0.0])
    most, fault = most_given(LIMITS, ACTIVATED.copy(), np.array(hand), law, 1_000_000)
    assert not fault
    assert most <= bound(TOUCH) * (1 + 1e-9)


@pytest.mark.sweep
@settings(deadline=None, max_examples=25)
@given(hands, laws, devices)
def test_a_million_ticks_of_any_law_and_hand_stay_in_the_bound(
    hand, law, device: DeviceLimits
) -> None:
    limits = limits_of(device)
    most, _ = most_given(limits, ACTIVATED.copy(), np.array(hand), np.array(law), 1_000_000)
    assert most <= bound(device) * (1 + 1e-9)


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
