"""How hot it gets while the cement sets: transient conduction on a coarse grid.

    rho c dT/dt = div(k grad T) + heat d(alpha)/dt

Polymerisation alpha is a logistic function of the effective age about the gel age; the age grows by
2^((T - 25) / 12) a second, so what is warm sets faster (the same law as the cement's). Cells are
cubes of 3 voxels with cement, bone and marrow mixed by volume; the edge of the grid, well away, is
at 37 C. Blood carries no heat away, as in the cadavers that were measured: an upper bound. Explicit
steps in a fixed order, short enough to be stable and to follow the reaction; energy is kept:
released = stored + through the edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.geometry.grid import FloatArray
from game.patient.patient import FORAMINA, Region
from game.simulation.cement.body import Cement
from game.simulation.cement.medium import Medium
from game.simulation.cement.rheology import BODY_C, Product, rate

CEMENT_W, CEMENT_J = 0.2e-3, 1.7e-3  # W/(mm K), J/(mm3 K): acrylic, textbook values
BONE_W, BONE_J = 0.35e-3, 2.3e-3  # wet cancellous bone and marrow: textbook values
WIDTH_S = (
    25.0  # of the logistic, s at 25 C: most of the heat comes within two minutes there; a choice
)
COARSE = 3  # voxels along a cell of the grid: a project choice
MARGIN_MM = 24.0  # from cement to the edge: a project choice
AFTER_S = 300.0  # followed so long after the last has set: 12 mm take 160 s (r^2 / 6 alpha)
EARLY = 6.0  # widths before the gel age at which next to nothing (0.2 %) has reacted
FINE = 0.1  # of a width that a step may advance the reaction


@dataclass(frozen=True, eq=False)
class Slab:
    """What conducts: `capacity` (nx, ny, nz) J/K and `conductivity` W/(mm K) of cells of `h` mm,
    `heat` J that each will give off, `age_s` its effective age. All float64."""

    h: float
    capacity: FloatArray
    conductivity: FloatArray
    heat: FloatArray
    age_s: FloatArray


@dataclass(frozen=True, eq=False)
class Warmed:
    """`peak` (nx, ny, nz) is the highest temperature of each cell, C, `last` the one at the end;
    J that were `released` and that went out `through` the edge."""

    peak: FloatArray
    last: FloatArray
    released: float
    through: float


def setting_celsius(medium: Medium, cement: Cement, product: Product) -> Mapping[str, float]:
    """The highest temperature, C, while `cement` sets: in the "cement", in the "canal" and in each
    foramen ("foramen_s1_left"), as far as they lie on the grid; empty without cement.

    All of it counts as in place since before the first of it reacted. Takes about half a second."""
    inside = cement.voxels < medium.porosity.size
    if not inside.any():
        return MappingProxyType({})
    voxels, ml, age = cement.voxels[inside], cement.ml[inside], cement.age_s[inside]
    corner, shape = _frame(medium, voxels)
    cells = _cells(medium, voxels, corner)
    held = np.zeros(shape)
    np.add.at(held, cells, ml)
    slab = _slab(medium, held, _mean(shape, cells, ml, age), product)
    warmed = set_off(slab, product.gel_age_s, duration_s(slab, product.gel_age_s))
    found = {"cement": float(warmed.peak[held > 0].max())}
    for region in (Region.CANAL, *FORAMINA["left"], *FORAMINA["right"]):
        where = _where(medium, region, corner, shape)
        if where.any():
            found[region.name.lower()] = float(warmed.peak[where].max())
    return MappingProxyType(found)


def duration_s(slab: Slab, gel_age_s: float) -> float:
    """How long the youngest cement takes to set in the body, and a while more, s."""
    youngest = float(slab.age_s[slab.heat > 0].min())
    return max(0.0, gel_age_s + EARLY * WIDTH_S - youngest) / rate(BODY_C) + AFTER_S


def set_off(
    slab: Slab, gel_age_s: float, seconds: float, start: FloatArray | None = None
) -> Warmed:
    """Let it react and conduct for `seconds`, from `start` (37 C where none is given)."""
    celsius = np.full(slab.heat.shape, BODY_C) if start is None else start.copy()
    peak, next_to = celsius.copy(), np.empty_like(celsius)
    released, through = _conduct(
        celsius, next_to, peak, slab.h, slab.capacity, slab.conductivity, slab.heat,
        slab.age_s.copy(), gel_age_s, seconds,
    )  # fmt: skip
    return Warmed(peak, celsius, released, through)


def _frame(medium: Medium, voxels: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """The first voxel of the coarse grid about the cement, and its shape in cells."""
    index = np.stack(np.unravel_index(voxels, medium.grid.shape))
    margin = int(np.ceil(MARGIN_MM / medium.grid.spacing))
    low, high = index.min(axis=1) - margin, index.max(axis=1) + margin + 1
    shape = -(-(high - low) // COARSE)
    return low, tuple(int(n) for n in shape)


def _cells(
    medium: Medium, voxels: NDArray[np.int64], corner: NDArray[np.int64]
) -> tuple[NDArray[np.int64], ...]:
    index = np.stack(np.unravel_index(voxels, medium.grid.shape), axis=1)
    return tuple(((index - corner) // COARSE).T)


def _mean(
    shape: tuple[int, ...], cells: tuple[NDArray[np.int64], ...], ml: FloatArray, age: FloatArray
) -> FloatArray:
    weighed, weight = np.zeros(shape), np.zeros(shape)
    np.add.at(weighed, cells, ml * age)
    np.add.at(weight, cells, ml)
    return np.divide(weighed, weight, out=np.zeros(shape), where=weight > 0)


def _slab(medium: Medium, held: FloatArray, age: FloatArray, product: Product) -> Slab:
    """Cement `held` (mL) in cells of bone; ages wound back to before the first of it reacted."""
    h = COARSE * medium.grid.spacing
    share = np.minimum(1.0, 1000.0 * held / h**3)
    filled = held > 0
    early = product.gel_age_s - EARLY * WIDTH_S
    back = max(0.0, float(age[filled].max()) - early)
    return Slab(
        h=h,
        capacity=h**3 * (share * CEMENT_J + (1.0 - share) * BONE_J),
        conductivity=share * CEMENT_W + (1.0 - share) * BONE_W,
        heat=held * product.heat_j_ml,
        age_s=np.where(filled, age - back, 0.0),
    )


def _where(
    medium: Medium, region: Region, corner: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """The cells half of which, or the most there is of it in one, is of a region."""
    voxels = np.flatnonzero(medium.region.reshape(-1) == region)
    cells = np.stack(_cells(medium, voxels, corner), axis=1)
    cells = cells[np.all((cells >= 0) & (cells < shape), axis=1)]
    count = np.zeros(shape, np.int64)
    np.add.at(count, tuple(cells.T), 1)
    most = int(count.max(initial=0))
    return np.asarray(count >= min(max(most, 1), (COARSE**3 + 1) // 2), bool)


@njit(nogil=True, cache=True, error_model="numpy")
def _conduct(celsius, after, peak, h, capacity, k, heat, age, gel, seconds):  # type: ignore[no-untyped-def]
    """Steps within the stable length (a cell's faces conduct 12 k h at most, where it lies in the
    grid's corner); returns J released and J through the edge."""
    warm, fresh, most = celsius.reshape(-1), after.reshape(-1), peak.reshape(-1)
    store, conducts = capacity.reshape(-1), k.reshape(-1)
    fuel, cured = heat.reshape(-1), age.reshape(-1)
    stable = np.inf
    for n in range(len(store)):
        stable = min(stable, store[n] / (12.0 * h * conducts[n]))
    left, released, through = seconds, 0.0, 0.0
    while left > 0.0:
        step = min(left, stable, FINE * WIDTH_S / _hottest(warm, fuel, cured, gel))
        released += _react(warm, store, fuel, cured, gel, step)
        through += _diffuse(celsius, after, h, capacity, k, step)
        for n in range(len(warm)):
            warm[n] = fresh[n]
            most[n] = max(most[n], fresh[n])
        left -= step
    return released, through


@njit(nogil=True, cache=True, error_model="numpy")
def _hottest(warm, fuel, cured, gel):  # type: ignore[no-untyped-def]
    """The fastest rate of ageing where there is something left to react."""
    most = 1.0
    for n in range(len(warm)):
        if fuel[n] > 0.0 and cured[n] < gel + EARLY * WIDTH_S:
            most = max(most, rate(warm[n]))
    return most


@njit(nogil=True, cache=True, error_model="numpy")
def _react(warm, store, fuel, cured, gel, step):  # type: ignore[no-untyped-def]
    released = 0.0
    for n in range(len(warm)):
        if fuel[n] <= 0.0:
            continue
        before = 1.0 / (1.0 + np.exp((gel - cured[n]) / WIDTH_S))
        cured[n] += step * rate(warm[n])
        given = fuel[n] * (1.0 / (1.0 + np.exp((gel - cured[n]) / WIDTH_S)) - before)
        warm[n] += given / store[n]
        released += given
    return released


@njit(nogil=True, cache=True, error_model="numpy")
def _diffuse(celsius, after, h, capacity, k, step):  # type: ignore[no-untyped-def]
    """One explicit step into `after`; conductances are harmonic, half a cell to the edge."""
    nx, ny, nz = celsius.shape
    through = 0.0
    for x in range(nx):
        for y in range(ny):
            for z in range(nz):
                here, t, flow = k[x, y, z], celsius[x, y, z], 0.0
                for f in range(6):
                    d = 1 - 2 * (f % 2)
                    i, j, m = x, y, z
                    if f < 2:
                        i += d
                    elif f < 4:
                        j += d
                    else:
                        m += d
                    if 0 <= i < nx and 0 <= j < ny and 0 <= m < nz:
                        there = k[i, j, m]
                        gain = 2.0 * h * here * there / (here + there)
                        flow += gain * (celsius[i, j, m] - t)
                    else:
                        out = 2.0 * h * here * (t - BODY_C)
                        flow -= out
                        through += out * step
                after[x, y, z] = t + step * flow / capacity[x, y, z]
    return through
