"""What a device may be told to do with an unscaled force: pure functions, in the order they apply.

finite check -> compressive map -> slew limit -> norm clamp. The map F_dev = peak F / (F + half)
is strictly monotone and below the peak for every finite F, so layers keep their order on a device
a hundred times too weak for them.
"""

from __future__ import annotations

from math import hypot, isfinite

from haptics.device import DeviceLimits, Vector

# N that a device shows as half of its peak; a project choice between muscle (2 N) and cortex (77 N)
HALF_N = 40.0
# N per N of peak and servo tick: a breakthrough's whole drop passes within 2 ticks
SLEW = 0.5
STILL: Vector = (0.0, 0.0, 0.0)


def finite(force: Vector) -> bool:
    """Whether every component is a number."""
    return all(isfinite(component) for component in force)


def compressed(force: Vector, peak: float) -> Vector:
    """The force, N, in its own direction with a norm brought under `peak` N."""
    norm = hypot(*force)
    if not isfinite(norm):  # components near the largest float: as strong as the device goes
        return compressed((force[0] / 2e154, force[1] / 2e154, force[2] / 2e154), peak)
    return _scaled(force, peak / (norm + HALF_N))


def slewed(force: Vector, previous: Vector, most: float) -> Vector:
    """`force`, N, or as far towards it from `previous` as `most` N in one tick allows."""
    change: Vector = (force[0] - previous[0], force[1] - previous[1], force[2] - previous[2])
    size = hypot(*change)
    if size <= most:
        return force
    step = _scaled(change, most / size)
    return previous[0] + step[0], previous[1] + step[1], previous[2] + step[2]


def clamped(force: Vector, peak: float) -> Vector:
    """`force`, N, with its norm cut to `peak`, its direction kept."""
    norm = hypot(*force)
    return force if norm <= peak else _scaled(force, peak / norm * (1.0 - 1e-15))


def limit(force: Vector, previous: Vector, limits: DeviceLimits) -> Vector:
    """What the device is told, N, for an unscaled `force`, N, after `previous` (what it was told
    one tick before). A force that is no number gives zero the same tick."""
    if not (finite(force) and finite(previous)):
        return STILL
    wanted = compressed(force, limits.peak)
    return clamped(slewed(wanted, previous, SLEW * limits.peak), limits.peak)


def _scaled(force: Vector, factor: float) -> Vector:
    return force[0] * factor, force[1] * factor, force[2] * factor
