"""What cement flows through: a ball of bone in soft tissue, whole and cracked."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from scipy.ndimage import label

from game.geometry.grid import Grid
from game.geometry.views import Anatomy
from game.patient.patient import Fracture, Patient, Region
from game.simulation.cement import EMPTY, NO_CHANNELS, Cement, Injection, Medium, advance, medium_of
from game.simulation.cement.medium import (
    CORTEX_MM2,
    LEAST_MM2,
    MOST_MM2,
    VOID_MM2,
    bone_mm2,
    conduit,
    crossed,
    rods,
)
from game.training.cement_cases import fluid

H, RADIUS, SIDE = 0.75, 7.3, 33
GRID = Grid((-12.0, -12.0, -12.0), H, (SIDE, SIDE, SIDE))
POINTS = np.stack(np.meshgrid(*GRID.axes(), indexing="ij"), -1)
DISTANCE = (np.linalg.norm(POINTS, axis=-1) - RADIUS).astype(np.float32)


def disc(normal: tuple[float, float, float], radius: float, aperture: float = 0.5) -> Fracture:
    """A flat round sheet through the origin, sampled every 0.2 mm."""
    unit = np.array(normal) / np.linalg.norm(normal)
    along = np.linalg.svd(unit[None])[2][1:]
    steps = np.arange(-radius, radius, 0.2) + 0.1
    u, v = (grid.ravel() for grid in np.meshgrid(steps, steps))
    points = (u[:, None] * along[0] + v[:, None] * along[1])[np.hypot(u, v) <= radius]
    index = np.rint(GRID.index_from_point(points)).astype(int)
    voxels = np.unique(np.ravel_multi_index(tuple(index.T), GRID.shape)).astype(np.int64)
    areas, gaps = np.full(len(points), 0.04), np.full(len(points), aperture)
    return Fracture("left", points, areas, unit, gaps, voxels)


def ball(hounsfield: int = 50, fracture: Fracture | None = None) -> Patient:
    """A ball of bone with a cortex of 0.5 mm, thinner than a voxel, and presacral tissue about."""
    return Patient(
        name="ball",
        source="procedural",
        body=GRID,
        hounsfield=np.full(GRID.shape, hounsfield, np.int16),
        structures=np.zeros(GRID.shape, np.uint8),
        bone=GRID,
        sacrum_distance=DISTANCE,
        hip_distance={},
        cortex=np.full(GRID.shape, 0.5, np.float32),
        cortex_assumed=True,
        region=np.where(DISTANCE < 0, Region.MARROW, Region.PRESACRAL).astype(np.uint8),
        surfaces={},
        landmarks={},
        planes={},
        anatomy=Anatomy(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]), np.array([0.0, 0, 1])),
        fractures={} if fracture is None else {"left": fracture},
    )


def injected(medium: Medium, ml: float, tip: tuple[float, float, float] = (0, 0, 0)) -> Cement:
    cement = EMPTY
    for _ in range(round(ml / 0.005)):
        asked = Injection(tip, (0.0, 0.0, 1.0), 2.39, 125.0, 0.005, 3.2, 0.25, fluid())
        cement = advance(medium, NO_CHANNELS, cement, asked)
    return cement


@pytest.mark.parametrize(
    ("hounsfield", "permeability"), [(-200, VOID_MM2), (-1, VOID_MM2), (300, LEAST_MM2)]
)
def test_permeability_at_its_ends(hounsfield: int, permeability: float) -> None:
    middle = medium_of(ball(hounsfield)).permeability[16, 16, 16]
    assert middle == pytest.approx(permeability, rel=1e-5)


def test_bone_of_the_measured_cores_takes_cement_as_they_did() -> None:
    """60.9 mm4/(N s) at toothpaste's 100 Pa s and a porosity of 0.96 (facts/cement.md)."""
    middle = float(medium_of(ball(51)).permeability[16, 16, 16, 0])
    assert middle / 100.0e-6 == pytest.approx(60.9, rel=0.02)


def test_denser_bone_conducts_less_and_all_of_it_as_was_measured() -> None:
    conducts = [float(medium_of(ball(hu)).permeability[16, 16, 16, 0]) for hu in range(0, 260, 20)]
    assert (np.diff(conducts) <= 0).all() and conducts[0] > 10.0 * conducts[-1]
    assert conducts[-1] >= LEAST_MM2 and conducts[0] <= MOST_MM2


