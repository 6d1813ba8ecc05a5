"""RTK's projector, where it is installed, sees what ours sees."""

from __future__ import annotations

import numpy as np
import pytest
from numba import get_num_threads

from game.fluoroscopy.projector import Projector
from game.geometry.carm import projection
from game.patient.store import embedded
from game.training.peers import rtk_joseph


def test_rtk_agrees_with_our_bone() -> None:
    pytest.importorskip("itk", reason="itk-rtk is not installed")
    patient = embedded(0)
    geometry = projection(np.radians(180.0), np.radians(30.0), (0.0, 20.0, -30.0), 128)
    bone = np.maximum(patient.hounsfield.astype(np.float32) - 50.0, 0.0) / 1450.0
    theirs = rtk_joseph(bone, patient.body, geometry, get_num_threads())
    assert theirs is not None
    ours = Projector(patient).areas(geometry).bone * 10.0 / 1.92
    assert np.corrcoef(theirs().ravel(), ours.ravel())[0, 1] > 0.999
