"""The C-arm as it stands in the room: base, arc, tube below, detector above, and its aiming line.

All in patient LPS, mm. The arc is drawn in the plane of the beam and of its turn about the
patient; where a real gantry's joints sit is a picture only, the beam is exact.
"""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np
from panda3d.core import BitMask32, LineSegs, NodePath, TransparencyAttrib

from game.devices.carm import CArmPose
from game.geometry.carm import (
    DETECTOR_MM,
    SOURCE_TO_DETECTOR_MM,
    SOURCE_TO_ISOCENTRE_MM,
    detector_direction,
)
from game.geometry.grid import FloatArray
from game.scene.placement import matrix_of
from game.scene.shapes import Mesh, box, cylinder, joined, lathe, node_of, swept

DETECTOR_AT = SOURCE_TO_DETECTOR_MM - SOURCE_TO_ISOCENTRE_MM
ARC_RADIUS = 640.0  # everything below is a picture, sizes of a usual mobile C-arm
ARC_CENTRE = -20.0
IN_THE_WAY = radians(30.0)  # between the looks at detector and skin: a project choice
ONLOOKER, OVERVIEWER = BitMask32.bit(0), BitMask32.bit(1)  # which camera sees what
WHITE = (0.86, 0.88, 0.90, 1.0)
GREY = (0.45, 0.48, 0.52, 1.0)
LASER = (1.0, 0.15, 0.1, 1.0)


class Gantry:
    """The C-arm's nodes under `parent`, whose frame is patient LPS; `show` moves them."""

    def __init__(self, parent: NodePath) -> None:
        self.root = parent.attachNewNode("c-arm")
        self.turning = self.root.attachNewNode("turning")
        node_of("arc", _arc(), WHITE).reparentTo(self.turning)
        node_of("tube", _tube(), GREY).reparentTo(self.turning)
        self.detector = node_of("detector", _detector(), WHITE)
        self.detector.reparentTo(self.turning)
        self.detector.setTransparency(TransparencyAttrib.MAlpha)
        self.base = node_of("base", _base(), GREY)
        self.base.reparentTo(self.root)
        self._laser = parent.attachNewNode("laser")
        self._laser.setLightOff()

    def show(self, pose: CArmPose, on_skin: FloatArray | None) -> None:
        """Stand at `pose`; the aiming line ends where the central ray meets the skin (3,)."""
        towards = detector_direction(pose.primary, pose.secondary)
        across = -np.array([cos(pose.primary), sin(pose.primary), 0.0])
        self.root.setPos(*pose.isocentre)
        self.turning.setMat(matrix_of(across, np.cross(towards, across), towards, np.zeros(3)))
        self._aim(pose, towards, on_skin)

    def stand_aside(self, eye: FloatArray, target: FloatArray) -> None:
        """Leave the onlooker's picture where the detector would hide what they work on; `eye` and
        `target` (3,) LPS mm. The overview goes on showing it."""
        line, out = target - eye, np.array(self.detector_face()) - eye
        cosine = float(line @ out) / float(np.linalg.norm(line) * np.linalg.norm(out))
        if cosine > cos(IN_THE_WAY) and np.linalg.norm(out) < np.linalg.norm(line):
            self.turning.hide(ONLOOKER)
        else:
            self.turning.show(ONLOOKER)

    def detector_face(self) -> tuple[float, float, float]:
        """The middle of the detector's face as drawn, in the parent's frame, LPS mm."""
        at = self.root.getParent().getRelativePoint(self.turning, (0.0, 0.0, DETECTOR_AT))
        return at[0], at[1], at[2]

    def _aim(self, pose: CArmPose, towards: FloatArray, on_skin: FloatArray | None) -> None:
        self._laser.node().removeAllChildren()
        if on_skin is None:
            return
        line = LineSegs("aim")
        line.setColor(*LASER)
        line.setThickness(1.5)
        line.moveTo(*(np.array(pose.isocentre) + DETECTOR_AT * towards))
        line.drawTo(*on_skin)
        for a in (np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])):
            line.moveTo(*(on_skin - 9.0 * a + 1.0 * towards))
            line.drawTo(*(on_skin + 9.0 * a + 1.0 * towards))
        self._laser.attachNewNode(line.create())


def _arc() -> Mesh:
    """From the tube's housing round by +x to the detector's; z is the beam, y across the arc."""
    angles = np.linspace(np.radians(-86.0), np.radians(86.0), 25)
    out = np.stack([np.cos(angles), np.zeros_like(angles), np.sin(angles)], axis=1)
    path = out * ARC_RADIUS + [0.0, 0.0, ARC_CENTRE]
    across = np.tile([0.0, -38.0, 0.0], (len(path), 1))
    return swept(path, across, out * 34.0)


def _tube() -> Mesh:
    housing = cylinder(105.0, -SOURCE_TO_ISOCENTRE_MM - 110.0, -SOURCE_TO_ISOCENTRE_MM + 60.0, 20)
    collimator = lathe(
        np.array([[80.0, -SOURCE_TO_ISOCENTRE_MM + 60.0], [52.0, -SOURCE_TO_ISOCENTRE_MM + 110.0],
                  [0.0, -SOURCE_TO_ISOCENTRE_MM + 110.0]]), 20,
    )  # fmt: skip
    return joined(housing, collimator)


def _detector() -> Mesh:
    side = DETECTOR_MM + 26.0
    plate = box(side, side, 46.0).moved((0.0, 0.0, DETECTOR_AT + 23.0))
    neck = box(150.0, 110.0, 70.0).moved((0.0, 0.0, DETECTOR_AT + 80.0))
    return joined(plate, neck)


def _base() -> Mesh:
    """On the patient's left (game/devices/carm.py), where the arc bulges in the AP: yoke, column,
    chassis. LPS axes."""
    yoke = box(120.0, 170.0, 150.0).moved((ARC_RADIUS + 60.0, 0.0, 0.0))
    beam = box(420.0, 90.0, 110.0).moved((ARC_RADIUS + 300.0, 0.0, 0.0))
    column = box(190.0, 860.0, 230.0).moved((ARC_RADIUS + 520.0, -330.0, 0.0))
    chassis = box(560.0, 110.0, 420.0).moved((ARC_RADIUS + 480.0, -760.0, 0.0))
    return joined(yoke, beam, column, chassis)
