"""Textbook cases that cement flow has to reproduce (facts/cement.md), each run on the solver.

Every function runs one case and returns how far off it came out, relative. Lengths mm, flow mm3/s,
viscosity Pa s, so that Pa = (Pa s / mm3) (mm3/s).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import inf, pi, sqrt

import numpy as np

from game.geometry.grid import Grid, Point
from game.patient.patient import Region
from game.simulation.cement import EMPTY, NO_CHANNELS, Cement, Channels, Injection, Medium, Product
from game.simulation.cement import advance as flow_on
from game.simulation.cement.aperture import widening
from game.simulation.cement.medium import conduit
from game.simulation.cement.rheology import LEAST_SHEAR

POROSITY, K, PA_S = 0.9, 0.01, 100.0
NO_LIMIT = 1.0e9  # MPa
SOURCE = 0.252731  # p0 K h / (mu Q) of a point source on the seven-point grid (Watson's integral)
CENTRE: Point = (0.0, 0.0, 0.0)
AHEAD: Point = (0.0, 0.0, 1.0)
RTMSIM_S, RTMSIM_MM = (50.0, 100.0, 150.0, 200.0), (114.0, 150.0, 178.0, 200.0)


def fluid(pa_s: float = PA_S, index: float = 1.0) -> Product:
    """A liquid that never sets: Newtonian, or thinning from `pa_s` at 1/s."""
    return Product("fluid", "Fluid", pa_s, inf, index, 1.0, 0.0, 10.0, 0.0)


def block(shape: tuple[int, int, int], spacing: float = 0.75, k: float = K) -> Medium:
    """A uniform block with the origin at its middle voxel."""
    x, y, z = (-(n // 2) * spacing for n in shape)
    return Medium(
        grid=Grid((x, y, z), spacing, shape),
        permeability=np.full((*shape, 3), k, np.float32),
        porosity=np.full(shape, POROSITY, np.float32),
        region=np.zeros(shape, np.uint8),
        sheet=np.empty(0, np.int64),
    )


def request(
    ml: float, seconds: float = 0.05, limit: float = NO_LIMIT, tip: Point = CENTRE,
    bore: float = 0.1, product: Product | None = None, time_s: float = 0.0,
) -> Injection:  # fmt: skip
    """A request through a bore with next to no length; 0.1 mm wide, so that one voxel is the
    source."""
    return Injection(tip, AHEAD, bore, 1e-9, ml, limit, seconds, product or fluid(), time_s=time_s)


def pushed(
    medium: Medium, ml: float, steps: int, product: Product | None = None,
    cement: Cement = EMPTY, channels: Channels = NO_CHANNELS,
) -> Cement:  # fmt: skip
    """`ml` more into the middle, in equal requests of 50 ms."""
    used = product or fluid()
    began = cement.time_s
    for n in range(steps):
        asked = request(ml / steps, product=used, time_s=began + 0.05 * (n + 1))
        cement = flow_on(medium, channels, cement, asked)
    return cement


def ball_radius(ml: float) -> float:
    """Of a ball of bone that holds so much cement, mm."""
    return float((3000.0 * ml / (4.0 * pi * POROSITY)) ** (1 / 3))


def reach(cement: Cement, medium: Medium, direction: Iterable[float]) -> float:
    """The front's radius, mm, in a direction: from the volume within a cone of 12 degrees."""
    h, half = medium.grid.spacing, np.radians(12.0)
    quarters = (np.indices((4, 4, 4)).reshape(3, -1).T - 1.5) / 4.0
    index = np.stack(np.unravel_index(cement.voxels, medium.grid.shape), -1).astype(float)
    points = (medium.grid.point_from_index(index)[:, None] + h * quarters).reshape(-1, 3)
    room = POROSITY * h**3 / 1000.0
    volume = np.repeat(cement.ml / room * (h / 4.0) ** 3, 64)
    axis = np.array(tuple(direction), float)
    axis /= np.linalg.norm(axis)
    inside = points @ axis >= np.cos(half) * np.linalg.norm(points, axis=1)
    return float((3.0 * volume[inside].sum() / (2.0 * pi * (1.0 - np.cos(half)))) ** (1 / 3))


