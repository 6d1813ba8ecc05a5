"""How hot it gets while the cement sets: transient conduction on a coarse grid.

    rho c dT/dt = div(k grad T) + heat d(alpha)/dt

Polymerisation alpha is a logistic function of the effective age about the gel age; the age grows by
2^((T - 25) / 12) a second, so what is warm sets faster (the same law as the cement's). Cells are
cubes of 3 voxels with cement, bone and marrow mixed by volume; the edge of the grid, well away, is
at 37 C. Blood carries no heat away, as in the cadavers that were measured: an upper bound. Explicit
steps in a fixed order conduct; before and after each, for half of it, every cell reacts by itself
in parts short enough to follow it (Strang's splitting). Energy is kept: released = stored + through
the edge.
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
WIDTH_S = 200.0  # of the logistic, s at 25 C: so wide that 6 mm of cement get about 50 C less hot
# between PTFE than in foam, as was measured (Li 2004, PubMed 15338595, abstract;
# game.training.mould works it out); fitted to that one number
COARSE = 3  # voxels along a cell of the grid: a project choice
MARGIN_MM = 24.0  # from cement to the edge: a project choice
AFTER_S = 300.0  # followed so long after the last has set: 12 mm take 160 s (r^2 / 6 alpha)
LATE = 6.0  # widths after the gel age at which next to nothing (0.2 %) is left to react
SPENT = 40.0  # widths after the gel age at which nothing (1e-17) is left to react
FINE = 0.1  # of a width that a cell may age in one go
OFTEN = 4.0  # steps in the longest stable one; between them each cell reacts by itself


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

    All of it counts as in place since the oldest of it was fit to be injected. Takes about half a
    second."""
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
    return max(0.0, gel_age_s + LATE * WIDTH_S - youngest) / rate(BODY_C) + AFTER_S


