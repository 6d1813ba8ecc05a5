"""What cannulas have made of the bone: tracks that conduct, and steel that closes voxels now."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
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
    alone = np.setxor1d(one.voxels, other.voxels, assume_unique=True)
    both, here, there = np.intersect1d(
        one.voxels, other.voxels, assume_unique=True, return_indices=True
    )
    apart = (one.permeability[here] != other.permeability[there]).any(axis=1)
    apart |= one.porosity[here] != other.porosity[there]
    apart |= one.widening[here] != other.widening[there]
    return np.union1d(alone, both[apart]).astype(np.int64)


NO_CHANNELS = Channels()
