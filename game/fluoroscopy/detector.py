"""The flat panel: scatter laid over the primary, grid, blur, and the noise of one pulse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game.devices.tube import OPEN, Field
from game.fluoroscopy.blur import SIGMA, blurred
from game.fluoroscopy.field import lit, open_field
from game.fluoroscopy.scatter import GRID_PRIMARY, pedestal
from game.geometry.carm import SOURCE_TO_ISOCENTRE_MM

# mm at the detector: a 0.6 mm focal spot at magnification 1.92 (0.55), facts/fluoroscopy.md.
FOCAL_FWHM_MM = 0.55
PANEL_FWHM_MM = 0.35  # 0.6 mm CsI; project choice
ELECTRONIC_KEV_MM = 300.0  # rms x mm: as quantum noise at about 1 nGy; project choice
FRAMES = (1, 16)


@dataclass(frozen=True)
class Detector:
    """How the panel is used: whether a 10:1 `grid` is on it; `frames`, how many pulses are averaged
    (as if nothing moved between them). Raises ValueError outside `FRAMES`."""

    grid: bool = True
    frames: int = 1

    def __post_init__(self) -> None:
        low, high = FRAMES
        if not low <= self.frames <= high:
            raise ValueError(f"frames is {self.frames}; it must be {low} to {high}")

    @property
    def primary(self) -> float:
        """What the grid passes of the primary."""
        return GRID_PRIMARY if self.grid else 1.0


PANEL = Detector()


def detected(
    mean: NDArray[np.float32],
    variance: NDArray[np.float32],
    water_cm: NDArray[np.float32],
    pixel_mm: float,
    kvp: float,
    generator: np.random.Generator,
    detector: Detector = PANEL,
    beam: Field = OPEN,
) -> NDArray[np.float32]:
    """One pulse's picture (h, w), keV/mm2 as on the beam's axis, from the primary's mean and
    variance per mm2 behind `water_cm` (h, w) of water.

    Noise is Gaussian with the compound-Poisson variance of primary and scatter per pixel, plus the
    panel's own; then the scintillator blurs both, and the empty field is divided out. Not below 0;
    0 where the collimator shuts the beam out."""
    size = len(mean)
    field = open_field(size, pixel_mm)
    window = lit(size, beam.collimation)
    primary = np.zeros_like(mean)
    primary[window, window] = detector.primary * (mean * field)[window, window]
    # What the grid does to scatter is in its ratio to the primary behind the grid.
    side = beam.side_mm(SOURCE_TO_ISOCENTRE_MM)
    over = pedestal(primary, water_cm, pixel_mm, kvp, side, detector.grid)
    photon = variance / np.maximum(mean, np.float32(1e-6))  # keV
    quanta = (primary + over) * photon * np.float32(1.0 / pixel_mm**2)
    quanta += np.float32((ELECTRONIC_KEV_MM / pixel_mm) ** 2)
    noise: NDArray[np.float32] = np.sqrt(quanta)
    noise *= generator.standard_normal(mean.shape, dtype=np.float32)
    signal = blurred(primary, FOCAL_FWHM_MM * SIGMA / pixel_mm) + over
    noise *= np.float32(detector.frames**-0.5)
    signal += noise
    signal = np.maximum(blurred(signal, PANEL_FWHM_MM * SIGMA / pixel_mm), np.float32(0)) / field
    out = np.zeros(mean.shape, np.float32)
    out[window, window] = signal[window, window]
    return out
