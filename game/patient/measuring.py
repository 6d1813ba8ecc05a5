"""Morphometry of a patient, taken on the bone's signed distance and its landmarks.

Each measure is taken as its publication describes it, on the sampled bone and never from the
numbers that made it. Where a publication leaves its method open the choice is said here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid
from game.patient.foraminal import dorsal, foramina
from game.patient.patient import SIDES, Landmark, Patient, Plane, Side
from game.patient.subject import STEP_MM, Subject, longest, run

ALA_MM = 35.0  # from the midline, facts/anatomy.md
MOST_HALF_MM = 75.0  # half breadth of a sacrum at most
JOINT_MM = 7.0  # sacral surface this close to the hip bone is auricular; project choice
BRIM_MM = 5.0  # from the foremost point of an auricular surface: its foremost end; project choice


def measure(
    grid: Grid,
    sacrum: FloatArray,
    hip: Mapping[Side, FloatArray],
    landmarks: Mapping[str, Landmark],
    planes: Mapping[str, Plane],
) -> dict[str, float]:
    """Row id (assets/morphometry.csv) to mm or degrees, from signed distances (mm, negative inside)
    to the sacrum and the hip bones on `grid`, all in one frame, LPS mm. A row whose landmarks are
    absent, or that meets no bone, is left out."""
    up = planes["s1_endplate"].normal
    left = planes["midsagittal"].normal
    back = np.cross(up, left)
    back /= np.linalg.norm(back)
    centre = landmarks["s1_endplate_centre"].point
    subject = Subject(grid, sacrum, hip, landmarks, centre, left, back, up)
    found = _lengths(subject) | _body(subject) | _alae(subject) | foramina(subject)
    found |= dorsal(subject) | _corridors(subject) | _hiatus(subject) | _posture(subject)
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def measured(patient: Patient) -> dict[str, float]:
    """The same of a whole patient."""
    return measure(
        patient.bone,
        patient.sacrum_distance,
        patient.hip_distance,
        patient.landmarks,
        patient.planes,
    )


def _ventral_line(s: Subject) -> FloatArray:
    """The ventral surface in the midsagittal plane (n, 3), promontory first: the first bone that
    rays across the chord meet from in front."""
    top, end = s.at("promontory"), s.at("sacrum_caudal")
    chord = (end - top) / np.linalg.norm(end - top)
    across = np.cross(chord, s.left)
    across *= np.sign(across @ s.back)
    t = np.arange(0.0, np.linalg.norm(end - top), 1.0)
    r = np.arange(-6.0, 45.0, STEP_MM)
    points = top + t[:, None, None] * chord + r[None, :, None] * across
    bone = s.depth(points) < 0
    return points[np.arange(len(t)), bone.argmax(axis=1)][bone.any(axis=1)]


def _lengths(s: Subject) -> dict[str, float]:
    vertices = _surface_voxels(s)
    x = (vertices - s.centre) @ s.left
    found = {"breadth": float(x.max() - x.min())}
    found |= _auricular(s, vertices)
    if s.has("sacrum_caudal"):
        top, end = s.at("promontory"), s.at("sacrum_caudal")
        found["straight_length"] = float(np.linalg.norm(end - top))
        line = np.vstack([top, _ventral_line(s)[2:-1:3], end])
        found["curved_length"] = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    return found


def _surface_voxels(s: Subject) -> FloatArray:
    """Places (n, 3) on the surface: voxel centres near it, moved along the distance's gradient."""
    grid, field = s.grid, s.sacrum
    index = np.argwhere(np.abs(field) < 0.6 * grid.spacing)
    index = index[np.all((index > 0) & (index < np.array(grid.shape) - 1), axis=1)]
    i, j, k = index.T
    slope = np.stack(
        [
            field[i + 1, j, k] - field[i - 1, j, k],
            field[i, j + 1, k] - field[i, j - 1, k],
            field[i, j, k + 1] - field[i, j, k - 1],
        ],
        axis=1,
    )
    slope /= np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
    return grid.point_from_index(index.astype(float)) - field[i, j, k][:, None] * slope


