"""What a patient is: volumes, distances, surfaces, landmarks, fractures, hazards. All immutable.

Frame: LPS, mm, origin at the centre of the S1 superior endplate. Thin things (cortex, foramina,
breaches, leaks) hang on the signed distances and on `region`, never on a density threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.geometry.views import Anatomy
from game.patient.errors import PatientError
from game.patient.traits import FracturePattern, Traits

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
FractureName = Literal["left", "right", "central", "transverse"]
FRACTURE_NAMES: tuple[FractureName, ...] = ("left", "right", "central", "transverse")


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
    BOWEL = 14  # its content but gas; its wall is MUSCLE
    URINE = 15
    CALCIFICATION = 16


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
    """One fracture sheet: of the ala on the side that it is named after, `central` in the body of
    the sacrum, or the `transverse` bar of an H.

    `points` (n, 3) LPS mm and `areas` (n,) mm2 sample it, `apertures` (n,) mm is how far it gapes
    at each; `normal` (3,) is its mean normal, pointing laterally, or cranially where it lies
    across. `voxels` (k,) are the flat indices, into the patient's bone grid, of the voxels that it
    passes through. Bone within `crush_mm` to either side is crushed: `crush_hu` denser (or, below
    0, less dense) than it was; `step_mm` is how far the lateral fragment's anterior cortex stands
    before the medial one's, 0 where it was not displaced. `reaches` are the regions that its rim
    opens into, `zone` is Denis' (1 ala, 2 foramina, 3 canal and body), `ffp` the class of the whole
    pelvis it belongs to."""

    name: FractureName
    points: FloatArray
    areas: FloatArray
    normal: FloatArray
    apertures: FloatArray
    voxels: NDArray[np.int64]
    pattern: FracturePattern = "parallel"
    reaches: tuple[Region, ...] = ()
    zone: Literal[1, 2, 3] = 1
    ffp: str = "IIa"
    crush_mm: float = 3.0
    crush_hu: float = 0.0
    step_mm: float = 0.0

    @property
    def side(self) -> Side | None:
        """The ala that is broken; None for a fracture of the midline."""
        return next((side for side in SIDES if side == self.name), None)

    @property
    def aperture(self) -> float:
        """The mean aperture over the sheet, mm."""
        return float(self.apertures @ self.areas / self.areas.sum())

    @cached_property
    def tree(self) -> cKDTree:
        """The sheet's points, for the nearest of them."""
        return cKDTree(self.points)

    def aperture_at(self, points: FloatArray) -> FloatArray:
        """The aperture, mm (n,), where the sheet is nearest to LPS points (n, 3): the mean of its
        four nearest points, weighted by the inverse of their distance."""
        count = min(4, len(self.points))
        gap, near = self.tree.query(points, k=count)
        weight = 1.0 / (gap.reshape(-1, count) + 0.1)
        value = (self.apertures[near.reshape(-1, count)] * weight).sum(axis=1)
        return np.asarray(value / weight.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Tube:
    """A nerve, vessel or sac: round cones along `line` (n, 3), LPS mm, of `radii` (n,) mm.
    `assumed`: placed from landmarks, as the source does not show it. Raises ValueError for less
    than two points."""

    name: str
    line: FloatArray
    radii: FloatArray
    assumed: bool = True

    def __post_init__(self) -> None:
        if len(self.line) < 2:
            raise ValueError(f"{self.name}: a line has two points or more, not {len(self.line)}")

    def distance(self, points: FloatArray) -> FloatArray:
        """Signed distance (n,), mm, negative inside, of LPS points (n, 3): to the nearest of the
        cones, each with the radius where the point projects onto its axis."""
        at = np.ascontiguousarray(np.atleast_2d(points), np.float64)
        out = np.empty(len(at))
        _nearest_cone(at, np.asarray(self.line, float), np.asarray(self.radii, float), out)
        return out


@dataclass(frozen=True, eq=False)
class Space:
    """A joint, disc or tissue plane: the voxels of `grid` where `inside` [x, y, z] is true."""

    name: str
    grid: Grid
    inside: NDArray[np.bool_]
    assumed: bool = True

    @cached_property
    def _field(self) -> NDArray[np.float32]:
        step = self.grid.spacing
        out = distance_transform_edt(~self.inside, sampling=step)
        deep = distance_transform_edt(self.inside, sampling=step)
        shift = np.where(self.inside, 0.5 * step, -0.5 * step)
        return np.asarray(out - deep + shift, np.float32)

    def distance(self, points: FloatArray) -> FloatArray:
        """Signed distance (n,), mm, negative inside, of LPS points (n, 3), true to half a voxel;
        beyond the grid, the distance to it is added to that of its nearest voxel."""
        points = np.atleast_2d(np.asarray(points, float))
        far = np.array(self.grid.origin) + self.grid.spacing * (np.array(self.grid.shape) - 1)
        held = np.clip(points, self.grid.origin, far - 1e-9)
        value = self.grid.sample(self._field, held, 0.0)
        return np.asarray(value + np.linalg.norm(points - held, axis=1))


Hazard = Tube | Space


@dataclass(frozen=True, eq=False)
class Patient:
    """`hounsfield` and `structures` live on the `body` grid (1 mm); `sacrum_distance`,
    `hip_distance`, `cortex` and `region` on the finer `bone` grid around the sacrum.

    Signed distances are mm, negative inside. `cortex` is the cortical thickness, mm, of the
    nearest bone surface. `source` says where the anatomy came from, `notes` what was assumed,
    `traits` who a generated patient is, None for an imported one.
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
    fractures: Mapping[FractureName, Fracture]
    hazards: Mapping[str, Hazard] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    traits: Traits | None = None

    @property
    def broken_sides(self) -> tuple[Side, ...]:
        """The sides whose ala is fractured."""
        return tuple(side for side in SIDES if side in self.fractures)

    def sheet(self, side: Side) -> Fracture:
        """The fracture sheet of one ala; raises PatientError where that ala is whole."""
        if side not in self.fractures:
            broken = ", ".join(self.broken_sides) or "none"
            raise PatientError(f"the {side} ala is not fractured; fractured alae: {broken}")
        return self.fractures[side]

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


@njit(nogil=True, cache=True)
def _nearest_cone(points, line, radii, out):  # type: ignore[no-untyped-def]
    for n in range(len(points)):
        best = np.inf
        for m in range(max(len(line) - 1, 1)):
            a, b = line[m], line[min(m + 1, len(line) - 1)]
            share, length = 0.0, 0.0
            for k in range(3):
                share += (points[n, k] - a[k]) * (b[k] - a[k])
                length += (b[k] - a[k]) ** 2
            share = min(1.0, max(0.0, share / max(length, 1e-12)))
            apart = 0.0
            for k in range(3):
                apart += (points[n, k] - a[k] - share * (b[k] - a[k])) ** 2
            last = radii[min(m + 1, len(radii) - 1)]
            best = min(best, apart**0.5 - radii[m] - share * (last - radii[m]))
        out[n] = best
