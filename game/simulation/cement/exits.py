"""By which opening cement left the bone: a label that every cell of it carries.

First touch: a cell beyond the cortical envelope has the exit of the cell that first fed it; one fed
from inside is labelled by what it lies in. The label never changes afterwards.
"""

from __future__ import annotations

from enum import IntEnum


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
