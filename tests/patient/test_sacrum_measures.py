"""The template measures what was published, on its sampled bone, sex by sex."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sacra import made

from game.patient.measuring import measure
from game.patient.morphometry import published
from game.patient.patient import SIDES, Landmark, Plane
from game.patient.procedural.bent import Bent
from game.patient.procedural.sacral_landmarks import sacral_landmarks
from game.patient.procedural.shaping import CONFLICTS
from game.patient.traits import Sex, Traits

HIPS = ("auricular_height", "interauricular_distance")  # need hip bones
WITHIN = 0.5  # standard deviations


@cache
def measures_of(traits: Traits) -> dict[str, float]:
    """The sacrum's rows, without hip bones."""
    parameters, grid, values = made(traits)
    marks = dict(sacral_landmarks(parameters, Bent.of(parameters)))
    marks |= {f"{n}_{side}": Landmark(np.zeros(3)) for n in ("psis", "piis") for side in SIDES}
    slope = np.radians(parameters.sacral_slope)
    planes = {
        "s1_endplate": Plane(np.zeros(3), np.array([0.0, -np.sin(slope), np.cos(slope)])),
        "midsagittal": Plane(np.zeros(3), np.array([1.0, 0.0, 0.0])),
    }
    far = {side: np.full(values.shape, 50.0, np.float32) for side in SIDES}
    found = measure(grid, values, far, marks, planes)
    return {k: v for k, v in found.items() if k not in HIPS and not k.startswith("inter_p")}


@pytest.mark.parametrize("sex", ["female", "male"])
def test_a_template_has_the_published_measures(sex: Sex) -> None:
    found = measures_of(Traits(template=True, sex=sex))
    assert len(found) >= 30
    off = {
        row.id: round(row.deviation(found[row.id], sex), 2)
        for row in published()
        if row.id in found and sex in row.mean and row.id not in CONFLICTS
    }
    assert {k: v for k, v in off.items() if abs(v) > WITHIN} == {}


def test_what_cannot_hold_together_is_named_and_bounded() -> None:
    """The rows of `CONFLICTS`: how far off the templates are is pinned, so that it cannot grow."""
    for sex in ("female", "male"):
        found = measures_of(Traits(template=True, sex=sex))
        for row in published():
            if row.id in CONFLICTS:
                assert abs(row.deviation(found[row.id], sex)) < 3.5, row.id


def test_sexes_differ_in_the_published_direction() -> None:
    female, male = (measures_of(Traits(template=True, sex=sex)) for sex in ("female", "male"))
    for row in published():
        if row.id in female and row.id not in CONFLICTS:
            apart = row.mean["male"] - row.mean["female"]
            assert apart * (male[row.id] - female[row.id]) >= 0 or abs(apart) < 0.5, row.id
