"""How deep the first posterior sacral foramen is, and how it slants, as axial slices show it.

Kim et al. 2023 (doi 10.3344/kjp.22227) took on axial CT the length from the dorsal sacral surface
to the epidural space of the S1 dorsal foramen, and the foramen's angle to the sagittal line. Here,
in an axial slice where the foramen is open and so parts the lamina from the rest of the bone: the
dorsal surface is the line that touches lamina and lateral mass from behind; the foramen's middle
is as far from the one as from the other; and the epidural space is the largest circle that is free
in front of the lamina's foot. The straight line from surface to circle is the foramen, and the
medians of all such slices are its depth and angle. The publication does not say which slice it
took. 16 real sacra, measured so on both sides, have 10.0+-2.2 mm and 24.7+-4.5 degrees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label, map_coordinates

from game.geometry.grid import FloatArray

STEP_MM = 0.5  # in a slice; project choice
SLICES_MM = np.arange(-14.0, 6.0)  # that are looked at, from the opening up
ASIDE_MM, BEFORE_MM, BEHIND_MM = 46.0, 30.0, 16.0  # what of a slice is looked at
WIDEST_MM = 16.0  # from the opening to what still belongs to its walls; project choice
FOOT_MM = 3.0  # medial of the lamina's foot, the epidural space begins at most; project choice
AHEAD_MM = 14.0  # and so far in front of it; project choice

Mask = NDArray[np.bool_]


def channel(
    depth: Callable[[FloatArray], FloatArray],
    foot: FloatArray,
    aside: float,
    lateral: FloatArray,
    up: FloatArray,
) -> tuple[float, float] | None:
    """Length, mm, and angle to the sagittal plane, degrees (positive: deep end medial), of the S1
    posterior foramen; None where no slice shows it open to the canal.

    `depth` is the signed distance (...,) to the sacrum at LPS points (..., 3); `foot` (3,) lies in
    the midline beside the opening's middle, which is `aside` mm to the side that `lateral` (3,)
    points to; `up` (3,) is the axial slices' normal."""
    behind = np.cross(up, lateral)
    behind *= np.sign(behind[1])  # LPS: y is posterior
    x = np.arange(0.0, ASIDE_MM, STEP_MM)
    y = np.arange(BEHIND_MM, -BEFORE_MM, -STEP_MM)
    slices = foot + x[:, None, None] * lateral + y[:, None] * behind
    lines = [_line(depth(slices + z * up) < 0, aside) for z in SLICES_MM]
    ways = np.array([line[0] - line[1] for line in lines if line is not None])
    if not len(ways):
        return None
    lengths, angles = np.hypot(*ways.T), np.degrees(np.arctan2(*ways.T))
    return float(np.median(lengths)), float(np.median(angles))


def _line(bone: Mask, aside: float) -> FloatArray | None:
    """Both ends (2, 2) of the foramen's middle line, mm aside and behind, dorsal first; None where
    it is not open. `bone` (x, y) runs from the midline aside and from the back forwards."""
    parts, count = label(bone)
    medial = np.flatnonzero(parts[0])
    if count < 2 or not len(medial):
        return None
    lamina = parts == parts[0, medial[0]]
    near = np.abs(np.arange(len(bone)) * STEP_MM - aside) <= WIDEST_MM
    ours = _places(lamina & near[:, None])
    if not len(ours):
        return None
    tip = ours[ours[:, 1] == ours[:, 1].min()].max(axis=0)
    mass = _places(bone & ~lamina & near[:, None])
    mass = mass[(mass[:, 0] > tip[0]) & (mass[:, 1] >= tip[1])]
    if not len(mass):
        return None
    surface = _tangent(_backs(ours), _backs(mass))
    circle = _space(bone, near, tip, float(surface[1, 0]))
    return _between(_nearer(lamina, bone & ~lamina), surface, circle)


