"""What a cannula remembers between two servo ticks: one array of float64, which can be kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from haptics.device import Vector
from haptics.tissue import Layer

# Stages of an insertion
FREE, CONTACT, SOFT, IN_BONE = 0, 1, 2, 3

# Places in the memory array
STAGE = 0
TIP = 1  # 3 values, LPS mm
AXIS = 4  # 3 values, unit, hub to tip
PIVOT = 7  # 3 values, skin entry, LPS mm
LAYER = 10
CUT = 11  # 1 when the layer's wall has given way
FROM_BONE = 12  # 1 when the layer was entered from bone
SLACK = 13  # mm
SOFT_MM = 14  # shaft in soft tissue
BONE_MM = 15  # shaft in bone
DEPTH = 16  # mm along the axis from the skin entry
DEEPEST = 17  # how far the present track is cut
WALL = 18  # depth at which the bone was entered
BROKEN = 19  # N at which the last wall gave way
GAVE = 20  # the layer whose wall that was
GRIP = 21  # N: friction of the bone on a shaft sliding in
RESTED = 22  # ticks for which the shaft has rested
TURNING = 23  # rad/s, how fast the hand turns the shaft
TAPPED = 24  # mm that this tick's tap drove the tip
TRACKS = 25  # old tracks from this skin entry, TRACK values each
NEXT = 45  # where the next one is written
TICKS = 46  # servo ticks so far
MARROW = 47  # MPa that the marrow at the tip bears, as it was read last
READ_AT = 48  # the depth at which that was; NOT_READ where the tip has gone aside since
CRUSHED = 49  # MPa against the whole point, which is as long as `tip_taper`
SIZE = 50

NOT_READ = -1.0

TRACK, MOST_TRACKS = 5, 4  # unit axis (3), depth of its bone wall and of its end, mm


@dataclass(frozen=True)
class Insertion:
    """What a memory says: stage 0 free, 1 on the skin, 2 in soft tissue, 3 in bone; `tip` and
    `axis` and skin `entry` in LPS mm; `layer` at the tip; lengths in mm."""

    stage: int
    tip: Vector
    axis: Vector
    entry: Vector
    layer: Layer
    depth: float
    soft_mm: float
    bone_mm: float


def fresh() -> NDArray[np.float64]:
    """The memory (SIZE,) of a cannula that has touched nothing; read-only, as every kept one."""
    memory = np.zeros(SIZE)
    memory[AXIS + 2] = 1.0
    memory.flags.writeable = False
    return memory


def insertion_of(memory: NDArray[np.float64]) -> Insertion:
    """A memory (SIZE,) in words."""
    return Insertion(
        stage=int(memory[STAGE]),
        tip=_vector(memory, TIP),
        axis=_vector(memory, AXIS),
        entry=_vector(memory, PIVOT),
        layer=Layer(int(memory[LAYER])),
        depth=float(memory[DEPTH]),
        soft_mm=float(memory[SOFT_MM]),
        bone_mm=float(memory[BONE_MM]),
    )


def _vector(memory: NDArray[np.float64], at: int) -> Vector:
    return float(memory[at]), float(memory[at + 1]), float(memory[at + 2])
