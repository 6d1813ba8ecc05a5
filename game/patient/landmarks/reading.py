"""The whole reading: midsagittal frame, endplate, joints, foramina, ala; then planes and axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from game.geometry.grid import FloatArray
from game.geometry.views import Anatomy
from game.patient.landmarks.endplate import endplate_corners
from game.patient.landmarks.foramina import ends, foramina
from game.patient.landmarks.frame import Frame, midsagittal, own_frame, unrolled
from game.patient.landmarks.joint import front, si_caudal, spines
from game.patient.patient import SIDES, Landmark, Plane, Side
from game.patient.segmentation import Bones

BELOW_MM, LATERAL_MM = 13.0, 10.0  # of the S1 endplate and of the S1 foramen, facts/procedure.md
ENDPLATE = {"promontory", "s1_posterior_corner", "s1_endplate_centre"}
FAR_MM = 30.0  # as far as a spine that is not looked at
DISC_MM = 10.0  # height of the L5/S1 disc where the labels touch; project choice
DISC_RANGE_MM = (3.0, 18.0)  # heights of a disc that is seen; project choice


def find_landmarks(
    bones: Bones, known: Mapping[str, Landmark], middle: Frame | None = None
) -> Mapping[str, Landmark]:
    """Name to landmark, in the frame of `bones` (LPS mm); those in `known` are taken as they are.
    `middle` is the midsagittal frame where it has been found already.

    Raises PatientError or ValueError where hips, sacrum and spine do not lie as in a pelvis."""
    frame = own_frame(bones, middle or midsagittal(bones))
    found = {} if known.keys() >= ENDPLATE else endplate_landmarks(bones, frame)
    found.update(known)
    centre = found["s1_endplate_centre"].point
    ribbon = unrolled(bones, frame)
    found.update(foramina(ribbon, centre))
    found.update(ends(ribbon, found))
    for side in SIDES:
        caudal = si_caudal(bones, side, frame)
        found[f"si_caudal_{side}"] = caudal
        found.update(spines(bones, side, frame, caudal.point))
        found.update(front(bones, side, frame))
    found.update(known)
    for side in SIDES:
        found.update(_ala(bones, frame, found, side))
    return {**found, **known}


def endplate_landmarks(bones: Bones, frame: Frame) -> dict[str, Landmark]:
    """The S1 endplate's corners and centre, estimated: on the outline of sacrum and spine, or of
    the sacrum alone where its label ends at S1."""
    if bones.parted:
        bones = replace(bones, spine=np.full_like(bones.spine, FAR_MM))
    front, back = endplate_corners(bones, frame)
    return {
        "promontory": Landmark(front, True, 4.0),
        "s1_posterior_corner": Landmark(back, True, 4.0),
        "s1_endplate_centre": Landmark(0.5 * (front + back), True, 3.0),
    }


def endplate_normal(landmarks: Mapping[str, Landmark], axes: FloatArray) -> FloatArray:
    """Cranial unit normal (3,) of the S1 endplate, level from left to right; `axes` (3, 3) are the
    patient's left, posterior and superior directions."""
    chord = landmarks["s1_posterior_corner"].point - landmarks["promontory"].point
    normal = np.cross(axes[0], chord)
    return normal / np.linalg.norm(normal)


def ala_target(
    landmarks: Mapping[str, Landmark], side: Side, left: FloatArray, normal: FloatArray
) -> FloatArray:
    """The long-axis technique's target (3,): mid S1 on the lateral, BELOW_MM under the endplate and
    LATERAL_MM beside the S1 foramen's centre (facts/procedure.md)."""
    centre = landmarks["s1_endplate_centre"].point
    out = 1.0 if side == "left" else -1.0
    across = (landmarks[f"foramen_s1_{side}"].point - centre) @ left + out * LATERAL_MM
    return centre - BELOW_MM * normal + across * left


def _ala(
    bones: Bones, frame: Frame, landmarks: Mapping[str, Landmark], side: Side
) -> dict[str, Landmark]:
    """The cortex above and in front of the ala's target."""
    normal = endplate_normal(landmarks, frame.axes)
    start = ala_target(landmarks, side, frame.axes[0], normal)
    ahead = np.cross(normal, frame.axes[0])
    ahead = ahead if ahead @ frame.axes[1] < 0 else -ahead
    marks = {"cephalad_ala": normal, "anterior_ala": ahead}
    return {
        f"{name}_{side}": Landmark(_way_out(bones, start, direction), False, 2.0)
        for name, direction in marks.items()
    }


def _way_out(bones: Bones, start: FloatArray, direction: FloatArray) -> FloatArray:
    """Where a ray from `start` first leaves the sacrum; where it starts outside, the surface it
    left last, behind it."""
    step = np.arange(-25.0, 40.0, 0.25)
    depth = bones.grid.sample(bones.sacrum, start + step[:, None] * direction, 30.0)
    outside = np.flatnonzero((depth > 0) & (step >= 0))
    first = int(outside[0]) if len(outside) else len(step) - 1
    while first > 0 and depth[first - 1] > 0:
        first -= 1
    return start + step[first] * direction


def planes_and_anatomy(
    bones: Bones, landmarks: Mapping[str, Landmark], middle: Frame | None = None
) -> tuple[Mapping[str, Plane], Anatomy]:
    """Planes `s1_endplate`, `l5_s1_disc` and `midsagittal` (normal to the left), and the axes that
    the named views hang on; all in the frame of `bones`, LPS mm, as is the midsagittal frame
    `middle` where it has been found already."""
    frame = middle or midsagittal(bones)
    normal = endplate_normal(landmarks, frame.axes)
    endplate = Plane(landmarks["s1_endplate_centre"].point, normal)
    disc = _disc(bones, frame, endplate)
    planes = {
        "s1_endplate": endplate,
        "l5_s1_disc": disc,
        "midsagittal": Plane(frame.origin, frame.axes[0]),
    }
    return planes, Anatomy(frame.axes, disc.normal)


def _disc(bones: Bones, frame: Frame, endplate: Plane) -> Plane:
    """Half-way between the S1 endplate and the vertebra above it where a gap is seen, else half
    DISC_MM above the endplate and parallel to it."""
    back = np.cross(endplate.normal, frame.axes[0])
    u, v = (
        a.ravel() for a in np.meshgrid(np.arange(-14.0, 15.0, 2.0), np.arange(-10.0, 11.0, 2.0))
    )
    foot = endplate.point + u[:, None] * frame.axes[0] + v[:, None] * back
    rise = np.arange(0.0, 20.0, 0.5)
    rays = foot[:, None, :] + rise[:, None] * endplate.normal
    hit = bones.grid.sample(bones.spine, rays.reshape(-1, 3), 30.0).reshape(len(u), -1) < 0
    height = np.where(hit.any(axis=1), rise[hit.argmax(axis=1)], np.nan)
    seen = (height >= DISC_RANGE_MM[0]) & (height <= DISC_RANGE_MM[1])
    if seen.mean() < 0.6:
        return Plane(endplate.point + 0.5 * DISC_MM * endplate.normal, endplate.normal)
    design = np.stack([np.ones(seen.sum()), v[seen]], axis=1)
    level, slope = np.linalg.lstsq(design, height[seen], rcond=None)[0]
    normal = endplate.normal - 0.5 * slope * back
    return Plane(endplate.point + 0.5 * level * endplate.normal, normal / np.linalg.norm(normal))