def sphere_pressure(ml: float = 2.0, side: int = 41, steps: int = 600) -> float:
    """Case 1, one fluid, and case 5: p = mu Q / (4 pi K) (1/a - 1/R). A voxel that is the source
    counts as a sphere of a = h / (4 pi 0.252731)."""
    medium = block((side, side, side))
    cement = pushed(medium, ml, steps)
    flow, h = 1000.0 * ml / steps / 0.05, medium.grid.spacing
    expected = PA_S * flow * (SOURCE / (K * h) - 1.0 / (4.0 * pi * K * ball_radius(ml)))
    return abs(cement.front_mpa * 1e6 / expected - 1.0)


def point_source() -> float:
    """Case 5: the same without the front, whose part is added back."""
    medium = block((41, 41, 41))
    cement = pushed(medium, 2.0, 600)
    flow = 2000.0 / 600 / 0.05
    bound = flow * PA_S / (4.0 * pi * K * ball_radius(2.0))
    return abs((cement.front_mpa * 1e6 + bound) * K * 0.75 / (flow * PA_S) / SOURCE - 1.0)


def sphere_time(seconds: float = 60.0, side: int = 41, limit: float = 0.3) -> float:
    """Case 2, sphere at constant pressure: t = (mu phi a^2 / K dp)(x^3/3 - x^2/2 + 1/6), x = R/a.
    Told as the pressure that would have made the front in that time."""
    medium, cement, steps = block((side, side, side)), EMPTY, round(seconds / 0.05)
    for n in range(steps):
        cement = flow_on(medium, NO_CHANNELS, cement, request(1.0, limit=limit, time_s=n * 0.05))
    a = medium.grid.spacing / (4.0 * pi * SOURCE)
    x = ball_radius(cement.delivered_ml) / a
    needed = PA_S * POROSITY * a**2 / K * (x**3 / 3.0 - x**2 / 2.0 + 1.0 / 6.0) / seconds
    return abs(needed / (limit * 1e6) - 1.0)


def cylinder_radii(spacing: float = 10.0 * sqrt(pi / 21.0)) -> tuple[float, ...]:
    """Case 3, RTMsim's case 1: radii, mm, at 50, 100, 150 and 200 s. mu 0.06 Pa s, phi 0.7,
    K 3e-10 m2, dp 35 kPa, r0 10 mm. The inlet is the disc of voxels of about that area, and so open
    that its pressure is one."""
    half = round(215.0 / spacing)
    medium = block((2 * half + 1, 2 * half + 1, 2), spacing, 3.0e-4)
    medium.permeability[:, :, 0] = 0.0
    medium.porosity[:] = 0.7
    x, y = np.meshgrid(*medium.grid.axes()[:2], indexing="ij")
    inlet = np.hypot(x, y) < 1.04 * 10.0
    medium.permeability[inlet, 1] = 0.3
    bore, found = 2.08 * 10.0, []
    filled = 0.7 * inlet.sum() * medium.grid.voxel_ml
    cement = flow_on(
        medium, NO_CHANNELS, EMPTY, request(filled, 1.0, bore=bore, product=fluid(0.06))
    )
    steps = round(RTMSIM_S[-1] / 0.5)
    for n in range(1, steps + 1):
        asked = request(1e6, 0.5, 0.035, bore=bore, product=fluid(0.06), time_s=1 + n * 0.5)
        cement = flow_on(medium, NO_CHANNELS, cement, asked)
        if n * 0.5 in RTMSIM_S:
            found.append(sqrt(1000.0 * cement.delivered_ml / (0.7 * pi * spacing)))
    return tuple(found)


def cylinder_error(spacing: float = 10.0 * sqrt(pi / 21.0)) -> float:
    """The worst of `cylinder_radii` against RTMsim's."""
    pairs = zip(cylinder_radii(spacing), RTMSIM_MM, strict=True)
    return max(abs(found / known - 1.0) for found, known in pairs)


