"""The order of the front, by the first face that leads to each place: what a network kept from the
last call and one rebuilt from its cement have in common."""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.network import FACES, FRONT, LIVE, ML, RANK, VACANT, VOXEL


@njit(nogil=True, cache=True, error_model="numpy")
def ordered(net):  # type: ignore[no-untyped-def]
    """The places of the front (k,) that hold cement by the first face to each, then those that no
    face leads to by their voxel. Places that have become rows are free for others from now on."""
    drop_faces(net)
    places = net.counts[FRONT]
    order, met = np.empty(places, np.int64), np.zeros(places, np.bool_)
    count = vacant = 0
    for n in range(net.counts[FACES]):
        q = net.ends[n, 1]
        if not met[q] and net.front[q, ML] > 0.0:
            order[count] = q
            count += 1
        met[q] = True
    first = count
    for q in range(places):
        if net.front_label[q, LIVE] == 0:
            net.vacant[vacant] = q
            vacant += 1
        elif not met[q] and net.front[q, ML] > 0.0:
            order[count] = q
            count += 1
    net.counts[VACANT] = vacant
    if first < count:
        alone = order[first:count].copy()
        order[first:count] = alone[np.argsort(net.front_label[alone, VOXEL])]
    for n in range(count):
        net.front_label[order[n], RANK] = n
    return order[:count]


@njit(nogil=True, cache=True, error_model="numpy")
def drop_faces(net):  # type: ignore[no-untyped-def]
    """Drop the faces whose place of the front has become a row."""
    kept = 0
    for n in range(net.counts[FACES]):
        if net.front_label[net.ends[n, 1], LIVE] == 0:
            continue
        if kept < n:
            for c in range(3):
                net.ends[kept, c] = net.ends[n, c]
            for c in range(5):
                net.path[kept, c] = net.path[n, c]
        kept += 1
    net.counts[FACES] = kept
