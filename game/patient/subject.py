"""What is measured: a patient's bones and landmarks in the frame of the S1 endplate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import Landmark, Side

STEP_MM = 0.25  # along the rays


@dataclass(frozen=True, eq=False)
class Subject:
    """What is measured: signed distances to the sacrum and the hip bones on one grid; `left`,
    `back`, `up` are unit vectors (3,) of the S1 endplate's frame."""

    grid: Grid
    sacrum: FloatArray
    hip: Mapping[Side, FloatArray]
    landmarks: Mapping[str, Landmark]
    centre: FloatArray
    left: FloatArray
    back: FloatArray
    up: FloatArray

    def at(self, name: str) -> FloatArray:
        """A landmark's place (3,), LPS mm."""
        return self.landmarks[name].point

    def has(self, *names: str) -> bool:
        return all(name in self.landmarks for name in names)

    def depth(self, points: FloatArray) -> FloatArray:
        """Signed distance to the sacrum (...,) at LPS points (..., 3), negative inside, mm."""
        flat = self.grid.sample(self.sacrum, points.reshape(-1, 3), 30.0)
        return flat.reshape(points.shape[:-1])


def run(inside: NDArray[np.bool_], at: int) -> float:
    """Length, mm, of the run of true samples that holds sample `at`; NaN where it is false."""
    parts, _ = label(inside)
    return float((parts == parts[at]).sum() * STEP_MM) if parts[at] else np.nan


def longest(inside: NDArray[np.bool_]) -> float:
    """Length, mm, of the longest run of true samples."""
    parts, count = label(inside)
    return float(np.bincount(parts)[1:].max() * STEP_MM) if count else np.nan
