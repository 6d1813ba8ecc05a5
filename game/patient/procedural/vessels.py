"""The great vessels of the pelvis, and the lime in their walls.

Aorta and vena cava before L4, common, external and internal iliac vessels along the brim; courses
and calibres are textbook anatomy hung on the bones: form, not validated. Lime lies in patches of
the arteries' walls, as tram-lines on an X-ray.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.geometry.grid import FloatArray
from game.patient.patient import Structure
from game.patient.procedural.bearings import Bearings, Site
from game.patient.procedural.solids import Array
from game.patient.procedural.tubes import curve, empty, put_tube

PLAQUE_MM = 1.8  # thickness of a plaque; form
COVERED = 0.15  # plaques are where the noise is above this: about two fifths of the wall; form

Line = tuple[FloatArray, FloatArray]


def arteries(at: Bearings, site: Site) -> list[Line]:
    """Lines (n, 3), mm from the midline, and radii (n,)."""
    y, fork = at.spine_front_y - 9.0, at.endplate_z + 50.0
    made = [_line(((6.0, y - 2.0, fork + 60.0), (4.0, y, fork + 30.0), (2.0, y, fork)), 8.5, 7.5)]
    for side in (1.0, -1.0):
        brim = (side * 42.0, _front(at, site, 0.12) - 16.0, at.endplate_z - 8.0)
        made.append(_line(((2.0, y, fork), (side * 18.0, y + 2.0, fork - 26.0), brim), 5.8, 5.2))
        head = at.head
        made.append(_line((
            brim, (side * 56.0, brim[1] - 24.0, brim[2] - 28.0),
            (side * (head[0] - 22.0), head[1] - 30.0, head[2] + 34.0),
            (side * (head[0] - 14.0), head[1] - 40.0, head[2]),
            (side * (head[0] - 12.0), head[1] - 36.0, head[2] - 80.0),
        ), 4.6, 3.8))  # fmt: skip
        made.append(_line((
            brim, (side * 46.0, _front(at, site, 0.3) - 14.0, at.height(0.3)),
            (side * 50.0, _front(at, site, 0.5) - 16.0, at.height(0.55)),
        ), 3.4, 2.6))  # fmt: skip
    return made


def _line(points: tuple[tuple[float, float, float], ...], first: float, last: float) -> Line:
    line = curve(points)
    return line, np.linspace(first, last, len(line))


def _front(at: Bearings, site: Site, share: float) -> float:
    return float(np.interp(at.height(share), site.z, at.front))


def vessels(lines: list[Line], site: Site) -> Array:
    """The level (n, m, l) of arteries and of the veins behind them, to the right."""
    level = empty(site)
    for line, radii in lines:
        put_tube(level, site, line, radii)
        put_tube(level, site, line + np.array([-7.0, 8.0, -4.0]), 1.25 * radii)
    return level


def calcify(
    codes: NDArray[np.uint8],
    lines: list[Line],
    low: FloatArray,
    mm: float,
    noise: NDArray[np.float32],
) -> None:
    """Writes plaques into fat and muscle of `codes` [x, y, z] of `mm` voxels, whose first lies at
    `low` (3,), mm from the midline; `noise` (n, n, n) says where, repeated."""
    for line, radii in lines:
        fine = curve(line, 1.0)
        wide = np.interp(np.linspace(0, 1, len(fine)), np.linspace(0, 1, len(radii)), radii)
        _plaques(codes, fine, wide, np.asarray(low, float), mm, noise,
                 int(Structure.CALCIFICATION))  # fmt: skip


@njit(nogil=True, cache=True)
def _plaques(codes, line, radii, low, mm, noise, lime):  # type: ignore[no-untyped-def]
    """Where the wall, nearest point by nearest point of a line 1 mm apart, is under a patch."""
    side = noise.shape[0]
    for m in range(len(line) - 1):
        along = line[m + 1] - line[m]
        along = along / np.sqrt((along * along).sum())
        wide = radii[m] + 2.0
        i0, j0, k0 = ((line[m] - wide - low) / mm).astype(np.int64)
        i1, j1, k1 = ((line[m] + wide - low) / mm).astype(np.int64) + 1
        for i in range(max(i0, 0), min(i1 + 1, codes.shape[0])):
            for j in range(max(j0, 0), min(j1 + 1, codes.shape[1])):
                for k in range(max(k0, 0), min(k1 + 1, codes.shape[2])):
                    gx = low[0] + mm * i - line[m, 0]
                    gy = low[1] + mm * j - line[m, 1]
                    gz = low[2] + mm * k - line[m, 2]
                    on = gx * along[0] + gy * along[1] + gz * along[2]
                    if abs(on) > 0.5 + 0.5 * mm:
                        continue
                    far = np.sqrt(max(gx * gx + gy * gy + gz * gz - on * on, 0.0))
                    if abs(far - radii[m]) > 0.5 * PLAQUE_MM:
                        continue
                    patch = noise[i % side, j % side, k % side]
                    if patch > COVERED and (codes[i, j, k] == 2 or codes[i, j, k] == 3):
                        codes[i, j, k] = lime
