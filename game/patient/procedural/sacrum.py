"""The sacrum with its coccyx: bodies, lateral masses, roof and crest, less canal and foramina."""

from __future__ import annotations

import numpy as np

from game.patient.procedural.bent import Bent
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
    relief,
    smooth_max,
)

WHOLE: Box = ((-70.0, 70.0), (-48.0, 34.0), (-20.0, 112.0))


def sacrum(parameters: Parameters, bent: Bent, x: Array, y: Array, z: Array) -> Field:
    """The field of the sacrum on the grid with axes x (n,), y (m,), z (l,), mm."""
    p, s = bent.coordinates(y[:, None], z[None, :])
    field = Field.empty(Space(x, p, s))
    endplate = _endplate(parameters, y, z)
    field.add(_lateral_masses(parameters), WHOLE, 3.0)
    field.add(_roof(parameters), ((-26.0, 26.0), (-2.0, 24.0), (4.0, 92.0)), 3.0)
    _add_processes(parameters, field)
    field.carve(_canal(parameters), ((-18.0, 18.0), (-2.0, 40.0), (-30.0, 112.0)), 2.0)
    field.add(_bodies(parameters), ((-30.0, 30.0), (-36.0, 4.0), (-20.0, 106.0)), 4.0)
    field.carve(_canal(parameters), ((-18.0, 18.0), (-2.0, 40.0), (-30.0, 112.0)), 1.0)
    _cut_above(field, endplate)
    _carve_foramina(parameters, field)
    _add_coccyx(parameters, field)
    return field


def _endplate(parameters: Parameters, y: Array, z: Array) -> Array:
    """Height above the S1 endplate's plane (m, l), mm."""
    slope = np.radians(parameters.sacral_slope)
    height = -np.sin(slope) * y[:, None] + np.cos(slope) * z[None, :]
    return np.asarray(height, np.float32)


def _cut_above(field: Field, endplate: Array) -> None:
    """Cut the body off at the endplate; the cut rises steeply towards the alae and the arch."""
    x, p = field.space.x, field.space.a
    across = np.abs(x) < 34.0
    aside = np.maximum(np.abs(x[across]) - 23.0, 0)[:, None, None]
    behind = np.maximum(p - 1.0, 0)[None]
    rise = np.float32(1.5) * (aside + behind)
    cut = smooth_max(field.values[across], np.asarray(endplate[None] - rise, np.float32), 2.0)
    field.values[across] = cut


def _bodies(parameters: Parameters) -> Solid:
    depth = profile(parameters.body_s, parameters.body_depth)
    half = profile(parameters.body_s, parameters.body_half)

    def distance(x: Array, p: Array, s: Array) -> Array:
        lines = sum(np.exp(-(((s - at) / 2.0) ** 2)) for at in parameters.fused_discs)
        deep = 0.5 * (depth(s) + lines)
        wide = half(s) + lines
        across, along = np.abs(x) / wide, np.abs(p + deep) / deep
        level = (across**2.4 + along**2.4) ** np.float32(1 / 2.4)
        flat = np.maximum(s - parameters.end_s, -8.0 - s)
        return smooth_max(np.float32(0.8) * (level - 1) * deep, flat.astype(np.float32), 3.0)

    return distance


def _lateral_masses(parameters: Parameters) -> Solid:
    half = profile(parameters.lateral_s, parameters.lateral_half)
    medial = profile(parameters.ventral_s, parameters.ventral_medial)
    lateral = profile(parameters.ventral_s, parameters.ventral_lateral)
    dorsal = relief(parameters.dorsal_x, parameters.dorsal_s, parameters.dorsal)

    def distance(x: Array, p: Array, s: Array) -> Array:
        aside = np.abs(x)
        share = np.clip((aside - 20.0) / 28.0, -0.3, 1.2)
        front = medial(s) + share * (lateral(s) - medial(s)) - p
        back = p - dorsal(*np.broadcast_arrays(aside, s))
        fall = parameters.ala_fall * np.maximum(parameters.ala_shoulder - p, 0)
        top = parameters.ala_top + fall - s
        side = aside - half(s)
        out = smooth_max(np.float32(0.85) * front, np.float32(0.85) * back, 4.0)
        out = smooth_max(out, np.float32(0.9) * side, 5.0)
        out = smooth_max(out, np.asarray(0.8 * top, np.float32), 9.0)
        return smooth_max(out, np.asarray(s - parameters.end_s, np.float32), 3.0)

    return distance


