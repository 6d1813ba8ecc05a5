"""A cannula taken up where it lies: a memory read from the tissue about it, without any push."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haptics.device import Vector
from haptics.insertion import EPSILON, STEP_MM, STICK_TICKS, grip_at, skin_behind
from haptics.law import TissueLaw
from haptics.memory import (
    AXIS,
    BONE_MM,
    CRUSHED,
    CUT,
    DEEPEST,
    DEPTH,
    GRIP,
    IN_BONE,
    LAYER,
    NOT_READ,
    PIVOT,
    READ_AT,
    RESTED,
    SOFT,
    SOFT_MM,
    STAGE,
    TIP,
    WALL,
    fresh,
)
from haptics.tissue import (
    CEMENT,
    CORTEX,
    TissueField,
    cancellous_stress,
    layer_at,
    marrow_density_at,
)

LONGEST_MM = 200.0  # no cannula is longer


def resumed(
    field: TissueField, law: TissueLaw, radius: float, tip: Vector, axis: Vector, ahead: float,
    in_bone: bool,
) -> NDArray[np.float64]:  # fmt: skip
    """The memory (SIZE,) of an unloaded cannula of `radius` mm found with its `tip`, LPS mm, in the
    body along the unit `axis`, read from where it lies; its track goes on for `ahead` mm. A tip in
    air, or too far from any skin behind it, gives one that is free."""
    memory = fresh().copy()
    memory[TIP : TIP + 3], memory[AXIS : AXIS + 3], memory[READ_AT] = tip, axis, NOT_READ
    depth = skin_behind(field, *tip, *axis, LONGEST_MM)
    if depth > EPSILON:
        _measure(field, memory, depth, ahead, in_bone)
        memory[GRIP] = _gripped(field, law, radius, memory)
        if CORTEX <= memory[LAYER] <= CEMENT:
            memory[CRUSHED] = cancellous_stress(law, marrow_density_at(field, law, *tip))
    memory.flags.writeable = False
    return memory


def gripped_anew(
    field: TissueField, law: TissueLaw, radius: float, memory: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A memory (SIZE,) whose shaft lies in a field that has changed about it: set cement holds."""
    after = memory.copy()
    if after[STAGE] >= SOFT:
        after[GRIP] = _gripped(field, law, radius, after)
    after.flags.writeable = False
    return after


@njit(nogil=True, cache=True)
def _gripped(field, law, radius, m):  # type: ignore[no-untyped-def]
    """The friction, N, of the bone and cement along the shaft, read every STEP_MM."""
    force, far = 0.0, 0.5 * STEP_MM
    u, v, w = m[AXIS], m[AXIS + 1], m[AXIS + 2]
    while far < m[DEPTH]:
        x = m[PIVOT] + far * u
        y = m[PIVOT + 1] + far * v
        z = m[PIVOT + 2] + far * w
        layer = layer_at(field, x, y, z)
        force += STEP_MM * grip_at(field, law, radius, layer, x, y, z)
        far += STEP_MM
    return force


def _measure(
    field: TissueField, memory: NDArray[np.float64], depth: float, ahead: float, in_bone: bool
) -> None:
    tip, axis = memory[TIP : TIP + 3].copy(), memory[AXIS : AXIS + 3]
    back = depth - np.arange(0.0, depth, STEP_MM)  # from the skin to the tip
    layers = np.array([layer_at(field, *(tip - far * axis)) for far in back])
    bone = (layers >= CORTEX) & (layers <= CEMENT)
    memory[PIVOT : PIVOT + 3] = tip - depth * axis
    memory[STAGE] = IN_BONE if in_bone and bone.any() else SOFT
    memory[LAYER], memory[CUT], memory[RESTED] = layer_at(field, *tip), 1.0, STICK_TICKS
    if memory[STAGE] == IN_BONE:
        memory[BONE_MM] = bone.sum() * STEP_MM
        memory[WALL] = depth - back[np.argmax(bone)]
    memory[SOFT_MM] = depth - memory[BONE_MM]
    memory[DEPTH], memory[DEEPEST] = depth, depth + ahead
