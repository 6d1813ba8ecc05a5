"""The bones of a procedural pelvis as voxels, and what tests of the soft body measure on it."""

from __future__ import annotations

from functools import cache
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Point
from game.patient.patient import Structure
from game.patient.procedural import procedural
from game.patient.procedural.body import soft_body
from game.patient.traits import Traits

BONES = (
    Structure.SACRUM,
    Structure.HIP_LEFT,
    Structure.HIP_RIGHT,
    Structure.L5,
    Structure.SPINE,
    Structure.FEMUR_LEFT,
    Structure.FEMUR_RIGHT,
    Structure.DISC,
)
DISC_TILT_DEG = 39.0  # of the L5/S1 disc: the true AP beam's cranial angle (design)


@cache
def bones(spacing: float = 1.5) -> tuple[NDArray[np.uint8], Point]:
    """Codes [x, y, z] of the embedded pelvis' bones and discs alone, and the origin, LPS mm."""
    whole = procedural(Traits(), spacing)
    return np.where(np.isin(whole.structures, BONES), whole.structures, 0), whole.origin


@cache
def body(traits: Traits, spacing: float = 1.5) -> tuple[NDArray[np.uint8], Point]:
    """Codes of the whole body around those bones, and its origin, LPS mm."""
    codes, origin = bones(spacing)
    return soft_body(codes, origin, spacing, traits)


def points(where: NDArray[np.bool_], origin: Point, spacing: float) -> FloatArray:
    """Voxel centres (n, 3), LPS mm."""
    return np.asarray(np.argwhere(where) * spacing + np.array(origin))


def ap_shadow(at: FloatArray, spacing: float) -> NDArray[np.float64]:
    """mm of path (across, up) along a parallel AP beam parallel to the disc, of voxels at (n, 3),
    on squares of 3 mm."""
    tilt = radians(DISC_TILT_DEG)
    up = at[:, 2] * cos(tilt) - at[:, 1] * sin(tilt)
    edges = np.arange(-210.0, 211.0, 3.0)
    count = np.histogram2d(at[:, 0], up, bins=(edges, edges))[0]
    return np.asarray(count * spacing**3 / 9.0)
