"""The cannula against a layered block: the law written out, events, and what it may never do."""

from __future__ import annotations

from itertools import pairwise
from math import exp, log, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_servo import PlainCannula
from tissue_blocks import TOOL, block, law, straight_down

from haptics.insertion import BREACHED, ENTERED_SKIN, LEFT_BODY, PUNCTURED
from haptics.memory import GRIP, SIZE, fresh, insertion_of
from haptics.resume import resumed
from haptics.servo import (
    ROW_AXIAL,
    ROW_AXIS,
    ROW_BROKEN,
    ROW_EVENTS,
    ROW_FORCE,
    ROW_LAYER,
    ROW_STAGE,
    run_ticks,
)
from haptics.tissue import BEVEL, DIAMOND, OPEN, Instrument, Layer

LAW = law()
CORTEX_MM = 1.5
DENSITY = 0.0281 + 0.000936 * 200.0  # of the block's 200 HU
BENT = LAW.wall_bending * CORTEX_MM**2 * (DENSITY / 0.38) ** 2  # the second wall, met from inside
CRUSH = 40.0 * DENSITY**2 * pi * 1.525**2
FRICTION = 0.035 * 40.0 * DENSITY**2 * 2.0 * pi * 1.525  # N per mm of shaft in this bone
STICTION, PERIOSTEUM, TAPER = 1.3, 4.0, 2.0
WALL = 6.0 * 2.0 * pi * 1.525 * CORTEX_MM * DENSITY / 0.38


def pushed_down(speed: float = 8.0, to: float = -80.0, field=None):
    """A hand that goes straight down at `speed` mm/s: its heights (n,) and the rows."""
    heights = np.arange(2.0, to, -speed / 1000.0)
    field = block(cortex=CORTEX_MM) if field is None else field
    return heights, run_ticks(field, LAW, TOOL, fresh(), straight_down(heights))[1]


def cutting(depth: float) -> float:
    """The law written out: what a tip `depth` mm under the skin meets while it moves, N."""
    bone = min(max(depth - 30.0, 0.0), 30.0)
    shaft = 0.05 * (depth - bone) + FRICTION * bone
    borders = (4.0, 10.0, 30.0, 31.5, 58.5, 60.0, 1e9)
    tips = (2.0, 0.8, 1.6, 0.35 * WALL, 0.0, 0.35 * BENT, 1.6)
    tip = next(tip for border, tip in zip(borders, tips, strict=True) if depth < border)
    return shaft + tip + point(depth)


def point(depth: float) -> float:
    """What the tapered point crushes, N: it comes, and goes again, as 1 - exp(-d / TAPER)."""
    inside, beyond = min(max(depth - 30.0, 0.0), 30.0), max(depth - 60.0, 0.0)
    return CRUSH * (1.0 - exp(-inside / TAPER)) * exp(-beyond / TAPER)


def near_a_border(depth: float) -> bool:
    return min(abs(depth - border) for border in (0, 4, 10, 30, 31.5, 58.5, 60)) < 0.005


def test_a_moving_tip_meets_the_written_law_in_every_layer() -> None:
    _, rows = pushed_down()
    moving = np.flatnonzero(np.diff(-rows[:, 2], prepend=0.0) > 1e-6)
    seen = set()
    for n in moving:
        depth = -rows[n, 2]
        if rows[n, ROW_STAGE] < 2 or near_a_border(depth):
            continue
        assert rows[n, ROW_AXIAL] == pytest.approx(cutting(depth), rel=0.02), depth
        seen.add(int(rows[n, ROW_LAYER]))
    assert seen == {Layer.SKIN, Layer.FAT, Layer.MUSCLE, Layer.CORTEX, Layer.CANCELLOUS}


