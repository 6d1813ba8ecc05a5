"""A generated patient's own distances against those measured on its labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from game.patient.patient import SIDES
from game.patient.procedural import procedural
from game.patient.resample import BONE_MM, bones_of, levels_of
from game.patient.segmentation import Bones
from game.patient.traits import Traits


@pytest.fixture(scope="module")
def roads() -> tuple[Bones, Bones]:
    direct = procedural(Traits(seed=2), BONE_MM)
    labels = replace(direct, solids=None)
    return (
        bones_of(direct, levels_of(direct)),
        bones_of(labels, levels_of(labels)),
    )


def test_both_roads_give_the_same_bones(roads: tuple[Bones, Bones]) -> None:
    """Within half a voxel at the surface: rms, and 95 % of it (labels cannot show more)."""
    direct, labels = roads
    pairs = [(direct.sacrum, labels.sacrum)]
    pairs += [(direct.hip[side], labels.hip[side]) for side in SIDES]
    for own, label in pairs:
        at = np.argwhere(np.abs(own) < BONE_MM)
        there = labels.grid.sample(label, direct.grid.point_from_index(at), 50.0)
        shown = there < 50.0  # the labels' grid is a little smaller
        off = np.abs(there - own[tuple(at.T)])[shown]
        assert np.sqrt(np.mean(off**2)) < 0.5 * BONE_MM
        assert np.quantile(off, 0.95) < 0.5 * BONE_MM
