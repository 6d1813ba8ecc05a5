"""Tracks of cannulas as channels: what steel has opened, and what it bars while it stands there."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game.devices.cannula import Cannula
from game.geometry.grid import Grid, Point
from game.simulation.cement import NO_CHANNELS, Channels
from game.simulation.cement.channels import differing
from game.simulation.cement.tracks import APART_MM, Hole, Shaft, bored, channels_of, shafts

H = 0.75
GRID = Grid((-15.0, -15.0, -15.0), H, (41, 41, 81))
RADIUS = 1.525
UP: Point = (0.0, 0.0, 1.0)


def drilled(length: float, radius: float = RADIUS) -> tuple[Hole, ...]:
    """A straight hole up the z axis from 0."""
    holes: tuple[Hole, ...] = ()
    for z in np.arange(0.0, length, 0.1).tolist():
        holes = bored(holes, (0.0, 0.0, z), radius)
    return holes


def centres(channels: Channels) -> np.ndarray:
    return GRID.point_from_index(np.stack(np.unravel_index(channels.voxels, GRID.shape), -1))


def test_nothing_drilled_changes_nothing() -> None:
    assert channels_of(GRID, (), ()) is NO_CHANNELS


def test_a_hole_has_the_volume_of_its_cylinder_and_conducts_as_a_pipe() -> None:
    channels = channels_of(GRID, drilled(30.0), ())
    assert np.allclose(channels.permeability, RADIUS**2 / 8.0)
    assert (channels.porosity == 1.0).all()
    ball, tube = 4.0 / 3.0 * pi * RADIUS**3, pi * RADIUS**2 * 30.0
    assert len(channels.voxels) * H**3 == pytest.approx(tube + ball, rel=0.05)
    area = len({tuple(p) for p in centres(channels)[:, :2].round(6).tolist()}) * H**2
    assert channels.permeability[0, 2] * area == pytest.approx(pi * RADIUS**4 / 8.0, rel=0.12)


def test_places_of_a_track_lie_close_and_no_closer_than_need_be() -> None:
    heights = np.array([hole.at[2] for hole in drilled(30.0)])
    assert np.diff(heights).min() >= APART_MM - 1e-9 and np.diff(heights).max() < 1.0


def test_going_over_a_track_again_leaves_it_the_same_value() -> None:
    holes = drilled(10.0)
    assert bored(holes, (0.05, 0.0, 4.0), RADIUS) is holes
    assert len(bored(holes, (0.05, 0.0, 4.0), RADIUS + 0.3)) == len(holes) + 1
    assert len(bored(holes, (0.0, 3.0, 4.0), RADIUS)) == len(holes) + 1


def test_steel_bars_what_it_fills_and_leaves_the_way_before_its_mouth_open() -> None:
    shaft = Shaft((0.0, 0.0, 12.0), UP, RADIUS, 14.5)
    channels = channels_of(GRID, drilled(30.0), (shaft,))
    z = centres(channels)[:, 2]
    barred = (channels.permeability == 0).all(axis=1)
    assert barred.any() and z[barred].max() < 12.0 and z[barred].min() > -2.6
    inside = np.hypot(*centres(channels)[:, :2].T) <= RADIUS
    assert barred[inside & (z < 12.0 - H) & (z > -2.0)].all()
    assert not barred[z >= 12.0].any()
    assert np.allclose(channels.permeability[~barred], RADIUS**2 / 8.0)


def test_drawing_the_cannula_back_opens_the_track_that_it_leaves() -> None:
    deep = channels_of(GRID, drilled(30.0), (Shaft((0, 0, 28.0), UP, RADIUS, 30.0),))
    back = channels_of(GRID, drilled(30.0), (Shaft((0, 0, 10.0), UP, RADIUS, 12.0),))
    opened = [(c.permeability > 0).all(axis=1).sum() for c in (deep, back)]
    assert opened[1] - opened[0] == pytest.approx(pi * RADIUS**2 * 18.0 / H**3, rel=0.08)


def test_only_cannulas_in_bone_bar_anything() -> None:
    standing = Cannula(tip=(0.1, 0.0, 12.0), direction=UP, stage="bone", bone_entry=(0, 0, 0))
    (shaft,) = shafts({"right": Cannula(), "left": standing})
    assert shaft.tip == (0.0, 0.0, 12.0) and shaft.radius == standing.radius
    assert shaft.length == pytest.approx(14.5)
    assert shafts({"left": standing, "right": Cannula()}) == (shaft,)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(*(st.floats(-30, 60) for _ in range(3)), st.sampled_from((0.9, 1.525))),
        max_size=12,
    ),
    st.booleans(),
)
def test_channels_are_sound_wherever_a_tip_has_been(
    tips: list[tuple[float, float, float, float]], steel: bool
) -> None:
    holes = tuple(Hole((x, y, z), radius) for x, y, z, radius in tips)
    shaft = (Shaft((0.0, 0.0, 5.0), UP, 1.525, 30.0),) if steel else ()
    channels = channels_of(GRID, holes, shaft)
    assert (np.diff(channels.voxels) > 0).all()
    assert set(np.unique(channels.permeability)) <= {0.0, 0.9**2 / 8.0, 1.525**2 / 8.0}
    again = channels_of(GRID, tuple(reversed(holes)), shaft)
    np.testing.assert_array_equal(channels.permeability, again.permeability)


def channels(voxels: dict[int, tuple[int, int, int]]) -> Channels:
    """Channels by voxel: permeability across x, porosity in halves, widening."""
    kept = np.array(sorted(voxels), np.int64)
    of = np.array([voxels[v] for v in kept.tolist()], float).reshape(-1, 3)
    permeability = np.stack([of[:, 0], np.zeros(len(of)), np.ones(len(of))], axis=1)
    return Channels(kept, permeability, 0.5 * of[:, 1], of[:, 2])


some = st.dictionaries(
    st.integers(0, 12), st.tuples(st.integers(0, 1), st.integers(1, 2), st.integers(1, 2))
)


@given(some, some)
@settings(deadline=None)
def test_what_differs_between_channels_is_what_differs_by_voxel(
    one: dict[int, tuple[int, int, int]], other: dict[int, tuple[int, int, int]]
) -> None:
    apart = sorted(v for v in one.keys() | other.keys() if one.get(v) != other.get(v))
    assert differing(channels(one), channels(other)).tolist() == apart
