"""Potentials brought to the right level, block by block, before conjugate gradients refine them.

A solve that starts from the last potentials and stops early is off by what changes slowly from
place to place, and sends cement to where the front conducts best: out of the bone. So each block of
some voxels is lifted by a number of its own, those that make what flows into every block equal what
flows out of it (Galerkin's condition with piecewise constants: the coarse grid of algebraic
multigrid, Vanek 1996; Nicolaides 1987). All lifted by one number would balance the whole only.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.network import FACES, FACES_EACH, LIVE, ROWS

HELD = 1.0e-12  # of a block's conductance: less is rounding
LOWEST = np.array([0, *((n & -n).bit_length() - 1 for n in range(1, 1 << FACES_EACH))])  # bit set
MOST = 160  # blocks that are told apart; further ones share a number with earlier ones


@njit(nogil=True, cache=True, error_model="numpy")
def levelled(net, mouth, share):  # type: ignore[no-untyped-def]
    """Lift the potentials of live rows, a number for each block, so that what the mouth gives and
    what the front takes balance in each. Rows in veins stay as they are."""
    count = _numbered(net)
    if count == 0:
        return
    matrix, lift = np.zeros((count, count)), np.zeros(count)
    _gathered(net, matrix, lift)
    for m in range(len(mouth)):
        if net.queue[mouth[m]] >= 0:
            lift[net.queue[mouth[m]]] += share[m]
    _solved(matrix, lift)
    for r in range(net.counts[ROWS]):
        if net.queue[r] >= 0:
            net.x[r] += lift[net.queue[r]]


@njit(nogil=True, cache=True, error_model="numpy")
def _numbered(net):  # type: ignore[no-untyped-def]
    """Write into `queue` the number of each row's block, in the order of rows, -1 for a row that is
    not live or in no block; returns how many there are."""
    count = 0
    found = np.empty(net.counts[ROWS], np.int32)
    for r in range(net.counts[ROWS]):
        block = net.block[r]
        if block < 0 or net.label[LIVE, r] == 0:
            net.queue[r] = -1
            continue
        if net.group[block] < 0:
            net.group[block] = count % MOST
            found[count] = block
            count += 1
        net.queue[r] = net.group[block]
    for n in range(count):
        net.group[found[n]] = -1
    return min(count, MOST)


@njit(nogil=True, cache=True, error_model="numpy")
def _gathered(net, matrix, lift):  # type: ignore[no-untyped-def]
    """Conductances between blocks, and what flows into each without the mouth."""
    block, joined, gain, x = net.queue, net.joined, net.gain, net.x
    for n in range(net.counts[FACES]):
        i = block[net.ends[n, 0]]
        if i >= 0:
            matrix[i, i] += net.face[n]
            ahead = x[net.ends[n, 0]] - net.path[n, 4] * net.back[0]
            lift[i] -= net.face[n] * ahead
    for r in range(net.counts[ROWS]):
        crosses, i = net.crosses[r], block[r]
        if i < 0:
            continue
        while crosses:
            f = LOWEST[crosses]
            crosses &= crosses - 1
            j, flows = block[joined[r, f]], gain[r, f]
            if j != i and flows > 0.0:
                matrix[i, i] += flows
                lift[i] -= flows * (x[r] - x[joined[r, f]])
                if j >= 0:
                    matrix[i, j] -= flows


@njit(nogil=True, cache=True, error_model="numpy")
def _solved(matrix, lift):  # type: ignore[no-untyped-def]
    """Cholesky, in place; what nothing holds (a pivot of rounding's size) is not lifted."""
    count = len(lift)
    first = np.zeros(count, np.int64)  # that a row holds; what lies before stays 0
    for i in range(count):
        least = HELD * matrix[i, i]
        while matrix[i, first[i]] == 0.0 and first[i] < i:
            first[i] += 1
        for j in range(first[i], i + 1):
            rest = matrix[i, j]
            for k in range(max(first[i], first[j]), j):
                rest -= matrix[i, k] * matrix[j, k]
            if i > j:
                matrix[i, j] = rest / matrix[j, j]
            else:
                matrix[i, i] = np.sqrt(rest) if rest > least else np.inf
        for k in range(first[i], i):
            lift[i] -= matrix[i, k] * lift[k]
        lift[i] /= matrix[i, i]
    for i in range(count - 1, -1, -1):
        for k in range(i + 1, count):
            lift[i] -= matrix[k, i] * lift[k]
        lift[i] /= matrix[i, i]
