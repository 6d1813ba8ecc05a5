"""A figure beside what is asked of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from game.training.figure import Figure


@pytest.mark.parametrize(
    ("value", "asked", "met"),
    [
        (1.0, "1", True),
        (1.1, "1", False),
        (20.5, "above 20", True),
        (20.0, "above 20", False),
        (12.0, "10-45, AP", True),
        (96.0, "about 95", True),
        (89.0, "about 95", False),
        (2.3, "1.7 +- 0.7", True),
        (2.5, "1.7 +- 0.7", False),
    ],
)
def test_what_is_asked_is_told_as_json_whatever_number_it_is_of(
    value: float, asked: str, met: bool
) -> None:
    for number in (value, np.float64(value)):
        assert json.dumps(Figure("a figure", "mm", number, asked).met) == json.dumps(met)
