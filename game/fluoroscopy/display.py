"""From a detector signal to the monitor: logarithm, contrast, window and level, side markers.

Bone, metal and cement are dark on a bright field, as a C-arm's monitor shows live fluoroscopy and
as the technique's own papers print it; `invert` gives the radiograph's white bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from game.geometry.carm import Projection
from game.geometry.grid import FloatArray

MARGIN = 8  # the automatic level leaves out 1/8 of the side all around; project choice

NEAR = 1.8  # the automatic level looks at what is no thinner than this below the median; same


@dataclass(frozen=True)
class Display:
    """Lengths are mm at the detector; densities are natural logarithms. Project choices, set by eye
    on pelves from a CT, from label maps and on the procedural one.

    `equalise` takes away that share of what is broader than `equalise_mm`, and the rest is bent to
    stay within +-`span`; `sharpen` adds that much of what is finer than `sharpen_mm` and stands out
    of the grain; what is fainter than `coring` times the grain's spread is quenched. What is more
    than `latitude` thinner than the median is burnt out (air beside the patient). The automatic
    window runs between the `low` and `high` percentiles of the middle of the field, each moved out
    from the median by a share `headroom`, so that a cannula does not set it."""

    equalise: float = 0.75
    equalise_mm: float = 16.0
    span: float = 0.6
    sharpen: float = 1.2
    sharpen_mm: float = 0.9
    coring: float = 1.7
    latitude: float = 2.5
    low: float = 3.0
    high: float = 94.0
    headroom: float = 0.3
    invert: bool = False


MONITOR = Display()


def shown(
    signal: NDArray[np.float32], full: float, pixel_mm: float, display: Display = MONITOR
) -> NDArray[np.uint8]:
    """8-bit grey values (h, w) of a detector signal (h, w); `full` is the signal without patient.

    Values beyond the window are cut to black and white."""
    density = -np.log(np.maximum(signal, full * 1e-6) / full)
    thinnest = np.median(_middle(density)) - display.latitude
    density = np.maximum(density, thinnest)
    broad = gaussian_filter(density, display.equalise_mm / pixel_mm, mode="nearest")
    median = float(np.median(_middle(broad)))
    thick = _middle(broad) > median - NEAR
    slope = (1.0 - display.equalise) / display.span
    bent = display.span * np.tanh(slope * (broad - median))
    density = density - broad + bent
    low, high = _window(_middle(density)[thick], display)
    fine = density - gaussian_filter(density, display.sharpen_mm / pixel_mm, mode="nearest")
    grain = display.coring * 1.4826 * float(np.median(np.abs(_middle(fine))))
    kept = fine**2 / (fine**2 + grain**2 + 1e-12)
    grey = (density - fine + (1.0 + display.sharpen) * kept * fine - low) / (high - low)
    if not display.invert:
        grey = 1.0 - grey
    return np.rint(np.clip(grey, 0.0, 1.0) * 255.0).astype(np.uint8)


def _window(density: NDArray[np.float32], display: Display) -> tuple[float, float]:
    low, middle, high = np.percentile(density, [display.low, 50.0, display.high])
    low = middle - (1.0 + display.headroom) * (middle - low)
    high = middle + (1.0 + display.headroom) * (high - middle)
    return float(low), float(max(high, low + 1e-3))


def _middle(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    edge = len(picture) // MARGIN
    return picture[edge : len(picture) - edge, edge : len(picture) - edge]


def side_letters(geometry: Projection, axes: FloatArray) -> tuple[str, str]:
    """What lies to the left and right edge of the picture: L and R of the patient where the beam is
    frontal, A and P where it is lateral; `axes` (3, 3) as in `Anatomy`."""
    left, posterior = axes[:2] @ np.array(geometry.right)
    if abs(left) >= abs(posterior):
        return ("R", "L") if left > 0 else ("L", "R")
    return ("A", "P") if posterior > 0 else ("P", "A")


def marked(pixels: NDArray[np.uint8], letters: tuple[str, str]) -> NDArray[np.uint8]:
    """A copy of a picture (h, w) with a letter in each upper corner, black on a white tile."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    size = max(12, len(pixels) // 20)
    font = ImageFont.load_default(size)
    for letter, x in zip(letters, (size, pixels.shape[1] - size), strict=True):
        half = 0.65 * size
        draw.rectangle((x - half, size - half, x + half, size + half), fill=255, outline=0)
        draw.text((x, size), letter, fill=0, font=font, anchor="mm")
    return np.asarray(image)
