"""The crushed bone beside a fracture, as a CT shows it: a band denser or less dense, a thin gap.

On CT: a vertical sclerotic band or lucent line, with a break of the anterior cortex ([U],
facts/anatomy.md). How dense the band is, is drawn for each fracture (`Fracture.crush_hu`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import Fracture

GAP_HU = 30.0  # what fills the gap: oedema and blood; textbook value, not validated


def crushed(fractures: Iterable[Fracture], points: FloatArray) -> FloatArray:
    """The change of HU (n,) that crushing makes at LPS points (n, 3): `crush_hu` on a sheet,
    falling as a cosine to 0 at `crush_mm`; of several sheets the greatest."""
    change = np.zeros(len(points))
    for fracture in fractures:
        gap = fracture.tree.query(points, distance_upper_bound=fracture.crush_mm)[0]
        share = 0.5 + 0.5 * np.cos(np.pi * np.minimum(gap / fracture.crush_mm, 1.0))
        own = fracture.crush_hu * share
        change = np.where(np.abs(own) > np.abs(change), own, change)
    return change


def gap_share(fractures: Iterable[Fracture], points: FloatArray, width: float) -> FloatArray:
    """How much of a voxel of `width` mm at each LPS point (n, 3) the gaps fill, 0 to 1 (n,)."""
    share = np.zeros(len(points))
    for fracture in fractures:
        reach = 0.5 * (float(fracture.apertures.max()) + width)
        away = fracture.tree.query(points, distance_upper_bound=reach)[0]
        near = np.isfinite(away)
        away, half = away[near], 0.5 * fracture.aperture_at(points[near])
        overlap = np.minimum(half, away + 0.5 * width) - np.maximum(-half, away - 0.5 * width)
        share[near] = np.maximum(share[near], np.clip(overlap / width, 0.0, 1.0))
    return share


def crushed_hounsfield(
    hounsfield: NDArray[np.int16],
    body: Grid,
    sacrum: NDArray[np.bool_],
    fractures: Iterable[Fracture],
) -> NDArray[np.int16]:
    """`hounsfield` [x, y, z] with the fractures drawn into the `sacrum` (a mask of the same
    shape): the band of crushed bone, and the gap in marrow and cortex."""
    sheets = list(fractures)
    if not sheets:
        return hounsfield
    reach = max(f.crush_mm for f in sheets)
    index = body.index_from_point(np.concatenate([f.points for f in sheets]))
    low = np.maximum(np.floor(index.min(axis=0) - reach / body.spacing), 0).astype(int)
    high = np.ceil(index.max(axis=0) + reach / body.spacing).astype(int) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    near = np.argwhere(sacrum[box]) + low
    points = body.point_from_index(near.astype(float))
    close = np.zeros(len(points), bool)
    for f in sheets:
        close |= np.isfinite(f.tree.query(points, distance_upper_bound=f.crush_mm)[0])
    near, points = near[close], points[close]
    made = hounsfield.copy()
    at = tuple(near.T)
    value = made[at] + crushed(sheets, points)
    share = gap_share(sheets, points, body.spacing)
    made[at] = np.rint(value + share * (GAP_HU - value)).astype(np.int16)
    return made
