"""The solid between smooth surfaces: the bone of the sacrum before its holes are taken out.

Front and back are heights p(x, s), the top is a height s(x, p) and the side a height x(p, s), each
a table through which a quadratic spline goes; the solid is what lies inside all of them and above
the lower end. The kernel has a plain twin in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.interpolate import RectBivariateSpline

from game.patient.procedural.solids import FAR, Array

STEP = 0.5  # mm, of the tables that the kernel reads
ROUND = 2.5  # mm over which two surfaces meet (form)


@dataclass(frozen=True, eq=False)
class Relief:
    """A height over two coordinates: `height` and `flat` (r, c) at `STEP` from `origin`; `flat` is
    the cosine of the surface's tilt, which makes a height's difference a distance."""

    origin: tuple[float, float]
    height: Array
    flat: Array

    @staticmethod
    def of(
        rows: Sequence[float], columns: Sequence[float], heights: Sequence[Sequence[float]]
    ) -> Relief:
        """Through heights[row][column]; mirrored about row 0 where the rows begin there, so that
        the middle has no crease; held constant beyond the edges."""
        at, values = np.array(rows, float), np.array(heights, float)
        if at[0] == 0.0:
            at = np.concatenate((-at[:0:-1], at))
            values = np.concatenate((values[:0:-1], values))
        across = np.arange(float(rows[0]), at[-1] + STEP, STEP)
        along = np.arange(float(columns[0]), float(columns[-1]) + STEP, STEP)
        table = RectBivariateSpline(at, columns, values, kx=2, ky=2)(across, along)
        steep = np.hypot(*np.gradient(table, STEP))
        flat = 1.0 / np.sqrt(1.0 + steep * steep)
        return Relief(
            (float(across[0]), float(along[0])), table.astype(np.float32), flat.astype(np.float32)
        )

    def at(self, row: float, column: float) -> float:
        """The height, mm."""
        return float(read(self.height, self.origin[0], self.origin[1], row, column))


@njit(cache=True, nogil=True)
def read(table: Array, row0: float, column0: float, row: float, column: float) -> float:
    """A table with steps of `STEP` mm, linearly between its places, held beyond its edges."""
    i = min(max((row - row0) / STEP, 0.0), table.shape[0] - 1.001)
    j = min(max((column - column0) / STEP, 0.0), table.shape[1] - 1.001)
    m, n = int(i), int(j)
    u, v = i - m, j - n
    low = table[m, n] * (1.0 - v) + table[m, n + 1] * v
    high = table[m + 1, n] * (1.0 - v) + table[m + 1, n + 1] * v
    return float(low * (1.0 - u) + high * u)


@njit(cache=True, nogil=True)
def rounded(a: float, b: float, k: float) -> float:
    """The greater of two, rounded over `k` mm."""
    blend = max(k - abs(a - b), 0.0)
    return max(a, b) + blend * blend * 0.25 / k


@njit(cache=True, nogil=True)
def fill_block(
    values: Array,
    x: Array,
    p: Array,
    s: Array,
    front: Array,
    front_flat: Array,
    back: Array,
    back_flat: Array,
    across: tuple[float, float],
    top: Array,
    top_flat: Array,
    above: tuple[float, float],
    side: Array,
    side_flat: Array,
    aside: tuple[float, float],
    lowest: float,
    reach: float,
    stretch: tuple[float, float],
) -> None:
    """The field of the block into `values` (n, m, l); x (n,), p and s (m, l), mm. Places further
    than `reach` mm from all bone keep what they have."""
    for j in range(p.shape[0]):
        for k in range(p.shape[1]):
            pp, ss = float(p[j, k]), float(s[j, k])
            if ss > lowest + reach or pp < -50.0 or pp > 40.0 or ss < -25.0:
                continue
            for i in range(x.shape[0]):
                a = x[i] / stretch[0] if x[i] > 0 else -x[i] / stretch[1]
                outer = read(side, aside[0], aside[1], pp, ss)
                beside = (a - outer) * read(side_flat, aside[0], aside[1], pp, ss)
                if beside > reach:
                    continue
                before = read(front, across[0], across[1], a, ss) - pp
                before *= read(front_flat, across[0], across[1], a, ss)
                if before > reach:
                    continue
                behind = pp - read(back, across[0], across[1], a, ss)
                behind *= read(back_flat, across[0], across[1], a, ss)
                if behind > reach:
                    continue
                over = read(top, above[0], above[1], a, pp) - ss
                over *= read(top_flat, above[0], above[1], a, pp)
                out = rounded(rounded(before, behind, ROUND), beside, ROUND)
                out = rounded(out, over, ROUND)
                out = rounded(out, ss - lowest, ROUND)
                if not math.isnan(out):
                    values[i, j, k] = min(out, FAR)
