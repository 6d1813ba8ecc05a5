"""Veins that drain the bone, as a network of short pipes that cement may enter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray

BRANCHES = 5  # nodes that one node may lead to


@dataclass(frozen=True, eq=False)
class Veins:
    """Nodes numbered 0 to n - 1, each one after the node that it hangs on.

    `before` (n,) is what a node hangs on: a flat voxel index into the bone grid for the first of a
    chain, else the grid's size + a lower node; a voxel carries one chain at most, a node five.
    `ml` (n,) is what each node holds, `gain` (n,) mm3 its conductance to `before` without
    viscosity, pi r^4 / (8 L). `points` (n, 3), LPS mm, are the nodes' middles and `radius` (n,)
    mm; `region` (n,) are the `Region` codes of where they lie.

    Raises ValueError for arrays that do not fit, loops, and values out of range."""

    before: NDArray[np.int64]
    ml: NDArray[np.float64]
    gain: NDArray[np.float64]
    points: FloatArray
    radius: NDArray[np.float64]
    region: NDArray[np.uint8]

    def __post_init__(self) -> None:
        count = len(self.before)
        for name in ("ml", "gain", "radius", "region"):
            if getattr(self, name).shape != (count,):
                raise ValueError(f"veins have {count} nodes and {getattr(self, name).shape} {name}")
        if self.points.shape != (count, 3):
            raise ValueError(f"veins have {count} nodes and points {self.points.shape}")
        for name in ("ml", "gain", "radius"):
            values = getattr(self, name)
            if count and not (np.isfinite(values).all() and values.min() > 0):
                raise ValueError(f"vein {name} from {values.min()}; it must be above 0")
        if count and (self.before.min() < 0 or np.bincount(_ranks(self.before)).max() > BRANCHES):
            raise ValueError(f"a vein node hangs on nothing, or one carries more than {BRANCHES}")

    def check(self, size: int) -> None:
        """Raises ValueError where the chains do not fit a grid of `size` voxels."""
        own = size + np.arange(len(self.before))
        if np.any(self.before >= own):
            raise ValueError("a vein node must hang on a voxel or on a lower node")
        roots = self.before[self.before < size]
        if len(np.unique(roots)) != len(roots):
            raise ValueError("a voxel carries more than one vein")


def _ranks(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
