"""The order of the front, by the first face that leads to each place: what a network kept from the
last call and one rebuilt from its cement have in common."""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.network import FACES, FRONT, LIVE, ML, VOXEL


@njit(nogil=True, cache=True, error_model="numpy")
def tidied(net):  # type: ignore[no-untyped-def]
    """Order the front by the first face to each place, those that no face leads to by their voxel:
    filling ones, empty ones. Returns how many hold cement."""
    drop_faces(net)
    faces, places = net.counts[FACES], net.counts[FRONT]
    order, held = _ordered(net.ends[:faces, 1], net.front[:places, ML], net.front_label)
    place = np.empty(places, np.int64)
    for q in range(len(order)):
        place[order[q]] = q
    for n in range(faces):
        net.ends[n, 1] = place[net.ends[n, 1]]
    _permuted(net.front, order)
    _permuted(net.front_label, order)
    net.counts[FRONT] = len(order)
    for q in range(len(order)):
        net.slot[net.front_label[q, VOXEL]] = -2 - q
    return held


@njit(nogil=True, cache=True, error_model="numpy")
def _ordered(ends, ml, label):  # type: ignore[no-untyped-def]
    """The live places of the front in their order, and how many of them hold cement."""
    order, empty = np.empty(len(ml), np.int64), np.empty(len(ml), np.int64)
    seen = np.zeros(len(ml), np.bool_)
    held = none = 0
    for n in range(len(ends)):
        q = ends[n]
        if seen[q]:
            continue
        seen[q] = True
        if ml[q] > 0.0:
            order[held] = q
            held += 1
        else:
            empty[none] = q
            none += 1
    held = _alone(order, held, seen, ml > 0.0, label)
    none = _alone(empty, none, seen, ml <= 0.0, label)
    order[held : held + none] = empty[:none]
    return order[: held + none], held


@njit(nogil=True, cache=True, error_model="numpy")
def _alone(order, count, seen, wanted, label):  # type: ignore[no-untyped-def]
    """Add to `order` the live places that are `wanted` and no face leads to; returns the count."""
    first = count
    for q in range(len(seen)):
        if wanted[q] and not seen[q] and label[q, LIVE] == 1:
            order[count] = q
            count += 1
    if first < count:
        alone = order[first:count].copy()
        order[first:count] = alone[np.argsort(label[alone, VOXEL])]
    return count


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


@njit(nogil=True, cache=True, error_model="numpy")
def _permuted(values, order):  # type: ignore[no-untyped-def]
    """Put the rows of `values` in order, in place."""
    first, count = 0, len(order)
    while first < count and order[first] == first:
        first += 1
    old = values[: order[first:count].max() + 1].copy() if first < count else values[:0]
    for q in range(first, count):
        for c in range(values.shape[1]):
            values[q, c] = old[order[q], c]
