"""What a patient is: volumes, distances, surfaces, landmarks, fractures. Immutable once built.

Frame: LPS, mm, origin at the centre of the S1 superior endplate. Thin things (cortex, foramina,
breaches, leaks) hang on the signed distances and on `region`, never on a density threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.geometry.views import Anatomy

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")


class Structure(IntEnum):
    """What fills a voxel of the body."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    SACRUM = 4
    HIP_LEFT = 5
    HIP_RIGHT = 6
    L5 = 7
    SPINE = 8  # L4 and above
    FEMUR_LEFT = 9
    FEMUR_RIGHT = 10
    DISC = 11
    GAS = 12
    METAL = 13


class Region(IntEnum):
    """Where a point near the sacrum is: inside it, or what lies there once it is left. One list
    serves a breach (the region entered), a leak (the region filled) and a clearance (the wall
    between the marrow and that region)."""

    MARROW = 0
    CANAL = 1
    FORAMEN_S1_LEFT = 2
    FORAMEN_S2_LEFT = 3
    FORAMEN_S3_LEFT = 4
    FORAMEN_S4_LEFT = 5
    FORAMEN_S1_RIGHT = 6
    FORAMEN_S2_RIGHT = 7
    FORAMEN_S3_RIGHT = 8
    FORAMEN_S4_RIGHT = 9
    SI_JOINT_LEFT = 10
    SI_JOINT_RIGHT = 11
    DISC = 12  # L5/S1
    CEPHALAD = 13  # above the alae: L5 ramus and lumbosacral trunk
    PRESACRAL = 14  # before the anterior cortex
    DORSAL = 15  # behind the posterior cortex: muscle
    LATERAL = 16  # beside the sacrum below the SI joint, and below the coccyx


FORAMINA: Mapping[Side, tuple[Region, ...]] = {
    "left": tuple(Region(code) for code in range(2, 6)),
    "right": tuple(Region(code) for code in range(6, 10)),
}


@dataclass(frozen=True, eq=False)
class Landmark:
    """A named point (3,), LPS mm. `estimated` marks one that was fitted, not seen."""

    point: FloatArray
    estimated: bool = False
    uncertainty_mm: float = 1.0


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane through `point` (3,), LPS mm, with unit `normal` (3,)."""

    point: FloatArray
    normal: FloatArray


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed triangle surface: `vertices` (n, 3) LPS mm, `faces` (m, 3), outward winding."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Fracture:
    """A fracture sheet in one ala, parallel to the SI joint, reaching the cortex at its rim.

    `points` (n, 3) LPS mm and `areas` (n,) mm2 sample the sheet; `normal` (3,) is its mean normal,
    pointing laterally; `aperture` mm. `voxels` (k,) are the flat indices, into the patient's bone
    grid, of the voxels that the sheet passes through."""

    side: Side
    points: FloatArray
    areas: FloatArray
    normal: FloatArray
    aperture: float
    voxels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Patient:
    """`hounsfield` and `structures` live on the `body` grid (1 mm); `sacrum_distance`,
    `hip_distance`, `cortex` and `region` on the finer `bone` grid around the sacrum.

    Signed distances are mm, negative inside. `cortex` is the cortical thickness, mm, of the
    nearest bone surface. `source` says where the anatomy came from, `notes` what was assumed.
    """

    name: str
    source: Literal["procedural", "ct", "labels"]
    body: Grid
    hounsfield: NDArray[np.int16]
    structures: NDArray[np.uint8]
    bone: Grid
    sacrum_distance: NDArray[np.float32]
    hip_distance: Mapping[Side, NDArray[np.float32]]
    cortex: NDArray[np.float32]
    cortex_assumed: bool
    region: NDArray[np.uint8]
    surfaces: Mapping[Structure, Surface]
    landmarks: Mapping[str, Landmark]
    planes: Mapping[str, Plane]
    anatomy: Anatomy
    fractures: Mapping[Side, Fracture]
    notes: tuple[str, ...] = ()

    def point(self, landmark: str) -> FloatArray:
        """The place (3,) of a landmark; raises KeyError with the names that exist."""
        if landmark not in self.landmarks:
            raise KeyError(f"landmark {landmark!r}; there are {', '.join(sorted(self.landmarks))}")
        return self.landmarks[landmark].point

    def depth_in_bone(self, points: FloatArray) -> FloatArray:
        """How deep LPS points (n, 3) lie under the sacral surface, mm (n,); negative outside."""
        return -self.bone.sample(self.sacrum_distance, points, outside=50.0)

    def structure_at(self, points: FloatArray) -> NDArray[Any]:
        """The `Structure` codes (n,) at LPS points (n, 3); AIR beyond the body grid."""
        return self.body.nearest(self.structures, points, outside=int(Structure.AIR))

    def region_at(self, points: FloatArray) -> NDArray[Any]:
        """The `Region` codes (n,) at LPS points (n, 3)."""
        return self.bone.nearest(self.region, points, outside=int(Region.LATERAL))

    @cached_property
    def walls(self) -> Mapping[Region, cKDTree]:
        """The sacral surface sorted by what lies behind it, as trees of its points (mm)."""
        surface = self.surfaces[Structure.SACRUM]
        corners = surface.vertices[surface.faces].astype(float)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        middles = corners.mean(axis=1)
        behind = self.region_at(middles + 1.5 * self.bone.spacing * normals)
        return {
            region: cKDTree(middles[behind == region])
            for region in Region
            if region != Region.MARROW and bool(np.any(behind == region))
        }

    def wall_at(self, point: FloatArray) -> Region:
        """The region behind the sacral surface nearest to an LPS point (3,)."""
        return min(self.walls, key=lambda region: float(self.walls[region].query(point)[0]))

    def clearance(self, points: FloatArray, radius: float) -> dict[Region, float]:
        """Least distance, mm, from a shaft of `radius` along LPS points (n, 3) to each wall.

        0 where the shaft touches a wall, negative by the depth it lies beyond it.
        """
        depth = self.depth_in_bone(points)
        reached = self.region_at(points)
        least = {}
        for region, tree in self.walls.items():
            gap = tree.query(points)[0]
            outside = (depth < 0) & (reached == region)
            least[region] = float(np.min(np.where(outside, depth, gap))) - radius
        return least
