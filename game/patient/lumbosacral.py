"""Where one label holds the whole lumbar spine, hand-drawn borders at L5/S1 are not to be trusted:
on real maps part of the S1 body carries the spine's label and the disc is bone.

Once the S1 endplate is known (estimated), the column at L5/S1 is labelled anew by it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from game.geometry.views import Anatomy
from game.patient.patient import Plane, Structure
from game.patient.segmentation import Segmentation

DISC_MM = 9.0  # height of the drawn L5/S1 disc; project choice
HALF_MM = (30.0, 20.0)  # of the column, across and front to back: S1's 50 x 33 mm (facts), and 3 mm
BODY_MM = 32.0  # of S1 below its endplate: 28.2+-2.1 (facts/anatomy.md), and a little
NOTE = "at L5/S1 the spine's and the sacrum's labels were parted anew at the estimated endplate"


def parted_at_s1(segmentation: Segmentation, endplate: Plane, anatomy: Anatomy) -> Segmentation:
    """`segmentation` with the column's bone below `endplate` SACRUM, and just above it DISC.

    Only where no vertebra has a label of its own; else the segmentation as it is. All in one frame,
    LPS mm."""
    if np.any(segmentation.structures == Structure.L5):
        return segmentation
    shape, step = segmentation.structures.shape, np.array(segmentation.spacing)
    reach = np.array([60.0, 60.0, 60.0])
    first = (endplate.point - reach - segmentation.origin) / step
    last = (endplate.point + reach - segmentation.origin) / step
    box = tuple(
        slice(int(np.clip(a, 0, n)), int(np.clip(b, 0, n)))
        for a, b, n in zip(first, last, shape, strict=True)
    )
    places = np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij")
    points = np.stack(places, axis=-1) * step + segmentation.origin - endplate.point
    up = points @ endplate.normal
    across = points @ anatomy.axes[0]
    ahead = points @ np.cross(endplate.normal, anatomy.axes[0])
    column = (across / HALF_MM[0]) ** 2 + (ahead / HALF_MM[1]) ** 2 < 1.0
    structures = segmentation.structures.copy()
    here = structures[box]
    bone = (here == Structure.SPINE) | (here == Structure.SACRUM)
    here[column & bone & (up <= 0) & (up > -BODY_MM)] = Structure.SACRUM
    here[column & bone & (up > 0) & (up < DISC_MM)] = Structure.DISC
    here[column & (here == Structure.SACRUM) & (up >= DISC_MM)] = Structure.SPINE
    return replace(segmentation, structures=structures, notes=(*segmentation.notes, NOTE))
