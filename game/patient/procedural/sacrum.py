"""The sacrum with its coccyx: a block between smooth surfaces, less its canal and foramina."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from game.patient.procedural.bent import Bent
from game.patient.procedural.block import Relief, fill_block
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.solids import (
    Array,
    Box,
    Field,
    Solid,
    Space,
    Triple,
    cone,
    ellipsoid,
    profile,
)

REACH = 12.0  # mm off the bone to which the block's field is told
COCCYX = (  # vertebra, (p, s beyond the end of S5), radii, mm (form)
    (1, (-1.5, 5.0), (12.0, 4.0, 7.5)),
    (2, (-2.0, 15.0), (7.0, 3.5, 6.5)),
    (3, (-2.5, 24.0), (4.5, 3.0, 5.5)),
)
FUSED = (  # start, end (x, p, s), radius of a fused transverse process of L5, mm (form)
    ((46.0, 2.0, 4.0), (42.0, 6.0, -11.0), 6.0),
    ((42.0, 6.0, -11.0), (26.0, 12.0, -11.0), 5.5),
    ((26.0, 12.0, -11.0), (25.5, 12.5, 3.0), 5.0),
)
VENTRAL_S = 1.5  # mm, ventral openings below the tunnels' middles (form)
STRAIGHT = 0.15  # how far a ventral opening moves against its dorsal one: 1 is straight (form)
MIDDLE = (-4.5, -3.0, -2.5, -2.2)  # p of the tunnels' middles: in front of the canal (form)
ROOM = 0.95  # radius of a tunnel's middle, where the root's ganglion lies, of its front's (form)
NECK = 0.5  # share of the way from there to the dorsal opening where it is narrowest (form)
NECK_HIGH, HALF_WIDE = 8.7, 3.8  # mm, the first posterior foramen's neck however narrow it is, and
# half its opening's width: this is 10.36 x 7.66 and so 2.7 mm higher than wide (Saluja 2018)
MOST_APART = 1.5  # radii between two tunnels that are to be one (form)
ROOT_RISE = (12.0, 12.0, 6.0, 4.0)  # mm that a root leaves the canal above its foramen (form)
ROOF = 15.0  # s in the midline above which nothing roofs the canal (form)
LOWEST_MEDIAL = 2  # intermediate tubercles, from S1 down: lower ones would bridge the hiatus
RIDGE = 19.0  # mm, half breadth of a transverse line (form)
Wall = Callable[[NDArray[Any]], Array]
Walls = tuple[Wall, Wall]
CANAL_BOX: Box = ((-18.0, 18.0), (-2.0, 40.0), (-30.0, 114.0))


def sacrum(parameters: Parameters, bent: Bent, x: Array, y: Array, z: Array) -> Field:
    """The field of the sacrum on the grid with axes x (n,), y (m,), z (l,), mm."""
    p, s = bent.coordinates(y[:, None], z[None, :])
    return solid(parameters, Space(x, p, s))


def solid(parameters: Parameters, space: Space) -> Field:
    """The field of the sacrum over a space in bent coordinates (x, p, s)."""
    field = Field.empty(space)
    _fill(parameters, field)
    _add_processes(parameters, field)
    _add_lines(parameters, field)
    field.carve(_canal(parameters), CANAL_BOX, 1.5)
    _carve_foramina(parameters, field)
    _add_coccyx(parameters, field)
    _add_dysmorphism(parameters, field)
    return field


@lru_cache(maxsize=4)
def surfaces(parameters: Parameters) -> tuple[Relief, Relief, Relief, Relief]:
    """Front and back p(x, s), top s(x, p), side x(p, s)."""
    return (
        Relief.of(parameters.front_x, parameters.front_s, parameters.front),
        Relief.of(parameters.dorsal_x, parameters.dorsal_s, parameters.dorsal),
        Relief.of(parameters.top_x, parameters.top_p, parameters.top),
        Relief.of(parameters.side_p, parameters.side_s, parameters.side),
    )


def _fill(parameters: Parameters, field: Field) -> None:
    front, back, top, side = surfaces(parameters)
    space = field.space
    fill_block(
        field.values,
        np.ascontiguousarray(space.x, np.float32),
        np.ascontiguousarray(space.a, np.float32),
        np.ascontiguousarray(space.b, np.float32),
        *(front.height, front.flat, back.height, back.flat, front.origin),
        *(top.height, top.flat, top.origin, side.height, side.flat, side.origin),
        *(parameters.end_s, REACH, parameters.stretch),
    )


def _add_processes(parameters: Parameters, field: Field) -> None:
    """Superior articular processes, tubercles of the lateral and intermediate crests, cornua."""
    back = surfaces(parameters)[1]
    for side, hand in ((-1.0, 1), (1.0, 0)):
        field.add(*cone((side * 22.0, 8.0, 10.0), (side * 25.0, 13.0, 4.0), 5.0, 4.0), 4.0)
        for n in range(3):
            s = 0.5 * sum(parameters.foramen_dorsal_s[hand][n : n + 2])
            tubercles = [(_lateral_crest(parameters, hand, n), 3.4)]
            if n < LOWEST_MEDIAL:
                tubercles.append((12.5 - 1.5 * n, 2.6))
            for x, radius in tubercles:
                upper, lower = (
                    (side * x, back.at(x, at) - 0.7 * radius, at) for at in (s - 5.0, s + 4.0)
                )
                field.add(*cone(upper, lower, radius, radius), 6.0)
        aside, apex, end = parameters.hiatus_half + 2.0, parameters.hiatus_apex, parameters.end_s
        top = (side * aside, back.at(aside, 0.5 * (apex + end)) - 2.0, max(apex, end - 14.0))
        field.add(*cone(top, (side * aside, 3.5, end + 3.0), 2.4, 1.9), 4.0)


def _add_lines(parameters: Parameters, field: Field) -> None:
    """The transverse lines, where the bodies have fused: low ridges across the front."""
    front = surfaces(parameters)[0]
    for n, s in enumerate(parameters.fused_discs):
        radii = (RIDGE - 2.0 * n, 5.0, 4.5)
        p = front.at(0.0, s) + radii[1] - parameters.ridge[n]
        field.add(*ellipsoid((0.0, p, s), radii), 3.0)


def _lateral_crest(parameters: Parameters, hand: int, level: int) -> float:
    """|x| of the lateral crest's tubercle beneath a foramen: beside the posterior foramina."""
    row = parameters.foramen_dorsal_x[hand]
    return 0.5 * (row[level] + row[level + 1]) + 7.5


