"""The hip bones' thick cortex: its law on a known line, and where its lines lie on a pelvis."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid
from game.patient.build import HIPS
from game.patient.cortex import OTHER_BONES_MM, THICKER
from game.patient.iliac_cortex import ASIDE_MM, MOST_MM, RIDGE_MM, Ridges, ridges_of
from game.patient.landmarks.joint import joint_points
from game.patient.patient import SIDES, Side
from game.patient.procedural import procedural
from game.patient.resample import bones_of, levels_of
from game.patient.segmentation import Bones, Segmentation
from game.patient.traits import Quality, Traits


@cache
def pelvis() -> tuple[Segmentation, Bones]:
    made = procedural(Traits(template=True), 1.5)
    return made, bones_of(made, levels_of(made))


def endplate() -> tuple[FloatArray, FloatArray]:
    """Forward along the S1 endplate and its normal (3,)."""
    known = pelvis()[0].known
    ahead = known["promontory"].point - known["s1_posterior_corner"].point
    ahead /= np.linalg.norm(ahead)
    return ahead, np.array([0.0, ahead[2], -ahead[1]])


@cache
def ridges(side: Side) -> Ridges:
    made, bones = pelvis()
    caudal = {f"si_caudal_{one}": made.known[f"piis_{one}"] for one in SIDES}
    return ridges_of(bones, hips(), {**made.known, **caudal}, np.eye(3), endplate()[1])[side]


@cache
def hips() -> dict[Side, tuple[Grid, NDArray[np.float32]]]:
    """Both hip bones' whole distances on their grids."""
    made, found = pelvis()[0], {}
    for side, code in HIPS.items():
        level = levels_of(made)[code]
        x, y, z = (float(v) for v in level.box(made)[0])
        grid = Grid((x, y, z), made.spacing[0], level.distance.shape)
        found[side] = (grid, level.distance)
    return found


@pytest.mark.parametrize("quality", ["normal", "osteopenic", "osteoporotic"])
def test_thickness_falls_off_from_a_line_as_a_gaussian(quality: Quality) -> None:
    line = Ridges(np.array([[0.0, 0.0, 0.0]]), np.array([1.0]))
    away = np.array([0.0, ASIDE_MM, 2.0 * ASIDE_MM, 80.0])
    found = line.thickness(away[:, None] * [[1.0, 0.0, 0.0]], quality)
    more = np.exp(-0.5 * (away / ASIDE_MM) ** 2)
    assert found == pytest.approx(THICKER[quality] * (OTHER_BONES_MM + more), abs=2e-5)


def test_no_cortex_is_thicker_than_is_known() -> None:
    line = Ridges(np.zeros((1, 3)), np.array([9.0]))
    assert line.thickness(np.zeros((1, 3)), "normal")[0] == MOST_MM


@pytest.mark.parametrize("side", SIDES)
def test_lines_lie_on_the_hip_bone(side: Side) -> None:
    grid, distance = hips()[side]
    assert np.abs(grid.sample(distance, ridges(side).points, 50.0)).max() < 1.5


@pytest.mark.parametrize("side", SIDES)
def test_the_ridge_bounds_the_joint_above_and_in_front(side: Side) -> None:
    """Nearly all of the joint lies behind and below it, and it runs along the whole of that edge:
    40 mm and more."""
    ahead, up = endplate()
    own = ridges(side)
    ridge = own.points[own.more == RIDGE_MM]
    joint = joint_points(pelvis()[1], side)
    middle = joint.mean(axis=0)
    turn = np.arctan2((ridge - middle) @ up, (ridge - middle) @ ahead)
    assert np.degrees(turn).min() < -10.0 and np.degrees(turn).max() > 90.0
    for point in ridge[::4]:
        way = (point - middle) @ ahead * ahead + (point - middle) @ up * up
        beyond = (joint - middle) @ way / (way @ way)
        assert (beyond > 1.15).mean() < 0.03
    assert np.linalg.norm(np.diff(ridge, axis=0), axis=1).sum() > 40.0


def test_both_sides_of_a_template_are_alike() -> None:
    left, right = ridges("left"), ridges("right")
    for more in np.unique(left.more):
        mine = left.points[left.more == more].mean(axis=0)
        theirs = right.points[right.more == more].mean(axis=0) * [-1, 1, 1]
        assert np.linalg.norm(mine - theirs) < 3.0
