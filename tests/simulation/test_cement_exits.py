"""First touch: which opening a cell of leaked cement is told by, and two ledgers that agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.patient.patient import FORAMINA, Region
from game.simulation.cement.exits import PLACE_CODES, PLACES, Exit, exits_ml, first_touch

IN, OUT = Region.MARROW, Region.PRESACRAL


def touched(
    region: Region,
    fed: Exit = Exit.NONE,
    vein: bool = False,
    track: bool = False,
    sheet: bool = False,
) -> Exit:
    return Exit(first_touch(int(region), PLACE_CODES[region], int(fed), vein, track, sheet))


def test_inside_the_envelope_there_is_no_exit_whatever_fed_the_cell() -> None:
    assert touched(IN, Exit.FRACTURE_GAP, vein=True, track=True, sheet=True) == Exit.NONE


def test_from_inside_a_cell_is_told_by_what_fed_it_in_this_order() -> None:
    assert touched(OUT) == Exit.CORTEX
    assert touched(OUT, sheet=True) == Exit.FRACTURE_GAP
    assert touched(OUT, sheet=True, track=True) == Exit.BREACH
    assert touched(OUT, sheet=True, track=True, vein=True) == Exit.VEINS


@pytest.mark.parametrize("way", [e for e in Exit if e != Exit.NONE])
def test_beyond_the_first_cell_the_exit_is_inherited(way: Exit) -> None:
    assert touched(OUT, way) == way
    assert touched(OUT, way, sheet=True, track=True) == way


def test_foramen_canal_joint_and_disc_are_told_by_the_place_unless_a_vein_came_there() -> None:
    places = {
        Region.CANAL: Exit.CANAL,
        Region.DISC: Exit.DISC,
        Region.SI_JOINT_LEFT: Exit.SI_JOINT,
        Region.SI_JOINT_RIGHT: Exit.SI_JOINT,
        **dict.fromkeys((*FORAMINA["left"], *FORAMINA["right"]), Exit.FORAMINA),
    }
    assert dict(PLACES) == places
    for region, way in places.items():
        assert touched(region, sheet=True) == way
        assert touched(region, Exit.FRACTURE_GAP) == way
        assert touched(region, Exit.BREACH, track=True) == way
        assert touched(region, Exit.VEINS) == Exit.VEINS
        assert touched(region, vein=True) == Exit.VEINS


@given(
    st.sampled_from(list(Region)),
    st.sampled_from(list(Exit)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_only_what_is_outside_has_an_exit(
    region: Region, fed: Exit, vein: bool, track: bool, sheet: bool
) -> None:
    found = touched(region, fed, vein, track, sheet)
    assert (found == Exit.NONE) == (region == IN)


@given(st.lists(st.tuples(st.sampled_from(list(Exit)), st.floats(0, 1)), max_size=50))
def test_the_ledger_by_exit_sums_to_what_is_outside(cells: list[tuple[Exit, float]]) -> None:
    exits = np.array([way for way, _ in cells], np.uint8)
    ml = np.array([amount for _, amount in cells], float)
    ledger = exits_ml(exits, ml)
    assert Exit.NONE not in ledger
    assert sum(ledger.values()) == pytest.approx(ml[exits != Exit.NONE].sum(), abs=1e-12)
