"""Where the onlooker stands: a camera that circles a point, and the rays through its picture.

Pure. Everything is in patient LPS, mm, because the room is the patient frame turned (prone, head
away from the onlooker's feet: the patient's left on the left of the screen, as in the pictures).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, radians, sin, tan

import numpy as np

from game.geometry.grid import FloatArray, Point
from game.scene.layout import OVERVIEW, STAGE

ROOM_FROM_PATIENT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
FIELD_DEG = 32.0  # horizontal field of view: a project choice
NEAREST_MM, FURTHEST_MM = 250.0, 2500.0
LOWEST, HIGHEST = radians(5.0), radians(85.0)


OVERVIEW_SHAPE = OVERVIEW.height / OVERVIEW.width


@dataclass(frozen=True)
class Camera:
    """`target` LPS mm; `height` above the horizontal and `turn` towards the patient's left of the
    feet, radians; `distance` mm; `field_deg` the horizontal field of view."""

    target: Point
    height: float = radians(48.0)
    turn: float = radians(0.0)
    distance: float = 780.0
    field_deg: float = FIELD_DEG
    shape: float = STAGE.height / STAGE.width  # height over width of its picture

    @property
    def position(self) -> FloatArray:
        """The eye (3,), LPS mm."""
        towards = np.array(
            [
                sin(self.turn) * cos(self.height),
                sin(self.height),
                -cos(self.turn) * cos(self.height),
            ]
        )
        eye: FloatArray = np.array(self.target) + self.distance * towards
        return eye

    def axes(self) -> FloatArray:
        """The picture's right, up and the viewing direction as rows (3, 3), LPS."""
        forward = np.array(self.target) - self.position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(right, forward), forward])

    def ray(self, across: float, down: float) -> FloatArray:
        """The unit direction (3,) through a place of the stage, given as fractions of its size."""
        right, up, forward = self.axes()
        half = tan(radians(self.field_deg) / 2.0)
        x = (2.0 * across - 1.0) * half
        y = (1.0 - 2.0 * down) * half * self.shape
        direction = forward + x * right + y * up
        unit: FloatArray = direction / np.linalg.norm(direction)
        return unit

    def place(self, point: FloatArray) -> tuple[float, float]:
        """Where an LPS point (3,) is on the stage, as fractions of its size: `ray` turned round."""
        right, up, forward = self.axes()
        offset = np.asarray(point, float) - self.position
        half = tan(radians(self.field_deg) / 2.0)
        depth = float(offset @ forward)
        x = float(offset @ right) / depth / half
        y = float(offset @ up) / depth / half / self.shape
        return (x + 1.0) / 2.0, (1.0 - y) / 2.0

    def circled(self, across: float, down: float) -> Camera:
        """The camera after a drag of so many stage widths and heights; kept above the table."""
        return replace(
            self,
            turn=self.turn - 2.0 * across,
            height=max(LOWEST, min(HIGHEST, self.height + 2.0 * down)),
        )

    def nearer(self, factor: float) -> Camera:
        """The camera at `factor` times its distance, within what the room allows."""
        wanted = self.distance * factor
        return replace(self, distance=max(NEAREST_MM, min(FURTHEST_MM, wanted)))


def overview(target: Point) -> Camera:
    """From beside the patient's feet: the whole C-arm over the table."""
    return Camera(target, radians(24.0), radians(38.0), 3000.0, 38.0, OVERVIEW_SHAPE)
