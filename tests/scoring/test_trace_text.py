"""The scoring trace survives its JSON exactly, and hostile text gets one line."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game.scoring.trace import LARGEST, trace_from_json, trace_to_json
from game.simulation.events import Advanced, Breached, Event, Marked, Outcome, Placed
from written_traces import expert

NUMBERS = st.floats(-LARGEST, LARGEST)
SIDES = st.sampled_from(["left", "right"])
POINTS = st.tuples(NUMBERS, NUMBERS, NUMBERS)
TIMES = st.integers(0, int(LARGEST))
BY_SIDE = st.dictionaries(SIDES, NUMBERS)
EVENTS = st.one_of(
    st.builds(Advanced, TIMES, SIDES, NUMBERS, NUMBERS, NUMBERS),
    st.builds(Breached, TIMES, SIDES, st.text(), POINTS),
    st.builds(
        Placed, TIMES, SIDES, POINTS, NUMBERS, NUMBERS, st.dictionaries(st.text(), NUMBERS), NUMBERS
    ),
    st.builds(
        Outcome, TIMES, BY_SIDE, NUMBERS, NUMBERS, st.dictionaries(st.text(), NUMBERS), BY_SIDE,
        BY_SIDE, TIMES, NUMBERS, NUMBERS, NUMBERS,
    ),
)  # fmt: skip
GOOD = {"kind": "marked", "time": 1, "side": "left", "view": "ap", "error_mm": 1.5}


@given(st.lists(EVENTS, max_size=5))
@settings(max_examples=80, deadline=None)
def test_round_trip_is_exact(events: list[Event]) -> None:
    trace = tuple(events)
    text = trace_to_json(trace)
    again = trace_from_json(text)
    assert again == trace
    assert trace_to_json(again) == text  # bit for bit, the sign of zero too


def test_the_expert_survives_with_every_kind_of_mapping() -> None:
    trace = expert()
    assert trace_from_json(trace_to_json(trace)) == trace
    frozen = (replace(trace[-1], injected_ml=MappingProxyType({"left": 1.0})),)
    assert trace_from_json(trace_to_json(frozen)) == frozen


def test_every_kind_of_event_has_its_own_kind() -> None:
    kinds = [event.__dataclass_fields__["kind"].default for event in get_args(Event)]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_no_number_that_is_not_finite(number: float) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        trace_to_json((Marked(1, "left", "ap", number),))
    with pytest.raises(ValueError, match=r"finite|beyond"):
        trace_from_json(json.dumps([{**GOOD, "error_mm": number}]))


HOSTILE = {
    "empty": "",
    "cut short": '[{"kind": "marked"',
    "not a list": "{}",
    "a list of numbers": "[1]",
    "no kind": '[{"time": 1}]',
    "unknown kind": '[{"kind": "won"}]',
    "unknown side": json.dumps([{**GOOD, "side": "up"}]),
    "unknown field": json.dumps([{**GOOD, "points": 100}]),
    "missing field": '[{"kind": "marked", "time": 1}]',
    "text for a number": json.dumps([{**GOOD, "time": "1"}]),
    "truth for a number": json.dumps([{**GOOD, "error_mm": True}]),
    "overflow": json.dumps([GOOD]).replace("1.5", "1e999"),
    "too large": json.dumps([{**GOOD, "error_mm": 1e300}]),
    "too late": json.dumps([{**GOOD, "time": 10**400}]),
    "deep": "[" * 100_000,
    "not text": b"\xff\xfe\x00",
    "long name": json.dumps([{**GOOD, "x" * 5000: 1}]),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_gets_one_line(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="not a scoring trace") as refusal:
        trace_from_json(text)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400
