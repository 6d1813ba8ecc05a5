"""From a patient and a C-arm pose to grams per square centimetre of every material, per pixel.

Line integrals add and intensities do not, so what is kept per pose are the static anatomy's area
densities; the cannula and the cement are laid over them. Beyond the volume's ends in z the body is
taken to go on as its end slice with soft tissue for bone: bones drawn out into columns, the pubis
above all, would lie over the sacrum of every tilted view.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from math import pi

import numpy as np
from numpy.typing import NDArray

from game.devices.beam import DENSITIES, Material
from game.fluoroscopy.blur import enlarged
from game.fluoroscopy.joseph import AIR, BONE, SOFT, paired, trace_parallel, trace_serial
from game.geometry.carm import Projection
from game.geometry.grid import Grid
from game.patient.patient import Patient, Structure

POSES_KEPT = 6  # 6.3 MB each at 512 x 512; project choice
COARSE = 4  # project choice: with it a first picture keeps to its time
AROUND = 3.0  # so that a ray of any slope begins and ends in air
# Optical depth to which a pixel may be told by its neighbours (0.4 % of the signal; its quantum
# noise is percents), and the largest pixel over a voxel at which that is tried: a voxel's shadow at
# magnification 1.3 is then two pixels wide. Project choices.
TOLD_BY_NEIGHBOURS, FINE = 0.004, 0.65
SKIN_HU = -900  # below it is air: bounds the body; project choice

# Directions (8, 2) in the x-y plane, 22.5 degrees apart from x on, the body's lowest and highest
# extent (8,) along each, voxels, and whether it reaches the volume's sides.
Bounds = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], bool]


@dataclass(frozen=True, eq=False)
class AreaDensities:
    """`values` (5, h, w), g/cm2, in the order of `Material`."""

    values: NDArray[np.float32]

    @property
    def bone(self) -> NDArray[np.float32]:
        return self.values[Material.BONE]

    @property
    def soft(self) -> NDArray[np.float32]:
        return self.values[Material.SOFT]

    @property
    def fat(self) -> NDArray[np.float32]:
        return self.values[Material.FAT]

    @property
    def steel(self) -> NDArray[np.float32]:
        return self.values[Material.STEEL]

    @property
    def cement(self) -> NDArray[np.float32]:
        return self.values[Material.CEMENT]

    @property
    def water(self) -> NDArray[np.float32]:
        """Grams per cm2 (h, w) of all but steel: about cm of water that scatters as much."""
        tissue = self.values[Material.BONE] + self.values[Material.SOFT]
        tissue += self.values[Material.FAT]
        tissue += self.values[Material.CEMENT]
        return tissue


class Projector:
    """Projects one patient; keeps the area densities of the last few poses. Not thread-safe."""

    def __init__(self, patient: Patient, parallel: bool = False) -> None:
        """`parallel` spreads a projection over all cores: only for the one thread that owns
        parallel kernels (two such threads abort the process under numba's workqueue layer)."""
        self.patient = patient
        self.tissue, metal = _without_metal(patient)
        self._words = paired(self.tissue)
        self._metal = None if metal is None else paired(metal)
        self._metal_bounds = _bounds(patient.structures == Structure.METAL)
        self._bounds = _bounds(patient.hounsfield > SKIN_HU)
        self._trace = trace_parallel if parallel else trace_serial
        self._kept: OrderedDict[Projection, AreaDensities] = OrderedDict()

    def areas(self, projection: Projection, coarse: bool = False) -> AreaDensities:
        """Bone, soft tissue, fat and implanted steel of the patient; no cannula, no cement.

        `coarse` traces one ray for `COARSE` x `COARSE` pixels and draws them out linearly, unless
        the pose is kept already or the picture's side is not a multiple of `COARSE`; a coarse
        result is not kept, so that the next picture at the pose can be a full one."""
        kept = self._kept.pop(projection, None)
        if kept is None and coarse and projection.size % COARSE == 0:
            return self._coarse(projection)
        if kept is None:
            kept = self._project(projection)
        self._kept[projection] = kept
        if len(self._kept) > POSES_KEPT:
            self._kept.popitem(last=False)
        return kept

    def _coarse(self, projection: Projection) -> AreaDensities:
        size, pixel = projection.size // COARSE, projection.pixel_mm * COARSE
        small = self._project(replace(projection, size=size, pixel_mm=pixel)).values
        values = np.zeros((len(Material), projection.size, projection.size), np.float32)
        for material, plane in enumerate(small):
            if plane.any():
                values[material] = enlarged(plane, COARSE)
        return AreaDensities(values)

    def _project(self, projection: Projection) -> AreaDensities:
        size, grid = projection.size, self.patient.body
        values = np.zeros((len(Material), size, size), np.float32)
        self._integrate(self._words, self._bounds, projection, values[:3])
        if self._metal is not None:
            within = np.empty((3, size, size), np.float32)
            self._integrate(self._metal, self._metal_bounds, projection, within)
            values[Material.STEEL] = within[Material.BONE]
        values *= (DENSITIES * grid.spacing / 10.0).astype(np.float32)[:, None, None]
        values.flags.writeable = False
        return AreaDensities(values)

    def _integrate(
        self,
        words: NDArray[np.int32],
        bounds: Bounds,
        projection: Projection,
        out: NDArray[np.float32],
    ) -> None:
        grid = self.patient.body
        self._trace(
            words,
            bounds,
            grid.index_from_point(np.array(projection.source)),
            grid.index_from_point(projection.pixel(0.0, 0.0)),
            np.array(projection.right) * (projection.pixel_mm / grid.spacing),
            np.array(projection.down) * (projection.pixel_mm / grid.spacing),
            TOLD_BY_NEIGHBOURS / grid.spacing if projection.pixel_mm < FINE * grid.spacing else 0.0,
            out,
        )


def tissue_at(
    volume: NDArray[np.int16], grid: Grid, points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Partial densities (3, n), g/cm3, of bone, soft tissue and fat at LPS points (n, 3)."""
    hu = grid.sample(volume, points, outside=AIR)
    tissue = np.interp(hu, [AIR, -100.0], [0.0, 1.0])
    not_fat = np.interp(hu, [-100.0, SOFT], [0.0, 1.0])
    bone = np.maximum(hu - SOFT, 0.0) / (BONE - SOFT)
    fractions = np.stack([bone, not_fat - np.minimum(bone, 1.0), tissue - not_fat])
    return np.asarray(fractions * DENSITIES[:3, None])


def _without_metal(patient: Patient) -> tuple[NDArray[np.int16], NDArray[np.int16] | None]:
    """The volume with air where metal is, and metal as 'bone' in 'soft tissue' (or None); neither
    bone nor metal in its end slices in z."""
    metal = patient.structures == Structure.METAL
    ends = [0, -1]
    hollow = np.where(metal, np.int16(AIR), patient.hounsfield)
    soft = np.minimum(patient.hounsfield[:, :, ends], np.int16(SOFT))
    hollow[:, :, ends] = np.where(metal[:, :, ends], np.int16(SOFT), soft)
    if not metal.any():
        return hollow, None
    solid = np.where(metal, np.int16(BONE), np.int16(SOFT))
    solid[:, :, ends] = np.int16(SOFT)
    return hollow, solid


def _bounds(inside: NDArray[np.bool_]) -> Bounds:
    """A hull around what is inside, and `AROUND` voxels beyond, within the volume."""
    turns = np.arange(8) * (pi / 8.0)
    normals = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    normals[np.abs(normals) < 1e-12] = 0.0
    body = np.argwhere(np.any(inside, axis=2))
    if len(body) == 0:
        return normals, np.zeros(8), np.zeros(8), False
    along = body @ normals.T
    low, high = along.min(axis=0) - AROUND, along.max(axis=0) + AROUND
    for axis, direction in ((0, 0), (1, 4)):
        low[direction] = max(low[direction], 0.0)
        high[direction] = min(high[direction], inside.shape[axis] - 1.001)
    sides = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    return normals, low, high, any(bool(side.any()) for side in sides)
