"""The detector that reads a trace and nothing else: what it notices, what it overlooks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tissue_blocks import TOOL, block, law

from haptics.device import DEVICES, TOUCH, DeviceLimits
from haptics.feel import EARLIER, MEAN_MS, SKIN_N, SUDDEN, claimed_entry, cues, felt, hollow
from haptics.insertion import PUNCTURED
from haptics.memory import fresh
from haptics.safety import limits_of
from haptics.servo import ROW_AXIAL, ROW_EVENTS
from haptics.virtual import Push, at_rest, scripted_ticks


def test_cues_are_changes_larger_than_can_be_overlooked() -> None:
    """A step of 50 % is noticed once, one of 10 % and a slow climb are not."""
    step = np.where(np.arange(4000) < 2000, 1.0, 1.5)
    rises, drops = cues(step)
    assert rises.min() >= 2000 and rises.max() < 2500 and not len(drops)
    small = np.where(np.arange(4000) < 2000, 1.0, 1.1)
    for quiet in (np.ones(4000), small, np.linspace(1.0, 2.0, 40000)):
        assert not any(len(found) for found in cues(quiet))


@pytest.mark.parametrize("device", DEVICES)
def test_a_hand_feels_the_devices_force_for_as_long_as_it_leans(device: DeviceLimits) -> None:
    """15 N are half of what the motors bear for ever, after a second and after ten."""
    force = felt(np.full(10_000, 15.0), 1, device)
    half = 0.5 * limits_of(device).lasting
    assert force[500:1500].mean() == pytest.approx(half, rel=0.01)
    assert force[-1500:-500].mean() == pytest.approx(half, rel=0.01)


def test_a_held_wall_feels_as_if_it_held() -> None:
    """A climb to 400 N and 2 s of it: no drop is noticed before the wall gives way."""
    climb = np.concatenate([np.full(500, 4.0), np.linspace(4.0, 400.0, 2000), np.full(2000, 400.0)])
    drops = cues(felt(np.concatenate([climb, np.full(1000, 10.0)]), 1))[1]
    assert drops.min() >= len(climb) - 20


def claim(*levels: float) -> int | None:
    """The entry claimed in a trace of these forces, N on the device, 1 s each."""
    return claimed_entry(np.repeat(levels, 1000))


def test_an_entry_is_claimed_where_more_than_skin_gives_way() -> None:
    bone = 1.1 * EARLIER * SKIN_N
    at = claim(0.1, SKIN_N, 0.1, bone, 0.1)
    assert at is not None and abs(at - 4000) <= SUDDEN
    assert claim(0.1, SKIN_N, 0.1, SKIN_N, 0.1) is None
    assert claim(0.1, bone, bone, bone) is None  # it holds
    assert claim(0.1) is None


@pytest.mark.parametrize(("bone", "void"), [(0.5, True), (0.99, True), (1.05, False)])
def test_a_void_is_where_bone_resists_no_more_than_soft_tissue_did(bone: float, void: bool) -> None:
    """Skin, soft tissue at 0.2 N for 2 s, a climb through the cortex, solid bone for 2 s, then
    `bone` times the soft tissue's force for 2 s."""
    soft, solid = 0.2, 0.5
    climb = np.linspace(soft, 1.0, 1000)
    force = np.concatenate([
        np.full(2000, soft), climb, np.full(2000, solid), np.full(2000, bone * soft)
    ])  # fmt: skip
    entry = claimed_entry(force)
    assert entry is not None and abs(entry - 3000) <= SUDDEN
    hollows = hollow(force, entry)
    assert bool(len(hollows)) == void
    if void:
        assert 5000 < hollows.min() <= 5000 + MEAN_MS and hollows.max() == len(force) - 1


@settings(deadline=None, max_examples=10)
@given(st.floats(200.0, 700.0), st.floats(0.6, 2.0), st.integers(0, 1000))
def test_a_pushed_cannulas_entry_is_found_from_its_trace(
    units: float, wall: float, seed: int
) -> None:
    """From 200 HU, below what a voxel that holds cortex has."""
    field, push = block(units, wall), Push(45.0, 8.0, 3.0)
    hand = replace(at_rest((0.0, 0.0, 2.0), (0.0, 0.0, -1.0)), arrived=False)
    memory, parts = fresh(), []
    while not hand.arrived and len(parts) < 40:
        memory, hand, rows = scripted_ticks(field, law(), TOOL, memory, hand, push, 500)
        parts.append(rows)
    rows = np.concatenate(parts)
    true = int(np.flatnonzero(rows[:, ROW_EVENTS].astype(int) & PUNCTURED)[0])
    found = claimed_entry(felt(rows[:, ROW_AXIAL], seed, TOUCH))
    assert found is not None and abs(found - true) <= 250
