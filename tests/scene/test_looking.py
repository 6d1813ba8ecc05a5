"""Camera, picking, pace and words: pure parts of the room."""

from __future__ import annotations

from dataclasses import replace
from math import radians

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import block_case, block_patient
from game.devices.carm import CArmPose
from game.scene.camera import Camera, overview
from game.scene.guide import Memory, hint
from game.scene.pacing import FAST, MOST_TICKS, Pacer
from game.scene.pen import over_the_entry
from game.scene.pick import skin_hit, skin_normal
from game.scene.sitting import direction_of
from game.scene.words import (
    aim_degrees,
    alarming,
    angles_words,
    event_words,
    minutes,
    view_words,
)
from game.simulation.cement import product
from game.simulation.cement.rheology import room_age
from game.simulation.clock import TICK_S
from game.simulation.control import Mark
from game.simulation.events import Breached, Refused, StrandTested
from game.simulation.step import begin

CAMERA = Camera((0.0, 60.0, -60.0))


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.floats(-1.0, 1.0))
def test_ray_and_place_are_each_others_inverse(across: float, down: float, turn: float) -> None:
    for camera in (replace(CAMERA, turn=turn), overview(CAMERA.target)):
        point = camera.position + 500.0 * camera.ray(across, down)
        assert camera.place(point) == pytest.approx((across, down), abs=1e-9)


def test_the_patients_left_is_on_the_left_and_the_head_is_up() -> None:
    across, down = CAMERA.place(np.array([40.0, 60.0, -20.0]))
    assert across < 0.5 and down < 0.5


def test_a_ray_meets_the_flat_back_of_the_block() -> None:
    """The body's dorsal face is at y = 60; voxels end half a millimetre further."""
    down = np.array([0.0, -1.0, 0.0])
    hit = skin_hit(block_patient(), np.array([10.0, 500.0, -50.0]), down)
    assert hit == pytest.approx([10.0, 60.5, -50.0], abs=0.05)
    assert skin_normal(block_patient(), hit) == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)
    assert skin_hit(block_patient(), np.array([300.0, 500.0, -50.0]), down) is None
    assert skin_hit(block_patient(), np.array([10.0, 500.0, -50.0]), -down) is None


@given(st.lists(st.floats(0.0, 0.09), min_size=1, max_size=200))
def test_no_tick_is_lost_while_frames_are_fast_enough(frames: list[float]) -> None:
    pacer, made = Pacer(), 0
    for elapsed in frames:
        ticks, pacer = pacer.frame(elapsed)
        made += ticks
    assert abs(made * TICK_S + pacer.owed - sum(frames)) < 1e-6 * len(frames)


def test_a_slow_frame_makes_a_bounded_number_of_ticks_and_says_so() -> None:
    ticks, pacer = Pacer().frame(3.0)
    assert ticks == MOST_TICKS
    assert pacer.scale < 0.1
    assert pacer.owed <= TICK_S
    assert Pacer().frame(0.1, fast=True)[0] == pytest.approx(0.1 * FAST / TICK_S, abs=1)


@given(st.floats(-74.0, 74.0), st.floats(-74.0, 74.0))
def test_aiming_angles_and_direction(cranial: float, left: float) -> None:
    direction = direction_of(cranial, left)
    assert np.linalg.norm(direction) == pytest.approx(1.0)
    assert aim_degrees(direction) == pytest.approx((cranial, left), abs=1e-9)


def test_aiming_cranially_points_to_the_head_and_into_the_patient() -> None:
    x, y, z = direction_of(30.0, 0.0)
    assert (x, y, z) == pytest.approx((0.0, -0.866025, 0.5), abs=1e-6)
    assert direction_of(0.0, 20.0)[0] > 0


def test_cement_in_words() -> None:
    usual = product()
    marks = (0.0, usual.window_s[0] + 1, usual.window_s[1] + 1, usual.setting_s + 1)
    found = [usual.consistency(room_age(mark)) for mark in marks]
    assert found == ["liquid", "toothpaste", "stiff", "set"]
    said = [str(event_words(StrandTested(0, 187.9, 1.0, answer))) for answer in found]
    assert len(set(said)) == 4 and all(line.startswith("Strand at 3:07: ") for line in said)
    assert minutes(187.9) == "3:07"


def test_the_c_arm_in_words() -> None:
    pose = CArmPose(radians(-150.0), radians(12.0), (0.0, 0.0, 0.0))
    assert angles_words(pose) == "RAO 150° CRA 12°"
    words, true = view_words(pose, block_patient().anatomy)
    assert "oblique for the left" in words and not true


def test_refusals_and_breaches_are_told_in_red() -> None:
    refused = Refused(0, "mix", "cement is mixed already")
    assert event_words(refused) == "Refused: cement is mixed already"
    breach = Breached(0, "left", "foramen_s1_left", (0.0, 0.0, 0.0))
    assert "foramen s1 left" in str(event_words(breach))
    assert alarming(refused) and alarming(breach)


def test_the_guide_begins_with_the_true_ap_and_goes_on_to_the_oblique() -> None:
    case = block_case()
    state = begin(case)
    assert "true AP" in hint(case, state, Memory(), "left")
    seen = Memory(ever=frozenset({"ap"}))
    assert "press 3" in hint(case, state, seen, "left")
    assert "press 4" in hint(case, state, seen, "right")


def test_a_mark_is_drawn_on_the_skin_between_detector_and_source() -> None:
    """Straight above an entry on the AP, on the flat back at y = 60.5."""
    state = begin(block_case())
    geometry = state.picture_pose.projection(512)
    column, row = geometry.project(np.array([[0.0, 15.0, 0.0]]))[0]
    x, y, z = geometry.pixel(column, row)
    place = over_the_entry(block_patient(), Mark("left", (x, y, z)), state.picture_pose)
    assert place == pytest.approx([0.0, 60.5, 0.0], abs=0.05)
