"""The cement kernel beside OPM Flow, a two-phase reservoir simulator, on one heterogeneous case.

A block of bone at 0.75 mm: permeability log-normal over 1e-9 to 5e-8 m2 with a correlation of a few
voxels, porosity to match, a tight cortex with a fracture through it, soft space beyond. Cement goes
in at a constant rate close behind the cortex; part of it leaks by the fracture. Both fluids have
constant viscosities, straight relative permeabilities and no weight.

OPM Flow's convergence limits are made for reservoirs, so its deck is the same case in larger units:
a mm becomes a m, a second a day, 0.01 mm2 becomes 10 D, a Pa s a cP. Fill depends on none of these.

Run: python -m benchmarks.opm_flow [--voxels 40] [--ml 2.5] [--json]
Needs `flow` (Debian: libopm-simulators-bin) and resfo (PyPI) to read its results.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import Region
from game.simulation.cement import EMPTY, NO_CHANNELS, Injection, Medium, advance
from game.simulation.cement.medium import conduit
from game.simulation.cement.rheology import Product

H = 0.75
CEMENT_PA_S, MARROW_PA_S = 100.0, 0.1
FLOW_MM3_S = 100.0  # 6 mL/min, the fastest that is taught
STEP_S = 0.05
REPORTS_S = 0.5  # of OPM Flow, simulated seconds
FIRST_S = 0.01  # its first step; a longer one fails to converge, and it then shuts the well
CORTEX_MM, CORTEX_MM2 = 1.5, 1.0e-9
APERTURE_MM = 0.8
# The vast voxels at the edge would hide any error within from limits that are shares of all pores.
STRICT = ("--relaxed-max-pv-fraction=0", "--tolerance-mb=1e-11", "--tolerance-cnv=0.001")
VAST = 1.0e5
DICE, LEAK_PERCENT, FASTER = 0.95, 5.0, 100.0  # what is asked for


@dataclass(frozen=True, eq=False)
class Case:
    """A block, the voxel (i, j, k) that the cannula's mouth opens into, and the mL to inject."""

    medium: Medium
    mouth: tuple[int, int, int]
    ml: float

    @property
    def seconds(self) -> float:
        return 1000.0 * self.ml / FLOW_MM3_S


@dataclass(frozen=True, eq=False)
class Outcome:
    """`fill` (nx, ny, nz) 0 to 1, and the seconds that it took to get there."""

    fill: FloatArray
    seconds: float


def heterogeneous(count: int, ml: float, seed: int = 1) -> Case:
    """The case on `count`^3 voxels; the cortex lies across x at three quarters of the block."""
    shape = (count,) * 3
    rough = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 3.0, mode="wrap")
    dense = 1.0 / (1.0 + np.exp(-1.5 * rough / rough.std()))
    along = 5.0e-2 * (1.0e-3 / 5.0e-2) ** dense
    permeability = np.repeat(along[..., None], 3, axis=3)
    permeability[..., :2] *= 3.44 / 4.45  # Baroud 2004 (facts/cement.md): stiffer across
    porosity = 0.96 - 0.4 * dense
    wall = round(0.75 * count)
    thick = round(CORTEX_MM / H)
    region = np.zeros(shape, np.uint8)
    permeability[wall : wall + thick] = CORTEX_MM2
    porosity[wall : wall + thick] = 0.05
    permeability[wall + thick :], porosity[wall + thick :] = 0.1, 1.0
    region[wall + thick :] = int(Region.PRESACRAL)
    middle = count // 2
    crack = np.zeros(shape, bool)
    crack[: wall + thick, :, middle] = True
    added = conduit(np.array([APERTURE_MM]), np.array([[0.0, 0.0, 1.0]]), H)[0]
    permeability[crack] += added
    opened = min(1.0, APERTURE_MM / H)
    porosity[crack] += (1.0 - porosity[crack]) * opened
    medium = Medium(
        grid=Grid((0.0, 0.0, 0.0), H, shape),
        permeability=permeability.astype(np.float32),
        porosity=porosity.astype(np.float32),
        region=region,
        sheet=np.flatnonzero(crack),
    )
    return Case(medium, (wall - round(5.0 / H), middle, middle + 1), ml)


