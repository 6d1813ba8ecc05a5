"""Rates divide 3000 exactly, or raise."""

import pytest

from game.simulation.clock import TICK, crossed, interval, servo_ticks


def test_the_rates_of_the_simulator_are_whole() -> None:
    assert [interval(r) for r in (1000, 60, 30, 15, 7.5, 4, 20)] == [3, 50, 100, 200, 400, 750, 150]


@pytest.mark.parametrize("rate", [7.0, 0.0, -4.0, 3001.0])
def test_a_rate_that_does_not_divide_raises(rate: float) -> None:
    with pytest.raises(ValueError, match="does not divide"):
        interval(rate)


def test_the_servo_runs_17_17_and_16_times_in_three_ticks() -> None:
    counts = [servo_ticks(TICK * n) for n in range(1, 7)]
    assert sorted(counts[:3]) == [16, 17, 17]
    assert sum(counts) == 100


def test_four_pulses_a_second_are_four() -> None:
    assert sum(crossed(TICK * n, interval(4.0)) for n in range(1, 61)) == 4
