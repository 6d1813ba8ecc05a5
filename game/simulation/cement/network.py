"""The filled voxels as a network of conductors: kernels, serial and in a fixed order.

Cells are voxels that hold cement or touch it; rows are the cells that conduct (full, or under the
cannula's mouth) and are joined to the mouth; faces lead from a row to a cell of the front. Unknown
is each row's potential p / (mu Q), 1/mm3, so that all fluxes through the front add up to 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FULL = 0.98  # fill at which a voxel conducts; the rest is topped up first, so no void stays
SUBSTEPS = 256  # of one call; bounds its time under absurd requests
PROMOTIONS = 4096  # voxels newly filled in one call, likewise
TOLERANCE = 1.0e-4  # residual of the solve over its source
ITERATIONS = 400  # of one solve
CELLS, ROWS, HEAD, FACES = 0, 1, 2, 3  # what the counters count


class Network(NamedTuple):
    """Working arrays of one call: by cell `voxel`, `ml`, `room` (mL it can hold), `guess`, `rate`,
    `row_of` (-1 none); by row `cell_of`, six neighbours `joined` and conductances `gain` (mm3),
    `own` and `diagonal` (their sum, without and with the front), solver vectors; by face `row`,
    `cell`, `near` and `far` (series resistances, 1/mm2), `least` (fill) and `face` (mm3)."""

    slot: NDArray[np.int32]
    counts: NDArray[np.int64]
    voxel: NDArray[np.int64]
    ml: NDArray[np.float64]
    room: NDArray[np.float64]
    guess: NDArray[np.float64]
    rate: NDArray[np.float64]
    row_of: NDArray[np.int32]
    cell_of: NDArray[np.int32]
    joined: NDArray[np.int32]
    gain: NDArray[np.float64]
    own: NDArray[np.float64]
    diagonal: NDArray[np.float64]
    potential: NDArray[np.float64]
    residual: NDArray[np.float64]
    search: NDArray[np.float64]
    image: NDArray[np.float64]
    row: NDArray[np.int32]
    cell: NDArray[np.int32]
    near: NDArray[np.float64]
    far: NDArray[np.float64]
    least: NDArray[np.float64]
    face: NDArray[np.float64]


def network(slot: NDArray[np.int32], filled: int, mouth: int) -> Network:
    """Room for `filled` known voxels and all that one call can add; pages are touched as used.

    `slot` (voxels of the grid,) is -1 everywhere, and is again after `inject`."""
    rows = filled + mouth + PROMOTIONS
    cells, faces = filled + mouth + 6 * rows, 6 * rows
    return Network(
        slot=slot,
        counts=np.zeros(4, np.int64),
        voxel=np.empty(cells, np.int64),
        ml=np.empty(cells),
        room=np.empty(cells),
        guess=np.empty(cells),
        rate=np.empty(cells),
        row_of=np.empty(cells, np.int32),
        cell_of=np.empty(rows, np.int32),
        joined=np.empty((rows, 6), np.int32),
        gain=np.empty((rows, 6)),
        own=np.empty(rows),
        diagonal=np.empty(rows),
        potential=np.empty(rows),
        residual=np.empty(rows),
        search=np.empty(rows),
        image=np.empty(rows),
        row=np.empty(faces, np.int32),
        cell=np.empty(faces, np.int32),
        near=np.empty(faces),
        far=np.empty(faces),
        least=np.empty(faces),
        face=np.empty(faces),
    )


@njit(nogil=True, cache=True, error_model="numpy")
def inject(net, permeability, porosity, shape, h, known, mouth, share, offer):  # type: ignore[no-untyped-def]
    """Pour `offer` = (mL, s, bore 8 L / (pi r^4) 1/mm3, limit / mu 1/s) in at `mouth` voxels.

    `known` = (voxels, ml, potential) of the cement so far. Returns the mL poured, the last flow
    mm3/s and the last resistance of the bone 1/mm3; the cells stay in `net`."""
    volume = h * h * h / 1000.0
    _load(net, porosity, volume, known)
    for m in range(len(mouth)):
        _enlist(net, _cell(net, porosity, volume, mouth[m]))
    ml, seconds, bore, most = offer
    command = 1000.0 * ml / seconds
    poured, flow, resistance = 0.0, 0.0, 0.0
    for _ in range(SUBSTEPS):
        _expand(net, permeability, porosity, shape, h, volume)
        if net.counts[ROWS] > len(known[0]) + PROMOTIONS or _front(net, h) <= 0.0:
            break
        resistance = _solve(net, share)
        flow = min(command, most / (bore + resistance))
        left = ml - poured
        wanted = min(left, flow * seconds / 1000.0)
        last = wanted > left * (1.0 - 1e-9)
        amount = _pour(net, left if last else wanted)
        poured += amount
        if amount >= wanted:
            poured = ml if last and amount == left else poured
            break
        seconds -= 1000.0 * amount / flow
    for c in range(net.counts[CELLS]):
        net.slot[net.voxel[c]] = -1
    return poured, flow, resistance


@njit(nogil=True, cache=True, error_model="numpy")
def _load(net, porosity, volume, known):  # type: ignore[no-untyped-def]
    voxel, room, row_of, slot = net.voxel, net.room, net.row_of, net.slot
    voxels, ml, potential = known
    k = len(voxels)
    net.counts[CELLS] = k
    net.ml[:k] = ml
    net.guess[:k] = potential
    for c in range(k):
        v = voxels[c]
        slot[v] = c
        voxel[c] = v
        room[c] = porosity[v] * volume
        row_of[c] = -1


@njit(nogil=True, cache=True, error_model="numpy")
def _cell(net, porosity, volume, v):  # type: ignore[no-untyped-def]
    """The cell of a voxel, a fresh empty one where there was none."""
    c = net.slot[v]
    if c < 0:
        c = net.counts[CELLS]
        net.counts[CELLS] = c + 1
        net.slot[v] = c
        net.voxel[c] = v
        net.ml[c] = 0.0
        net.room[c] = porosity[v] * volume
        net.guess[c] = 0.0
        net.row_of[c] = -1
    return c


@njit(nogil=True, cache=True, error_model="numpy")
def _enlist(net, c):  # type: ignore[no-untyped-def]
    """Make a cell conduct; its neighbours are looked up by `_expand`."""
    r = net.counts[ROWS]
    net.counts[ROWS] = r + 1
    net.row_of[c] = r
    net.cell_of[r] = c
    net.potential[r] = net.guess[c]


@njit(nogil=True, cache=True, error_model="numpy")
def _expand(net, permeability, porosity, shape, h, volume):  # type: ignore[no-untyped-def]
    """Look up the neighbours of rows not yet looked at; full ones become rows in their turn."""
    first = net.counts[HEAD]
    rows, row_of, cell_of = net.counts[ROWS], net.row_of, net.cell_of
    slot, ml, room, beside, k = net.slot, net.ml, net.room, net.joined, permeability
    head = first
    while head < rows:
        v = net.voxel[cell_of[head]]
        z, y, x = v % shape[2], v // shape[2] % shape[1], v // (shape[1] * shape[2])
        for f in range(6):
            w = _beyond(v, x, y, z, f, shape)
            c = np.int64(slot[w]) if w >= 0 else -1
            if w >= 0 and c < 0:
                c = _cell(net, porosity, volume, w)
            if (
                w >= 0
                and row_of[c] < 0
                and ml[c] >= FULL * room[c]
                and k[v, f // 2] * k[w, f // 2] > 0
            ):
                row_of[c] = rows
                cell_of[rows] = c
                rows += 1
            beside[head, f] = c
        head += 1
    net.counts[HEAD], net.counts[ROWS] = head, rows
    _wire(net, permeability, h, first)


@njit(nogil=True, cache=True, error_model="numpy")
def _beyond(v, x, y, z, f, shape):  # type: ignore[no-untyped-def]
    """The voxel across face f (-x, +x, -y, +y, -z, +z) of voxel v; -1 beyond the grid."""
    if f == 0:
        return v - shape[1] * shape[2] if x > 0 else -1
    if f == 1:
        return v + shape[1] * shape[2] if x < shape[0] - 1 else -1
    if f == 2:
        return v - shape[2] if y > 0 else -1
    if f == 3:
        return v + shape[2] if y < shape[1] - 1 else -1
    if f == 4:
        return v - 1 if z > 0 else -1
    return v + 1 if z < shape[2] - 1 else -1


@njit(nogil=True, cache=True, error_model="numpy")
def _wire(net, permeability, h, first):  # type: ignore[no-untyped-def]
    """Conductances of the rows from `first` on: between rows, or to the front as new faces."""
    voxel, row_of, cell_of = net.voxel, net.row_of, net.cell_of
    joined, gains, own, potential = net.joined, net.gain, net.own, net.potential
    row, cell, near, far, least = net.row, net.cell, net.near, net.far, net.least
    n = net.counts[FACES]
    for r in range(first, net.counts[ROWS]):
        v = voxel[cell_of[r]]
        potential[r] = net.guess[cell_of[r]]
        own[r] = 0.0
        for f in range(6):
            c = joined[r, f]
            joined[r, f] = 0
            gains[r, f] = 0.0
            if c < 0:
                continue
            here, there = float(permeability[v, f // 2]), float(permeability[voxel[c], f // 2])
            if here <= 0.0 or there <= 0.0:
                continue
            o = row_of[c]
            if o < 0:
                row[n], cell[n], near[n], far[n] = r, c, 0.5 / here, 1.0 / there
                least[n] = max(0.0, 0.5 * (1.0 - there / here))
                n += 1
                continue
            gain = 2.0 * h * here * there / (here + there)
            joined[r, f] = o
            gains[r, f] = gain
            own[r] += gain
            if o < first:
                joined[o, f ^ 1] = r
                gains[o, f ^ 1] = gain
                own[o] += gain
    net.counts[FACES] = n


@njit(nogil=True, cache=True, error_model="numpy")
def _front(net, h):  # type: ignore[no-untyped-def]
    """Conductances from rows to the front, mm3, on the diagonal; returns their sum. Faces whose
    cell has become a row are dropped. A cell much tighter than its neighbour counts as half filled
    at least, so that the first touch does not force cement into it."""
    for r in range(net.counts[ROWS]):
        net.diagonal[r] = net.own[r]
    kept, total = 0, 0.0
    for n in range(net.counts[FACES]):
        c, r = net.cell[n], net.row[n]
        if net.row_of[c] >= 0:
            continue
        fill = max(net.ml[c] / net.room[c], net.least[n])
        gain = h / (net.near[n] + fill * net.far[n])
        net.row[kept], net.cell[kept], net.least[kept] = r, c, net.least[n]
        net.near[kept], net.far[kept], net.face[kept] = net.near[n], net.far[n], gain
        net.diagonal[r] += gain
        total += gain
        kept += 1
    net.counts[FACES] = kept
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def _solve(net, share):  # type: ignore[no-untyped-def]
    """Potentials of the rows for a unit source, by conjugate gradients with Jacobi's
    preconditioner from the last potential, shifted so that the front passes 1. Returns the
    potential at the mouth."""
    rows, x, res, d = net.counts[ROWS], net.potential, net.residual, net.search
    _shift(net)
    _apply(net, x, net.image)
    rho, norm, goal = 0.0, 0.0, 0.0
    for r in range(rows):
        res[r] = (share[r] if r < len(share) else 0.0) - net.image[r]
        d[r] = res[r] / net.diagonal[r]
        rho += res[r] * d[r]
        norm += res[r] * res[r]
    for m in range(len(share)):
        goal += TOLERANCE * TOLERANCE * share[m] * share[m]
    for _ in range(ITERATIONS):
        if norm <= goal:
            break
        norm, rho = _iterate(net, rho)
    mouth = 0.0
    for m in range(len(share)):
        mouth += share[m] * x[m]
    return mouth


@njit(nogil=True, cache=True, error_model="numpy")
def _iterate(net, rho):  # type: ignore[no-untyped-def]
    rows, x, res, d = net.counts[ROWS], net.potential, net.residual, net.search
    step = rho / _apply(net, d, net.image)
    norm, fresh = 0.0, 0.0
    for r in range(rows):
        x[r] += step * d[r]
        res[r] -= step * net.image[r]
        norm += res[r] * res[r]
        fresh += res[r] * res[r] / net.diagonal[r]
    for r in range(rows):
        d[r] = res[r] / net.diagonal[r] + fresh / rho * d[r]
    return norm, fresh


@njit(nogil=True, cache=True, error_model="numpy")
def _shift(net):  # type: ignore[no-untyped-def]
    """Add one constant to all potentials, so that the fluxes through the front add up to 1."""
    through, total = 0.0, 0.0
    for n in range(net.counts[FACES]):
        through += net.face[n] * net.potential[net.row[n]]
        total += net.face[n]
    for r in range(net.counts[ROWS]):
        net.potential[r] += (1.0 - through) / total


@njit(nogil=True, cache=True, error_model="numpy")
def _apply(net, x, out):  # type: ignore[no-untyped-def]
    """out = A x; returns x . A x. Missing neighbours point to row 0 with no conductance."""
    joined, gain = net.joined, net.gain
    total = 0.0
    for r in range(net.counts[ROWS]):
        near = (
            gain[r, 0] * x[joined[r, 0]] + gain[r, 1] * x[joined[r, 1]]
            + gain[r, 2] * x[joined[r, 2]] + gain[r, 3] * x[joined[r, 3]]
            + gain[r, 4] * x[joined[r, 4]] + gain[r, 5] * x[joined[r, 5]]
        )  # fmt: skip
        out[r] = net.diagonal[r] * x[r] - near
        total += x[r] * out[r]
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def _pour(net, wanted):  # type: ignore[no-untyped-def]
    """Share out at most `wanted` mL, until a cell of the front is full; returns the mL poured.

    Rows that are not quite full are topped up first; full cells of the front become rows."""
    passed = _rates(net)
    gaps = 0.0
    for r in range(net.counts[ROWS]):
        gaps += max(0.0, net.room[net.cell_of[r]] - net.ml[net.cell_of[r]])
    spare = np.inf
    for n in range(net.counts[FACES]):
        c = net.cell[n]
        if net.rate[c] > 0.0:
            spare = min(spare, max(0.0, net.room[c] - net.ml[c]) * passed / net.rate[c])
    amount = min(wanted, gaps + spare)
    rest = _top_up(net, amount)
    for n in range(net.counts[FACES]):
        flux = max(0.0, net.face[n] * net.potential[net.row[n]])
        net.ml[net.cell[n]] += rest * flux / passed
    for n in range(net.counts[FACES]):
        c = net.cell[n]
        if net.row_of[c] < 0 and net.ml[c] >= FULL * net.room[c]:
            _enlist(net, c)
    return amount


@njit(nogil=True, cache=True, error_model="numpy")
def _rates(net):  # type: ignore[no-untyped-def]
    """Flux into each cell of the front; returns the sum. Fluxes out of the front, which only an
    unfinished solve has, count as 0."""
    for n in range(net.counts[FACES]):
        net.rate[net.cell[n]] = 0.0
    passed = 0.0
    for n in range(net.counts[FACES]):
        flux = max(0.0, net.face[n] * net.potential[net.row[n]])
        net.rate[net.cell[n]] += flux
        passed += flux
    return passed


@njit(nogil=True, cache=True, error_model="numpy")
def _top_up(net, amount):  # type: ignore[no-untyped-def]
    """Fill what the rows lack, in order; returns what is left of `amount`."""
    rest = amount
    for r in range(net.counts[ROWS]):
        c = net.cell_of[r]
        gap = net.room[c] - net.ml[c]
        if gap > 0.0 and rest > 0.0:
            added = min(gap, rest)
            net.ml[c] += added
            rest -= added
    return rest
