"""Cells that hold cement, as a network of conductors: its arrays, and how it grows.

Rows are the cells that conduct (full, or under the cannula's mouth), in the order in which they
came to; the front are the cells that fill, handed out in the order of the faces that lead to them;
faces lead from a row to a cell of the front, ordered by row. So a network kept from the last call
and one rebuilt from its `Cement` give the same, bit for bit.

Two cells conduct 1 / (mu_a half_a + mu_b half_b): `half` is the resistance, 1/mm3, from a cell's
middle to its face, h / 2 over K h^2 in bone, half a pipe's in a vein.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.patient.patient import Region
from game.simulation.cement.body import LEDGER
from game.simulation.cement.bone import (
    TIGHT,
    across,
    among,
    beyond,
    half,
    region_of,
    room_of,
    turned,
    wide_at,
)
from game.simulation.cement.exits import PLACE_CODES, first_touch

FULL = 1.0 - 1.0e-9  # fill at which a cell conducts: rounding apart, all of it
PROMOTIONS = 4096  # rows that one call may add; bounds its time under absurd requests
FACES_EACH = 7  # six and a vein's, or a vein node's own
BLOCK = 10  # voxels along a block, whose potentials are lifted as one: a project choice
MARROW = int(Region.MARROW)
ROWS, FRONT, FACES, VACANT = 0, 1, 2, 3  # what the counters count
VOXEL, EXIT, REGION, LIVE, RANK = 0, 1, 2, 3, 4  # whole-number columns, the last of the front
ML, ROOM, AGE, CELSIUS, PA_S, POTENTIAL = 0, 1, 2, 3, 4, 5  # real ones


class Network(NamedTuple):
    """`slot` (cells,) holds a row, -2 - place in the front, or -1.

    By row: `label` (voxel, exit, region, whether joined to the mouth) and `state` (mL, room in mL,
    age, temperature, viscosity, potential in Pa s/mm3); its neighbours `joined`, by which face of
    theirs (`turn`), `half` and conductance `gain`, mm3/(Pa s); `own` and `diagonal`, the sums
    without and with the front; the `block` of voxels that it lies in (-1 in a vein) and as bits
    the faces by which it `crosses` to another; solver vectors. `group` (cells and more,) is -1, for
    numbering blocks. `x` is the potentials, a view of the state.

    By place of the front the same label, its rank among those that hold cement, the same state,
    and `inflow`; `vacant` are places that became rows, to be used again. By face `ends` (row,
    place, face) and `path` (near half, far half, far rest, least fill, 1 where it leads into
    marrow), conductance `face` and `flux`. `ledger` is mL by (region, exit); `back` (1,) the
    marrow's pressure over the flow, Pa s/mm3."""

    slot: NDArray[np.int32]
    counts: NDArray[np.int64]
    label: NDArray[np.int32]
    state: NDArray[np.float64]
    joined: NDArray[np.int32]
    turn: NDArray[np.uint8]
    half: NDArray[np.float64]
    gain: NDArray[np.float64]
    own: NDArray[np.float64]
    diagonal: NDArray[np.float64]
    x: NDArray[np.float64]
    residual: NDArray[np.float64]
    search: NDArray[np.float64]
    image: NDArray[np.float64]
    extra: NDArray[np.float64]
    speed: NDArray[np.float64]
    queue: NDArray[np.int32]
    block: NDArray[np.int32]
    crosses: NDArray[np.uint8]
    group: NDArray[np.int32]
    front_label: NDArray[np.int32]
    front: NDArray[np.float64]
    vacant: NDArray[np.int32]
    inflow: NDArray[np.float64]
    ends: NDArray[np.int32]
    path: NDArray[np.float64]
    face: NDArray[np.float64]
    flux: NDArray[np.float64]
    ledger: NDArray[np.float64]
    back: NDArray[np.float64]


