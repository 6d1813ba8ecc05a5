"""What cannulas have made of the bone: tracks that conduct, and steel that closes voxels now."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Channels:
    """`voxels` (k,) are sorted flat indices into the patient's bone grid; there `permeability`
    (k, 3), mm2 along x, y and z (0 closed), and `porosity` (k,) stand in place of the medium's.
    `widening` (k,), 1 where left empty, is how many times better the half voxel of bone beside it
    conducts than its permeability says: `aperture.widening` for a hole in the cortex.

    Raises ValueError for arrays that do not fit, unsorted voxels and values out of range."""

    voxels: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    permeability: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    porosity: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    widening: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        count = len(self.voxels)
        if len(self.widening) == 0:
            object.__setattr__(self, "widening", np.ones(count))
        if self.permeability.shape != (count, 3) or self.porosity.shape != (count,):
            raise ValueError(
                f"channel arrays {self.permeability.shape} and {self.porosity.shape}; "
                f"{count} voxels need {(count, 3)} and {(count,)}"
            )
        if count == 0:
            return
        if self.voxels[0] < 0 or np.any(np.diff(self.voxels) <= 0):
            raise ValueError("channel voxels must be 0 or more, sorted, each once")
        if not (np.isfinite(self.permeability).all() and self.permeability.min() >= 0):
            raise ValueError("channel permeability must be finite and 0 or more everywhere")
        if self.widening.shape != (count,) or not (self.widening >= 1).all():
            raise ValueError(f"channel widening must be {count} numbers of 1 or more")
        low, high = float(self.porosity.min()), float(self.porosity.max())
        if not (low > 0 and high <= 1):
            raise ValueError(f"channel porosity from {low} to {high}; it must lie in (0, 1]")


def differing(one: Channels, other: Channels) -> NDArray[np.int64]:
    """The voxels (k,), sorted, that are a channel in but one of two, or another channel in each."""
    return _differing(
        one.voxels, other.voxels,
        (one.permeability, one.porosity, one.widening),
        (other.permeability, other.porosity, other.widening),
    )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def _differing(voxels, others, here, there):  # type: ignore[no-untyped-def]
    found = np.empty(len(voxels) + len(others), np.int64)
    count = i = j = 0
    while i < len(voxels) or j < len(others):
        if j == len(others) or (i < len(voxels) and voxels[i] < others[j]):
            found[count] = voxels[i]
            count += 1
            i += 1
        elif i == len(voxels) or others[j] < voxels[i]:
            found[count] = others[j]
            count += 1
            j += 1
        else:
            same = here[1][i] == there[1][j] and here[2][i] == there[2][j]
            if not same or np.any(here[0][i] != there[0][j]):
                found[count] = voxels[i]
                count += 1
            i += 1
            j += 1
    return found[:count]


NO_CHANNELS = Channels()
