"""Morphometry of the sacral foramina: what one sees through them, and the bone between them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, label

from game.geometry.grid import FloatArray
from game.patient.dorsal_channel import channel
from game.patient.patient import SIDES, Side
from game.patient.subject import STEP_MM, Subject

LEVELS = (1, 2, 3, 4)
BESIDE_CANAL_MM = 2.0  # the interforaminal bone is taken this far under the rims; project choice


def foramina(s: Subject) -> dict[str, float]:
    """Centres and calibre as one sees through: the largest disc that is open from front to back."""
    middles: dict[tuple[int, Side], FloatArray] = {}
    calibres: dict[tuple[int, Side], float] = {}
    for level in LEVELS:
        for side in SIDES:
            if s.has(f"foramen_s{level}_{side}"):
                seen = _see_through(s, level, side)
                middles[level, side], calibres[level, side] = seen
    found = {}
    for level in LEVELS:
        pair = [(level, side) for side in SIDES]
        if all(key in middles for key in pair):
            span = (middles[pair[0]] - middles[pair[1]]) @ s.left
            found[f"foramen_span_s{level}"] = float(span)
            found[f"foramen_calibre_s{level}"] = float(np.mean([calibres[k] for k in pair]))
    for level in LEVELS[:-1]:
        steps = [
            float(np.linalg.norm(middles[level + 1, side] - middles[level, side]))
            for side in SIDES
            if (level, side) in middles and (level + 1, side) in middles
        ]
        if steps:
            found[f"foramen_pitch_{level}_{level + 1}"] = float(np.mean(steps))
    return found


def _see_through(s: Subject, level: int, side: Side) -> tuple[FloatArray, float]:
    """Centre (3,) and diameter, mm, of the largest open disc of one foramen over a few directions
    about its axis; the landmark itself and 0 where nothing is seen through it."""
    centre = s.at(f"foramen_s{level}_{side}")
    axis = _axis(s, level, side)
    best = (centre, 0.0)
    cells = np.arange(-8.0, 8.01, 0.5)
    along = np.arange(-22.0, 22.01, 1.0)
    for tilt_left in (-20.0, -10.0, 0.0, 10.0, 20.0):
        for tilt_up in (-20.0, 0.0, 20.0):
            view = axis + np.tan(np.radians(tilt_left)) * s.left
            view = view + np.tan(np.radians(tilt_up)) * np.cross(axis, s.left)
            view /= np.linalg.norm(view)
            u = np.cross(view, s.up)
            u /= np.linalg.norm(u)
            v = np.cross(u, view)
            plane = centre + cells[:, None, None] * u + cells[None, :, None] * v
            rays = plane[:, :, None, :] + along[:, None] * view
            hit = (s.depth(rays) < 0).any(axis=2)
            radius = distance_transform_edt(~np.pad(hit, 1, constant_values=True))[1:-1, 1:-1] * 0.5
            parts, _ = label(~hit)
            near = np.hypot(cells[:, None], cells[None, :]) < 5.0
            rim = {0, *parts[0], *parts[-1], *parts[:, 0], *parts[:, -1]}
            radius[~near | np.isin(parts, list(rim))] = 0.0
            i, j = np.unravel_index(int(radius.argmax()), radius.shape)
            if 2.0 * radius[i, j] > best[1]:
                best = (plane[i, j], 2.0 * float(radius[i, j]))
    return best


def _axis(s: Subject, level: int, side: Side) -> FloatArray:
    """Unit direction from the ventral to the dorsal opening."""
    names = (f"foramen_s{level}_ventral_{side}", f"foramen_s{level}_dorsal_{side}")
    if not s.has(*names):
        return s.back
    axis = s.at(names[1]) - s.at(names[0])
    length = float(np.linalg.norm(axis))
    return axis / length if length > 0 else s.back  # a cut sacrum has both openings in one place


def dorsal(s: Subject) -> dict[str, float]:
    """The posterior foramina."""
    names = [f"foramen_s{level}_dorsal_{side}" for level in LEVELS for side in SIDES]
    if not s.has(*names):
        return {}
    found = {}
    for level in (1, 3):
        aside = [abs((s.at(f"foramen_s{level}_dorsal_{d}") - s.centre) @ s.left) for d in SIDES]
        found[f"dorsal_s{level}_midline"] = float(np.mean(aside))
    for upper, lower in ((1, 2), (2, 3), (3, 4)):
        gap = float(np.mean([_bone_between(s, upper, lower, side) for side in SIDES]))
        found[f"dorsal_gap_s{upper}_s{lower}"] = gap
    found["dorsal_gap_s2_s3_again"] = found["dorsal_gap_s2_s3"]
    return found | _channels(s)


def _channels(s: Subject) -> dict[str, float]:
    """Depth and slant of the S1 posterior foramina on axial slices; absent where none is open."""
    up = np.array([0.0, 0.0, 1.0]) - s.left[2] * s.left
    up /= np.linalg.norm(up)
    seen = []
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        mouth = s.at(f"foramen_s1_dorsal_{side}")
        aside = float((mouth - s.centre) @ s.left)
        one = channel(s.depth, mouth - aside * s.left, sign * aside, sign * s.left, up)
        seen += [] if one is None else [one]
    if not seen:
        return {}
    depth, angle = np.mean(seen, axis=0)
    return {"dorsal_s1_depth": float(depth), "dorsal_s1_angle": float(angle)}


def _bone_between(s: Subject, upper: int, lower: int, side: Side) -> float:
    """Bone, mm, on the straight way between two dorsal openings, BESIDE_CANAL_MM under them."""
    ends = []
    for level in (upper, lower):
        dorsal = s.at(f"foramen_s{level}_dorsal_{side}")
        ends.append(dorsal - BESIDE_CANAL_MM * _axis(s, level, side))
    length = float(np.linalg.norm(ends[1] - ends[0]))
    if length < STEP_MM:
        return np.nan
    t = np.linspace(0.0, 1.0, 400)
    inside = s.depth(ends[0] + t[:, None] * (ends[1] - ends[0])) < 0
    return float(inside.mean() * length)
