"""From a detector signal to the monitor: logarithm, contrast, window and level, side markers.

Bone, metal and cement are dark on a bright field, as a C-arm's monitor shows live fluoroscopy and
as the technique's own papers print it; `invert` gives the radiograph's white bone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from game.fluoroscopy.blur import blur_rows, enlarged, reduced, spread, step_for, taps
from game.fluoroscopy.detector import ELECTRONIC_KEV_MM
from game.fluoroscopy.field import lit
from game.fluoroscopy.rows import over_rows
from game.geometry.carm import Projection
from game.geometry.grid import FloatArray

MARGIN = 8  # the automatic level leaves out 1/8 of the side all around; project choice

SAMPLES = 192  # about so many samples along a side set the levels; project choice
NEAR = 1.8  # the automatic level looks at what is no thinner than this below the median; same

PANEL_KEV = ELECTRONIC_KEV_MM**2 / 60.0  # keV/mm2 where the panel's grain is as that of 60 keV
DARKEST = 0.02  # of the median signal: what is behind more is black anyway; project choice
KNEE = 0.75  # of the window's half, up to which its greys are straight; project choice
_KNEE, _REST = np.float32(KNEE), np.float32(1.0 - KNEE)
_NONE, _ONE, _HALF_WHITE = np.float32(0.0), np.float32(1.0), np.float32(127.5)
_LEAST = np.float32(1e-12)  # so that nothing fine is a share of 0, not of nothing
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
    middle, window = _middle(size, collimation), lit(size, collimation)
    floor = max(full * 1e-6, float(np.median(signal[middle])) * DARKEST)
    density, lowest = _logarithm(signal, full, floor)
    thinnest = np.float32(np.median(density[middle]) - display.latitude)
    np.maximum(density, thinnest, out=density)
    if collimation < 1.0:
        density = _continued(density, window)
    thick = _bend(density, middle, pixel_mm, display)
    levels = _window(density[middle][thick], display)
    grey = _enhanced(density, lowest, middle, pixel_mm, display, levels)
    for closed in (slice(0, window.start), slice(window.stop, None)):
        grey[closed] = grey[:, closed] = 0
    return grey


def _logarithm(
    signal: NDArray[np.float32], full: float, floor: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """-log(signal / full) of a signal held above `floor`, and that signal."""
    density, lowest = np.empty_like(signal), np.empty_like(signal)

    def rows(begin: int, end: int) -> None:
        band = density[begin:end]
        held = np.maximum(signal[begin:end], np.float32(floor), out=lowest[begin:end])
        np.log(np.divide(held, np.float32(full), out=band), out=band)
        np.negative(band, out=band)

    over_rows(rows, len(signal))
    return density, lowest


def _bend(
    density: NDArray[np.float32], middle: Sampled, pixel_mm: float, display: Display
) -> NDArray[np.bool_]:
    """Bends the broad part of a picture to `display.span` about 0, and tells where in its middle
    it is not nearly burnt out."""
    sigma = display.equalise_mm / pixel_mm
    step = step_for(len(density), sigma)
    broad = spread(reduced(density, step), sigma / step)
    sampled = enlarged(broad, step)[middle]
    median = np.median(sampled)
    slope = (1.0 - display.equalise) / display.span
    bent = display.span * np.tanh(slope * (broad - median)) - (broad - median)
    offset = enlarged(bent.astype(np.float32), step)
    offset -= np.float32(median)
    density += offset
    return np.asarray(sampled > median - NEAR)


def _enhanced(
    density: NDArray[np.float32],
    signal: NDArray[np.float32],
    middle: Sampled,
    pixel_mm: float,
    display: Display,
    levels: tuple[float, float],
) -> NDArray[np.uint8]:
    """Greys between two `levels`, edges enhanced, grain quenched: what is fine has a share of its
    variance about a place from the picture itself, 1 - c g^2 / E (Lee, IEEE Trans. PAMI 2 (1980)
    165), and is made stronger by `sharpen` as far as that share goes.

    E is the mean square of the fine part over some pixels, g^2 the grain's. The grain of quanta in
    a logarithm is as the inverse of the signal s, the panel's own as its square: together as
    (1 + e / s) / s. How strong it is is read off the middle of the field."""
    fine, shape = _fine(density, signal, display.sharpen_mm / pixel_mm)
    squared = fine * fine
    usual = float(np.median(squared[middle] / shape[middle]))  # of grain alone the same, about
    grain = OVER * 1.4826**2 * usual
    gained = 1.0 + display.sharpen - display.grain
    low, high = levels
    scale, sign = 2.0 / (high - low), 1.0 if display.invert else -1.0
    parts = grain, display.grain, gained, 0.5 * (low + high), scale, sign
    how, about = tuple(np.float32(part) for part in parts), taps(ABOUT_PX)
    energy, out = np.empty_like(fine), np.empty(density.shape, np.uint8)

    def rows(begin: int, end: int) -> None:
        band = slice(begin, end)
        blur_rows(squared, about, begin, end, energy)
        _greys(density[band], fine[band], shape[band], energy[band], how, out[band])

    over_rows(rows, len(out))
    return out


def _fine(
    density: NDArray[np.float32], signal: NDArray[np.float32], sigma: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What is finer than `sigma` pixels in a picture, and how the grain's variance goes there."""
    short, about = taps(sigma), taps(ABOUT_PX)
    fine, shape = np.empty_like(density), np.empty_like(density)

    def rows(begin: int, end: int) -> None:
        band, one = slice(begin, end), np.float32(1.0)
        blur_rows(density, short, begin, end, fine)
        np.subtract(density[band], fine[band], out=fine[band])
        blur_rows(signal, about, begin, end, shape)
        np.divide(one + np.float32(PANEL_KEV) / shape[band], shape[band], out=shape[band])

    over_rows(rows, len(density))
    return fine, shape


