"""The bent frame of the sacrum: distance behind its axis and length along it, in the y-z plane.

The axis starts at the posterior corner of the S1 endplate and runs down the posterior wall of the
vertebral bodies; sections across it are flat, so a bent sacrum is built as a straight one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.solids import Array

STEP = 0.25  # mm between points of the axis
HEAD = 60.0  # mm by which the axis is drawn out above the endplate


@dataclass(frozen=True, eq=False)
class Bent:
    """The axis as points: `s` (n,), `points` (n, 2) in y and z, `angle` (n,) radian of its
    direction against straight down, towards posterior."""

    s: FloatArray
    points: FloatArray
    angle: FloatArray

    @staticmethod
    def of(parameters: Parameters) -> Bent:
        """The axis of one sacrum, origin at the centre of the S1 endplate."""
        slope = np.radians(parameters.sacral_slope)
        s = np.arange(-HEAD, parameters.axis_s[-1] + STEP, STEP)
        turn = np.interp(s, parameters.axis_s, parameters.axis_angle)
        angle = slope + np.radians(turn)
        step = STEP * np.column_stack((np.sin(angle), -np.cos(angle)))
        points = np.cumsum(step, axis=0)
        corner = 0.5 * parameters.s1_depth * np.array([np.cos(slope), np.sin(slope)])
        points += corner - points[np.searchsorted(s, 0.0)]
        return Bent(s, points, angle)

    def coordinates(self, y: FloatArray, z: FloatArray) -> tuple[Array, Array]:
        """(p, s) float32 of points of the mid-sagittal plane, shaped as `y` and `z`."""
        at = np.stack(np.broadcast_arrays(y, z), axis=-1)
        nearest = cKDTree(self.points).query(at.reshape(-1, 2))[1].reshape(at.shape[:-1])
        angle = self.angle[nearest]
        off = at - self.points[nearest]
        behind = off[..., 0] * np.cos(angle) + off[..., 1] * np.sin(angle)
        further = off[..., 0] * np.sin(angle) - off[..., 1] * np.cos(angle)
        return behind.astype(np.float32), (self.s[nearest] + further).astype(np.float32)

    def point(self, x: float, p: float, s: float) -> NDArray[Any]:
        """The point (3,) at bent coordinates."""
        y, z, angle = (float(np.interp(s, self.s, row)) for row in (*self.points.T, self.angle))
        return np.array([x, y + p * np.cos(angle), z + p * np.sin(angle)])
