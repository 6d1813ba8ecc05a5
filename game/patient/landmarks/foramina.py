"""The S1-S4 foramina: dents or holes in the unrolled sacrum, else where morphometry expects them.

At 3 mm most foramina are closed in the labels, yet the bone is thinner there than around. A row of
eight, spaced as in real sacra, is laid where the sum of thinness is greatest; each foramen may then
move a few mm to its own minimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
from scipy.ndimage import gaussian_filter

from game.geometry.grid import FloatArray
from game.patient.landmarks.frame import Ribbon
from game.patient.patient import SIDES, Landmark

APART_MM = np.array([46.4, 41.9, 37.9, 36.5])  # right-left, facts/anatomy.md [M]
PITCH_MM = np.array([0.0, 25.8, 46.7, 64.1])  # from S1: 25.8, 20.9, 17.4, facts/anatomy.md [M]
S1_BELOW_MM, S1_BELOW_SD = 27.0, 3.0  # S1 foramen under the endplate's centre along the curve: mean
# height of S1 (28.2 anterior, 22.0 posterior, facts/anatomy.md) and half an S1/S2 disc (2, project
# choice)
SCALE_SD = 0.06  # of pitch and of breadth between sacra, facts/anatomy.md [M] (1.9-3.7 of 17-46 mm)
THIN_MM = 5.0  # thinness that counts as one; project choice
WANDER_SD = 3.0  # of a single foramen from its place in the row, mm, facts/anatomy.md [M]
# half the width of a posterior foramen: S1 7.66, S2 7.30, facts/anatomy.md; S3 and S4 as S2,
# project choice
DORSAL_HALF_MM = (3.83, 3.65, 3.65, 3.65)
# of an anterior one: S1 12.23, S2 13.13, facts/anatomy.md; S3 and S4 project choice
VENTRAL_HALF_MM = (6.1, 6.55, 5.5, 4.5)
S5_BELOW_MM = 13.0  # end of S5 below the S4 foramina: straight length 92.8 (facts/anatomy.md) less
# S1_BELOW_MM, the pitches and the curve's excess; project choice
APEX_ABOVE_MM = 5.0  # of the hiatus' apex above them: at S4 in 60.7 % (Abera 2021)
ROW_PEAK = 4.0  # how sharply the best row is preferred to those like it; project choice
PEAK = 8.0  # how sharply the thinnest place is preferred; project choice
RING_MM = (1.0, 2.0, 3.0, 4.0, 5.0)  # beyond an opening's rim, where its surface is read; project
# choice
OPEN_MM = 1.0  # bone left along a ray through an open foramen, at most; project choice


def foramina(ribbon: Ribbon, endplate_centre: FloatArray) -> dict[str, Landmark]:
    """Of each foramen `foramen_s1_left` .. `foramen_s4_right` (mid-tunnel), the centres of its
    openings, `foramen_s1_ventral_left` and `_dorsal_`, and the lateral margins of their rims,
    `s1_ventral_lateral_left` and `s1_lateral_left` (dorsal)."""
    thinness = _thinness(ribbon)
    row = _row(ribbon, thinness, float(ribbon.locate(endplate_centre[None])[0, 0]))
    found: dict[str, Landmark] = {}
    for place, (level, side) in zip(row, product(range(1, 5), SIDES), strict=True):
        t, x = _settled(ribbon, thinness, place)
        seen = ribbon.read(ribbon.thickness, np.array([t]), np.array([x]))[0] < OPEN_MM
        point = ribbon.point(t, x, _mid_tunnel(ribbon, t, x))
        found[f"foramen_s{level}_{side}"] = Landmark(point, not seen, 2.0 if seen else 4.0)
        for face, surface, half in (
            ("ventral_", ribbon.ventral, VENTRAL_HALF_MM),
            ("dorsal_", ribbon.dorsal, DORSAL_HALF_MM),
        ):
            mouth = ribbon.point(t, x, _around(ribbon, surface, t, x, half[level - 1]))
            found[f"foramen_s{level}_{face}{side}"] = Landmark(
                mouth, not seen, 2.5 if seen else 5.0
            )
            rim = f"s{level}_{face.replace('dorsal_', '')}lateral_{side}"
            found[rim] = _margin(ribbon, surface, t, x, half[level - 1], seen)
    return found


def _thinness(ribbon: Ribbon) -> FloatArray:
    """How much less bone a ray meets than its surroundings, in THIN_MM (n, m)."""
    bone = ribbon.thickness
    return (gaussian_filter(bone, 9.0) - gaussian_filter(bone, 2.5)) / THIN_MM


def _row(ribbon: Ribbon, thinness: FloatArray, endplate_t: float) -> FloatArray:
    """(8, 2) places t, x of S1 left, S1 right, .. S4 right: the mean of the rows over a
    lattice of positions, scales and slants, weighted by how well each fits."""
    below = np.arange(-8.0, 9.0)
    axes = (
        below,
        np.linspace(0.88, 1.12, 9),
        np.linspace(0.88, 1.12, 7),
        np.linspace(-0.05, 0.05, 5),
    )
    shift, pitch, breadth, slant = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
    down = S1_BELOW_MM + shift[:, None] + pitch[:, None] * PITCH_MM
    half = 0.5 * breadth[:, None] * APART_MM
    middle = slant[:, None] * down
    t = np.repeat(endplate_t + down, 2, axis=1)
    x = np.stack([middle + half, middle - half], axis=2).reshape(len(t), 8)
    gain = np.minimum(ribbon.read(thinness, t, x), 1.5).sum(axis=1)
    doubt = (shift / S1_BELOW_SD) ** 2 + ((pitch - 1) / SCALE_SD) ** 2
    doubt += ((breadth - 1) / SCALE_SD) ** 2 + (slant / 0.03) ** 2
    score = gain - 0.5 * doubt
    weight = np.exp(ROW_PEAK * (score - score.max()))
    return np.stack([np.average(place, axis=0, weights=weight) for place in (t, x)], axis=1)


def _settled(ribbon: Ribbon, thinness: FloatArray, place: FloatArray) -> tuple[float, float]:
    """The thinnest place near (t, x), held to it by WANDER_SD: the mean of the places weighted by
    how thin they are, for a shallow dent has no single deepest point."""
    dt, dx = (a.ravel() for a in np.mgrid[-8.0:8.5:0.5, -8.0:8.5:0.5])
    value = ribbon.read(thinness, place[0] + dt, place[1] + dx)
    gain = 2.0 * value - 0.5 * (dt**2 + dx**2) / WANDER_SD**2
    weight = np.exp(PEAK * (gain - gain.max()))
    return (
        float(place[0] + np.average(dt, weights=weight)),
        float(place[1] + np.average(dx, weights=weight)),
    )


def _mid_tunnel(ribbon: Ribbon, t: float, x: float) -> float:
    """r half-way between the ventral and dorsal surface around a foramen."""
    angle = np.arange(0.0, 2 * np.pi, np.pi / 12)
    ring_t = np.concatenate([t + radius * np.cos(angle) for radius in (6.0, 8.0)])
    ring_x = np.concatenate([x + radius * np.sin(angle) for radius in (6.0, 8.0)])
    ventral, dorsal, thick = (
        ribbon.read(m, ring_t, ring_x) for m in (ribbon.ventral, ribbon.dorsal, ribbon.thickness)
    )
    middle = 0.5 * (ventral + dorsal)[(thick > 4.0) & np.isfinite(ventral)]
    return _usual(middle) if len(middle) else 0.0


def _around(ribbon: Ribbon, surface: FloatArray, t: float, x: float, half: float) -> float:
    """The usual r of a surface on rings outside an opening of half-width `half`, mm."""
    angle = np.arange(0.0, 2 * np.pi, np.pi / 12)
    radius = half + np.array(RING_MM)[:, None]
    ring = ribbon.read(surface, t + radius * np.cos(angle), x + radius * np.sin(angle))
    return _usual(ring) if np.isfinite(ring).any() else _mid_tunnel(ribbon, t, x)


def _usual(values: FloatArray) -> float:
    """The mean of the middle half of what is finite: steadier than the median, and as robust."""
    some = np.sort(values[np.isfinite(values)])
    cut = len(some) // 4
    return float(some[cut : len(some) - cut].mean())


def _margin(
    ribbon: Ribbon, surface: FloatArray, t: float, x: float, half: float, seen: bool
) -> Landmark:
    """The lateral rim of a foramen where it opens on a surface, `half` beside its middle."""
    lateral = half * np.sign(x)
    dt, out = (a.ravel() for a in np.mgrid[-6.0:6.5:1.0, 0.0:6.5:1.0])
    near = ribbon.read(surface, t + dt, x + lateral + np.sign(x) * out)
    r = _usual(near) if np.isfinite(near).any() else _mid_tunnel(ribbon, t, x)
    return Landmark(ribbon.point(t, x + lateral, r), not seen, 2.5 if seen else 4.0)


def ends(ribbon: Ribbon, landmarks: Mapping[str, Landmark]) -> dict[str, Landmark]:
    """`sacrum_caudal`, the ventral end of S5, and `hiatus_apex`, estimated on the midline from the
    S4 foramina: no label parts sacrum and coccyx."""
    rows = ribbon.locate(np.array([levels(landmarks, side)[3] for side in SIDES]))
    fourth = float(rows[:, 0].mean())
    last = float(np.flatnonzero((ribbon.distance < 0).any(axis=(1, 2)))[-1])
    places = {
        "sacrum_caudal": (ribbon.ventral, min(fourth + S5_BELOW_MM, last)),
        "hiatus_apex": (ribbon.dorsal, min(fourth - APEX_ABOVE_MM, last)),
    }
    return {
        name: Landmark(ribbon.point(t, 0.0, _around(ribbon, surface, t, 0.0, 2.0)), True, 8.0)
        for name, (surface, t) in places.items()
    }


def levels(landmarks: Mapping[str, Landmark], side: str) -> FloatArray:
    """(4, 3) foramen centres S1-S4 of one side, LPS mm."""
    return np.array([landmarks[f"foramen_s{level}_{side}"].point for level in range(1, 5)])