def set_off(
    slab: Slab, gel_age_s: float, seconds: float, start: FloatArray | None = None
) -> Warmed:
    """Let it react and conduct for `seconds`, from `start` (37 C where none is given)."""
    celsius = np.full(slab.heat.shape, BODY_C) if start is None else start.copy()
    peak = celsius.copy()
    released, through = _conduct(
        celsius, peak, slab.h, slab.capacity, slab.conductivity, slab.heat,
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
    """Cement `held` (mL) in cells of bone; ages wound back until none is older than when it may
    first be injected: what reacted before gave its heat off in the room."""
    h = COARSE * medium.grid.spacing
    share = np.minimum(1.0, 1000.0 * held / h**3)
    filled = held > 0
    early = product.age_at(product.toothpaste_pa_s)
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
def _conduct(celsius, peak, h, capacity, k, heat, age, gel, seconds):  # type: ignore[no-untyped-def]
    """Steps within the stable length (a cell's faces conduct 12 k h at most, where it lies in the
    grid's corner); returns J released and J through the edge."""
    warm, store, fuel, cured = celsius.ravel(), capacity.ravel(), heat.ravel(), age.ravel()
    fuelled = np.flatnonzero(fuel > 0.0)
    stable = (capacity / (12.0 * h * k)).min() / OFTEN
    faces, edge = _faces(k, h)
    slack = 1.0 / capacity
    after = np.empty_like(celsius)
    left, released, through = seconds, 0.0, 0.0
    while left > 0.0:
        step = min(left, stable)
        for n in fuelled:
            released += _react(n, warm, store, fuel, cured, gel, 0.5 * step)
        through += step * _out(celsius, edge)
        _diffuse(celsius, faces, edge, slack, step, after)
        peak[:] = np.maximum(np.maximum(peak, celsius), after)
        celsius[:] = after
        for n in fuelled:
            released += _react(n, warm, store, fuel, cured, gel, 0.5 * step)
        left -= step
    return released, through


@njit(nogil=True, cache=True, error_model="numpy")
def _faces(k, h):  # type: ignore[no-untyped-def]
    """Conductances, W/K: `faces` (3, nx, ny, nz) from a cell to the next along each axis (0 from
    the last), harmonic; `edge` (nx, ny, nz) from a cell through the grid's edge, half a cell away,
    for each of its faces that lies there."""
    nx, ny, nz = k.shape
    faces, edge = np.zeros((3, nx, ny, nz)), np.zeros((nx, ny, nz))
    for x in range(nx):
        for y in range(ny):
            for z in range(nz):
                here, outer = k[x, y, z], 0
                if x + 1 < nx:
                    faces[0, x, y, z] = 2.0 * h * here * k[x + 1, y, z] / (here + k[x + 1, y, z])
                if y + 1 < ny:
                    faces[1, x, y, z] = 2.0 * h * here * k[x, y + 1, z] / (here + k[x, y + 1, z])
                if z + 1 < nz:
                    faces[2, x, y, z] = 2.0 * h * here * k[x, y, z + 1] / (here + k[x, y, z + 1])
                outer += (x == 0) + (x + 1 == nx) + (y == 0) + (y + 1 == ny)
                outer += (z == 0) + (z + 1 == nz)
                edge[x, y, z] = 2.0 * h * here * outer
    return faces, edge


@njit(nogil=True, cache=True, error_model="numpy")
def _react(n, warm, store, fuel, cured, gel, seconds):  # type: ignore[no-untyped-def]
    """Cell n reacts for `seconds` by itself, in parts short enough to follow it; J released."""
    left, released = seconds, 0.0
    before = 1.0 / (1.0 + np.exp((gel - cured[n]) / WIDTH_S))
    while left > 0.0 and cured[n] < gel + SPENT * WIDTH_S:
        ageing = rate(warm[n])
        part = min(left, FINE * WIDTH_S / ageing)
        cured[n] += part * ageing
        after = 1.0 / (1.0 + np.exp((gel - cured[n]) / WIDTH_S))
        warm[n] += fuel[n] * (after - before) / store[n]
        released += fuel[n] * (after - before)
        before = after
        left -= part
    return released


@njit(nogil=True, cache=True, error_model="numpy")
def _out(celsius, edge):  # type: ignore[no-untyped-def]
    """W that leave through the grid's edge."""
    nx, ny, nz = celsius.shape
    total = 0.0
    for x in range(nx):
        for y in range(ny):
            step = 1 if x in (0, nx - 1) or y in (0, ny - 1) else max(nz - 1, 1)
            for z in range(0, nz, step):
                total += edge[x, y, z] * (celsius[x, y, z] - BODY_C)
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def _diffuse(celsius, faces, edge, slack, step, after):  # type: ignore[no-untyped-def]
    """One explicit `step`, s, into `after`; `slack` is a cell's K/J. Loops along z are free of
    branches, so that the compiler vectorises them."""
    nx, ny, nz = celsius.shape
    for x in range(nx):
        for y in range(ny):
            here, gained = celsius[x, y], after[x, y]
            for z in range(nz):
                gained[z] = edge[x, y, z] * (BODY_C - here[z])
            if x > 0:
                _exchange(faces[0, x - 1, y], here, celsius[x - 1, y], gained)
            if x + 1 < nx:
                _exchange(faces[0, x, y], here, celsius[x + 1, y], gained)
            if y > 0:
                _exchange(faces[1, x, y - 1], here, celsius[x, y - 1], gained)
            if y + 1 < ny:
                _exchange(faces[1, x, y], here, celsius[x, y + 1], gained)
            _exchange(faces[2, x, y, :-1], here[1:], here[:-1], gained[1:])
            _exchange(faces[2, x, y, :-1], here[:-1], here[1:], gained[:-1])
            for z in range(nz):
                gained[z] = here[z] + step * slack[x, y, z] * gained[z]


@njit(nogil=True, cache=True, error_model="numpy")
def _exchange(face, here, there, gained):  # type: ignore[no-untyped-def]
    for z in range(len(here)):
        gained[z] += face[z] * (there[z] - here[z])
