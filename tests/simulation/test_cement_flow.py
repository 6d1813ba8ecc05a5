"""Cement flow against closed forms (facts/cement.md, cases 1, 4, 5, 6) in blocks of bone."""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from game.geometry.grid import Grid, Point
from game.simulation.cement import EMPTY, NO_CHANNELS, Cement, Injection, Medium, advance
from game.simulation.cement.medium import conduit
from game.simulation.cement.network import FULL

H = 0.75
POROSITY = 0.9
K = 0.01  # mm2
VISCOSITY = 100.0
NO_LIMIT = 1.0e9


def block(shape: tuple[int, int, int], spacing: float = H, permeability: float = K) -> Medium:
    """A uniform block with the origin at its middle voxel."""
    x, y, z = (-(n // 2) * spacing for n in shape)
    return Medium(
        grid=Grid((x, y, z), spacing, shape),
        permeability=np.full((*shape, 3), permeability, np.float32),
        porosity=np.full(shape, POROSITY, np.float32),
        region=np.zeros(shape, np.uint8),
        sheet=np.empty(0, np.int64),
    )


def request(
    ml: float, tip: Point = (0.0, 0.0, 0.0), limit: float = NO_LIMIT, seconds: float = 0.05
) -> Injection:
    """A request through a bore so fine that one voxel is the source, and with next to no length."""
    return Injection(tip, (0.0, 0.0, 1.0), 0.1, 1e-6, ml, VISCOSITY, limit, seconds)


def pushed(medium: Medium, ml: float, steps: int) -> Cement:
    cement = EMPTY
    for _ in range(steps):
        cement = advance(medium, NO_CHANNELS, cement, request(ml / steps))
    return cement


def reach(cement: Cement, medium: Medium, direction: tuple[int, int, int]) -> float:
    """The front's radius, mm, in a direction: from the volume within a cone of 12 degrees."""
    h, half = medium.grid.spacing, np.radians(12.0)
    quarters = (np.indices((4, 4, 4)).reshape(3, -1).T - 1.5) / 4.0
    index = np.stack(np.unravel_index(cement.voxels, medium.grid.shape), -1)
    points = (medium.grid.point_from_index(index)[:, None] + h * quarters).reshape(-1, 3)
    room = POROSITY * h**3 / 1000.0
    volume = np.repeat(cement.ml / room * (h / 4.0) ** 3, 64)
    axis = np.array(direction) / np.linalg.norm(direction)
    inside = points @ axis >= np.cos(half) * np.linalg.norm(points, axis=1)
    return float((3.0 * volume[inside].sum() / (2.0 * pi * (1.0 - np.cos(half)))) ** (1 / 3))


@pytest.fixture(scope="module")
def sphere() -> tuple[Medium, Cement]:
    medium = block((41, 41, 41))
    return medium, pushed(medium, 2.0, 600)


@pytest.mark.parametrize(
    "direction", [(1, 0, 0), (0, -1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1), (-1, 1, -1), (3, 2, 1)]
)
def test_a_point_source_grows_a_sphere(
    sphere: tuple[Medium, Cement], direction: tuple[int, int, int]
) -> None:
    medium, cement = sphere
    radius = (3.0 * 2000.0 / (4.0 * pi * POROSITY)) ** (1 / 3)
    assert reach(cement, medium, direction) == pytest.approx(radius, rel=0.02)
    assert cement.ml.sum() == pytest.approx(2.0, rel=1e-12)


def test_pressure_of_a_point_source_on_the_seven_point_grid(
    sphere: tuple[Medium, Cement],
) -> None:
    """p0 = 0.252731 Q mu / (K h) without bounds; the front at R takes Q mu / (4 pi K R) off."""
    radius = (3.0 * 2000.0 / (4.0 * pi * POROSITY)) ** (1 / 3)
    flow = 2000.0 / 600 / 0.05
    bound = flow * VISCOSITY / (4.0 * pi * K * radius)
    source = 0.252731 * flow * VISCOSITY / (K * H)
    assert sphere[1].front_mpa * 1e6 + bound == pytest.approx(source, rel=0.005)


def test_a_piston_at_constant_pressure_goes_as_the_root_of_time() -> None:
    """L = sqrt(2 K dp t / (mu phi)), from the centre of the first voxel of a bar."""
    medium = block((2, 2, 120))
    medium.permeability[0, 1], medium.permeability[1] = 0.0, 0.0
    start = medium.grid.origin
    tip = (start[0], start[1], start[2])
    limit, cement = 0.5, EMPTY
    for _ in range(400):
        cement = advance(medium, NO_CHANNELS, cement, request(1.0, tip, limit))
    front = cement.ml.sum() * 1000.0 / POROSITY / H**2 - H / 2.0
    assert front == pytest.approx(
        sqrt(2 * K * limit * 1e6 * 20.0 / (VISCOSITY * POROSITY)), rel=0.02
    )
    assert cement.total_mpa == pytest.approx(limit)


def test_bore_loss_follows_poiseuille_and_the_limit_reduces_the_flow() -> None:
    medium = block((15, 15, 15))
    thin = Injection((0, 0, 0), (0, 0, 1), 2.39, 125.0, 0.001, VISCOSITY, NO_LIMIT, 0.05)
    free = advance(medium, NO_CHANNELS, EMPTY, thin)
    loss = 8.0 * VISCOSITY * 125.0 * 20.0 / (pi * (2.39 / 2) ** 4) / 1e6
    assert free.total_mpa - free.front_mpa == pytest.approx(loss)
    held = advance(
        medium,
        NO_CHANNELS,
        EMPTY,
        Injection((0, 0, 0), (0, 0, 1), 2.39, 125.0, 0.001, VISCOSITY, 0.1, 0.05),
    )
    assert held.total_mpa == pytest.approx(0.1)
    assert 0 < held.delivered_ml < 0.001
    assert held.delivered_ml + held.refused_ml == 0.001


@pytest.mark.parametrize("normal", [(1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (2.0, 1.0, 0.0)])
def test_a_crack_conducts_by_the_cubic_law(normal: Point) -> None:
    """Disc in the crack: p = 6 mu Q / (pi b^3) ln(R / r), R from the volume, between two radii of
    which the ratio matters: the resistance between fills of 1 and 4 volumes is ln 2 of it."""
    aperture, medium = 0.6, block((61, 61, 61), permeability=1e-7)
    unit = np.array(normal) / np.linalg.norm(normal)
    index = np.indices(medium.grid.shape).reshape(3, -1).T - 30
    height, half = index @ unit, 0.5 * np.abs(unit).sum()
    cut = (height >= -half - 1e-9) & (height < half - 1e-9)
    voxels = np.flatnonzero(cut).astype(np.int64)
    added = conduit(aperture, unit[None], H)
    medium.permeability.reshape(-1, 3)[voxels] += added.astype(np.float32)
    resistances = []
    cement = EMPTY
    for volume in (0.1, 0.4):
        while cement.delivered_ml < volume - 1e-9:
            cement = advance(medium, NO_CHANNELS, cement, request(0.002))
        resistances.append(cement.front_mpa * 1e6 / (VISCOSITY * 40.0))
    assert resistances[1] - resistances[0] == pytest.approx(
        6.0 / (pi * aperture**3) * log(2.0), rel=0.1
    )
    assert cement.ml[np.isin(cement.voxels, voxels)].sum() > 0.98 * 0.4


def test_flow_goes_along_the_axis_that_conducts() -> None:
    """Radii of the ellipsoid go as the root of the permeabilities."""
    medium = block((41, 41, 41))
    medium.permeability[..., 2] *= 4.0
    cement = pushed(medium, 1.0, 300)
    index = np.stack(np.unravel_index(cement.voxels, medium.grid.shape), -1) - 20
    spread = np.sqrt((cement.ml[:, None] * index**2).sum(axis=0))
    assert spread[2] / spread[0] == pytest.approx(2.0, rel=0.05)
    assert spread[1] / spread[0] == pytest.approx(1.0, rel=0.01)


def plain_potential(medium: Medium, cement: Cement, source: int) -> NDArray[np.float64]:
    """The plain twin: potentials of the full voxels by a direct solve, from the equations as the
    docstring of `flow` states them, for uniform porosity."""
    room = POROSITY * medium.grid.voxel_ml
    fill = dict(zip(cement.voxels.tolist(), (cement.ml / room).tolist(), strict=True))
    full = [v for v, f in fill.items() if f >= FULL - 1e-9]
    row = {v: r for r, v in enumerate(full)}
    shape, k = medium.grid.shape, medium.permeability.astype(float)
    entries: list[tuple[int, int, float]] = []
    for v, r in row.items():
        at = np.array(np.unravel_index(v, shape))
        for axis in range(3):
            for step in (-1, 1):
                there = at.copy()
                there[axis] += step
                if not 0 <= there[axis] < shape[axis]:
                    continue
                w = int(np.ravel_multi_index(tuple(there), shape))
                a, b = k[(*at, axis)], k[(*there, axis)]
                if w in row:
                    g = H / (0.5 / a + 0.5 / b)
                    entries.append((r, row[w], -g))
                else:
                    filled = max(fill.get(w, 0.0), 0.5 * (1.0 - b / a))
                    g = H / (0.5 / a + filled / b)
                entries.append((r, r, g))
    rows, columns, values = zip(*entries, strict=True)
    matrix = coo_matrix((values, (rows, columns)), shape=(len(full),) * 2).tocsr()
    right = np.zeros(len(full))
    right[row[source]] = 1.0
    out = np.zeros(len(cement.voxels))
    place = {v: n for n, v in enumerate(cement.voxels.tolist())}
    out[[place[v] for v in full]] = spsolve(matrix, right)
    return out


def test_the_solver_agrees_with_a_direct_solve() -> None:
    medium = block((17, 17, 17))
    rng = np.random.default_rng(5)
    medium.permeability[:] = 10.0 ** rng.uniform(-3, -1, (17, 17, 17, 1)).astype(np.float32)
    cement = pushed(medium, 0.15, 60)
    source = 8 * (17 * 17 + 17 + 1)
    twin = plain_potential(medium, cement, source)
    tiny = advance(medium, NO_CHANNELS, cement, request(1e-9))
    mine = tiny.front_mpa * 1e6 / (VISCOSITY * 1e-6 / 0.05)
    assert mine == pytest.approx(twin.max(), rel=1e-3)
    assert np.abs(tiny.potential[: len(twin)] - twin).max() < 2e-3 * twin.max()
