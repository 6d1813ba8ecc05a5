"""What cement flows through: permeability and porosity of a patient's bone and what surrounds it.

Lengths are mm, so permeability is mm2 (1e-8 m2 = 0.01 mm2). Cancellous bone follows its density, as
a bed of rods does (`rods`), from what was measured with cement on osteoporotic bone.
The cortex is a tight shell hung on the signed distance; it is at least one voxel thick, so that no
path from voxel to voxel slips through it. The fracture is thinner than a voxel and enters as
permeability along its plane (cubic law). What lies outside is soft space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid, trilinear
from game.patient.patient import FORAMINA, Fracture, Patient, Region
from game.simulation.cement.draining import veins_of
from game.simulation.cement.veins import Veins

MARROW_HU, MINERAL_HU = -30.0, 2000.0  # porosity 0.96 at 50 HU, as 37 mg/cm3 has (facts/cement.md)
CEMENT_MM4_NS, THICK_PA_S = (
    60.9,
    100.0,
)  # K / mu of ten cores from osteoporotic vertebrae as acrylic
# cement enters them (Baroud, Wu et al. 2003, abstract), and the viscosity taken for it there, which
# the abstract does not give: toothpaste's, a project choice. 6.1e-9 m2, within what was measured
# with other fluids: 2.7e-11 to 2e-8 (Nauman 1999), 3.4 and 4.5e-8 (Baroud 2004, silicone oil)
CORE_SOLID = 0.04  # bone's share of those cores, as 37 mg/cm3 has: a project choice
LEAST_MM2, MOST_MM2 = 1.0e-3, 5.0e-2  # 1e-9 to 5e-8 m2 (facts/cement.md): bounds
MARROW_MPA = 0.7e-3  # 5 mmHg above tissue and veins; within bone 24.5+-11.5 and 30+-14 mmHg were
# measured in animals (10.1186/s13018-018-0877-z, PMC6717224), in lumbar vertebrae of people as much
# as in the vena cava (Spine 1981; 6:159): a project choice
OUTSIDE_HU = -50.0  # what is beyond the body grid
VOID_BELOW_HU, VOID_MM2 = 0.0, 0.02  # an alar void has no trabeculae left (facts/cement.md) but fat
# in its stroma: cement may take all of it, and comes in as into the loosest bone that Nauman 1999
# measured, 2e-8 m2: a project choice
LEAST_POROSITY, MOST_POROSITY = 0.3, 0.98  # of cancellous bone: a project choice
CORTEX_MM2 = 1.0e-9  # 1e-15 m2, tight against cement: a project choice
CORTEX_POROSITY = 0.05  # Haversian canals; textbook value
SHELL = 1.05  # least shell thickness, voxels: seals against steps along an axis
SOFT_MM2 = 0.1  # muscle and fat give way, twice the loosest bone: a project choice
LOOSE_MM2 = 1.0  # epidural and foraminal fat: a project choice
DISC_MM2 = 1.0e-4  # fissured disc: a project choice
JOINT_MM2 = 1.0e-3  # SI joint cleft: a project choice
AROUND = np.indices((3, 3, 3)).reshape(3, -1).T - 1
NEIGHBOURS = 12  # points of the sheet that give its tangent plane; about 1 mm2 of it
RIM = 0.75  # voxels that the sheet is carried past its outermost points
FLATTEST = 0.1  # bounds the weight of the few steps an almost flat sheet makes across itself


@dataclass(frozen=True, eq=False)
class Medium:
    """`permeability` (nx, ny, nz, 3) is mm2 along x, y and z, fractures included; `porosity` the
    fraction of a voxel that cement can take; `region` the `Region` codes; `sheet` the sorted flat
    indices of the voxels that fractures pass through; `veins` drain the marrow, None without;
    `marrow_mpa` is by how much marrow stands above what lies outside bone and in veins."""

    grid: Grid
    permeability: NDArray[np.float32]
    porosity: NDArray[np.float32]
    region: NDArray[np.uint8]
    sheet: NDArray[np.int64]
    veins: Veins | None = None
    marrow_mpa: float = 0.0

    def __post_init__(self) -> None:
        shape = self.grid.shape
        if self.permeability.shape != (*shape, 3) or self.porosity.shape != shape:
            raise ValueError(
                f"medium arrays {self.permeability.shape} and {self.porosity.shape}; "
                f"the grid needs {(*shape, 3)} and {shape}"
            )
        low, high = float(self.porosity.min()), float(self.porosity.max())
        if not (low > 0 and high <= 1):
            raise ValueError(f"porosity from {low} to {high}; it must lie in (0, 1]")
        if not (np.isfinite(self.permeability).all() and self.permeability.min() >= 0):
            raise ValueError("permeability must be finite and 0 or more everywhere")
        if not (np.isfinite(self.marrow_mpa) and self.marrow_mpa >= 0):
            raise ValueError(f"marrow_mpa is {self.marrow_mpa}; it must be 0 or more")
        if self.veins is not None:
            self.veins.check(self.porosity.size)


def medium_of(patient: Patient) -> Medium:
    """The patient's bone grid as cement sees it; takes one to two seconds."""
    grid = patient.bone
    isotropic, porosity = _bone(patient)
    permeability = np.repeat(isotropic.reshape(-1, 1), 3, axis=1)
    pores, sheets = porosity.reshape(-1), [np.empty(0, np.int64)]
    for fracture in patient.fractures.values():
        voxels, normals = crossed(fracture, grid)
        apertures = fracture.aperture_at(_centres(voxels, grid))
        added = conduit(apertures, normals, grid.spacing)
        permeability[voxels] += added.astype(np.float32)
        opened = np.minimum(1.0, apertures / grid.spacing)
        pores[voxels] += ((1.0 - pores[voxels]) * opened).astype(np.float32)
        sheets.append(voxels)
    return Medium(
        grid=grid,
        permeability=permeability.reshape(*grid.shape, 3),
        porosity=np.minimum(pores, np.float32(1.0)).reshape(grid.shape),
        region=patient.region,
        sheet=np.unique(np.concatenate(sheets)),
        veins=veins_of(patient),
        marrow_mpa=MARROW_MPA,
    )


