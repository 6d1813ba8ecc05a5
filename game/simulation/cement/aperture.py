"""A round hole in a wall, which voxels do not resolve: how much better the bone beside it conducts.

Through a hole of radius c in a thin wall Q = 2 c K dp / mu goes from bone to bone, and 4 c K dp /
mu from the open hole to bone on one side (Sampson's problem in porous bodies; facts/cement.md, case
7). On voxels of h a hole of n faces takes in what a disc of radius sqrt(n / pi) h + 0.35 h would if
it lay half a voxel deep, and so too little once the bone's half voxel is counted. 0.35 was fitted
here to direct solutions for c / h from 1 to 6, on and off the voxels' centres; dividing that half
voxel's resistance by `widening` makes the whole right.
"""

from __future__ import annotations

import numpy as np

from game.geometry.grid import FloatArray

REACH = 0.35  # voxels; fitted
WIDEST = 50.0  # bounds the correction where a hole has fewer faces than its area needs


def widening(
    radius: FloatArray | float, spacing: float, faces: FloatArray | float | None = None
) -> FloatArray:
    """By what the half voxel's resistance beside a hole of `radius` mm is divided, 1 or more.
    `faces` is how many voxel faces the hole opens; by its area where that is not known."""
    c = np.asarray(radius, float) / spacing
    n = np.pi * c**2 if faces is None else np.asarray(faces, float)
    whole, rest = 1.0 / (4.0 * c), 1.0 / (4.0 * (np.sqrt(n / np.pi) + REACH))
    left = np.maximum(whole - rest, 0.5 / (n * WIDEST))
    out: FloatArray = np.clip(0.5 / (n * left), 1.0, WIDEST)
    return out
