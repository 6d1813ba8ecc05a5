"""The hip bones: a mean bone of two sheets, bent so that its landmarks lie where measures put them.

`solid` takes points of the model's frame (hip_tables); `pose.Pose` takes a person's points there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from game.patient.procedural import hip_tables as tables
from game.patient.procedural.reading import flat
from game.patient.procedural.solids import Array, cone, smooth_max, smooth_min

Flat = Callable[[Array, Array], Array]

SOCKET = (79.9, -22.7, -108.9)  # centre of the acetabulum: the fitted cup's, moved out of the
# ring by 5 mm for a head of usual size in a cup blurred by averaging (form)
SOCKET_RADIUS = 24.0  # mm; a head of 21.5 mm and a joint space of 2.5 mm (form)
_OPENING = (112.0, -40.0, -127.0)  # the socket opens towards lateral, caudal, anterior (form)
_SPINE = ((59.0, 18.0, -92.0), (51.0, 29.5, -104.0))  # of the ischium: base and tip, read off
# the mean bone
# The auricular surface, an ear open behind: (v, w) mm behind and above the S1 endplate's centre, v
# along the endplate. Where half of 32 real joints (pelvis atlas) have the hip bone within 7 mm of
# the sacrum, drawn in by RIM_MM, and moved up by 7 mm: real joints end some 10 mm above foramen S3
# (one CT, and si_caudal). Measures AURICULAR_MM
AURICULAR = (
    (-13, -22), (-11, -32), (-6, -43), (1, -56), (6, -63), (11, -63), (16, -56), (20, -47),
    (22, -35), (20, -26), (16, -22), (16, -13), (10, -12), (3, -16), (-7, -19),
)  # fmt: skip
AURICULAR_MM = 53.4
_MIDDLE = (5.0, -37.0)  # of it: it grows from there
TOP_MM = 7.0  # mm under the endplate's height, above which no joint reaches where the ala is the
# mean form's (read off the finished bone)
USUAL_MM, GAIN = 56.2, 1.3  # PMC5799488; a tall joint is cut where the ala and the wing end, and a
# low one's rims still lie within 7 mm: so the outline differs more than what is measured on it
RIM_MM = 3.0  # beyond the outline the bones are still within 7 mm of each other
_PAD_MM, _FADE_MM = 6.0, 4.0  # how far the joint surface may stand out of the wing to follow the
# sacrum's, and over how much that ends at its rim; form
_LIGAMENTS_MM = np.float32(7.3)  # that the bones keep apart around it, where the interosseous
# ligaments are (form)
EDGE = 0.5  # of a sheet's thickness: over so much its edge is rounded (form)


def solid(x: Array, y: Array, z: Array, sacrum: Array, outside: Array, gap: float) -> Array:
    """The left hip bone's field (n,) at points of the model's frame, kept `gap` mm off the sacrum,
    whose distance at the same points is `sacrum`; more where they lie `outside` mm of the
    auricular surface's outline."""
    q, w, h = _in_frame(tables.WING_FRAME, x, y, z)
    wing, inner = _sheet(_wing(), q, w, h)
    a, b, c = _in_frame(tables.RING_FRAME, x, y, z)
    ring, _ = _sheet(_ring(), a, b, c)
    ring = smooth_max(ring, -_obturator()(a, b), 6.0)
    bone = smooth_min(wing, ring, 6.0)
    bone = smooth_min(bone, cone(*_SPINE, 7.0, 2.5)[0](x, y, z), 6.0)
    opening = cone(SOCKET, _OPENING, SOCKET_RADIUS, SOCKET_RADIUS + 5.0)[0](x, y, z)
    bone = smooth_max(bone, -opening, 2.0)
    bone = smooth_min(bone, _pad(sacrum - np.float32(gap), inner - h, outside), 3.0)
    around = np.clip(outside / _FADE_MM, 0, 1).astype(np.float32)
    space = np.float32(gap) + (_LIGAMENTS_MM - np.float32(gap)) * around
    return smooth_max(bone, space - sacrum, 1.0)


def inside_wing(x: Array, y: Array, z: Array) -> Array:
    """How far lateral of the wing's inner surface points (n,) of the model's frame lie, mm."""
    q, w, h = _in_frame(tables.WING_FRAME, x, y, z)
    return h - _wing()[0](q, w)


Sheet = tuple[Flat, Flat, Flat]  # inner, outer, outline


