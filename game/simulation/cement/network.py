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
    count: NDArray[np.int64]
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
    source: NDArray[np.float64]
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
    cells = filled + mouth + 6 * rows
    by_cell = [np.empty(cells) for _ in range(4)]
    by_row = [np.empty(rows) for _ in range(7)]
    by_face = [np.empty(6 * rows) for _ in range(4)]
    return Network(
        slot, np.zeros(4, np.int64), np.empty(cells, np.int64), *by_cell,
        np.empty(cells, np.int32), np.empty(rows, np.int32), np.empty((rows, 6), np.int32),
        np.empty((rows, 6)), *by_row,
        np.empty(6 * rows, np.int32), np.empty(6 * rows, np.int32), *by_face,
    )  # fmt: skip


@njit(nogil=True, cache=True)
def inject(net, permeability, porosity, shape, h, known, mouth, share, offer):  # type: ignore[no-untyped-def]
    """Pour `offer` = (mL, s, bore 8 L / (pi r^4) 1/mm3, limit / mu 1/s) in at `mouth` voxels.

    `known` = (voxels, ml, potential) of the cement so far. Returns the mL poured, the last flow
    mm3/s and the last resistance 1/mm3; the cells stay in `net`."""
    volume = h * h * h / 1000.0
    _load(net, porosity, volume, known)
    for m in range(len(mouth)):
        _enlist(net, _cell(net, porosity, volume, mouth[m]))
    net.source[: len(mouth)] = share
    ml, seconds, bore, most = offer
    left, poured, flow, resistance = ml, 0.0, 0.0, 0.0
    for _ in range(SUBSTEPS):
        _expand(net, permeability, porosity, shape, h, volume)
        if _front(net, h) <= 0.0:
            break
        _solve(net, len(mouth))
        resistance = 0.0
        for m in range(len(mouth)):
            resistance += share[m] * net.potential[m]
        flow = min(1000.0 * ml / offer[1], most / (bore + resistance))
        wanted = min(left, flow * seconds / 1000.0)
        held = flow * seconds / 1000.0 < left * (1.0 - 1e-9)
        amount = _pour(net, wanted)
        poured += amount
        left -= amount
        seconds -= 1000.0 * amount / flow if flow > 0.0 else seconds
        if amount >= wanted or net.count[ROWS] >= len(known[0]) + PROMOTIONS:
            poured = poured if held else poured
            break
    for c in range(net.count[CELLS]):
        net.slot[net.voxel[c]] = -1
    return poured, flow, resistance
