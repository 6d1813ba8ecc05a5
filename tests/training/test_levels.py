"""A level treats what is broken, and is refused in one line where it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blocks import block_patient
from game.patient.approach import long_axis
from game.patient.build import build
from game.patient.errors import PatientError
from game.patient.patient import Patient
from game.patient.procedural import procedural
from game.patient.traits import Traits
from game.training.levels import LevelError, make_case, read_level


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