def _roof(parameters: Parameters) -> Solid:
    height = profile(parameters.roof_s, parameters.roof_p)

    def distance(x: Array, p: Array, s: Array) -> Array:
        aside = np.abs(x)
        back = p - height(s) + 0.012 * aside * aside
        ends = np.maximum(parameters.roof_s[0] + 0.3 * aside - s, s - parameters.hiatus_s[0] - 2.0)
        out = smooth_max(np.asarray(back, np.float32), -p, 2.0)
        out = smooth_max(out, aside - np.float32(22.0), 3.0)
        return smooth_max(out, ends.astype(np.float32), 3.0)

    return distance


def _add_processes(parameters: Parameters, field: Field) -> None:
    """Median crest and the superior articular processes, both sides."""
    for s, p in parameters.spinous:
        field.add(*cone((0.0, p - 4.0, s - 5.0), (0.0, p, s + 4.0), 3.5, 3.0), 6.0)
    for side in (-1.0, 1.0):
        field.add(*cone((side * 22.5, 9.0, 6.0), (side * 23.0, 13.5, -8.0), 6.0, 4.5), 5.0)


def _canal(parameters: Parameters) -> Solid:
    """The canal: a tapering tube, open behind above the roof and below the hiatus' apex."""
    half = profile(parameters.canal_s, parameters.canal_half)
    depth = profile(parameters.canal_s, parameters.canal_depth)
    slit = profile(parameters.hiatus_s, parameters.hiatus_half)

    def distance(x: Array, p: Array, s: Array) -> Array:
        deep, wide, aside = 0.5 * depth(s), half(s), np.abs(x)
        narrowed = wide * np.clip(1.3 - 0.35 * p / deep, 0.6, 1.15)  # a triangle, apex behind
        level = np.sqrt((aside / narrowed) ** 2.4 + (np.abs(p - deep) / deep) ** 2.4)
        tube = (level - 1) * deep
        above = np.maximum(np.maximum(aside - wide, deep - p), s - parameters.roof_s[0])
        below = np.maximum(aside - slit(s), np.maximum(deep - p, parameters.hiatus_s[0] - s))
        return np.asarray(np.minimum(tube, np.minimum(above, below)), np.float32)

    return distance


def foramen_axis(parameters: Parameters, side: int, level: int) -> tuple[Triple, Triple, Triple]:
    """Ventral, middle and dorsal points (x, p, s) of a tunnel; `side` +1 left, level 0-3."""
    s = parameters.foramen_s[level] + parameters.foramen_shift[0 if side > 0 else 1][level]
    x, dorsal_x = parameters.foramen_x[level], parameters.foramen_dorsal_x[level]
    return (side * (x + 1.5), -30.0, s + 3.0), (side * x, -2.0, s), (side * dorsal_x, 16.0, s)


def _carve_foramina(parameters: Parameters, field: Field) -> None:
    """Tunnels from front to back, and from each a way in to the canal for its root."""
    half = profile(parameters.canal_s, parameters.canal_half)
    depth = profile(parameters.canal_s, parameters.canal_depth)
    for side in (-1, 1):
        for level in range(4):
            ventral, middle, dorsal = foramen_axis(parameters, side, level)
            front, back = parameters.foramen_ventral[level], parameters.foramen_dorsal[level]
            narrow = 0.5 * (front + back)
            field.carve(*cone(ventral, middle, front + 0.8, narrow), 2.0)
            field.carve(*cone(middle, dorsal, narrow, back), 1.0)
            s = middle[2] - 3.0
            inner = (side * (float(half(np.array(s))) - 3.0), 0.4 * float(depth(np.array(s))), s)
            root = min(4.0, 0.4 * float(depth(np.array(s))))
            field.carve(*cone(inner, middle, root, narrow - 0.5), 1.0)


def _add_coccyx(parameters: Parameters, field: Field) -> None:
    end = parameters.end_s
    field.add(*ellipsoid((0.0, -4.0, end + 5.0), (12.0, 4.0, 7.5)), 2.0)
    field.add(*ellipsoid((0.0, -4.5, end + 15.0), (7.0, 3.5, 6.5)), 2.0)
    field.add(*ellipsoid((0.0, -4.5, end + 24.0), (4.5, 3.0, 5.5)), 2.0)
