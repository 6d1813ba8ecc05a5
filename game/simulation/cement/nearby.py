"""Potentials about the mouth, which change most from step to step.

Cells of the front beside the mouth fill in a step, and where the mouth moves, a source and a sink
side by side are added, which fade with the square of the distance. Overrelaxed sweeps (Young 1954)
over the nearest rows take most of that away, at a small part of what an iteration over all costs.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.network import FACES, FACES_EACH, LIVE, ROWS

NEAREST = 1500  # rows, some 7 voxels about the mouth: a project choice
SWEEPS = 40  # at most
OVER = 1.6  # relaxation, below 2 to converge; 1 is Gauss and Seidel's


@njit(nogil=True, cache=True, error_model="numpy")
def unbalanced(net, mouth, share):  # type: ignore[no-untyped-def]
    """The residual at the mouth's rows (its norm over that of what they give), their part of the
    front left out."""
    left, given = 0.0, 0.0
    for m in range(len(mouth)):
        r = mouth[m]
        rest = share[m]
        for f in range(FACES_EACH):
            rest += net.gain[r, f] * (net.x[net.joined[r, f]] - net.x[r])
        left += rest * rest
        given += share[m] * share[m]
    return np.sqrt(left / given)


@njit(nogil=True, cache=True, error_model="numpy")
def eased(net, mouth, share, goal):  # type: ignore[no-untyped-def]
    """Relax the rows nearest to the mouth, outwards, with the rest as they are, until the residual
    in them is below `goal`."""
    near, given, x = _nearest(net, mouth), net.extra, net.x
    for r in near:
        given[r] = 0.0
    if net.back[0] > 0.0:
        for n in range(net.counts[FACES]):
            given[net.ends[n, 0]] += net.face[n] * net.path[n, 4] * net.back[0]
    for m in range(len(mouth)):
        given[mouth[m]] += share[m]
    for _ in range(SWEEPS):
        norm = 0.0
        for r in near:
            rest = given[r] - net.diagonal[r] * x[r]
            for f in range(FACES_EACH):
                rest += net.gain[r, f] * x[net.joined[r, f]]
            x[r] += OVER * rest / net.diagonal[r]
            norm += rest * rest
        if norm < goal * goal:
            break


@njit(nogil=True, cache=True, error_model="numpy")
def _nearest(net, mouth):  # type: ignore[no-untyped-def]
    """NEAREST rows that conduct, the mouth's first, by how many faces lead there."""
    met = np.zeros(net.counts[ROWS], np.bool_)
    near = np.empty(NEAREST, np.int64)
    count = 0
    for m in range(len(mouth)):
        if net.label[LIVE, mouth[m]] == 1 and net.diagonal[mouth[m]] > 0.0:
            near[count], met[mouth[m]] = mouth[m], True
            count += 1
    head = 0
    while head < count:
        r = near[head]
        head += 1
        for f in range(FACES_EACH):
            o = net.joined[r, f]
            if net.gain[r, f] > 0.0 and not met[o] and count < NEAREST:
                near[count], met[o] = o, True
                count += 1
    return near[:count]
