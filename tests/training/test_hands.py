"""Hands on the block patient: where the cannula goes, what is reported, what can be kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blocks import block_patient
from game.geometry.grid import Point
from game.patient.patient import Structure
from game.patient.traits import Traits
from game.simulation.clock import TICK
from game.simulation.control import ServoReport
from game.simulation.state import ServoView
from game.training.hands import Asked, Hand, MouseHand, take_up
from game.training.tissue import Tissue, tissue_field, tissue_law, tissue_of
from haptics.law import TissueLaw
from haptics.memory import TICKS
from haptics.tissue import BEVEL, DIAMOND, OPEN, Layer

TRAY = ServoView(
    tip=(0.0, 0.0, 0.0),
    direction=(0.0, 0.0, 1.0),
    radius=1.525,
    length=125.0,
    stylet=True,
    bone_entry=None,
    track=(),
    plunger_mpa=0.0,
)
ENTRY = np.array([30.0, 15.0, -60.0])  # on the posterior face of the sacrum, y = 15
OBLIQUE = np.array([-0.1, -0.8, 0.5]) / np.linalg.norm([-0.1, -0.8, 0.5])
ABOVE_SKIN = float((60.5 - 15.0) / -OBLIQUE[1]) + 5.0  # mm from entry back to 5 mm over the skin


@pytest.fixture(scope="module")
def tissue() -> Tissue:
    return Tissue(tissue_field(block_patient()), tissue_law())


def point(vector: np.ndarray) -> Point:
    return float(vector[0]), float(vector[1]), float(vector[2])


def placed(tissue: Tissue) -> Hand:
    start = ENTRY - ABOVE_SKIN * OBLIQUE
    return Hand(take_up(tissue, TRAY)).place(point(start), point(OBLIQUE))


def run(hand: Hand, time: int = 0, most_s: float = 60.0) -> tuple[Hand, list[ServoReport], int]:
    """A push carried out: the hand, a report per tick, the time it ended at."""
    reports = []
    while not (hand.done or hand.stuck) and len(reports) < most_s * 60:
        time += TICK
        hand, report = hand.tick(time)
        reports.append(report)
    return hand, reports, time


def test_the_law_is_read_from_the_assets() -> None:
    assert isinstance(tissue_law(), TissueLaw)


def test_the_field_is_the_patients_own_with_the_nearest_bone(tissue: Tissue) -> None:
    patient, field = block_patient(), tissue.field
    assert field.codes is patient.structures
    assert field.hounsfield is patient.hounsfield
    nearest = np.minimum(patient.hip_distance["left"], patient.hip_distance["right"])
    np.testing.assert_array_equal(field.distance, np.minimum(nearest, patient.sacrum_distance))
    assert set(np.flatnonzero(field.layers != Layer.VOID)) >= {int(code) for code in Structure} - {
        12
    }


def test_a_planned_bony_entry_is_hit_and_the_way_is_straight(tissue: Tissue) -> None:
    hand, reports, _ = run(placed(tissue).advance_to(ABOVE_SKIN + 20.0))
    assert hand.done
    tips = np.array([report.tip for report in reports])
    along = (tips - ENTRY) @ OBLIQUE
    aside = np.linalg.norm(tips - ENTRY - along[:, None] * OBLIQUE, axis=1)
    assert aside.max() < 1e-6
    first = next(n for n, r in enumerate(reports) if any(e.kind == "puncture" for e in r.events))
    np.testing.assert_allclose(tips[first - 1], ENTRY, atol=0.2)
    assert hand.depth == pytest.approx(ABOVE_SKIN + 20.0, abs=0.1)
    assert [e.kind for r in reports for e in r.events] == ["skin", "puncture"]


def test_a_push_through_the_far_wall_is_a_breach(tissue: Tissue) -> None:
    hand = placed(tissue).advance_to(ABOVE_SKIN + 60.0, 20.0, 20.0)
    _, reports, _ = run(hand)
    events = [event for report in reports for event in report.events]
    assert [event.kind for event in events] == ["skin", "puncture", "breach"]
    assert [event.layer for event in events[1:]] == ["cortex", "muscle"]
    assert all(event.force > 1.0 for event in events)


def test_reports_and_events_keep_the_clock(tissue: Tissue) -> None:
    """Servo ticks fall on multiples of 3/3000 s within the tick that reports them."""
    hand, time = placed(tissue).advance_to(ABOVE_SKIN + 5.0), 0
    counts = []
    while not hand.done:
        before = hand.grip.memory[TICKS]
        time += TICK
        hand, report = hand.tick(time)
        counts.append(int(hand.grip.memory[TICKS] - before))
        for event in report.events:
            assert event.time % 3 == 0
            assert time - TICK < event.time <= time
        assert abs(report.mean_force) <= abs(report.peak_force) + 1e-9
        assert np.linalg.norm(report.direction) == pytest.approx(1.0)
    assert counts[:3] == [16, 17, 17]
    assert sum(counts[:60]) == 1000


def test_a_kept_hand_goes_on_bit_for_bit(tissue: Tissue) -> None:
    start = placed(tissue).advance_to(ABOVE_SKIN + 10.0)
    _, whole, _ = run(start)
    hand, kept = start, None
    for n in range(200):
        kept = hand if n == 100 else kept
        hand, _ = hand.tick((n + 1) * TICK)
    assert kept is not None
    _, rest, _ = run(kept, time=100 * TICK)
    assert rest == whole[100:]


def test_withdrawal_ends_outside_where_the_line_may_change(tissue: Tissue) -> None:
    hand, _, time = run(placed(tissue).advance_to(ABOVE_SKIN + 20.0))
    with pytest.raises(ValueError, match="mm in tissue"):
        hand.place((0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    hand, reports, _ = run(hand.withdraw_to(0.0, 20.0, 20.0), time)
    assert hand.done
    assert [e.kind for r in reports for e in r.events] == ["exit"]
    assert min(report.peak_force for report in reports) < -5.0
    hand.place((0.0, 70.0, -60.0), (0.0, -1.0, 0.0))


def test_the_hub_stops_a_hand_that_pushes_on(tissue: Tissue) -> None:
    short = replace(TRAY, length=20.0)
    start = ENTRY - ABOVE_SKIN * OBLIQUE
    hand = Hand(take_up(tissue, short)).place(point(start), point(OBLIQUE)).advance_to(ABOVE_SKIN)
    hand, reports, _ = run(hand)
    assert hand.stuck
    assert hand.grip.insertion.depth == pytest.approx(20.0)
    assert reports[-1].peak_force > 500.0


def test_a_cannula_in_the_patient_can_be_taken_up_from_what_state_publishes(
    tissue: Tissue,
) -> None:
    hand, reports, time = run(placed(tissue).advance_to(ABOVE_SKIN + 20.0))
    view = replace(
        TRAY,
        tip=reports[-1].tip,
        direction=reports[-1].direction,
        bone_entry=point(ENTRY),
        in_tissue=True,
    )
    taken = take_up(tissue, view)
    assert taken.insertion.stage == hand.grip.insertion.stage == 3
    assert taken.insertion.bone_mm == pytest.approx(hand.grip.insertion.bone_mm, abs=0.1)
    on, more, _ = run(Hand(taken).advance_to(3.0), time)
    assert on.done
    along = (np.array(more[-1].tip) - ENTRY) @ OBLIQUE
    assert along == pytest.approx(23.0, abs=0.2)
    assert all(not report.events for report in more)


def turned(hand: MouseHand, ticks: int, clicks: float = 0.0) -> tuple[MouseHand, ServoReport]:
    for n in range(ticks):
        hand, report = hand.tick((n + 1) * TICK, Asked(clicks))
    return hand, report


def test_the_mouse_drags_aims_and_pushes(tissue: Tissue) -> None:
    hand = MouseHand(take_up(tissue, TRAY)).dragged((10.0, 61.0, -40.0)).aimed((0.0, -1.0, 0.0))
    hand, report = turned(hand, 1)
    assert report.tip == (10.0, 61.0, -40.0)
    hand, report = turned(hand.dragged((20.0, 61.0, -40.0)), 1)
    assert report.tip == (20.0, 61.0, -40.0)
    hand, report = turned(hand, 180, 0.12)
    assert hand.grip.in_tissue
    assert report.direction == pytest.approx((0.0, -1.0, 0.0))
    assert hand.dragged((0.0, 61.0, 0.0)).grip is hand.grip
    aim = (np.sin(0.2), -np.cos(0.2), 0.0)
    hand, report = turned(hand.aimed(aim), 60)
    assert np.arccos(np.dot(report.direction, aim)) < 0.05
    hand, report = turned(hand, 1200, 0.12)
    assert hand.grip.insertion.stage == 3
    locked = report.direction
    hand, report = turned(hand.aimed((0.0, -1.0, 0.0)), 30)
    assert report.direction == pytest.approx(locked, abs=1e-12)
    assert 0.0 <= hand.grip.resistance <= 1.0


def test_people_have_their_own_tissue_and_the_template_the_tables() -> None:
    patient = block_patient()
    drawn = [tissue_of(replace(patient, traits=Traits(seed=seed))).law for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert tissue_of(replace(patient, traits=Traits(template=True))).law == tissue_law()
    thicker = replace(patient, traits=None, cortex=patient.cortex + np.float32(0.1))
    assert tissue_of(replace(patient, traits=None)).law != tissue_of(thicker).law


def test_cartilage_lies_where_sacrum_and_hip_are_as_near_as_in_the_joint() -> None:
    """The boxes' sides face the hips across a gap; nothing else is near both."""
    patient, over = block_patient(), tissue_field(block_patient()).over
    x = patient.bone.axes()[0][:, None, None] * np.ones(over.shape)
    hips = np.minimum(patient.hip_distance["left"], patient.hip_distance["right"])
    between = (patient.sacrum_distance > 0) & (hips > 0)
    near = between & (patient.sacrum_distance + hips < 4.0)
    assert np.array_equal(over == Layer.CARTILAGE, near)
    assert not over[~near].any()
    assert np.abs(x[near]).min() > 49.0


