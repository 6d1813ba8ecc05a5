"""Cement pushed through bone: Darcy flow on the filled voxels, the front at zero pressure.

A filled voxel conducts; one that is filling is the front, met at (0.5 + fill) voxels from the last
full centre, where the pressure is 0 (the marrow's own resistance is left out: one fluid). Flow
between voxels is h K dp / mu with the harmonic mean K. All is linear in flow and viscosity: one
solve for the potential p / (mu Q) gives the bone's resistance, and with the cannula's
8 L / (pi r^4) the flow that the pressure limit allows. Each substep ends when a voxel fills.

Volume is kept to rounding: what is poured is shared out by the fluxes at the front, normalised, so
an unfinished solve moves cement a little but neither makes nor loses any. The grid's edge is
closed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite, pi
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from game.patient.patient import Region
from game.simulation.cement.body import Cement, Injection
from game.simulation.cement.channels import Channels
from game.simulation.cement.exits import Exit
from game.simulation.cement.medium import Medium
from game.simulation.cement.network import CELLS, ROWS, Network, inject, network
from game.simulation.cement.rheology import FROZEN_PA_S

TIGHT = 1.0e-3  # mouth voxels this much tighter than the loosest get no flow: a project choice

_kept = threading.local()


def advance(medium: Medium, channels: Channels, cement: Cement, injection: Injection) -> Cement:
    """The cement after one request: a new value; the arguments are not touched.

    delivered + refused = requested. Refused is what the pressure limit kept back within
    `injection.seconds`; all of it where the cement has gelled, where the tip lies beyond the grid
    or where nothing leads away from it; and what is beyond 256 substeps or 4096 newly filled voxels
    of one call. A tip outside bone fills what it lies in. Raises ValueError for a request that is
    not physical. Poiseuille: total = 8 mu L Q / (pi r^4) + front.
    """
    _check(injection)
    mouth, share = _mouth(medium, injection)
    if injection.ml == 0 or injection.viscosity >= FROZEN_PA_S or len(mouth) == 0:
        return _refused(cement, injection)
    bore = 8.0 * injection.length / (pi * (injection.bore / 2.0) ** 4)
    most = injection.limit_mpa * 1.0e6 / injection.viscosity
    net = network(_scratch(medium.porosity.size), len(cement.voxels), len(mouth))
    poured, flow, resistance = inject(
        net, medium.permeability.reshape(-1, 3), medium.porosity.reshape(-1), medium.grid.shape,
        medium.grid.spacing, (cement.voxels, cement.ml, cement.potential), mouth, share,
        (injection.ml, injection.seconds, bore, most),
    )  # fmt: skip
    fresh, potential = _reached(cement, net)
    voxels = np.append(cement.voxels, net.voxel[fresh])
    ml = np.append(net.ml[: len(cement.voxels)], net.ml[fresh])
    mpa = 1.0e-6 * injection.viscosity * flow
    return Cement(
        voxels=voxels,
        ml=ml,
        delivered_ml=cement.delivered_ml + poured,
        refused_ml=injection.ml - poured,
        front_mpa=mpa * resistance,
        total_mpa=mpa * (resistance + bore),
        by_region_ml=_ledger(medium, voxels, ml),
        age_s=np.append(cement.age_s, np.full(len(fresh), injection.age_s)),
        celsius=np.append(cement.celsius, np.full(len(fresh), injection.celsius)),
        exit=np.append(cement.exit, np.full(len(fresh), Exit.NONE, np.uint8)),
        potential=potential,
        time_s=injection.time_s + injection.seconds,
    )


def _check(injection: Injection) -> None:
    for name in ("bore", "length", "viscosity", "seconds"):
        value = getattr(injection, name)
        if not (isfinite(value) and value > 0):
            raise ValueError(f"injection {name} is {value}; it must be above 0")
    for name in ("ml", "limit_mpa"):
        value = getattr(injection, name)
        if not (isfinite(value) and value >= 0):
            raise ValueError(f"injection {name} is {value}; it must be 0 or more")
    if not all(map(isfinite, injection.tip)):
        raise ValueError(f"injection tip is {injection.tip}; it must be three numbers")


def _mouth(medium: Medium, injection: Injection) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The voxels that the bore opens into, and each one's share of the flow, by permeability.

    They are those with their centre within the bore's radius of the tip, or the one that holds it;
    none where the tip is beyond the grid or everything about it is closed."""
    grid, radius = medium.grid, injection.bore / 2.0
    at = (np.asarray(injection.tip) - grid.origin) / grid.spacing
    nearest = np.rint(at)
    if np.any(nearest < 0) or np.any(nearest >= grid.shape):
        return np.empty(0, np.int64), np.empty(0)
    reach = np.arange(-int(radius / grid.spacing) - 1, int(radius / grid.spacing) + 2)
    cells = nearest + np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), -1).reshape(-1, 3)
    near = ((cells - at) ** 2).sum(axis=1) <= (radius / grid.spacing) ** 2
    near |= np.all(cells == nearest, axis=1)
    near &= np.all((cells >= 0) & (cells < grid.shape), axis=1)
    index = cells[near].astype(np.int64)
    open_to = medium.permeability[tuple(index.T)].astype(float).mean(axis=1)
    used = (open_to > 0) & (open_to >= TIGHT * open_to.max())
    flat = np.ravel_multi_index(tuple(index[used].T), grid.shape).astype(np.int64)
    return flat, open_to[used] / open_to[used].sum()


def _scratch(size: int) -> NDArray[np.int32]:
    """A map of voxels to cells, -1 everywhere, kept by each thread for each size of grid."""
    maps: dict[int, NDArray[np.int32]] = _kept.__dict__.setdefault("maps", {})
    if size not in maps:
        maps[size] = np.full(size, -1, np.int32)
    return maps[size]


def _refused(cement: Cement, injection: Injection) -> Cement:
    """Nothing moves; pushing against it, the plunger meets all the pressure it may have."""
    stuck = injection.limit_mpa if injection.ml > 0 else 0.0
    return replace(cement, refused_ml=injection.ml, front_mpa=0.0, total_mpa=stuck)


def _reached(cement: Cement, net: Network) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The cells that have come to hold cement, and the potential of all that do, these last."""
    known, cells = len(cement.voxels), int(net.counts[CELLS])
    fresh = known + np.flatnonzero(net.ml[known:cells] > 0)
    potential = np.zeros(cells)
    rows = net.cell_of[: net.counts[ROWS]]
    potential[rows] = net.potential[: net.counts[ROWS]]
    return fresh, np.append(potential[:known], potential[fresh])


def _ledger(
    medium: Medium, voxels: NDArray[np.int64], ml: NDArray[np.float64]
) -> Mapping[Region, float]:
    codes = medium.region.reshape(-1)[voxels]
    sums = np.bincount(codes, weights=ml, minlength=len(Region))
    return MappingProxyType(
        {Region(code): float(sums[code]) for code in np.flatnonzero(sums).tolist()}
    )
