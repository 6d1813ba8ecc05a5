"""The image chain behind the area densities in plain NumPy, whole pictures at a time: the twin of
game/fluoroscopy/detector.py and display.py, which go by rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from game.devices.tube import Field
from game.fluoroscopy import detector, display
from game.fluoroscopy.blur import SIGMA, blurred, enlarged, reduced, spread, step_for
from game.fluoroscopy.detector import Detector
from game.fluoroscopy.display import Display
from game.fluoroscopy.field import lit, open_field
from game.fluoroscopy.rows import BAND
from game.fluoroscopy.scatter import pedestal
from game.geometry.carm import SOURCE_TO_ISOCENTRE_MM

Picture = NDArray[np.float32]


def detected(
    mean: Picture, variance: Picture, water_cm: Picture, pixel_mm: float, kvp: float,
    seed: tuple[int, ...], panel: Detector, beam: Field,
) -> Picture:  # fmt: skip
    size = len(mean)
    field, window = open_field(size, pixel_mm), lit(size, beam.collimation)
    primary = np.zeros_like(mean)
    primary[window, window] = panel.primary * (mean * field)[window, window]
    side = beam.side_mm(SOURCE_TO_ISOCENTRE_MM)
    over = pedestal(primary, water_cm, pixel_mm, kvp, side, panel.grid)
    photon = variance / np.maximum(mean, np.float32(1e-6))
    quanta = (primary + over) * photon * np.float32(1.0 / pixel_mm**2)
    quanta += np.float32((detector.ELECTRONIC_KEV_MM / pixel_mm) ** 2)
    noise = np.sqrt(quanta) * drawn(mean.shape, seed) * np.float32(panel.frames**-0.5)
    signal = blurred(primary, detector.FOCAL_FWHM_MM * SIGMA / pixel_mm) + over + noise
    signal = blurred(signal, detector.PANEL_FWHM_MM * SIGMA / pixel_mm)
    signal = np.maximum(signal, np.float32(0)) / field
    out = np.zeros(mean.shape, np.float32)
    out[window, window] = signal[window, window]
    return out


def drawn(shape: tuple[int, ...], seed: tuple[int, ...]) -> Picture:
    """Normal deviates, each band's from a sequence of its own."""
    made = []
    for number, begin in enumerate(range(0, shape[0], BAND)):
        generator = np.random.Generator(np.random.SFC64((*seed, number)))
        band = min(BAND, shape[0] - begin), shape[1]
        made.append(generator.standard_normal(band, dtype=np.float32))
    return np.concatenate(made)


def shown(
    signal: Picture, full: float, pixel_mm: float, look: Display, collimation: float
) -> NDArray[np.uint8]:
    size = len(signal)
    edge = round(size * (0.5 - collimation * (0.5 - 1.0 / display.MARGIN)))
    pick = slice(edge, size - edge, max(1, round(collimation * size / display.SAMPLES)))
    middle, window = (pick, pick), lit(size, collimation)
    floor = max(full * 1e-6, float(np.median(signal[middle])) * display.DARKEST)
    lowest = np.maximum(signal, np.float32(floor))
    density = -np.log(lowest / np.float32(full))
    thinnest = np.median(density[middle]) - look.latitude
    density = np.maximum(density, np.float32(thinnest))
    if collimation < 1.0:
        inside = np.arange(size).clip(window.start, window.stop - 1)
        density = density[np.ix_(inside, inside)]
    offset, thick = bent(density, middle, pixel_mm, look)
    density += offset
    low, mid, high = np.percentile(density[middle][thick], [look.low, 50.0, look.high])
    low = mid - (1.0 + look.headroom) * (mid - low)
    high = mid + (1.0 + look.headroom) * (high - mid)
    centre, half = 0.5 * (low + high) + look.level, 0.5 * max(high - low, 1e-3) * look.width
    low, high = float(centre - half), float(centre + half)
    grey = enhanced(density, lowest, middle, pixel_mm, look)
    grey = toned((grey - np.float32(0.5 * (low + high))) * np.float32(2.0 / (high - low)))
    grey = grey if look.invert else -grey
    out = np.zeros(grey.shape, np.uint8)
    out[window, window] = np.rint((grey[window, window] + np.float32(1.0)) * np.float32(127.5))
    return out


def bent(
    density: Picture, middle: tuple[slice, slice], pixel_mm: float, look: Display
) -> tuple[Picture, NDArray[np.bool_]]:
    sigma = look.equalise_mm / pixel_mm
    step = step_for(len(density), sigma)
    broad = spread(reduced(density, step), sigma / step)
    sampled = enlarged(broad, step)[middle]
    median = np.median(sampled)
    slope = (1.0 - look.equalise) / look.span
    bend = look.span * np.tanh(slope * (broad - median)) - (broad - median)
    offset = enlarged(bend.astype(np.float32), step) - np.float32(median)
    return offset, sampled > median - display.NEAR


def enhanced(
    density: Picture, signal: Picture, middle: tuple[slice, slice], pixel_mm: float, look: Display
) -> Picture:
    fine = density - blurred(density, look.sharpen_mm / pixel_mm)
    smooth = blurred(signal, display.ABOUT_PX)
    shape = (np.float32(1.0) + np.float32(display.PANEL_KEV) / smooth) / smooth
    usual = float(np.median(fine[middle] ** 2 / shape[middle]))
    noise = np.float32(display.OVER * 1.4826**2 * usual) * shape
    energy = blurred(fine * fine, display.ABOUT_PX) + np.float32(1e-12)
    share = np.maximum(np.float32(1.0) - noise / energy, np.float32(0.0))
    strength = np.float32(look.grain) + share * np.float32(1.0 + look.sharpen - look.grain)
    return np.asarray(density + fine * (strength - np.float32(1.0)), np.float32)


def toned(grey: Picture) -> Picture:
    knee, rest = np.float32(display.KNEE), np.float32(1.0 - display.KNEE)
    inside = np.clip(grey, -knee, knee)
    beyond = (grey - inside) / rest
    return np.asarray(inside + rest * beyond / (np.float32(1.0) + np.abs(beyond)), np.float32)


def marked(pixels: NDArray[np.uint8], letters: tuple[str, str]) -> NDArray[np.uint8]:
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    size = max(12, len(pixels) // 20)
    font = ImageFont.load_default(size)
    for letter, x in zip(letters, (size, pixels.shape[1] - size), strict=True):
        half = 0.65 * size
        draw.rectangle((x - half, size - half, x + half, size + half), fill=255, outline=0)
        draw.text((x, size), letter, fill=0, font=font, anchor="mm")
    return np.asarray(image)
