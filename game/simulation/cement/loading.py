"""The network of a cement, from nothing: rows, front and faces in their order."""

from __future__ import annotations

from numba import njit

from game.simulation.cement.bone import region_of, room_of
from game.simulation.cement.exits import PLACE_CODES, first_touch
from game.simulation.cement.network import (
    AGE,
    CELSIUS,
    EXIT,
    FRONT,
    FULL,
    LIVE,
    ML,
    PA_S,
    POTENTIAL,
    ROOM,
    ROWS,
    VOXEL,
    added_front,
    added_row,
    wire,
)
from game.simulation.cement.rheology import apparent_viscosity


@njit(nogil=True, cache=True, error_model="numpy")
def rebuilt(net, bone, law, cement, mouth, arriving):  # type: ignore[no-untyped-def]
    """The network of `cement` = (voxels, (5, k) values, exits) from nothing."""
    cleared(net)
    load(net, bone, law, cement[0], cement[1], cement[2], mouth)
    opened(net, bone, law, mouth, arriving)
    wire(net, bone, 0, net.counts[ROWS])


@njit(nogil=True, cache=True, error_model="numpy")
def cleared(net):  # type: ignore[no-untyped-def]
    """Forget all cells."""
    for r in range(net.counts[ROWS]):
        net.slot[net.label[VOXEL, r]] = -1
    for q in range(net.counts[FRONT]):
        if net.front_label[q, LIVE]:
            net.slot[net.front_label[q, VOXEL]] = -1
    net.counts[:] = 0


@njit(nogil=True, cache=True, error_model="numpy")
def load(net, bone, law, voxels, known, exits, mouth):  # type: ignore[no-untyped-def]
    """The network of a cement: `known` (5, k) is its mL, age, temperature, viscosity and potential.
    Cells under the mouth are rows, however little they hold."""
    for m in range(len(mouth)):
        net.slot[mouth[m]] = -2
    for n in range(len(voxels)):
        v = voxels[n]
        room = room_of(bone, v)
        if known[0, n] >= FULL * room or net.slot[v] == -2:
            r = added_row(net, v, exits[n], region_of(bone, v), room)
            held = net.state[:, r]
        else:
            q = added_front(net, bone, v)
            net.front_label[q, EXIT] = exits[n]
            held = net.front[q]
        held[ML], held[AGE], held[CELSIUS] = known[0, n], known[1, n], known[2, n]
        held[PA_S], held[POTENTIAL] = known[3, n], known[4, n]
        if held[PA_S] <= 0.0:
            held[PA_S] = apparent_viscosity(law, held[AGE], 0.0)
    for m in range(len(mouth)):
        if net.slot[mouth[m]] == -2:
            net.slot[mouth[m]] = -1


@njit(nogil=True, cache=True, error_model="numpy")
def opened(net, bone, law, mouth, arriving):  # type: ignore[no-untyped-def]
    """Rows for the cells under the mouth that hold nothing yet, of cement `arriving` = (age,
    temperature). What the mouth opens into outside the envelope came by the trainee's track."""
    for m in range(len(mouth)):
        v = mouth[m]
        if net.slot[v] >= 0:
            continue
        region, room = region_of(bone, v), room_of(bone, v)
        way = first_touch(region, PLACE_CODES[region], 0, False, True, False)
        r = added_row(net, v, way, region, room)
        net.state[:, r] = 0.0
        net.state[ROOM, r] = room
        net.state[AGE, r], net.state[CELSIUS, r] = arriving
        net.state[PA_S, r] = apparent_viscosity(law, arriving[0], 0.0)
