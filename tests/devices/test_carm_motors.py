"""The C-arm's motors: speed, limits, collision, recall by the shorter way, stored positions."""

from math import degrees, pi, radians

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from game.devices.carm import (
    ORBIT,
    TRAVEL,
    TURN_RATE,
    CArm,
    CArmPose,
    drive,
    machine_angles,
    recall,
    refusal,
    store,
)
from game.devices.surroundings import Surroundings

START = CArmPose(pi, 0.0, (0.0, 0.0, 0.0))
BODY = Surroundings((180.0, 150.0, 100.0, 150.0, 180.0, 170.0, 140.0, 170.0), -140.0)
IDLE = (0, 0, 0, 0, 0)


def test_full_drive_for_a_second_turns_by_the_rate() -> None:
    carm = drive(CArm(START), (100, 0, 0, 0, 0), 1.0, BODY)
    assert carm.pose.primary - pi == pytest.approx(TURN_RATE)


def test_the_gantry_stops_before_the_table_at_about_45_degrees() -> None:
    """facts/fluoroscopy.md: collision-limited to about +-45."""
    carm = CArm(START)
    for _ in range(600):
        carm = drive(carm, (0, 100, 0, 0, 0), 1 / 60, BODY)
    assert 40.0 < degrees(carm.pose.secondary) < 60.0
    assert 0.0 <= carm.pose.clearance(BODY).mm < 5.0
    assert "0 mm or more" in carm.stopped


def test_the_arc_stops_at_the_end_of_its_orbit_and_the_others_go_on() -> None:
    carm = CArm(START)
    for _ in range(600):
        carm = drive(carm, (100, 0, 0, 0, 10), 1 / 60, BODY)
    orbit, _ = machine_angles(carm.pose.primary, carm.pose.secondary)
    assert degrees(orbit) == pytest.approx(degrees(ORBIT[0]), abs=0.4)
    assert carm.pose.isocentre[2] == pytest.approx(50.0)
    assert "-40 to 110" in carm.stopped
    assert drive(carm, IDLE, 1 / 60, BODY).stopped == ""


@pytest.mark.parametrize(
    ("primary", "secondary", "orbit", "tilt"),
    [
        (180.0, 0.0, 0.0, 0.0),
        (180.0, 39.0, 0.0, 39.0),
        (90.0, 0.0, 90.0, 0.0),
        (-150.0, 0.0, -30.0, 0.0),
        (75.0, 0.0, 105.0, 0.0),
        (150.0, 35.05, 24.2, 39.0),  # sin o = sin a cos b; tan g = tan b / -cos a
    ],
)
def test_machine_angles(primary: float, secondary: float, orbit: float, tilt: float) -> None:
    found = machine_angles(radians(primary), radians(secondary))
    assert [degrees(angle) for angle in found] == pytest.approx([orbit, tilt], abs=0.05)


def test_recall_from_ap_to_left_oblique_turns_30_degrees_not_330() -> None:
    carm = recall(CArm(START), CArmPose(radians(-150), 0.0, (0.0, 0.0, 0.0)), BODY)
    carm = drive(carm, IDLE, radians(30) / TURN_RATE + 0.01, BODY)
    assert not carm.moving
    assert carm.pose.primary == pytest.approx(radians(210))


def test_a_hand_on_the_control_ends_a_recall() -> None:
    carm = recall(CArm(START), CArmPose(radians(90), 0.0, (0.0, 0.0, 0.0)), BODY)
    assert not drive(carm, (0, 0, 1, 0, 0), 0.1, BODY).moving


@pytest.mark.parametrize(
    ("goal", "range_"),
    [
        (CArmPose(pi, 1.4, (0.0, 0.0, 0.0)), r"\+-75"),
        (CArmPose(radians(-90), 0.0, (0.0, 0.0, 0.0)), "-40 to 110"),
        (CArmPose(radians(60), 0.0, (0.0, 0.0, 0.0)), "-40 to 110"),
        (CArmPose(pi, 0.0, (101.0, 0.0, 0.0)), "-100 to 100"),
        (CArmPose(pi, 0.0, (0.0, 216.0, 0.0)), "-215 to 215"),
        (CArmPose(pi, 0.0, (0.0, 0.0, -301.0)), "-300 to 300"),
        (CArmPose(pi, radians(60.0), (0.0, 0.0, 0.0)), "0 mm or more"),
    ],
)
def test_positions_out_of_range_are_refused_with_the_range(goal: CArmPose, range_: str) -> None:
    with pytest.raises(ValueError, match=range_):
        recall(CArm(START), goal, BODY)


@given(
    st.floats(72.0, 218.0), st.floats(-40.0, 40.0), st.floats(-100.0, 100.0), st.floats(-60.0, 30.0)
)
@example(72.0, 1.0, 90.0, 9.0)  # creeps along a limit
@settings(deadline=None, max_examples=60)
def test_recall_arrives_or_says_why_not(primary: float, tilt: float, x: float, y: float) -> None:
    goal = CArmPose(radians(primary), radians(tilt), (x, y, 0.0))
    if refusal(goal, BODY):
        return
    carm = recall(CArm(START), goal, BODY)
    for _ in range(60 * 20):
        carm = drive(carm, IDLE, 1 / 60, BODY)
        if not carm.moving:
            break
    assert not carm.moving
    assert carm.pose == goal or carm.stopped


def test_an_arm_that_stands_too_near_may_still_back_off() -> None:
    carm = CArm(CArmPose(pi, radians(58.0), (0.0, 0.0, 0.0)))
    assert carm.pose.clearance(BODY).mm < 0.0
    assert drive(carm, (0, 100, 0, 0, 0), 0.1, BODY).pose == carm.pose
    assert drive(carm, (0, -100, 0, 0, 0), 0.1, BODY).pose.secondary < carm.pose.secondary


def test_positions_are_stored_by_name() -> None:
    carm = store(CArm(START), "ap")
    moved = store(drive(carm, (100, 0, 0, 0, 0), 0.5, BODY), "other")
    assert moved.stored == {"ap": START, "other": moved.pose}
    assert TRAVEL[0] == (-100.0, 100.0)