def network(cells: int, rows: int) -> Network:
    """Arrays for a grid of `cells` voxels and vein nodes and for `rows` rows."""
    faces = FACES_EACH * rows
    state = np.empty((6, rows))
    return Network(
        slot=np.full(cells, -1, np.int32),
        counts=np.zeros(4, np.int64),
        label=np.empty((4, rows), np.int32),
        state=state,
        joined=np.empty((rows, FACES_EACH), np.int32),
        turn=np.empty((rows, FACES_EACH), np.uint8),
        half=np.empty((rows, FACES_EACH)),
        gain=np.empty((rows, FACES_EACH)),
        own=np.empty(rows),
        diagonal=np.empty(rows),
        x=state[POTENTIAL],
        residual=np.empty(rows),
        search=np.empty(rows),
        image=np.empty(rows),
        extra=np.empty(rows),
        speed=np.empty((rows, 3)),
        queue=np.empty(rows, np.int32),
        block=np.empty(rows, np.int32),
        crosses=np.empty(rows, np.uint8),
        group=np.full(cells + 8, -1, np.int32),
        front_label=np.empty((faces, 5), np.int32),
        front=np.empty((faces, 6)),
        vacant=np.empty(faces, np.int32),
        inflow=np.empty(faces),
        ends=np.empty((faces, 3), np.int32),
        path=np.empty((faces, 5)),
        face=np.empty(faces),
        flux=np.empty(faces),
        ledger=np.zeros(LEDGER),
        back=np.zeros(1),
    )


@njit(nogil=True, cache=True, error_model="numpy")
def added_row(net, v, exit, region, room):  # type: ignore[no-untyped-def]
    """A new row of cell v, joined to nothing yet; its state but for room is left open."""
    r = net.counts[ROWS]
    net.counts[ROWS] = r + 1
    net.slot[v] = r
    net.label[VOXEL, r], net.label[EXIT, r] = v, exit
    net.label[REGION, r], net.label[LIVE, r] = region, 0
    net.state[ROOM, r] = room
    net.joined[r, :] = 0
    net.turn[r, :] = 0
    net.half[r, :] = np.inf
    net.gain[r, :] = 0.0
    net.own[r] = 0.0
    net.crosses[r] = 0
    return r


@njit(nogil=True, cache=True, error_model="numpy")
def added_front(net, bone, v):  # type: ignore[no-untyped-def]
    """A new, empty place of the front for cell v."""
    if net.counts[VACANT] > 0:
        net.counts[VACANT] -= 1
        q = np.int64(net.vacant[net.counts[VACANT]])
    else:
        q = net.counts[FRONT]
        net.counts[FRONT] = q + 1
    net.slot[v] = -2 - q
    net.front_label[q, VOXEL], net.front_label[q, EXIT] = v, 0
    net.front_label[q, REGION], net.front_label[q, LIVE] = region_of(bone, v), 1
    net.front[q] = 0.0
    net.front[q, ROOM] = room_of(bone, v)
    return q


