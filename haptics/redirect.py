"""A cannula that is turned in soft tissue, and the tracks it leaves in bone.

In soft tissue the shaft turns about its skin entry, at most TURN_MM a tick, once soft tissue
yields. One that turns away leaves its track in bone, and one that comes back to it within its
radius finds the hole again.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from haptics.memory import (
    AXIS,
    CRUSHED,
    CUT,
    DEEPEST,
    DEPTH,
    FROM_BONE,
    LAYER,
    MOST_TRACKS,
    NEXT,
    NOT_READ,
    PIVOT,
    READ_AT,
    TIP,
    TRACK,
    TRACKS,
    WALL,
)
from haptics.tissue import CORTEX, layer_at

TURN_MM = 0.02  # the tip's sideways way through soft tissue in one tick; a project choice


@njit(nogil=True, cache=True)
def turn(field, law, tool, m, u, v, w):  # type: ignore[no-untyped-def]
    """In soft tissue: turn the shaft about its skin entry towards the direction (u, v, w) once the
    tip is asked `lateral_yield` mm sideways; never into bone, nor while the tip stands on bone."""
    if m[LAYER] >= CORTEX:
        return
    depth = m[DEPTH]
    p, q, r = u - m[AXIS], v - m[AXIS + 1], w - m[AXIS + 2]
    asked = depth * np.sqrt(p * p + q * q + r * r)
    excess = asked - law.lateral_yield
    if excess <= 0.0:
        return
    share = min(excess, TURN_MM) / asked
    p, q, r = m[AXIS] + share * p, m[AXIS + 1] + share * q, m[AXIS + 2] + share * r
    norm = np.sqrt(p * p + q * q + r * r)
    p, q, r = p / norm, q / norm, r / norm
    x, y, z = m[PIVOT] + depth * p, m[PIVOT + 1] + depth * q, m[PIVOT + 2] + depth * r
    layer = layer_at(field, x, y, z)
    if layer >= CORTEX:
        return
    _leave_track(m, tool.radius)
    m[TIP], m[TIP + 1], m[TIP + 2] = x, y, z
    m[AXIS], m[AXIS + 1], m[AXIS + 2] = p, q, r
    m[DEEPEST], m[READ_AT], m[CRUSHED] = depth, NOT_READ, 0.0
    found = _track_here(m, tool.radius)
    if found >= 0 and m[found + 4] > depth:
        m[WALL], m[DEEPEST] = m[found + 3], m[found + 4]
    if layer != int(m[LAYER]):
        m[LAYER], m[CUT], m[FROM_BONE] = layer, 1.0, 0.0


@njit(nogil=True, cache=True)
def _track_here(m, radius):  # type: ignore[no-untyped-def]
    """The place in memory of the old track whose hole in the bone's wall lies within `radius` mm of
    the present axis; -1 where there is none."""
    for n in range(MOST_TRACKS):
        at, apart = TRACKS + TRACK * n, 0.0
        for axis in range(3):
            apart += (m[at + axis] - m[AXIS + axis]) ** 2
        if m[at + 3] > 0.0 and m[at + 3] * np.sqrt(apart) < radius:
            return at
    return -1


@njit(nogil=True, cache=True)
def _leave_track(m, radius):  # type: ignore[no-untyped-def]
    if m[WALL] <= 0.0 or m[DEEPEST] <= max(m[WALL], m[DEPTH]) or _track_here(m, radius) >= 0:
        return
    at = TRACKS + TRACK * int(m[NEXT])
    m[at : at + 3] = m[AXIS : AXIS + 3]
    m[at + 3], m[at + 4] = m[WALL], m[DEEPEST]
    m[NEXT] = (m[NEXT] + 1.0) % MOST_TRACKS
