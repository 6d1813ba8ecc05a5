"""Labels of any source as `Structure` codes, and with a CT or without one as a `Segmentation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from game.patient.errors import PatientError
from game.patient.importing.names import NAMES, is_vessel, parts_of
from game.patient.importing.outline import drawn_body
from game.patient.importing.volumes import Volume, label_names, read_volume
from game.patient.patient import Structure
from game.patient.segmentation import Segmentation
from game.patient.soft_tissue import body_of, tissue_of_hounsfield, tissue_of_muscles

METAL_HU = 1800  # project choice: the real CT's bone ends at 1262 HU at 3 mm, its nail begins here
HOUNSFIELD = (-1024, 3071)  # 12-bit CT; values beyond are set to these ends
MOST_LABEL = 65_535  # project choice
MOST_CLASSES = 256  # different values of a label map; project choice: a CT has more
_PAIRS = (
    (Structure.HIP_LEFT, Structure.HIP_RIGHT),
    (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT),
)
BONES = (
    Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT, Structure.L5, Structure.SPINE,
    Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT,
)  # fmt: skip
_BONE_PARTS = tuple((code,) for code in BONES)


@dataclass(frozen=True, eq=False)
class Labels:
    """A label map: `volume` has `Structure` codes for values, AIR where nothing is labelled; `body`
    [x, y, z] is True inside the skin where the source says so. `pairs` are the left structures
    whose label stands for both sides."""

    volume: Volume
    pairs: frozenset[Structure] = frozenset()
    body: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()


def labels_of(volume: Volume, names: Mapping[int, str], note: str) -> Labels:
    """The map in `volume`, whose values stand for `names`.

    Raises PatientError for values that are no whole numbers from 0 to 65535, and where a bone that
    is needed has none."""
    values = _whole(volume)
    present = np.flatnonzero(_seen(values))
    size = int(present[-1]) + 1
    lookup = np.zeros(size, np.uint8)
    pairs, found = set[Structure](), set[Structure]()
    for code in (int(c) for c in present if c in names):
        parts = parts_of(names[code]) or ()
        found |= set(parts)
        if parts and parts != NAMES["body"]:
            lookup[code] = parts[0]
        if len(parts) == 2:
            pairs.add(parts[0])
    _demand(volume.path.name, found, names)
    body = values > 0 if Structure.FAT in found else None
    told = {names[c] for c in present.tolist() if c in names}
    notes = (note, *_vessels(told))
    return Labels(replace(volume, values=lookup[values]), frozenset(pairs), body, notes)


def one_class(files: Mapping[Path, str]) -> Labels:
    """The map of volume files that each hold one class (above 0), by name; bones win over soft
    tissue. One file is in memory at a time.

    Raises PatientError where their grids differ, or a bone that is needed is missing."""
    first: Volume | None = None
    codes, body = np.empty(0, np.uint8), None
    pairs, found = set[Structure](), set[Structure]()
    soft_first = sorted(files, key=lambda path: (parts_of(files[path]) or ())[:1] in _BONE_PARTS)
    for path in soft_first:
        volume, parts = read_volume(path), parts_of(files[path]) or ()
        if first is None:
            codes = np.zeros(volume.values.shape, np.uint8)
            first = replace(volume, values=codes)
        demand_same_grid(first, volume)
        if _seen(_whole(volume))[1:].sum() > 1:
            raise PatientError(f"{path.name}: holds several labels; a file of one class holds one")
        mine = volume.values > 0
        if not mine.any():
            continue
        found |= set(parts)
        if parts == NAMES["body"]:
            body = mine if body is None else body | mine
        else:
            codes[mine] = parts[0]
        if len(parts) == 2:
            pairs.add(parts[0])
    if first is None:
        raise PatientError("there is no file of one class")
    _demand(first.path.parent.name, found, {})
    notes = ("one file per class, labels by the files' names", *_vessels(set(files.values())))
    return Labels(first, frozenset(pairs), body, notes)


def is_map(volume: Volume) -> bool:
    """Whether a volume holds labels: its file names them, or it has few values, all whole numbers
    from 0 up; a CT has air below 0."""
    if label_names(volume.path):
        return True
    values = volume.values
    if not (values.min() >= 0 and values.max() <= MOST_LABEL):
        return False
    whole = values.dtype.kind in "iu" or bool(np.all(values == np.rint(values)))
    return whole and int(_seen(values.astype(np.uint16)).sum()) <= MOST_CLASSES


def _seen(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each whole number from 0 to MOST_LABEL stands in `values` (65536,)."""
    seen = np.zeros(MOST_LABEL + 1, bool)
    for layer in values:
        seen[layer] = True
    return seen


def _whole(volume: Volume) -> NDArray[Any]:
    if volume.values.dtype.kind not in "iu":
        kind = volume.values.dtype
        raise PatientError(f"{volume.path.name}: voxels are {kind}; whole numbers are needed")
    low, high = int(volume.values.min()), int(volume.values.max())
    if low < 0 or high > MOST_LABEL:
        raise PatientError(
            f"{volume.path.name}: labels run from {low} to {high}; allowed: 0 to {MOST_LABEL}"
        )
    return volume.values


