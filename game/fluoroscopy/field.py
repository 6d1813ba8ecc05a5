"""How the beam lies on the panel before it meets anything: heel, inverse square, collimation.

A flat panel's calibration divides the first two out of the picture; what stays is their noise.
"""

from __future__ import annotations

from functools import lru_cache
from math import radians

import numpy as np
from numpy.typing import NDArray

from game.geometry.carm import SOURCE_TO_DETECTOR_MM

ANODE = radians(12.0)  # devices/beam.py
# Tungsten at 60 keV: 3.713 cm2/g (NIST XCOM) x 19.25 g/cm3; photons come from 4 um deep on average
# (project choice). The anode lies towards the picture's lower edge (project choice).
TUNGSTEN_PER_MM, DEPTH_MM = 7.15, 0.004


def heel(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fluence relative to the beam's axis at an angle towards the anode, radians: attenuation along
    depth x cos(anode) / sin(anode - angle) of tungsten. 0 behind the anode's face."""
    leaving = np.maximum(ANODE - np.asarray(angle, float), 1e-6)
    way = DEPTH_MM * np.cos(ANODE) * (1.0 / np.sin(leaving) - 1.0 / np.sin(ANODE))
    return np.asarray(np.exp(-TUNGSTEN_PER_MM * way))


@lru_cache(maxsize=8)
def open_field(size: int, pixel_mm: float) -> NDArray[np.float32]:
    """Energy per mm2 on an empty panel (size, size) relative to its centre; read-only.

    Heel, and the inverse square and slant of a flat panel: cos^3 of the angle off the axis."""
    offset = (np.arange(size) - (size - 1) / 2.0) * pixel_mm / SOURCE_TO_DETECTOR_MM
    slant = (1.0 + offset[:, None] ** 2 + offset[None, :] ** 2) ** -1.5
    field = (slant * heel(np.arctan(offset))[:, None]).astype(np.float32)
    field.flags.writeable = False
    return field


def lit(size: int, collimation: float) -> slice:
    """The rows (and columns) of a picture that a collimator open for this share of its side lets
    the beam fall on; as many are shut out at either end, and never all."""
    shut = max(size // 2 - max(round(collimation * size / 2.0), 1), 0)
    return slice(shut, size - shut)
