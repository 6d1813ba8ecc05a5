"""What instrument, hand and tissue do to the force, each against its own closed form: stylet and
tip, gauge, sticking, turning, taps, cement, cartilage, voids, old tracks, and people."""

from __future__ import annotations

import tomllib
from math import hypot, log, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tissue_blocks import TABLE, TOOL, block, law, straight_down

from haptics.insertion import BREACHED, PUNCTURED
from haptics.law import drawn_law, law_from_table
from haptics.memory import BONE_MM, DEPTH, GRIP, LAYER, SOFT_MM, TAPPED, fresh, insertion_of
from haptics.resume import gripped_anew
from haptics.servo import (
    ROW_AXIAL,
    ROW_BROKEN,
    ROW_EVENTS,
    ROW_FORCE,
    ROW_LAYER,
    TAP,
    TURN,
    run_ticks,
)
from haptics.tissue import BEVEL, OPEN, Instrument, Layer, TissueField

LAW = law()
DENSITY = 0.0281 + 0.000936 * 200.0  # of the block's 200 HU
STRESS = 40.0 * DENSITY**2
RADIUS, BORE, TAPER = 1.525, 1.195, 2.0
FRICTION = 0.035 * STRESS * 2.0 * pi * RADIUS  # N per mm in bone


def at(depth: float, field: TissueField, tool: Instrument = TOOL) -> tuple[np.ndarray, float]:
    """A cannula pushed straight down until its tip is that deep: its memory, the hand's height."""
    memory, height = fresh(), 2.0
    while memory[DEPTH] < depth:
        height -= 0.008
        memory, _ = run_ticks(field, LAW, tool, memory, straight_down(np.full(1, height)))
    return memory, height


def pushed(start: tuple[np.ndarray, float], field: TissueField, mm: float, speed: float, turn=0.0):
    """Memory and rows of a hand that goes `mm` further at `speed` mm/s, turning the shaft."""
    way = np.arange(0.0, abs(mm), speed / 1000.0) * np.sign(mm)
    hands = straight_down(start[1] - way)
    hands[:, TURN] = turn
    return run_ticks(field, LAW, TOOL, start[0], hands)


def moving(rows: np.ndarray) -> np.ndarray:
    """The rows in which the tip moved."""
    return rows[1:][np.diff(rows[:, 2]) < -1e-4]


@pytest.mark.parametrize(
    ("tool", "area", "edge"),
    [
        (TOOL, pi * RADIUS**2, 2 * pi * RADIUS),
        (Instrument(1.205, 125.0), pi * 1.205**2, 2 * pi * 1.205),
        (TOOL._replace(tip=BEVEL), 0.9 * pi * RADIUS**2, 0.9 * 2 * pi * RADIUS),
        (Instrument(RADIUS, 125.0, OPEN, BORE), 1.7 * pi * (RADIUS**2 - BORE**2),
         2 * pi * (RADIUS + BORE)),
    ],
)  # fmt: skip
def test_gauge_tip_and_stylet_in_bone(tool: Instrument, area: float, edge: float) -> None:
    """Cutting in cancellous bone goes with the area and comes with the point, a wall with the edge,
    friction with the circumference."""
    field = block(cortex=1.5)
    rows = run_ticks(field, LAW, tool, fresh(), straight_down(np.arange(2.0, -50.0, -0.008)))[1]
    scale = 2 * tool.radius / 3.05
    wall = 6.0 * edge * 1.5 * DENSITY / 0.38
    holds = STRESS * area + wall + scale * (4.0 + 1.3 * 0.05 * 30.0)
    broken = rows[rows[:, ROW_EVENTS] == PUNCTURED, ROW_BROKEN]
    assert broken == pytest.approx([holds], rel=0.01)
    deep = moving(rows)
    deep = deep[(deep[:, 2] < -33.0) & (deep[:, 2] > -49.0)]
    grip = 0.035 * STRESS * 2 * pi * tool.radius * (-deep[:, 2] - 30.0)
    inside = -deep[:, 2] - 30.0
    share = 1.0 if tool.tip == OPEN else 1.0 - np.exp(-inside / TAPER)
    expected = STRESS * area * share + scale * 0.05 * 30.0 + grip
    np.testing.assert_allclose(deep[:, ROW_AXIAL], expected, rtol=0.02)


