"""What changes in cement where it stands and as it moves: age, temperature, and so viscosity.

Age and temperature go with the flow (upwind, implicit, row after row, so that each new value lies
between old ones and volume is not touched). Then all cells age in closed form. The shear rate in
bone is that of a bundle of capillaries, 4 u / sqrt(8 K phi) for a Darcy velocity u (Christopher and
Middleman 1965 without its factor of the index); in a vein 4 Q / (pi r^3).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.bone import ease, room_of
from game.simulation.cement.network import (
    AGE,
    CELSIUS,
    FACES,
    FACES_EACH,
    FRONT,
    LIVE,
    ML,
    PA_S,
    ROOM,
    ROWS,
    VOXEL,
)
from game.simulation.cement.rheology import (
    BODY_C,
    DOUBLING_C,
    GEL,
    INDEX,
    TAU,
    WARMING_S,
    apparent_viscosity,
    rate,
)
from game.simulation.cement.solving import ahead

TERMS = 20  # of the series of growing age; enough to 1e-9 between 0 and 80 C


@njit(nogil=True, cache=True, error_model="numpy")
def carried(net, mouth, share, moved, arriving):  # type: ignore[no-untyped-def]
    """Age and temperature after `moved` mL went through by the last potentials, `arriving` at the
    mouth."""
    age, celsius, room, x = net.state[AGE], net.state[CELSIUS], net.state[ROOM], net.x
    source = net.extra
    source[: net.counts[ROWS]] = 0.0
    for m in range(len(mouth)):
        source[mouth[m]] += share[m]
    for r in range(net.counts[ROWS]):
        if net.label[LIVE, r] == 0:
            continue
        inflow, aged, warm = source[r], source[r] * arriving[0], source[r] * arriving[1]
        for f in range(FACES_EACH):
            o = net.joined[r, f]
            flux = max(0.0, net.gain[r, f] * (x[o] - x[r]))
            inflow += flux
            aged += flux * age[o]
            warm += flux * celsius[o]
        inflow *= moved
        age[r] = (room[r] * age[r] + moved * aged) / (room[r] + inflow)
        celsius[r] = (room[r] * celsius[r] + moved * warm) / (room[r] + inflow)


@njit(nogil=True, cache=True, error_model="numpy")
def ripened(age, celsius, seconds):  # type: ignore[no-untyped-def]
    """Age and temperature of cells after `seconds` in the body: `rheology.aged`, with its series'
    coefficients worked out once for all cells."""
    fading = np.exp(-seconds / WARMING_S)
    series = np.empty(TERMS)
    factorial, decay = 1.0, 1.0
    for k in range(1, TERMS + 1):
        factorial *= k
        decay *= fading
        series[k - 1] = WARMING_S * (1.0 - decay) / (k * factorial)
    fast, per_c = rate(BODY_C), np.log(2.0) / DOUBLING_C
    for c in range(len(age)):
        warmth = per_c * (celsius[c] - BODY_C)
        more = series[TERMS - 1]
        for k in range(TERMS - 2, -1, -1):
            more = more * warmth + series[k]
        age[c] += fast * (seconds + more * warmth)
        celsius[c] = BODY_C + (celsius[c] - BODY_C) * fading


@njit(nogil=True, cache=True, error_model="numpy")
def sped(net):  # type: ignore[no-untyped-def]
    """The mean flow through the two faces of each row across x, y and z, for a unit flow; that in
    a vein node stands under z."""
    rows, x, speed = net.counts[ROWS], net.x, net.speed
    speed[:rows] = 0.0
    for n in range(net.counts[FACES]):
        r = net.ends[n, 0]
        if net.label[LIVE, r]:
            through = net.face[n] * abs(ahead(net, n))
            speed[r, min(net.ends[n, 2] // 2, 2)] += 0.5 * through
    for r in range(rows):
        for f in range(6):
            flux = net.gain[r, f] * (x[net.joined[r, f]] - x[r])
            speed[r, f // 2] += 0.5 * abs(flux)


@njit(nogil=True, cache=True, error_model="numpy")
def sheared(net, bone, r, flow):  # type: ignore[no-untyped-def]
    """The shear rate in row r, 1/s, at `flow` mm3/s."""
    v, h = net.label[VOXEL, r], bone.h
    if v >= len(bone.over):
        through = flow * (net.speed[r, 0] + net.speed[r, 1] + net.speed[r, 2])
        return 4.0 * through / (np.pi * bone.radius[v - len(bone.over)] ** 3)
    pores = 1000.0 * room_of(bone, v) / h**3
    squares = 0.0
    for axis in range(3):
        k = ease(bone, v, axis)
        if k > 0.0:
            squares += net.speed[r, axis] ** 2 / k
    return 4.0 * flow / h**2 * np.sqrt(squares / (8.0 * pores))


@njit(nogil=True, cache=True, error_model="numpy")
def thickened(net, bone, law, flow):  # type: ignore[no-untyped-def]
    """Viscosities by age and shear, and all conductances; returns whether any cell has gelled."""
    gelled = False
    if law[INDEX] != 1.0:
        sped(net)
    for r in range(net.counts[ROWS]):
        shear = sheared(net, bone, r, flow) if law[INDEX] != 1.0 else 0.0
        net.state[PA_S, r] = apparent_viscosity(law, net.state[AGE, r], shear)
        gelled |= net.state[AGE, r] >= law[GEL]
    for n in range(net.counts[FACES]):
        r, q = net.ends[n, 0], net.ends[n, 1]
        if net.state[PA_S, r] < np.inf:
            older = np.exp((net.front[q, AGE] - net.state[AGE, r]) / law[TAU])
            net.front[q, PA_S] = net.state[PA_S, r] * older
    for q in range(net.counts[FRONT]):
        if net.front[q, ML] > 0.0 and net.front[q, AGE] >= law[GEL]:
            net.front[q, PA_S] = np.inf
            gelled = True
    conducting(net)
    return gelled


@njit(nogil=True, cache=True, error_model="numpy")
def conducting(net):  # type: ignore[no-untyped-def]
    """Conductances between rows from their viscosities."""
    thick, half, gain = net.state[PA_S], net.half, net.gain
    for r in range(net.counts[ROWS]):
        for f in range(FACES_EACH):
            o, g = net.joined[r, f], net.turn[r, f]
            if o < r and half[r, f] < np.inf:
                gain[r, f] = 1.0 / (thick[r] * half[r, f] + thick[o] * half[o, g])
                gain[o, g] = gain[r, f]
    for r in range(net.counts[ROWS]):
        total = 0.0
        for f in range(FACES_EACH):
            total += gain[r, f]
        net.own[r] = total
