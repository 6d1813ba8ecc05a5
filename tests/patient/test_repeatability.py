"""Landmarks belong to the patient, not to the scanner: a scan that lies turned gives the same.

The scan's voxels are resampled, turned by 10 deg and shifted by 1 mm, with the nearest label; the
landmarks found in it are turned back and compared. `pytest -s` prints the worst first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from game.geometry.grid import FloatArray
from game.patient.importing import read_segmentation
from game.patient.importing.fit import with_model
from game.patient.landmarks import find_landmarks
from game.patient.patient import Landmark, Structure
from game.patient.resample import bones_of, levels_of
from game.patient.segmentation import Segmentation

WITHIN_MM = 1.5
SCANS = ("pelvic-ct", "pelvic-labels/case-001", "pelvic-labels/case-004")
AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (1, 1, 1), (-1, 1, 1))
SHIFT = np.full(3, 1.0 / np.sqrt(3.0))


def around_pelvis(scan: Segmentation) -> Segmentation:
    """The part of a scan within 30 mm of sacrum and hips: the rest only costs time."""
    bones = (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT)
    at, pad = (
        np.argwhere(np.isin(scan.structures, bones)),
        (30.0 / np.array(scan.spacing)).astype(int),
    )
    low = np.maximum(at.min(axis=0) - pad, 0)
    box = tuple(slice(a, b) for a, b in zip(low, at.max(axis=0) + pad + 1, strict=True))
    x, y, z = low * scan.spacing + scan.origin
    cut = np.ascontiguousarray(scan.structures[box])
    return replace(scan, structures=cut, hounsfield=None, origin=(float(x), float(y), float(z)))


def turned(scan: Segmentation, turn: FloatArray, middle: FloatArray) -> Segmentation:
    """`scan` with every point p at turn (p - middle) + middle + SHIFT, on a grid of its spacing."""
    step, last = np.array(scan.spacing), np.array(scan.structures.shape) - 1
    corners = np.array(np.meshgrid(*((0, n) for n in last))).reshape(3, 8).T * step + scan.origin
    moved = (corners - middle) @ turn.T + middle + SHIFT
    low = moved.min(axis=0)
    shape = np.ceil(np.ptp(moved, axis=0) / step).astype(int) + 1
    inverse = np.diag(1 / step) @ turn.T
    first = inverse @ (low - middle - SHIFT) + (middle - scan.origin) / step
    voxels = affine_transform(
        scan.structures, inverse @ np.diag(step), first, output_shape=tuple(shape), order=0
    )
    return replace(scan, structures=voxels, origin=(float(low[0]), float(low[1]), float(low[2])))


def landmarks(scan: Segmentation) -> dict[str, Landmark]:
    """As the importer and `build` place them: the model's fit, then what the bones show."""
    fit = with_model(scan)
    return dict(find_landmarks(bones_of(fit, levels_of(fit)), fit.known))


@pytest.mark.sweep
@pytest.mark.parametrize("folder", SCANS)
def test_landmarks_turn_with_the_patient(shared_data: Path, folder: str) -> None:
    scan = around_pelvis(read_segmentation(shared_data / folder))
    scan = replace(scan, known={})
    middle = np.array(scan.origin) + 0.5 * np.array(scan.structures.shape) * scan.spacing
    here, worst = landmarks(scan), dict[str, float]()
    for axis in AXES:
        vector = np.radians(10.0) * np.array(axis) / np.linalg.norm(axis)
        turn = Rotation.from_rotvec(vector).as_matrix()
        there = landmarks(turned(scan, turn, middle))
        for name in here:
            back = (there[name].point - middle - SHIFT) @ turn + middle
            apart = float(np.linalg.norm(back - here[name].point))
            worst[name] = max(worst.get(name, 0.0), apart)
    print(f"\n{folder}: over {len(AXES)} turns of 10 deg and a shift of 1 mm")
    for name, apart in sorted(worst.items(), key=lambda item: -item[1]):
        print(f"  {name:24s} {apart:.2f} mm")
    assert max(worst.values()) <= WITHIN_MM
