"""From a detector signal to the monitor: logarithm, contrast, window and level, side markers.

Bone, metal and cement are dark on a bright field, as a C-arm's monitor shows live fluoroscopy and
as the technique's own papers print it; `invert` gives the radiograph's white bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from game.fluoroscopy.blur import blurred, enlarged, reduced, spread, step_for
from game.fluoroscopy.detector import ELECTRONIC_KEV_MM
from game.fluoroscopy.field import lit
from game.geometry.carm import Projection
from game.geometry.grid import FloatArray

MARGIN = 8  # the automatic level leaves out 1/8 of the side all around; project choice

SAMPLES = 192  # about so many samples along a side set the levels; project choice
NEAR = 1.8  # the automatic level looks at what is no thinner than this below the median; same

PANEL_KEV = ELECTRONIC_KEV_MM**2 / 60.0  # keV/mm2 where the panel's grain is as that of 60 keV
DARKEST = 0.02  # of the median signal: what is behind more is black anyway; project choice
KNEE = 0.75  # of the window's half, up to which its greys are straight; project choice
OVER, ABOUT_PX = 2.5, 2.0  # how much of g^2 is taken away; sigma of E, pixels; project choices

Sampled = tuple[slice, slice]


@dataclass(frozen=True)
class Display:
    """Lengths are mm at the detector; densities are natural logarithms. Project choices, set by eye
    on pelves from a CT, from label maps and on the procedural one.

    `equalise` takes away that share of what is broader than `equalise_mm`, and the rest is bent to
    stay within +-`span`; `sharpen` adds that much of what is finer than `sharpen_mm` and stands out
    of the grain about it (`_enhanced`); of grain alone a share `grain` is left. What is more
    than `latitude` thinner than the median is burnt out (air beside the patient). The automatic
    window runs between the `low` and `high` percentiles of the middle of the field, each moved out
    from the median by a share `headroom`, so that a cannula does not set it; by hand it
    is moved by `level` and made `width` times as wide. `sharpen` is the edge enhancement. `flip` is
    left to right; `turns` are quarter turns clockwise, after it."""

    equalise: float = 0.75
    equalise_mm: float = 16.0
    span: float = 0.6
    sharpen: float = 1.2
    sharpen_mm: float = 0.9
    grain: float = 0.4
    latitude: float = 2.5
    low: float = 3.0
    high: float = 94.0
    headroom: float = 0.3
    level: float = 0.0
    width: float = 1.0
    invert: bool = False
    flip: bool = False
    turns: int = 0


MONITOR = Display()


def shown(
    signal: NDArray[np.float32],
    full: float,
    pixel_mm: float,
    display: Display = MONITOR,
    collimation: float = 1.0,
) -> NDArray[np.uint8]:
    """8-bit grey values (h, w) of a detector signal (h, w); `full` is the signal without patient.

    Values beyond the window are drawn together towards black and white (`KNEE`), as film does, so
    that what is thick or thin keeps some of its detail; what the collimator shuts out is black.
    Levels are read off about every hundredth of the picture's side. The picture is not yet flipped
    or turned."""
    size = len(signal)
    middle = _middle(size, collimation)
    floor = max(full * 1e-6, float(np.median(signal[middle])) * DARKEST)
    lowest = np.maximum(signal, np.float32(floor))
    density = -np.log(lowest / np.float32(full))
    thinnest = np.median(density[middle]) - display.latitude
    density = np.maximum(density, np.float32(thinnest))
    window = lit(size, collimation)
    if collimation < 1.0:
        density = _continued(density, window)
    offset, thick = _bent(density, middle, pixel_mm, display)
    density += offset
    low, high = _window(density[middle][thick], display)
    grey = _enhanced(density, lowest, middle, pixel_mm, display)
    grey = _toned((grey - np.float32(0.5 * (low + high))) * np.float32(2.0 / (high - low)))
    if not display.invert:
        grey = -grey
    out = np.zeros(grey.shape, np.uint8)
    out[window, window] = np.rint((grey[window, window] + np.float32(1.0)) * np.float32(127.5))
    return out


def _toned(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture whose window is -1 to 1: straight up to `KNEE`, from there bent to stay in it."""
    knee, rest = np.float32(KNEE), np.float32(1.0 - KNEE)
    inside = np.clip(grey, -knee, knee)
    beyond = (grey - inside) / rest
    return np.asarray(inside + rest * beyond / (np.float32(1.0) + np.abs(beyond)), np.float32)


