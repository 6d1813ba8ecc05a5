"""How thick the cortex is: 0.5-2 mm (facts/anatomy.md, unverified), which no 3 mm scan resolves.

So the field is drawn, not measured, the same for every import: one thickness for each side of the
sacrum, smoothed where they meet. Marked assumed in the patient.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import Grid
from game.patient.patient import Region

# mm, within the facts' 0.5-2 mm and thin, as an insufficiency fracture's bone is; the order is a
# project choice: subchondral and dorsal bone thick, foramen walls and the ala's top thin.
THICKNESS_MM: Mapping[Region, float] = {
    Region.CANAL: 0.7,
    Region.SI_JOINT_LEFT: 1.3,
    Region.SI_JOINT_RIGHT: 1.3,
    Region.DISC: 1.0,
    Region.CEPHALAD: 0.8,
    Region.PRESACRAL: 1.0,
    Region.DORSAL: 1.2,
    Region.LATERAL: 1.0,
} | {Region(code): 0.6 for code in range(Region.FORAMEN_S1_LEFT, Region.FORAMEN_S4_RIGHT + 1)}
OTHER_BONES_MM = 1.2  # hip bones, spine and femora; project choice within the same 0.5-2 mm
_BLEND_MM = 3.0  # width (sigma) of the seams between sides


def cortex_of(region: NDArray[np.uint8], grid: Grid) -> NDArray[np.float32]:
    """Cortical thickness, mm, of the nearest bone surface, on the bone grid [x, y, z].

    Made at every second voxel and read between: the field is smooth over 3 mm."""
    thin = region[::2, ::2, ::2]
    table = np.array([THICKNESS_MM.get(Region(code), 1.0) for code in range(max(Region) + 1)])
    if np.any(thin != Region.MARROW):
        nearest = ndimage.distance_transform_edt(
            thin == Region.MARROW, return_distances=False, return_indices=True
        )
        thin = thin[tuple(nearest)]
    field = table[thin].astype(np.float32)
    field = ndimage.gaussian_filter(field, _BLEND_MM / (2 * grid.spacing), mode="nearest")
    full = ndimage.affine_transform(
        field, np.full(3, 0.5), output_shape=region.shape, order=1, mode="nearest"
    )
    return np.asarray(full, np.float32)