def piston_time(limit: float = 0.5, seconds: float = 20.0) -> float:
    """Case 4, one fluid: L = sqrt(2 K dp t / (mu phi)) from the middle of a bar's first voxel. Told
    as the pressure that would have made the front."""
    medium = block((2, 2, 120))
    medium.permeability[0, 1], medium.permeability[1] = 0.0, 0.0
    tip, h = medium.grid.origin, medium.grid.spacing
    cement = EMPTY
    for n in range(round(seconds / 0.05)):
        asked = request(1.0, limit=limit, tip=tip, time_s=n * 0.05)
        cement = flow_on(medium, NO_CHANNELS, cement, asked)
    front = cement.delivered_ml * 1000.0 / POROSITY / h**2 - h / 2.0
    # the first half voxel, behind the middle, fills against no resistance
    needed = PA_S * POROSITY * front**2 / (2.0 * K * seconds)
    return abs(needed / (limit * 1e6) - 1.0)


def crack_pressure(normal: Point = (1.0, 0.0, 0.0), side: int = 61) -> float:
    """Case 6, disc in a crack: p = 6 mu Q / (pi b^3) ln(R / r): between rings around 3 mm and 9 mm
    of one that has grown to 13 mm."""
    aperture, medium = 0.6, block((side, side, side), k=1e-9)
    unit = np.array(normal) / np.linalg.norm(normal)
    index = np.indices(medium.grid.shape).reshape(3, -1).T - side // 2
    height, half = index @ unit, 0.5 * np.abs(unit).sum()
    cut = (height >= -half - 1e-9) & (height < half - 1e-9)
    added = conduit(np.array([aperture]), unit[None], medium.grid.spacing)
    medium.permeability.reshape(-1, 3)[cut] += added.astype(np.float32)
    cement = pushed(medium, 0.4, 200)
    away = medium.grid.spacing * index[cement.voxels]
    radii = np.linalg.norm(away - (away @ unit)[:, None] * unit, axis=1)
    inside = cut[cement.voxels]
    near, far = (inside & (np.abs(radii - r) < 1.0) for r in (3.0, 9.0))
    rise = np.log(radii[far]).mean() - np.log(radii[near]).mean()
    expected = 6.0 * PA_S * 40.0 / (pi * aperture**3) * rise
    found = 1e6 * (cement.mpa[near].mean() - cement.mpa[far].mean())
    return float(abs(found / expected - 1.0))


def power_law(index: float = 0.6, ml: float = 2.0, side: int = 41, steps: int = 600) -> float:
    """Case 8: dp/dr = mu_eff u^n / K, with mu_eff = m (4 / sqrt(8 K phi))^(n-1): between shells
    around 3 mm and 6 mm of a growing ball."""
    medium, liquid = block((side, side, side)), fluid(PA_S, index)
    cement = pushed(medium, ml, steps, liquid)
    flow = 1000.0 * ml / steps / 0.05
    index3 = np.stack(np.unravel_index(cement.voxels, medium.grid.shape), -1).astype(float)
    radii = np.linalg.norm(medium.grid.point_from_index(index3), axis=1)
    near, far = (np.abs(radii - r) < 0.5 for r in (3.0, 6.0))
    slowest = flow / (4.0 * pi * radii[far].max() ** 2) * 4.0 / sqrt(8.0 * K * POROSITY)
    if slowest < LEAST_SHEAR:
        raise ValueError(f"the slowest shear rate is {slowest} 1/s; the law ends at {LEAST_SHEAR}")

    def pressure(r: float) -> float:
        thick = PA_S * (4.0 / sqrt(8.0 * K * POROSITY)) ** (index - 1.0)
        power = 1.0 - 2.0 * index
        return thick / K * (flow / (4.0 * pi)) ** index * r**power / -power

    expected = np.mean([pressure(r) for r in radii[near]]) - np.mean(
        [pressure(r) for r in radii[far]]
    )
    found = 1e6 * (cement.mpa[near].mean() - cement.mpa[far].mean())
    return float(abs(found / expected - 1.0))


