"""The cannula in tissue: a proxy that only advances by overcoming resistance.

The hand may be anywhere; the tip stays where the tissue holds it, stretches the tissue by the gap
between the two, and gives way once that stretch carries more force than the layer and the shaft
can hold (haptics.tissue). Giving way is plastic: the tip moves until the stretch carries just the
cutting force, and a hand that goes back does not bring it back before shaft friction is overcome
the other way. A tip that comes to another layer keeps its force: the stretch already there counts
as `SLACK` in the new layer and relaxes as the tip slides on. Before a wall that has not given way
it stays on the near side. In its own old track a tip meets friction alone. A shaft that rests for
STICK_TICKS, moving less than STICK_MM in each, sticks and needs more to slide again. A mallet's tap
is an energy, which the tip spends on what holds it: a wall that needs more of it than there is left
stands.

Outside the body the tip is the hand's; on the skin it stays on the surface under the hand; in
soft tissue the shaft turns (haptics.redirect); from the bone's wall on it keeps its axis. Its whole
memory is the array of haptics.memory.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from haptics.memory import (
    AXIS,
    BONE_MM,
    BROKEN,
    CONTACT,
    CRUSHED,
    CUT,
    DEEPEST,
    DEPTH,
    FREE,
    FROM_BONE,
    GAVE,
    GRIP,
    IN_BONE,
    LAYER,
    MARROW,
    NEXT,
    NOT_READ,
    PIVOT,
    READ_AT,
    RESTED,
    SLACK,
    SOFT,
    SOFT_MM,
    STAGE,
    TAPPED,
    TIP,
    TRACKS,
    TURNING,
    WALL,
)
from haptics.tissue import (
    AIR,
    BONE,
    CANCELLOUS,
    CARTILAGE,
    CEMENT,
    CORTEX,
    FAT,
    LIGAMENT,
    METAL,
    MUSCLE,
    OPEN,
    SKIN,
    bone_force,
    bone_grip,
    cancellous_stress,
    density_at,
    layer_at,
    marrow_density_at,
    shaft_force,
    soft_force,
    stretch_at,
    stretch_energy,
    stretch_force,
    thickness_at,
    tip_area,
)

# Events of one tick, a sum of these
ENTERED_SKIN, PUNCTURED, BREACHED, LEFT_BODY = 1, 2, 4, 8

STEP_MM = 0.05  # the layer is read anew after each step; a project choice
MOST_STEPS = 40  # per tick: a tip moves 2 mm in 1 ms at most, the hand's gap stays for the next
HALVINGS = 6  # a boundary is found to STEP_MM / 2**6, below 0.001 mm
REACH_MM = 40.0  # a hand deeper than this under intact skin is not followed; a project choice
RELAX_MM = 10.0  # a sliding tip leaves an older layer's stretch behind; a project choice
STICK_MM = 0.001  # in one tick, 1 mm/s: slower than that a shaft rests; a project choice
STICK_TICKS = 50.0  # of rest until it sticks: static friction needs dwell; a project choice
MOST_TAP_STEPS = 200  # of STEP_MM: no tap drives a tip further than 10 mm; a project choice
EPSILON = 1e-12  # mm, below which two depths are one
STILL_MM = 1e-5  # of stretch left over for the next tick: 0.001 N in bone; a project choice


@njit(nogil=True, cache=True)
def skin_behind(field, x, y, z, u, v, w, reach):  # type: ignore[no-untyped-def]
    """How far back along -(u, v, w) from an LPS point in the body its skin lies, mm; -1 where it
    is further than `reach`. That place is still in air, by less than 0.001 mm."""
    far, step = 0.0, 0.5
    while layer_at(field, x - far * u, y - far * v, z - far * w) != AIR:
        far += step
        if far > reach:
            return -1.0
    near = max(0.0, far - step)
    for _ in range(12):
        half = 0.5 * (near + far)
        if layer_at(field, x - half * u, y - half * v, z - half * w) != AIR:
            near = half
        else:
            far = half
    return far


@njit(nogil=True, cache=True)
def touch(field, law, tool, m, hand):  # type: ignore[no-untyped-def]
    """Outside the body: follow the hand in air, rest on the skin beneath it, go in when it gives
    way. Returns (axial force N, events)."""
    x, y, z, u, v, w = hand[0], hand[1], hand[2], hand[3], hand[4], hand[5]
    back = 0.0
    if layer_at(field, x, y, z) != AIR:
        back = skin_behind(field, x, y, z, u, v, w, REACH_MM)
        if back < 0.0:
            return 0.0, 0
        m[STAGE], m[LAYER] = CONTACT, SKIN
    else:
        m[STAGE], m[LAYER] = FREE, AIR
    m[TIP], m[TIP + 1], m[TIP + 2] = x - back * u, y - back * v, z - back * w
    m[AXIS], m[AXIS + 1], m[AXIS + 2] = u, v, w
    holds = soft_force(law, SKIN, False, tool)
    if back <= stretch_at(law, SKIN, holds):
        return stretch_force(law, SKIN, back), 0
    _enter(m, holds)
    return holds, ENTERED_SKIN


@njit(nogil=True, cache=True)
def _enter(m, holds):  # type: ignore[no-untyped-def]
    m[PIVOT : PIVOT + 3] = m[TIP : TIP + 3]
    m[STAGE], m[LAYER], m[CUT], m[FROM_BONE] = SOFT, SKIN, 1.0, 0.0
    m[SLACK : WALL + 1] = m[GRIP] = m[RESTED] = 0.0
    m[TRACKS : NEXT + 1] = 0.0
    m[READ_AT], m[CRUSHED] = NOT_READ, 0.0
    m[BROKEN], m[GAVE] = holds, SKIN


@njit(nogil=True, cache=True)
def holding_force(field, law, tool, m, inward):  # type: ignore[no-untyped-def]
    """What holds the tip against going on, N: its layer's force and the shaft's friction."""
    stuck = m[RESTED] >= STICK_TICKS
    shaft = shaft_force(law, m[SOFT_MM], m[GRIP], tool.radius, m[TURNING], stuck, inward)
    if not inward:
        return shaft
    if m[DEPTH] >= tool.length - EPSILON:
        return np.inf  # the hub is on the skin
    if m[DEPTH] < m[DEEPEST] - EPSILON:
        return shaft
    layer, cut = int(m[LAYER]), m[CUT] > 0.0
    if layer < CORTEX:
        return shaft + soft_force(law, layer, cut, tool) + m[CRUSHED] * tip_area(law, tool)
    if layer == METAL:
        return np.inf
    return shaft + _bone_holds(field, law, tool, m, layer, cut)


@njit(nogil=True, cache=True)
def _bone_holds(field, law, tool, m, layer, cut):  # type: ignore[no-untyped-def]
    stress, wall, thickness = m[CRUSHED], 0.0, law.wall_default
    if layer != CANCELLOUS:
        x, y, z, u, v, w = m[TIP], m[TIP + 1], m[TIP + 2], m[AXIS], m[AXIS + 1], m[AXIS + 2]
        if layer == CORTEX:
            thickness = thickness_at(field, x, y, z)
        half = 0.5 * thickness  # a wall's density is read in its middle, ahead of the tip
        wall = density_at(field, law, x + half * u, y + half * v, z + half * w)
    backed = m[FROM_BONE] == 0.0
    if not cut and backed:
        stress = _marrow_stress(field, law, m)  # what lies behind the wall bears with it
    force = bone_force(law, layer, cut, stress, wall, thickness, tool, backed)
    if m[STAGE] == SOFT and not cut:
        force += law.periosteum_puncture * 2.0 * tool.radius / law.soft_diameter
    return force


@njit(nogil=True, cache=True)
def _marrow_stress(field, law, m):  # type: ignore[no-untyped-def]
    """What the marrow at the tip bears, MPa, read once for each depth: what the point goes into now
    grips the shaft as well."""
    if m[READ_AT] != m[DEPTH]:
        density = marrow_density_at(field, law, m[TIP], m[TIP + 1], m[TIP + 2])
        m[MARROW], m[READ_AT] = cancellous_stress(law, density), m[DEPTH]
    return m[MARROW]


@njit(nogil=True, cache=True)
def grip_at(field, law, radius, layer, x, y, z):  # type: ignore[no-untyped-def]
    """Friction, N, that a mm of what lies at an LPS point adds to a shaft: marrow's also in the
    thin wall, which has cracked; 0 in soft tissue."""
    if not CORTEX <= layer <= CEMENT:
        return 0.0
    stress = cancellous_stress(law, marrow_density_at(field, law, x, y, z))
    return bone_grip(law, layer, stress, radius)


@njit(nogil=True, cache=True)
def push(field, law, tool, m, gap):  # type: ignore[no-untyped-def]
    """Move the tip along its axis until it is held again; `gap` is how far the hand is ahead of it,
    mm. Returns (axial force on the hand N, positive against going in; events)."""
    events, force, went = 0, 0.0, 0.0
    for _ in range(MOST_STEPS):
        stretch = gap - m[SLACK]
        inward = stretch >= 0.0
        sign = 1.0 if inward else -1.0
        holds = holding_force(field, law, tool, m, inward)
        layer = int(m[LAYER])
        excess = abs(stretch) - stretch_at(law, layer, holds)
        if excess <= STILL_MM:
            force = sign * stretch_force(law, layer, abs(stretch))
            break
        if inward and m[CUT] == 0.0:
            events |= _give_way(m, layer, holds)
            continue
        force = sign * holds
        relaxing = max(0.1, 1.0 - sign * m[SLACK] / RELAX_MM)  # of the stretch, per mm moved
        uncut = inward and m[DEPTH] >= m[DEEPEST] - EPSILON
        moved, crossed, wall = _step(field, law, tool, m, sign * excess / relaxing, uncut)
        gap -= moved
        went += abs(moved)
        if m[RESTED] >= STICK_TICKS:
            m[RESTED] = 0.0  # it has broken loose
        if not inward and m[DEPTH] <= EPSILON:
            m[STAGE], m[LAYER] = FREE, AIR
            return 0.0, events | LEFT_BODY
        m[SLACK] -= m[SLACK] * min(1.0, abs(moved) / RELAX_MM)
        if crossed >= 0:
            events |= _cross(m, crossed, inward, uncut, wall)
            m[SLACK] = gap - sign * stretch_at(law, crossed, holds)
    m[RESTED] = m[RESTED] + 1.0 if went < STICK_MM else 0.0
    return force, events


@njit(nogil=True, cache=True)
def tap(field, law, tool, m, gap, axial, energy):  # type: ignore[no-untyped-def]
    """Drive the tip on by a tap of `energy` mJ, while the hand `gap` mm ahead of it pushes with
    `axial` N and goes along. Returns events; m[TAPPED] is how far it went, mm."""
    events, before, started = 0, m[DEPTH], m[LAYER]
    pushed, m[RESTED] = max(0.0, axial), 0.0  # a blow shakes a resting shaft loose
    for _ in range(MOST_TAP_STEPS):
        layer = int(m[LAYER])
        holds = holding_force(field, law, tool, m, True)
        if holds == np.inf:
            break
        if m[CUT] == 0.0:
            energy -= stretch_energy(law, layer, holds) - stretch_energy(law, layer, pushed)
            if energy < 0.0:
                break
            events |= _give_way(m, layer, holds)
            continue
        if energy <= EPSILON * holds:
            break
        way = min(STEP_MM, energy / max(holds, 1e-9))
        uncut = m[DEPTH] >= m[DEEPEST] - EPSILON
        moved, crossed, wall = _step(field, law, tool, m, way, uncut)
        energy -= holds * moved
        if crossed >= 0:
            events |= _cross(m, crossed, True, uncut, wall)
    m[TAPPED] = m[DEPTH] - before
    if m[LAYER] != started:
        m[SLACK] = gap - stretch_at(law, int(m[LAYER]), pushed)
    return events


@njit(nogil=True, cache=True)
def _give_way(m, layer, holds):  # type: ignore[no-untyped-def]
    m[CUT] = 1.0
    m[DEEPEST] = max(m[DEEPEST], m[DEPTH])
    if layer < CORTEX:
        return 0
    m[BROKEN], m[GAVE] = holds, layer
    if m[FROM_BONE] > 0.0:
        return 0
    if m[STAGE] == SOFT:
        m[STAGE], m[WALL] = IN_BONE, m[DEPTH]
    return PUNCTURED


@njit(nogil=True, cache=True)
def _step(field, law, tool, m, wanted, uncut):  # type: ignore[no-untyped-def]
    """Move the tip by up to `wanted` mm (its sign is the way), at most STEP_MM and no further than
    the next boundary, track end, hub or skin; before an `uncut` wall it stays on this side.
    Returns (moved mm, layer come to or -1, whether it has a wall)."""
    layer, depth = int(m[LAYER]), m[DEPTH]
    if wanted > 0.0:
        room = tool.length - depth
        if depth < m[DEEPEST] - EPSILON:
            room = min(room, m[DEEPEST] - depth)
        moved = min(wanted, STEP_MM, room)
    else:
        moved = max(wanted, -STEP_MM, -depth)
    crossed, wall, place = _layer_ahead(field, m, moved), False, SOFT_MM
    if crossed == layer:
        crossed = -1
    else:
        before, moved, crossed = _boundary(field, m, moved, layer, crossed)
        wall = uncut and _has_wall(layer, crossed)
        if wall:
            moved = before
    if wanted > 0.0:
        m[DEEPEST] = max(m[DEEPEST], depth + moved)
    m[DEPTH] = depth + moved
    for axis in range(3):
        m[TIP + axis] = m[PIVOT + axis] + m[DEPTH] * m[AXIS + axis]
    stress = 0.0
    if CORTEX <= layer <= CEMENT:
        place = BONE_MM
        stress = _marrow_stress(field, law, m)
        m[GRIP] = max(0.0, m[GRIP] + bone_grip(law, layer, stress, tool.radius) * moved)
    if uncut:
        share = 1.0 if tool.tip == OPEN else min(1.0, moved / law.tip_taper)
        m[CRUSHED] += share * (stress - m[CRUSHED])
    m[place] = max(0.0, m[place] + moved)
    return moved, crossed, wall


@njit(nogil=True, cache=True)
def _layer_ahead(field, m, moved):  # type: ignore[no-untyped-def]
    at = m[DEPTH] + moved
    return layer_at(
        field,
        m[PIVOT] + at * m[AXIS],
        m[PIVOT + 1] + at * m[AXIS + 1],
        m[PIVOT + 2] + at * m[AXIS + 2],
    )


@njit(nogil=True, cache=True)
def _boundary(field, m, moved, layer, crossed):  # type: ignore[no-untyped-def]
    """The last place before a boundary, the first beyond it, and the layer there."""
    near, far = 0.0, moved
    for _ in range(HALVINGS):
        half = 0.5 * (near + far)
        there = _layer_ahead(field, m, half)
        if there == layer:
            near = half
        else:
            far, crossed = half, there
    return near, far, crossed


@njit(nogil=True, cache=True)
def _cross(m, layer, inward, uncut, wall):  # type: ignore[no-untyped-def]
    """The tip has come to another layer, whose wall holds it if it has one. Returns events."""
    was_bone = CORTEX <= m[LAYER] <= CEMENT
    m[LAYER] = layer
    m[FROM_BONE] = 1.0 if was_bone else 0.0
    m[CUT] = 0.0 if wall else 1.0
    if inward and m[STAGE] == SOFT and CORTEX <= layer <= CEMENT and not wall:
        m[STAGE], m[WALL] = IN_BONE, m[DEPTH]  # through an old hole
    if not inward and m[STAGE] == IN_BONE and m[DEPTH] <= m[WALL] + STEP_MM:
        m[STAGE], m[BONE_MM], m[GRIP] = SOFT, 0.0, 0.0
    return BREACHED if uncut and was_bone and not CORTEX <= layer <= CEMENT else 0


@njit(nogil=True, cache=True)
def _has_wall(was, layer):  # type: ignore[no-untyped-def]
    if layer == MUSCLE:
        return was in (SKIN, FAT)
    if layer == BONE:
        return not CORTEX <= was <= CEMENT
    return layer in (LIGAMENT, CARTILAGE, METAL, CORTEX, CEMENT)