@pytest.mark.parametrize(
    ("border", "before", "toe_rate", "holds"),
    [
        (0.0, 0.0, (0.6, 0.4), 6.0),
        (10.0, 0.8 + 0.5, (0.6, 0.6), 3.0 + STICTION * 0.5),
        (30.0, 1.6 + 1.5, None, CRUSH + WALL + PERIOSTEUM + STICTION * 1.5),
        (
            58.5,
            CRUSH + 1.5 + FRICTION * 28.5,
            None,
            CRUSH + BENT + 1.5 + FRICTION * 28.5,
        ),
    ],
)
def test_a_held_tip_stretches_what_holds_it_until_it_gives_way(
    border: float, before: float, toe_rate: tuple[float, float] | None, holds: float
) -> None:
    """Skin, fascia, cortex, second cortex: the force climbs along the layer's own curve from what
    it was on arrival to the puncture force."""
    heights, rows = pushed_down(speed=2.0)  # 0.2 N a tick in bone
    held = np.flatnonzero(np.abs(-rows[:, 2] - border) < 0.002)
    held = held[heights[held] <= 0.0][1:]  # the tip arrives in the midst of a tick
    went = heights[held[0]] - heights[held]
    if toe_rate is None:
        expected = rows[held[0], ROW_AXIAL] + 100.0 * went
    else:
        toe, rate = toe_rate
        start = log(1.0 + rows[held[0], ROW_AXIAL] / toe) / rate
        expected = np.array([toe * (exp(rate * (start + d)) - 1.0) for d in went])
    assert rows[held[0], ROW_AXIAL] == pytest.approx(before, abs=0.02 * holds)
    np.testing.assert_allclose(rows[held, ROW_AXIAL], expected, rtol=1e-3, atol=0.01)
    assert rows[held, ROW_AXIAL].max() == pytest.approx(holds, rel=0.02)


def test_a_wall_gives_way_within_two_ticks() -> None:
    _, rows = pushed_down()
    at = int(np.flatnonzero(rows[:, ROW_EVENTS] == PUNCTURED)[0])
    holds = CRUSH + WALL + PERIOSTEUM + STICTION * 1.5
    assert rows[at, ROW_BROKEN] == pytest.approx(holds, rel=1e-3)
    assert rows[at - 1, ROW_AXIAL] > 0.98 * rows[at, ROW_BROKEN]
    assert rows[at + 1, ROW_AXIAL] == pytest.approx(cutting(-rows[at + 1, 2]), rel=0.02)


def test_events_and_layers_come_in_order() -> None:
    _, rows = pushed_down()
    at = np.flatnonzero(rows[:, ROW_EVENTS])
    assert rows[at, ROW_EVENTS].tolist() == [ENTERED_SKIN, PUNCTURED, BREACHED]
    assert rows[at[2], ROW_LAYER] == Layer.MUSCLE
    layers = rows[np.flatnonzero(np.diff(rows[:, ROW_LAYER], prepend=-1.0)), ROW_LAYER]
    names = [Layer(int(layer)).name for layer in layers]
    bone = ["CORTEX", "CANCELLOUS", "CORTEX"]
    assert names == ["AIR", "SKIN", "FAT", "MUSCLE", *bone, "MUSCLE"]


def test_denser_bone_is_harder_along_the_whole_path() -> None:
    _, soft = pushed_down(field=block(hounsfield=50.0), to=-60.0)
    _, hard = pushed_down(field=block(hounsfield=300.0), to=-60.0)
    assert hard[:, ROW_AXIAL].max() > 2.0 * soft[:, ROW_AXIAL].max()


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.floats(0.0, 0.99), min_size=1, max_size=8),
    st.floats(20.0, 600.0),
    st.floats(0.5, 2.0),
)
def test_a_hand_below_the_puncture_force_never_enters_bone(
    shares: list[float], hounsfield: float, cortex: float
) -> None:
    """However often it pushes: the stretch of the wall is bone_stiffness times less than force."""
    field = block(hounsfield, cortex)
    down = straight_down(np.arange(2.0, -50.0, -0.008))
    memory, rows = run_ticks(field, LAW, TOOL, fresh(), down)
    arrived = int(np.flatnonzero(rows[:, ROW_LAYER] == Layer.CORTEX)[0])
    memory, rows = run_ticks(field, LAW, TOOL, fresh(), down[: arrived + 1])
    density = 0.0281 + 0.000936 * hounsfield
    tip = (
        40.0 * min(density, 0.43) ** 2 * pi * 1.525**2
        + 6.0 * 2 * pi * 1.525 * cortex * density / 0.38
    )
    room = (tip + PERIOSTEUM + 1.4 - rows[-1, ROW_AXIAL]) / 100.0
    start = down[arrived, 2]
    ends = np.array([start, *(start - share * room for share in shares), start])
    way = np.concatenate([np.linspace(a, b, 60) for a, b in pairwise(ends)])
    after, rows = run_ticks(field, LAW, TOOL, memory, straight_down(way))
    assert not np.any(rows[:, ROW_EVENTS].astype(int) & PUNCTURED)
    assert rows[:, 2].min() >= -30.0
    assert insertion_of(after).stage == 2


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-80.0, 3.0), min_size=2, max_size=6), st.floats(3.0, 60.0))
def test_the_tip_is_never_ahead_of_what_holds_it(heights: list[float], speed: float) -> None:
    """In tissue the tip moves only while the force is at what holds it, never against the force,
    and stays on its line."""
    ends = [2.0, *heights]
    parts = [np.linspace(a, b, max(2, int(abs(b - a) / speed * 1000))) for a, b in pairwise(ends)]
    rows = run_ticks(block(), LAW, TOOL, fresh(), straight_down(np.concatenate(parts)))[1]
    inside = (rows[1:, ROW_STAGE] >= 2) & (rows[:-1, ROW_STAGE] >= 2)
    went = -np.diff(rows[:, 2])
    force = rows[1:, ROW_AXIAL]
    assert np.all((went * force)[inside] >= -1e-9)
    assert np.all(np.isfinite(rows))
    assert np.abs(rows[:, :2]).max() < 1e-9


