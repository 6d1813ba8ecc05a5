"""The sacrum's landmarks lie where their names say, on the sampled bone."""

from __future__ import annotations

import numpy as np
import pytest
from sacra import made

from game.geometry.grid import FloatArray
from game.patient.patient import SIDES
from game.patient.procedural.bent import Bent
from game.patient.procedural.sacral_landmarks import sacral_landmarks
from game.patient.traits import Traits

PEOPLE = [Traits(template=True), Traits(template=True, sex="male"), Traits(seed=3), Traits(seed=8)]


def marks_and_depths(traits: Traits) -> tuple[dict[str, FloatArray], dict[str, float]]:
    """Landmarks, and the field at each (negative: in bone)."""
    parameters, grid, values = made(traits)
    marks = sacral_landmarks(parameters, Bent.of(parameters))
    at = np.array([mark.point for mark in marks.values()])
    depths = grid.sample(values, at, 9.0)
    return {n: m.point for n, m in marks.items()}, dict(zip(marks, depths.tolist(), strict=True))


@pytest.mark.parametrize("traits", PEOPLE)
def test_rims_lie_on_the_bone_and_tunnels_are_open(traits: Traits) -> None:
    marks, depths = marks_and_depths(traits)
    for side in SIDES:
        for n in (1, 2, 3, 4):
            assert depths[f"foramen_s{n}_{side}"] > 1.0
            for name in (f"s{n}_lateral_{side}", f"s{n}_ventral_lateral_{side}"):
                assert abs(depths[name]) < 2.5, name
            assert abs(marks[f"s{n}_lateral_{side}"][0]) > abs(
                marks[f"foramen_s{n}_dorsal_{side}"][0]
            )


@pytest.mark.parametrize("traits", PEOPLE)
def test_openings_lie_before_and_behind_and_levels_below_each_other(traits: Traits) -> None:
    marks, _ = marks_and_depths(traits)
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        for n in (1, 2, 3, 4):
            ventral, dorsal = (marks[f"foramen_s{n}_{w}_{side}"] for w in ("ventral", "dorsal"))
            assert ventral[1] < marks[f"foramen_s{n}_{side}"][1] < dorsal[1]
            assert sign * ventral[0] > 10.0 and sign * dorsal[0] > 10.0
            if n > 1:
                assert marks[f"foramen_s{n}_{side}"][2] < marks[f"foramen_s{n - 1}_{side}"][2]


@pytest.mark.parametrize("traits", PEOPLE)
def test_midline_landmarks(traits: Traits) -> None:
    marks, depths = marks_and_depths(traits)
    depth = np.linalg.norm(marks["promontory"] - marks["s1_posterior_corner"])
    assert depth == pytest.approx(made(traits)[0].s1_depth)
    assert np.allclose(marks["s1_endplate_centre"], 0)
    for name in ("s1_endplate_centre", "promontory", "sacrum_caudal", "coccyx_tip"):
        assert abs(depths[name]) < 3.5, name
    assert marks["hiatus_apex"][2] > marks["sacrum_caudal"][2] > marks["coccyx_tip"][2]


def test_the_templates_sides_are_alike_and_a_drawn_patients_differ_a_little() -> None:
    for traits, least in ((Traits(template=True), 0.0), (Traits(seed=3), 0.2)):
        marks, _ = marks_and_depths(traits)
        off = [
            np.linalg.norm(marks[f"foramen_s{n}_left"] * [-1, 1, 1] - marks[f"foramen_s{n}_right"])
            for n in (1, 2, 3, 4)
        ]
        assert least <= max(off) < 5.0
        assert max(off) > 0 or traits.template
