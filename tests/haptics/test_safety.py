"""What reaches a device: finite, ordered, within its peak, and not in jumps."""

from __future__ import annotations

from itertools import pairwise
from math import hypot, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haptics.device import DEVICES, TOUCH, DeviceLimits
from haptics.safety import SLEW, STILL, clamped, compressed, limit, slewed

forces = st.tuples(*(st.floats(-1e6, 1e6),) * 3)
anything = st.tuples(*(st.floats(),) * 3)
devices = st.sampled_from(DEVICES)


@given(anything, forces, devices)
def test_no_force_is_ever_over_the_peak(force, before, device: DeviceLimits) -> None:
    told = limit(force, clamped(before, device.peak), device)
    assert hypot(*told) <= device.peak


@given(st.floats(0.0, 2000.0), st.floats(0.0, 2000.0), devices)
def test_the_map_keeps_the_order(one: float, other: float, device: DeviceLimits) -> None:
    low, high = sorted((one, other))
    weak, strong = (compressed((0.0, 0.0, f), device.peak)[2] for f in (low, high))
    assert 0.0 <= weak <= strong < device.peak
    if high - low > 1e-6:
        assert weak < strong


def test_layers_stay_apart_on_the_weakest_device() -> None:
    """Muscle 3 N, skin 6, cancellous 30, cortex 80, two walls 160: each at least 0.05 N apart."""
    shown = [compressed((f, 0.0, 0.0), TOUCH.peak)[0] for f in (3.0, 6.0, 30.0, 80.0, 160.0)]
    assert all(b - a > 0.05 for a, b in pairwise(shown))


@given(forces, forces, devices)
def test_no_jump_is_over_the_slew_limit(force, before, device: DeviceLimits) -> None:
    before = clamped(before, device.peak)
    told = limit(force, before, device)
    change = hypot(*(a - b for a, b in zip(told, before, strict=True)))
    assert change <= SLEW * device.peak * (1.0 + 1e-9)


def test_a_whole_drop_passes_within_two_ticks() -> None:
    before = (0.0, 0.0, TOUCH.peak)
    first = limit(STILL, before, TOUCH)
    assert limit(STILL, first, TOUCH) == pytest.approx(STILL, abs=1e-12)


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_no_number_gives_no_force(bad: float) -> None:
    assert limit((0.0, bad, 1.0), (0.0, 0.0, 1.0), TOUCH) == STILL


@given(forces, forces)
def test_slewing_arrives_where_it_may(force, before) -> None:
    change = hypot(*(a - b for a, b in zip(force, before, strict=True)))
    assert slewed(force, before, change) == force