def test_what_is_cut_stays_cut_and_the_tip_does_not_spring_back() -> None:
    field = block()
    way = [np.linspace(2, -40, 5000), np.linspace(-40, -39.75, 500), np.linspace(-39.75, -42, 800)]
    memory, rows = run_ticks(field, LAW, TOOL, fresh(), straight_down(np.concatenate(way)))
    tip = rows[:, 2]
    assert tip[5499] == tip[5000]  # the hand went back 0.25 mm: the stretch went, the tip stayed
    assert rows[5499, ROW_AXIAL] == pytest.approx(rows[4999, ROW_AXIAL] - 25.0)
    assert np.count_nonzero(rows[:, ROW_EVENTS].astype(int) & PUNCTURED) == 1
    assert insertion_of(memory).depth == pytest.approx(-tip[-1], abs=1e-3)


def test_withdrawal_meets_friction_along_the_track_and_leaves_the_body() -> None:
    field = block()
    memory, _ = run_ticks(field, LAW, TOOL, fresh(), straight_down(np.linspace(2, -50, 6000)))
    back = straight_down(np.linspace(-50.0, 5.0, 8000))
    after, rows = run_ticks(field, LAW, TOOL, memory, back)
    moving = np.flatnonzero(np.diff(rows[:, 2], prepend=rows[0, 2]) > 1e-6)
    for n in moving[rows[moving, ROW_STAGE] >= 2]:
        depth = -rows[n, 2]
        bone = max(depth - 30.0, 0.0)
        friction = 0.6 * (0.05 * (depth - bone) + FRICTION * bone)
        assert rows[n, ROW_AXIAL] == pytest.approx(-friction, rel=0.02, abs=0.05)
    assert int(rows[:, ROW_EVENTS].sum()) == LEFT_BODY
    assert insertion_of(after).stage == 0
    assert rows[-1, 2] == back[-1, 2]


def test_an_old_track_has_friction_only_and_no_second_puncture() -> None:
    way = [np.linspace(2, -50, 6000), np.linspace(-50, -22, 4000), np.linspace(-22, -50, 4000)]
    _, rows = run_ticks(block(), LAW, TOOL, fresh(), straight_down(np.concatenate(way)))
    again = rows[10000:]
    assert not again[:, ROW_EVENTS].any()
    at = int(np.flatnonzero(again[:, 2] < -40.0)[0])
    assert again[at, ROW_AXIAL] == pytest.approx(0.05 * 30.0 + FRICTION * 10.0, rel=0.02)


