"""A block of flesh and bone whose forces can be written down, for the bench to hold the servo to.

The skin is z = 0; towards -z lie skin, fat, muscle, then bone between two walls of equal thickness,
then muscle. The same density fills the bone, walls and all.
"""

from __future__ import annotations

from math import exp, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray
from haptics.insertion import PUNCTURED
from haptics.law import TissueLaw
from haptics.memory import SOFT, fresh
from haptics.servo import POSE, ROW_AXIAL, ROW_BROKEN, ROW_EVENTS, ROW_STAGE, run_ticks
from haptics.tissue import Instrument, Layer, TissueField, layer_table

SKIN_MM, FAT_MM, BONE_MM, END_MM = 4.0, 10.0, 30.0, 60.0  # depths at which layers end, bone's two
LOW, HIGH = -90.5, 19.5  # of the grid, mm
TOOL = Instrument(1.525, 125.0)  # 11G
SPEED = 8.0  # mm/s of the hand
NEAR_MM = 0.005  # a border is found to that; there the force is either side's
DENSITIES = (-50.0, 0.0, 60.0, 100.0, 200.0, 300.0, 500.0, 700.0)  # Hounsfield units
WALLS = (0.5, 0.8, 1.2, 1.6, 2.0)  # mm
SAMPLE_MM = (34.0, 36.0)  # of marrow that is looked at in a sweep


def block(units: float, wall: float) -> TissueField:
    """Bone of so many Hounsfield units between walls of `wall` mm, on a grid of 1 mm."""
    z = np.arange(LOW, HIGH + 1.0)
    depth = -z
    inside = np.minimum(depth - BONE_MM, END_MM - depth)
    column = np.select(
        [depth < 0, depth < SKIN_MM, depth < FAT_MM, inside > 0],
        [Layer.AIR, Layer.SKIN, Layer.FAT, Layer.MAPPED],
        Layer.MUSCLE,
    )
    shape = (9, 9, len(z))

    def spread(values: FloatArray, kind: type) -> NDArray[Any]:
        return np.ascontiguousarray(np.broadcast_to(values, shape), kind)

    origin = np.array([-4.0, -4.0, LOW])
    return TissueField(
        spread(column, np.uint8), layer_table({int(layer): layer for layer in Layer}),
        np.full(shape, units, np.int16), origin, 1.0, spread(-inside, np.float32),
        np.full(shape, wall, np.float32), origin, 1.0, np.zeros(shape, np.uint8),
    )  # fmt: skip


def pushed(field: TissueField, law: TissueLaw, to: float) -> FloatArray:
    """Rows (n, ROW) of a hand that goes straight down at SPEED until it is `to` mm deep."""
    heights = np.arange(2.0, -to, -SPEED / 1000.0)
    hands = np.zeros((len(heights), POSE))
    hands[:, 2], hands[:, 5] = heights, -1.0
    return run_ticks(field, law, TOOL, fresh(), hands)[1]


def written(law: TissueLaw, units: float, wall: float, depth: float) -> float:
    """What a tip `depth` mm deep meets while it moves, N: the law of haptics.tissue, written out
    for this block."""
    density = law.density_offset + law.density_slope * units
    stress = law.cancellous_strength * density**law.cancellous_power
    edge, share = 2.0 * pi * TOOL.radius, density / law.density_wall
    crush = stress * pi * TOOL.radius**2
    first = law.wall_cutting * law.wall_strength * edge * wall * share
    bends = law.wall_bending * wall**2 * share**law.cancellous_power
    in_bone = min(max(depth - BONE_MM, 0.0), END_MM - BONE_MM)
    beyond = max(depth - END_MM, 0.0)
    borders = (SKIN_MM, FAT_MM, BONE_MM, BONE_MM + wall, END_MM - wall, END_MM, 1e9)
    tips = (law.skin_cutting, law.fat_cutting, law.muscle_cutting, first, 0.0,
            min(first, law.wall_cutting * bends), law.muscle_cutting)  # fmt: skip
    tip = next(tip for border, tip in zip(borders, tips, strict=True) if depth < border)
    point = crush * (1.0 - exp(-in_bone / law.tip_taper)) * exp(-beyond / law.tip_taper)
    grip = law.bone_friction * stress * edge
    return tip + point + law.soft_friction * (depth - in_bone) + grip * in_bone


def furthest_off(law: TissueLaw, units: float = 200.0, wall: float = 1.5) -> float:
    """The largest share by which a moving tip's force is off the written law, in any layer."""
    rows, worst = pushed(block(units, wall), law, 80.0), 0.0
    borders = np.array([0, SKIN_MM, FAT_MM, BONE_MM, BONE_MM + wall, END_MM - wall, END_MM])
    for n in np.flatnonzero(np.diff(-rows[:, 2], prepend=0.0) > 1e-6):
        depth = float(-rows[n, 2])
        if rows[n, ROW_STAGE] >= SOFT and np.abs(borders - depth).min() > NEAR_MM:
            law_says = written(law, units, wall, depth)
            worst = max(worst, abs(float(rows[n, ROW_AXIAL]) / law_says - 1.0))
    return worst


def ticks_of_a_drop(law: TissueLaw, units: float = 200.0, wall: float = 1.5) -> int:
    """Ticks from the one in which the wall gives way until the force is the written one, in 2 %."""
    rows = pushed(block(units, wall), law, 45.0)
    gives = int(np.flatnonzero(rows[:, ROW_EVENTS].astype(int) & PUNCTURED)[0])
    for n in range(gives, len(rows)):
        law_says = written(law, units, wall, float(-rows[n, 2]))
        if abs(rows[n, ROW_AXIAL] / law_says - 1.0) < 0.02:
            return n - gives
    return len(rows)


def sweep(law: TissueLaw) -> tuple[FloatArray, FloatArray]:
    """N of the first wall as it gave way, and of cutting marrow, (8, 5) each: density by wall."""
    puncture, cutting = (np.empty((len(DENSITIES), len(WALLS))) for _ in range(2))
    for i, units in enumerate(DENSITIES):
        for j, wall in enumerate(WALLS):
            rows = pushed(block(units, wall), law, 45.0)
            gave = rows[:, ROW_EVENTS].astype(int) & PUNCTURED != 0
            marrow = (-rows[:, 2] > SAMPLE_MM[0]) & (-rows[:, 2] < SAMPLE_MM[1])
            puncture[i, j] = rows[gave, ROW_BROKEN][0]
            cutting[i, j] = np.median(rows[marrow, ROW_AXIAL])
    return puncture, cutting


def out_of_order(puncture: FloatArray, cutting: FloatArray) -> int:
    """How many of a sweep's cases break a published order: a puncture above cancellous bone, denser
    above softer, thicker above thinner. Marrow beyond trabecular density is as hard as it gets."""
    wrong = puncture <= cutting
    wrong[1:] |= np.diff(puncture, axis=0) <= 0
    wrong[:, 1:] |= np.diff(puncture, axis=1) <= 0
    wrong[1:-1] |= np.diff(cutting, axis=0)[:-1] <= 0
    return int(wrong.sum())