def crossed(fracture: Fracture, grid: Grid) -> tuple[NDArray[np.int64], FloatArray]:
    """The voxels that the sheet passes through, as flat indices (k,), and its unit normal at each.

    One voxel layer joined face to face everywhere (the discrete geometer's standard plane): those
    with -s/2 <= d < s/2, where d is the distance of the centre to the sheet's tangent plane in
    voxels and s = |nx| + |ny| + |nz|. Tangent planes come from the nearest points of the sheet."""
    tree = fracture.tree
    index = np.stack(np.unravel_index(fracture.voxels, grid.shape), axis=-1)
    index = np.unique((index[:, None] + AROUND).reshape(-1, 3), axis=0)
    index = index[np.all((index >= 0) & (index < grid.shape), axis=1)]
    centres = grid.point_from_index(index.astype(float))
    count = min(NEIGHBOURS, len(fracture.points))
    near = fracture.points[tree.query(centres, k=count)[1].reshape(len(centres), count)]
    middles = near.mean(axis=1)
    spread = near - middles[:, None]
    normals = np.linalg.eigh(np.einsum("kni,knj->kij", spread, spread))[1][:, :, 0]
    normals *= np.where(normals @ fracture.normal < 0, -1.0, 1.0)[:, None]
    height = ((centres - middles) * normals).sum(axis=1) / grid.spacing
    half = 0.5 * np.abs(normals).sum(axis=1)
    feet = centres - (height * grid.spacing)[:, None] * normals
    held = (height >= -half) & (height < half)
    held &= tree.query(feet)[0] <= RIM * grid.spacing
    return np.ravel_multi_index(tuple(index[held].T), grid.shape).astype(np.int64), normals[held]


def _centres(voxels: NDArray[np.int64], grid: Grid) -> FloatArray:
    return grid.point_from_index(np.stack(np.unravel_index(voxels, grid.shape), axis=-1))


