"""The muscles that a radiologist names on an axial CT, as levels (mm, positive inside).

Two fields, so that neighbours which touch keep the fat plane between them when the fields are read
at a finer grid: no two muscles of one field touch. Places hang on the bones (`Bearings`); courses
and calibres are textbook anatomy read against pelvic CTs by eye, form, not validated.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from game.patient.patient import Structure
from game.patient.procedural.bearings import Bearings, Site, rising, wing_maps
from game.patient.procedural.outline import Trunk
from game.patient.procedural.solids import Array, profile
from game.patient.procedural.tubes import curve, empty, put_both
from game.patient.traits import Habitus, Sex, Traits

PLANE_MM = 1.2  # half a fat plane between muscles
ROUNDING = 1.0  # sigma, coarse voxels; form
BULK: Mapping[Sex, float] = {"female": 1.0, "male": 1.12}
FRAME: Mapping[Habitus, float] = {"slim": 0.86, "average": 1.0, "obese": 1.08}


def bulk_of(traits: Traits) -> float:
    """How thick muscles are against a woman's of fifty; they lose a tenth in thirty years."""
    wasting = 1.0 - 0.1 * max(traits.age - 50, 0) / 30.0
    return BULK[traits.sex] * FRAME[traits.habitus] * wasting


def muscles(
    at: Bearings, site: Site, trunk: Trunk, fascia: Array, traits: Traits
) -> tuple[Array, Array]:
    """Both fields of muscle (n, m, l), and in them the walls of belly and pelvis."""
    bulk = bulk_of(traits)
    outer, inner = wing_maps(site)
    lateral, medial = site.aside - outer, inner - site.aside
    one, two = empty(site), empty(site)
    _psoas(one, at, site, bulk)
    _thigh(one, two, at, site, bulk)
    _piriformis(two, at, site, bulk)
    _flank(two, at, site, bulk)
    column = _column(at, site, fascia)
    maximus = _maximus(at, site, fascia, bulk)
    for level in (
        maximus,
        np.minimum(column, site.aside - 24.0 * bulk - PLANE_MM),
        _iliacus(at, site, medial, bulk),
        _obturator(at, site, medial, bulk),
        _belly_wall(at, site, trunk, fascia, bulk),
    ):
        np.maximum(one, level, out=one)
    np.maximum(two, np.minimum(column, 24.0 * bulk - PLANE_MM - site.aside), out=two)
    for level in _medius(at, site, fascia, lateral, maximus, bulk):
        np.maximum(two, level, out=two)
    return _rounded(one, fascia), _rounded(two, fascia)


def _rounded(level: Array, fascia: Array) -> Array:
    """The level with its edges rounded, within the fascia."""
    smooth = ndimage.gaussian_filter(np.maximum(level, -12.0), ROUNDING)
    return np.asarray(np.minimum(smooth, fascia), np.float32)


def _column(at: Bearings, site: Site, fascia: Array) -> Array:
    """Erector spinae and multifidus: behind sacrum and spine, beside the spinous processes."""
    low, psis = at.height(0.72), at.psis[2]
    aside = at.psis[0]
    half = profile(
        rising(low, low + 18.0, psis - 8.0, psis + 20.0, at.crest[2], at.crest[2] + 45.0),
        (4.0, 16.0, aside - 5.0, aside + 6.0, aside + 18.0, aside + 24.0),
    )(site.z)
    spine = at.spine_back_y - 34.0
    above = np.clip((site.z - at.height(0.1)) / 25.0, 0.0, 1.0)
    floor = ((at.back - 14.0) * (1.0 - above) + spine * above).astype(np.float32)
    level = np.minimum(half - site.aside, site.aside - 1.5)
    level = np.minimum(level, site.back - floor)
    level = np.minimum(level, half - site.aside - 0.6 * (site.back - floor - 22.0))
    level = np.minimum(level, 0.7 * (site.up - low))
    return np.asarray(np.minimum(level, fascia), np.float32)


