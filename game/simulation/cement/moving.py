"""The mouth moves while cement is in the bone: what a kept network changes, and nothing else.

Drawing the cannula changes few cells: those that came to lie under the mouth or no longer do, and
those that steel has left. Only these cells, and the rows beside them, are joined anew; the network
is then the one that `loading.rebuilt` makes, bit for bit.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.bone import beyond, room_of
from game.simulation.cement.loading import opened
from game.simulation.cement.network import (
    EXIT,
    FACES,
    FACES_EACH,
    FULL,
    LIVE,
    ML,
    POTENTIAL,
    RANK,
    ROOM,
    ROWS,
    VOXEL,
    added_front,
    converted,
    wire,
)


@njit(nogil=True, cache=True, error_model="numpy")
def moved(net, bone, law, mouth, arriving, changed):  # type: ignore[no-untyped-def]
    """Bring a network whose rows all hold cement to a new `mouth` and to what `changed` (k,) says:
    each voxel once whose channel is another now or that lies under but one of both mouths."""
    _resized(net, bone, changed)
    _emptied(net, bone, mouth, changed)
    _raised(net, mouth, changed)
    opened(net, bone, law, mouth, arriving)
    rows = _beside(net, bone, changed)
    faces = _undone(net, rows)
    for r in rows:
        wire(net, bone, r, r + 1)
    _merged(net, faces)


@njit(nogil=True, cache=True, error_model="numpy")
def _resized(net, bone, changed):  # type: ignore[no-untyped-def]
    """A track holds more than the bone that was there."""
    for v in changed:
        slot = net.slot[v]
        if slot >= 0:
            net.state[ROOM, slot] = room_of(bone, v)
        elif slot < -1:
            net.front[-2 - slot, ROOM] = room_of(bone, v)


@njit(nogil=True, cache=True, error_model="numpy")
def _emptied(net, bone, mouth, changed):  # type: ignore[no-untyped-def]
    """Rows that are neither full nor under the mouth go back to the front; the others close up."""
    rows = net.counts[ROWS]
    place = np.zeros(rows, np.int32)
    gone = 0
    for v in changed:
        r = net.slot[v]
        if r < 0 or net.state[ML, r] >= FULL * net.state[ROOM, r] or np.any(mouth == v):
            continue
        q = added_front(net, bone, v)
        net.front[q] = net.state[:, r]
        net.front_label[q, EXIT] = net.label[EXIT, r]
        place[r] = -1
        gone += 1
    if gone:
        _closed_up(net, place)


@njit(nogil=True, cache=True, error_model="numpy")
def _closed_up(net, place):  # type: ignore[no-untyped-def]
    """Take the rows out whose `place` is -1: the rest keep their order."""
    count = 0
    for r in range(len(place)):
        if place[r] < 0:
            continue
        place[r] = count
        if count < r:
            _copied(net, r, count)
        net.slot[net.label[VOXEL, count]] = count
        count += 1
    net.counts[ROWS] = count
    for r in range(count):
        for f in range(FACES_EACH):
            if net.half[r, f] < np.inf:
                net.joined[r, f] = place[net.joined[r, f]]  # -1: its rows are all joined anew
    for n in range(net.counts[FACES]):
        net.ends[n, 0] = place[net.ends[n, 0]]


@njit(nogil=True, cache=True, error_model="numpy")
def _copied(net, source, target):  # type: ignore[no-untyped-def]
    net.label[:, target] = net.label[:, source]
    net.state[:, target] = net.state[:, source]
    net.joined[target] = net.joined[source]
    net.turn[target] = net.turn[source]
    net.half[target] = net.half[source]
    net.gain[target] = net.gain[source]
    net.own[target] = net.own[source]
    net.block[target], net.crosses[target] = net.block[source], net.crosses[source]


@njit(nogil=True, cache=True, error_model="numpy")
def _raised(net, mouth, changed):  # type: ignore[no-untyped-def]
    """What holds cement in the front is a row where it lies under the mouth or is full by now."""
    places = np.empty(len(changed), np.int64)
    count = 0
    for v in changed:
        q = -2 - net.slot[v]
        if q < 0:
            continue
        if net.front[q, ML] > 0.0:
            if net.front[q, ML] >= FULL * net.front[q, ROOM] or np.any(mouth == v):
                places[count] = q
                count += 1
        elif np.any(mouth == v):  # opened as any that holds none
            net.front_label[q, LIVE] = 0
            net.slot[v] = -1
    for q in places[np.argsort(net.front_label[places[:count], RANK])]:
        potential = net.front[q, POTENTIAL]
        net.x[converted(net, q)] = potential


@njit(nogil=True, cache=True, error_model="numpy")
def _beside(net, bone, changed):  # type: ignore[no-untyped-def]
    """The rows of `changed` and beside them, in order, each once."""
    found = np.empty((FACES_EACH + 1) * len(changed), np.int64)
    count = 0
    for v in changed:
        for f in range(-1, FACES_EACH):
            w = v if f < 0 else beyond(bone, v, f)
            if w >= 0 and net.slot[w] >= 0:
                found[count] = net.slot[w]
                count += 1
    return np.unique(found[:count])


@njit(nogil=True, cache=True, error_model="numpy")
def _undone(net, rows):  # type: ignore[no-untyped-def]
    """Take off all that the `rows` are joined to; returns how many faces are left."""
    loose = np.zeros(net.counts[ROWS], np.bool_)
    for r in rows:
        loose[r] = True
        net.joined[r, :] = 0
        net.turn[r, :] = 0
        net.half[r, :] = np.inf
        net.gain[r, :] = 0.0
        net.crosses[r] = 0
    kept = 0
    for n in range(net.counts[FACES]):
        if net.ends[n, 0] < 0 or loose[net.ends[n, 0]]:
            continue
        if kept < n:
            net.ends[kept] = net.ends[n]
            net.path[kept] = net.path[n]
        kept += 1
    net.counts[FACES] = kept
    return kept


@njit(nogil=True, cache=True, error_model="numpy")
def _merged(net, first):  # type: ignore[no-untyped-def]
    """Put the faces from `first` on, in order themselves, among the others by row."""
    n, count = first - 1, net.counts[FACES]
    ends, path = net.ends[first:count].copy(), net.path[first:count].copy()
    late = count - first - 1
    for place in range(count - 1, -1, -1):
        if late < 0:
            return
        if n >= 0 and net.ends[n, 0] > ends[late, 0]:
            net.ends[place], net.path[place] = net.ends[n], net.path[n]
            n -= 1
        else:
            net.ends[place], net.path[place] = ends[late], path[late]
            late -= 1