@njit(nogil=True, cache=True, error_model="numpy")
def wire(net, bone, first, last):  # type: ignore[no-untyped-def]
    """Join the rows from `first` to `last` to their neighbours: rows by conductances, the front by
    faces."""
    label, over, permeability, channel = net.label, bone.over, bone.permeability, bone.channel
    size, shape, h = len(over), bone.shape, bone.h
    for r in range(first, last):
        v = label[VOXEL, r]
        net.block[r] = _block(v, shape, label[REGION, r]) if v < size else -1
    for r in range(first, last):
        v = label[VOXEL, r]
        if v >= size or among(bone.roots, v):
            for f in range(FACES_EACH):
                w = beyond(bone, v, f)
                if w >= 0:
                    _join(net, bone, r, f, w, half(bone, v, f, w))
            continue
        z, y, x = v % shape[2], v // shape[2] % shape[1], v // (shape[1] * shape[2])
        place = over[v]
        for f in range(6):
            w = across(v, x, y, z, f, shape)
            if w < 0 or first <= net.slot[w] < r:  # joined to it from there
                continue
            if place >= 0:
                here = 0.5 / (channel[place, f // 2] * h)
            else:
                wide = 1.0
                if over[w] >= 0:
                    wide = wide_at(permeability, bone.widening[over[w]], v, w, f // 2)
                here = 0.5 / (permeability[v, f // 2] * h * wide)
            i = net.slot[w]
            if i < 0 or over[w] >= 0 or place >= 0:
                _join(net, bone, r, f, w, here)
                continue
            there = 0.5 / (permeability[w, f // 2] * h)
            gain = 1.0 / (net.state[PA_S, r] * here + net.state[PA_S, i] * there)
            if gain > 0.0 or (here < np.inf and there < np.inf):
                _tie(net.joined, net.turn, net.half, net.gain, r, f, i, f ^ 1, here, there, gain)
                _mark(net.block, net.crosses, r, f, i, f ^ 1)
    _summed(net, first, last)


@njit(nogil=True, cache=True, error_model="numpy")
def _block(v, shape, region):  # type: ignore[no-untyped-def]
    """The number of the block of voxels that voxel v lies in; what lies outside bone is a block of
    its own, for there the pressure is another."""
    x, y, z = v // (shape[1] * shape[2]), v // shape[2] % shape[1], v % shape[2]
    across, along = (shape[1] - 1) // BLOCK + 1, (shape[2] - 1) // BLOCK + 1
    block = (x // BLOCK * across + y // BLOCK) * along + z // BLOCK
    return 2 * block + (region != MARROW)


@njit(nogil=True, cache=True, error_model="numpy")
def _summed(net, first, last):  # type: ignore[no-untyped-def]
    """The `own` of the rows from `first` to `last` and of those that they were joined to."""
    for r in range(first, last):
        net.own[r] = _total(net.gain, r)
        for f in range(FACES_EACH):
            if net.gain[r, f] > 0.0 and net.joined[r, f] < first:
                net.own[net.joined[r, f]] = _total(net.gain, net.joined[r, f])


@njit(nogil=True, cache=True, error_model="numpy")
def _total(gain, r):  # type: ignore[no-untyped-def]
    total = 0.0
    for f in range(FACES_EACH):
        total += gain[r, f]
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def _join(net, bone, r, f, w, here):  # type: ignore[no-untyped-def]
    """Join row r by its face f to cell w, whatever that is."""
    g = turned(bone, net.label[VOXEL, r], f, w)
    there = half(bone, w, g, net.label[VOXEL, r])
    if not (here < np.inf and there < np.inf):
        return
    i = net.slot[w]
    if i == -1:
        i = -2 - added_front(net, bone, w)
    if i < -1:
        _face(net, bone, r, -2 - i, f, here, there)
        return
    gain = 1.0 / (net.state[PA_S, r] * here + net.state[PA_S, i] * there)
    _tie(net.joined, net.turn, net.half, net.gain, r, f, i, g, here, there, gain)
    _mark(net.block, net.crosses, r, f, i, g)


@njit(nogil=True, cache=True, error_model="numpy")
def _tie(joined, turn, half, gains, r, f, i, g, here, there, gain):  # type: ignore[no-untyped-def]
    joined[r, f], turn[r, f], half[r, f], gains[r, f] = i, g, here, gain
    joined[i, g], turn[i, g], half[i, g], gains[i, g] = r, f, there, gain


@njit(nogil=True, cache=True, error_model="numpy")
def _mark(block, crosses, r, f, i, g):  # type: ignore[no-untyped-def]
    """That face f of row r, which is face g of row i, leads from block to block, where it does."""
    if block[r] != block[i]:
        crosses[r] |= 1 << f
        crosses[i] |= 1 << g


@njit(nogil=True, cache=True, error_model="numpy")
def _face(net, bone, r, q, f, here, there):  # type: ignore[no-untyped-def]
    """A new face from row r to a place of the front. A cell that is a wall to its neighbour
    counts as half filled from the first touch on, so that this forces no cement into it."""
    n = net.counts[FACES]
    net.counts[FACES] = n + 1
    net.ends[n, 0], net.ends[n, 1], net.ends[n, 2] = r, q, f
    rest = there
    w = net.front_label[q, VOXEL]
    if w < len(bone.over) and f < 6 and bone.over[w] < 0:
        rest = 0.5 / (bone.permeability[w, f // 2] * bone.h)
    net.path[n, 0], net.path[n, 1], net.path[n, 2] = here, there, rest
    net.path[n, 3] = 0.5 if here < TIGHT * there else 0.0
    inside = w < len(bone.over) and net.front_label[q, REGION] == MARROW
    net.path[n, 4] = 1.0 if inside else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def converted(net, q):  # type: ignore[no-untyped-def]
    """The place q of the front, now full, as a row; it is not wired yet."""
    v = net.front_label[q, VOXEL]
    r = added_row(net, v, net.front_label[q, EXIT], net.front_label[q, REGION], net.front[q, ROOM])
    net.state[:, r] = net.front[q]
    net.front_label[q, LIVE], net.front[q, ML] = 0, 0.0
    net.label[LIVE, r] = 1
    net.x[r] = 0.0
    return r


@njit(nogil=True, cache=True, error_model="numpy")
def flood(net, seeds):  # type: ignore[no-untyped-def]
    """Mark the rows that conduct from `seeds` as live, all others as not."""
    net.label[LIVE, : net.counts[ROWS]] = 0
    for m in range(len(seeds)):
        spread(net, seeds[m])
    for r in range(net.counts[ROWS]):
        if net.label[LIVE, r] == 0:
            net.x[r] = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def spread(net, seed):  # type: ignore[no-untyped-def]
    """Make a row live, and all that conduct from it."""
    if net.label[LIVE, seed] == 1:
        return
    net.label[LIVE, seed] = 1
    net.queue[0] = seed
    head, tail = 0, 1
    while head < tail:
        r = net.queue[head]
        head += 1
        for f in range(FACES_EACH):
            o = net.joined[r, f]
            if net.gain[r, f] > 0.0 and net.label[LIVE, o] == 0:
                net.label[LIVE, o] = 1
                net.queue[tail] = o
                tail += 1


@njit(nogil=True, cache=True, error_model="numpy")
def touched(net, bone, r, q):  # type: ignore[no-untyped-def]
    """The exit of a place of the front that row r is the first to feed; a vein's node counts as fed
    by the vein."""
    v, size = net.label[VOXEL, r], len(bone.over)
    region = net.front_label[q, REGION]
    vein = v >= size or net.front_label[q, VOXEL] >= size
    track = v < size and bone.over[v] >= 0
    sheet = among(bone.sheet, v)
    return first_touch(region, PLACE_CODES[region], net.label[EXIT, r], vein, track, sheet)


@njit(nogil=True, cache=True, error_model="numpy")
def written(net, front):  # type: ignore[no-untyped-def]
    """What holds cement, rows first, then the places of the `front` (k,): voxels (k,), exits (k,)
    and (5, k) mL, age, temperature, viscosity and potential."""
    rows, held = net.counts[ROWS], 0
    for r in range(rows):
        held += net.state[ML, r] > 0.0
    count = held + len(front)
    voxels, exits = np.empty(count, np.int64), np.empty(count, np.uint8)
    state = np.empty((5, count))
    n = 0
    for r in range(rows):
        if net.state[ML, r] > 0.0:
            voxels[n], exits[n] = net.label[VOXEL, r], net.label[EXIT, r]
            n += 1
    for q in front:
        voxels[n], exits[n] = net.front_label[q, VOXEL], net.front_label[q, EXIT]
        n += 1
    for k in range(5):
        column = ML if k == 0 else k + 1  # the room is not the cement's
        n = 0
        for r in range(rows):
            if net.state[ML, r] > 0.0:
                state[k, n] = net.state[column, r]
                n += 1
        for q in front:
            state[k, n] = net.front[q, column]
            n += 1
    return voxels, exits, state
