"""Potentials of the rows: the front's conductances, and conjugate gradients.

Unknown is each row's potential p / Q, Pa s/mm3, so that all fluxes through the front add up to 1.
Outside bone and in veins the front stands at 0, in marrow at the marrow's own pressure over Q.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.levelling import levelled
from game.simulation.cement.nearby import eased
from game.simulation.cement.network import (
    FACES,
    FACES_EACH,
    LIVE,
    ML,
    PA_S,
    ROOM,
    ROWS,
)
from game.simulation.cement.ordering import drop_faces

FINE, COARSE = 1.0e-4, 2.0e-3  # residual over source: pressure then errs by 1e-4 at most
SMALL = 2000  # rows up to which the solve is fine
ITERATIONS = 400  # of one solve
VEIN = FACES_EACH - 1  # the face to a vein
MOVED = 0.02  # of what the mouth gives: out of balance by more, it has moved
AT_ONCE = 48  # of one beyond SMALL rows, 6 ms or so: the next call goes on from there


@njit(nogil=True, cache=True, error_model="numpy")
def meet(net):  # type: ignore[no-untyped-def]
    """Conductances from rows to the front and the diagonal; returns the sum over live rows.

    The front stands at (half + fill) voxels from the last row's middle. Faces whose place has
    become a row are dropped."""
    rows = net.counts[ROWS]
    net.diagonal[:rows] = net.own[:rows]
    drop_faces(net)
    total = 0.0
    for n in range(net.counts[FACES]):
        r, q = net.ends[n, 0], net.ends[n, 1]
        fill = max(net.front[q, ML] / net.front[q, ROOM], net.path[n, 3])
        thick = net.state[PA_S, r]
        entered = thick if net.front[q, ML] <= 0.0 else net.front[q, PA_S]
        beyond = 2.0 * (min(fill, 0.5) * net.path[n, 1] + max(fill - 0.5, 0.0) * net.path[n, 2])
        gain = 1.0 / (thick * net.path[n, 0] + entered * beyond) if entered < np.inf else 0.0
        net.face[n] = gain
        net.diagonal[r] += gain
        if net.label[LIVE, r]:
            total += gain
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def ahead(net, n):  # type: ignore[no-untyped-def]
    """By how much the potential of a face's row is above that of what lies ahead of it."""
    return net.x[net.ends[n, 0]] - net.path[n, 4] * net.back[0]


@njit(nogil=True, cache=True, error_model="numpy")
def shared(net, mouth, share):  # type: ignore[no-untyped-def]
    """Each mouth row's share of the flow, by how well it conducts; returns their sum, 1 or 0."""
    total = 0.0
    for m in range(len(mouth)):
        r = mouth[m]
        leads = 0.0
        if net.label[LIVE, r] and net.state[PA_S, r] < np.inf:
            leads = net.diagonal[r]
        share[m] = leads
        total += leads
    if total <= 0.0:
        return 0.0
    for m in range(len(mouth)):
        share[m] /= total
    return 1.0


@njit(nogil=True, cache=True, error_model="numpy")
def solve(net, mouth, share):  # type: ignore[no-untyped-def]
    """Potentials for a unit source, from the last ones, levelled so that the front passes 1.
    Returns the potential at the mouth, whether it came to an end, and the iterations it took."""
    rows = net.counts[ROWS]
    goal = goal_of(share, FINE if rows <= SMALL else COARSE)
    for r in range(rows):
        if net.diagonal[r] <= 0.0:  # joined to nothing: stays as it is
            net.diagonal[r] = 1.0
    levelled(net, mouth, share)
    if rows > SMALL:
        eased(net, mouth, share, goal)
    norm, rho = _begun(net, mouth, share)
    count, most = 0, ITERATIONS if rows <= SMALL else AT_ONCE
    while norm > goal * goal and count < most:
        norm, rho = _iterate(net, rho)
        count += 1
    return potential(net, mouth, share), norm <= goal * goal, count


@njit(nogil=True, cache=True, error_model="numpy")
def goal_of(share, tolerance):  # type: ignore[no-untyped-def]
    """The norm of the residual that is asked for."""
    return tolerance * np.sqrt((share * share).sum())


@njit(nogil=True, cache=True, error_model="numpy")
def potential(net, mouth, share):  # type: ignore[no-untyped-def]
    """That at the mouth, by what its rows take."""
    level = 0.0
    for m in range(len(mouth)):
        level += share[m] * net.x[mouth[m]]
    return level


@njit(nogil=True, cache=True, error_model="numpy")
def _begun(net, mouth, share):  # type: ignore[no-untyped-def]
    """The residual of the potentials and the first search, downhill; returns the residual's square
    and its product with the search."""
    res, d, over = net.residual, net.search, net.image
    _apply(net, net.x, over)
    if net.back[0] > 0.0:
        for n in range(net.counts[FACES]):
            r = net.ends[n, 0]
            if net.label[LIVE, r]:
                over[r] -= net.face[n] * net.path[n, 4] * net.back[0]
    for m in range(len(mouth)):
        over[mouth[m]] -= share[m]
    norm, rho = 0.0, 0.0
    for r in range(net.counts[ROWS]):
        res[r] = -over[r]
        d[r] = res[r] / net.diagonal[r]
        rho += res[r] * d[r]
        norm += res[r] * res[r]
    return norm, rho


@njit(nogil=True, cache=True, error_model="numpy")
def _iterate(net, rho):  # type: ignore[no-untyped-def]
    rows, x, res, d, eased = net.counts[ROWS], net.x, net.residual, net.search, net.extra
    step = rho / _apply(net, d, net.image)
    norm, fresh = 0.0, 0.0
    for r in range(rows):
        x[r] += step * d[r]
        res[r] -= step * net.image[r]
        norm += res[r] * res[r]
        eased[r] = res[r] / net.diagonal[r]
        fresh += res[r] * eased[r]
    turn = fresh / rho
    for r in range(rows):
        d[r] = eased[r] + turn * d[r]
    return norm, fresh


@njit(nogil=True, cache=True, error_model="numpy")
def _apply(net, x, out):  # type: ignore[no-untyped-def]
    """out = A x; returns x . A x. Missing neighbours point to row 0 with no conductance."""
    joined, gain = net.joined, net.gain
    total = 0.0
    for r in range(net.counts[ROWS]):
        near = 0.0
        for f in range(VEIN):
            near += gain[r, f] * x[joined[r, f]]
        if gain[r, VEIN] > 0.0:  # hardly any
            near += gain[r, VEIN] * x[joined[r, VEIN]]
        out[r] = net.diagonal[r] * x[r] - near
        total += x[r] * out[r]
    return total