def _maximus(at: Bearings, site: Site, fascia: Array, bulk: float) -> Array:
    """From the back of ilium, sacrum and coccyx down and aside to below the trochanter."""
    far, _, hip_z = at.trochanter
    medial = profile(
        rising(at.height(0.95), at.height(0.6), at.psis[2], at.psis[2] + 20.0),
        (6.0, 14.0, at.psis[0], at.psis[0] + 12.0),
    )(site.z)
    share = (site.aside - at.psis[0]) / (far - at.psis[0])
    top = at.psis[2] + 14.0 + share * (hip_z + 6.0 - at.psis[2] - 14.0)
    low = at.height(1.1)
    bottom = low - 22.0 + np.clip(site.aside / far, 0, 1.2) * (hip_z - 68.0 - low + 22.0)
    thick = bulk * (36.0 - 9.0 * np.clip(share, 0.0, 1.0) ** 2)
    level = np.minimum(fascia, thick - fascia)
    level = np.minimum(level, 0.75 * np.minimum(top - site.up, site.up - bottom))
    level = np.minimum(level, site.back - at.trochanter[1] - 4.0)
    return np.asarray(np.minimum(level, site.aside - medial), np.float32)


def _medius(
    at: Bearings, site: Site, fascia: Array, lateral: Array, maximus: Array, bulk: float
) -> tuple[Array, Array]:
    """Gluteus medius and, under it, minimus: on the outer face of the ilium to the trochanter."""
    crest = _crest(site)
    over = np.minimum(crest - 3.0 - site.up, site.up - at.trochanter[2] + 8.0)
    over = np.minimum(over, np.minimum(lateral + 4.0, site.back - at.hip_front_y + 4.0))
    over = np.minimum(over, fascia - 1.0)
    behind = np.minimum(over, -maximus - 2 * PLANE_MM)
    thick = np.clip(10.0 + 0.9 * (crest - site.up), 10.0, 44.0)  # thin where it begins
    medius = np.minimum(behind, bulk * thick - site.gap)
    deep = np.minimum(behind, 12.0 * bulk - site.gap)
    deep = np.minimum(deep, crest - 32.0 - site.up)
    split = np.minimum(site.gap - 12.0 * bulk - 2 * PLANE_MM, 20.0)
    higher = np.maximum(split, site.up - crest + 32.0)
    return np.minimum(medius, higher).astype(np.float32), deep.astype(np.float32)


def _crest(site: Site) -> Array:
    """The height (n, 1, 1) of the hip bones' upper edge over x, falling away beside them."""
    hips = (site.bone == Structure.HIP_LEFT) | (site.bone == Structure.HIP_RIGHT)
    hip = hips.any(axis=1)
    some = hip.any(axis=1)
    top = np.where(some, site.z[hip.shape[1] - 1 - hip[:, ::-1].argmax(axis=1)], site.z[0])
    away = np.abs(site.x[:, None] - site.x[some][None, :])
    line = np.max(top[some][None, :] - 0.6 * away, axis=1)
    return np.asarray(ndimage.gaussian_filter1d(line, 1.5), np.float32)[:, None, None]


def _iliacus(at: Bearings, site: Site, medial: Array, bulk: float) -> Array:
    """On the iliac fossa, before the joint and above the arcuate line, to the femoral head."""
    level = np.minimum(17.0 * bulk - site.gap, medial + 3.0)
    level = np.minimum(level, at.crest[2] - 6.0 - site.up)
    share = np.clip((site.back - at.head[1]) / (at.front[-1] - at.head[1]), 0.0, 1.0)
    arcuate = at.head[2] + 22.0 + share * (at.endplate_z - 8.0 - at.head[2] - 22.0)
    level = np.minimum(level, 0.8 * (site.up - arcuate))
    brim = at.head[0] - 50.0 + 0.30 * (site.up - at.head[2])
    level = np.minimum(level, site.aside - brim)
    return np.asarray(np.minimum(level, at.front[-1] + 2.0 - site.back), np.float32)


def _obturator(at: Bearings, site: Site, medial: Array, bulk: float) -> Array:
    """On the inner wall of the lower pelvis."""
    level = np.minimum(9.0 * bulk - site.gap, medial + 1.5)
    level = np.minimum(level, at.head[2] + 14.0 - site.up)
    level = np.minimum(level, site.up - at.ischium_z - 20.0)
    return np.asarray(np.minimum(level, site.aside - 30.0), np.float32)


def _belly_wall(at: Bearings, site: Site, trunk: Trunk, fascia: Array, bulk: float) -> Array:
    """Rectus, and beside it the three flat muscles, above the groin and before the flank."""
    rectus = np.clip((58.0 - site.aside) / 6.0, 0.0, 1.0)
    seam = np.clip((site.aside - 58.0) / 8.0, 0.0, 1.0)
    thick = bulk * np.maximum(rectus * 10.0, seam * 15.0)
    groin = at.pubis[2] + 12.0 + 0.95 * np.maximum(site.aside - 20.0, 0.0)
    level = np.minimum(thick - fascia, site.aside - 4.0)
    level = np.minimum(level, 0.7 * (site.up - groin))
    level = np.minimum(level, at.spine_front_y + 52.0 - site.back)
    above = np.maximum(site.up - at.crest[2] + 4.0, at.hip_front_y + 22.0 - site.back)
    return np.asarray(np.minimum(level, above), np.float32)


