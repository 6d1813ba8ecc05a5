"""A patient's alar veins as the chains of short pipes that cement may enter.

A pipe of radius r and length L has the conductance pi r^4 / (8 L) without viscosity
(Hagen-Poiseuille). Half of each neighbour's length lies between two nodes' middles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import Patient, Region, Tube
from game.patient.veins import alar_veins
from game.simulation.cement.veins import Veins

NODE_MM = 3.0  # length of a node: coarse beside a vein's 20-100 mm, fine beside what shows


@dataclass(frozen=True, eq=False)
class _Chain:
    """One vein: `length`, `radius` (n,) mm and `middles` (n, 3) of its nodes, from `root`, a flat
    index of the bone grid."""

    root: int
    length: FloatArray
    radius: FloatArray
    middles: FloatArray


def veins_of(patient: Patient) -> Veins | None:
    """The veins of a patient's alae, None without any."""
    return chained(alar_veins(patient), patient)


def chained(tubes: Iterable[Tube], patient: Patient) -> Veins | None:
    """`tubes`, each from its root in the marrow on, as nodes; None where none is left.

    Left out is a vein whose first point lies beyond the marrow, or in a voxel that has one
    already."""
    chains, taken = [], set[int]()
    for tube in tubes:
        root = _marrow_voxel(patient, tube.line[0])
        if root is not None and root not in taken:
            taken.add(root)
            chains.append(_chain(root, tube))
    return _joined(chains, patient) if chains else None


def _marrow_voxel(patient: Patient, point: FloatArray) -> int | None:
    grid = patient.bone
    index = np.rint(grid.index_from_point(point)).astype(int)
    if np.any(index < 0) or np.any(index >= grid.shape):
        return None
    if patient.region[tuple(index)] != Region.MARROW:
        return None
    return int(np.ravel_multi_index(tuple(index), grid.shape))


def _chain(root: int, tube: Tube) -> _Chain:
    """Nodes of NODE_MM or a little less along a tube; each has the volume of what it stands for,
    as a cylinder of its mean radius."""
    steps = np.linalg.norm(np.diff(tube.line, axis=0), axis=1)
    along = np.r_[0.0, np.cumsum(steps)]
    count = max(1, int(np.ceil(along[-1] / NODE_MM)))
    edges = np.linspace(0.0, along[-1], count + 1)
    middle = 0.5 * (edges[:-1] + edges[1:])
    points = np.stack([np.interp(middle, along, tube.line[:, k]) for k in range(3)], axis=1)
    return _Chain(root, np.diff(edges), np.interp(middle, along, tube.radii), points)


def _joined(chains: list[_Chain], patient: Patient) -> Veins:
    size = int(np.prod(patient.bone.shape))
    before: list[int] = []
    for chain in chains:
        first = size + len(before)
        before += [chain.root, *range(first, first + len(chain.length) - 1)]
    length, radius = (
        np.concatenate([getattr(chain, name) for chain in chains]) for name in ("length", "radius")
    )
    points = np.concatenate([chain.middles for chain in chains])
    return Veins(
        before=np.array(before, np.int64),
        ml=np.pi * radius**2 * length / 1000.0,
        gain=np.concatenate([_gains(chain) for chain in chains]),
        points=points,
        radius=radius,
        region=_regions(points, patient.bone, patient),
    )


def _gains(chain: _Chain) -> FloatArray:
    """Conductance (n,) mm3 of each node to the one before; of the first, to its voxel."""
    half = 4.0 * chain.length / (np.pi * chain.radius**4)
    return np.asarray(1.0 / (half + np.r_[0.0, half[:-1]]))


def _regions(points: FloatArray, grid: Grid, patient: Patient) -> NDArray[np.uint8]:
    """`Region` codes (n,); what lies before the bone, beyond the grid too, is presacral."""
    return grid.nearest(patient.region, points, int(Region.PRESACRAL)).astype(np.uint8)


def courses(veins: Veins, size: int) -> Iterator[FloatArray]:
    """The middles (n, 3) of each chain's nodes in turn, for who draws them."""
    starts = np.flatnonzero(veins.before < size).tolist()
    for first, last in zip(starts, [*starts[1:], len(veins.before)], strict=True):
        yield veins.points[first:last]
