"""What every source of anatomy gives, before anything is derived from it.

A source (an imported label map, the procedural sacrum) ends in a `Segmentation`; `build` takes one
and derives a `Patient`, the same way for all. `Bones` is the step between: signed distances on a
fine grid, which landmarks, regions and fractures are read from. A source that knows its distances
gives them as `Solids`, and nothing is measured on labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid, Point
from game.patient.distance import on_grid
from game.patient.patient import Landmark, Side, Structure


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Voxels on the source's own grid, axes turned to LPS, not resampled.

    `origin` is the centre of voxel (0, 0, 0), scanner LPS mm; `spacing` mm along x, y, z.
    `structures` [x, y, z] holds `Structure` codes (body mask: everything but AIR), hips already
    told apart by side; `hounsfield` [x, y, z] where there is a CT, else None. `known` are
    landmarks that the source is certain of (scanner LPS mm); the rest are found. `solids`, where
    the source has distances of its own, are taken for what the labels would have given."""

    name: str
    source: Literal["procedural", "ct", "labels"]
    origin: Point
    spacing: Point
    structures: NDArray[np.uint8]
    hounsfield: NDArray[np.int16] | None
    known: Mapping[str, Landmark] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    solids: Solids | None = None


@dataclass(frozen=True, eq=False)
class Bones:
    """Signed distances, mm, negative inside, float32, on one grid around the sacrum.

    `spine` is the lowest lumbar vertebra where the source tells it apart, else the whole lumbar
    spine. `hip_surface` are points (n, 3) all over each hip bone with their outward unit normals
    (n, 3), mm from the grid's first voxel, as far as the source holds the bone, or this grid does.
    `parted` where L5 has a label of its own, so that the sacrum's ends at S1."""

    grid: Grid
    sacrum: NDArray[np.float32]
    hip: Mapping[Side, NDArray[np.float32]]
    spine: NDArray[np.float32]
    hip_surface: Mapping[Side, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    parted: bool = False


@dataclass(frozen=True, eq=False)
class Level:
    """One structure's smoothed signed distance, mm, at the source's own voxels within its box and
    some mm around it; `first` is the index of its first voxel. Far values may be short."""

    first: tuple[int, int, int]
    distance: NDArray[np.float32]

    def on(self, segmentation: Segmentation, grid: Grid, order: int = 1) -> NDArray[np.float32]:
        """Read at `grid`'s voxels, in the frame of `segmentation`; its edge goes on beyond it."""
        x, y, z = (float(v) for v in self.box(segmentation)[0])
        return on_grid(self.distance, (x, y, z), segmentation.spacing, grid, order)

    def box(self, segmentation: Segmentation) -> tuple[FloatArray, FloatArray]:
        """Its first and last voxel's centre, mm."""
        step = np.array(segmentation.spacing)
        low = np.array(self.first) * step + segmentation.origin
        return low, low + (np.array(self.distance.shape) - 1) * step


@dataclass(frozen=True, eq=False)
class Solids:
    """What a source with distances of its own has: `bones`, true distances around the sacrum, and
    the `levels` of all other bones and the discs."""

    bones: Bones
    levels: Mapping[Structure, Level]
