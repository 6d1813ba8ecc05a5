"""By what a picture shows that its view is true: landmarks where the beam puts them.

AP and obliques: the L5/S1 disc stands open. AP, inlet and outlet: the spinous process of L5 lies
midway between paired landmarks in front of it. Lateral: the iliac cortical densities, and the
sciatic notches, of both sides lie on each other (facts/procedure.md), the beam's divergence left
out. Lengths are mm in the plane of the isocentre.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, degrees, radians

import numpy as np

from game.devices.carm import CArmPose
from game.geometry.carm import (
    SOURCE_TO_DETECTOR_MM,
    SOURCE_TO_ISOCENTRE_MM,
    detector_direction,
)
from game.geometry.grid import FloatArray
from game.patient.patient import SIDES, Patient, Side, Structure

MIDLINE_MM = 4.0  # the spinous process is looked for this near to the midsagittal plane
NOTCH_MM = (-45.0, 5.0)  # of height about the PIIS, where the notch's roof is; project choice
LATERAL = cos(radians(40.0))  # a beam nearer to the patient's left-right axis is a lateral
HIPS: dict[Side, Structure] = {"left": Structure.HIP_LEFT, "right": Structure.HIP_RIGHT}


@dataclass(frozen=True)
class Evidence:
    """`spinous_mm` is how far the spinous process of L5 lies to the patient's left of the middle
    between the S1 foramina, and `spinous_deg` the turn of the beam that this betrays; `disc_mm`
    the open gap of the L5/S1 disc (negative: its endplates overlap); in a lateral instead,
    `iliac_mm` and `notch_mm`, the distance between the two iliac cortical densities and between
    the edges of the two sciatic notches. None where the patient lacks a landmark."""

    spinous_mm: float | None = None
    spinous_deg: float | None = None
    disc_mm: float | None = None
    iliac_mm: float | None = None
    notch_mm: float | None = None

    def words(self) -> str:
        """What there is to see, on one line; empty where there is nothing."""
        said = []
        if self.spinous_mm is not None and self.spinous_deg is not None:
            said.append(f"spinous process {self.spinous_mm:+.1f} mm ({self.spinous_deg:+.1f} deg)")
        for name, value in (
            ("disc open by", self.disc_mm),
            ("iliac densities apart by", self.iliac_mm),
            ("sciatic notches apart by", self.notch_mm),
        ):
            if value is not None:
                said.append(f"{name} {value:.1f} mm")
        return ", ".join(said)


def evidence(patient: Patient, pose: CArmPose) -> Evidence:
    """What a picture of the whole patient at `pose` shows; no picture is made."""
    across = patient.anatomy.axes @ detector_direction(pose.primary, pose.secondary)
    if abs(across[0]) > LATERAL:
        densities = [_iliac_density(patient, pose, side) for side in SIDES]
        return Evidence(iliac_mm=_apart(*densities), notch_mm=_notches(patient, pose))
    spinous_mm, spinous_deg = _spinous(patient, pose) or (None, None)
    return Evidence(spinous_mm, spinous_deg, _disc_gap(patient, pose))


def seen(pose: CArmPose, points: FloatArray) -> FloatArray:
    """Places (n, 2) to the right and down of the picture's middle, mm in the isocentre's plane."""
    geometry = pose.projection()
    offset = geometry.project(points) - (geometry.size - 1) / 2.0
    scale = SOURCE_TO_ISOCENTRE_MM / SOURCE_TO_DETECTOR_MM * geometry.pixel_mm
    return np.asarray(offset * scale)


def _spinous(patient: Patient, pose: CArmPose) -> tuple[float, float] | None:
    """How far left of the midline, mm, and the turn that it betrays, degrees."""
    tip = _spinous_tip(patient)
    pair = [f"foramen_s1_{side}" for side in SIDES]
    if tip is None or any(name not in patient.landmarks for name in pair):
        return None
    middle = np.mean([patient.point(name) for name in pair], axis=0)
    own = patient.anatomy.axes
    up, left = _along(pose, middle, own[2]), _along(pose, middle, own[0])
    aside = np.array([-up[1], up[0]])
    aside *= np.sign(aside @ left) or 1.0
    places = seen(pose, np.stack([tip, middle]))
    # Seen along the patient's axis: the ray through the middle against the line on to the tip.
    ray = own[:2] @ (middle - np.array(pose.projection().source))
    line = own[:2] @ (tip - middle)
    turn = atan2(line[1] * ray[0] - line[0] * ray[1], line @ ray)
    return float((places[0] - places[1]) @ aside), -degrees(turn)


def _along(pose: CArmPose, point: FloatArray, direction: FloatArray) -> FloatArray:
    """The unit direction (2,) in the picture of a direction (3,) at a point."""
    ends = seen(pose, np.stack([point, point + direction]))
    step: FloatArray = ends[1] - ends[0]
    return step / float(np.linalg.norm(step))


def _spinous_tip(patient: Patient) -> FloatArray | None:
    """The rearmost point of L5 near the midsagittal plane."""
    surface = patient.surfaces.get(Structure.L5)
    if surface is None:
        return None
    points = surface.vertices.astype(float)
    left, posterior, _ = patient.anatomy.axes
    plane = patient.planes.get("midsagittal")
    through = patient.point("s1_endplate_centre") if plane is None else plane.point
    near = points[np.abs((points - through) @ left) < MIDLINE_MM]
    if len(near) == 0:
        return None
    rear: FloatArray = near[np.argmax(near @ posterior)]
    return rear


def _disc_gap(patient: Patient, pose: CArmPose) -> float | None:
    """The gap between the lowest of L5's lower and the highest of S1's upper endplate corners, in
    the picture; L5's corners are S1's mirrored in the disc's middle plane."""
    names = ("promontory", "s1_posterior_corner")
    disc = patient.planes.get("l5_s1_disc")
    if disc is None or any(name not in patient.landmarks for name in names):
        return None
    lower = np.stack([patient.point(name) for name in names])
    normal = disc.normal / np.linalg.norm(disc.normal)
    upper = lower - 2.0 * ((lower - disc.point) @ normal)[:, None] * normal
    up = -seen(pose, np.concatenate([lower, upper]))[:, 1]
    return float(up[2:].min() - up[:2].max())


