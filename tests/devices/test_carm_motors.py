"""The C-arm's motors: speed, limits, recall by the shorter way."""

from math import pi, radians

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.devices.carm import SECONDARY_LIMIT, TURN_RATE, CArm, CArmPose, drive, recall

START = CArmPose(pi, 0.0, (0.0, 0.0, 0.0))


def test_full_drive_for_a_second_turns_by_the_rate() -> None:
    carm = drive(CArm(START), (100, 0, 0, 0, 0), 1.0)
    assert carm.pose.primary - pi == pytest.approx(TURN_RATE)


def test_the_gantry_stops_at_its_limit() -> None:
    carm = drive(CArm(START), (0, 100, 0, 0, 0), 60.0)
    assert carm.pose.secondary == SECONDARY_LIMIT


def test_recall_from_ap_to_left_oblique_turns_30_degrees_not_330() -> None:
    carm = recall(CArm(START), CArmPose(radians(-150), 0.0, (0.0, 0.0, 0.0)))
    carm = drive(carm, (0, 0, 0, 0, 0), radians(30) / TURN_RATE + 0.01)
    assert not carm.moving
    assert carm.pose.primary == pytest.approx(radians(210))


def test_a_hand_on_the_control_ends_a_recall() -> None:
    carm = recall(CArm(START), CArmPose(0.0, 0.0, (0.0, 0.0, 0.0)))
    assert not drive(carm, (0, 0, 1, 0, 0), 0.1).moving


@pytest.mark.parametrize(
    "goal", [CArmPose(0.0, 1.2, (0.0, 0.0, 0.0)), CArmPose(0.0, 0.0, (0.0, 301.0, 0.0))]
)
def test_positions_out_of_range_are_refused_with_the_range(goal: CArmPose) -> None:
    with pytest.raises(ValueError, match=r"allows|travel"):
        recall(CArm(START), goal)


@given(st.floats(-3.0, 3.0), st.floats(-1.0, 1.0), st.floats(-250.0, 250.0))
def test_recall_always_arrives(primary: float, secondary: float, x: float) -> None:
    carm = recall(CArm(START), CArmPose(primary, secondary, (x, 0.0, 0.0)))
    for _ in range(60 * 20):
        carm = drive(carm, (0, 0, 0, 0, 0), 1 / 60)
    assert not carm.moving
    assert carm.pose.secondary == secondary
    assert abs(carm.pose.primary - START.primary) <= pi + 1e-12