@pytest.mark.parametrize(("tip", "factor"), [(BEVEL, 1.15), (OPEN, 1.4)])
def test_tips_in_soft_tissue(tip: float, factor: float) -> None:
    tool = Instrument(RADIUS, 125.0, tip, BORE)
    field = block(bone=False)
    rows = run_ticks(field, LAW, tool, fresh(), straight_down(np.arange(2.0, -25.0, -0.008)))[1]
    deep = moving(rows)
    deep = deep[deep[:, 2] < -12.0]
    np.testing.assert_allclose(deep[:, ROW_AXIAL], 1.6 * factor - 0.05 * deep[:, 2], rtol=0.02)


def test_a_slowly_pushed_shaft_sticks_and_slips() -> None:
    """Karnopp: below 1 mm/s the force climbs by the static share of friction, then falls by it;
    each slip is that share over the bone's stiffness; the period is the dwell until the shaft
    sticks and the slip over the speed."""
    field, speed = block(cortex=1.5), 0.2
    rows = pushed(at(45.0, field), field, 2.5, speed)[1][6000:]
    friction = 0.05 * 30.0 - FRICTION * (rows[:, 2] + 30.0)
    high = STRESS * pi * RADIUS**2 + 1.3 * friction
    low = STRESS * pi * RADIUS**2 + friction
    assert rows[:, ROW_AXIAL].max() == pytest.approx(high.max(), rel=0.01)
    assert rows[:, ROW_AXIAL].min() == pytest.approx(low.min(), rel=0.01)
    slips = np.flatnonzero(np.diff(rows[:, ROW_AXIAL]) < -1.0)
    period = 50.0 + 0.3 * friction.mean() / 100.0 / (speed / 1000.0)  # ms: dwell, then climbing
    assert np.diff(slips).mean() == pytest.approx(period, rel=0.05)


def test_a_briskly_pushed_shaft_slides() -> None:
    field = block(cortex=1.5)
    rows = moving(pushed(at(45.0, field), field, 2.5, 8.0)[1])[60:]
    assert np.abs(np.diff(rows[:, ROW_AXIAL])).max() < 0.05


@pytest.mark.parametrize("turn", [1.0, 6.0, -6.0])
def test_turning_leaves_a_share_of_friction(turn: float) -> None:
    """v / sqrt(v2 + (omega r)2), in and out, and no sticking."""
    field = block(cortex=1.5)
    start = at(45.0, field)
    share = 3.0 / hypot(3.0, turn * RADIUS)
    inward = moving(pushed(start, field, 2.5, 8.0, turn)[1])[60:]
    friction = 0.05 * 30.0 - FRICTION * (inward[:, 2] + 30.0)
    expected = STRESS * pi * RADIUS**2 + share * friction
    np.testing.assert_allclose(inward[:, ROW_AXIAL], expected, rtol=0.02)
    rows = pushed(start, field, -4.0, 8.0, turn)[1]
    out = rows[1:][np.diff(rows[:, 2]) > 1e-4][60:]
    friction = 0.05 * 30.0 - FRICTION * (out[:, 2] + 30.0)
    np.testing.assert_allclose(out[:, ROW_AXIAL], -0.6 * share * friction, rtol=0.02)


def tapped(memory: np.ndarray, height: float, field: TissueField, energy: float):
    hands = straight_down(np.full(1, height))
    hands[0, TAP] = energy
    return run_ticks(field, LAW, TOOL, memory, hands)


@pytest.mark.parametrize("energy", [5.0, 60.0, 120.0])
def test_a_tap_drives_the_tip_by_its_energy(energy: float) -> None:
    """In cancellous bone: energy = (crush + friction) s + f s2 / 2, friction growing with s."""
    field = block(cortex=1.5)
    memory, height = at(40.0, field)
    after, rows = tapped(memory, height, field, energy)
    holds = STRESS * pi * RADIUS**2 + 0.05 * 30.0 + memory[GRIP]
    went = (-holds + np.sqrt(holds**2 + 2 * FRICTION * energy)) / FRICTION
    assert after[TAPPED] == pytest.approx(went, rel=0.01)
    assert after[DEPTH] - memory[DEPTH] == pytest.approx(went, rel=0.01)
    assert not rows[0, ROW_EVENTS]


