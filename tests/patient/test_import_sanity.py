"""What is no pelvis, not whole, or not the right way round is refused, or it is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_repeatability import turned

from game.patient.errors import PatientError
from game.patient.importing import read_segmentation
from game.patient.importing.fit import landmarks_by, with_model
from game.patient.importing.model import Pose, model
from game.patient.importing.sanity import checked
from game.patient.landmarks import find_landmarks
from game.patient.patient import Structure
from game.patient.resample import bones_of, levels_of
from game.patient.segmentation import Segmentation
from pelves import hounsfield, pelvis, write_series, write_volume

MIDDLE = np.array(pelvis().origin) + 1.5 * np.array(pelvis().structures.shape)
SPINE = (Structure.L5, Structure.SPINE)


def bare() -> Segmentation:
    """The generated pelvis as an importer sees it: without what its maker knows."""
    return replace(pelvis(), known={}, notes=())


def flipped(made: Segmentation, *axes: int) -> Segmentation:
    return replace(made, structures=np.ascontiguousarray(np.flip(made.structures, axes)))


def without(made: Segmentation, *codes: Structure) -> Segmentation:
    structures = made.structures.copy()
    structures[np.isin(structures, codes)] = Structure.MUSCLE
    return replace(made, structures=structures)


def about(axis: str, degrees: float) -> Segmentation:
    return turned(bare(), Rotation.from_euler(axis, degrees, degrees=True).as_matrix(), MIDDLE)


def refused(made: Segmentation) -> str:
    with pytest.raises(PatientError) as caught:
        with_model(checked(made))
    line = str(caught.value)
    assert line and "\n" not in line and len(line) < 400
    return line


@pytest.mark.parametrize(
    ("axes", "word"),
    [
        ((0,), "left hip bone lies"),  # mirrored
        ((1,), "posterior to the hip bones"),  # back to front
        ((2,), "cranial to the sacrum"),  # upside down, and mirrored with it
        ((0, 2), "cranial to the sacrum"),  # upside down
        ((1, 2), "posterior to the hip bones"),
        ((0, 1), "posterior to the hip bones"),
    ],
)
def test_a_volume_that_is_flipped(axes: tuple[int, ...], word: str) -> None:
    assert word in refused(flipped(bare(), *axes))


@pytest.mark.parametrize(
    ("axis", "degrees"), [("x", 90.0), ("x", -90.0), ("x", 180.0), ("y", 90.0), ("z", 90.0),
                          ("y", 180.0), ("z", 180.0), ("z", 45.0), ("y", -45.0)]
)  # fmt: skip
def test_a_volume_that_is_turned_far(axis: str, degrees: float) -> None:
    assert "turned" in refused(about(axis, degrees))


def test_a_volume_that_is_turned_a_little_is_said() -> None:
    made = with_model(checked(about("x", -25.0)))
    assert "the patient lay turned by 25 deg in the scan" in made.notes


@pytest.mark.sweep
def test_upside_down_without_a_spine_the_model_does_not_fit() -> None:
    assert "the parametric pelvis lies" in refused(flipped(without(bare(), *SPINE), 2))


@pytest.mark.parametrize("code", [Structure.HIP_LEFT, Structure.HIP_RIGHT, Structure.SACRUM])
def test_a_missing_bone(code: Structure) -> None:
    bone = code.name.lower().replace("_", " ")
    assert f"{bone} has 0.0 mL; at least 60 mL" in refused(without(bare(), code))


def test_half_a_sacrum() -> None:
    made = bare()
    side = made.structures.copy()
    right = side[: round(-made.origin[0] / made.spacing[0])]  # up to the S1 endplate's centre
    right[right == Structure.SACRUM] = Structure.FAT
    assert "one half of the sacrum has 0%" in refused(replace(made, structures=side))
    low = made.structures.copy()
    heights = np.flatnonzero((low == Structure.SACRUM).any(axis=(0, 1)))
    below = low[:, :, : heights[-1] - 16]
    below[below == Structure.SACRUM] = Structure.FAT
    line = refused(replace(made, structures=low))
    assert "mm high; at least 55 mm" in line or "sacrum has" in line


def test_bones_that_are_cut_are_said() -> None:
    made = bare()
    cut = replace(made, structures=np.ascontiguousarray(made.structures[:, 10:]))
    edge = np.flatnonzero((cut.structures == Structure.HIP_LEFT).any(axis=(0, 2)))[0]
    cut = replace(cut, structures=np.ascontiguousarray(cut.structures[:, edge + 2 :]))
    assert "the hip left is cut by the edge of the volume" in checked(cut).notes


def test_labels_that_are_mixed_up() -> None:
    """Sacrum and L5 exchanged, by volume and place no longer a pelvis."""
    made = bare()
    table = np.arange(max(Structure) + 1, dtype=np.uint8)
    table[[Structure.SACRUM, Structure.L5]] = Structure.L5, Structure.SACRUM
    assert refused(replace(made, structures=table[made.structures]))


def test_the_fit_finds_a_pose_that_is_known() -> None:
    """Of the model itself, stretched, turned and moved; its landmarks follow."""
    made = with_model(checked(about("y", 8.0)))
    note = next(note for note in made.notes if "the parametric pelvis fits" in note)
    assert float(note.split("within ")[1].split(" mm")[0]) < 0.6
    pose = Pose(np.zeros(3), np.array([1.1, 0.9, 1.0]), np.eye(3), np.array([5.0, 6.0, 7.0]))
    points = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]])
    np.testing.assert_allclose(pose.to_model(pose.to_patient(points)), points, atol=1e-12)
    found = landmarks_by(pose, ("promontory",))["promontory"]
    true = model().landmarks["promontory"].point * pose.stretch + pose.middle
    np.testing.assert_allclose(found.point, true)
    assert found.estimated


def noisy_ct() -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    noise = np.random.default_rng(11).normal(0.0, 15.0, hounsfield().shape)
    return np.maximum(hounsfield() + noise, -1024).astype(np.int16)


def test_a_ct_alone_is_parted_by_the_model(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", noisy_ct())
    made = read_segmentation(tmp_path / "ct")
    assert made.source == "ct" and made.name == "DICOM import"
    for code in (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT, Structure.L5):
        here, there = made.structures == code, pelvis().structures == code
        assert 2 * (here & there).sum() / (here.sum() + there.sum()) > 0.85, code
    assert all(mark.estimated for mark in made.known.values())
    for name in ("s1_endplate_centre", "s3_lateral_left", "foramen_s1_right", "foramen_s3_left"):
        error = np.linalg.norm(made.known[name].point - pelvis().known[name].point)
        assert error < made.known[name].uncertainty_mm, name
    told = " ".join(made.notes)
    for word in ("no labels: bone is what is above 140 HU", "fits within", "unverified"):
        assert word in told


def test_a_ct_without_a_pelvis(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(40.0, 15.0, hounsfield().shape)
    values[:3] = -1000.0
    write_volume(tmp_path / "ct.nii.gz", values.astype(np.int16))
    with pytest.raises(PatientError, match="below 200 mL above 140 HU"):
        read_segmentation(tmp_path)
    values[30:90, 20:70, 10:70] = 400.0  # a block of bone
    write_volume(tmp_path / "ct.nii.gz", values.astype(np.int16))
    with pytest.raises(PatientError, match=r"pelvis lies|sacrum has|is no pelvis"):
        read_segmentation(tmp_path)


@pytest.mark.sweep
def test_the_real_ct_alone_against_its_labels(shared_data: Path, tmp_path: Path) -> None:
    scan = shared_data / "pelvic-ct"
    (tmp_path / "ct.nii.gz").write_bytes((scan / "ct.nii.gz").read_bytes())
    alone, labelled = read_segmentation(tmp_path), read_segmentation(scan)
    for code in (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT, Structure.L5):
        here, there = alone.structures == code, labelled.structures == code
        assert 2 * (here & there).sum() / (here.sum() + there.sum()) > 0.8, code


@pytest.mark.sweep
def test_slices_6_mm_apart_of_a_real_map(shared_data: Path) -> None:
    """Every second slice of 3 mm: said, and the landmarks stay near those of all slices."""
    scan = read_segmentation(shared_data / "pelvic-labels" / "case-004")
    x, y, z = scan.spacing
    thick = replace(scan, structures=np.ascontiguousarray(scan.structures[:, :, ::2]),
                    spacing=(x, y, 2 * z), known={}, notes=())  # fmt: skip
    made = with_model(checked(thick))
    assert "slices are 6 mm apart: fine shape is not resolved" in made.notes
    here, there = (find_landmarks(bones_of(s, levels_of(s)), s.known) for s in (scan, made))
    for name in ("s1_endplate_centre", "s3_lateral_left", "s3_lateral_right", "si_caudal_left"):
        assert np.linalg.norm(here[name].point - there[name].point) < 5.0, name
