"""The soft body around the bones: skin, fat, muscle, and a little gas in the bowel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray
from game.patient.patient import Structure
from game.patient.procedural.bent import Bent
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.solids import Array, profile, relief

DEPTH = ((0.2, 45.0), (0.4, 34.0), (0.6, 28.0))  # share of sacral height, skin to sacrum at
# x = 25 mm: 38-58, 25-37, 22-31 mm [M]
HALF_WIDTH = (  # z, x (form)
    (-260.0, 178.0), (-110.0, 184.0), (-40.0, 178.0), (40.0, 160.0), (120.0, 146.0),
)  # fmt: skip
FRONT = (  # z, y (form): flattened by lying prone
    (-260.0, -112.0), (-150.0, -108.0), (-80.0, -128.0), (20.0, -142.0), (120.0, -138.0),
)  # fmt: skip
SKIN = 2.0  # mm (form)
FAT = ((-180.0, 30.0), (-60.0, 18.0), (120.0, 16.0))  # subcutaneous, mm, over z (form)
GAS = (  # centre, radii, mm: rectum and sigmoid, caecum, left colon (form)
    ((6.0, 18.0, -78.0), (11.0, 9.0, 17.0)),
    ((-82.0, -70.0, 14.0), (20.0, 16.0, 26.0)),
    ((88.0, -62.0, 20.0), (13.0, 13.0, 24.0)),
    ((-14.0, -92.0, -12.0), (24.0, 11.0, 13.0)),
)


def soft_body(
    parameters: Parameters, bent: Bent, x: Array, y: Array, z: Array
) -> NDArray[np.uint8]:
    """`Structure` codes (n, m, l) of the body without bones on axes x, y, z, mm."""
    depth = _under_skin(parameters, bent, x, y, z)
    fat = profile(*zip(*FAT, strict=True))(z)[None, None, :]
    codes = np.full(depth.shape, Structure.AIR, np.uint8)
    codes[depth > 0] = Structure.SKIN
    codes[depth > SKIN] = Structure.FAT
    codes[depth > SKIN + fat] = Structure.MUSCLE
    codes[_pelvic_fat(x, y, z) & (depth > SKIN)] = Structure.FAT
    for centre, radii in GAS:
        _fill_ellipsoid(codes, x, y, z, centre, radii, Structure.GAS)
    return codes


def _under_skin(parameters: Parameters, bent: Bent, x: Array, y: Array, z: Array) -> Array:
    """About how deep below the skin (n, m, l) every voxel lies, mm; negative outside."""
    half = profile(*zip(*HALF_WIDTH, strict=True))(z)
    front = profile(*zip(*FRONT, strict=True))(z)
    back = profile(*back_line(parameters, bent))(z)
    middle, deep = 0.5 * (front + back), 0.5 * (back - front)
    across = np.abs(x)[:, None] / half[None, :]
    bulge = 10.0 * np.exp(-(((across - 0.45) / 0.22) ** 2)) * _seat(z)[None, :]
    along = (y[:, None] - middle[None, :]) / deep[None, :]
    lift = (along[None] > 0) * (bulge / deep[None, :])[:, None, :]
    level = (across[:, None, :] ** 2.6 + (np.abs(along)[None] / (1.0 + lift)) ** 2.6) ** (1 / 2.6)
    return np.asarray((1.0 - level) * deep[None, None, :], np.float32)


def _seat(z: Array) -> Array:
    """Where the buttocks stand out: 1 at their height, 0 at the loin."""
    return np.asarray(np.exp(-(((z + 100.0) / 70.0) ** 2)), np.float32)


def back_line(parameters: Parameters, bent: Bent) -> tuple[list[float], list[float]]:
    """Heights z and the skin's y beside the midline of the back, by the measured depths."""
    dorsal = relief(parameters.dorsal_x, parameters.dorsal_s, parameters.dorsal)
    s = np.arange(-4.0, parameters.end_s, 0.5)
    behind = dorsal(np.full(len(s), 25.0, np.float32), s.astype(np.float32))
    surface = np.array(
        [bent.point(25.0, float(p), float(t)) for p, t in zip(behind, s, strict=True)]
    )
    bottom = float(bent.point(0.0, 0.0, parameters.end_s)[2])  # the endplate's centre is at 0
    heights = [share * bottom for share, _ in reversed(DEPTH)]
    skin = [_surface_y(surface, share * bottom) + depth for share, depth in reversed(DEPTH)]
    seat = [skin[0] - 22.0, skin[0] - 2.0, skin[0] + 3.0]  # thighs, fold, buttocks (form)
    loin = [skin[-1] - 4.0, skin[-1] - 3.0]  # form
    return [-260.0, -160.0, bottom - 20.0, *heights, 60.0, 120.0], [*seat, *skin, *loin]


def _surface_y(surface: FloatArray, z: float) -> float:
    return float(surface[np.argmin(np.abs(surface[:, 2] - z)), 1])


def _pelvic_fat(x: Array, y: Array, z: Array) -> NDArray[np.bool_]:
    """The fat before the sacrum and around the bowel, as one ellipsoid (form)."""
    level = ((x[:, None, None]) / 46.0) ** 2 + ((y[None, :, None] + 22.0) / 44.0) ** 2
    level = level + ((z[None, None, :] + 55.0) / 60.0) ** 2
    return np.asarray(level < 1.0)


def _fill_ellipsoid(
    codes: NDArray[np.uint8],
    x: Array,
    y: Array,
    z: Array,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    code: Structure,
) -> None:
    axes = [
        np.flatnonzero(np.abs(axis - c) <= r)
        for axis, c, r in zip((x, y, z), centre, radii, strict=True)
    ]
    where = np.ix_(*axes)
    x2, y2, z2 = (
        ((axis[i] - c) / r) ** 2
        for axis, i, c, r in zip((x, y, z), axes, centre, radii, strict=True)
    )
    inside = x2[:, None, None] + y2[None, :, None] + z2[None, None, :] < 1
    codes[where] = np.where(inside & (codes[where] != Structure.AIR), code, codes[where])
