"""The upper femora, hung in the acetabula: plain solids for the X-ray picture."""

from __future__ import annotations

import numpy as np

from game.geometry.grid import Grid
from game.patient.patient import Side
from game.patient.procedural.pose import Pose
from game.patient.procedural.sampling import Bone, bone_of
from game.patient.procedural.solids import Array, Triple, cone, smooth_max, smooth_min

HEAD_RADIUS = 21.5  # mm; the socket's is 24, which leaves a joint space of 2.5 mm (form)
APART_MM = 1.5  # at least, from the hip bone
# Parts: start and end, mm from the head's centre (lateral, posterior, cranial), their radii, and
# the rounding. Neck-shaft angle 127 deg and anteversion 13 deg, textbook means; the rest form.
PARTS: tuple[tuple[Triple, Triple, float, float, float], ...] = (
    ((5.0, 1.0, -4.0), (38.0, 9.0, -29.0), 13.5, 16.0, 8.0),  # neck
    ((44.0, 10.0, -32.0), (44.0, 10.0, -62.0), 18.0, 16.0, 8.0),  # between the trochanters
    ((50.0, 12.0, -28.0), (51.0, 18.0, -8.0), 16.0, 11.5, 8.0),  # greater trochanter
    ((38.0, 16.0, -62.0), (29.0, 23.0, -58.0), 12.0, 7.5, 9.0),  # lesser trochanter
    ((44.0, 10.0, -60.0), (36.0, 6.0, -150.0), 16.0, 14.0, 8.0),  # shaft
)
_LOW, _HIGH = np.array([-24.0, -26.0, -170.0]), np.array([70.0, 36.0, 26.0])


def thigh(side: Side, pose: Pose, hip: Bone, lattice: Grid) -> Bone:
    """One femur on its part of the lattice, kept off its hip bone."""
    sign = 1.0 if side == "left" else -1.0
    head = pose.place("acetabulum")

    def solid(x: Array, y: Array, z: Array) -> Array:
        own = _femur(
            np.float32(sign) * x - np.float32(head[0]),
            y - np.float32(head[1]),
            z - np.float32(head[2]),
        )
        return smooth_max(own, np.float32(APART_MM) - hip.at(x, y, z), 0.5)

    low, high = head + _LOW, head + _HIGH
    low[0], high[0] = (low[0], high[0]) if sign > 0 else (-high[0], -low[0])
    return bone_of(solid, lattice, low, high)


def _femur(x: Array, y: Array, z: Array) -> Array:
    bone = np.asarray(np.sqrt(x * x + y * y + z * z) - np.float32(HEAD_RADIUS), np.float32)
    for start, end, wide, narrow, k in PARTS:
        bone = smooth_min(bone, cone(start, end, wide, narrow)[0](x, y, z), k)
    return bone
