"""The flat panel: scatter laid over the primary, grid, blur, and the noise of one pulse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.devices.tube import OPEN, Field
from game.fluoroscopy.blur import SIGMA, blur_rows, taps
from game.fluoroscopy.field import lit, open_field
from game.fluoroscopy.rows import BAND, over_rows
from game.fluoroscopy.scatter import GRID_PRIMARY, pedestal
from game.geometry.carm import SOURCE_TO_ISOCENTRE_MM

# mm at the detector: a 0.6 mm focal spot at magnification 1.92 (0.55), facts/fluoroscopy.md.
FOCAL_FWHM_MM = 0.55
PANEL_FWHM_MM = 0.35  # 0.6 mm CsI; project choice
ELECTRONIC_KEV_MM = 300.0  # rms x mm: as quantum noise at about 1 nGy; project choice
FAINTEST = np.float32(1e-6)  # keV/mm2: below it the energy per photon is as there
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
    seed: tuple[int, ...],
    detector: Detector = PANEL,
    beam: Field = OPEN,
) -> NDArray[np.float32]:
    """One pulse's picture (h, w), keV/mm2 as on the beam's axis, from the primary's mean and
    variance per mm2 behind `water_cm` (h, w) of water.

    Noise is Gaussian with the compound-Poisson variance of primary and scatter per pixel, plus the
    panel's own, drawn anew for each `seed` (whole numbers, not below 0); then the scintillator
    blurs both, and the empty field is divided out. Not below 0; 0 where the collimator shuts the
    beam out."""
    field = open_field(len(mean), pixel_mm)
    window = lit(len(mean), beam.collimation)
    primary = np.zeros_like(mean)
    inside = primary[window, window]
    np.multiply(mean[window, window], field[window, window], out=inside)
    inside *= np.float32(detector.primary)
    # What the grid does to scatter is in its ratio to the primary behind the grid.
    side = beam.side_mm(SOURCE_TO_ISOCENTRE_MM)
    over = pedestal(primary, water_cm, pixel_mm, kvp, side, detector.grid)
    signal = _exposed(primary, over, mean, variance, pixel_mm, seed, detector.frames)
    signal = _read_out(signal, field, PANEL_FWHM_MM * SIGMA / pixel_mm)
    for closed in (slice(0, window.start), slice(window.stop, None)):
        signal[closed] = signal[:, closed] = 0.0
    return signal


def _exposed(
    primary: NDArray[np.float32], over: NDArray[np.float32], mean: NDArray[np.float32],
    variance: NDArray[np.float32], pixel_mm: float, seed: tuple[int, ...], frames: int,
) -> NDArray[np.float32]:  # fmt: skip
    """Primary blurred by the focal spot, the scatter `over` it, and the noise of both. Each band of
    rows has a random sequence of its own, whatever core draws it."""
    per_area, panel = np.float32(1.0 / pixel_mm**2), np.float32((ELECTRONIC_KEV_MM / pixel_mm) ** 2)
    half, weight = taps(FOCAL_FWHM_MM * SIGMA / pixel_mm), np.float32(frames**-0.5)
    out = np.empty_like(mean)

    def rows(begin: int, end: int) -> None:
        band = slice(begin, end)
        generator = np.random.Generator(np.random.SFC64((*seed, begin // BAND)))
        drawn = generator.standard_normal(mean[band].shape, dtype=np.float32)
        blur_rows(primary, half, begin, end, out)
        _noisy(primary[band], over[band], mean[band], variance[band], drawn, per_area, panel,
               weight, out[band])  # fmt: skip

    over_rows(rows, len(out))
    return out


def _read_out(
    signal: NDArray[np.float32], field: NDArray[np.float32], sigma: float
) -> NDArray[np.float32]:
    """What the scintillator blurs by `sigma` pixels, not below 0, over the empty field."""
    half, out = taps(sigma), np.empty_like(signal)

    def rows(begin: int, end: int) -> None:
        blur_rows(signal, half, begin, end, out)
        band = out[begin:end]
        np.maximum(band, np.float32(0), out=band)
        band /= field[begin:end]

    over_rows(rows, len(out))
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _noisy(primary, over, mean, variance, drawn, per_area, panel, weight, out):  # type: ignore[no-untyped-def]
    """Adds to `out` (h, w) the scatter, and `drawn` times its standard deviation."""
    for row in range(out.shape[0]):
        for n in range(out.shape[1]):
            photon = variance[row, n] / max(mean[row, n], FAINTEST)  # keV
            quanta = (primary[row, n] + over[row, n]) * photon * per_area + panel
            noise = np.sqrt(quanta) * drawn[row, n] * weight
            out[row, n] = out[row, n] + over[row, n] + noise