@settings(deadline=None, max_examples=10)
@given(st.floats(10.0, 400.0), st.floats(0.5, 2.0))
def test_a_slow_push_does_work_on_the_tissue(hounsfield: float, cortex: float) -> None:
    """From start to any later moment the hand has given energy, and there and back it lost some."""
    heights = np.concatenate([np.linspace(2, -50, 4000), np.linspace(-50, 5, 4000)])
    field = block(hounsfield, cortex)
    rows = run_ticks(field, LAW, TOOL, fresh(), straight_down(heights))[1]
    work = np.cumsum(rows[1:, ROW_AXIAL] * -np.diff(heights))
    assert work.min() > -1e-6
    assert work[-1] > 10.0


def test_the_hub_stops_at_the_skin() -> None:
    short = Instrument(1.525, 28.0)
    _, rows = run_ticks(block(), LAW, short, fresh(), straight_down(np.linspace(2, -45, 6000)))
    assert rows[-1, 2] == pytest.approx(-28.0, abs=1e-3)


def test_in_bone_the_shaft_keeps_its_axis_and_pushes_back_sideways() -> None:
    field = block()
    memory, _ = run_ticks(field, LAW, TOOL, fresh(), straight_down(np.linspace(2, -40, 5000)))
    deeper, _ = run_ticks(field, LAW, TOOL, memory, straight_down(np.linspace(-40, -50, 2000)))
    hand = straight_down(np.array([-40.0]))
    hand[0, 0], hand[0, 3:6] = 2.0, [0.6, 0.0, -0.8]
    _, shallow = run_ticks(field, LAW, TOOL, memory, hand)
    hand[0, 2] = -50.0
    _, deep = run_ticks(field, LAW, TOOL, deeper, hand)
    assert shallow[0, ROW_AXIS : ROW_AXIS + 3].tolist() == [0.0, 0.0, -1.0]
    assert deep[0, ROW_FORCE] < shallow[0, ROW_FORCE] < -1.0


def test_in_soft_tissue_the_shaft_turns_about_its_skin_entry() -> None:
    field = block()
    memory, _ = run_ticks(field, LAW, TOOL, fresh(), straight_down(np.linspace(2, -20, 3000)))
    deep = insertion_of(memory)
    hands = straight_down(np.full(1000, -20.0))
    hands[:, 3:6] = [np.sin(0.1), 0.0, -np.cos(0.1)]
    after, rows = run_ticks(field, LAW, TOOL, memory, hands)
    turned = insertion_of(after)
    assert turned.entry == deep.entry
    lag = turned.depth * float(np.arccos(np.dot(turned.axis, hands[0, 3:6])))
    assert lag == pytest.approx(LAW.lateral_yield, abs=0.01)
    assert np.linalg.norm(np.diff(rows[:, :3], axis=0), axis=1).max() < 0.05


def test_on_the_skin_the_tip_slides_under_the_hand() -> None:
    hands = straight_down(np.full(200, -1.0))
    hands[:, 0] = np.linspace(0.0, 5.0, 200)
    _, rows = run_ticks(block(), LAW, TOOL, fresh(), hands)
    np.testing.assert_allclose(rows[:, 0], hands[:, 0], atol=1e-12)
    np.testing.assert_allclose(rows[:, 2], 0.0, atol=1e-3)
    np.testing.assert_allclose(rows[:, ROW_AXIAL], 0.6 * (exp(0.4) - 1.0), rtol=1e-3)


def test_a_hand_far_under_intact_skin_is_not_followed() -> None:
    memory, rows = run_ticks(block(), LAW, TOOL, fresh(), straight_down(np.array([-70.0])))
    assert insertion_of(memory).stage == 0
    assert rows[0, ROW_AXIAL] == 0.0


