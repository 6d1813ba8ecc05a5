"""How thick the cortex is: 0.5-2 mm (facts/anatomy.md, unverified), which no 3 mm scan resolves.

So the field is drawn, not measured: one thickness for each side of the sacrum by bone quality,
smoothed where sides meet, and varied from person to person and from place to place by the seed.
Marked assumed in the patient. Age and sex change it through the quality only: no fact says more.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import Grid
from game.patient.patient import Region
from game.patient.traits import Quality, Traits

RANGE_MM = (0.5, 2.0)  # facts/anatomy.md
# mm, in the osteoporosis of an insufficiency fracture; the order is a project choice: subchondral
# and dorsal bone thick, foramen walls and the ala's top thin.
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
# against that: project choices within the same 0.5-2 mm. The alae's thin sides lose most, so they
# are what a healthy sacrum has more of.
THICKER: Mapping[Quality, float] = {"normal": 1.3, "osteopenic": 1.15, "osteoporotic": 1.0}
ALAE = (Region.CEPHALAD, Region.PRESACRAL, Region.LATERAL)
THICKER_ALAE: Mapping[Quality, float] = {"normal": 1.5, "osteopenic": 1.25, "osteoporotic": 1.0}
OTHER_BONES_MM = 1.2  # hip bones, spine and femora, osteoporotic; project choice as above
PERSON, PLACE = 0.08, 0.14  # standard deviations, shares of the thickness; project choices
PLACE_MM = 7.0  # how far apart (sigma) places differ; project choice
_BLEND_MM = 3.0  # width (sigma) of the seams between sides


def cortex_of(
    region: NDArray[np.uint8], grid: Grid, traits: Traits | None = None
) -> NDArray[np.float32]:
    """Cortical thickness, mm, of the nearest bone surface, on the bone grid [x, y, z]; the default
    traits' without `traits`. A template does not vary.

    Made at every second voxel and read between: the field is smooth over 3 mm."""
    asked = traits or Traits()
    thin = region[::2, ::2, ::2]
    table = np.array([_usual(Region(code), asked.quality) for code in range(max(Region) + 1)])
    if np.any(thin != Region.MARROW):
        nearest = ndimage.distance_transform_edt(
            thin == Region.MARROW, return_distances=False, return_indices=True
        )
        thin = thin[tuple(nearest)]
    field = table[thin].astype(np.float32)
    field = ndimage.gaussian_filter(field, _BLEND_MM / (2 * grid.spacing), mode="nearest")
    if not asked.template:
        field *= _variation(field.shape, 2 * grid.spacing, asked.seed)
    field = np.clip(field, *RANGE_MM)
    full = ndimage.affine_transform(
        field, np.full(3, 0.5), output_shape=region.shape, order=1, mode="nearest"
    )
    return np.asarray(full, np.float32)


def _usual(region: Region, quality: Quality) -> float:
    more = THICKER_ALAE if region in ALAE else THICKER
    return more[quality] * THICKNESS_MM.get(region, 1.0)


def _variation(shape: tuple[int, ...], step: float, seed: int) -> NDArray[np.float32]:
    """A smooth field [x, y, z] around a person's own mean near 1, steps of `step` mm."""
    random = np.random.default_rng([seed, 0xC0])
    person = 1.0 + PERSON * float(np.clip(random.standard_normal(), -2.0, 2.0))
    coarse = [int(n * step / PLACE_MM) + 4 for n in shape]
    noise = ndimage.gaussian_filter(random.standard_normal(coarse), 1.0)
    noise *= PLACE / noise.std()
    share = np.full(3, step / PLACE_MM)
    fine = ndimage.affine_transform(noise, share, offset=1.0, output_shape=shape, order=1)
    return np.asarray(person * (1.0 + fine), np.float32)
