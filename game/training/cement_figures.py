"""What `sacrosim bench cement` measures of the flow: textbook cases, grid, the twin, and speed.

Errors are in per cent. Speed is time of the processor on one core, so that other work on the
machine stretches it less.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from time import thread_time

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import Region
from game.simulation.cement import EMPTY, NO_CHANNELS, Cement, Medium, advance
from game.simulation.cement.medium import CORTEX_MM2, CORTEX_POROSITY, SOFT_MM2, conduit
from game.simulation.cement.tracks import MOVED_MM, Hole, Shaft, channels_of
from game.simulation.cement.two_fluid import TwoFluid, empty, pumped
from game.training import cement_cases as cases
from game.training.cement_cases import request
from game.training.figure import Figure

HALF_MM, CORTEX_MM = 13.5, 1.5  # of a box of bone, and its cortex
APERTURE_MM = 0.6
BORE_MM, STEEL_MM = 2.39, 1.525  # an 11G cannula's bore, and its radius
DRAWN_MM = 16.0  # of the box' 27, that a cannula comes out while it is timed
RATES_ML_MIN = (1.0, 3.0, 6.0)  # a slow and a fast hand; facts/procedure.md


def figures(ml: float = 10.0) -> list[Figure]:
    """All of them; `ml` is how far the timed runs go."""
    still = (f for rate in RATES_ML_MIN for f in speed(rate, ml))
    return [*textbook(), *halved(), twin(), *still, *speed(RATES_ML_MIN[1], ml, drawn_mm=DRAWN_MM)]


def textbook() -> list[Figure]:
    """The analytic cases of facts/cement.md."""
    rows = (
        ("case 1, sphere at constant flow, pressure", cases.sphere_pressure(), "0.5"),
        ("case 2, sphere at constant pressure", cases.sphere_time(), "0.5"),
        ("case 3, cylinder: RTMsim's radii", cases.cylinder_error(), "1"),
        ("case 4, piston", cases.piston_time(), "0.5"),
        ("case 5, point source", cases.point_source(), "0.5"),
        ("case 6, crack along the grid", cases.crack_pressure(), "0.5"),
        ("case 6, crack along (1, 1, 1)", cases.crack_pressure((1.0, 1.0, 1.0)), "0.5"),
        ("case 7, round breach of 1.6 to 6 voxels, worst", worst_breach(), "5"),
        ("case 8, power law, index 0.6", cases.power_law(), "2"),
        ("marrow that presses back on one of two pistons", cases.marrow_error(), "2"),
        ("front, worst of 7 directions, 0.5 mm", cases.front_error(), "2"),
    )
    return [Figure(what, "%", 100.0 * error, asked) for what, error, asked in rows]


def worst_breach() -> float:
    """Case 7 for holes on a voxel's middle and between voxels."""
    return max(cases.breach(c, at) for c in (1.6, 2.0, 3.0, 6.0) for at in ((0.0, 0.0), (0.5, 0.5)))


def cracked_box(spacing: float, half_mm: float = HALF_MM, reach_mm: float = 6.0) -> Medium:
    """A box of uneven bone with a tight cortex in soft space `reach_mm` wide, and a fracture across
    it, out by the cortex on all sides. The same body whatever the spacing."""
    count = 2 * round((half_mm + reach_mm) / spacing)
    low = -0.5 * (count - 1) * spacing
    grid = Grid((low, low, low), spacing, (count,) * 3)
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij")
    uneven = np.sin(0.9 * x + 0.4 * z) + np.sin(0.7 * y - 0.3 * x) + np.sin(0.8 * z + 0.5 * y)
    away = np.maximum(np.maximum(np.abs(x), np.abs(y)), np.abs(z))
    k = np.where(away > half_mm, SOFT_MM2, 0.01 * 10.0 ** (0.2 * uneven))
    pores = np.where(away > half_mm, 1.0, 0.85 - 0.03 * uneven)
    cortex = (away <= half_mm) & (away > half_mm - CORTEX_MM)
    k[cortex], pores[cortex] = CORTEX_MM2, CORTEX_POROSITY
    permeability = np.repeat(k[..., None], 3, axis=3)
    sheet = (away <= half_mm) & (y > 0) & (y < spacing)
    permeability[sheet] += conduit(np.array([APERTURE_MM]), np.array([[0, 1.0, 0]]), spacing)[0]
    pores[sheet] += (1.0 - pores[sheet]) * min(1.0, APERTURE_MM / spacing)
    return Medium(
        grid=grid,
        permeability=permeability.astype(np.float32),
        porosity=pores.astype(np.float32),
        region=np.where(away > half_mm, Region.PRESACRAL, Region.MARROW).astype(np.uint8),
        sheet=np.flatnonzero(sheet).astype(np.int64),
    )