def conduit(apertures: FloatArray, normals: FloatArray, spacing: float) -> FloatArray:
    """What a crack of `apertures` (k,) mm adds to the permeability of its voxels, mm2 (k, 3) along
    x, y and z.

    Cubic law: an aperture b conducts b^3/12 per width, so b^3/(12 h) in voxels of h when the sheet
    lies along the grid. An oblique sheet is a staircase of face-joined voxels with
    (|nx| + |ny| + |nz| - |ni|) steps along axis i per h^2 of sheet; dividing by that number makes
    the staircase conduct as the sheet does, exactly for a sheet that contains one grid axis."""
    weights = np.abs(normals)
    steps = np.maximum(weights.sum(axis=1, keepdims=True) - weights, FLATTEST)
    out: FloatArray = (np.asarray(apertures)[..., None] ** 3 / (12.0 * spacing)) / steps
    return out


def _bone(patient: Patient) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Permeability mm2 and porosity on the bone grid, fractures apart."""
    inside = patient.sacrum_distance
    for distance in patient.hip_distance.values():
        inside = np.minimum(inside, distance)
    permeability = np.empty(patient.bone.shape, np.float32)
    porosity = np.empty(patient.bone.shape, np.float32)
    _fill(
        inside, patient.cortex, patient.region, _soft(), patient.hounsfield,
        np.array(patient.body.origin), 1.0 / patient.body.spacing,
        np.array(patient.bone.origin), patient.bone.spacing, permeability, porosity,
    )  # fmt: skip
    return permeability, porosity


def _soft() -> NDArray[np.float64]:
    """Permeability mm2 of what lies outside bone, by `Region` code."""
    soft = np.full(len(Region), SOFT_MM2)
    for region in (Region.CANAL, *FORAMINA["left"], *FORAMINA["right"]):
        soft[region] = LOOSE_MM2
    soft[Region.DISC] = DISC_MM2
    soft[Region.SI_JOINT_LEFT] = soft[Region.SI_JOINT_RIGHT] = JOINT_MM2
    return soft


@njit(nogil=True, cache=True)
def rods(solid):  # type: ignore[no-untyped-def]
    """Permeability of a bed of rods that lie in all directions, over the square of their radius;
    `solid` is their share of the volume, below 0.39 (Jackson and James, Can J Chem Eng 1986;
    64:364)."""
    return 3.0 / (20.0 * solid) * (-np.log(solid) - 0.931)


@njit(nogil=True, cache=True)
def bone_mm2(solid):  # type: ignore[no-untyped-def]
    """Permeability of cancellous bone, mm2, of which `solid` is bone: that of the cores measured
    with cement, changed with density as a bed of rods' is. It gives 1.6e-8 m2 at 2 % and 2e-9 at
    8 %."""
    core = CEMENT_MM4_NS * THICK_PA_S * 1.0e-6
    return min(MOST_MM2, max(LEAST_MM2, core * rods(solid) / rods(CORE_SOLID)))


@njit(nogil=True, cache=True)
def _fill(distance, cortex, region, soft, hounsfield, body, per_mm, bone, h, out, pores):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                d = distance[i, j, k]
                if d >= 0.0:
                    out[i, j, k] = soft[region[i, j, k]]
                    pores[i, j, k] = 1.0
                elif d > -max(cortex[i, j, k], SHELL * h):
                    out[i, j, k] = CORTEX_MM2
                    pores[i, j, k] = CORTEX_POROSITY
                else:
                    x, y, z = bone[0] + i * h, bone[1] + j * h, bone[2] + k * h
                    hu = trilinear(hounsfield, body, per_mm, x, y, z, OUTSIDE_HU)
                    if hu < VOID_BELOW_HU:
                        out[i, j, k], pores[i, j, k] = VOID_MM2, 1.0
                        continue
                    filled = (hu - MARROW_HU) / (MINERAL_HU - MARROW_HU)
                    pores[i, j, k] = min(MOST_POROSITY, max(LEAST_POROSITY, 1.0 - filled))
                    out[i, j, k] = bone_mm2(1.0 - pores[i, j, k])