def test_a_wall_stands_a_weak_tap_and_a_strong_one_opens_it() -> None:
    field = block(cortex=1.5)
    memory, height = at(29.999, field)
    while memory[LAYER] != Layer.CORTEX:
        height -= 0.008
        memory, _ = run_ticks(field, LAW, TOOL, memory, straight_down(np.full(1, height)))
    memory, rows = run_ticks(field, LAW, TOOL, memory, straight_down(np.full(1, height)))
    edge = 2 * pi * RADIUS
    holds = STRESS * pi * RADIUS**2 + 6.0 * edge * 1.5 * DENSITY / 0.38 + 4.0 + 0.05 * 30.0
    stored = (holds**2 - rows[0, ROW_AXIAL] ** 2) / 2 / 100.0
    weak, rows = tapped(memory, height, field, 0.95 * stored)
    assert weak[TAPPED] == 0.0 and not rows[0, ROW_EVENTS]
    strong, rows = tapped(memory, height, field, 1.05 * stored)
    assert strong[TAPPED] > 0.0 and rows[0, ROW_EVENTS] == PUNCTURED


def test_taps_go_on_through_the_far_wall_and_no_further_than_the_hub() -> None:
    field = block(cortex=1.0)
    memory, height = at(50.0, field)
    events = 0
    for _ in range(40):
        memory, rows = tapped(memory, height, field, 400.0)
        height -= memory[TAPPED]
        events |= int(rows[0, ROW_EVENTS])
    assert events & BREACHED
    assert memory[DEPTH] <= TOOL.length


@settings(deadline=None, max_examples=30)
@given(st.floats(0.1, 300.0), st.floats(0.1, 300.0))
def test_a_stronger_tap_never_goes_less_far(one: float, other: float) -> None:
    field = block(cortex=1.5)
    weak, strong = (tapped(*DEEP, field, energy)[0][TAPPED] for energy in sorted((one, other)))
    assert weak <= strong


DEEP = at(40.0, block(cortex=1.5))


def test_an_alar_void_holds_neither_tip_nor_shaft() -> None:
    """Negative Hounsfield units between the walls: what is left is the soft tissue's friction and
    a tenth of the force of the bone before it."""
    field = block(cortex=1.0)
    field.hounsfield[:, :, 35:55] = -60  # z from -55.5 to -36
    rows = moving(run_ticks(field, LAW, TOOL, fresh(), straight_down(np.arange(2, -54, -0.008)))[1])
    bone = rows[(rows[:, 2] < -32.0) & (rows[:, 2] > -35.0), ROW_AXIAL]
    void = rows[(rows[:, 2] < -46.0) & (rows[:, 2] > -53.0)]  # five tapers in
    tip = 40.0 * max(0.02, 0.0281 - 0.000936 * 60.0) ** 2 * pi * RADIUS**2
    assert tip < 0.1 * STRESS * pi * RADIUS**2
    grows = np.ptp(void[:, ROW_AXIAL]) / 7.0
    assert grows < 0.1 * FRICTION
    assert void[:, ROW_AXIAL].max() < 0.6 * bone.min()


def test_set_cement_stops_a_hand_and_holds_a_shaft() -> None:
    field = block(cortex=1.5)
    memory, height = at(45.0, field)
    set_about = field._replace(over=field.over.copy())
    set_about.over[:, :, 46:53] = Layer.CEMENT  # z -44.5 to -38, about the shaft
    held = gripped_anew(set_about, LAW, RADIUS, memory)
    bond = 0.5 * 2 * pi * RADIUS
    expected = memory[GRIP] + 7.0 * (bond - FRICTION)
    assert held[GRIP] == pytest.approx(expected, rel=0.03)
    ahead = field._replace(over=field.over.copy())
    ahead.over[:, :, :44] = Layer.CEMENT  # below z = -47
    rows = pushed((memory, height), ahead, 5.0, 8.0)[1]
    assert rows[-1, ROW_LAYER] == Layer.CEMENT
    assert rows[:, 2].min() > -47.01
    assert 80.0 * pi * RADIUS**2 > 500.0  # a whole clinician's push, facts/haptics.md
    assert rows[-1, ROW_AXIAL] > 100.0


def test_cartilage_is_firmer_than_flesh_and_softer_than_bone() -> None:
    field = block(bone=False)
    field.over[:, :, 57:61] = Layer.CARTILAGE  # z -34 to -30
    rows = run_ticks(field, LAW, TOOL, fresh(), straight_down(np.arange(2.0, -45.0, -0.008)))[1]
    here = rows[:, ROW_LAYER] == Layer.CARTILAGE
    assert rows[here, ROW_AXIAL].max() == pytest.approx(15.0 + 1.3 * 0.05 * 30.0, rel=0.01)
    sliding = moving(rows[here])[20:]
    np.testing.assert_allclose(sliding[:, ROW_AXIAL], 8.0 - 0.05 * sliding[:, 2], rtol=0.02)
    flesh = rows[:, ROW_LAYER] == Layer.MUSCLE
    assert rows[here, ROW_AXIAL].max() > 3 * rows[flesh, ROW_AXIAL][-50:].max()


