"""What the feel carries, and what it must not promise: 200 drawn people; and 40 blocks of bone."""

from __future__ import annotations

import numpy as np
import pytest
from feel import PATIENTS, THICKNESSES, Felt, cues, felt, found, person, studied
from tissue_blocks import TOOL, block, law, straight_down

from haptics.insertion import PUNCTURED
from haptics.memory import fresh
from haptics.servo import ROW_AXIAL, ROW_BROKEN, ROW_EVENTS, run_ticks


@pytest.fixture(scope="module")
def people() -> list[Felt]:
    return [studied(seed) for seed in range(PATIENTS)]


def share(values: list[bool | None]) -> float:
    known = [value for value in values if value is not None]
    assert len(known) > 40
    return float(np.mean(known))


@pytest.mark.sweep
def test_the_entry_cortex_is_felt(people: list[Felt]) -> None:
    assert share([one.entry for one in people]) >= 0.95


@pytest.mark.sweep
def test_a_voids_entry_is_felt(people: list[Felt]) -> None:
    """Most: the void's edge is drawn over 1 mm, beside which trabecular bone may be as poor."""
    assert share([one.void for one in people if one.who.void is not None]) >= 0.75


@pytest.mark.sweep
def test_a_breach_is_found_less_often_the_thinner_the_bone(people: list[Felt]) -> None:
    by_thickness = [found(people, *between) for between in THICKNESSES]
    assert by_thickness == sorted(by_thickness)
    assert by_thickness[0] < 0.5 * by_thickness[-1]


@pytest.mark.sweep
def test_a_breach_over_a_void_is_found_in_at_most_half(people: list[Felt]) -> None:
    thin = [one.breach for one in people if one.who.void is not None]
    assert share(thin) <= 0.5


@pytest.mark.sweep
def test_nobody_is_taught_to_feel_what_is_not_there(people: list[Felt]) -> None:
    assert share([one.sham for one in people]) <= 0.1


@pytest.mark.sweep
def test_puncture_forces_lie_between_the_published_ones(people: list[Felt]) -> None:
    """Porcine vertebra 6.7 N at the least, a clinician's push 400-600 N: facts/haptics.md."""
    forces = np.array([one.puncture for one in people])
    assert forces.min() > 6.7
    assert np.mean(forces <= 600.0) >= 0.98
    assert np.median(forces) < 400.0


def test_a_person_is_drawn_the_same_again_and_like_no_other() -> None:
    assert person(3) == person(3) != person(4)


def test_cues_are_changes_larger_than_can_be_overlooked() -> None:
    """A step of 50 % is noticed once, one of 10 % and a slow climb are not."""
    still = np.ones(4000)
    step = np.where(np.arange(4000) < 2000, 1.0, 1.5)
    rises, drops = cues(step)
    assert rises.min() >= 2000 and rises.max() < 2500 and not len(drops)
    for quiet in (still, np.where(np.arange(4000) < 2000, 1.0, 1.1), np.linspace(1.0, 2.0, 40000)):
        assert not any(len(found) for found in cues(quiet))


def test_a_hand_feels_the_devices_force() -> None:
    assert felt(np.full(2000, 40.0), 1)[100:-100].mean() == pytest.approx(3.3 / 2, rel=0.02)


DENSITIES = (-50.0, 0.0, 60.0, 100.0, 200.0, 300.0, 500.0, 700.0)  # Hounsfield units
WALLS = (0.5, 0.8, 1.2, 1.6, 2.0)  # mm


def test_forty_blocks_keep_the_published_orders_and_ranges() -> None:
    """Through the cannula, not the formula: puncture before cancellous bone, denser before softer,
    thicker before thinner; from a porcine vertebra's 6.7 N to a clinician's 600 N."""
    puncture, cutting = np.empty((8, 5)), np.empty((8, 5))
    for i, units in enumerate(DENSITIES):
        for j, wall in enumerate(WALLS):
            field, down = block(units, wall), straight_down(np.arange(2.0, -45.0, -0.02))
            rows = run_ticks(field, law(), TOOL, fresh(), down)[1]
            puncture[i, j] = rows[rows[:, ROW_EVENTS] == PUNCTURED, ROW_BROKEN][0]
            marrow = (rows[:, 2] < -34.0) & (rows[:, 2] > -36.0)
            cutting[i, j] = np.median(rows[marrow, ROW_AXIAL])
    assert np.all(puncture > cutting)
    assert np.all(np.diff(puncture, axis=0) > 0)
    assert np.all(np.diff(puncture, axis=1) > 0)
    assert np.all(np.diff(cutting, axis=0)[:-1] > 0)  # both last are beyond trabecular bone
    assert 6.7 <= puncture.min() <= 11.5
    assert 200.0 <= puncture.max() <= 600.0
