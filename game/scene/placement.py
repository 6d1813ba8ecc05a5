"""Panda3D matrices from axes and places."""

from __future__ import annotations

import numpy as np
from panda3d.core import LMatrix4f

from game.geometry.grid import FloatArray
from game.scene.camera import ROOM_FROM_PATIENT, Camera


def matrix_of(x: FloatArray, y: FloatArray, z: FloatArray, origin: FloatArray) -> LMatrix4f:
    """The Panda3D matrix that takes a node's axes to x, y, z (3,) at `origin` (3,)."""
    rows = [*x, 0.0, *y, 0.0, *z, 0.0, *origin, 1.0]
    return LMatrix4f(*(float(value) for value in rows))


def room_from_patient() -> LMatrix4f:
    """The room is the patient frame turned: prone, head first."""
    x, y, z = ROOM_FROM_PATIENT.T
    return matrix_of(x, y, z, np.zeros(3))


def camera_matrix(camera: Camera) -> LMatrix4f:
    """Of a Panda3D camera node in the patient frame: right, forward, up, eye."""
    right, up, forward = camera.axes()
    return matrix_of(right, forward, up, camera.position)


def along(tip: FloatArray, direction: FloatArray) -> LMatrix4f:
    """Of an instrument drawn along its own z with its tip at the origin: z becomes `direction`."""
    helper = np.array([1.0, 0.0, 0.0]) if abs(direction[0]) < 0.9 else np.array([0.0, 0.0, 1.0])
    x = np.cross(helper, direction)
    x /= np.linalg.norm(x)
    return matrix_of(x, np.cross(direction, x), np.asarray(direction, float), np.asarray(tip))