def ours(case: Case) -> Outcome:
    """The product's kernel, 50 ms a step, on one core. It compiles before it is timed."""
    grid = case.medium.grid
    steps = ceil(case.seconds / STEP_S)
    request = Injection(
        tip=tuple(grid.point_from_index(np.array(case.mouth, float)).tolist()),
        direction=(1.0, 0.0, 0.0),
        bore=0.1,
        length=1e-6,
        ml=case.ml / steps,
        limit_mpa=1e9,
        seconds=STEP_S,
        product=_constant(CEMENT_PA_S),
    )
    advance(case.medium, NO_CHANNELS, EMPTY, request)
    began = perf_counter()
    cement = EMPTY
    for _ in range(steps):
        cement = advance(case.medium, NO_CHANNELS, cement, request)
    took = perf_counter() - began
    fill = np.zeros(case.medium.porosity.size)
    fill[cement.voxels] = cement.ml
    room = case.medium.porosity.reshape(-1).astype(float) * grid.voxel_ml
    return Outcome((fill / room).reshape(grid.shape), took)


def theirs(case: Case, folder: Path) -> Outcome:
    """OPM Flow on one thread; its own wall time, start included. Raises RuntimeError with its last
    words where it fails."""
    (folder / "CASE.DATA").write_text(deck(case), encoding="ascii")
    began = perf_counter()
    done = subprocess.run(
        [
            "flow", "CASE.DATA", "--output-dir=.", "--threads-per-process=1",
            *STRICT,
            f"--initial-time-step-in-days={FIRST_S}",
            f"--min-time-step-before-shutting-problematic-wells-in-days={FIRST_S * 1e-3}",
        ],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    took = perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"flow failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return Outcome(last_saturation(folder / "CASE.UNRST", case.medium.grid.shape), took)


def deck(case: Case) -> str:
    """The case as an Eclipse deck in METRIC units: cement is the water phase, marrow the oil."""
    parts = (_runspec(case), _block_of(case), FLUIDS, _solution(case), _schedule(case))
    return "\n".join(part.strip() for part in parts) + "\n"


def _runspec(case: Case) -> str:
    nx, ny, nz = case.medium.grid.shape
    return f"""
RUNSPEC
TITLE
Cement in a block of bone: mm as m, s as day
DIMENS
{nx} {ny} {nz} /
OIL
WATER
METRIC
TABDIMS
/
WELLDIMS
1 1 1 1 /
UNIFOUT
START
1 JAN 2000 /
"""


def _block_of(case: Case) -> str:
    """The grid and its bone. The block's outermost voxels are made vast, so that they stand at one
    pressure."""
    shape, size = case.medium.grid.shape, case.medium.porosity.size
    edge = np.ones(shape, bool)
    edge[1:-1, 1:-1, 1:-1] = False
    fields = {
        "PORO": case.medium.porosity,
        **{f"PERM{a}": case.medium.permeability[..., n] * 1.0e6 for n, a in enumerate("XYZ")},
        "MULTPV": np.where(edge, VAST, 1.0),
    }
    lengths = "\n".join(f"D{axis}\n{size}*{H} /" for axis in "XYZ")
    boxes = "\n".join(f"{name}\n{_numbers(values)}/" for name, values in fields.items())
    return f"""
GRID
{lengths}
TOPS
{shape[0] * shape[1]}*1000 /
{boxes}
"""


FLUIDS = f"""
PROPS
DENSITY
1000 1000 1 /
PVTW
100 1 1E-6 {CEMENT_PA_S} 0 /
PVDO
1 1.0001 {MARROW_PA_S}
200 0.9999 {MARROW_PA_S} /
ROCK
100 1E-7 /
SWOF
0 0 1 0
1 1 0 0 /
"""


def _solution(case: Case) -> str:
    size = case.medium.porosity.size
    return f"""
SOLUTION
PRESSURE
{size}*100 /
SWAT
{size}*0 /
"""


def _schedule(case: Case) -> str:
    """The cannula as a well at a constant rate, and the reports."""
    i, j, k = (n + 1 for n in case.mouth)
    reports = ceil(case.seconds / REPORTS_S)
    return f"""
SCHEDULE
RPTRST
BASIC=2 /
WELSPECS
'CANNULA' 'ALL' {i} {j} 1* WATER /
/
COMPDAT
'CANNULA' {i} {j} {k} {k} OPEN 1* 1* 0.1 /
/
WCONINJE
'CANNULA' WATER OPEN RATE {FLOW_MM3_S} 1* 1000000 /
/
TSTEP
{reports}*{case.seconds / reports} /
END
"""


def last_saturation(path: Path, shape: tuple[int, int, int]) -> FloatArray:
    """The cement's saturation (nx, ny, nz) at the last report of a unified restart file."""
    import resfo

    last: FloatArray | None = None
    for entry in resfo.lazy_read(path):
        if entry.read_keyword().strip() == "SWAT":
            last = np.asarray(entry.read_array(), float)
    if last is None:
        raise RuntimeError(f"{path.name} holds no saturation")
    return last.reshape(shape, order="F")


def dice(ours_there: NDArray[np.bool_], theirs_there: NDArray[np.bool_]) -> float:
    """Twice what both fill over what each fills, 0 to 1."""
    both = np.count_nonzero(ours_there & theirs_there)
    return float(2.0 * both / (np.count_nonzero(ours_there) + np.count_nonzero(theirs_there)))


def leaked_ml(case: Case, fill: FloatArray) -> float:
    """mL beyond the cortex."""
    beyond = case.medium.region != int(Region.MARROW)
    room = case.medium.porosity.astype(float) * case.medium.grid.voxel_ml
    return float((fill * room)[beyond].sum())


def compared(count: int, ml: float) -> dict[str, float]:
    """Both on one case: Dice of the voxels at least half full, leaks in mL, seconds."""
    case = heterogeneous(count, ml)
    own = ours(case)
    with tempfile.TemporaryDirectory() as folder:
        peer = theirs(case, Path(folder))
    leaks = leaked_ml(case, own.fill), leaked_ml(case, peer.fill)
    return {
        "dice": dice(own.fill >= 0.5, peer.fill >= 0.5),
        "leak_ours_ml": leaks[0],
        "leak_theirs_ml": leaks[1],
        "leak_difference_percent": 100.0 * abs(leaks[0] - leaks[1]) / leaks[1],
        "seconds_ours": own.seconds,
        "seconds_theirs": peer.seconds,
        "times_faster": peer.seconds / own.seconds,
    }


def _constant(pascal_seconds: float) -> Product:
    """A Newtonian fluid that never cures."""
    return Product(
        name="newtonian", title="Newtonian", start_pa_s=pascal_seconds, tau_s=1e12, index=1.0,
        reference_per_s=1.0, mixing_s=0.0, batch_ml=10.0, heat_j_ml=0.0,
    )  # fmt: skip


def _numbers(values: FloatArray) -> str:
    """Eclipse's order (x fastest), a few to a line."""
    flat = np.asarray(values, float).reshape(-1, order="F")
    return "\n".join(
        " ".join(f"{v:.6g}" for v in flat[n : n + 10]) for n in range(0, len(flat), 10)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxels", type=int, default=40, help="along each edge (20 to 100)")
    parser.add_argument("--ml", type=float, default=2.5, help="cement (0.1 to 5 mL)")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if not 20 <= asked.voxels <= 100:
        parser.error(f"--voxels is {asked.voxels}; allowed: 20 to 100")
    if not 0.1 <= asked.ml <= 5.0:
        parser.error(f"--ml is {asked.ml}; allowed: 0.1 to 5")
    if shutil.which("flow") is None:
        parser.error("OPM Flow is not installed (Debian: libopm-simulators-bin)")
    if find_spec("resfo") is None:
        parser.error("resfo, which reads its results, is not installed (PyPI)")
    found = compared(asked.voxels, asked.ml)
    if asked.json:
        print(json.dumps(found))
        return
    print(f"fill, Dice            {found['dice']:.3f}   (at least {DICE})")
    print(f"leak, ours / theirs   {found['leak_ours_ml']:.3f} / {found['leak_theirs_ml']:.3f} mL")
    differs = found["leak_difference_percent"]
    print(f"leak, difference      {differs:.1f} %   (at most {LEAK_PERCENT:.0f})")
    print(f"time, ours / theirs   {found['seconds_ours']:.2f} / {found['seconds_theirs']:.1f} s")
    print(f"times faster          {found['times_faster']:.0f}   (at least {FASTER:.0f})")


if __name__ == "__main__":
    main()
