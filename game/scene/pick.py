"""Where a line meets the skin, and which way the skin faces there. Pure."""

from __future__ import annotations

import numpy as np

from game.geometry.grid import FloatArray
from game.patient.patient import Patient, Structure

COARSE_MM = 2.0  # nothing of a body is thinner: a project choice
FINE_MM = 0.02
REACH_MM = 2500.0


def skin_hit(patient: Patient, origin: FloatArray, direction: FloatArray) -> FloatArray | None:
    """The first point (3,) LPS mm where a ray from outside enters the body, None where it misses.

    `direction` (3,) is a unit vector. The point lies in the air, at most 0.02 mm outside."""
    inside_box = _through_box(patient, origin, direction)
    if inside_box is None:
        return None
    near, far = inside_box
    steps = np.arange(near, far + COARSE_MM, COARSE_MM)
    solid = _solid(patient, origin + steps[:, None] * direction)
    if not solid.any() or solid[0]:
        return None
    first = int(np.argmax(solid))
    low, high = steps[first - 1], steps[first]
    while high - low > FINE_MM:
        middle = (low + high) / 2.0
        if _solid(patient, (origin + middle * direction)[None])[0]:
            high = middle
        else:
            low = middle
    point: FloatArray = origin + low * direction
    return point


def skin_normal(patient: Patient, point: FloatArray, reach: float = 6.0) -> FloatArray:
    """The unit outward direction (3,) of the skin near an LPS point: away from the body's mass
    within `reach` mm."""
    steps = np.arange(-reach, reach + 1.0, 2.0)
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    offsets = offsets[np.linalg.norm(offsets, axis=1) <= reach]
    out = -offsets[_solid(patient, point + offsets)].sum(axis=0)
    size = float(np.linalg.norm(out))
    unit: FloatArray = out / size if size > 0 else np.array([0.0, 1.0, 0.0])
    return unit


def _solid(patient: Patient, points: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(patient.structure_at(points) != Structure.AIR)


def _through_box(
    patient: Patient, origin: FloatArray, direction: FloatArray
) -> tuple[float, float] | None:
    """Along the ray, where it enters and leaves the body grid, mm."""
    grid = patient.body
    low = np.array(grid.origin) - grid.spacing
    high = np.array(grid.origin) + grid.spacing * np.array(grid.shape)
    with np.errstate(divide="ignore"):
        slopes = 1.0 / np.where(direction == 0.0, 1e-300, direction)
    one, two = (low - origin) * slopes, (high - origin) * slopes
    near = max(0.0, float(np.minimum(one, two).max()))
    far = min(REACH_MM, float(np.maximum(one, two).min()))
    return (near, far) if near < far else None
