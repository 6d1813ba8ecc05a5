"""The expert on the embedded patient and on real anatomy: what the demo promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from math import inf
from pathlib import Path

import numpy as np
import pytest

from game.geometry.views import view_error
from game.patient.build import build
from game.patient.patient import SIDES, Side
from game.patient.procedural import procedural
from game.patient.store import open_patient
from game.patient.traits import FracturePattern, Traits
from game.records.session import Session, save_session
from game.scoring.rubric import Rubric, load_rubric
from game.scoring.scorecard import score
from game.simulation.case import Case
from game.simulation.cement import product
from game.simulation.clock import seconds
from game.simulation.events import Aliquot, BoneEntered, Event, Exposed, Outcome, Placed, Refused
from game.simulation.step import begin, step
from game.training.expert import perform
from game.training.levels import LevelError, make_case, read_level
from game.training.plan import planned_line, stops, stored_position
from game.training.rehearsal import rehearse

SCANS = ("pelvic-ct", "pelvic-labels/case-001", "pelvic-labels/case-004")


def until_entered(case: Case, offset: float) -> list[BoneEntered]:
    """Run the expert until both cannulas have entered bone."""
    procedure = perform(case, offset)
    control, state, entries = next(procedure), begin(case), []
    while len(entries) < len(case.level.sides):
        state = step(case, state, control)
        entries += [event for event in state.events if isinstance(event, BoneEntered)]
        control = procedure.send(state)
    return entries


def first_aliquot(case: Case, product: str, injected_from_s: float = inf) -> Aliquot:
    """Run the expert until it has given its first; fails where that takes a quarter of an hour, or
    where it asks for something that is refused."""
    procedure = perform(case, product=product, injected_from_s=injected_from_s)
    control, state = next(procedure), begin(case)
    while seconds(state.time) < 900.0:
        state = step(case, state, control)
        for event in state.events:
            assert not isinstance(event, Refused), event
            if isinstance(event, Aliquot):
                return event
        control = procedure.send(state)
    raise AssertionError(f"no {product} cement was given in {seconds(state.time):.0f} s")


def test_thick_cement_is_given_once_it_is_mixed(embedded_case: Case) -> None:
    """It is toothpaste before that, and a syringe cannot be filled of what is not mixed."""
    thick = product("high-viscosity")
    given = first_aliquot(embedded_case, thick.name)
    assert thick.mixing_s < given.age_s < thick.window_s[1]
    assert given.viscosity > thick.toothpaste_pa_s


def test_cement_is_given_too_thin_where_that_is_asked(embedded_case: Case) -> None:
    thin = product("low-viscosity")
    given = first_aliquot(embedded_case, thin.name, injected_from_s=210.0)
    assert given.age_s == pytest.approx(210.0, abs=10.0)
    assert given.viscosity < 0.3 * thin.toothpaste_pa_s


@pytest.mark.parametrize("offset", [0.0, 3.0, 8.0])
def test_a_displaced_entry_is_scored_at_its_displacement(
    embedded_case: Case, offset: float
) -> None:
    entries = until_entered(embedded_case, offset)
    assert [entry.side for entry in entries] == list(SIDES)
    assert [entry.error_mm for entry in entries] == pytest.approx([offset, offset], abs=0.5)


@pytest.mark.sweep
@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("offset", [0.0, 3.0, 8.0])
def test_a_displaced_entry_on_real_anatomy(shared_data: Path, scan: str, offset: float) -> None:
    case = make_case(open_patient(shared_data / scan), read_level("both-sides"))
    entries = until_entered(case, offset)
    assert [entry.error_mm for entry in entries] == pytest.approx([offset, offset], abs=0.5)


@pytest.mark.parametrize("side", SIDES)
def test_stops_keep_the_steps_allowed(embedded_case: Case, side: Side) -> None:
    line = planned_line(embedded_case, side)
    depths = np.array([0.0, *stops(line)])
    steps, left = np.diff(depths), line.bone_length - depths[1:]
    assert depths[-1] == pytest.approx(line.bone_length)
    assert steps.max() <= 5.0
    assert steps[left < 8.0 - 1e-6].max() <= 2.0


def test_stored_positions_are_true_views(embedded_case: Case) -> None:
    for view in ("ap", "lateral", "oblique-left", "oblique-right"):
        pose = stored_position(embedded_case, view)  # type: ignore[arg-type]
        error = view_error(view, pose.primary, pose.secondary, embedded_case.patient.anatomy)  # type: ignore[arg-type]
        assert error.worst_deg < 0.01


@pytest.fixture(scope="module")
def performed(embedded_case: Case) -> Session:
    return rehearse(embedded_case, perform(embedded_case))[0]


def of(trace: tuple[Event, ...], kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in trace if isinstance(event, kind)]


def safe(trace: tuple[Event, ...]) -> None:
    """Both shafts inside bone, no breach, every millilitre found, cement on both sheets."""
    assert {event.kind for event in trace}.isdisjoint({"breached", "refused", "leg-pain"})
    placed = {event.side: event for event in of(trace, Placed)}
    assert set(placed) == set(SIDES)
    for event in placed.values():
        assert event.in_bone >= 0.95
        assert event.tip_error_mm < 1.0
        assert min(event.clearance_mm.values()) > 0
    (outcome,) = of(trace, Outcome)
    assert outcome.balance <= 1e-10
    assert all(outcome.coverage[side] > 0 for side in SIDES)


def sound(trace: tuple[Event, ...]) -> None:
    """Safe, and each side filled."""
    safe(trace)
    (outcome,) = of(trace, Outcome)
    assert all(outcome.coverage[side] > 0.05 for side in SIDES)
    assert all(outcome.injected_ml[side] > 1.0 for side in SIDES)


def test_the_expert_is_sound_on_the_embedded_patient(performed: Session) -> None:
    sound(performed.trace)


def test_the_expert_looks_after_every_aliquot(performed: Session) -> None:
    aliquots = of(performed.trace, Aliquot)
    pictures = of(performed.trace, Exposed)
    assert len(aliquots) >= 10
    for one, following in pairwise(aliquots):
        between = {p.view for p in pictures if one.time <= p.time <= following.started}
        if one.side == following.side:
            assert {"ap", "lateral"} <= between


def test_the_expert_passes(performed: Session) -> None:
    card = score(performed.trace, load_rubric())
    assert card.critical == ()
    assert card.passed and card.total >= 85


def test_a_changed_rubric_scores_the_same_trace_again(performed: Session) -> None:
    rubric = load_rubric()
    strict = Rubric.model_validate({**rubric.model_dump(), "pass_mark": 100.0})
    assert score(performed.trace, rubric).passed
    assert not score(performed.trace, strict).passed


@pytest.mark.parametrize("threads", [1, 2])
def test_replay_in_another_process_is_equal(
    performed: Session, tmp_path: Path, threads: int
) -> None:
    path = tmp_path / "session.npz"
    save_session(performed, path)
    shown = subprocess.run(
        [sys.executable, "-c", "from game.cli import main; main()", "replay", str(path), "--json"],
        env={**os.environ, "NUMBA_NUM_THREADS": str(threads)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "equal" in shown.stderr and "DIFFER" not in shown.stderr
    assert json.loads(shown.stdout) == json.loads(score(performed.trace, load_rubric()).to_json())


@pytest.mark.parametrize("scan", SCANS)
def test_the_expert_is_sound_on_real_anatomy(shared_data: Path, scan: str) -> None:
    case = make_case(open_patient(shared_data / scan), read_level("both-sides"))
    sound(rehearse(case, perform(case))[0].trace)


@pytest.mark.sweep
@pytest.mark.parametrize("pattern", ["anterolateral-rim", "foramen", "si-joint", "h"])
def test_every_pattern_is_performed_or_refused_in_one_line(pattern: FracturePattern) -> None:
    """A rim fracture may lie beyond what cement reaches from the long-axis path."""
    traits = Traits(fracture=pattern)
    patient = build(procedural(traits, spacing=1.5), traits)
    try:
        case = make_case(patient, read_level("both-sides"))
    except LevelError as refusal:
        assert pattern == "anterolateral-rim" and "needs another technique" in str(refusal)
        assert "\n" not in str(refusal)
        return
    trace = rehearse(case, perform(case))[0].trace
    safe(trace)
    card = score(trace, load_rubric())
    assert card.critical == () and card.passed