def injected(
    medium: Medium, ml: float, ml_min: float, drawn_mm: float = 0.0
) -> tuple[Cement, FloatArray, list[int]]:
    """`ml` beside the fracture in steps of 50 ms; ms of the processor, and rows, of each step. With
    `drawn_mm` a cannula comes down along z meanwhile, about the middle, out of its own track."""
    steps = round(ml / (ml_min / 60.0 * 0.05))
    asked = replace(request(ml / steps, bore=BORE_MM, tip=(1.0, 2.0, 0.0)), length=125.0)
    track = tuple(Hole((1.0, 2.0, z), STEEL_MM) for z in np.arange(-20.0, 0.5 * drawn_mm, 0.5))
    advance(medium, NO_CHANNELS, EMPTY, asked)
    cement, times, rows = EMPTY, [], []
    channels, stood = NO_CHANNELS, inf
    for n in range(steps):
        z = drawn_mm * (0.5 - n / steps)
        began = thread_time()
        if drawn_mm and stood != (stood := round(z / MOVED_MM) * MOVED_MM):
            steel = Shaft((1.0, 2.0, stood), (0.0, 0.0, 1.0), STEEL_MM, 20.0 + stood)
            channels = channels_of(medium.grid, track, (steel,))
        now = replace(asked, time_s=0.05 * n, tip=(1.0, 2.0, z))
        cement = advance(medium, channels, cement, now)
        times.append(1000.0 * (thread_time() - began))
        rows.append(len(cement.voxels))
    return cement, np.array(times), rows


def covered(medium: Medium, cement: Cement) -> float:
    """The part of the sheet's voxels within bone that are at least half full."""
    room = medium.porosity.reshape(-1).astype(float) * medium.grid.voxel_ml
    fill = np.zeros(room.size)
    fill[cement.voxels] = cement.ml
    return float(np.mean((fill / room)[medium.sheet] >= 0.5))


def halved(ml: float = 1.5, ml_min: float = 6.0) -> list[Figure]:
    """Coverage of the fracture and leak at 0.75 mm against those at 0.375 mm."""
    found = []
    for spacing in (0.75, 0.375):
        medium = cracked_box(spacing, 7.5, 6.0)
        cement = injected(medium, ml, ml_min)[0]
        found.append((covered(medium, cement), cement.leaked_ml))
    (one, leak), (other, finer) = found
    return [
        Figure("voxel halved: coverage changes by", "%", 100.0 * abs(one - other), "5"),
        Figure("voxel halved: leak changes by", "mL", abs(leak - finer), "0.1"),
    ]


def twin(ml: float = 0.6, steps: int = 120) -> Figure:
    """The overlap (Dice) of what is half full by the solver and by the two-fluid twin, with marrow
    a thousandth as thick, in uneven bone."""
    medium = cracked_box(0.75, 4.5, 3.0)
    mouth = tuple(n // 2 for n in medium.grid.shape)
    source = int(np.ravel_multi_index(mouth, medium.grid.shape))
    x, y, z = medium.grid.point_from_index(np.array(mouth, float)).tolist()
    cement = EMPTY
    for _ in range(steps):
        cement = advance(medium, NO_CHANNELS, cement, request(ml / steps, tip=(x, y, z)))
    pair = TwoFluid(medium, cases.PA_S, cases.PA_S / 1000.0, _edge(medium))
    other = empty(pair)
    for _ in range(steps):
        other = pumped(pair, other, {source: 1000.0 * ml / steps / 0.05}, 0.05)
    room = medium.porosity.reshape(-1).astype(float) * medium.grid.voxel_ml
    fill = np.zeros(room.size)
    fill[cement.voxels] = cement.ml
    mine, its = fill / room >= 0.5, other.fill >= 0.5
    dice = 2.0 * (mine & its).sum() / (mine.sum() + its.sum())
    return Figure("overlap with the two-fluid twin (Dice)", "", float(dice), "above 0.95")


def _edge(medium: Medium) -> NDArray[np.int64]:
    outer = np.ones(medium.grid.shape, bool)
    outer[1:-1, 1:-1, 1:-1] = False
    return np.flatnonzero(outer).astype(np.int64)


def speed(ml_min: float, ml: float = 10.0, drawn_mm: float = 0.0) -> list[Figure]:
    """Every 50 ms step of a run from nothing to `ml` at 0.75 mm, with fracture and leaks, and with
    a cannula drawn over `drawn_mm` or none."""
    cement, times, _ = injected(cracked_box(0.75), ml, ml_min, drawn_mm)
    told = f"50 ms step to {ml:g} mL at {ml_min:g} mL/min"
    told += f", cannula drawn {drawn_mm:g} mm" if drawn_mm else ""
    lost = abs(float(cement.ml.sum()) - cement.delivered_ml) / cement.delivered_ml
    return [
        Figure(f"{told}, mean", "ms", float(times.mean()), "1"),
        Figure(f"{told}, p95", "ms", float(np.percentile(times, 95)), "10"),
        Figure(f"{told}, max", "ms", float(times.max()), "25"),
        Figure(f"{told}, volume lost, relative", "1e-10", lost * 1e10, "1"),
    ]
