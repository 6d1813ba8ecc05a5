"""Traces written by hand, whose right score is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game.scoring import due, metrics
from game.scoring.rubric import Rubric
from game.scoring.scorecard import Scorecard, score
from game.scoring.trace import LARGEST
from game.simulation.events import (
    Advanced,
    Aliquot,
    BoneEntered,
    Briefed,
    CannulaRemoved,
    Event,
    Exposed,
    LeakStarted,
    Marked,
    Mixed,
    Outcome,
    Placed,
    Refused,
    SkinEntered,
    StyletMoved,
)
from graded_traces import RUBRIC, aliquot, graded, kinds
from written_traces import Trace, altered, delayed, expert, spoiled, without


def lost(card: Scorecard) -> set[tuple[str, str | None]]:
    return {(item.id, item.side) for item in card.items if item.share < 1.0}


def test_the_expert_has_full_marks() -> None:
    card = graded(expert())
    assert lost(card) == set()
    assert card.total == pytest.approx(100.0)
    assert card.passed
    assert card.critical == ()
    assert [side.side for side in card.sides] == ["left", "right"]
    assert card.counts.exposures == 90


Spoil = Callable[[Trace], Trace]
LEFT, RIGHT = 0, 1
FAULTS: dict[str, tuple[Spoil, str, str | None, float]] = {
    "oblique 7.5 deg off": (
        lambda t: without(
            altered(t, Exposed, 2, turn_deg=7.5),
            lambda e: isinstance(e, Exposed) and e.view == "oblique-left" and "left" in e.tips,
        ),
        "view-oblique", "left", 0.5,
    ),
    "disc 8 deg off on AP": (lambda t: altered(t, Exposed, 0, disc_deg=-8.0), "view-ap", None, 0.4),
    "no lateral before entry": (lambda t: spoiled(t, Exposed, lambda _: None, 1), "view-lateral",
                                None, 0.0),
    "lateral while moving": (lambda t: altered(t, Exposed, 1, moving=True), "view-lateral",
                             None, 0.0),
    "mark 6 mm off": (lambda t: altered(t, Marked, LEFT, error_mm=6.0), "marked-entry", "left",
                      0.8),
    "skin 15 mm off": (lambda t: altered(t, SkinEntered, RIGHT, error_mm=15.0), "skin-entry",
                       "right", 0.5),
    "bone 8 mm off": (lambda t: altered(t, BoneEntered, LEFT, error_mm=8.0), "bony-entry", "left",
                      0.4),
    "tip 8 mm off": (lambda t: altered(t, Placed, LEFT, tip_error_mm=8.0), "tip-to-target", "left",
                     0.5),
    "10 deg off": (lambda t: altered(t, Placed, LEFT, angle_deg=10.0), "angle", "left", 0.5),
    "1.5 mm to the joint": (
        lambda t: altered(t, Placed, LEFT, clearance_mm={"SI_JOINT_LEFT": 1.5, "canal": 9.0,
                                                         "si_joint_right": 0.1}),
        "clearance-cortex", "left", 0.5,
    ),
    "1 mm to a foramen": (
        lambda t: altered(t, Placed, RIGHT, clearance_mm={"foramen_s2_right": 1.0,
                                                          "cephalad": 5.0}),
        "clearance-nerve", "right", 0.5,
    ),
    "86 % in bone": (lambda t: altered(t, Placed, LEFT, in_bone=0.86), "in-bone", "left", 0.4),
    "8 mm in one go": (lambda t: altered(t, Advanced, 1, to_mm=13.0), "advance-steps", "left",
                       14 / 15),
    "hands in at one picture": (
        lambda t: altered(t, Exposed, 5, hands_out=False), "advance-pictures", "left", 14 / 15),
    "right not placed at mixing": (lambda t: altered(t, Mixed, placed=("left",)),
                                   "placed-before-mixing", None, 0.5),
    "a big aliquot": (lambda t: altered(t, Aliquot, 0, ml=0.49), "aliquot-size", None, 0.75),
    "6 mL on the left": (
        lambda t: altered(t, Outcome, injected_ml={"left": 6.0, "right": 0.9}), "volume", "left",
        0.5),
    "8.5 mL in all": (
        lambda t: altered(t, Outcome, injected_ml={"left": 4.5, "right": 4.0}), "volume-total",
        None, 0.5),
    "30 % reached": (lambda t: altered(t, Outcome, coverage={"left": 0.3, "right": 0.7}),
                     "coverage", "left", 0.5),
    "15 mm column": (lambda t: altered(t, Outcome, column_mm={"left": 31.0, "right": 15.0}),
                     "column", "right", 0.5),
    "0.8 mL before the sacrum": (lambda t: altered(t, Outcome, leaked_ml={"presacral": 0.8}),
                                 "leaked", None, 0.5),
    "7.5 mm from the cortex": (lambda t: altered(t, Aliquot, 7, from_entry_mm=7.5), "stop-short",
                               "left", 0.5),
    "30 s of stiff cement": (
        lambda t: altered(t, Aliquot, 2, viscosity=5000.0, started=aliquot(t, 2).time - 90_000),
        "working-window", None, 0.5),
    "stylet left out": (lambda t: altered(t, CannulaRemoved, LEFT, stylet_in=False), "stylet-back",
                        "left", 0.0),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_lowers_its_item_by_what_was_reckoned_by_hand(
    fault: tuple[Spoil, str, str | None, float],
) -> None:
    spoil, name, side, share = fault
    card = graded(spoil(expert()))
    item = card.item(name, side)  # type: ignore[arg-type]
    assert item.share == pytest.approx(share, abs=1e-9)
    assert card.total < 100.0
    assert item.reason.endswith(".")


def test_one_hand_in_the_beam_costs_its_share() -> None:
    trace = altered(expert(), Exposed, 0, hands_out=False)
    count = len(metrics.all_of(trace, Exposed))
    assert metrics.hands_out(trace) == pytest.approx(1 - 1 / count)


def test_two_advances_with_no_picture_between_count_once() -> None:
    trace = spoiled(expert(), Exposed, lambda _: None, 6)
    assert due.advances_seen(trace, "left").count(False) == 1
    assert due.advances_seen(trace, "right").count(False) == 0


def test_a_second_bony_puncture_is_extra_and_the_last_one_is_graded() -> None:
    trace = expert()
    entry = metrics.all_of(trace, BoneEntered)[0]
    at = trace.index(entry)
    trace = (*trace[:at], replace(entry, error_mm=9.0), *trace[at:])
    assert metrics.extra_punctures(trace, "left") == 1
    assert metrics.bony_error(trace, "left") == 2.0


def test_confirmation_needs_both_views_after_the_last_advance() -> None:
    trace = expert()
    assert due.confirmed(trace, "left", RUBRIC.limits) == 1.0
    rest = next(e.time for e in trace if isinstance(e, Advanced) and e.to_mm == 60.0)
    mixed = next(e.time for e in trace if isinstance(e, Mixed))
    no_ap = without(
        trace, lambda e: isinstance(e, Exposed) and e.view == "ap" and rest < e.time < mixed
    )
    assert due.confirmed(no_ap, "left", RUBRIC.limits) == 0.5
    assert graded(no_ap).item("tip-confirmed", "left").share == 0.5


# Views after aliquots -----------------------------------------------------------------------------


def pictures_after(trace: Trace, nth: int) -> list[Exposed]:
    after, following = aliquot(trace, nth), aliquot(trace, nth + 1)
    return [e for e in metrics.all_of(trace, Exposed) if after.time <= e.time <= following.started]


def test_a_missed_view_loses_points_and_is_critical_only_with_a_foramen_at_risk() -> None:
    trace = expert()
    gone = pictures_after(trace, 10)[1]  # right side: nothing at risk there
    card = graded(without(trace, lambda e: e is gone))
    assert card.item("aliquot-views").share == pytest.approx(31 / 32)
    assert kinds(card) == []
    gone = pictures_after(trace, 3)[1]  # left side, at risk
    card = graded(without(trace, lambda e: e is gone))
    assert kinds(card) == ["blind-aliquot"]
    assert not card.passed


def test_a_view_five_degrees_off_is_a_view_and_six_is_not() -> None:
    trace = expert()
    look = pictures_after(trace, 3)[0]
    nth = metrics.all_of(trace, Exposed).index(look)
    assert graded(altered(trace, Exposed, nth, disc_deg=5.0)).item("aliquot-views").share == 1.0
    assert kinds(graded(altered(trace, Exposed, nth, disc_deg=6.0))) == ["blind-aliquot"]


def test_lateral_first_with_a_foramen_at_risk_loses_points_only() -> None:
    trace = expert()
    frontal, lateral = pictures_after(trace, 0)
    swapped = tuple(
        replace(e, view={"ap": "lateral", "lateral": "ap"}[e.view])
        if isinstance(e, Exposed) and e in (frontal, lateral)
        else e
        for e in trace
    )
    card = graded(swapped)
    assert card.item("frontal-first").share == pytest.approx(7 / 8)
    assert card.critical == ()
    nobody = altered(trace, Briefed, foramen_at_risk={"left": False, "right": False})
    with pytest.raises(KeyError):
        graded(nobody).item("frontal-first")
    assert graded(nobody).total == pytest.approx(100.0)


def test_one_long_run_is_several_aliquots_without_their_views() -> None:
    trace = altered(expert(), Aliquot, 0, ml=2.0)
    card = graded(trace)
    assert card.item("aliquot-views").share == pytest.approx(32 / (32 + 6))
    assert kinds(card) == ["blind-aliquot"]


def test_a_stylet_pushed_home_is_an_aliquot_like_any_other() -> None:
    trace = expert()
    home = next(e for e in trace if isinstance(e, StyletMoved) and e.inside)
    at = trace.index(home)
    push = Aliquot(home.time, "left", home.time - 3000, 0.49, 500.0, 900.0, 0.1, 0.0, 8.0)
    card = graded((*trace[:at], push, *trace[at:]))
    assert len(metrics.aliquots(trace, "left")) == 8
    assert card.sides[0].aliquots == 9
    assert card.item("aliquot-size").share == pytest.approx(0.75)
    assert card.item("stop-short", "left").share == pytest.approx(0.6)


# What must never be rewarded ----------------------------------------------------------------------


def test_more_images_cost_nothing() -> None:
    trace = expert()
    doubled = tuple(
        e for event in trace for e in ([event] * 2 if isinstance(event, Exposed) else [event])
    )
    assert graded(doubled).total == pytest.approx(100.0)
    more = altered(trace, Outcome, exposures=900, fluoroscopy_s=900.0, kerma_mgy=500.0)
    assert graded(more).total == pytest.approx(100.0)


def test_a_slower_hand_costs_nothing() -> None:
    trace = expert()
    for since in (metrics.all_of(trace, Mixed)[0].time, trace[10].time):
        assert graded(delayed(trace, since, 3600.0)).total == pytest.approx(100.0)


@given(st.floats(0.01, 12.0), st.floats(0.01, 12.0))
@settings(max_examples=25, deadline=None)
def test_more_cement_earns_nothing(a: float, b: float) -> None:
    low, high = sorted((a, b))
    less, more = (
        graded(altered(expert(), Outcome, injected_ml={"left": ml, "right": 1.0})).total
        for ml in (low, high)
    )
    assert more <= less + 1e-9


# Cases left early, other rubrics, files -----------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 2, 5, 20, 40, 60, 80, 100])
def test_a_case_left_early_scores_without_a_crash(length: int) -> None:
    card = graded(expert()[:length])
    assert not card.complete
    assert not card.passed
    assert 0.0 <= card.total < 100.0
    undone = [item for item in card.items if item.value is None]
    assert all(i.points == 0 and i.reason.startswith("Not done: ") for i in undone)
    json.loads(card.to_json())


@given(st.lists(st.sampled_from(expert()), max_size=60), st.floats(-LARGEST, LARGEST))
@settings(max_examples=60, deadline=None)
def test_events_in_any_order_with_any_number_score(events: list[Event], number: float) -> None:
    run = Aliquot(5, "left", 9, number, number, number, number, number, number)
    leak = LeakStarted(7, "canal")
    card = graded((*events, run, leak, replace(run, started=1)))
    assert 0.0 <= card.total <= 100.0
    json.loads(card.to_json())


def test_doing_nothing_at_all_earns_nothing_and_no_error() -> None:
    card = graded(expert()[:1] + expert()[-1:])
    assert card.critical == ()
    assert card.item("volume", "left").value == 2.4  # told by the outcome
    card = graded((expert()[0], replace(expert()[-1], injected_ml={}, leaked_ml={}, coverage={},
                                        column_mm={})))  # fmt: skip
    assert card.total == 0.0


def test_another_rubric_gives_another_result_from_the_same_trace() -> None:
    trace = altered(expert(), BoneEntered, 0, error_mm=4.0)
    assert graded(trace).item("bony-entry", "left").share == 1.0
    strict = _with_full(RUBRIC, "bony-entry", 2.0)
    card = score(trace, strict)
    assert card.item("bony-entry", "left").share == pytest.approx(0.75)
    assert card.rubric_digest != RUBRIC.digest
    assert not score(trace, strict.model_copy(update={"pass_mark": 100.0})).passed
    assert card.total < graded(trace).total


def _with_full(rubric: Rubric, name: str, full: float) -> Rubric:
    content = rubric.model_dump()
    content["items"][name]["full"] = full
    return Rubric.model_validate(content)


def test_equal_traces_give_equal_text() -> None:
    one, other = graded(expert()).to_json(), graded(expert()).to_json()
    assert one == other
    told = json.loads(one)
    assert told["total"] == 100.0
    assert len(told["items"]) == len(graded(expert()).items)


def test_refusals_are_told_and_not_graded() -> None:
    trace = expert()
    card = graded((*trace[:-1], Refused(trace[-1].time, "mix", "mixed already"), trace[-1]))
    assert card.counts.refused == ("mix: mixed already",)
    assert card.total == pytest.approx(100.0)
