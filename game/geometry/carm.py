"""Cone-beam geometry of a C-arm: where the source is, where each pixel is, where a point lands.

Angles are DICOM's positioner angles, patient-relative (PS3.3 C.8.7.5): primary a (LAO positive)
and secondary b (cranial positive), in radians; isocentre to detector in LPS is
(sin a cos b, -cos a cos b, sin b). Pictures are shown as seen from the detector looking at the
patient, head up: prone with the tube below, the patient's left is on the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan2, cos, sin

import numpy as np

from game.geometry.grid import FloatArray, Point

SOURCE_TO_DETECTOR_MM = 1020.0  # facts/fluoroscopy.md: Siemens Cios as used by DeepDRR
SOURCE_TO_ISOCENTRE_MM = 530.0  # the same
DETECTOR_MM = 298.0  # the same: 1536 pixels of 0.194 mm


def detector_direction(primary: float, secondary: float) -> FloatArray:
    """Unit vector (3,), LPS, from the isocentre to the detector; angles in radians."""
    return np.array(
        [
            sin(primary) * cos(secondary),
            -cos(primary) * cos(secondary),
            sin(secondary),
        ]
    )


def angles_of(direction: FloatArray) -> tuple[float, float]:
    """Primary and secondary angle, radians, of an isocentre-to-detector direction (3,), LPS."""
    x, y, z = np.asarray(direction, float) / np.linalg.norm(direction)
    return atan2(x, -y), asin(float(np.clip(z, -1.0, 1.0)))


@dataclass(frozen=True)
class Projection:
    """One X-ray exposure's geometry: a source and a square detector of `size` x `size` pixels.

    `right` and `down` are unit LPS vectors along a picture's columns and rows.
    """

    source: Point
    centre: Point
    right: Point
    down: Point
    size: int
    pixel_mm: float

    def project(self, points: FloatArray) -> FloatArray:
        """Picture coordinates (n, 2) as (column, row), pixels, of LPS points (n, 3), mm."""
        source, centre = np.array(self.source), np.array(self.centre)
        right, down = np.array(self.right), np.array(self.down)
        axis = centre - source
        rays = np.atleast_2d(np.asarray(points, float)) - source
        hits = rays * (axis @ axis / (rays @ axis))[:, None] - axis
        middle = (self.size - 1) / 2.0
        return np.stack([hits @ right, hits @ down], axis=1) / self.pixel_mm + middle

    def matrix(self) -> FloatArray:
        """The projection matrix (3, 4): (column, row, 1) x depth = matrix @ (x, y, z, 1), depth the
        share of the way from the source's plane to the detector's; LPS mm, pixels."""
        source, centre = np.array(self.source), np.array(self.centre)
        axis = centre - source
        middle = (self.size - 1) / 2.0
        depth = axis / (axis @ axis)
        rows = np.stack(
            [
                np.array(self.right) / self.pixel_mm + middle * depth,
                np.array(self.down) / self.pixel_mm + middle * depth,
                depth,
            ]
        )
        return np.column_stack([rows, -rows @ source])

    def pixel(self, column: float, row: float) -> FloatArray:
        """The LPS point (3,), mm, of a place on the detector given in pixels."""
        middle = (self.size - 1) / 2.0
        return (
            np.array(self.centre)
            + np.array(self.right) * ((column - middle) * self.pixel_mm)
            + np.array(self.down) * ((row - middle) * self.pixel_mm)
        )


def projection(
    primary: float,
    secondary: float,
    isocentre: Point,
    size: int = 512,
    field_mm: float = DETECTOR_MM,
) -> Projection:
    """The geometry of a pose: angles in radians, isocentre in LPS mm, detector side `field_mm`."""
    towards = detector_direction(primary, secondary)
    head = np.array([0.0, 0.0, 1.0])
    up = head - (head @ towards) * towards
    length = float(np.linalg.norm(up))
    if length < 1e-9:
        raise ValueError("the beam runs along the patient's long axis; tilt it below 90 degrees")
    up /= length
    right = np.cross(-towards, up)
    centre = np.array(isocentre)
    source = centre - SOURCE_TO_ISOCENTRE_MM * towards
    detector = source + SOURCE_TO_DETECTOR_MM * towards
    return Projection(
        source=_point(source),
        centre=_point(detector),
        right=_point(right),
        down=_point(-up),
        size=size,
        pixel_mm=field_mm / size,
    )


def _point(vector: FloatArray) -> Point:
    return float(vector[0]), float(vector[1]), float(vector[2])