def _walls(parameters: Parameters) -> Walls:
    """Half breadth and depth of the canal, mm, over s."""
    half = profile(parameters.canal_s, parameters.canal_half)
    return half, profile(parameters.canal_s, parameters.canal_depth)


def _canal(parameters: Parameters) -> Solid:
    """The canal: a tapering tube, open behind above the roof and below the hiatus' apex."""
    half, depth = _walls(parameters)
    apex = parameters.hiatus_apex
    slit = profile((apex, parameters.end_s), (2.0, parameters.hiatus_half))

    def distance(x: Array, p: Array, s: Array) -> Array:
        deep, wide, aside = 0.5 * depth(s), half(s), np.abs(x)
        narrowed = wide * np.clip(1.3 - 0.35 * p / deep, 0.6, 1.15)  # a triangle, apex behind
        u, v = aside / narrowed, (p - deep) / deep
        tube = (np.sqrt(np.sqrt(u * u * u * u + v * v * v * v)) - 1) * deep
        below = np.maximum(aside - slit(s), np.maximum(deep - p, apex - s))
        above = np.maximum(aside - wide - 1.0, np.maximum(deep - p, s - ROOF - 0.25 * aside))
        return np.asarray(np.minimum(tube, np.minimum(below, above)), np.float32)

    return distance


def _add_dysmorphism(parameters: Parameters, field: Field) -> None:
    """Mammillary: knobs on the alae and a cleft, open in front, where the S1/S2 disc remains.
    Sacralised: the transverse processes of L5 as bars from ala to articular process."""
    if parameters.mammillary:
        line = parameters.fused_discs[0]
        p = surfaces(parameters)[0].at(0.0, line)
        field.carve(*ellipsoid((0.0, p, line), (15.0, -0.6 * p, 1.8)), 1.0)
    for side in (-1.0, 1.0):
        if parameters.mammillary:
            field.add(*ellipsoid((side * 36.0, 3.0, 0.5), (8.0, 7.0, 5.5)), 7.0)
        if parameters.sacralised:
            for start, end, radius in FUSED:
                a, b = ((side * x, p, s) for x, p, s in (start, end))
                field.add(*cone(a, b, radius, radius - 0.5), 3.0)


