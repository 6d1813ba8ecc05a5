"""By which opening cement left the bone: a label that every cell of it carries.

First touch: a cell beyond the cortical envelope has the exit of the cell that first fed it; one fed
from inside is labelled by what fed it: a vein, a track of the trainee's, a fracture sheet, else
cortex that is thin. What comes to lie in a foramen, the canal, a joint or the disc is told by that
place whatever the opening, unless it came by a vein. The label never changes afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.patient.patient import FORAMINA, Region


class Exit(IntEnum):
    """NONE is inside the envelope. What lies in foramina, canal, joint or disc is told by where it
    lies, whatever the opening; the rest by its opening."""

    NONE = 0
    FRACTURE_GAP = 1
    BREACH = 2
    FORAMINA = 3
    CANAL = 4
    SI_JOINT = 5
    DISC = 6
    VEINS = 7
    CORTEX = 8


PLACES: Mapping[Region, Exit] = {
    **dict.fromkeys((*FORAMINA["left"], *FORAMINA["right"]), Exit.FORAMINA),
    Region.CANAL: Exit.CANAL,
    Region.SI_JOINT_LEFT: Exit.SI_JOINT,
    Region.SI_JOINT_RIGHT: Exit.SI_JOINT,
    Region.DISC: Exit.DISC,
}
"""Regions that give what lies in them its label."""

PLACE_CODES: NDArray[np.uint8] = np.zeros(len(Region), np.uint8)
for _region, _exit in PLACES.items():
    PLACE_CODES[_region] = _exit
PLACE_CODES.setflags(write=False)

_MARROW = int(Region.MARROW)
_NONE, _GAP, _BREACH = int(Exit.NONE), int(Exit.FRACTURE_GAP), int(Exit.BREACH)
_VEINS, _CORTEX = int(Exit.VEINS), int(Exit.CORTEX)


@njit(nogil=True, cache=True)
def first_touch(region, place, fed, vein, track, sheet):  # type: ignore[no-untyped-def]
    """The `Exit` code of a cell in `region` (a `Region` code) at its first touch.

    `place` is PLACE_CODES[region]; `fed` the exit of the cell that feeds it, NONE from inside;
    `vein`, `track` and `sheet` whether that cell is a vein's node, lies in a trainee's track, in a
    fracture sheet."""
    if region == _MARROW:
        return _NONE
    if vein or fed == _VEINS:
        return _VEINS
    if place != _NONE:
        return place
    if fed != _NONE:
        return fed
    if track:
        return _BREACH
    return _GAP if sheet else _CORTEX


def exits_ml(exits: NDArray[np.uint8], ml: NDArray[np.float64]) -> Mapping[Exit, float]:
    """mL by exit of cells with `exits` and `ml` (k,), what is inside left out: the second ledger,
    which sums to what is outside as the one by region does."""
    sums = np.bincount(exits, weights=ml, minlength=len(Exit))
    return MappingProxyType({e: float(sums[e]) for e in Exit if e != Exit.NONE and sums[e] > 0})
