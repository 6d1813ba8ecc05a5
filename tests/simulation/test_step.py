"""`step` on a patient of boxes, where every answer is known in closed form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import cos, radians, sin

import numpy as np
import pytest

from blocks import block_case
from game.devices.carm import CArmPose
from game.simulation.clock import TICK, UNITS_PER_SECOND
from game.simulation.control import (
    Collimate,
    Connect,
    Control,
    DrawUp,
    Expose,
    Finish,
    Mark,
    Mix,
    MoveStylet,
    Recall,
    RemoveCannula,
    ServoReport,
    SetPulseRate,
    Stand,
    Store,
    TakeCannula,
)
from game.simulation.events import (
    Advanced,
    Aliquot,
    BoneEntered,
    Breached,
    CannulaRemoved,
    Event,
    Exposed,
    LeakStarted,
    Marked,
    Outcome,
    Placed,
    Refused,
    SkinEntered,
)
from game.simulation.state import State
from game.simulation.step import begin, step

UP = (0.0, 0.0, 1.0)


def run(controls: Iterable[Control], state: State | None = None) -> tuple[State, list[Event]]:
    state = state or begin(block_case())
    events: list[Event] = []
    for control in controls:
        state = step(block_case(), state, control)
        events += state.events
    return state, events


def travel(
    x: float, start: float, end: float, y: float = 0.0, tilt: float = 0.0, side: str = "left"
) -> list[Control]:
    """The left cannula along a line from z = start to z = end, 0.2 mm a tick."""
    direction = (sin(tilt), 0.0, cos(tilt))
    heights = np.linspace(start, end, max(2, int(abs(end - start) / 0.2)))
    return [
        Control(active=side, servo=ServoReport((x + (z + 90) * np.tan(tilt), y, z), direction))  # type: ignore[arg-type]
        for z in map(float, heights)
    ]


def of(events: list[Event], kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in events if isinstance(event, kind)]


TAKE = [Control(actions=(TakeCannula("left"),))]
SHOT = [Control(actions=(Expose(),))]


def test_stepping_one_state_twice_gives_equal_results_and_leaves_it_unchanged() -> None:
    state, _ = run(TAKE + travel(30, -165, -60))
    before = state.digest()
    control = Control(pedal=True, active="left", servo=ServoReport((30.0, 0.0, -59.0), UP))
    first, second = step(block_case(), state, control), step(block_case(), state, control)
    assert first.digest() == second.digest() != before
    assert state.digest() == before


@pytest.mark.parametrize("shift", [0.0, 3.0, 8.0])
def test_skin_and_bone_entry_are_where_the_path_crosses_them(shift: float) -> None:
    _, events = run(TAKE + travel(30 + shift, -165, -60))
    (skin,), (bone,) = of(events, SkinEntered), of(events, BoneEntered)
    assert skin.error_mm == pytest.approx(shift, abs=1.0)
    assert bone.error_mm == pytest.approx(shift, abs=0.01)
    assert bone.point[2] == pytest.approx(-90.0, abs=0.01)


def test_angle_at_entry_is_the_tilt() -> None:
    _, events = run(TAKE + travel(30, -165, -60, tilt=radians(12)))
    assert of(events, BoneEntered)[0].angle_deg == pytest.approx(12.0, abs=0.01)


def test_resting_place_is_measured_when_the_stylet_is_drawn() -> None:
    _, events = run(TAKE + travel(32, -165, -18) + [Control(actions=(MoveStylet("left", False),))])
    (placed,) = of(events, Placed)
    assert placed.tip_error_mm == pytest.approx(np.hypot(2, 3), abs=0.01)
    assert placed.in_bone == 1.0
    assert placed.clearance_mm["cephalad"] == pytest.approx(18 - 1.525, abs=0.6)
    assert placed.clearance_mm["presacral"] == pytest.approx(15 - 1.525, abs=0.6)
    assert placed.clearance_mm["si_joint_left"] == pytest.approx(18 - 1.525, abs=0.6)
    assert placed.clearance_mm["canal"] == pytest.approx(26 - 1.525, abs=0.6)


@pytest.mark.parametrize(
    ("x", "y", "end", "wall"), [(30, 0, 5, "cephalad"), (0, 8, -40, ""), (3, 0, -60, "canal")]
)
def test_leaving_the_bone_names_the_wall(x: float, y: float, end: float, wall: str) -> None:
    _, events = run(TAKE + travel(x, -165, end, y=y))
    assert [event.wall for event in of(events, Breached)] == (
        [] if wall in ("", "canal") else [wall]
    )


def test_withdrawal_through_the_entry_is_no_breach_and_the_old_hole_no_new_entry() -> None:
    way = travel(30, -165, -60) + travel(30, -60, -100) + travel(30, -100, -50)
    _, events = run(TAKE + way)
    assert not of(events, Breached)
    assert len(of(events, BoneEntered)) == 1


def test_a_second_puncture_elsewhere_is_a_new_entry() -> None:
    way = travel(30, -165, -60) + travel(30, -60, -100) + travel(42, -100, -50)
    _, events = run(TAKE + way)
    assert [round(e.error_mm) for e in of(events, BoneEntered)] == [0, 12]


def test_a_tip_drawn_back_from_beyond_a_wall_breaches_once() -> None:
    _, events = run(TAKE + travel(30, -165, 4) + travel(30, 4, -30))
    assert [event.wall for event in of(events, Breached)] == ["cephalad"]
    assert len(of(events, BoneEntered)) == 1


def test_pictures_bound_the_advances_between_them() -> None:
    way = travel(30, -165, -86) + SHOT + travel(30, -86, -78) + SHOT + travel(30, -20, -17) + SHOT
    _, events = run(TAKE + way)
    steps = [(a.from_mm, a.to_mm, a.allowed_mm) for a in of(events, Advanced)]
    assert np.allclose(steps, [(0, 4, 5), (4, 12, 5), (12, 73, 2)], atol=0.05)


def test_views_are_named_with_their_errors() -> None:
    goal = CArmPose(radians(-147), radians(2), (0.0, 0.0, 0.0))
    idle = [Control()] * 150
    _, events = run([Control(actions=(Recall(goal),)), *idle, *SHOT])
    (exposed,) = of(events, Exposed)
    assert exposed.view == "oblique-left"
    assert exposed.turn_deg == pytest.approx(3.0, abs=1e-6)
    assert exposed.disc_deg == pytest.approx(2.0, abs=1e-6)
    assert exposed.hands_out and not exposed.moving


def test_fluoroscopy_counts_its_seconds_and_pulses() -> None:
    state, events = run([Control(pedal=True)] * 120 + [Control()])
    assert state.tube.fluoroscopy_s == pytest.approx(2.0)
    assert state.tube.pulses in (8, 9)
    assert [e.fluoroscopy for e in of(events, Exposed)] == [True, True]


def test_collimation_takes_from_the_kap_and_not_from_the_kerma() -> None:
    """A quarter of the field, read at once by the same middle: KAP a quarter, kerma as it was."""
    wide, _ = run(SHOT)
    narrow, _ = run([Control(actions=(Collimate(collimation=0.5),)), *SHOT])
    assert narrow.tube.kerma_mgy == pytest.approx(wide.tube.kerma_mgy, rel=0.05)
    per_kerma = [state.tube.kap_gycm2 / state.tube.kerma_mgy for state in (wide, narrow)]
    assert per_kerma[0] == pytest.approx(4.0 * per_kerma[1])
    assert narrow.picture_field.collimation == 0.5


def test_the_held_picture_keeps_its_field() -> None:
    state, _ = run([*SHOT, Control(actions=(Collimate(0.5, 2.0),))])
    assert state.picture_field != state.tube.field


def test_a_position_is_stored_and_a_pulse_rate_set() -> None:
    state, _ = run([Control(actions=(Store("mine"), SetPulseRate(15.0), Stand("left")))])
    assert state.carm.stored["mine"] == state.carm.pose
    assert state.tube.pulse_rate == 15.0
    assert state.operator.side == "left"


def test_a_hand_on_the_cannula_in_the_beam_is_counted_and_dosed() -> None:
    """The handle stands 60 mm above the picture's middle; 200 mm above it no beam falls on it."""
    held = {"active": "left", "hand_on": True}
    for tip, counted in ((65.0, 1), (-75.0, 0)):
        report = ServoReport((30.0, 0.0, tip), UP)
        state, events = run([*TAKE, Control(servo=report, actions=(Expose(),), **held)])  # type: ignore[arg-type]
        assert state.operator.hand_pulses == counted
        assert (state.operator.hand_primary_mgy > 0) == bool(counted)
        assert of(events, Exposed)[0].hands_out != bool(counted)
        assert state.operator.hand_mgy > 0 and state.operator.eye_mgy > 0