def test_lateral_stiffness_grows_with_the_embedded_length() -> None:
    """k = 0.05 + 0.01 L_soft + 0.5 L_bone, N/mm."""
    field, stiffness = block(cortex=1.5), []
    for depth in (33.0, 40.0, 50.0):
        memory, height = at(depth, field)
        hands = straight_down(np.full(1, height))
        hands[0, 0] = 1.0
        rows = run_ticks(field, LAW, TOOL, memory, hands)[1]
        stiffness.append(-rows[0, ROW_FORCE])
        expected = 0.05 + 0.01 * memory[SOFT_MM] + 0.5 * memory[BONE_MM]
        assert stiffness[-1] == pytest.approx(expected, rel=0.01)
    assert stiffness == sorted(stiffness)


def leaned(angle: float, count: int, height: float) -> np.ndarray:
    hands = straight_down(np.full(count, height))
    hands[:, 3], hands[:, 5] = np.sin(angle), -np.cos(angle)
    return hands


def test_a_redirected_shaft_leaves_a_track_and_finds_it_again() -> None:
    """Drawn back, leaned over by 0.2 rad, it must open the wall anew; leaned back, it does not."""
    field = block(cortex=1.5)
    memory, height = at(45.0, field)
    memory, _ = run_ticks(field, LAW, TOOL, memory, straight_down(np.arange(height, -25.0, 0.01)))
    depth = memory[DEPTH]
    assert 20.0 < depth < 27.0
    aside, _ = run_ticks(field, LAW, TOOL, memory, leaned(0.2, 1500, -depth))
    along = -np.arange(depth, 45.0, 0.008)
    hands = leaned(0.2, len(along), 0.0)
    hands[:, 0], hands[:, 2] = -along * np.sin(0.2), along * np.cos(0.2)
    _, rows = run_ticks(field, LAW, TOOL, aside, hands)
    assert np.count_nonzero(rows[:, ROW_EVENTS] == PUNCTURED) == 1
    back, _ = run_ticks(field, LAW, TOOL, aside, leaned(0.0, 1500, -depth))
    after, rows = run_ticks(field, LAW, TOOL, back, straight_down(-np.arange(depth, 44.0, 0.008)))
    assert not rows[:, ROW_EVENTS].any()
    assert insertion_of(after).stage == 3
    assert rows[:, ROW_AXIAL].max() < 1.35 * (0.05 * 31.0 + FRICTION * 14.0)
    _, rows = run_ticks(field, LAW, TOOL, after, straight_down(-np.arange(44.0, 50.0, 0.008)))
    assert rows[:, ROW_AXIAL].max() > STRESS * pi * RADIUS**2  # beyond the hole there is bone


@pytest.fixture(scope="module")
def table() -> dict:
    return tomllib.loads(TABLE.read_text())


def test_people_differ_by_what_was_published(table: dict) -> None:
    """Over 2000 people, the logarithm of a bone parameter has the table's spread; none leaves its
    range; what has no spread is everyone's."""
    laws = [drawn_law(table, seed) for seed in range(2000)]
    middle = law_from_table(table)
    for name in ("cancellous_strength", "wall_strength", "skin_puncture"):
        values = np.log([getattr(own, name) for own in laws])
        assert values.std() == pytest.approx(table[name]["spread"], rel=0.1)
        assert values.mean() == pytest.approx(log(getattr(middle, name)), abs=0.05)
    for name, row in table.items():
        values = np.array([getattr(own, name) for own in laws])
        assert np.all((values >= row["low"]) & (values <= row["high"])), name
        assert (np.ptp(values) == 0.0) == ("spread" not in row), name


def test_the_same_person_draws_the_same(table: dict) -> None:
    assert drawn_law(table, 7) == drawn_law(table, 7) != drawn_law(table, 8)


def test_a_spread_that_is_none_is_refused(table: dict) -> None:
    table["skin_toe"]["spread"] = -0.5
    with pytest.raises(ValueError, match="allowed: 0 to 1"):
        law_from_table(table)
