"""What a volume's header may say before a voxel is read."""

from __future__ import annotations

from collections.abc import Sequence

from game.patient.errors import PatientError

MOST_VOXELS = 1_000_000_000  # project choice: ten times a full-body CT at 1 mm
SPACING_MM = (0.1, 12.0)  # project choice: from micro-CT-like detail to useless slices


def check_grid(name: str, size: Sequence[int], spacing: Sequence[float]) -> int:
    """The number of voxels of a header's grid that is fit to be read; PatientError else."""
    if len(size) != 3 or len(spacing) != 3:
        raise PatientError(f"{name}: has {len(size)} axes; a volume of 3 is needed")
    if min(size) < 2:
        raise PatientError(f"{name}: size is {list(size)}; every axis needs 2 voxels or more")
    count = size[0] * size[1] * size[2]
    if count > MOST_VOXELS:
        raise PatientError(f"{name}: size is {list(size)}, {count} voxels; at most {MOST_VOXELS}")
    low, high = SPACING_MM
    for value in spacing:
        if not low <= value <= high:
            raise PatientError(f"{name}: spacing is {value:g} mm; it must be {low} to {high} mm")
    return count


def check_length(name: str, found: int, needed: int) -> None:
    """Raises PatientError where a data file's `found` bytes are not the `needed` ones."""
    if found != needed:
        short = "cut short" if found < needed else "too long"
        raise PatientError(f"{name}: is {short}: {found} bytes of voxels, {needed} needed")
