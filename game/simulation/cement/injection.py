"""One request from beginning to end: the network made ready, and the substeps that take it in."""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.curing import carried, ripened, thickened
from game.simulation.cement.driving import asked, driven, took
from game.simulation.cement.nearby import eased, unbalanced
from game.simulation.cement.network import (
    AGE,
    CELSIUS,
    FRONT,
    ML,
    PROMOTIONS,
    ROWS,
    flood,
)
from game.simulation.cement.ordering import ordered
from game.simulation.cement.pouring import pour
from game.simulation.cement.rheology import INDEX
from game.simulation.cement.solving import (
    COARSE,
    MOVED,
    SMALL,
    goal_of,
    meet,
    potential,
    shared,
    solve,
)

SUBSTEPS = 256  # of one call; bounds its time under absurd requests
REFRESH_S = 0.5  # beyond SMALL rows cells age so often: mu grows 1 % between, at most
CARRIED = 0.005  # of the cement: what may flow before age is carried along
LEAST_FLOW = 1.0  # mm3/s that marrow is set against; bounds its part where little flows
SOLVED = 64  # rows to a new one: what may be added in one call before the flow is solved anew
STALE = 0.002  # of the cement: what may flow before it is
SLOWER = 0.05  # by what part the flow may differ before it is, for marrow's pressure is in it


@njit(nogil=True, cache=True, error_model="numpy")
def _press_back(net, bone, flow):  # type: ignore[no-untyped-def]
    """Marrow's pressure over the `flow`, mm3/s: anew in each call, for a network made afresh from
    a State has to give what one that was kept gives."""
    net.back[0] = bone.marrow_pa / max(flow, LEAST_FLOW) if flow > 0.0 else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def ready(net, bone, law, rows, fresh, elapsed, arriving, flow):  # type: ignore[no-untyped-def]
    """All cells age by `elapsed` s, and the rows that lead away from the mouth are found. `fresh`
    says that this was not done before."""
    _press_back(net, bone, flow)
    if fresh:
        flood(net, rows)
    if elapsed > 0.0:
        count, places = net.counts[ROWS], net.counts[FRONT]
        ripened(net.state[AGE, :count], net.state[CELSIUS, :count], elapsed)
        ripened(net.front[:places, AGE], net.front[:places, CELSIUS], elapsed)
        for m in range(len(rows)):
            if net.state[ML, rows[m]] <= 0.0:
                net.state[AGE, rows[m]], net.state[CELSIUS, rows[m]] = arriving
        meet(net)
        if thickened(net, bone, law, flow):
            flood(net, rows)


@njit(nogil=True, cache=True, error_model="numpy")
def inject(net, bone, law, mouth, bore, offer, arriving, flow, due, last):  # type: ignore[no-untyped-def]
    """Take in what `offer` = (mL, s, limit MPa, compliance mL/MPa) drives through a bore =
    (radius, length), `arriving` = (age, temperature) at the `mouth` rows. `last` = (mL held, flow)
    when the potentials were solved, which is `due` anew or where they no longer serve.

    Returns mL poured, flow mm3/s, bone's resistance Pa s/mm3, MPa at the plunger, what is `last`
    now, and how many solves and iterations it took."""
    share = np.empty(len(mouth))
    ml, seconds = offer[0], offer[1]
    _press_back(net, bone, flow)
    poured, resistance, mpa, work = 0.0, 0.0, 0.0, np.zeros(2, np.int64)
    now, start = (net.ledger.sum(), flow), net.counts[ROWS]
    small, solved = start <= SMALL, start
    for n in range(SUBSTEPS):
        total = meet(net)
        if small and law[INDEX] != 1.0:
            thickened(net, bone, law, flow)
            total = meet(net)
        if total <= 0.0 or shared(net, mouth, share) <= 0.0:
            break
        if net.counts[ROWS] > start + PROMOTIONS:
            break
        if n == 0:
            due = due or small or _stale(net, mouth, share, now, last)
            if not due:
                eased(net, mouth, share, goal_of(share, COARSE))
            resistance = potential(net, mouth, share)
        if due or (net.counts[ROWS] - solved) * SOLVED > solved:
            due, solved = False, net.counts[ROWS]
            resistance, ended, count = solve(net, mouth, share)
            last = now if ended else (0.0, 0.0)
            work += np.array([1, count])
        flow, mpa, lasts = driven(law, arriving[0], bore, resistance, offer, ml - poured)
        wanted, ends = asked(flow, lasts, seconds, ml - poured, offer)
        amount = pour(net, bone, wanted, arriving)
        seconds -= took(amount, flow, lasts, ml - poured)
        poured = ml if amount == ml - poured else poured + amount
        if (ends and amount >= wanted) or amount <= 0.0:
            break
    return poured, flow, resistance, mpa, last, work


@njit(nogil=True, cache=True, error_model="numpy")
def _stale(net, mouth, share, now, last):  # type: ignore[no-untyped-def]
    """Whether potentials no longer serve `now` = (mL held, flow) that were solved with `last`."""
    more, other = now[0] - last[0], abs(now[1] - last[1])
    if more >= STALE * now[0] or other > SLOWER * now[1]:
        return True
    return unbalanced(net, mouth, share) > MOVED


@njit(nogil=True, cache=True, error_model="numpy")
def settled(net, mouth, moved, arriving):  # type: ignore[no-untyped-def]
    """Carry age and temperature along after `moved` mL where that is due; returns the places of the
    front that hold cement, in order, and the mL still to be carried."""
    held = net.ledger.sum()
    if moved > 0.0 and (net.counts[ROWS] <= SMALL or moved >= CARRIED * held):
        share = np.empty(len(mouth))
        meet(net)
        shared(net, mouth, share)
        carried(net, mouth, share, moved, arriving)
        moved = 0.0
    return ordered(net), moved