def _iliac_density(patient: Patient, pose: CArmPose, side: Side) -> FloatArray | None:
    """Where the picture shows the cortex of the hip bone at the front of its joint with the ala,
    where it is densest (2,)."""
    surface, name = patient.surfaces.get(HIPS[side]), f"anterior_ala_{side}"
    if surface is None or name not in patient.landmarks:
        return None
    points = surface.vertices.astype(float)
    nearest = np.argmin(np.linalg.norm(points - patient.point(name), axis=1))
    place: FloatArray = _parallel(pose, points[nearest : nearest + 1])[0]
    return place


def _notches(patient: Patient, pose: CArmPose) -> float | None:
    """How far apart the picture shows the rear edges of both hip bones about the notches' roofs,
    mean over `NOTCH_MM` of height below and above the PIIS."""
    names = [f"piis_{side}" for side in SIDES]
    if any(name not in patient.landmarks for name in names):
        return None
    start = np.mean([patient.point(name) for name in names], axis=0)
    _, posterior, superior = patient.anatomy.axes
    rear, up = _along(pose, start, posterior), _along(pose, start, superior)
    edges = []
    for side in SIDES:
        surface = patient.surfaces.get(HIPS[side])
        if surface is None:
            return None
        places = _parallel(pose, surface.vertices.astype(float) - start + pose.isocentre)
        edges.append(_rear_edge(places @ rear, places @ up))
    gap = np.abs(edges[0] - edges[1])
    return None if np.isnan(gap).all() else float(np.nanmean(gap))


def _rear_edge(back: FloatArray, above: FloatArray) -> FloatArray:
    """The rearmost place at every mm of height; NaN where there is none."""
    levels = np.arange(*NOTCH_MM)
    edge = np.full(len(levels), np.nan)
    for n, level in enumerate(levels):
        here = back[np.abs(above - level) <= 1.0]
        if len(here):
            edge[n] = here.max()
    return edge


def _apart(left: FloatArray | None, right: FloatArray | None) -> float | None:
    return None if left is None or right is None else float(np.linalg.norm(left - right))


def _parallel(pose: CArmPose, points: FloatArray) -> FloatArray:
    """`seen` (n, 2) without the beam's divergence: what lies nearer to the focal spot is not drawn
    larger, so that two sides 130 mm apart can lie on each other."""
    geometry = pose.projection()
    offset = np.asarray(points, float) - np.array(pose.isocentre)
    return np.stack([offset @ np.array(geometry.right), offset @ np.array(geometry.down)], axis=1)
