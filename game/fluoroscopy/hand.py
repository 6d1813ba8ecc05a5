"""The operator's hand in a picture: a fist round the handle of a cannula, and the forearm to it.

Soft tissue and bones are plain cylinders of an adult hand's size (project choices, by eye): enough
to be known for a hand, and to hide what a hand hides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from game.devices.beam import DENSITIES, Material
from game.devices.cannula import Cannula
from game.fluoroscopy.areas import AreaDensities
from game.fluoroscopy.instruments import HUB_MM, chord
from game.geometry.carm import Projection
from game.geometry.grid import FloatArray, Point
from game.patient.patient import Side

HOLLOW = 0.8  # of cortical bone's density, of a whole small bone with its marrow
FINGERS = (-30.0, -10.0, 10.0, 29.0)  # along the handle, mm
FINGER, PHALANX = 7.0, 4.0  # radii of a finger and of its bones, mm
CURL = ((0.0, 24.0), (-24.0, 20.0), (-26.0, -14.0))  # knuckle to tip: down the shaft, and across
PALM, METACARPAL, WRIST_MM = 9.0, 4.5, 62.0
FOREARM, FOREARM_MM = 22.0, 210.0
RADIUS_BONE = 7.5

Bone = tuple[FloatArray, FloatArray, float, float]


def with_hand(areas: AreaDensities, geometry: Projection, cannula: Cannula, side: Side) -> None:
    """Lays over `areas` a hand on `cannula`, its forearm towards an operator on `side`."""
    flesh, bone = np.zeros((2, geometry.size, geometry.size))
    for start, end, bone_radius, flesh_radius in _bones(cannula, side):
        for path, radius in ((flesh, flesh_radius), (bone, bone_radius)):
            box, lengths, _ = chord(geometry, _point(start), _point(end), radius)
            path[box] += lengths
    values = areas.values
    values[Material.SOFT] += np.maximum(flesh - bone, 0.0) * (DENSITIES[Material.SOFT] / 10.0)
    values[Material.BONE] += bone * (HOLLOW * DENSITIES[Material.BONE] / 10.0)


def _bones(cannula: Cannula, side: Side) -> Iterator[Bone]:
    """Each bone's two ends, LPS mm, its radius and that of the flesh about it, mm."""
    down = np.array(cannula.direction)
    aside = np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])
    across = aside - (aside @ down) * down
    across /= max(float(np.linalg.norm(across)), 1e-6)
    along = np.cross(down, across)
    grip = np.array(cannula.hub) - HUB_MM * down
    wrist = grip + WRIST_MM * across - 18.0 * down
    elbow = wrist + FOREARM_MM * (0.9 * across - 0.35 * down - 0.25 * along)
    for place in FINGERS:
        knuckle = grip + place * along + 20.0 * across - 16.0 * down
        yield knuckle, wrist + 0.5 * place * along, METACARPAL, PALM
        before = knuckle
        for forward, over in CURL:
            joint = grip + place * along + forward * across + (over - 14.0) * down
            yield before, joint, PHALANX, FINGER
            before = joint
    yield wrist + 13.0 * along, elbow + 16.0 * along, RADIUS_BONE, FOREARM
    yield wrist - 13.0 * along, elbow - 16.0 * along, RADIUS_BONE, RADIUS_BONE


def _point(place: FloatArray) -> Point:
    x, y, z = place.tolist()
    return x, y, z
