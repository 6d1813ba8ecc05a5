"""Sessions: what is recorded is what was played, and hostile files are refused in one line."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks import block_case
from game.records.replay import replay
from game.records.session import Session, SessionError, load_session, save_session
from game.scoring.rubric import load_rubric
from game.scoring.scorecard import score
from game.simulation.control import (
    Control,
    Expose,
    Finish,
    ServoEvent,
    ServoReport,
    TakeCannula,
)
from game.simulation.state import State
from game.training.rehearsal import rehearse

UP = (0.0, 0.0, 1.0)
FELT = (ServoEvent(51, "skin", "fat", 1.25),)


def short_case() -> Generator[Control, State, None]:
    yield Control(actions=(TakeCannula("left"), Expose()))
    for z in np.linspace(-165, -40, 400).tolist():
        report = ServoReport((30.1, 0.1 + 0.2, z), UP, 3.0, 4.5, FELT if z > -100 else ())
        yield Control(
            active="left", servo=report, hand_on=True, pedal=z > -60, drive=(0, 7, 0, 0, -3)
        )
    yield Control(actions=(Finish(),))


@pytest.fixture(scope="module")
def session() -> Session:
    return rehearse(block_case(), short_case())[0]


def test_a_session_comes_back_as_it_was(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "session.npz"
    save_session(session, path)
    again = load_session(path)
    assert list(again.controls()) == list(session.controls())
    assert again.trace == session.trace
    assert again.digests == session.digests
    assert again.header == session.header
    assert [p.name for p in tmp_path.iterdir()] == ["session.npz"]


def test_replay_is_equal_bit_for_bit(session: Session, tmp_path: Path) -> None:
    save_session(session, tmp_path / "session.npz")
    again = replay(load_session(tmp_path / "session.npz"), block_case())
    assert again.difference is None
    rubric = load_rubric()
    assert score(again.trace, rubric).to_json() == score(session.trace, rubric).to_json()


def test_replay_names_the_second_in_which_a_state_differs(session: Session) -> None:
    tip = session.columns["tip"].copy()
    tip[200:, 0] += 1e-9
    columns = {**session.columns, "tip": tip}
    changed = replace(session, columns=columns)
    assert (replay(changed, block_case()).difference or "").startswith("state at second 4")


def parts_of(path: Path) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


@pytest.mark.parametrize("fault", ["nan", "side", "dtype", "short", "header", "action", "pickle"])
def test_a_forged_session_is_refused_in_one_line(
    session: Session, tmp_path: Path, fault: str
) -> None:
    path = tmp_path / "session.npz"
    save_session(session, path)
    parts = parts_of(path)
    if fault == "nan":
        parts["tip"][3, 0] = np.nan
    elif fault == "side":
        parts["active"][0] = 5
    elif fault == "dtype":
        parts["plunger"] = parts["plunger"].astype("f8")
    elif fault == "short":
        parts["drive"] = parts["drive"][:-1]
    elif fault == "header":
        header = json.loads(bytes(parts["header"])) | {"surprise": 1}
        parts["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    elif fault == "action":
        parts["actions"] = np.frombuffer(b'{"1": [{"kind": "launch"}]}', np.uint8)
    else:
        parts["trace"] = np.array([{"a": 1}], dtype=object)
    np.savez(path, **parts)
    with pytest.raises(SessionError) as refused:
        load_session(path)
    assert "\n" not in str(refused.value)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 255))
def test_a_damaged_file_never_crashes_the_reader(
    session: Session, tmp_path_factory: pytest.TempPathFactory, where: int, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    save_session(session, path)
    content = bytearray(path.read_bytes())
    content[where % len(content)] = value
    path.write_bytes(content)
    try:
        load_session(path)
    except SessionError as refused:
        assert "\n" not in str(refused)