def test_a_stylet_that_is_out_leaves_an_open_rim(tissue: Tissue) -> None:
    hand = placed(tissue)
    out = hand.told(replace(TRAY, stylet=False, bore=2.39))
    assert (out.grip.tool.tip, out.grip.tool.bore) == (OPEN, 1.195)
    again = out.told(replace(TRAY, bore=2.39))
    assert again.grip.tool.tip == DIAMOND
    assert take_up(tissue, TRAY, BEVEL).tool.tip == BEVEL


def test_set_cement_about_a_shaft_holds_it_until_it_is_turned(tissue: Tissue) -> None:
    """20 mm in bone, the last 8 of them in cement: drawn by force, more easily while turning."""
    hand, reports, time = run(placed(tissue).advance_to(ABOVE_SKIN + 20.0))
    grid, tip = block_patient().bone, np.array(reports[-1].tip)
    inside = np.array([tip - far * OBLIQUE for far in np.arange(0.0, 8.0, 0.2)])
    index = np.unique(np.rint(grid.index_from_point(inside)).astype(int), axis=0)
    voxels = np.ravel_multi_index(tuple(index.T), grid.shape)
    view = replace(TRAY, set_cement=voxels, in_tissue=True)
    held = hand.told(view)
    assert held.told(view) is held
    most = {}
    for name, start, turning in (("free", hand, 0.0), ("held", held, 0.0), ("turned", held, 6.0)):
        _, drawn, _ = run(start.withdraw_to(ABOVE_SKIN + 5.0, turning=turning), time)
        most[name] = -min(report.peak_force for report in drawn)
    bond = 0.5 * 2.0 * np.pi * 1.525 * 8.0 * 0.6
    assert most["held"] > most["free"] + 0.7 * bond
    assert most["turned"] < 0.5 * most["held"]


def test_a_mouses_hand_turns_and_taps(tissue: Tissue) -> None:
    hand = MouseHand(take_up(tissue, TRAY)).dragged((20.0, 61.0, -40.0)).aimed((0.0, -1.0, 0.0))
    hand, report = turned(hand, 180, 0.12)
    before = report.tip[1]
    hand, report = hand.tick(181 * TICK, Asked(taps=1, turning=True))
    assert 1.0 < before - report.tip[1] < 10.5
    hand, report = turned(hand, 30)
    assert abs(before - report.tip[1]) > 1.0