def _pad(free: Array, medial: Array, outside: Array) -> Array:
    """Bone put on the auricular part of the wing, up to the joint's space: `free` mm short of the
    sacrum, `medial` to the wing's inner surface, `outside` the auricular outline."""
    most = np.clip(-outside / _FADE_MM, 0, 1) * np.clip(2.0 - free / _PAD_MM, 0, 1)
    shape = np.maximum(medial - np.float32(_PAD_MM) * most, -medial - 2.0)
    return np.asarray(np.maximum(np.maximum(shape, -free), outside), np.float32)


def _in_frame(frame: tables.Frame, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    rows = np.array(frame, np.float32)
    q, w, h = (np.asarray(a * x + b * y + c * z, np.float32) for a, b, c in rows)
    return q, w, h


def _sheet(sheet: Sheet, q: Array, w: Array, h: Array) -> tuple[Array, Array]:
    """The field (n,) of a sheet, and the h of its inner surface (n,)."""
    inner, outer, outline = sheet
    low, high = inner(q, w), outer(q, w)
    across = np.maximum(low - h, h - high)
    edge = np.clip(EDGE * (high - low), 2.0, 12.0).astype(np.float32)
    return smooth_max(across, outline(q, w), edge), low


@cache
def _wing() -> Sheet:
    knots = (tables.WING_Q, tables.WING_W)
    return (
        _smooth(*knots, tables.WING_INNER),
        _smooth(*knots, tables.WING_OUTER),
        _outlined(tables.WING_OUTLINE),
    )


@cache
def _ring() -> Sheet:
    knots = (tables.RING_Q, tables.RING_W)
    return (
        _smooth(*knots, tables.RING_INNER),
        _smooth(*knots, tables.RING_OUTER),
        _outlined(tables.RING_OUTLINE),
    )


@cache
def _obturator() -> Flat:
    return _outlined(tables.OBTURATOR)


@lru_cache(maxsize=4)
def auricle(height: float, fall: float = 0.0) -> Flat:
    """Signed distance, mm, to the outline of an auricular surface that measures `height` mm, over
    v and w (AURICULAR). It ends above where the ala does, whose side lies `fall` mm lower than in
    the mean form, and reaches as much further down."""
    height += (GAIN - 1.0) * (height - USUAL_MM)
    grown = (height - 2.0 * RIM_MM) / (AURICULAR_MM - 2.0 * RIM_MM)
    corners = (np.array(AURICULAR) - _MIDDLE) * grown
    above, below = corners[:, 1].max(), -corners[:, 1].min()
    upper = min(above, -_MIDDLE[1] - TOP_MM - fall)
    further = (above + below - upper) / below
    corners[:, 1] *= np.where(corners[:, 1] > 0, upper / above, further)
    return _outlined(corners + _MIDDLE)


def _smooth(q: tuple[float, ...], w: tuple[float, ...], heights: tables.Table) -> Flat:
    """A smooth height through a table heights[q][w], held constant beyond its edges."""
    across, along = np.arange(q[0], q[-1] + 1.0), np.arange(w[0], w[-1] + 1.0)
    spline = RectBivariateSpline(q, w, np.array(heights, float), kx=2, ky=2)
    return flat(q[0], w[0], spline(across, along))


def _outlined(corners: tables.Outline | NDArray[np.float64]) -> Flat:
    """Signed distance to an outline, read from a 1 mm table that reaches 60 mm around it."""
    ends = np.array(corners, float)
    low, high = ends.min(axis=0) - 60.0, ends.max(axis=0) + 60.0
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    at = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return flat(float(low[0]), float(low[1]), _polygon_distance(at, ends))


def _polygon_distance(at: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed distance (...) of points (..., 2) to a closed polygon (n, 2), negative inside."""
    best = np.full(at.shape[:-1], np.inf)
    inside = np.zeros(at.shape[:-1], bool)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge, off = b - a, at - a
        t = np.clip(off @ edge / (edge @ edge), 0, 1)
        best = np.minimum(best, np.linalg.norm(off - t[..., None] * edge, axis=-1))
        crosses = (a[1] > at[..., 1]) != (b[1] > at[..., 1])
        rise = edge[1] if edge[1] else 1e-9
        inside ^= crosses & (at[..., 0] < a[0] + (at[..., 1] - a[1]) * edge[0] / rise)
    return np.where(inside, -best, best)
