"""From a patient and a C-arm pose to grams per square centimetre of every material, per pixel.

Line integrals add and intensities do not, so what is kept per pose are the static anatomy's area
densities; the cannula and the cement are laid over them. Beyond the volume's ends in z the body is
taken to go on as its end slice with soft tissue for bone: bones drawn out into columns, the pubis
above all, would lie over the sacrum of every tilted view.
"""

from __future__ import annotations

from collections import OrderedDict
from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from game.devices.beam import DENSITIES, Material
from game.fluoroscopy.areas import AreaDensities
from game.fluoroscopy.cement import Shadow
from game.fluoroscopy.joseph import AIR, APART, BONE, SOFT, Bounds, fans_of, trace
from game.geometry.carm import Projection
from game.geometry.grid import Grid
from game.patient.patient import Patient, Structure

POSES_KEPT = 6  # 6.3 MB each at 512 x 512; project choice
COARSE = 2.0  # how many times as far apart a first picture's samples lie; project choice
AROUND = 3.0  # so that a ray of any slope begins and ends in air
# Voxels by which metal's edge is softened: labels have steps where steel is smooth; project choice.
METAL_SIGMA = 0.8
SKIN_HU = -900  # below it is air: bounds the body; project choice


class Projector:
    """Projects one patient; keeps the area densities of the last few poses and, in `shadow`, the
    cement of the last picture. Not thread-safe."""

    def __init__(self, patient: Patient, parallel: bool = False) -> None:
        """`parallel` spreads a projection over all cores: only for the one thread that owns
        parallel kernels (two such threads abort the process under numba's workqueue layer)."""
        self.patient = patient
        self.tissue, self._metal = _without_metal(patient)
        self.shadow = Shadow()
        self._metal_bounds = _bounds(patient.structures == Structure.METAL)
        self._bounds = _bounds(patient.hounsfield > SKIN_HU)
        self._parallel = parallel
        self._kept: OrderedDict[Projection, AreaDensities] = OrderedDict()

    def areas(self, projection: Projection, coarse: bool = False) -> AreaDensities:
        """Bone, soft tissue, fat and implanted steel of the patient; no cannula, no cement.

        `coarse` traces rays `COARSE` times as far apart, unless the pose is kept already; such a
        result is not kept, so that the next picture at the pose can be a full one. Raises
        ValueError for a beam along the patient."""
        kept = self._kept.pop(projection, None)
        if kept is None and coarse:
            return self._project(projection, COARSE * APART)
        if kept is None:
            kept = self._project(projection)
        self._kept[projection] = kept
        if len(self._kept) > POSES_KEPT:
            self._kept.popitem(last=False)
        return kept

    def _project(self, projection: Projection, apart: float = APART) -> AreaDensities:
        grid, pixel = self.patient.body, projection.pixel_mm / self.patient.body.spacing
        size, source = projection.size, grid.index_from_point(np.array(projection.source))
        corner = grid.index_from_point(projection.pixel(0.0, 0.0))
        right, down = pixel * np.array(projection.right), pixel * np.array(projection.down)
        fans = fans_of(source, corner, right, down, size, apart)
        values = np.zeros((len(Material), size, size), np.float32)
        trace(self.tissue, self._bounds, source, fans, values[:3], self._parallel)
        if self._metal is not None:
            within = np.empty((3, size, size), np.float32)
            trace(self._metal, self._metal_bounds, source, fans, within, self._parallel)
            values[Material.STEEL] = within[Material.BONE]
        values *= (DENSITIES * grid.spacing / 10.0).astype(np.float32)[:, None, None]
        values.flags.writeable = False
        return AreaDensities(values)


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
    share = gaussian_filter(metal.astype(np.float32), METAL_SIGMA)
    solid = (SOFT + share * (BONE - SOFT)).astype(np.int16)
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