def _places(mask: Mask) -> FloatArray:
    """Places (n, 2), mm, of a slice's true pixels."""
    at = np.argwhere(mask) * STEP_MM
    return np.column_stack((at[:, 0], BEHIND_MM - at[:, 1]))


def _backs(places: FloatArray) -> FloatArray:
    """Of places (n, 2) the furthest behind at each x."""
    order = np.lexsort((-places[:, 1], places[:, 0]))
    ranked = places[order]
    return ranked[np.append(True, np.diff(ranked[:, 0]) > 0)]


def _tangent(medial: FloatArray, lateral: FloatArray) -> FloatArray:
    """Both ends (2, 2) of the line that touches two outlines (n, 2) from behind."""
    i, j = int(medial[:, 1].argmax()), -1
    while True:
        before = i, j
        j = int(_slopes(medial[i], lateral, -np.inf).argmax())
        i = int(_slopes(lateral[j], medial, np.inf).argmin())
        if (i, j) == before:
            return np.array([medial[i], lateral[j]])


def _slopes(start: FloatArray, places: FloatArray, none: float) -> FloatArray:
    """Of the lines from one place (2,) to others (n, 2) on the side where most of them lie; `none`
    for those that lie on its other side."""
    off = places - start
    side = np.sign(np.median(off[:, 0]))
    beyond = side * off[:, 0] > 0
    slope = off[:, 1] / np.where(beyond, off[:, 0], 1.0)
    return np.where(beyond, slope, none)


def _space(bone: Mask, near: Mask, foot: FloatArray, lateral: float) -> tuple[FloatArray, float]:
    """Middle (2,) and radius, mm, of the largest free circle in front of the lamina's foot (2,) and
    medial of the `lateral` end of the dorsal surface."""
    x = (np.arange(bone.shape[0]) * STEP_MM)[:, None]
    y = BEHIND_MM - np.arange(bone.shape[1]) * STEP_MM
    here = (y <= foot[1]) & (y > foot[1] - AHEAD_MM) & (x < lateral) & (x >= foot[0] - FOOT_MM)
    free = distance_transform_edt(np.pad(~bone, 1, mode="edge"))[1:-1, 1:-1] * STEP_MM
    free[~(here & near[:, None])] = 0.0
    i, j = np.unravel_index(int(free.argmax()), free.shape)
    return np.array([x[i, 0], y[j]]), float(free[i, j])


def _nearer(lamina: Mask, mass: Mask) -> FloatArray:
    """How much further from the lamina than from the rest of the bone a slice's pixels are, mm."""
    return np.asarray(
        (distance_transform_edt(~lamina) - distance_transform_edt(~mass)) * STEP_MM, float
    )


def _between(
    nearer: FloatArray, surface: FloatArray, circle: tuple[FloatArray, float]
) -> FloatArray | None:
    """Where the middle line crosses the dorsal surface (2, 2) and the circle, on the side that the
    surface is; None where it does not."""
    chord = surface[0] + np.linspace(0.0, 1.0, 101)[:, None] * (surface[1] - surface[0])
    start = chord[np.argmin(np.abs(_read(nearer, chord)))]
    turn = np.radians(np.arange(-60.0, 121.0))  # from straight behind, towards the side
    around = circle[0] + circle[1] * np.column_stack((np.sin(turn), np.cos(turn)))
    sign = np.sign(_read(nearer, around))
    crossed = around[np.flatnonzero(sign[1:] != sign[:-1])]
    if not len(crossed):
        return None
    return np.array([start, crossed[np.argmin(np.linalg.norm(crossed - start, axis=1))]])


def _read(image: FloatArray, places: FloatArray) -> FloatArray:
    """A slice's values at places (n, 2)."""
    at = [places[:, 0] / STEP_MM, (BEHIND_MM - places[:, 1]) / STEP_MM]
    return np.asarray(map_coordinates(image, at, order=1, mode="nearest"))
