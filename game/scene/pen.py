"""What is drawn on the skin: where the beam through a marked entry leaves the patient."""

from __future__ import annotations

import numpy as np
from panda3d.core import LineSegs, NodePath

from game.devices.carm import CArmPose
from game.geometry.grid import FloatArray
from game.patient.patient import Patient, Side
from game.scene.pick import skin_hit, skin_normal
from game.simulation.control import Mark

INK = (1.0, 0.85, 0.1, 1.0)
ARM_MM = 7.0
ABOVE_MM = 1.0


class Pen:
    """Crosses under `parent`, whose frame is patient LPS: one a side, the last marked."""

    def __init__(self, parent: NodePath, patient: Patient) -> None:
        self._parent, self._patient = parent, patient
        self._crosses: dict[Side, NodePath] = {}

    def draw(self, mark: Mark, pose: CArmPose) -> None:
        """Draw the cross of a mark made on a picture of `pose`."""
        place = over_the_entry(self._patient, mark, pose)
        if mark.side in self._crosses:
            self._crosses.pop(mark.side).removeNode()
        if place is None:
            return
        normal = skin_normal(self._patient, place)
        lines = LineSegs("mark")
        lines.setColor(*INK)
        lines.setThickness(3.0)
        for arm in _arms(normal):
            lines.moveTo(*(place + ABOVE_MM * normal - ARM_MM * arm))
            lines.drawTo(*(place + ABOVE_MM * normal + ARM_MM * arm))
        path = self._parent.attachNewNode(lines.create())
        path.setLightOff()
        self._crosses[mark.side] = path


def over_the_entry(patient: Patient, mark: Mark, pose: CArmPose) -> FloatArray | None:
    """The point (3,) LPS mm of the skin on the ray from the marked place of the detector to the
    source; None where that ray misses the patient."""
    start = np.array(mark.point)
    along = np.array(pose.projection().source) - start
    return skin_hit(patient, start, along / np.linalg.norm(along))


def _arms(normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    first = np.cross(normal, [0.0, 0.0, 1.0])
    first /= max(float(np.linalg.norm(first)), 1e-9)
    return first, np.cross(normal, first)
