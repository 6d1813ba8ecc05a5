"""Polychromatic Beer-Lambert: area densities in, energy absorbed by the detector out."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.devices.beam import attenuation, fluence
from game.fluoroscopy.areas import AreaDensities
from game.fluoroscopy.rows import over_rows
from game.geometry.carm import SOURCE_TO_DETECTOR_MM

DEEPEST = np.float32(30.0)  # optical depth
EASED = np.float32(1.0 / 128.0)
# Coefficients of exp(-x), in single precision so that the loop stays in it.
ONE, HALF, SIXTH = np.float32(1.0), np.float32(1 / 2), np.float32(1 / 6)
FOURTH, FIFTH = np.float32(1 / 24), np.float32(1 / 120)


def transmitted(
    areas: AreaDensities, kvp: float, mas: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and variance (h, w) of the energy absorbed per mm2 of detector: keV/mm2, keV2/mm2.

    Primary beam only: the sum over bins of photons x absorbed fraction x energy, and x energy
    squared (photons are Poisson, each leaves its own energy). Raises ValueError outside the
    generator's kV. The inverse square is taken at the detector's centre."""
    table = attenuation(kvp)
    taken = fluence(kvp, SOURCE_TO_DETECTOR_MM) * mas * table.absorbed
    lit = taken > 0.0
    taken, energy = taken[lit], table.energy[lit]
    shape = areas.values.shape[1:]
    mean, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    mass, first = table.mass[:, lit].astype(np.float32), (taken * energy).astype(np.float32)
    second = (taken * energy**2).astype(np.float32)

    def rows(begin: int, end: int) -> None:
        _transmit(areas.values, mass, first, second, begin, end, mean, variance)

    over_rows(rows, len(mean))
    return mean, variance


def unattenuated(kvp: float, mas: float) -> float:
    """Energy absorbed per mm2 of detector with nothing in the beam, keV/mm2."""
    table = attenuation(kvp)
    energy = fluence(kvp, SOURCE_TO_DETECTOR_MM) * table.absorbed * table.energy
    return mas * float(energy.sum())


@njit(nogil=True, cache=True, fastmath={"contract"})
def _transmit(areas, mass, energy, square, begin, end, mean, variance):  # type: ignore[no-untyped-def]
    """Rows `begin` to `end`. All loops over columns are free of branches and calls, so that the
    compiler vectorises them; exp(-d) is a Taylor polynomial of d / 128, squared seven times: within
    1e-4 of itself up to `DEEPEST`, at which deeper paths are held (they let through less than
    1e-13)."""
    width = mean.shape[1]
    through = np.empty(width, np.float32)
    for row in range(begin, end):
        bone, soft, fat = areas[0, row], areas[1, row], areas[2, row]
        steel, cement = areas[3, row], areas[4, row]
        first, second = mean[row], variance[row]
        first[:] = 0.0
        second[:] = 0.0
        for b in range(len(energy)):
            m0, m1, m2, m3, m4 = mass[0, b], mass[1, b], mass[2, b], mass[3, b], mass[4, b]
            for n in range(width):
                depth = m0 * bone[n] + m1 * soft[n] + m2 * fat[n] + m3 * steel[n] + m4 * cement[n]
                through[n] = min(depth, DEEPEST) * EASED
            for n in range(width):
                x = through[n]
                y = FIFTH * x
                y = ONE - x * (ONE - x * (HALF - x * (SIXTH - x * (FOURTH - y))))
                y *= y
                y *= y
                y *= y
                y *= y
                y *= y
                y *= y
                y *= y
                first[n] += energy[b] * y
                second[n] += square[b] * y
