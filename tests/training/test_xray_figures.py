"""What `sacrosim bench fluoroscopy` prints, held to what is asked of it."""

from __future__ import annotations

import json

import pytest

from game.training.figure import Figure
from game.training.xray_figures import figures


@pytest.fixture(scope="module")
def made() -> list[Figure]:
    return figures()


def test_every_figure_is_what_is_asked(made: list[Figure]) -> None:
    missed = [figure for figure in made if not figure.met]
    assert not missed
    assert json.loads(json.dumps(made))[0][0] == made[0].what, "for --json"
    assert all(type(figure.met) is bool for figure in made)


def test_every_number_of_the_chain_has_a_figure(made: list[Figure]) -> None:
    """Two rates of two views and three bodies, and how many times more the lateral costs."""
    what = [figure.what for figure in made]
    assert sum("rate, " in name for name in what) == 12
    assert sum(name.startswith("lateral over AP") for name in what) == 3
    assert sum(name.startswith("scatter to primary") for name in what) == 5
    for word in ("chord", "tip", "ball of voxels", "quadrature", "K-edge", "noise"):
        assert any(word in name for name in what), word


@pytest.mark.parametrize(
    ("asked", "value", "met"),
    [
        ("10-45", 45.1, False),
        ("10-45", 10.0, True),
        ("0.1", 0.11, False),
        ("above 1", 1.0, False),
        ("above 20", 24.9, True),
    ],
)
def test_what_is_met(asked: str, value: float, met: bool) -> None:
    assert Figure("", "", value, asked).met == met
