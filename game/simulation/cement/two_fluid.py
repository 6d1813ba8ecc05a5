"""The plain twin of the flow: cement and marrow, both of them, in the whole block.

    div(k / mu(s) grad p) = -q,    phi ds/dt = q - div(f(s) u)

The pressure p is solved in every voxel (finite volumes, no front to track), with the viscosity of
what stands there, mu(s) = s mu_c + (1 - s) mu_m: a front that crosses a voxel leaves two stretches
in series. The cement's share of the flow is that of straight relative permeabilities,
f = s / (s + (1 - s) mu_c / mu_m) (Buckley and Leverett 1942): thick cement that displaces thin
marrow keeps a sharp front. It is moved implicitly, voxel by voxel in the order of falling pressure
(Kwok and Tchelepi 2007), which holds for any step and neither makes nor loses any.

Slow and easy to read: for tests and benchmarks of `advance`, which leaves the marrow out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import cg

from game.geometry.grid import FloatArray
from game.simulation.cement.medium import Medium

TOLERANCE = 1.0e-8  # residual of the pressure over its source
HALVINGS = 50  # of the interval in which a voxel's new fill lies


@dataclass(frozen=True, eq=False)
class TwoFluid:
    """A block with its fluids: `medium` (veins apart), viscosities Pa s, and the `outlet` voxels,
    flat indices, which stand at pressure 0 and take whatever comes. Every other edge is closed."""

    medium: Medium
    cement_pa_s: float
    marrow_pa_s: float
    outlet: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("cement_pa_s", "marrow_pa_s"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}; it must be above 0")
        if len(self.outlet) == 0:
            raise ValueError("the block has no outlet; marrow must be able to leave")


@dataclass(frozen=True, eq=False)
class Filled:
    """`fill` and `mpa` by voxel, flat (n,); `ml` that left by the outlet."""

    fill: FloatArray
    mpa: FloatArray
    out_ml: float = 0.0


def empty(block: TwoFluid) -> Filled:
    """Marrow everywhere, at rest."""
    size = block.medium.porosity.size
    return Filled(np.zeros(size), np.zeros(size))


def pumped(block: TwoFluid, before: Filled, flows: dict[int, float], seconds: float) -> Filled:
    """After `seconds` of cement let in at the voxels of `flows` (mm3/s each, 0 or more)."""
    source = np.zeros(before.fill.size)
    for voxel, flow in flows.items():
        source[voxel] = flow
    mpa = _pressure(block, before, source)
    return _moved(block, before, mpa, source, seconds)


def driven(block: TwoFluid, before: Filled, source: int, mpa: float, seconds: float) -> Filled:
    """After `seconds` with the voxel `source` held at a pressure, MPa. All is linear in the flow:
    it is the one that makes this pressure."""
    unit = np.zeros(before.fill.size)
    unit[source] = 1.0
    field = _pressure(block, before, unit)
    scale = mpa / float(field[source])
    return _moved(block, before, field * scale, unit * scale, seconds)


def _faces(
    block: TwoFluid, fill: FloatArray
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Pairs of neighbours (m,), (m,) and the conductance between them, mm3/(MPa s)."""
    medium = block.medium
    shape, h = medium.grid.shape, medium.grid.spacing
    viscosity = 1.0e-6 * (fill * block.cement_pa_s + (1.0 - fill) * block.marrow_pa_s)
    number = np.arange(fill.size).reshape(shape)
    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]] = []
    for axis in range(3):
        with np.errstate(divide="ignore"):
            half = 0.5 * viscosity / medium.permeability[..., axis].reshape(-1).astype(float)
        here = np.take(number, range(shape[axis] - 1), axis).reshape(-1)
        there = np.take(number, range(1, shape[axis]), axis).reshape(-1)
        pairs.append((here, there, h / (half[here] + half[there])))
    here, there, gain = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    used = gain > 0
    return here[used], there[used], gain[used]


def _pressure(block: TwoFluid, before: Filled, source: FloatArray) -> FloatArray:
    """MPa in every voxel; 0 in the outlet and where nothing flows."""
    here, there, gain = _faces(block, before.fill)
    size = source.size
    known = np.zeros(size, bool)
    known[block.outlet] = True
    diagonal = np.bincount(here, gain, size) + np.bincount(there, gain, size)
    free = ~known & (diagonal > 0)
    row = np.cumsum(free) - 1
    inner = free[here] & free[there]
    i, j, g = row[here[inner]], row[there[inner]], -gain[inner]
    own = diagonal[free]
    count = len(own)
    at = np.arange(count)
    matrix = csr_array(
        coo_array(
            (np.concatenate([g, g, own]), (np.concatenate([i, j, at]), np.concatenate([j, i, at]))),
            shape=(count, count),
        )
    )
    jacobi = csr_array(coo_array((1.0 / own, (at, at)), shape=(count, count)))
    found, stopped = cg(matrix, source[free], before.mpa[free], rtol=TOLERANCE, M=jacobi)
    if stopped:
        raise ArithmeticError(f"the pressure did not settle in {stopped} iterations")
    mpa = np.zeros(size)
    mpa[free] = found
    return mpa


def _moved(
    block: TwoFluid, before: Filled, mpa: FloatArray, source: FloatArray, seconds: float
) -> Filled:
    here, there, gain = _faces(block, before.fill)
    flux = gain * (mpa[here] - mpa[there])
    up, down = np.where(flux > 0, here, there), np.where(flux > 0, there, here)
    order = np.argsort(up, kind="stable")
    first = np.searchsorted(up[order], np.arange(before.fill.size + 1))
    outlet = np.zeros(before.fill.size, bool)
    outlet[block.outlet] = True
    pores = block.medium.porosity.reshape(-1).astype(float) * block.medium.grid.spacing**3
    fill, out = _swept(
        before.fill, pores, source, np.argsort(-mpa, kind="stable"), first, down[order],
        np.abs(flux)[order], outlet, block.cement_pa_s / block.marrow_pa_s, seconds,
    )  # fmt: skip
    return Filled(fill, mpa, before.out_ml + out / 1000.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _share(fill: float, ratio: float) -> float:
    """The cement's share of the flow out of a voxel."""
    return fill / (fill + (1.0 - fill) * ratio)


@njit(nogil=True, cache=True, error_model="numpy")
def _swept(fill, pores, source, falling, first, down, flux, outlet, ratio, seconds):  # type: ignore[no-untyped-def]
    """New fills, and the mm3 of cement that reached the outlet. `falling` orders the voxels by
    falling pressure; the fluxes out of voxel v are `flux`[first[v]:first[v + 1]], to `down`."""
    after, came, out = fill.copy(), seconds * source, 0.0
    for v in falling:
        if outlet[v]:
            out += came[v]
            continue
        leaving = 0.0
        for n in range(first[v], first[v + 1]):
            leaving += seconds * flux[n]
        held = fill[v] * pores[v] + came[v]
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            if middle * pores[v] + _share(middle, ratio) * leaving < held:
                low = middle
            else:
                high = middle
        gone = max(0.0, held - 0.5 * (low + high) * pores[v]) if leaving > 0.0 else 0.0
        after[v] = (held - gone) / pores[v]
        if gone > 0.0:
            for n in range(first[v], first[v + 1]):
                came[down[n]] += gone * (seconds * flux[n] / leaving)
    return after, out
