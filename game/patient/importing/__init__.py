"""Real pelves from folders: label maps, one-class volumes, CT (volume or DICOM series) and meshes.

All end in a `Segmentation`; what is no pelvis is refused in one line, and what was assumed stands
in the notes.
"""

from __future__ import annotations

from game.patient.importing.folder import files_of, read_segmentation
from game.patient.importing.names import Choices

__all__ = ["Choices", "files_of", "read_segmentation"]