def test_rods_have_the_published_permeability() -> None:
    """Jackson and James 1986: K / a^2 = 3 / (20 s) (-ln s - 0.931), by hand at 1 and 10 %."""
    assert rods(0.01) == pytest.approx(15.0 * (4.6052 - 0.931), rel=1e-4)
    assert rods(0.1) == pytest.approx(1.5 * (2.3026 - 0.931), rel=1e-4)
    assert bone_mm2(0.02) / bone_mm2(0.04) == pytest.approx(rods(0.02) / rods(0.04))


def test_an_alar_void_has_room_for_nothing_but_cement() -> None:
    assert (
        medium_of(ball(1)).permeability.max(where=(DISTANCE < -2.0)[..., None], initial=0.0)
        < VOID_MM2
    )
    assert medium_of(ball(-30)).porosity[16, 16, 16] == 1.0
    assert medium_of(ball(1)).porosity[16, 16, 16] < 1.0


def test_porosity_at_the_density_of_an_insufficiency_fracture() -> None:
    assert medium_of(ball(50)).porosity[16, 16, 16] == pytest.approx(0.96, abs=0.005)


def test_no_path_from_voxel_to_voxel_slips_through_a_cortex_thinner_than_a_voxel() -> None:
    easy = medium_of(ball()).permeability[..., 0] > 10 * CORTEX_MM2
    parts = label(easy)[0]
    assert parts[16, 16, 16] != parts[0, 0, 0]
    cracked = medium_of(ball(fracture=disc((1, 2, 3), 9.0))).permeability[..., 0]
    parts = label(cracked > 10 * CORTEX_MM2)[0]
    assert parts[16, 16, 16] == parts[0, 0, 0]


def test_whole_cortex_holds_cement_back() -> None:
    cement = injected(medium_of(ball()), 2.0)
    assert cement.leaked_ml < 1e-6
    assert cement.refused_ml > 0.99 * 0.005
    assert cement.total_mpa == pytest.approx(3.2)


def test_cement_leaves_by_the_gap_of_a_fracture_that_reaches_the_surface() -> None:
    medium = medium_of(ball(fracture=disc((1, 2, 3), 9.0)))
    cement = injected(medium, 1.5)
    assert cement.leaked_ml == cement.by_region_ml[Region.PRESACRAL] > 0.1
    outside = cement.voxels[DISTANCE.reshape(-1)[cement.voxels] >= 0]
    first = outside[np.argsort(np.abs(POINTS.reshape(-1, 3)[outside] @ [1, 2, 3]))[:5]]
    assert np.isin(first, medium.sheet).any()


def test_a_tip_in_soft_tissue_fills_soft_tissue() -> None:
    cement = injected(medium_of(ball()), 0.2, tip=(-10.0, -10.0, 0.0))
    assert cement.by_region_ml == {Region.PRESACRAL: pytest.approx(0.2)}
    assert cement.filled_ml == 0.0


@pytest.mark.parametrize("normal", [(1, 0, 0), (1, 1, 0), (1, 2, 3), (-3, 1, 1), (1, 1, 1)])
def test_a_sheet_crosses_one_layer_of_voxels_joined_face_to_face(
    normal: tuple[float, float, float],
) -> None:
    """The standard plane has (|nx| + |ny| + |nz|) / h^2 voxels per area."""
    sheet = disc(normal, 10.0)
    voxels, normals = crossed(sheet, GRID)
    mask = np.zeros(GRID.shape, bool)
    mask.reshape(-1)[voxels] = True
    assert label(mask)[1] == 1
    assert np.abs(normals @ sheet.normal) == pytest.approx(1.0, abs=1e-6)
    expected = np.abs(sheet.normal).sum() * pi * (10.0 / H) ** 2
    assert len(voxels) == pytest.approx(expected, rel=0.15)


def test_a_crack_along_the_grid_adds_the_cubic_law() -> None:
    added = conduit(np.array([0.6]), np.array([[1.0, 0.0, 0.0]]), H)[0]
    assert added[1:] == pytest.approx(0.6**3 / (12.0 * H))


@pytest.mark.parametrize("porosity", [0.0, 1.5])
def test_a_medium_without_pores_is_refused(porosity: float) -> None:
    shape = (3, 3, 3)
    with pytest.raises(ValueError, match="porosity from"):
        Medium(
            Grid((0.0, 0.0, 0.0), H, shape),
            np.ones((*shape, 3), np.float32),
            np.full(shape, porosity, np.float32),
            np.zeros(shape, np.uint8),
            np.empty(0, np.int64),
        )
