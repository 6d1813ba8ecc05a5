"""Real pelves from folders: a CT with a TotalSegmentator v2 label map, or a label map with a body
mask. Both end in a `Segmentation`; nothing is imported in silence that is not a pelvis.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from game.patient.errors import PatientError
from game.patient.importing.volumes import Volume, label_names, read_volume
from game.patient.patient import Structure
from game.patient.segmentation import Segmentation
from game.patient.soft_tissue import body_of, tissue_of_hounsfield, tissue_of_muscles

# TotalSegmentator v2 `total` numbering, facts/anatomy.md; S1 (26) belongs to the sacrum.
TOTAL: Mapping[str, int] = {
    "sacrum": 25,
    "vertebrae_S1": 26,
    "vertebrae_L5": 27,
    "vertebrae_L4": 28,
    "vertebrae_L3": 29,
    "vertebrae_L2": 30,
    "vertebrae_L1": 31,
    "vertebrae_T12": 32,
    "vertebrae_T11": 33,
    "femur_left": 75,
    "femur_right": 76,
    "hip_left": 77,
    "hip_right": 78,
}
_STRUCTURE_OF_NAME: Mapping[str, Structure] = {
    "sacrum": Structure.SACRUM,
    "vertebrae_S1": Structure.SACRUM,
    "vertebrae_L5": Structure.L5,
    "femur_left": Structure.FEMUR_LEFT,
    "femur_right": Structure.FEMUR_RIGHT,
    "hip_left": Structure.HIP_LEFT,
    "hip_right": Structure.HIP_RIGHT,
}
# Pelvic label maps (their README): 1 hip bones, 2 femora, 3 sacrum, 4 lumbar spine, 5-28 muscles.
_HIPS, _FEMORA, _SACRUM, _SPINE, _LAST_MUSCLE = 1, 2, 3, 4, 28
METAL_HU = 1800  # project choice: the real CT's bone ends at 1262 HU at 3 mm, its nail begins here
HOUNSFIELD = (-1024, 3071)  # 12-bit CT; values beyond are set to these ends
LEAST_SACRUM_ML = 60.0  # project choice: a third of a small real sacrum (facts: 197.6 cm3)
LEAST_HIP_ML = 60.0  # project choice, the same for one hip bone


def read_segmentation(folder: Path) -> Segmentation:
    """The anatomy in `folder`; scanner LPS mm, axes LPS.

    Raises PatientError (one line) where the folder or a file is missing, damaged or no pelvis.
    """
    if not folder.is_dir():
        raise PatientError(f"{folder}: there is no such folder")
    if (folder / "label.mhd").is_file():
        return _from_labels(folder)
    niftis = sorted(p for p in folder.iterdir() if p.name.endswith((".nii", ".nii.gz")))
    if niftis:
        return _from_ct(folder, niftis)
    raise PatientError(
        f"{folder}: has no label map; needed: label.mhd with mask.mhd, or a CT and a "
        "TotalSegmentator v2 label map as .nii.gz"
    )


def _from_labels(folder: Path) -> Segmentation:
    label, mask = read_volume(folder / "label.mhd"), read_volume(folder / "mask.mhd")
    _demand_same_grid(label, mask)
    labels = _integers(label)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > _LAST_MUSCLE:
        raise PatientError(f"label.mhd: labels run from {low} to {high}; allowed: 0 to 28")
    for name, code in (("sacrum", _SACRUM), ("hip bones", _HIPS), ("lumbar spine", _SPINE)):
        if not np.any(labels == code):
            raise PatientError(f"label.mhd: no {name} (label {code}) in the label map")
    inside = _integers(mask) != 0
    bones = (labels >= _HIPS) & (labels <= _SPINE)
    muscles = labels > _SPINE
    structures = tissue_of_muscles(inside | bones | muscles, muscles, bones, label.spacing)
    structures[labels == _SACRUM] = Structure.SACRUM
    structures[labels == _SPINE] = Structure.SPINE
    left = _left_of_midline(labels, label.origin[0], label.spacing[0])
    for code, left_code, right_code in (
        (_HIPS, Structure.HIP_LEFT, Structure.HIP_RIGHT),
        (_FEMORA, Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT),
    ):
        mine = labels == code
        structures[mine & left] = left_code
        structures[mine & ~left] = right_code
    notes = ("left and right are told apart by the side of the midline",)
    made = Segmentation(
        folder.name, "labels", label.origin, label.spacing, structures, None, {}, notes
    )
    _demand_pelvis(made)
    return made


def _from_ct(folder: Path, paths: list[Path]) -> Segmentation:
    label, ct = _label_and_ct(folder, [read_volume(path) for path in paths])
    _demand_same_grid(ct, label)
    labels = _integers(label)
    codes = _codes(label.path, labels)
    hounsfield = np.clip(ct.values, *HOUNSFIELD).astype(np.int16)
    structures = tissue_of_hounsfield(hounsfield, body_of(hounsfield, ct.spacing))
    lookup = np.zeros(int(labels.max()) + 1, np.uint8)
    for name, code in codes.items():
        if code < len(lookup):
            lookup[code] = _STRUCTURE_OF_NAME.get(name, Structure.SPINE)
    bones = lookup[labels]
    structures[bones > 0] = bones[bones > 0]
    structures[hounsfield > METAL_HU] = Structure.METAL
    made = Segmentation(
        folder.name, "ct", ct.origin, ct.spacing, structures, hounsfield, {}, _ct_notes(ct)
    )
    _demand_pelvis(made)
    return made


def _ct_notes(ct: Volume) -> tuple[str, ...]:
    low, high = HOUNSFIELD
    beyond = int(((ct.values < low) | (ct.values > high)).sum())
    clipped = f"{beyond} voxels of the CT beyond {low} to {high} HU were set to these ends"
    return (clipped,) if beyond else ()


def _label_and_ct(folder: Path, volumes: list[Volume]) -> tuple[Volume, Volume]:
    """The label map (named labels, else no negative values) and the CT among a folder's files."""
    named = [v for v in volumes if label_names(v.path)]
    maps = named or [v for v in volumes if v.values.min() >= 0 and v.values.max() <= 255]
    rest = [v for v in volumes if not any(v is other for other in maps)]
    if len(maps) != 1 or len(rest) != 1:
        names = ", ".join(v.path.name for v in volumes)
        raise PatientError(
            f"{folder}: has {len(maps)} label map(s) and {len(rest)} CT(s) among {names}; "
            "one of each is needed"
        )
    return maps[0], rest[0]


