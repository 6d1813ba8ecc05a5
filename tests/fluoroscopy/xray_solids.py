"""Synthetic patients for X-ray tests: solids of known Hounsfield value in a small volume."""

from __future__ import annotations

from math import radians
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from game.fluoroscopy.areas import AreaDensities
from game.fluoroscopy.projector import Projector
from game.geometry.carm import Projection, projection
from game.geometry.grid import Grid
from game.geometry.views import Anatomy

GRID = Grid((-50.0, -50.0, -50.0), 1.0, (101, 101, 101))
UPRIGHT = Anatomy(np.eye(3), np.array([0.0, -np.sin(radians(39.0)), np.cos(radians(39.0))]))


def patient(hounsfield: NDArray[np.int16], grid: Grid = GRID) -> Any:
    """Only what an X-ray picture needs of a Patient."""
    structures = np.zeros(hounsfield.shape, np.uint8)
    return SimpleNamespace(
        body=grid, bone=grid, hounsfield=hounsfield, structures=structures, anatomy=UPRIGHT
    )


def projector(
    hounsfield: NDArray[np.int16], grid: Grid = GRID, parallel: bool = False
) -> Projector:
    return Projector(patient(hounsfield, grid), parallel)


def view(
    primary_deg: float, secondary_deg: float, size: int = 96, field: float = 298.0
) -> Projection:
    return projection(radians(primary_deg), radians(secondary_deg), (0.0, 0.0, 0.0), size, field)


def ball(hu_inside: float, hu_outside: float, radius: float, centre: Any = (0.0, 0.0, 0.0)) -> Any:
    """An antialiased ball (4 x 4 x 4 samples per voxel) on GRID, int16."""
    axes = np.meshgrid(*GRID.axes(), indexing="ij", sparse=True)
    share = np.zeros(GRID.shape)
    offsets = (np.arange(4) + 0.5) / 4.0 - 0.5
    for dx in offsets:
        for dy in offsets:
            for dz in offsets:
                steps = zip(axes, (dx, dy, dz), centre, strict=True)
                share += sum((a + d - c) ** 2 for a, d, c in steps) < radius**2
    share /= 64.0
    return np.rint(hu_outside + share * (hu_inside - hu_outside)).astype(np.int16)


def rays(geometry: Projection) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The source (3,) and unit directions (h, w, 3) of all pixels."""
    source = np.array(geometry.source)
    corner = geometry.pixel(0.0, 0.0)
    steps = np.arange(geometry.size) * geometry.pixel_mm
    pixels = (
        corner
        + steps[None, :, None] * np.array(geometry.right)
        + steps[:, None, None] * np.array(geometry.down)
    )
    directions = pixels - source
    return source, directions / np.linalg.norm(directions, axis=2, keepdims=True)


def ball_chord(geometry: Projection, radius: float, centre: Any = (0.0, 0.0, 0.0)) -> NDArray[Any]:
    """2 sqrt(r^2 - b^2) of every ray, mm."""
    source, directions = rays(geometry)
    offset = np.array(centre) - source
    miss = (offset**2).sum() - (directions @ offset) ** 2
    return 2.0 * np.sqrt(np.maximum(radius**2 - miss, 0.0))


def of(**materials: Any) -> AreaDensities:
    """Area densities from arrays by material name."""
    names = ["bone", "soft", "fat", "steel", "cement"]
    shape = np.broadcast_shapes(*(np.shape(v) for v in materials.values()))
    values = np.zeros((5, *shape), np.float32)
    for name, value in materials.items():
        values[names.index(name)] = value
    return AreaDensities(values)