def _bent(
    density: NDArray[np.float32], middle: Sampled, pixel_mm: float, display: Display
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What to add so that the broad part of a picture is bent to `display.span` about 0; and where
    in its middle it is not nearly burnt out."""
    sigma = display.equalise_mm / pixel_mm
    step = step_for(len(density), sigma)
    broad = spread(reduced(density, step), sigma / step)
    sampled = enlarged(broad, step)[middle]
    median = np.median(sampled)
    slope = (1.0 - display.equalise) / display.span
    bent = display.span * np.tanh(slope * (broad - median)) - (broad - median)
    offset = enlarged(bent.astype(np.float32), step) - np.float32(median)
    return offset, sampled > median - NEAR


def _enhanced(
    density: NDArray[np.float32],
    signal: NDArray[np.float32],
    middle: Sampled,
    pixel_mm: float,
    display: Display,
) -> NDArray[np.float32]:
    """Edges enhanced, grain quenched: what is fine has a share of its variance about a place from
    the picture itself, 1 - c g^2 / E (Lee, IEEE Trans. PAMI 2 (1980) 165), and is made stronger by
    `sharpen` as far as that share goes.

    E is the mean square of the fine part over some pixels, g^2 the grain's. The grain of quanta in
    a logarithm is as the inverse of the signal s, the panel's own as its square: together as
    (1 + e / s) / s. How strong it is is read off the middle of the field."""
    fine = density - blurred(density, display.sharpen_mm / pixel_mm)
    smooth = blurred(signal, ABOUT_PX)
    shape = (np.float32(1.0) + np.float32(PANEL_KEV) / smooth) / smooth
    usual = float(np.median(fine[middle] ** 2 / shape[middle]))  # of grain alone the same, about
    noise = np.float32(OVER * 1.4826**2 * usual) * shape
    energy = blurred(fine * fine, ABOUT_PX) + np.float32(1e-12)
    share = np.maximum(np.float32(1.0) - noise / energy, np.float32(0.0))
    left = np.float32(display.grain)
    strength = left + share * np.float32(1.0 + display.sharpen - display.grain)
    return np.asarray(density + fine * (strength - np.float32(1.0)), np.float32)


def _window(density: NDArray[np.float32], display: Display) -> tuple[float, float]:
    """Densities shown as the two ends of the grey scale."""
    low, middle, high = np.percentile(density, [display.low, 50.0, display.high])
    low = middle - (1.0 + display.headroom) * (middle - low)
    high = middle + (1.0 + display.headroom) * (high - middle)
    centre = 0.5 * (low + high) + display.level
    half = 0.5 * max(high - low, 1e-3) * display.width
    return float(centre - half), float(centre + half)


def _continued(density: NDArray[np.float32], window: slice) -> NDArray[np.float32]:
    """A picture whose edge outside the collimator's window repeats the window's."""
    inside = np.arange(len(density)).clip(window.start, window.stop - 1)
    return density[np.ix_(inside, inside)]


def _middle(size: int, collimation: float) -> Sampled:
    """The pixels that levels are read off: of the open field's middle, every few."""
    edge = round(size * (0.5 - collimation * (0.5 - 1.0 / MARGIN)))
    pick = slice(edge, size - edge, max(1, round(collimation * size / SAMPLES)))
    return pick, pick


def oriented(pixels: NDArray[np.uint8], display: Display) -> NDArray[np.uint8]:
    """A picture flipped left to right, then turned clockwise, as `display` asks."""
    flipped = pixels[:, ::-1] if display.flip else pixels
    return np.ascontiguousarray(np.rot90(flipped, -display.turns))


def side_letters(
    geometry: Projection, axes: FloatArray, display: Display | None = None
) -> tuple[str, str]:
    """What lies to the left and right edge of the picture as shown: L and R of the patient where
    the beam is frontal, A and P where it is lateral, H and F (head, feet) where it is turned on
    its side; `axes` (3, 3) as in `Anatomy`."""
    chosen = display or MONITOR
    across, down = np.array(geometry.right), np.array(geometry.down)
    across = -across if chosen.flip else across
    for _ in range(chosen.turns % 4):
        across, down = -down, across
    return towards(-across, axes), towards(across, axes)


def towards(direction: FloatArray, axes: FloatArray) -> str:
    """The letter of the side of the patient that an LPS direction (3,) points to most: L, R, A, P,
    H or F; `axes` (3, 3) as in `Anatomy`."""
    own = axes @ direction
    largest = int(np.argmax(np.abs(own) - np.array([0.0, 1e-9, 2e-9])))
    names = (("R", "L"), ("A", "P"), ("F", "H"))[largest]
    return names[1] if own[largest] > 0 else names[0]


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
