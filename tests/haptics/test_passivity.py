"""Energy given to a hand: no law, hand or device brings it over 1 mJ + F_max v T."""

from __future__ import annotations

import numpy as np
import pytest
from chain import ACTIVATED, LIMITS, bound
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from haptics.device import DEVICES, TOUCH, DeviceLimits
from haptics.safety import (
    ARM,
    IN_AT,
    IN_FLAGS,
    IN_FORCE,
    IN_PUBLISHED,
    IN_SPEED,
    IN_TIME,
    INPUT,
    MODE,
    guard,
    limits_of,
)

devices = st.sampled_from(DEVICES)


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
