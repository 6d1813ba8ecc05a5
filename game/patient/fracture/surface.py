"""The surfaces that fractures follow, before they are cut to the bone.

An ala's sheet: the SI joint's middle surface is fitted by a smooth function of the position along
the sacrum (u, cranial) and front to back (v); the sheet is that function moved medially, beside the
foramina. Insufficiency fractures run vertically, 10-15 mm medial to the joint ([U],
facts/anatomy.md), and the long-axis technique lays its cannula along them (Smith & Gilula 2006).
Above S2 the ala fans out and its joint leaves the vertical: there the sheet keeps parallel to the
joint from front to back and goes on upwards as it came, with the cannula's way. Others veer off it:
into the joint, into a foramen, or cut the anterolateral rim off, which is beside the joint at all
heights. A bar lies across the body between the S1 and S2 foramina.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray
from game.patient.fracture.draw import Plan
from game.patient.landmarks.foramina import levels
from game.patient.landmarks.frame import Frame
from game.patient.landmarks.joint import joint_points
from game.patient.landmarks.tunnels import VENTRAL_RADIUS
from game.patient.patient import SIDES, Landmark, Side
from game.patient.segmentation import Bones

MEDIAL_MM = 12.0  # from the joint, of 10-15 [U]; above S2 from the vertical over it there
# Project choices, not validated:
DEPTHS_MM = (20.0, 9.0, 0.0, 0.0)  # before the foramina S1-S4, where a sheet stands upright: how
# the long-axis technique crosses the ala, read off the paths of nine people
FORAMEN_GAP_MM = 3.0  # from a foramen's wall where possible
JOINT_GAP_MM = 4.0  # least distance to the joint where a foramen pushes the sheet
SPARE_MM = 0.5  # so that a sheet held at just that distance stays whole
PAST_JOINT_MM = 4.0  # a sheet into the joint heads this far beyond its middle
RIM_GAP_MM = 6.0  # least distance to the joint of a rim fracture that does not go into it
RIM_DEPTH_MM, RIM_SLOPE = 15.0, 0.8  # how deep a rim fracture goes, and how fast to the side
FORAMEN_REACH_MM = 9.0  # along the sacrum, within which a sheet bends to a foramen
BAR_SHARE = 0.3  # of the way from the S1 to the S2 foramina, where a bar lies
BODY_HALF_MM = 14.0  # half breadth of a central fracture
BAR_WAVE_MM = 1.5  # a bar's unevenness


class Surface(Protocol):
    """A sheet of the plane (u, v), mm, bent into space."""

    @property
    def frame(self) -> Frame:
        """The axes that the sheet is measured in."""

    def points(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """LPS points (..., 3)."""

    def within(self, u: FloatArray, v: FloatArray) -> NDArray[np.bool_]:
        """Where the fracture goes, as far as there is bone."""


@dataclass(frozen=True, eq=False)
class AlaSheet:
    """`frame` with u superior and v posterior in it; the outward distance of the joint from the
    midline is the polynomial `joint` (6,) in 1, u, v, u2, uv, v2; `foramina` (4, 3) are u, the
    outward place and v of S1-S4's centres; `floor` the lowest u, `joint_floor` the joint's; `front`
    (3,) the polynomial in 1, u, u2 of the anterior cortex's v, which a rim fracture starts from."""

    frame: Frame
    outward: float
    joint: FloatArray
    foramina: FloatArray
    floor: float
    joint_floor: float
    plan: Plan
    front: FloatArray

    def across(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """The sheet's outward distance from the midline at u, v, mm."""
        joint = _terms(u, v) @ self.joint
        if self.plan.pattern == "anterolateral-rim":
            return np.asarray(self.beside(u, v) + RIM_SLOPE * np.maximum(self._depth(u, v), 0.0))
        beside = self.beside(u, v)
        if self.plan.foramen:
            at, place = self.foramina[self.plan.foramen - 1, :2]
            share = np.exp(-(((u - at) / FORAMEN_REACH_MM) ** 2))
            return np.asarray(beside + share * (place - beside))
        if self.plan.into_joint:
            share = _smooth_step(u, *self._veer())
            return np.asarray(beside + share * (joint + PAST_JOINT_MM - beside))
        return beside

    def _veer(self) -> tuple[float, float]:
        """u where a sheet into the joint leaves its course, and where it has arrived."""
        s1, s2 = self.foramina[0, 0], self.foramina[1, 0]
        if self.plan.pattern == "si-joint":
            return float(s1), float(max(s2, self.joint_floor + 8.0))
        return float(s2 + 6.0), float(min(self.joint_floor + 6.0, s2 - 4.0))

    def beside(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """The sheet parallel to the joint, upright above S2 but for a rim fracture, pushed aside by
        the foramina."""
        slope_u, slope_v = self._slopes(u, v)
        joint = _terms(u, v) @ self.joint
        wanted = joint - MEDIAL_MM * np.sqrt(1.0 + slope_u**2 + slope_v**2)
        if self.plan.pattern != "anterolateral-rim":
            wanted = wanted - self._lean(u)
        asked = self.foramina[::-1, 1] + np.array(VENTRAL_RADIUS)[::-1] + FORAMEN_GAP_MM
        lateral = np.interp(u, self.foramina[::-1, 0], asked)
        pushed = 0.5 * (wanted + lateral + np.sqrt((wanted - lateral) ** 2 + 4.0))
        return np.asarray(np.minimum(pushed, np.maximum(joint - JOINT_GAP_MM, wanted)))

    def _lean(self, u: FloatArray) -> FloatArray:
        """How far the joint stands outward at u of where it does at S2, mm, 0 below: both
        DEPTHS_MM before the foramina."""
        at, middle = self.foramina[::-1, 0], (self.foramina[:, 2] - DEPTHS_MM)[::-1]
        s2 = self.foramina[1:2, 0]
        foot = _terms(s2, np.interp(s2, at, middle)) @ self.joint
        leaning = np.maximum(_terms(u, np.interp(u, at, middle)) @ self.joint - foot, 0.0)
        return np.asarray(np.where(u > s2, leaning, 0.0))

    def _slopes(self, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        _, c_u, c_v, c_uu, c_uv, c_vv = self.joint
        return c_u + 2 * c_uu * u + c_uv * v, c_v + c_uv * u + 2 * c_vv * v

    def _depth(self, u: FloatArray, v: FloatArray) -> FloatArray:
        return np.asarray(v - np.stack([np.ones_like(u), u, u * u], axis=-1) @ self.front)

    def points(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """LPS points (..., 3)."""
        return self.frame.world(np.stack([self.outward * self.across(u, v), v, u], axis=-1))

    def within(self, u: FloatArray, v: FloatArray) -> NDArray[np.bool_]:
        """Above the S3 foramen; clear of the joint unless it goes into it; a rim fracture no
        deeper than its depth."""
        fits = u >= self.floor
        if not self.plan.into_joint:
            gap = JOINT_GAP_MM - SPARE_MM
            if self.plan.pattern == "anterolateral-rim":  # its edge lies in bone, not at cortex
                gap = RIM_GAP_MM
            fits &= self.across(u, v) <= _terms(u, v) @ self.joint - gap
        if self.plan.pattern == "anterolateral-rim":
            deepest = 2 * RIM_DEPTH_MM if self.plan.into_joint else RIM_DEPTH_MM
            fits &= (u >= self.joint_floor) & (self._depth(u, v) <= deepest)
        return np.asarray(fits)


@dataclass(frozen=True, eq=False)
class Bar:
    """A sheet across the body: u to the left and v back along it, `frame` with its normal as the
    third axis. It ends `half` mm to each side, or at `beside`, the sheets of the two alae."""

    frame: Frame
    half: float
    beside: tuple[AlaSheet, ...]

    def points(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """LPS points (..., 3)."""
        wave = BAR_WAVE_MM * np.sin(u / 7.0) * np.cos(v / 9.0)
        return self.frame.world(np.stack([u, v, wave], axis=-1))

    def within(self, u: FloatArray, v: FloatArray) -> NDArray[np.bool_]:
        """Between the two sides' ends."""
        fits = np.abs(u) <= self.half
        points = self.points(u, v)
        for sheet in self.beside:
            local = sheet.frame.local(points)
            limit = sheet.across(local[..., 2], local[..., 1])
            fits &= sheet.outward * local[..., 0] <= limit
        return np.asarray(fits)


def ala_sheet(
    bones: Bones, landmarks: Mapping[str, Landmark], plan: Plan, side: Side, axes: FloatArray
) -> AlaSheet:
    """The surface of one side's fracture, LPS mm; `axes` (3, 3) are the patient's. Raises
    PatientError where the joint is not seen."""
    frame = Frame(landmarks["s1_endplate_centre"].point, axes)
    outward = 1.0 if side == "left" else -1.0
    fit, lowest = _joint(frame.local(joint_points(bones, side)), outward)
    holes = frame.local(levels(landmarks, side))
    sheet = AlaSheet(
        frame=frame,
        outward=outward,
        joint=fit,
        foramina=np.stack([holes[:, 2], outward * holes[:, 0], holes[:, 1]], axis=1),
        floor=float(holes[2, 2]),
        joint_floor=lowest,
        plan=plan,
        front=np.zeros(3),
    )
    return replace(sheet, front=_front(bones, sheet))


def _joint(local: FloatArray, outward: float) -> tuple[FloatArray, float]:
    """The polynomial through a joint's points in the frame, and their lowest u."""
    x, v, u = outward * local[:, 0], local[:, 1], local[:, 2]
    terms = _terms(u, v)
    weight = np.ones(len(x))
    fit: FloatArray = np.zeros(6)
    for _ in range(4):  # outliers beyond 3 mm count less (Cauchy)
        scaled = terms * weight[:, None]
        fit = np.linalg.solve(terms.T @ scaled, scaled.T @ x)
        weight = 1.0 / (1.0 + ((terms @ fit - x) / 3.0) ** 2)
    return fit, float(np.quantile(u, 0.02))


def _front(bones: Bones, sheet: AlaSheet) -> FloatArray:
    """The anterior cortex's v on the sheet beside the joint, as a polynomial (3,) in u."""
    u, v = np.meshgrid(np.arange(sheet.joint_floor, 12.0), np.arange(-40.0, 60.0), indexing="ij")
    points = sheet.frame.world(np.stack([sheet.outward * sheet.beside(u, v), v, u], axis=-1))
    bone = bones.grid.sample(bones.sacrum, points.reshape(-1, 3), 30.0).reshape(u.shape) < 0
    some = bone.sum(axis=1) >= 5
    if some.sum() < 5:
        return np.array([float(v[0, 0]), 0.0, 0.0])
    first = v[0, bone[some].argmax(axis=1)]
    design = np.stack([np.ones(some.sum()), u[some, 0], u[some, 0] ** 2], axis=1)
    return np.asarray(np.linalg.lstsq(design, first, rcond=None)[0])


def bar(landmarks: Mapping[str, Landmark], axes: FloatArray, beside: tuple[AlaSheet, ...]) -> Bar:
    """The sheet across the body, between the S1 and S2 foramina: from one of the sheets `beside` to
    the other, or without them a central fracture. `axes` (3, 3) are the patient's."""
    s1, s2 = (
        np.mean([landmarks[f"foramen_s{n}_{side}"].point for side in SIDES], axis=0) for n in (1, 2)
    )
    up = s1 - s2 - ((s1 - s2) @ axes[0]) * axes[0]
    up /= np.linalg.norm(up)
    middle = s1 + BAR_SHARE * (s2 - s1)
    frame = Frame(middle, np.stack([axes[0], np.cross(up, axes[0]), up]))
    return Bar(frame, 60.0 if beside else BODY_HALF_MM, beside)


def _terms(u: FloatArray, v: FloatArray) -> FloatArray:
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1)


def _smooth_step(u: FloatArray, start: float, end: float) -> FloatArray:
    """0 at u >= start, 1 at u <= end, smooth between."""
    share = np.clip((start - u) / max(start - end, 1e-6), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share))
