"""The rubric: the one primitive, the shipped file, and files that are not one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.data import data_folder
from game.patient.patient import Region
from game.scoring.names import ITEM_IDS
from game.scoring.rubric import load_rubric, tolerance

VALUES = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("value", "full", "zero", "share"),
    [
        (0.0, 5.0, 10.0, 1.0), (5.0, 5.0, 10.0, 1.0), (7.5, 5.0, 10.0, 0.5), (11.0, 5.0, 10.0, 0.0),
        (4.0, 3.0, 0.0, 1.0), (1.5, 3.0, 0.0, 0.5), (-1.0, 3.0, 0.0, 0.0),
    ],
)  # fmt: skip
def test_tolerance_by_hand(value: float, full: float, zero: float, share: float) -> None:
    assert tolerance(value, full, zero) == pytest.approx(share, abs=1e-12)


@given(VALUES, VALUES, VALUES, VALUES)
def test_tolerance_is_monotone_towards_full(a: float, b: float, full: float, zero: float) -> None:
    if abs(full - zero) < 1e-6:
        return
    nearer, farther = sorted((a, b), reverse=full > zero)
    one, other = tolerance(nearer, full, zero), tolerance(farther, full, zero)
    assert 0.0 <= other <= one <= 1.0


def test_tolerance_needs_a_slope() -> None:
    with pytest.raises(ValueError, match="undefined"):
        tolerance(1.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="undefined"):
        tolerance(float("nan"), 1.0, 2.0)


def test_the_shipped_rubric_grades_every_item_and_says_why() -> None:
    rubric = load_rubric()
    assert set(rubric.items) == set(ITEM_IDS)
    assert all(item.source for item in rubric.items.values())
    regions = {region.name.lower() for region in Region}
    assert set(rubric.gates.walls) <= regions


SHIPPED = "rubric.toml"
SPOILED = {
    "not TOML": ("name =", "name = ="),
    "unknown key": ("pass_mark =", "speed_bonus = 3\npass_mark ="),
    "unknown item": ("[items.angle]", "[items.speed]"),
    "no slope": ("full = 5.0\nzero = 15.0", "full = 5.0\nzero = 5.0"),
    "not finite": ("nerve_ml = 0.2", "nerve_ml = nan"),
    "negative weight": ("weight = 10.0", "weight = -1.0"),
}


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_rubric_gets_one_line(change: tuple[str, str], tmp_path: Path) -> None:
    text = (data_folder("assets") / SHIPPED).read_text(encoding="utf-8")
    assert change[0] in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.toml") as refusal:
        load_rubric(path)
    assert "\n" not in str(refusal.value)


def test_a_missing_rubric_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        load_rubric(tmp_path / "none.toml")


def test_the_digest_tells_rubrics_apart() -> None:
    rubric = load_rubric()
    assert rubric.digest == load_rubric().digest
    assert rubric.digest != rubric.model_copy(update={"pass_mark": 71.0}).digest