def foramen_axis(parameters: Parameters, side: int, level: int) -> tuple[Triple, Triple, Triple]:
    """Ventral opening, middle and dorsal opening (x, p, s) of a tunnel; `side` +1 left, level 0-3.
    The openings' centres lie on the surfaces that the tunnel leaves."""
    hand = 0 if side > 0 else 1
    front, back, _, _ = surfaces(parameters)
    s, x = parameters.foramen_s[hand][level], parameters.foramen_x[hand][level]
    behind_x = parameters.foramen_dorsal_x[hand][level]
    behind_s = parameters.foramen_dorsal_s[hand][level]
    before_x, before_s = x - STRAIGHT * (behind_x - x), s + VENTRAL_S - STRAIGHT * (behind_s - s)
    hand_stretch = parameters.stretch[hand]
    return (
        (side * before_x, front.at(before_x / hand_stretch, before_s), before_s),
        (side * x, MIDDLE[level], s),
        (side * behind_x, back.at(behind_x / hand_stretch, behind_s), behind_s),
    )


def _carve_foramina(parameters: Parameters, field: Field) -> None:
    """Tunnels from front to back, and from each a way in to the canal for its root."""
    walls = _walls(parameters)
    for side in (-1, 1):
        for level in range(4):
            ventral, middle, dorsal = foramen_axis(parameters, side, level)
            front, back = parameters.foramen_ventral[level], parameters.foramen_dorsal[level]
            narrow, wide = parameters.foramen_radius[level], ROOM * front
            before, behind = _beyond(middle, ventral, 3.0), _beyond(middle, dorsal, 5.0)
            neck = _between(middle, dorsal, NECK)
            field.carve(*cone(before, middle, front + 0.3 * (front - wide), wide), 2.0)
            field.carve(*cone(middle, neck, wide, narrow), 1.0)
            field.carve(*cone(neck, behind, narrow, back), 1.0)
            if level == 0:
                by = float(np.clip(NECK_HIGH - 2 * narrow, 0.0, MOST_APART * narrow))
                above, mouth = ((x, p, s - by) for x, p, s in (neck, behind))
                field.carve(*cone(middle, above, wide, narrow), 1.0)
                field.carve(*cone(above, mouth, narrow, HALF_WIDE), 1.0)
            _carve_root(field, walls, middle, ROOT_RISE[level], wide)


def _between(start: Triple, end: Triple, share: float) -> Triple:
    x, p, s = ((1 - share) * a + share * b for a, b in zip(start, end, strict=True))
    return x, p, s


def _beyond(start: Triple, end: Triple, by: float) -> Triple:
    """The point `by` mm further than `end` on the way from `start`."""
    a, b = np.array(start), np.array(end)
    x, p, s = b + by * (b - a) / np.linalg.norm(b - a)
    return float(x), float(p), float(s)


def _carve_root(field: Field, walls: Walls, middle: Triple, rise: float, wide: float) -> None:
    """The way of a root from the canal, `rise` mm above, down and out to the middle of its
    foramen, `wide` mm of radius there."""
    s = middle[2] - rise
    half, deep = (float(wall(np.array(s))) for wall in walls)
    inner = (float(np.sign(middle[0])) * (half - 3.5), 0.45 * deep, s)
    field.carve(*cone(inner, middle, min(4.5, 0.42 * deep), wide), 1.0)


def canal_roof(parameters: Parameters, s: float) -> float:
    """p of the canal's dorsal wall in the midline."""
    return float(profile(parameters.canal_s, parameters.canal_depth)(np.array(s)))


def coccyx_tip(parameters: Parameters) -> tuple[float, float]:
    """(p, s) of the coccyx's lower end."""
    _, (p, s), (_, _, height) = COCCYX[-1]
    return p, parameters.end_s + s + height


def _add_coccyx(parameters: Parameters, field: Field) -> None:
    for _, (p, s), radii in COCCYX:
        field.add(*ellipsoid((0.0, p, parameters.end_s + s), radii), 2.0)
