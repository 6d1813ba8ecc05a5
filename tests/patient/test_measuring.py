"""Morphometry on a box with round holes, whose every measure is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks import box_distance
from game.geometry.grid import FloatArray, Grid
from game.patient.measuring import measure
from game.patient.morphometry import published
from game.patient.patient import SIDES, Landmark, Plane
from game.patient.procedural.draw import MOST_DEVIATION, draw
from game.patient.traits import Sex, Traits

SPAN, PITCH, RADIUS = (46.0, 42.0, 38.0, 36.0), (-20.0, -45.0, -66.0, -84.0), (4.0, 3.5, 3.0, 3.5)
DEEP = 15.0  # half depth of the box, mm


def block(
    shift: FloatArray, hip_top: float = 50.0, slope: float = 0.0, cut: int = 5
) -> dict[str, float]:
    """A box |x| <= 55, |y| <= 15, -100 <= z <= 0 with eight holes along y, moved by `shift`, its
    top falling off by `slope` from |x| = 35 on; hip bones beside it up to `hip_top`. Foramina from
    level `cut` on have no length."""
    grid = Grid(tuple(float(v) for v in np.array([-65.0, -25.0, -110.0]) + shift), 0.75,
                (174, 67, 161))  # type: ignore[arg-type]  # fmt: skip
    x, y, z = (
        a - s for a, s in zip(np.meshgrid(*grid.axes(), indexing="ij", sparse=True), shift,
                              strict=True)
    )  # fmt: skip
    bone = box_distance(x, y, z, [-55, -DEEP, -100], [55, DEEP, 0])
    fall = z + slope * np.maximum(np.abs(x) - 35.0, 0.0)
    bone = np.maximum(bone, fall / np.hypot(1.0, slope))
    marks = {"s1_endplate_centre": [0, 0, 0], "promontory": [0, -DEEP, 0],
             "s1_posterior_corner": [0, DEEP, 0], "sacrum_caudal": [0, -DEEP, -100],
             "s1_inferior_anterior": [0, -DEEP, -30], "s1_inferior_posterior": [0, DEEP, -30],
             "l5_endplate_anterior": [0, -DEEP, 45],
             "l5_endplate_posterior": [0, DEEP, 35]}  # fmt: skip
    for n, (span, at, radius) in enumerate(zip(SPAN, PITCH, RADIUS, strict=True), 1):
        for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
            hole = np.hypot(x - sign * span / 2, z - at) - radius
            bone = np.maximum(bone, -hole)
            middle = [sign * span / 2, 0.0, at]
            if n >= cut:
                middle, deepest = [20.0, 0.0, -70.0], 0.0
            else:
                deepest = DEEP
            for name, deep in (("", 0.0), ("_ventral", -deepest), ("_dorsal", deepest)):
                marks[f"foramen_s{n}{name}_{side}"] = [middle[0], deep, middle[2]]
    for name, place in (("psis", [45, 40, -20]), ("piis", [50, 30, -50]), ("asis", [110, -80, 0]),
                        ("pubic_tubercle", [25, -80, -90])):  # fmt: skip
        for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
            marks[f"{name}_{side}"] = [sign * place[0], *place[1:]]
    hip = {
        side: np.maximum(57.0 - sign * x, z - hip_top) + 0 * bone
        for side, sign in zip(SIDES, (1.0, -1.0), strict=True)
    }
    landmarks = {name: Landmark(np.array(at, float) + shift) for name, at in marks.items()}
    planes = {
        "s1_endplate": Plane(shift, np.array([0.0, 0.0, 1.0])),
        "midsagittal": Plane(shift, np.array([1.0, 0.0, 0.0])),
    }
    return measure(grid, bone.astype(np.float32), hip, landmarks, planes)


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return block(np.zeros(3))


@pytest.mark.parametrize(
    ("row", "value", "within"),
    [
        ("breadth", 110.0, 0.5),
        ("straight_length", 100.0, 0.01),
        ("curved_length", 100.0, 1.0),
        ("s1_depth", 30.0, 0.01),
        ("body_depth_8", 30.0, 0.5),
        ("body_depth_15", 30.0, 0.5),
        ("ala_depth_8", 30.0, 0.5),
        ("ala_depth_15", 30.0, 0.5),
        ("s1_depth_inferior", 30.0, 0.5),
        ("s1_height_anterior", 30.0, 0.5),
        ("s1_height_posterior", 30.0, 0.5),
        ("lordosis_l5_s1", np.degrees(np.arctan2(10.0, 30.0)), 0.01),
        ("auricular_height", 100.0, 3.0),
        ("interauricular_distance", 110.0, 0.5),
        ("foramen_span_s1", 46.0, 0.6),
        ("foramen_span_s4", 36.0, 0.6),
        ("foramen_pitch_1_2", np.hypot(25.0, 2.0), 0.6),
        ("foramen_calibre_s1", 8.0, 1.0),
        ("foramen_calibre_s3", 6.0, 1.0),
        ("dorsal_s1_midline", 23.0, 0.01),
        ("dorsal_gap_s1_s2", np.hypot(25.0, 2.0) - 7.5, 0.6),
        ("dorsal_gap_s3_s4", np.hypot(18.0, 1.0) - 6.5, 0.6),
        ("corridor_s1", 16.0, 0.5),
        ("corridor_s2", 17.5, 0.5),
        ("base_angle", 0.0, 0.01),
        ("endplate_inclination", 0.0, 0.01),
        ("inter_psis", 90.0, 0.01),
        ("psis_cranial", -20.0, 0.01),
    ],
)
def test_a_box_is_measured_as_it_was_made(
    found: dict[str, float], row: str, value: float, within: float
) -> None:
    assert found[row] == pytest.approx(value, abs=within)


def test_measures_do_not_depend_on_where_the_patient_lies(found: dict[str, float]) -> None:
    moved = block(np.array([13.2, -7.7, 101.3]))
    assert moved.keys() == found.keys()
    for row, value in found.items():
        assert moved[row] == pytest.approx(value, abs=0.3), row


def test_a_sacrum_that_is_cut_off_is_measured_as_far_as_it_goes() -> None:
    """Below the cut, both openings of a foramen lie in one place: no row of theirs, no crash."""
    cut = block(np.zeros(3), cut=3)
    assert "dorsal_gap_s1_s2" in cut and "dorsal_gap_s3_s4" not in cut


def test_a_corridor_ends_in_the_joints() -> None:
    """Where the hip bones end 10 mm under the box's top, lines above them leave no bone into bone:
    the corridor above the first holes (top of them at -16) is 6 mm high, and no more."""
    assert block(np.zeros(3), hip_top=-10.0)["corridor_s1"] == pytest.approx(6.0, abs=0.5)
    assert block(np.zeros(3), hip_top=-40.0)["corridor_s1"] == 0.0


def test_a_corridor_does_not_leave_the_bone_on_its_way() -> None:
    """A box whose top falls off sideways: a line at 8 mm leaves it by its top 5 mm before its side,
    where the hip bone is 7 mm away, and is none; at 14 mm it is."""
    assert block(np.zeros(3), slope=1.0)["corridor_s1"] < block(np.zeros(3))["corridor_s1"] - 5.0


def test_what_is_measured_is_published(found: dict[str, float]) -> None:
    assert found.keys() <= {row.id for row in published()}


def test_an_absent_landmark_leaves_its_rows_out_and_no_others() -> None:
    whole = block(np.zeros(3))
    assert {"hiatus_length", "hiatus_depth"}.isdisjoint(whole)  # the block has no hiatus
    assert {"straight_length", "corridor_s1"} <= whole.keys()


@given(seed=st.integers(0, 2**32 - 1), sex=st.sampled_from(["female", "male"]))
@settings(max_examples=60, deadline=None)
def test_drawn_measures_stay_within_the_published_spread(seed: int, sex: Sex) -> None:
    drawn = draw(Traits(seed=seed, sex=sex))
    assert drawn == draw(Traits(seed=seed, sex=sex))
    for row in published():
        if sex in row.mean:
            assert abs(row.deviation(drawn[row.id], sex)) <= MOST_DEVIATION + 1e-9, row.id


@pytest.mark.parametrize("sex", ["female", "male"])
def test_draws_have_the_published_means_and_spreads(sex: Sex) -> None:
    drawn = [draw(Traits(seed=seed, sex=sex)) for seed in range(400)]
    for row in published():
        if sex not in row.mean:
            continue
        deviations = np.array([row.deviation(one[row.id], sex) for one in drawn])
        assert abs(deviations.mean()) < 0.2, row.id
        assert 0.8 < deviations.std() < 1.1, row.id


@pytest.mark.parametrize("sex", ["female", "male"])
def test_the_template_is_the_mean(sex: Sex) -> None:
    drawn = draw(Traits(sex=sex, template=True))
    for row in published():
        if sex in row.mean:
            assert drawn[row.id] == row.mean[sex]