@njit(nogil=True, cache=True, error_model="numpy")
def _greys(density, fine, shape, energy, how, out):  # type: ignore[no-untyped-def]
    """Strengthens what is fine, sets the window to -1 to 1, straight up to `KNEE` and from there
    bent to stay in it, and makes greys of it."""
    grain, left, gained, centre, scale, sign = how
    for row in range(out.shape[0]):
        for n in range(out.shape[1]):
            share = max(_ONE - grain * shape[row, n] / (energy[row, n] + _LEAST), _NONE)
            strength = left + share * gained
            grey = density[row, n] + fine[row, n] * (strength - _ONE)
            grey = (grey - centre) * scale
            inside = min(max(grey, -_KNEE), _KNEE)
            beyond = (grey - inside) / _REST
            grey = sign * (inside + _REST * beyond / (_ONE + abs(beyond)))
            out[row, n] = np.uint8(np.rint((grey + _ONE) * _HALF_WHITE))


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
    size = max(12, len(pixels) // 20)
    out = pixels.copy()
    for letter, left in zip(letters, (0, pixels.shape[1] - 2 * size), strict=True):
        tile, (x, y) = _tile(letter, size)
        out[y : y + len(tile), left + x : left + x + tile.shape[1]] = tile
    return out


@lru_cache(maxsize=32)
def _tile(letter: str, size: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A tile with its letter, read-only, and how far right and down it lies in its corner of a
    picture."""
    image, half = Image.new("L", (2 * size, 2 * size)), 0.65 * size
    draw, box = ImageDraw.Draw(image), (size - half, size - half, size + half, size + half)
    draw.rectangle(box, fill=255)
    x, y, right, bottom = image.getbbox() or (0, 0, 0, 0)
    draw.rectangle(box, fill=255, outline=0)
    draw.text((size, size), letter, fill=0, font=ImageFont.load_default(size), anchor="mm")
    tile = np.array(image)[y:bottom, x:right]
    tile.flags.writeable = False
    return tile, (x, y)
