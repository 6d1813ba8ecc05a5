"""The flat panel: scatter laid over the primary, blur, and the noise of one pulse.

Scatter is a smooth pedestal: a fixed share of the primary, spread by a kernel of 75/512 of the
picture (facts/fluoroscopy.md: Love & Kruger 1987). The share, 0.5 behind a 10:1 grid, lies between
the facts' 0.2-0.4 AP and 0.4-1.0 lateral; it does not follow thickness, field or kV, and neither
primary nor scatter is weakened by the grid. Not validated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

SCATTER_TO_PRIMARY = 0.5
SCATTER_FWHM = 75.0 / 512.0  # of the picture's side
# mm at the detector: a 0.6 mm focal spot at magnification 1.92 (0.55), facts/fluoroscopy.md.
FOCAL_FWHM_MM = 0.55
PANEL_FWHM_MM = 0.35  # 0.6 mm CsI; project choice
ELECTRONIC_KEV_MM = 300.0  # rms x mm: as quantum noise at about 1 nGy; project choice
_SIGMA = 1.0 / 2.3548  # of a Gaussian of full width at half maximum 1


def detected(
    mean: NDArray[np.float32],
    variance: NDArray[np.float32],
    pixel_mm: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """One pulse's picture (h, w), keV/mm2, from the primary's mean and variance per mm2.

    Noise is Gaussian with the compound-Poisson variance of primary and scatter per pixel, plus the
    panel's own; then the scintillator blurs both. Not below 0."""
    blurred = gaussian_filter(mean, FOCAL_FWHM_MM * _SIGMA / pixel_mm)
    pedestal = scatter(mean)
    share = 1.0 + pedestal / np.maximum(mean, 1e-6)
    spread = np.sqrt(variance * share / pixel_mm**2 + (ELECTRONIC_KEV_MM / pixel_mm) ** 2)
    noise = generator.standard_normal(mean.shape, dtype=np.float32)
    signal = blurred + pedestal + spread * noise
    signal = gaussian_filter(signal, PANEL_FWHM_MM * _SIGMA / pixel_mm)
    return np.asarray(np.maximum(signal, 0.0), np.float32)


def scatter(primary: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scatter pedestal (h, w) of a primary picture; computed on a quarter of its sides."""
    step = 4 if primary.shape[0] % 4 == 0 else 1
    size = primary.shape[0] // step
    coarse = primary.reshape(size, step, size, step).mean(axis=(1, 3))
    spread = gaussian_filter(coarse, SCATTER_FWHM * size * _SIGMA, mode="nearest")
    if step > 1:
        spread = zoom(spread, step, order=1, mode="nearest", grid_mode=True)
    return np.asarray(SCATTER_TO_PRIMARY * spread, np.float32)