def wandering(seed: int, count: int) -> np.ndarray:
    """Hand poses (count, POSE) of a restless hand that pushes in, draws back, leans over, turns the
    shaft and taps it."""
    rng = np.random.default_rng(seed)
    turn = np.repeat(rng.uniform(0.0, 1.0, count // 100), 100)
    heights = 2.0 + np.cumsum(np.where(turn < 0.8, -0.03, 0.04))
    lean = np.repeat(rng.normal(0.0, 0.05, (count // 100, 2)), 100, axis=0)
    direction = np.column_stack([lean, -np.ones(count)])
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    twist = np.repeat(rng.choice([0.0, 0.0, 6.0, -3.0], count // 100), 100)
    taps = np.where(rng.random(count) < 0.003, 60.0, 0.0)
    at = rng.normal(0.0, 0.3, (count, 2))
    return np.column_stack([at, heights, direction, twist, taps])


@pytest.mark.parametrize(("seed", "tip"), [(1, DIAMOND), (2, OPEN), (3, BEVEL)])
def test_the_plain_twin_gives_equal_forces(seed: int, tip: float) -> None:
    rng = np.random.default_rng(seed)
    field, tool = block(), Instrument(1.205, 125.0, tip, 0.9)
    field.over[:, :, 45:48], field.over[10:, :, 38:40] = Layer.CEMENT, Layer.CARTILAGE
    field.over[:, :, 64:67] = Layer.CARTILAGE
    field.hounsfield[:] = rng.integers(-50, 400, field.hounsfield.shape)
    field.cortex[:] = rng.uniform(0.5, 2.0, field.cortex.shape)
    hands = wandering(seed, 3000)
    _, rows = run_ticks(field, LAW, tool, fresh(), hands)
    twin = PlainCannula(field, LAW, tool)
    for hand, row in zip(hands, rows, strict=True):
        force, axial = twin.tick(hand)
        assert axial == pytest.approx(row[ROW_AXIAL], abs=1e-9)
        np.testing.assert_allclose(row[ROW_FORCE : ROW_FORCE + 3], force, atol=1e-9)
        np.testing.assert_allclose(row[:3], twin.tip, atol=1e-9)
    assert rows[:, ROW_LAYER].max() >= Layer.CORTEX, "this hand never reached bone"


def test_equal_input_gives_equal_output_however_it_is_cut_into_batches() -> None:
    field, hands = block(), wandering(5, 1700)
    memory, rows = run_ticks(field, LAW, TOOL, fresh(), hands)
    part, parts = fresh(), []
    for start in range(0, 1700, 17):
        before = part.copy()
        after, some = run_ticks(field, LAW, TOOL, part, hands[start : start + 17])
        assert part.tobytes() == before.tobytes()
        part = np.frombuffer(after.tobytes())  # as a checkpoint keeps it
        parts.append(some)
    assert part.tobytes() == memory.tobytes()
    assert np.concatenate(parts).tobytes() == rows.tobytes()


def test_a_memory_read_from_where_a_cannula_lies_is_the_one_that_brought_it_there() -> None:
    field = block()
    memory, _ = run_ticks(field, LAW, TOOL, fresh(), straight_down(np.linspace(2, -50, 6000)))
    known = insertion_of(memory)
    again = resumed(field, LAW, 1.525, known.tip, known.axis, 0.0, in_bone=True)
    found = insertion_of(again)
    assert (found.stage, found.layer) == (known.stage, known.layer)
    assert again[GRIP] == pytest.approx(memory[GRIP], rel=0.02)
    lengths = (found.depth, found.soft_mm, found.bone_mm)
    assert lengths == pytest.approx((known.depth, known.soft_mm, known.bone_mm), abs=0.1)


def test_letting_go_and_taking_up_again_does_not_open_a_wall() -> None:
    field = block()
    down = straight_down(np.arange(2.0, -34.0, -0.008))
    rows = run_ticks(field, LAW, TOOL, fresh(), down)[1]
    arrived = int(np.flatnonzero(rows[:, ROW_LAYER] == Layer.CORTEX)[0])
    memory, _ = run_ticks(field, LAW, TOOL, fresh(), down[: arrived + 20])
    known = insertion_of(memory)
    again = resumed(field, LAW, 1.525, known.tip, known.axis, 0.0, in_bone=False)
    gentle = straight_down(np.linspace(known.tip[2], -33.5, 500))
    _, rows = run_ticks(field, LAW, TOOL, again, gentle)
    assert rows[-1, ROW_AXIAL] > 10.0
    assert rows[:, 2].min() >= -30.0


def test_poses_that_are_no_numbers_or_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        run_ticks(block(), LAW, TOOL, fresh(), straight_down(np.array([np.nan])))
    with pytest.raises(ValueError, match=r"need \(50,\) and \(n, 8\)"):
        run_ticks(block(), LAW, TOOL, np.zeros(SIZE + 1), straight_down(np.array([1.0])))
