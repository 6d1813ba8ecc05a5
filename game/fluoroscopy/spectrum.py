"""Polychromatic Beer-Lambert: area densities in, energy absorbed by the detector out."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.devices.beam import attenuation, fluence
from game.fluoroscopy.projector import AreaDensities
from game.geometry.carm import SOURCE_TO_DETECTOR_MM


def transmitted(
    areas: AreaDensities, kvp: float, mas: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and variance (h, w) of the energy absorbed per mm2 of detector: keV/mm2, keV2/mm2.

    Primary beam only: the sum over bins of photons x absorbed fraction x energy, and x energy
    squared (photons are Poisson, each leaves its own energy). Raises ValueError outside the
    generator's kV. The inverse square is taken at the detector's centre."""
    table = attenuation()
    taken = fluence(kvp, SOURCE_TO_DETECTOR_MM) * mas * table.absorbed
    shape = areas.values.shape[1:]
    mean, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    _transmit(
        areas.values,
        table.mass.astype(np.float32),
        (taken * table.energy).astype(np.float32),
        (taken * table.energy**2).astype(np.float32),
        mean,
        variance,
    )
    return mean, variance


def unattenuated(kvp: float, mas: float) -> float:
    """Energy absorbed per mm2 of detector with nothing in the beam, keV/mm2."""
    table = attenuation()
    energy = fluence(kvp, SOURCE_TO_DETECTOR_MM) * table.absorbed * table.energy
    return mas * float(energy.sum())


@njit(nogil=True, cache=True)
def _transmit(areas, mass, energy, square, mean, variance):  # type: ignore[no-untyped-def]
    materials, bins = mass.shape
    for row in range(mean.shape[0]):
        for column in range(mean.shape[1]):
            first, second = np.float32(0), np.float32(0)
            for b in range(bins):
                if energy[b] > 0.0:
                    depth = np.float32(0)
                    for m in range(materials):
                        depth += mass[m, b] * areas[m, row, column]
                    through = np.exp(-depth)
                    first += energy[b] * through
                    second += square[b] * through
            mean[row, column] = first
            variance[row, column] = second
