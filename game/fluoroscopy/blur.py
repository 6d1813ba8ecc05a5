"""Gaussian blur of pictures: short kernels in full, wide ones on a reduced picture.

A Gaussian that is wide against `step` pixels loses nothing that can be seen when it is worked out
on the means of step x step blocks and drawn out again linearly (tests compare both with the plain
filter). Edges are continued outwards.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from game.fluoroscopy.rows import over_rows

FINEST = 5.0  # a reduced picture's sigma is not below this many of its pixels; project choice
SIGMA = 1.0 / 2.3548  # of a Gaussian of full width at half maximum 1


def blurred(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A picture (h, w) convolved with a sampled Gaussian of `sigma` pixels, cut at 4 sigma."""
    half, out = taps(sigma), np.empty_like(picture, np.float32)
    whole = np.ascontiguousarray(picture, np.float32)
    over_rows(lambda begin, end: blur_rows(whole, half, begin, end, out), len(out))
    return out


def taps(sigma: float) -> NDArray[np.float32]:
    """The middle and one half of a sampled Gaussian of `sigma` pixels, cut at 4 sigma; with the
    other half they sum to 1."""
    places = np.arange(ceil(4.0 * sigma) + 1)
    half = np.exp(-0.5 * (places / sigma) ** 2) if sigma > 0.0 else np.array([1.0])
    half /= 2.0 * half.sum() - half[0]
    return np.asarray(half, np.float32)


def spread(small: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A reduced picture convolved with a wide Gaussian of `sigma` of its own pixels."""
    columns, out = np.empty_like(small, np.float32), np.empty_like(small, np.float32)
    over_rows(lambda a, b: _wide(small[:, a:b], sigma, 0, columns[:, a:b]), small.shape[1])
    over_rows(lambda a, b: _wide(columns[a:b], sigma, 1, out[a:b]), small.shape[0])
    return out


def _wide(small: NDArray[np.float32], sigma: float, axis: int, out: NDArray[np.float32]) -> None:
    gaussian_filter1d(small, sigma, axis, output=out, mode="nearest")


def step_for(size: int, sigma: float) -> int:
    """How far a picture of `size` pixels may be reduced for a Gaussian of `sigma` pixels: a power
    of two that divides the size."""
    step = 1
    while size % (2 * step) == 0 and sigma / (2 * step) >= FINEST:
        step *= 2
    return step


def reduced(picture: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """The means of step x step blocks of a picture (h, w) whose sides `step` divides."""
    height, width = picture.shape
    out = np.zeros((height // step, width // step), np.float32)
    whole = np.ascontiguousarray(picture, np.float32)
    over_rows(lambda begin, end: _reduce(whole, step, begin, end, out), len(out))
    return out


def enlarged(small: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """A reduced picture drawn out again, linearly between the middles of its blocks."""
    height, width = small.shape
    out = np.empty((height * step, width * step), np.float32)
    whole = np.ascontiguousarray(small, np.float32)
    over_rows(lambda begin, end: enlarge_rows(whole, step, begin, end, out), len(out))
    return out


@njit(nogil=True, cache=True, fastmath={"contract"})
def blur_rows(picture, half, begin, end, out):  # type: ignore[no-untyped-def]
    """Rows `begin` to `end` of `blurred`; `half` are its `taps`."""
    height, width = picture.shape
    reach = len(half) - 1
    line = np.empty(width + 2 * reach, np.float32)
    for row in range(begin, end):
        middle = line[reach : reach + width]
        for column in range(width):
            middle[column] = half[0] * picture[row, column]
        for k in range(1, reach + 1):
            above, below = max(row - k, 0), min(row + k, height - 1)
            weight = half[k]
            for column in range(width):
                middle[column] += weight * (picture[above, column] + picture[below, column])
        line[:reach] = line[reach]
        line[reach + width :] = line[reach + width - 1]
        for column in range(width):
            out[row, column] = half[0] * middle[column]
        for k in range(1, reach + 1):
            weight = half[k]
            left, right = line[reach - k :], line[reach + k :]
            for column in range(width):
                out[row, column] += weight * (left[column] + right[column])


@njit(nogil=True, cache=True)
def _reduce(picture, step, begin, end, out):  # type: ignore[no-untyped-def]
    share = np.float32(1.0 / (step * step))
    for row in range(begin * step, end * step):
        for column in range(out.shape[1]):
            total = np.float32(0)
            for k in range(step):
                total += picture[row, column * step + k]
            out[row // step, column] += share * total


@njit(nogil=True, cache=True)
def enlarge_rows(small, step, begin, end, out):  # type: ignore[no-untyped-def]
    """Rows `begin` to `end` of `enlarged`."""
    rows, columns = small.shape
    line = np.empty(columns, np.float32)
    for row in range(begin, end):
        place = min(max((row + 0.5) / step - 0.5, 0.0), rows - 1.0)
        top = min(int(place), max(rows - 2, 0))
        weight = np.float32(place - top)
        below = min(top + 1, rows - 1)
        for column in range(columns):
            line[column] = small[top, column] + weight * (small[below, column] - small[top, column])
        for column in range(columns):
            before, after = line[max(column - 1, 0)], line[min(column + 1, columns - 1)]
            for k in range(step):
                offset = np.float32((k + 0.5) / step - 0.5)
                other = after if offset > 0 else before
                out[row, column * step + k] = line[column] + abs(offset) * (other - line[column])
