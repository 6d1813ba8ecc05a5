"""Leaks of a small bone: every exit is outside, both ledgers agree, and the right way is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game.geometry.grid import Grid
from game.patient.patient import Region
from game.simulation.cement import (
    EMPTY,
    NO_CHANNELS,
    Cement,
    Channels,
    Exit,
    Injection,
    Medium,
    Veins,
    advance,
)
from game.simulation.cement.exits import exits_ml
from game.simulation.cement.places import in_veins, places
from game.simulation.cement.products import product

H, SIDE = 0.75, 21
GRID = Grid((-7.5, -7.5, -7.5), H, (SIDE, SIDE, SIDE))
MIDDLE = SIDE // 2
HALF = 5  # voxels of marrow to each side of the middle; one of cortex around
SIZE = SIDE**3


def box(
    sheet: bool = False, vein: bool = False, place: Region = Region.PRESACRAL, seed: int = 0
) -> Medium:
    """A cube of loose bone in tight cortex; a crack in the plane x = 0 goes through it, a vein
    leaves the middle through the wall at +z."""
    index = np.indices(GRID.shape) - MIDDLE
    depth = np.abs(index).max(axis=0)
    k = np.full((*GRID.shape, 3), 0.1, np.float32)
    k[depth <= HALF] = 0.02 * np.exp(np.random.default_rng(seed).normal(0, 0.4))
    k[depth == HALF + 1] = 1e-9
    porosity = np.where(depth == HALF + 1, 0.05, 0.9).astype(np.float32)
    region = np.where(depth <= HALF + 1, Region.MARROW, place).astype(np.uint8)
    crack = np.empty(0, np.int64)
    if sheet:
        crack = np.flatnonzero((index[0] == 0) & (depth <= HALF + 1)).astype(np.int64)
        k.reshape(-1, 3)[crack] += np.array([0.0, 0.6, 0.6], np.float32)
        porosity.reshape(-1)[crack] = 1.0
    return Medium(GRID, k, porosity, region, crack, drain() if vein else None)


def drain() -> Veins:
    """Ten nodes of 1.5 mm, the first three in bone, from a voxel beside the middle."""
    root = np.ravel_multi_index((MIDDLE, MIDDLE, MIDDLE + 2), GRID.shape)
    points = np.stack([np.zeros(10), np.zeros(10), 2.0 + 1.5 * np.arange(10)], axis=1)
    radius = np.full(10, 0.7)
    return Veins(
        before=np.array([root, *range(SIZE, SIZE + 9)], np.int64),
        ml=np.pi * radius**2 * 1.5 / 1000.0,
        gain=np.pi * radius**4 / (8.0 * 1.5),
        points=points,
        radius=radius,
        region=np.where(np.arange(10) < 3, Region.MARROW, Region.PRESACRAL).astype(np.uint8),
    )


def hole() -> Channels:
    """A track from the middle out through the wall at -y."""
    voxels = [(MIDDLE, y, MIDDLE) for y in range(MIDDLE - HALF - 2, MIDDLE + 1)]
    flat = np.sort(np.ravel_multi_index(tuple(np.array(voxels).T), GRID.shape)).astype(np.int64)
    return Channels(flat, np.full((len(flat), 3), 0.3), np.ones(len(flat)))


def pushed(medium: Medium, channels: Channels = NO_CHANNELS, ml: float = 0.6) -> Cement:
    cement = EMPTY
    for n in range(40):
        asked = Injection(
            tip=(0.0, 0.0, 0.0), direction=(0.0, 0.0, 1.0), bore=2.39, length=125.0, ml=ml / 40,
            limit_mpa=4.0, seconds=0.25, product=product(), age_s=240.0, celsius=26.0,
            time_s=240.0 + 0.25 * n,
        )  # fmt: skip
        cement = advance(medium, channels, cement, asked)
    return cement


def check(medium: Medium, cement: Cement) -> None:
    own = ~in_veins(cement, GRID)
    region = np.empty(len(cement.voxels), np.uint8)
    region[own] = medium.region.reshape(-1)[cement.voxels[own]]
    if medium.veins is not None:
        region[~own] = medium.veins.region[cement.voxels[~own] - SIZE]
    assert ((cement.exit != Exit.NONE) == (region != Region.MARROW)).all()
    by_exit = sum(exits_ml(cement.exit, cement.ml).values())
    assert by_exit == pytest.approx(cement.leaked_ml, rel=1e-10, abs=1e-15)
    assert cement.filled_ml + cement.leaked_ml == pytest.approx(cement.ml.sum(), rel=1e-10)
    assert cement.ml.sum() == pytest.approx(cement.delivered_ml, rel=1e-10)
    assert np.isfinite(places(cement, GRID, medium.veins)).all()


def test_a_tight_box_keeps_what_it_is_given() -> None:
    cement = pushed(box(), ml=0.3)
    check(box(), cement)
    assert cement.leaked_ml < 1e-6


def test_through_a_crack_cement_leaves_by_the_gap() -> None:
    medium = box(sheet=True)
    cement = pushed(medium)
    check(medium, cement)
    ledger = exits_ml(cement.exit, cement.ml)
    assert ledger[Exit.FRACTURE_GAP] > 0.02
    assert ledger[Exit.FRACTURE_GAP] == pytest.approx(sum(ledger.values()), rel=1e-3)


def test_through_the_trainees_hole_cement_leaves_by_the_breach() -> None:
    cement = pushed(box(), hole())
    check(box(), cement)
    ledger = exits_ml(cement.exit, cement.ml)
    assert ledger[Exit.BREACH] > 0.02
    assert ledger[Exit.BREACH] == pytest.approx(sum(ledger.values()), rel=1e-3)


def test_by_a_vein_cement_leaves_inside_it() -> None:
    medium = box(vein=True)
    cement = pushed(medium)
    check(medium, cement)
    inside = in_veins(cement, GRID)
    assert inside.sum() > 4
    assert exits_ml(cement.exit, cement.ml)[Exit.VEINS] == pytest.approx(
        cement.ml[inside & (cement.exit != Exit.NONE)].sum(), rel=1e-9
    )


@pytest.mark.parametrize(
    ("place", "way"),
    [
        (Region.FORAMEN_S1_LEFT, Exit.FORAMINA),
        (Region.CANAL, Exit.CANAL),
        (Region.SI_JOINT_RIGHT, Exit.SI_JOINT),
        (Region.DISC, Exit.DISC),
    ],
)
def test_what_lies_in_a_named_place_is_told_by_it(place: Region, way: Exit) -> None:
    medium = box(sheet=True, place=place)
    cement = pushed(medium)
    check(medium, cement)
    assert set(exits_ml(cement.exit, cement.ml)) == {way}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.booleans(), st.booleans(), st.booleans(), st.floats(0.05, 0.8))
def test_exits_are_outside_and_both_ledgers_agree(
    seed: int, sheet: bool, vein: bool, track: bool, ml: float
) -> None:
    medium = box(sheet, vein, seed=seed)
    check(medium, pushed(medium, hole() if track else NO_CHANNELS, ml))