def _psoas(field: Array, at: Bearings, site: Site, bulk: float) -> None:
    """Beside the spine, over the brim, before the femoral head, to the lesser trochanter."""
    beside, front = at.spine_half + 19.0 * bulk, at.spine_front_y
    head = at.head
    line = curve((
        (beside - 3.0, front + 26.0, at.crest[2] + 60.0),
        (beside, front + 24.0, at.endplate_z + 35.0),
        (beside + 9.0, front + 16.0, at.endplate_z),
        (head[0] - 24.0, head[1] - 22.0, head[2] + 42.0),
        (head[0] - 10.0, head[1] - 34.0, head[2]),
        (head[0] + 4.0, head[1] - 16.0, head[2] - 38.0),
        (head[0] + 8.0, head[1] + 4.0, head[2] - 58.0),
    ))  # fmt: skip
    share = np.linspace(0.0, 1.0, len(line))
    radii = bulk * profile((0.0, 0.2, 0.45, 0.7, 1.0), (16.0, 19.0, 17.0, 14.0, 9.0))(share)
    put_both(field, site, line, radii)


def _piriformis(field: Array, at: Bearings, site: Site, bulk: float) -> None:
    """From before S2 to S4 through the greater sciatic notch to the trochanter's top."""
    row = int(np.argmin(np.abs(site.z - at.height(0.55))))
    far, y, z = at.trochanter
    line = curve((
        (24.0, at.front[row] - 2.0, at.height(0.5)),
        (48.0, at.front[row] - 2.0, at.height(0.72)),
        (0.5 * (far + 40.0), y + 36.0, z + 24.0),
        (far - 16.0, y + 8.0, z + 2.0),
    ))  # fmt: skip
    radii = bulk * profile((0.0, 0.35, 1.0), (6.0, 11.0, 4.5))(np.linspace(0, 1, len(line)))
    put_both(field, site, line, radii)


def _flank(field: Array, at: Bearings, site: Site, bulk: float) -> None:
    """Quadratus lumborum: from the crest upwards, beside the psoas."""
    aside, y = at.spine_half + 46.0, at.spine_back_y - 48.0
    line = curve(((aside + 10.0, y, at.crest[2] - 4.0), (aside, y + 2.0, at.crest[2] + 80.0)))
    for shift in (-9.0, 0.0, 9.0):
        beside = line + np.array([shift, 0.2 * shift, 0.0])
        put_both(field, site, beside, np.full(len(line), 8.0 * bulk))


def _thigh(one: Array, two: Array, at: Bearings, site: Site, bulk: float) -> None:
    """What the lowest slices show around the femur and the ischium."""
    x, y, z = at.head
    far = at.trochanter[0]
    for field, points, radius in (
        (one, ((x + 26.0, y - 42.0, z + 30.0), (x + 20.0, y - 46.0, z - 120.0)), 17.0),  # rectus
        (two, ((x + 38.0, y - 50.0, z + 55.0), (x - 6.0, y - 62.0, z - 110.0)), 8.0),  # sartorius
        (one, ((far - 4.0, y - 26.0, z + 45.0), (far + 4.0, y - 30.0, z - 60.0)), 11.0),  # tensor
        (two, ((far - 6.0, y - 12.0, z - 25.0), (far - 8.0, y - 6.0, z - 130.0)), 27.0),  # vastus
        (two, ((24.0, y - 34.0, z - 26.0), (x - 8.0, y - 24.0, z - 90.0)), 13.0),  # pectineus
        (one, ((18.0, y - 12.0, z - 44.0), (x - 22.0, y - 4.0, z - 120.0)), 25.0),  # adductors
        (two, ((46.0, y + 34.0, z - 62.0), (62.0, y + 42.0, z - 130.0)), 20.0),  # hamstrings
        (one, ((34.0, y + 4.0, z - 34.0), (far - 28.0, y + 18.0, z - 34.0)), 12.0),  # rotators
    ):
        line = curve(points)
        put_both(field, site, line, np.full(len(line), radius * bulk))
