"""Cement handed on to the front, so that volume is kept: what is poured is shared out by fluxes.

A pour ends before a cell of the front would get more than a little (SLACK) beyond full; what it got
too much goes on to the cells behind it. What finds no place goes back behind the plunger.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.network import (
    AGE,
    CELSIUS,
    EXIT,
    FACES,
    FACES_EACH,
    FULL,
    LIVE,
    ML,
    PA_S,
    REGION,
    ROOM,
    ROWS,
    converted,
    spread,
    touched,
    wire,
)
from game.simulation.cement.solving import ahead

TIGHT = 1.0e-3  # what is too much is not forced on where bone is so much tighter
SLACK = 0.1  # of a cell's room: what may be poured over it before the flow is solved anew


@njit(nogil=True, cache=True, error_model="numpy")
def pour(net, bone, wanted, arriving):  # type: ignore[no-untyped-def]
    """Share out at most `wanted` mL; returns the mL that found a place. Rows that are not quite
    full are topped up first, with cement `arriving` = (age, temperature)."""
    passed, most = _rates(net)
    gaps = _gaps(net)
    amount = min(wanted, gaps + most)
    rest = _top_up(net, amount, gaps, arriving)
    if passed <= 0.0:
        return amount - rest
    _feed(net, bone, 0, rest / passed)
    return amount - _fill(net, bone)


@njit(nogil=True, cache=True, error_model="numpy")
def _rates(net):  # type: ignore[no-untyped-def]
    """Fluxes through the faces, those out of the front (an unfinished solve's) as 0: their sum, and
    the mL that may be poured by them."""
    for n in range(net.counts[FACES]):
        net.inflow[net.ends[n, 1]] = 0.0
    passed = 0.0
    for n in range(net.counts[FACES]):
        r = net.ends[n, 0]
        flux = max(0.0, net.face[n] * ahead(net, n)) if net.label[LIVE, r] else 0.0
        net.flux[n] = flux
        net.inflow[net.ends[n, 1]] += flux
        passed += flux
    most = np.inf
    for n in range(net.counts[FACES]):
        q = net.ends[n, 1]
        if net.inflow[q] > 0.0:
            space = max(0.0, net.front[q, ROOM] - net.front[q, ML]) + SLACK * net.front[q, ROOM]
            most = min(most, space * passed / net.inflow[q])
    return passed, most


@njit(nogil=True, cache=True, error_model="numpy")
def _gaps(net):  # type: ignore[no-untyped-def]
    gaps = 0.0
    for r in range(net.counts[ROWS]):
        if net.label[LIVE, r] and net.state[ML, r] < FULL * net.state[ROOM, r]:
            gaps += net.state[ROOM, r] - net.state[ML, r]
    return gaps


@njit(nogil=True, cache=True, error_model="numpy")
def _top_up(net, amount, gaps, arriving):  # type: ignore[no-untyped-def]
    """Fill what live rows lack, all by the same part of it; returns what is left of `amount`."""
    if gaps <= 0.0:
        return amount
    part, rest = min(1.0, amount / gaps), amount
    for r in range(net.counts[ROWS]):
        if net.label[LIVE, r] and net.state[ML, r] < FULL * net.state[ROOM, r]:
            added = min(part * (net.state[ROOM, r] - net.state[ML, r]), rest)
            net.ledger[net.label[REGION, r], net.label[EXIT, r]] += added
            _mixed(net.state[:, r], added, arriving[0], arriving[1])
            rest -= added
    return rest


@njit(nogil=True, cache=True, error_model="numpy")
def _mixed(cell, added, age, celsius):  # type: ignore[no-untyped-def]
    if added <= 0.0:
        return
    part = added / (cell[ML] + added)
    cell[AGE] += part * (age - cell[AGE])
    cell[CELSIUS] += part * (celsius - cell[CELSIUS])
    cell[ML] += added


@njit(nogil=True, cache=True, error_model="numpy")
def _feed(net, bone, first, share):  # type: ignore[no-untyped-def]
    """Hand `share` of each face's flux, mL, on through the faces from `first` on."""
    state, front, label = net.state, net.front, net.front_label
    for n in range(first, net.counts[FACES]):
        added = share * net.flux[n]
        if added <= 0.0:
            continue
        r, q = net.ends[n, 0], net.ends[n, 1]
        if front[q, ML] <= 0.0:
            label[q, EXIT] = touched(net, bone, r, q)
            front[q, PA_S] = state[PA_S, r]
            front[q, AGE], front[q, CELSIUS] = state[AGE, r], state[CELSIUS, r]
        part = added / (front[q, ML] + added)
        front[q, AGE] += part * (state[AGE, r] - front[q, AGE])
        front[q, CELSIUS] += part * (state[CELSIUS, r] - front[q, CELSIUS])
        front[q, ML] += added
        net.ledger[label[q, REGION], label[q, EXIT]] += added


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(net, bone):  # type: ignore[no-untyped-def]
    """Full cells of the front become rows, and hand on what they got too much; returns what found
    no place."""
    first = net.counts[ROWS]
    for n in range(net.counts[FACES]):
        q = net.ends[n, 1]
        if net.front_label[q, LIVE] and net.front[q, ML] >= FULL * net.front[q, ROOM]:
            converted(net, q)
    head, unplaced = first, 0.0
    while head < net.counts[ROWS]:
        faces = net.counts[FACES]
        wire(net, bone, head, head + 1)
        for f in range(FACES_EACH):
            if net.gain[head, f] > 0.0 and net.label[LIVE, net.joined[head, f]] == 0:
                spread(net, net.joined[head, f])
        unplaced += _hand_on(net, bone, head, faces)
        head += 1
    return unplaced


@njit(nogil=True, cache=True, error_model="numpy")
def _hand_on(net, bone, r, faces):  # type: ignore[no-untyped-def]
    """What row r holds too much, to the front by its faces from `faces` on; returns what found no
    place. Guesses the row's potential from its neighbours'."""
    total, around, held = 0.0, 0.0, 0.0
    least = TIGHT * net.gain[r].max() * net.state[PA_S, r]
    for n in range(faces, net.counts[FACES]):
        q = net.ends[n, 1]
        open_to = net.front_label[q, LIVE] == 1 and net.front[q, ML] < FULL * net.front[q, ROOM]
        open_to &= net.front[q, ML] <= 0.0 or net.front[q, PA_S] < np.inf
        ease = 1.0 / (net.path[n, 0] + net.path[n, 1])
        net.flux[n] = ease if open_to and ease >= least else 0.0
        total += net.flux[n]
        held += net.flux[n] * net.path[n, 4] * net.back[0]
    for f in range(FACES_EACH):
        around += net.gain[r, f] * net.x[net.joined[r, f]]
    eased = total / net.state[PA_S, r] if net.state[PA_S, r] > 0.0 else 0.0
    if total > 0.0:
        around += eased * held / total
    net.x[r] = around / (net.own[r] + eased) if net.own[r] + eased > 0.0 else 0.0
    over = net.state[ML, r] - net.state[ROOM, r]
    if over <= 0.0:
        return 0.0
    net.state[ML, r] = net.state[ROOM, r]
    net.ledger[net.label[REGION, r], net.label[EXIT, r]] -= over
    if total <= 0.0:
        return over
    _feed(net, bone, faces, over / total)
    for n in range(faces, net.counts[FACES]):
        q = net.ends[n, 1]
        if net.front_label[q, LIVE] and net.front[q, ML] >= FULL * net.front[q, ROOM]:
            converted(net, q)
    return 0.0