def test_a_motor_against_its_limit_is_told_once() -> None:
    state, events = run([Control(drive=(0, 0, 100, 0, 0))] * 300)
    assert state.carm.pose.isocentre[0] == pytest.approx(100.0, abs=1.0)
    assert ["-100 to 100" in event.reason for event in of(events, Refused)] == [True]


def test_a_mark_is_measured_across_the_beam() -> None:
    state, _ = run(SHOT)
    projection = state.picture_pose.projection()
    column, row = projection.project(np.array([[34.0, 0.0, -90.0]]))[0]
    point = tuple(map(float, projection.pixel(column, row)))
    _, events = run([Control(actions=(Mark("left", point),))], state)  # type: ignore[arg-type]
    assert of(events, Marked)[0].error_mm == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (MoveStylet("left", False), "not in the patient"),
        (Connect("left"), "not in the patient"),
        (Connect(None), ""),
        (RemoveCannula("right"), "not in the patient"),
        (Mark("left", (0.0, 0.0, 0.0)), "no picture"),
        (TakeCannula("left", 12, 125), "there are"),
        (Recall(CArmPose(radians(180), 2.0, (0.0, 0.0, 0.0))), "allows"),
        (Recall(CArmPose(radians(-90), 0.0, (0.0, 0.0, 0.0))), "-40 to 110"),
        (Recall(CArmPose(radians(180), 1.2, (0.0, 0.0, 0.0))), "0 mm or more"),
        (Collimate(collimation=0.0), "0.1 to 1.0"),
        (SetPulseRate(12.0), "there are"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(action: object, reason: str) -> None:
    state, events = run([Control(actions=(action,))])  # type: ignore[arg-type]
    refused = of(events, Refused)
    assert [reason in event.reason for event in refused] == ([True] if reason else [])
    assert state.time == TICK


@pytest.fixture(scope="module")
def injected() -> tuple[State, list[Event]]:
    """A whole left side on the block: placed at the target, 1.5 mL in two runs, withdrawn."""
    ready = [
        *TAKE,
        *travel(30, -165, -15),
        Control(actions=(Mix(),)),
        *[Control()] * (60 * 240),
        Control(actions=(MoveStylet("left", False), DrawUp("3-ml"))),
        *[Control()] * 300,
        Control(actions=(Connect("left"),)),
    ]
    press = [Control(plunger=100)] * 60
    release = [Control(plunger=-100)] * 60
    fill = press * 13 + release + travel(30, -15, -35) + press * 7 + release
    end = [
        Control(actions=(MoveStylet("left", True),)), *[Control(plunger=100)] * 600,
        Control(actions=(RemoveCannula("left"), Finish())),
    ]  # fmt: skip
    return run([*ready, *fill, *end])


def test_every_millilitre_is_found_again(injected: tuple[State, list[Event]]) -> None:
    state, events = injected
    (outcome,) = of(events, Outcome)
    assert outcome.balance <= 1e-10
    assert state.cement.ml.sum() == pytest.approx(state.cement.delivered_ml, rel=1e-10)
    total = outcome.filled_ml + sum(outcome.leaked_ml.values())
    assert total == pytest.approx(outcome.injected_ml["left"], rel=1e-10)
    assert outcome.injected_ml["left"] == pytest.approx(2.0, abs=0.06)


def test_runs_of_the_plunger_become_aliquots(injected: tuple[State, list[Event]]) -> None:
    runs = of(injected[1], Aliquot)
    assert [round(run.from_entry_mm) for run in runs[:2]] == [75, 55]
    assert sum(run.ml for run in runs) == pytest.approx(2.0, abs=0.06)
    assert all(run.age_s > 240 and run.peak_mpa > 0 for run in runs)


def test_cement_reaches_the_sheet_and_leaks_are_told(injected: tuple[State, list[Event]]) -> None:
    state, events = injected
    (outcome,) = of(events, Outcome)
    assert outcome.coverage["left"] > 0.1 and outcome.coverage["right"] == 0.0
    told = {event.region for event in of(events, LeakStarted)}
    assert told == {name for name, ml in outcome.leaked_ml.items() if ml >= 0.01}
    (removed,) = of(events, CannulaRemoved)
    assert removed.stylet_in
    with pytest.raises(ValueError, match="finished"):
        step(block_case(), state, Control())


def test_cement_enters_fifty_milliseconds_after_it_was_asked_for() -> None:
    way = [*TAKE, *travel(30, -165, -15), Control(actions=(Mix(),)), *[Control()] * (60 * 200)]
    out = Control(actions=(MoveStylet("left", False), DrawUp()))
    state, _ = run([*way, out, *[Control()] * 300, Control(actions=(Connect("left"),))])
    full = state.cannulas["left"].dead_volume_ml
    state = replace(state, injector=replace(state.injector, bore_ml={"left": full}))
    asked = None
    for _ in range(30):
        state = step(block_case(), state, Control(plunger=100))
        if asked is None and state.due is not None:
            asked = state.time
        if state.cement.delivered_ml > 0:
            break
    assert asked is not None and state.time - asked == UNITS_PER_SECOND // 20
