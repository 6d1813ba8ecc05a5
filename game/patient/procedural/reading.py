"""Tables read at many points: heights over a plane, and moves of space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.patient.procedural.solids import Array


def flat(row: float, column: float, table: NDArray[Any]) -> Callable[[Array, Array], Array]:
    """A reader of a table with 1 mm steps whose first entry lies at (row, column); linear between
    the entries, held beyond its edges. It takes coordinates (n,) and gives values (n,), float32."""
    heights = np.ascontiguousarray(table, np.float32)

    def read(rows: Array, columns: Array) -> Array:
        out = np.empty(rows.shape, np.float32)
        _bilinear(heights, np.float32(row), np.float32(column), rows, columns, out)
        return out

    return read


@njit(nogil=True, cache=True)
def _bilinear(table, row, column, rows, columns, out):  # type: ignore[no-untyped-def]
    last, end = np.float32(table.shape[0] - 1.001), np.float32(table.shape[1] - 1.001)
    for n in range(len(out)):
        u = min(max(rows[n] - row, np.float32(0)), last)
        v = min(max(columns[n] - column, np.float32(0)), end)
        i, j = int(u), int(v)
        u, v = u - np.float32(i), v - np.float32(j)
        low = table[i, j] + v * (table[i, j + 1] - table[i, j])
        high = table[i + 1, j] + v * (table[i + 1, j + 1] - table[i + 1, j])
        out[n] = low + u * (high - low)


def moved(
    moves: Array, origin: tuple[float, ...], step: float, at: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    """Points (n,) moved by `moves` [x, y, z, 3], mm, given on a lattice of `step` mm."""
    out = tuple(np.empty(len(at[0]), np.float32) for _ in range(3))
    _trilinear(moves, np.array(origin, np.float32), np.float32(1.0 / step), *at, *out)
    return out[0], out[1], out[2]


@njit(nogil=True, cache=True)
def _trilinear(moves, origin, per_mm, x, y, z, a, b, c):  # type: ignore[no-untyped-def]
    zero, last = np.float32(0), np.array(moves.shape[:3], np.float32) - np.float32(1.001)
    for n in range(len(x)):
        u = min(max((x[n] - origin[0]) * per_mm, zero), last[0])
        v = min(max((y[n] - origin[1]) * per_mm, zero), last[1])
        w = min(max((z[n] - origin[2]) * per_mm, zero), last[2])
        i, j, k = int(u), int(v), int(w)
        u, v, w = u - np.float32(i), v - np.float32(j), w - np.float32(k)
        a[n], b[n], c[n] = x[n], y[n], z[n]
        for p in range(8):
            f, g, h = p >> 2, (p >> 1) & 1, p & 1
            share = (u if f else 1 - u) * (v if g else 1 - v) * (w if h else 1 - w)
            a[n] += share * moves[i + f, j + g, k + h, 0]
            b[n] += share * moves[i + f, j + g, k + h, 1]
            c[n] += share * moves[i + f, j + g, k + h, 2]
