"""Veins as pipes: Poiseuille along a chain, volumes, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from math import pi

import numpy as np
import pytest

from blocks import block_patient
from game.patient.patient import Region, Tube
from game.simulation.cement.draining import NODE_MM, chained, courses, veins_of

RADIUS = 0.6


def vein(length: float = 30.0, radius: float = RADIUS, x: float = 30.0) -> Tube:
    """From the marrow of the block straight forwards through its anterior face at y = -15."""
    y = np.linspace(0.0, -length, 25)
    line = np.stack([np.full(25, x), y, np.full(25, -40.0)], axis=1)
    return Tube("vein", line, np.full(25, radius))


def test_a_chain_resists_as_poiseuilles_pipe_does() -> None:
    veins = chained([vein()], block_patient())
    assert veins is not None
    resistance = (1.0 / veins.gain).sum()
    half = 0.5 * 30.0 / len(veins.gain)  # the last node's far half leads nowhere
    assert resistance == pytest.approx(8.0 * (30.0 - half) / (pi * RADIUS**4))


def test_a_vein_that_widens_resists_as_its_parts_in_series() -> None:
    radii = np.linspace(0.4, 1.2, 25)
    veins = chained([replace(vein(), radii=radii)], block_patient())
    assert veins is not None
    along = np.linspace(0.0, 30.0, 30001)
    slices = 8.0 * 0.001 / (pi * np.interp(along, np.linspace(0, 30, 25), radii) ** 4)
    whole = slices[along <= 30.0 - 0.5 * NODE_MM].sum()
    assert (1.0 / veins.gain).sum() == pytest.approx(whole, rel=0.06)


def test_nodes_hold_the_veins_volume_and_know_where_they_lie() -> None:
    patient = block_patient()
    veins = chained([vein()], patient)
    assert veins is not None
    assert veins.ml.sum() == pytest.approx(pi * RADIUS**2 * 30.0 / 1000.0)
    inside = veins.points[:, 1] > -15.0
    assert (veins.region[inside] == Region.MARROW).all()
    assert (veins.region[~inside] == Region.PRESACRAL).all()
    size = int(np.prod(patient.bone.shape))
    veins.check(size)
    assert [len(course) for course in courses(veins, size)] == [len(veins.ml)]


def test_beyond_the_grid_a_vein_still_lies_before_the_sacrum() -> None:
    veins = chained([vein(length=80.0)], block_patient())
    assert veins is not None and veins.region[-1] == Region.PRESACRAL


def test_a_vein_without_a_root_in_marrow_and_a_second_in_one_voxel_are_left_out() -> None:
    patient = block_patient()
    outside = replace(vein(), line=vein().line + np.array([0.0, -30.0, 0.0]))
    far = replace(vein(), line=vein().line + np.array([500.0, 0.0, 0.0]))
    assert chained([outside, far], patient) is None
    pair = chained([vein(), vein(radius=1.0), vein(x=40.0)], patient)
    assert pair is not None
    assert (pair.before < int(np.prod(patient.bone.shape))).sum() == 2
    assert set(pair.radius.round(6)) == {RADIUS}


def test_a_patient_without_an_iliac_vein_has_no_veins() -> None:
    assert veins_of(block_patient()) is None
