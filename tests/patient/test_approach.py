"""The long-axis path on a real pelvis: in bone, clear of every wall, of the length measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from game.patient.approach import long_axis, skin_exit
from game.patient.patient import SIDES, Patient, Region, Side, Structure
from game.patient.store import open_patient

RADIUS_MM = 1.525  # 11G
ENTRY_MM = 12.0  # of the path, where the sacrum's edge is thin


@pytest.fixture(scope="module")
def patient(shared_data: Path) -> Patient:
    return open_patient(shared_data / "pelvic-ct")


@pytest.mark.parametrize("side", SIDES)
def test_the_path_keeps_to_bone_and_to_its_clearances(patient: Patient, side: Side) -> None:
    path = long_axis(patient, side)
    along = np.arange(0.0, path.bone_length, 0.5)
    shaft = path.entry + along[:, None] * path.direction
    assert (patient.depth_in_bone(shaft) > 0).mean() >= 0.95
    clear = patient.clearance(shaft[along > ENTRY_MM], RADIUS_MM)
    for region, gap in clear.items():
        if region in (Region.PRESACRAL, Region.CEPHALAD, Region.SI_JOINT_LEFT):
            assert gap >= 3.0 - 0.1
        elif Region.CANAL <= region <= Region.FORAMEN_S4_RIGHT:
            assert gap >= 2.0 - 0.1
    # facts/procedure.md: 63.5 +- 5.7 mm, 17.8 +- 8.3 deg to the endplate's normal; within 2.5 SD
    assert 63.5 - 2.5 * 5.7 < path.bone_length < 63.5 + 2.5 * 5.7
    up = patient.planes["s1_endplate"].normal
    assert np.degrees(np.arccos(path.direction @ up)) < 17.8 + 2.5 * 8.3


@pytest.mark.parametrize("side", SIDES)
def test_skin_entry_and_target_lie_on_one_line(patient: Patient, side: Side) -> None:
    path = long_axis(patient, side)
    np.testing.assert_allclose(path.entry + path.bone_length * path.direction, path.target)
    np.testing.assert_allclose(skin_exit(patient, path.entry, path.direction), path.skin)
    assert patient.structure_at(path.skin[None])[0] == Structure.AIR
    np.testing.assert_array_equal(long_axis(patient, side).target, path.target)
