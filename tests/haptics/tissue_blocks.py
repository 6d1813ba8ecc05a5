"""Synthetic blocks for tests: air above z = 0, then layers towards -z, bone from z = -30 to -60.

A tip that goes straight down from z = 0 meets skin 4 mm, fat 6, muscle 20, cortex, cancellous bone,
cortex, muscle.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np

from haptics.law import TissueLaw, law_from_table
from haptics.servo import POSE
from haptics.tissue import Instrument, Layer, TissueField, layer_table

BONE_TOP, BONE_BOTTOM = -30.0, -60.0
SKIN_MM, FAT_MM = 4.0, 6.0
TABLE = Path(__file__).resolve().parents[2] / "assets" / "tissue.toml"
TOOL = Instrument(1.525, 125.0)


def law() -> TissueLaw:
    return law_from_table(tomllib.loads(TABLE.read_text()))


def block(hounsfield: float = 200.0, cortex: float = 1.5, bone: bool = True) -> TissueField:
    """Layers in z on a 1 mm grid of 31 x 31 x 111 voxels from z = -90.5 to 19.5, so that layers
    change between voxels: the skin's surface is z = 0 exactly, as every nearest-voxel boundary."""
    z = np.arange(111) - 90.5
    column = np.select(
        [z > 0, z > -SKIN_MM, z > -SKIN_MM - FAT_MM, z > BONE_TOP, z > BONE_BOTTOM],
        [Layer.AIR, Layer.SKIN, Layer.FAT, Layer.MUSCLE, Layer.MAPPED if bone else Layer.MUSCLE],
        Layer.MUSCLE,
    ).astype(np.uint8)
    shape = (31, 31, 111)
    depth = np.minimum(BONE_TOP - z, z - BONE_BOTTOM)
    distance = -depth if bone else np.full(111, 10.0)
    return TissueField(
        codes=np.ascontiguousarray(np.broadcast_to(column, shape)),
        layers=layer_table({int(layer): layer for layer in Layer}),
        hounsfield=np.full(shape, hounsfield, np.int16),
        body_origin=np.array([-15.0, -15.0, -90.5]),
        body_spacing=1.0,
        distance=np.ascontiguousarray(np.broadcast_to(distance, shape), np.float32),
        cortex=np.full(shape, cortex, np.float32),
        bone_origin=np.array([-15.0, -15.0, -90.5]),
        bone_spacing=1.0,
        over=np.zeros(shape, np.uint8),
    )


def straight_down(tips_z: np.ndarray) -> np.ndarray:
    """Hand poses (n, POSE) with the tip at (0, 0, z), pointing down, not turning."""
    hands = np.zeros((len(tips_z), POSE))
    hands[:, 2] = tips_z
    hands[:, 5] = -1.0
    return hands
