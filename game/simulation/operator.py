"""Radiation that reaches the operator: scatter to hand and eye, and a hand in the primary beam.

Scatter comes from the patient along the central ray. At depth s the beam is weakened by
exp(-PRIMARY s); what is scattered there leaves through a body of water, weakened by
exp(-SCATTERED d) over its way out d, and by the square of the distance. The whole is scaled so that
behind a thick slab, 120 deg from the beam, there are S = 0.031 kV + 2.5 uGy per Gy cm2 at 1 m
(Sutton et al., Radiation Shielding for Diagnostic Radiology, BIR 2012: largest scatter, from
Williams 1996, 10.1259/0007-1285-69-827-1032). Not validated against measurements; within 20 cm of
the field the point-like source is too simple. Figures are air kerma, without any lead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import dist, exp

import numpy as np

from game.devices.beam import air_kerma, attenuation, fluence
from game.devices.cannula import Cannula
from game.devices.carm import CArmPose
from game.devices.surroundings import Surroundings
from game.devices.tube import Field, Tube
from game.geometry.carm import SOURCE_TO_DETECTOR_MM
from game.geometry.grid import Point
from game.patient.patient import Side

# 1/mm in water, broad beam at 80-100 kV; project choice, the second so that a tube over the table
# costs the eye 2.7-10 times one under it (facts/fluoroscopy.md).
PRIMARY, SCATTERED = 0.018, 0.012
SAMPLES = 24  # along the central ray
# Of the operator who stands at the table beside the thighs, mm: how far caudal of the isocentre;
# the eye from the midline and above the table (1.6 m over a floor 0.95 m below it); idle hands
# before the body, from the midline and above the table; project choices.
CAUDAL_MM = 250.0
EYE = (480.0, 650.0)
IDLE_HAND = (480.0, 200.0)
GRIP_MM = 30.0  # of the fist's middle behind the hub; project choice
FIST_MM = 45.0  # radius of a fist; project choice


@dataclass(frozen=True)
class Operator:
    """`side` of the patient they stand on (the C-arm's base is on the left); kerma at the hand from
    scatter and from the primary beam, and at the eye, mGy; `hand_pulses` counts the pulses that
    found the hand in the primary beam."""

    side: Side = "right"
    hand_mgy: float = 0.0
    hand_primary_mgy: float = 0.0
    eye_mgy: float = 0.0
    hand_pulses: int = 0


@dataclass(frozen=True)
class Pulse:
    """One pulse: its pose and field, kV and mAs, and its kerma-area product, Gy cm2."""

    pose: CArmPose
    field: Field
    kvp: float
    mas: float
    kap_gycm2: float


def pulse_of(before: Tube, after: Tube, pose: CArmPose) -> Pulse:
    """The pulse between two states of the tube."""
    return Pulse(pose, after.field, after.kvp, after.mas, after.kap_gycm2 - before.kap_gycm2)


def irradiated(
    operator: Operator, pulse: Pulse, gripped: Cannula | None, around: Surroundings
) -> Operator:
    """The operator after one pulse, with a hand on `gripped`, or off the field."""
    hand = hand_at(operator.side, pulse.pose, gripped, around)
    primary = 0.0
    if gripped is not None and in_beam(hand, pulse.pose, pulse.field):
        primary = primary_mgy(hand, pulse, around)
    eye = eye_at(operator.side, pulse.pose, around)
    return replace(
        operator,
        hand_mgy=operator.hand_mgy + scatter_mgy(hand, pulse, around),
        hand_primary_mgy=operator.hand_primary_mgy + primary,
        eye_mgy=operator.eye_mgy + scatter_mgy(eye, pulse, around),
        hand_pulses=operator.hand_pulses + (primary > 0.0),
    )


def eye_at(side: Side, pose: CArmPose, around: Surroundings) -> Point:
    """The operator's eye, LPS mm."""
    return _standing(side, EYE, pose, around)


def hand_at(side: Side, pose: CArmPose, gripped: Cannula | None, around: Surroundings) -> Point:
    """The middle of the hand, LPS mm: on the handle of a cannula, or idle."""
    if gripped is None:
        return _standing(side, IDLE_HAND, pose, around)
    x, y, z = (h - GRIP_MM * d for h, d in zip(gripped.hub, gripped.direction, strict=True))
    return x, y, z


def in_beam(hand: Point, pose: CArmPose, field: Field) -> bool:
    """Whether a fist about `hand` reaches into the field between focal spot and detector."""
    geometry = pose.projection()
    offset = [p - s for p, s in zip(hand, geometry.source, strict=True)]
    axis = [c - s for c, s in zip(geometry.centre, geometry.source, strict=True)]
    depth = _dot(offset, axis) / SOURCE_TO_DETECTOR_MM
    if not 0.0 < depth < SOURCE_TO_DETECTOR_MM:
        return False
    half = field.side_mm(depth) / 2.0 + FIST_MM
    return max(abs(_dot(offset, geometry.right)), abs(_dot(offset, geometry.down))) < half


def primary_mgy(hand: Point, pulse: Pulse, around: Surroundings) -> float:
    """Air kerma of the primary beam at the hand, mGy, behind as much water as lies before it."""
    source = pulse.pose.projection().source
    inside = _inside_mm(source, hand, around)
    through = np.exp(-attenuation(pulse.kvp).water * inside / 10.0)
    return pulse.mas * air_kerma(pulse.kvp, fluence(pulse.kvp, dist(source, hand)) * through)


def scatter_mgy(point: Point, pulse: Pulse, around: Surroundings) -> float:
    """Air kerma, mGy, of what the patient scatters to a point; 0 where the beam misses the body."""
    geometry = pulse.pose.projection()
    span = around.crossed(geometry.source, geometry.centre)
    if span is None:
        return 0.0
    enter, leave = (share * SOURCE_TO_DETECTOR_MM for share in span)
    step = (leave - enter) / SAMPLES
    total = 0.0
    for n in range(SAMPLES):
        depth = (n + 0.5) * step
        share = (enter + depth) / SOURCE_TO_DETECTOR_MM
        at = _between(geometry.source, geometry.centre, share)
        weight = PRIMARY * exp(-PRIMARY * depth) * step
        weight *= exp(-SCATTERED * _inside_mm(at, point, around))
        total += weight * (1000.0 / dist(at, point)) ** 2
    slab = PRIMARY / (PRIMARY + 2.0 * SCATTERED)  # 120 deg behind a thick slab: 2 mm out per mm in
    return pulse.kap_gycm2 * largest_scatter(pulse.kvp) / 1000.0 * total / slab


def largest_scatter(kvp: float) -> float:
    """Scattered air kerma at 1 m, uGy per Gy cm2: as the module says."""
    return 0.031 * kvp + 2.5


def _inside_mm(start: Point, end: Point, around: Surroundings) -> float:
    span = around.crossed(start, end)
    return 0.0 if span is None else (span[1] - span[0]) * dist(start, end)


def _standing(side: Side, at: tuple[float, float], pose: CArmPose, around: Surroundings) -> Point:
    aside = at[0] if side == "left" else -at[0]
    return aside, around.table_top + at[1], pose.isocentre[2] - CAUDAL_MM


def _between(start: Point, end: Point, share: float) -> Point:
    x, y, z = (a + share * (b - a) for a, b in zip(start, end, strict=True))
    return x, y, z


def _dot(one: tuple[float, ...] | list[float], other: tuple[float, ...] | list[float]) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
