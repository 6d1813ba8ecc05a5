"""One watertight body of genus 17: canal, hiatus, and sixteen openings of the foramina."""

from __future__ import annotations

import pytest
from sacra import made, topology
from skimage.measure import marching_cubes

from game.patient.traits import Dysmorphism, Sex, Traits


def drawn(seed: int) -> Traits:
    return Traits(seed=seed, sex="female" if seed % 2 else "male")


@pytest.mark.parametrize("sex", ["female", "male"])
def test_a_template_is_one_body_of_genus_17(sex: Sex) -> None:
    assert topology(made(Traits(template=True, sex=sex))[2]) == (1, 1, -32)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_drawn_sacrum_is_one_body_of_genus_17(seed: int) -> None:
    assert topology(made(drawn(seed))[2]) == (1, 1, -32)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(100, 130))
def test_thirty_more_are(seed: int) -> None:
    assert topology(made(drawn(seed))[2]) == (1, 1, -32)


def test_the_surface_itself_says_the_same() -> None:
    points, faces, _, _ = marching_cubes(made(Traits(template=True))[2], 0.0)
    edges = 3 * len(faces) // 2
    assert len(points) - edges + len(faces) == -32


@pytest.mark.parametrize(("kind", "characteristic"), [("mammillary", -32), ("sacralised", -36)])
def test_what_differs_in_dysmorphic_sacra(kind: Dysmorphism, characteristic: int) -> None:
    """Mammillary: nothing, its cleft is open in front only. Sacralised: a bar of L5 on either side
    makes a fifth pair of openings, one handle each."""
    assert topology(made(Traits(template=True, dysmorphism=kind))[2]) == (1, 1, characteristic)
