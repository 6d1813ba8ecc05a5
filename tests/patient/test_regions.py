"""The region map on a real label map: what an anatomist would say of chosen places."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from game.patient.importer import read_segmentation
from game.patient.landmarks import find_landmarks, open_foramina, planes_and_anatomy
from game.patient.patient import FORAMINA, SIDES, Landmark, Plane, Region
from game.patient.regions import region_map
from game.patient.resample import bones_of
from game.patient.segmentation import Bones

Read = tuple[Bones, Mapping[str, Landmark], Mapping[str, Plane], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def read(shared_data: Path) -> Read:
    bones = bones_of(read_segmentation(shared_data / "pelvic-labels" / "case-004"))
    marks = find_landmarks(bones, {})
    bones = open_foramina(bones, marks)
    planes, _ = planes_and_anatomy(bones, marks)
    return bones, marks, planes, region_map(bones, marks, planes)


def at(read: Read, point: NDArray[np.float64]) -> Region:
    bones, _, _, region = read
    return Region(int(bones.grid.nearest(region, point[None], 0)[0]))


def test_marrow_is_the_sacrum_and_nothing_else(read: Read) -> None:
    bones, _, _, region = read
    assert ((region == Region.MARROW) == (bones.sacrum < 0)).all()


@pytest.mark.parametrize("side", SIDES)
def test_each_foramen_is_itself_and_open(read: Read, side: str) -> None:
    _, marks, _, _ = read
    for level in range(4):
        own = FORAMINA["left" if side == "left" else "right"][level]
        assert at(read, marks[f"foramen_s{level + 1}_{side}"].point) == own


def test_what_lies_around_the_sacrum(read: Read) -> None:
    _, marks, planes, _ = read
    left, up = planes["midsagittal"].normal, planes["s1_endplate"].normal
    back = np.cross(up, left)
    centre = planes["s1_endplate"].point
    s2 = 0.5 * (marks["foramen_s2_left"].point + marks["foramen_s2_right"].point)
    assert at(read, centre + 6.0 * up) == Region.DISC
    assert at(read, marks["s1_posterior_corner"].point + 7.0 * back) == Region.CANAL
    assert at(read, s2 - 30.0 * np.array([0.0, 1.0, 0.0])) == Region.PRESACRAL
    assert at(read, s2 + 35.0 * np.array([0.0, 1.0, 0.0])) == Region.DORSAL
    for side, joint in zip(SIDES, (Region.SI_JOINT_LEFT, Region.SI_JOINT_RIGHT), strict=True):
        assert at(read, marks[f"si_caudal_{side}"].point) == joint
        assert at(read, marks[f"cephalad_ala_{side}"].point + 5.0 * up) == Region.CEPHALAD
