"""Simulated time is a whole number of 1/3000 s, in which every rate of the simulator is exact."""

from __future__ import annotations

UNITS_PER_SECOND = 3000
TICK = 50  # 60 Hz
SERVO = 3  # 1 kHz
CEMENT = 150  # 20 Hz
TICK_S = TICK / UNITS_PER_SECOND
CEMENT_S = CEMENT / UNITS_PER_SECOND


def interval(rate_hz: float) -> int:
    """The whole number of 1/3000 s between events of a rate; raises where it does not divide."""
    units = UNITS_PER_SECOND / rate_hz if rate_hz > 0 else 0.0
    if units < 1 or units != int(units):
        raise ValueError(f"a rate of {rate_hz} Hz does not divide {UNITS_PER_SECOND} per second")
    return int(units)


def seconds(time: int) -> float:
    """Time in seconds."""
    return time / UNITS_PER_SECOND


def crossed(time: int, units: int) -> bool:
    """Whether a multiple of `units` lies in the tick that ends at `time`."""
    return time // units != (time - TICK) // units


def servo_ticks(time: int) -> int:
    """How many servo ticks fall into the tick that ends at `time`: 17, 17, 16 in turn."""
    return time // SERVO - (time - TICK) // SERVO