def _demand(name: str, found: set[Structure], names: Mapping[int, str]) -> None:
    for structure in (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT):
        if structure not in found:
            codes = [c for c, text in names.items() if structure in (parts_of(text) or ())]
            where = f" (label {codes[0]})" if codes else ""
            bone = structure.name.lower().replace("_", " ")
            raise PatientError(f"{name}: there is no {bone}{where} in the label map")


def _vessels(names: set[str]) -> tuple[str, ...]:
    vessels = sorted(name for name in names if is_vessel(name))
    return (f"labelled vessels count as soft tissue: {', '.join(vessels)}",) if vessels else ()


def demand_same_grid(one: Volume, other: Volume) -> None:
    """Raises PatientError where two volumes lie on different grids."""
    if not one.same_grid(other):
        raise PatientError(
            f"{one.path.name} and {other.path.name} lie on different grids: {one.grid_text()}; "
            f"{other.grid_text()}"
        )


def segmentation_of(name: str, labels: Labels, ct: Volume | None) -> Segmentation:
    """The segmentation of a label map, with the CT that it was drawn on or without one.

    Raises PatientError where their grids differ."""
    notes = labels.notes + turn_notes(labels.volume)
    straight = labels.volume.straight(0, 0)
    structures = straight.values.copy()
    notes += _told_apart(structures, labels.pairs)
    if ct is not None:
        demand_same_grid(ct, labels.volume)
        hounsfield, more = hounsfield_of(ct)
        return with_ct(name, straight, structures, hounsfield, notes + more)
    body = None
    if labels.body is not None:
        body = replace(labels.volume, values=labels.body.astype(np.uint8)).straight(0, 0).values > 0
    return without_ct(name, straight, structures, body, notes)


def hounsfield_of(ct: Volume) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """A CT's values on straight axes, within 12 bits, and a note where some were beyond."""
    low, high = HOUNSFIELD
    if not np.all(np.isfinite(ct.values)):
        raise PatientError(f"{ct.path.name}: has voxels that are not finite")
    beyond = int(((ct.values < low) | (ct.values > high)).sum())
    values = np.clip(ct.values, low, high).astype(np.int16)
    note = f"{beyond} voxels of the CT beyond {low} to {high} HU were set to these ends"
    return replace(ct, values=values).straight(1, low).values, (note,) if beyond else ()


def with_ct(
    name: str,
    grid: Volume,
    bones: NDArray[np.uint8],
    hounsfield: NDArray[np.int16],
    notes: tuple[str, ...],
) -> Segmentation:
    """A segmentation whose soft tissue is told by density, on `grid`'s straight axes."""
    structures = tissue_of_hounsfield(hounsfield, body_of(hounsfield, grid.spacing))
    hard = (bones != Structure.AIR) & (bones != Structure.MUSCLE)
    structures[hard] = bones[hard]
    structures[hounsfield > METAL_HU] = Structure.METAL
    return Segmentation(name, "ct", grid.origin, grid.spacing, structures, hounsfield, {}, notes)


def without_ct(
    name: str,
    grid: Volume,
    codes: NDArray[np.uint8],
    body: NDArray[np.bool_] | None,
    notes: tuple[str, ...],
) -> Segmentation:
    """A segmentation of labels alone; where no skin is given one is drawn around the bones."""
    origin = grid.origin
    if body is None:
        codes, body, origin = drawn_body(codes, grid.spacing, origin)
        notes += ("no CT and no body in the source: skin and fat are drawn around the bones",)
    bones, muscles = np.isin(codes, BONES), codes == Structure.MUSCLE
    structures = tissue_of_muscles(body | bones | muscles, muscles, bones, grid.spacing)
    hard = bones | (codes == Structure.DISC)
    structures[hard] = codes[hard]
    return Segmentation(name, "labels", origin, grid.spacing, structures, None, {}, notes)


def turn_notes(volume: Volume) -> tuple[str, ...]:
    """A note where a volume's axes were straightened."""
    if np.array_equal(volume.direction, np.eye(3)):
        return ()
    return (
        f"the scan's axes lay {volume.turn_deg:.1f} deg oblique; it was resampled to the patient's",
    )


def _told_apart(structures: NDArray[np.uint8], pairs: frozenset[Structure]) -> tuple[str, ...]:
    """Gives the right half of both-sided labels its own code, in place, and says so."""
    if not pairs:
        return ()
    hips = np.isin(structures, _PAIRS[0])
    left = _left_of_midline(structures == Structure.SACRUM, hips)
    for left_code, right_code in _PAIRS:
        if left_code in pairs:
            structures[(structures == left_code) & ~left] = right_code
    return (
        "left and right are told apart by the side of the midline: no label names a side, so the "
        "patient's side is unverified",
    )


def _left_of_midline(sacrum: NDArray[np.bool_], hips: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels (nx, ny, 1) on +x of the midsagittal line through the centres of sacrum and hips.

    The line may be turned about z: sacrum and hip bones have their centres on it."""
    (x0, y0), (x1, y1) = (
        ndimage.center_of_mass(np.count_nonzero(bone, axis=2)) for bone in (sacrum, hips)
    )
    slope = (x1 - x0) / (y1 - y0) if abs(y1 - y0) > 20 else 0.0
    x = np.arange(sacrum.shape[0])[:, None, None]
    y = np.arange(sacrum.shape[1])[None, :, None]
    left: NDArray[np.bool_] = x > x0 + slope * (y - y0)
    return left
