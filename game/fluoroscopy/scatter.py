"""Scattered radiation at the panel: how much for each primary photon, and how it spreads.

The scatter-to-primary ratio behind water grows with thickness and field, falls with the air gap and
with a grid. Its form is a project choice fitted to the facts' figures and not validated:

    3.05 (T / 22 cm)^1.25 at contact and the C-arm's full field, without a grid
    x (1 - exp(-a / 150 mm)), a the field's side at the isocentre, over the same for the full field
    x ((d / (d + gap)) / (s / (s + gap)))^2: scatter seems to come from d = 175 mm before the exit
      surface (facts/fluoroscopy.md: 15-20 cm), the primary from the focal spot, s away from it
    x what a 10:1 grid passes of scatter over what it passes of primary

So 20-25 cm of water give 0.2-0.4 and 30-35 cm 0.4-1.0 behind the grid at 80-120 kV, full field and
the gap of a centred patient; 35 cm without a grid give 1.0-1.5.
"""

from __future__ import annotations

from math import exp

import numpy as np
from numpy.typing import NDArray

from game.fluoroscopy.blur import SIGMA, enlarged, reduced, spread, step_for
from game.geometry.carm import DETECTOR_MM, SOURCE_TO_DETECTOR_MM, SOURCE_TO_ISOCENTRE_MM

CONTACT, THICKNESS_CM, POWER = 3.05, 22.0, 1.25
FIELD_MM = 150.0
VIRTUAL_MM = 175.0
FULL_FIELD_MM = DETECTOR_MM * SOURCE_TO_ISOCENTRE_MM / SOURCE_TO_DETECTOR_MM
# facts/fluoroscopy.md (Love & Kruger 1987): of the full picture's side.
FWHM_MM = 75.0 / 512.0 * DETECTOR_MM
# A 10:1 grid: about 0.7 of the primary and, rising with kV, a fifth of the scatter; project choice.
GRID_PRIMARY = 0.7
GRID_SCATTER_80KV, GRID_SCATTER_PER_KV = 0.22, 0.001


def scatter_to_primary(
    water_cm: NDArray[np.float32], gap_mm: float, kvp: float, side_mm: float, grid: bool
) -> NDArray[np.float32]:
    """Scattered over primary energy at the panel behind `water_cm` of water: as the module says.

    `gap_mm` from the exit surface to the panel, `side_mm` of the square field at the isocentre."""
    field = (1.0 - exp(-side_mm / FIELD_MM)) / (1.0 - exp(-FULL_FIELD_MM / FIELD_MM))
    focal = SOURCE_TO_DETECTOR_MM - gap_mm
    gap = (VIRTUAL_MM / (VIRTUAL_MM + gap_mm) / (focal / (focal + gap_mm))) ** 2
    passed = 1.0
    if grid:
        passed = (GRID_SCATTER_80KV + GRID_SCATTER_PER_KV * (kvp - 80.0)) / GRID_PRIMARY
    factor = np.float32(CONTACT * field * gap * passed)
    thickness = np.maximum(np.asarray(water_cm, np.float32), np.float32(0))
    return np.asarray(factor * (thickness / THICKNESS_CM) ** np.float32(POWER), np.float32)


def air_gap(water_cm: float) -> float:
    """Exit surface to panel, mm, of a patient whose middle lies at the isocentre; not below 0."""
    behind = SOURCE_TO_DETECTOR_MM - SOURCE_TO_ISOCENTRE_MM
    return max(behind - 5.0 * water_cm, 0.0)


def pedestal(
    primary: NDArray[np.float32],
    water_cm: NDArray[np.float32],
    pixel_mm: float,
    kvp: float,
    side_mm: float,
    grid: bool,
) -> NDArray[np.float32]:
    """The scatter (h, w) laid over a primary picture (h, w), in its unit.

    Each ray's scatter is that of as much water in its way, spread by a Gaussian; the gap is that
    of the mean thickness in the way."""
    sigma = FWHM_MM * SIGMA / pixel_mm
    step = step_for(len(primary), sigma)
    beam, water = reduced(primary, step), reduced(water_cm, step)
    inside = water > 1.0
    gap = air_gap(float(water[inside].mean()) if inside.any() else 0.0)
    source = beam * scatter_to_primary(water, gap, kvp, side_mm, grid)
    return enlarged(spread(source, sigma / step), step)