def _codes(path: Path, labels: NDArray[Any]) -> Mapping[str, int]:
    """Label values by TotalSegmentator name, from the file's own names or v2's numbering."""
    names = label_names(path)
    found = {n: c for n, c in names.items() if n in TOTAL} if names else dict(TOTAL)
    present = set(np.unique(labels).tolist())
    for name in ("sacrum", "hip_left", "hip_right", "vertebrae_L5"):
        if found.get(name) not in present:
            number = found.get(name, TOTAL[name])
            raise PatientError(
                f"{path.name}: no {name} (label {number}) in the label map; "
                "TotalSegmentator v2 `total` is needed"
            )
    return found


def _integers(volume: Volume) -> NDArray[Any]:
    if volume.values.dtype.kind not in "iu":
        kind = volume.values.dtype
        raise PatientError(f"{volume.path.name}: voxels are {kind}; whole numbers are needed")
    return volume.values


def _demand_same_grid(one: Volume, other: Volume) -> None:
    if not one.same_grid(other):
        raise PatientError(
            f"{one.path.name} and {other.path.name} lie on different grids: {one.grid_text()}; "
            f"{other.grid_text()}"
        )


def _left_of_midline(labels: NDArray[Any], origin: float, step: float) -> NDArray[np.bool_]:
    """Voxels (nx, ny, 1) on +x of the midsagittal line through the centres of sacrum and hips.

    The line may be turned about z: sacrum and hip bones have their centres on it."""
    ends = []
    for code in (_SACRUM, _HIPS):
        weight = np.count_nonzero(labels == code, axis=2)
        middle_x, middle_y = ndimage.center_of_mass(weight)
        ends.append((float(middle_x), float(middle_y)))
    (x0, y0), (x1, y1) = ends
    slope = (x1 - x0) / (y1 - y0) if abs(y1 - y0) > 20 else 0.0
    x = np.arange(labels.shape[0])[:, None, None]
    y = np.arange(labels.shape[1])[None, :, None]
    left: NDArray[np.bool_] = x > x0 + slope * (y - y0)
    return left


def _demand_pelvis(made: Segmentation) -> None:
    """Gross sanity: enough bone of each kind, and the patient the right way round."""
    centre = {}
    for code, least in (
        (Structure.SACRUM, LEAST_SACRUM_ML),
        (Structure.HIP_LEFT, LEAST_HIP_ML),
        (Structure.HIP_RIGHT, LEAST_HIP_ML),
        (Structure.L5, 0.0),
        (Structure.SPINE, 0.0),
    ):
        mine = made.structures == code
        volume = np.count_nonzero(mine) * float(np.prod(made.spacing)) / 1000.0
        if volume < least:
            raise PatientError(
                f"{made.name}: {code.name.lower()} has {volume:.1f} mL; at least {least:g} mL"
            )
        if volume > 0:
            centre[code] = np.array(ndimage.center_of_mass(mine)) * made.spacing + made.origin
    hips = (centre[Structure.HIP_LEFT] + centre[Structure.HIP_RIGHT]) / 2.0
    sacrum = centre[Structure.SACRUM]
    spine = centre.get(Structure.L5, centre.get(Structure.SPINE, sacrum))
    across = centre[Structure.HIP_LEFT][0] - centre[Structure.HIP_RIGHT][0]
    for name, value, way in (
        ("sacrum", sacrum[1] - hips[1], "posterior to the hip bones (+y)"),
        ("spine", spine[2] - sacrum[2], "cranial to the sacrum (+z)"),
        ("left hip bone", across, "on the patient's left (+x) of the right one"),
    ):
        if not value > 0:
            raise PatientError(f"{made.name}: {name} lies {value:.0f} mm {way}; must be above 0")
