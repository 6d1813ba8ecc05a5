"""How deep the first posterior sacral foramen is, and how it slants, as axial slices show it.

Kim et al. 2023 (doi 10.3344/kjp.22227) took on axial CT the length from the dorsal surface of the
sacrum to the epidural space in the S1 posterior foramen, and the foramen's angle to the sagittal
plane. Here: in an axial slice the foramen is the gap between the lamina and the lateral mass, and
its middle line begins where both stand beside it and ends, deep, where the lamina does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray

STEP_MM = 0.5  # in a slice; project choice
SLICES_MM = np.arange(-14.0, 6.0)  # of which the foramen's longest is taken, from its opening up
ASIDE_MM, BEFORE_MM, BEHIND_MM = 46.0, 30.0, 16.0  # what of a slice is looked at
WIDEST_MM = 16.0  # of a foramen; project choice
BENDS_MM = 2.0  # from one row of a slice to the next at most; project choice
LEAST_ROWS = 4


def channel(
    depth: Callable[[FloatArray], FloatArray],
    foot: FloatArray,
    aside: float,
    lateral: FloatArray,
    up: FloatArray,
) -> tuple[float, float] | None:
    """Length, mm, and angle to the sagittal plane, degrees (positive: deep end medial), of the S1
    posterior foramen; None where no slice shows it open to the canal.

    `depth` is the signed distance (...,) to the sacrum at LPS points (..., 3); `foot` (3,) lies in
    the midline beside the opening's middle, which is `aside` mm to the side that `lateral` (3,)
    points to; `up` (3,) is the axial slices' normal."""
    behind = np.cross(up, lateral)
    behind *= np.sign(behind[1])  # LPS: y is posterior
    x = np.arange(0.0, ASIDE_MM, STEP_MM)
    y = np.arange(BEHIND_MM, -BEFORE_MM, -STEP_MM)
    slices = foot + x[:, None, None] * lateral + y[:, None] * behind
    lines = [_middle_line(depth(slices + z * up) < 0, round(aside / STEP_MM)) for z in SLICES_MM]
    found = [_length_and_angle(line) for line in lines if len(line) >= LEAST_ROWS]
    return max(found, default=None)


def _length_and_angle(line: FloatArray) -> tuple[float, float]:
    medial, deep = line[0] - line[-1]
    return float(np.hypot(medial, deep)), float(np.degrees(np.arctan2(medial, deep)))


def _middle_line(bone: NDArray[np.bool_], start: int) -> FloatArray:
    """Places (n, 2), mm: aside and behind, from the back to where the lamina ends; none where the
    gap does not lead to the canal. `bone` (x, y) runs from the midline aside and from the back
    forwards; the gap is looked for about column `start`."""
    line: list[tuple[float, float]] = []
    at = float(start)
    for row in range(bone.shape[1]):
        free = np.flatnonzero(~bone[:, row])
        near = int(free[np.argmin(np.abs(free - at))]) if len(free) else -1
        if near < 0 or abs(near - at) > BENDS_MM / STEP_MM:
            return np.empty((0, 2))  # closed
        medial = np.flatnonzero(bone[:near, row])
        lateral = np.flatnonzero(bone[near:, row])
        if len(medial) and len(lateral):
            inner, outer = int(medial[-1]), near + int(lateral[0])
            if (outer - inner) * STEP_MM <= WIDEST_MM:
                at = 0.5 * (inner + outer)
                line.append((STEP_MM * at, -STEP_MM * row))
                continue
        if line:  # beyond the lamina, or in a wider room
            return np.array(line) if len(lateral) else np.empty((0, 2))
    return np.empty((0, 2))