def breach(radii: float, offset: tuple[float, float] = (0.0, 0.0), ml: float = 1.5) -> float:
    """Case 7: a hole of `radii` voxels through a wall, its middle `offset` voxels off a voxel's:
    Q = 4 c K dp / mu from the open hole into bone on one side. The front at R takes the part of a
    half ball's flow beyond it off."""
    medium, half = block((45, 45, 26)), 22
    h = medium.grid.spacing
    wall = medium.permeability
    wall[:, :, 0] = 0.0
    i, j = np.indices(medium.grid.shape[:2])
    hole = np.hypot(i - half - offset[0], j - half - offset[1]) <= radii
    flat = np.flatnonzero(hole) * medium.grid.shape[2]
    wide = widening(radii * h, h, len(flat))
    track = Channels(
        flat.astype(np.int64), np.full((len(flat), 3), 30.0), np.ones(len(flat)),
        np.full(len(flat), float(wide)),
    )  # fmt: skip
    x, y, z = (o + h * n for o, n in zip(medium.grid.origin, (half, half, 0), strict=True))
    cement, steps = EMPTY, 200
    for _ in range(steps):
        cement = flow_on(medium, track, cement, request(ml / steps, tip=(x, y, z)))
    flow = 1000.0 * ml / steps / 0.05
    inside = 1000.0 * cement.ml[~np.isin(cement.voxels, flat)].sum() / POROSITY
    front = (1.5 * inside / pi) ** (1 / 3)
    found = cement.front_mpa * 1e6 + flow * PA_S / (2.0 * pi * K * front)
    return abs(flow * PA_S / (4.0 * K * radii * h) / found - 1.0)


DIRECTIONS = ((1, 0, 0), (0, -1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1), (-1, 1, -1), (3, 2, 1))


def front_error(spacing: float = 0.5, ml: float = 1.0) -> float:
    """The front of a growing ball, the worst of seven directions, a body diagonal among them."""
    side = 2 * int(1.3 * ball_radius(ml) / spacing) + 3
    medium = block((side, side, side), spacing)
    cement = pushed(medium, ml, 300)
    return max(abs(reach(cement, medium, d) / ball_radius(ml) - 1.0) for d in DIRECTIONS)


def marrow_error(mpa: float = 0.02, ml: float = 0.02, seconds: float = 8.0) -> float:
    """A bar filled from its middle, one half marrow that stands at `mpa`, the other outside bone at
    0: whatever the plunger does, Lo^2 - Li^2 grows by 2 K p / (mu phi) a second, for the lengths
    outside and inside (case 4's pistons, one taken off the other). Over the second half of the
    time: at first the marrow stops its side."""
    medium = block((2, 2, 161))
    medium.permeability[0, 1], medium.permeability[1] = 0.0, 0.0
    h, middle = medium.grid.spacing, 80
    medium.region[:, :, :middle] = Region.PRESACRAL
    medium = replace(medium, marrow_mpa=mpa)
    x, y, z = medium.grid.origin
    tip, cement, steps = (x, y, z + middle * h), EMPTY, round(seconds / 0.05)
    apart = []
    for n in range(1, steps + 1):
        cement = flow_on(medium, NO_CHANNELS, cement, request(ml / steps, tip=tip, time_s=n * 0.05))
        if n in (steps // 2, steps):
            at = cement.voxels % medium.grid.shape[2]
            out, inside = (
                float(cement.ml[part].sum()) * 1000.0 / POROSITY / h**2 + 0.5 * h
                for part in (at < middle, at > middle)
            )
            apart.append(out**2 - inside**2)
    expected = 2.0 * K * mpa * 1e6 * 0.5 * seconds / (PA_S * POROSITY)
    return abs((apart[1] - apart[0]) / expected - 1.0)
