"""What the feel carries over generated patients, from the force trace alone."""

from __future__ import annotations

import pytest

from game.simulation.case import Case
from game.training.feel import COURSES, Told, of_patient, study, summary


def told(**changed: object) -> Told:
    values = {
        "seed": 1, "quality": "osteoporotic", "course": "cephalad", "entry": True, "void": None,
        "late": False, "breach": None, "sham": None, "calm": None, "anywhere": None,
        "thickness": 1.0, "puncture": 100.0,
    }  # fmt: skip
    return Told(**{**values, **changed})  # type: ignore[arg-type]


def test_a_patients_two_courses(embedded_case: Case) -> None:
    """Both enter bone where the trace says so; what breaks ahead is as thick as an ala's wall is;
    the same patient tells the same again."""
    found = of_patient(embedded_case.patient, 3)
    assert [one.course for one in found] == list(COURSES)
    assert all(one.entry for one in found)
    ahead = [one for one in found if one.breach is not None]
    assert ahead and all(0.5 <= one.thickness <= 2.0 for one in ahead)
    assert all(6.7 <= one.puncture <= 600.0 for one in found)
    assert of_patient(embedded_case.patient, 3) == found


def test_a_summary_counts_what_is_known_and_holds_it_to_its_bounds() -> None:
    thin = [told(void=True, breach=n < 6, thickness=0.7) for n in range(10)]
    thick = [told(entry=False, breach=True, thickness=1.5)]
    rows = {row.what: row for row in summary([*thin, *thick])}
    assert rows["entry cortex found"].share == pytest.approx(10 / 11)
    assert rows["entry cortex found"].met is False
    assert rows["breach noticed over a void"].share == pytest.approx(0.6)
    assert rows["breach noticed over a void"].met is False
    assert rows["thinner walls noticed less often"].met is True
    assert rows["a breach believed where none is"].met is None
    other = [told(breach=True, thickness=0.7), told(breach=False, thickness=1.5)]
    assert {r.what: r for r in summary(other)}["thinner walls noticed less often"].met is False


@pytest.mark.sweep
def test_two_hundred_patients_feel_what_the_device_may_promise() -> None:
    """The entry cortex in 95 % and more; a void's entry in 75 %; a breach less often the thinner
    the wall, and over a void in at most half; where nothing is, at most one in ten believes in it.
    """
    rows = summary([one for some in study(200) for one in some])
    assert [row.what for row in rows if row.met is False] == []
    assert sum(row.met is True for row in rows) == 6
