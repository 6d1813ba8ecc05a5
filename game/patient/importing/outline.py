"""A body's outline where the source shows bones only: drawn, not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image

from game.geometry.grid import Point
from game.patient.patient import Structure

AROUND_MM = 35.0  # of soft tissue on the bones' hull: skin to sacrum 22-58 mm [M], facts/anatomy.md
_SLAB_MM = 40.0  # bones this far above and below a slice belong to its hull; project choice
_STEP_MM = 4.0  # the outline is drawn at about this step


def drawn_body(
    codes: NDArray[np.uint8], spacing: Point, origin: Point
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], Point]:
    """`codes` [x, y, z] of bones on a grid with room for a body, that body, and the new grid's
    origin: in each slice the convex hull of the bones near it and AROUND_MM more."""
    room = [int(np.ceil((AROUND_MM + 2 * _STEP_MM) / s)) for s in spacing[:2]]
    wide = np.pad(codes, ((room[0], room[0]), (room[1], room[1]), (0, 0)))
    skip = [max(1, round(_STEP_MM / s)) for s in spacing]
    thin = (wide != Structure.AIR)[:: skip[0], :: skip[1], :: skip[2]]
    steps = [s * k for s, k in zip(spacing, skip, strict=True)]
    slab = 2 * int(_SLAB_MM / steps[2]) + 1
    near = ndimage.maximum_filter1d(thin.astype(np.uint8), slab, axis=2) > 0
    body = np.zeros(thin.shape, bool)
    for k in range(thin.shape[2]):
        if near[:, :, k].sum() > 3:
            hull = convex_hull_image(near[:, :, k])
            away = ndimage.distance_transform_edt(~hull, sampling=steps[:2])
            body[:, :, k] = away <= AROUND_MM
    for axis, k in enumerate(skip):
        body = body.repeat(k, axis)
    x, y = (o - n * s for o, n, s in zip(origin[:2], room, spacing[:2], strict=True))
    return wide, body[tuple(slice(n) for n in wide.shape)], (float(x), float(y), origin[2])
