"""Errors that fail a case whatever its points, on traces written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from game.scoring import due, metrics
from game.simulation.events import (
    Advanced,
    Aliquot,
    Breached,
    Exposed,
    LeakStarted,
    Outcome,
    Placed,
)
from graded_traces import RUBRIC, aliquot, graded, kinds
from written_traces import Trace, altered, delayed, expert, without


def with_breach(wall: str, *after: object) -> Trace:
    trace = expert()
    at = next(k for k, e in enumerate(trace) if isinstance(e, Advanced) and e.to_mm == 40.0)
    breach = Breached(trace[at].time, "left", wall, (0.0, -20.0, -30.0))
    return (*trace[:at], breach, *after, *trace[at:])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wall", ["canal", "presacral", "cephalad", "si_joint_left", "FORAMEN_S1_LEFT"]
)
def test_a_breach_that_was_not_taken_back_gates(wall: str) -> None:
    placed = altered(with_breach(wall), Placed, 0, clearance_mm={wall.lower(): -2.0})
    card = graded(placed)
    assert kinds(card) == ["breach"]
    assert card.total > RUBRIC.pass_mark
    assert not card.passed
    assert card.item("breaches", "left").share == 0.5


def test_a_breach_of_another_wall_costs_points_only() -> None:
    card = graded(altered(with_breach("dorsal"), Placed, 0, clearance_mm={"dorsal": -2.0}))
    assert kinds(card) == []
    assert card.item("breaches", "left").share == 0.5


def test_a_breach_that_was_seen_and_taken_back_does_not_fail() -> None:
    trace = expert()
    seen = next(e for e in trace if isinstance(e, Exposed) and e.bone_mm.get("left") == 40.0)
    back = replace(seen, bone_mm={"left": 35.0})
    trace = altered(with_breach("presacral", seen, back), Placed, 0, clearance_mm={})
    assert kinds(graded(trace)) == []


def test_a_breach_taken_back_by_feel_alone_is_unrecognised() -> None:
    trace = altered(with_breach("presacral"), Placed, 0, clearance_mm={})
    blind = without(trace, lambda e: isinstance(e, Exposed) and e.time > trace[-1].time // 10)
    assert "breach" in kinds(graded(blind))


def leaking(nth: int = 4, ml: float = 0.15) -> Trace:
    return altered(expert(), Aliquot, nth, leaked_ml=ml)


def test_going_on_after_a_visible_leak_gates() -> None:
    card = graded(leaking())
    assert kinds(card) == ["after-leak"]
    assert card.item("after-leak").value == pytest.approx(0.9)  # three more aliquots of 0.3 mL
    assert "0.90 mL" in card.critical[0].reason


def test_a_leak_at_the_last_aliquot_or_too_small_to_see_is_bad_luck() -> None:
    assert kinds(graded(leaking(nth=7))) == []
    assert kinds(graded(leaking(ml=0.05))) == []


def test_a_leak_that_was_waited_out_looked_at_and_moved_away_from_is_handled() -> None:
    trace = leaking(nth=6)
    runs = metrics.all_of(trace, Aliquot)
    waited = delayed(trace, runs[7].started, 31.0)
    assert kinds(graded(waited)) == []
    assert kinds(graded(altered(waited, Aliquot, 7, from_entry_mm=runs[6].from_entry_mm))) == [
        "after-leak"
    ]
    assert kinds(graded(trace)) == ["after-leak"]


def test_a_second_leak_after_handling_has_no_excuse() -> None:
    limits = RUBRIC.limits.model_copy(update={"leak_wait_s": 0.0})
    once = altered(expert(), Aliquot, 4, leaked_ml=0.15)
    assert due.after_leak_ml(once, limits) == {"left": 0.0, "right": 0.0}
    twice = altered(once, Aliquot, 5, leaked_ml=0.15)
    assert due.after_leak_ml(twice, limits)["left"] == pytest.approx(0.6)


def test_one_long_blind_run_through_a_leak_counts_what_came_after_the_due_view() -> None:
    trace = altered(expert(), Aliquot, 15, ml=2.5, leaked_ml=0.6)
    run = aliquot(trace, 15)
    half = (run.started + run.time) // 2
    trace = (*trace[:-1], LeakStarted(half, "presacral"), trace[-1])
    assert due.after_leak_ml(trace, RUBRIC.limits)["right"] == pytest.approx(2.5 / 2 - 0.5)


def test_cement_by_the_nerves_gates() -> None:
    nerves = {"canal": 0.11, "foramen_s2_right": 0.1, "presacral": 3.0}
    card = graded(altered(expert(), Outcome, leaked_ml=nerves))
    assert kinds(card) == ["nerve-leak"]
    assert card.item("nerve-leak").value == pytest.approx(0.21)
    assert [leak.region for leak in card.leaks] == sorted(nerves)
    harmless = graded(altered(expert(), Outcome, leaked_ml={"presacral": 3.0}))
    assert kinds(harmless) == []