def _auricular(s: Subject, surface: FloatArray) -> dict[str, float]:
    """Height of the auricular surfaces along their longest extent in the sagittal plane, and the
    distance between their foremost ends, at the brim. PMC5799488 asks how wide the pelvis is
    behind; between which points it took the distance could not be read, so that is a project
    choice: their middles lie 10-15 mm nearer to one another, their widest places 10 mm further."""
    heights, ends = [], []
    for side in SIDES:
        gap = s.grid.sample(s.hip[side], surface, 50.0)
        patch = surface[gap < JOINT_MM]
        if len(patch) < 100:
            return {}
        flat = np.stack([(patch - s.centre) @ s.back, (patch - s.centre) @ s.up], axis=1)
        off = flat - flat.mean(axis=0)
        axis = np.linalg.eigh(off.T @ off)[1][:, 1]
        along = off @ axis
        heights.append(float(np.percentile(along, 99) - np.percentile(along, 1)))
        ahead = flat[:, 0] < np.percentile(flat[:, 0], 1) + BRIM_MM
        ends.append(float(np.median((patch[ahead] - s.centre) @ s.left)))
    return {
        "auricular_height": float(np.mean(heights)),
        "interauricular_distance": ends[0] - ends[1],
    }


def _body(s: Subject) -> dict[str, float]:
    """S1's depths in planes parallel to its endplate, and its heights to its lower border."""
    found = {"s1_depth": float(np.linalg.norm(s.at("promontory") - s.at("s1_posterior_corner")))}
    r = np.arange(-30.0, 30.0, STEP_MM)
    for below in (8, 15):
        line = s.centre - below * s.up + r[:, None] * s.back
        found[f"body_depth_{below}"] = run(s.depth(line) < 0, len(r) // 2)
    if s.has("s1_inferior_anterior", "s1_inferior_posterior"):
        front, behind = _lower_end(s)
        found["s1_height_anterior"] = float(np.linalg.norm(front - s.at("promontory")))
        found["s1_height_posterior"] = float(np.linalg.norm(behind - s.at("s1_posterior_corner")))
        found["s1_depth_inferior"] = float(np.linalg.norm(behind - front))
    return found


def _lower_end(s: Subject) -> tuple[FloatArray, FloatArray]:
    """Ventral and dorsal end (3,) of S1's lower border, midsagittal: where the bone begins and ends
    on the line through its two landmarks."""
    front, behind = s.at("s1_inferior_anterior"), s.at("s1_inferior_posterior")
    inward = (behind - front) / np.linalg.norm(behind - front)
    r = np.arange(-8.0, np.linalg.norm(behind - front) + 8.0, STEP_MM)
    inside = s.depth(front + r[:, None] * inward) < 0
    first = int(inside.argmax())
    last = first + int(np.argmin(np.append(inside[first:], False))) - 1
    return front + r[first] * inward, front + r[last] * inward


def _alae(s: Subject) -> dict[str, float]:
    found = {}
    r = np.arange(-45.0, 60.0, STEP_MM)
    for below in (8, 15):
        rays = [
            s.centre + side * ALA_MM * s.left - below * s.up + r[:, None] * s.back
            for side in (-1.0, 1.0)
        ]
        found[f"ala_depth_{below}"] = float(np.mean([longest(s.depth(ray) < 0) for ray in rays]))
    return found


def _corridors(s: Subject) -> dict[str, float]:
    """Craniocaudal height of the straight way through bone from joint to joint (Wagner 2017): the
    tallest run, along the endplate's normal, of lines from left to right that leave the sacrum by
    its auricular surfaces alone; 0 where there is none."""
    if not s.has("foramen_s1_left", "foramen_s2_left", "foramen_s1_right", "foramen_s2_right"):
        return {}
    v, u = np.arange(-25.0, 55.0, 1.0), np.arange(-75.0, 10.0, STEP_MM)
    feet = s.centre + v[:, None, None] * s.back + u[:, None] * s.up
    clear = _to_joint(s, feet, "left") & _to_joint(s, feet, "right")
    floors = []
    for level in (1, 2):
        middle = 0.5 * (s.at(f"foramen_s{level}_left") + s.at(f"foramen_s{level}_right"))
        floors.append(float((middle - s.centre) @ s.up))
    found = {}
    for name, part in (("corridor_s1", u >= floors[0]), ("corridor_s2", (u < floors[0]))):
        rows = clear[:, part & (u > floors[1] - 4.0)]
        runs = [longest(row) if row.any() else 0.0 for row in rows]
        found[name] = max(runs)
    return found


def _to_joint(s: Subject, feet: FloatArray, side: Side) -> NDArray[np.bool_]:
    """Whether lines from `feet` (n, m, 3) in the midline to one side stay in the sacrum until they
    leave it, and then meet the hip bone within JOINT_MM."""
    aside = (1.0 if side == "left" else -1.0) * s.left
    inside, met = np.ones(feet.shape[:2], bool), np.zeros(feet.shape[:2], bool)
    beyond = np.arange(0.0, JOINT_MM + 0.5, 1.0)[:, None] * aside
    for x in np.arange(0.0, MOST_HALF_MM, 1.0):
        at = feet[inside] + x * aside
        left = s.depth(at) >= 0
        out = np.flatnonzero(inside)[left]
        rays = at[left][:, None, :] + beyond
        hip = s.grid.sample(s.hip[side], rays.reshape(-1, 3), 50.0).reshape(rays.shape[:2])
        met.flat[out] = (hip < 0).any(axis=1)
        inside.flat[out] = False
    return met


def _hiatus(s: Subject) -> dict[str, float]:
    """The hiatus from its apex to the end of the sacrum, and the canal's depth at the apex: its
    least width on sagittal lines within 30 deg of straight across."""
    if not s.has("hiatus_apex", "sacrum_caudal"):
        return {}
    apex, end = s.at("hiatus_apex"), s.at("sacrum_caudal")
    down = (end - apex) / np.linalg.norm(end - apex)
    inward = np.cross(down, s.left)
    inward *= np.sign(inward @ (s.at("promontory") - apex))
    r = np.arange(0.0, 15.0, STEP_MM)
    depths = []
    for turn in np.radians(np.arange(-30.0, 31.0, 10.0)):
        ray = np.cos(turn) * inward + np.sin(turn) * down
        free = s.depth(apex + 0.5 * down + r[:, None] * ray) > 0
        if free.any():
            depths.append(run(free, int(free.argmax())))
    depth = min(depths, default=np.nan)
    return {"hiatus_length": float((end - apex) @ down), "hiatus_depth": depth}


def _posture(s: Subject) -> dict[str, float]:
    """Angles of the endplate, and the posterior iliac spines in the anterior pelvic plane's frame
    (spines and tubercles: up in the plane, posterior across it)."""
    found = {"base_angle": float(np.degrees(np.arctan2(-s.up[1], s.up[2])))}
    if s.has("l5_endplate_anterior", "l5_endplate_posterior"):
        ahead = s.at("l5_endplate_anterior") - s.at("l5_endplate_posterior")
        found["lordosis_l5_s1"] = float(np.degrees(np.arctan2(ahead @ s.up, -(ahead @ s.back))))
    for spine in ("psis", "piis"):
        ends = s.at(f"{spine}_left"), s.at(f"{spine}_right")
        found[f"inter_{spine}"] = float(np.linalg.norm(ends[0] - ends[1]))
    names = [f"{name}_{side}" for name in ("asis", "pubic_tubercle") for side in SIDES]
    if s.has(*names):
        high = 0.5 * (s.at("asis_left") + s.at("asis_right"))
        low = 0.5 * (s.at("pubic_tubercle_left") + s.at("pubic_tubercle_right"))
        cranial = high - low - ((high - low) @ s.left) * s.left
        cranial /= np.linalg.norm(cranial)
        ahead = np.cross(s.left, cranial)
        ahead *= -np.sign(ahead @ s.back)
        tilt = np.arctan2(s.up @ ahead, s.up @ cranial)
        found["endplate_inclination"] = float(np.degrees(tilt))
        for spine in ("psis", "piis"):
            middle = 0.5 * (s.at(f"{spine}_left") + s.at(f"{spine}_right"))
            found[f"{spine}_cranial"] = float((middle - s.centre) @ cranial)
    return found
