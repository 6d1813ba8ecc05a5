"""A level treats what is broken, and is refused in one line where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blocks import block_case, block_patient, straight_up
from game.patient.approach import long_axis
from game.patient.build import build
from game.patient.errors import PatientError
from game.patient.patient import Patient
from game.patient.procedural import procedural
from game.patient.traits import Traits
from game.training.levels import LevelError, _demand_reach, make_case, read_level


@pytest.fixture(scope="module")
def one_sided() -> Patient:
    """The embedded patient with the left ala fractured alone."""
    traits = Traits(laterality="left")
    return build(procedural(traits, spacing=1.5), traits)


@pytest.mark.parametrize(("broken", "named"), [(("left",), "left"), ((), "nothing")])
def test_a_side_that_is_whole_is_refused(broken: tuple[str, ...], named: str) -> None:
    block = block_patient()
    patient = replace(block, fractures={n: f for n, f in block.fractures.items() if n in broken})
    with pytest.raises(LevelError, match=f"not fractured in block; fractured: {named}") as caught:
        make_case(patient, read_level("both-sides"))
    assert "\n" not in str(caught.value)


def test_a_one_sided_level_takes_a_one_sided_patient(one_sided: Patient) -> None:
    assert one_sided.broken_sides == ("left",)
    case = make_case(one_sided, read_level("left-side"))
    assert set(case.approaches) == {"left", "right"}  # a wrong side can be measured too
    assert case.medium.sheet.size > 0
    with pytest.raises(LevelError, match="the right ala"):
        make_case(one_sided, read_level("both-sides"))
    with pytest.raises(PatientError, match="the right ala is not fractured"):
        one_sided.sheet("right")


def test_the_path_leans_towards_the_sheet_of_its_side(one_sided: Patient) -> None:
    bare = replace(one_sided, fractures={})
    sheet = one_sided.sheet("left").tree
    with_it, without = (long_axis(p, "left") for p in (one_sided, bare))
    assert sheet.query(with_it.target)[0] <= sheet.query(without.target)[0] + 0.5


def test_a_fracture_that_cement_cannot_reach_is_refused_in_one_line() -> None:
    """Both paths of the boxes stand at x = +-30; the left sheet is moved 12 mm off its path."""
    block = block_case().patient
    sheet = block.fractures["left"]
    moved = replace(
        sheet, points=sheet.points + np.array([12.0, 0, 0]), pattern="anterolateral-rim"
    )
    far = replace(block, fractures={**block.fractures, "left": moved})
    _demand_reach(block, read_level("both-sides"), straight_up("left"))
    _demand_reach(far, read_level("both-sides"), straight_up("right"))
    with pytest.raises(LevelError, match="12 mm from the anterolateral-rim fracture") as caught:
        _demand_reach(far, read_level("both-sides"), straight_up("left"))
    assert "\n" not in str(caught.value) and "another technique" in str(caught.value)
