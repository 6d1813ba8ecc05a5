"""A CT without labels: bone by density, parted by the fitted parametric pelvis.

Cruder than labels: joints are where the model has them, to some mm. It is said in the notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.importing.fit import (
    ENDPLATE,
    FROM_MODEL,
    SURE_MM,
    demand_fit,
    landmarks_by,
)
from game.patient.importing.fit import turn_notes as pose_notes
from game.patient.importing.labels import hounsfield_of, turn_notes, with_ct
from game.patient.importing.model import COARSE, FITTED, Apart, Pose, fitted, model, refitted
from game.patient.importing.sanity import checked
from game.patient.importing.volumes import Volume
from game.patient.landmarks import find_landmarks
from game.patient.patient import Structure
from game.patient.resample import bones_of, levels_of
from game.patient.segmentation import Segmentation
from game.patient.soft_tissue import body_of

BONE_HU = 140  # cortex is above in osteoporosis too, soft tissue below; project choice
STEP_MM = 3.0  # bone is fitted and parted on a grid of about this step; project choice
HOLE_MM2 = 1500.0  # marrow or canal in a slice is filled, the pelvic ring is not; project choice
NEAR_MM, DEEP_MM = 7.0, 3.0  # from the model: dense voxels are its bone, any voxels are; project
# choice
FAR_MM = 40.0  # distances beyond are alike
CLOSED_MM = 9.0  # gaps in a bone's dense voxels that are marrow; project choice
STARTS_MM, BEST = 20.0, 3  # between the heights that the model is tried at; how many are fitted
COLUMN = (Structure.SACRUM, Structure.L5, Structure.SPINE)
_PARTS = (
    *COLUMN, Structure.HIP_LEFT, Structure.HIP_RIGHT, Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT
)  # fmt: skip


def parted_by_model(name: str, ct: Volume) -> Segmentation:
    """The segmentation of a CT alone; PatientError where the model does not fit its bone."""
    hounsfield, notes = hounsfield_of(ct)
    straight = ct.straight(1, -1024.0)
    body = body_of(hounsfield, straight.spacing)
    skip = [max(1, round(STEP_MM / s)) for s in straight.spacing]
    dense = (hounsfield > BONE_HU) & body
    step = np.array(skip) * straight.spacing
    coarse = _filled(dense[:: skip[0], :: skip[1], :: skip[2]], step)
    if np.count_nonzero(coarse) * np.prod(step) < 200_000.0:
        raise PatientError(
            f"{name}: has below 200 mL above {BONE_HU} HU; a CT of a pelvis has more"
        )
    pose, column = _placed(coarse, np.array(straight.origin), step)
    demand_fit(name, pose)
    codes = _parted(coarse.shape, np.array(straight.origin), step, pose, column)
    bones = _on_voxels(*codes, coarse, dense, skip)
    _solid(bones, np.array(straight.spacing))
    notes = (
        *turn_notes(ct),
        *pose_notes(pose),
        *notes,
        f"no labels: bone is what is above {BONE_HU} HU, parted by the parametric pelvis, which "
        f"fits within {pose.error:.1f} mm (median; worst tenth {pose.worst:.1f} mm)",
        "bone that the parametric pelvis lacks, the upper spine and the femora's shafts, is not "
        "told from soft tissue",
        "no label names a side: the patient's side is as the scan's axes say, unverified",
    )
    made = checked(with_ct(name, straight, bones, hounsfield, notes))
    return doubted(replace(made, known=landmarks_by(column, (*FROM_MODEL, *ENDPLATE))), pose)


def doubted(made: Segmentation, pose: Pose) -> Segmentation:
    """`made` with the landmarks found in it, all marked estimated: where the model parted the bone
    they are no better than its fit."""
    found = find_landmarks(bones_of(made, levels_of(made)), made.known)
    least = SURE_MM + pose.error
    known = {
        name: replace(mark, estimated=True, uncertainty_mm=max(mark.uncertainty_mm, least))
        for name, mark in found.items()
    }
    return replace(made, known=known)


def _filled(dense: NDArray[np.bool_], step: FloatArray) -> NDArray[np.bool_]:
    """Bone with its marrow: small gaps closed, small holes of each slice filled, specks gone."""
    padded = np.pad(dense, 2)
    closed = ndimage.binary_closing(padded, ndimage.generate_binary_structure(3, 1), 1)
    for k in range(closed.shape[2]):
        holes, _ = ndimage.label(~closed[:, :, k])
        size = np.bincount(holes.ravel()) * step[0] * step[1]
        closed[:, :, k] |= (size < HOLE_MM2)[holes] & (holes > 0)
    parts, _ = ndimage.label(closed)
    size = np.bincount(parts.ravel()) * float(np.prod(step)) / 1000.0
    size[0] = 0.0
    filled: NDArray[np.bool_] = (size > 20.0)[parts][2:-2, 2:-2, 2:-2]
    return filled


def _placed(bone: NDArray[np.bool_], origin: FloatArray, step: FloatArray) -> tuple[Pose, Pose]:
    """The model's pose in `bone` [x, y, z], tried at many heights and fitted at the best; and that
    of its sacrum and spine."""
    edge = bone ^ ndimage.binary_erosion(bone)
    away = ndimage.distance_transform_edt(~edge, sampling=step).astype(np.float32)

    def apart(code: Structure, points: FloatArray) -> FloatArray:
        index = (points - origin) / step
        values = ndimage.map_coordinates(away, index.T, order=1, mode="nearest")
        last = np.array(bone.shape) - 1
        beyond = np.maximum(np.maximum(-index, index - last), 0.0) * step
        return np.minimum(values + np.linalg.norm(beyond, axis=1), FAR_MM)

    starts = sorted(_starts(bone, origin, step), key=lambda at: _misfit(apart, at))
    pose = min((fitted(apart, at) for at in starts[:BEST]), key=lambda pose: pose.error)
    return pose, refitted(apart, pose, COLUMN[:2])


def _starts(bone: NDArray[np.bool_], origin: FloatArray, step: FloatArray) -> Iterator[FloatArray]:
    """Places (3,) for the model's middle: the middle of the bone around each height."""
    size = int(100.0 / step[2])
    for k in range(0, bone.shape[2], max(1, int(STARTS_MM / step[2]))):
        slab = bone[:, :, max(0, k - size // 2) : k + size // 2]
        if slab.any():
            at = [np.flatnonzero(slab.any(axis=axes)) for axes in ((1, 2), (0, 2))]
            x, y = (0.5 * (ends[0] + ends[-1]) for ends in at)
            yield origin + step * [x, y, k]


def _misfit(apart: Apart, middle: FloatArray) -> float:
    template = model()
    points = [template.surfaces[code][::COARSE] for code in FITTED]
    centre = np.mean([part.mean(axis=0) for part in points], axis=0)
    return float(
        np.mean([apart(c, p - centre + middle).mean() for c, p in zip(FITTED, points, strict=True)])
    )


def _parted(
    shape: tuple[int, ...], origin: FloatArray, step: FloatArray, pose: Pose, column: Pose
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The model's nearest bone at each voxel of a coarse grid, and its signed distance, mm."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1).reshape(-1, 3)
    at = {False: pose.to_model(index * step + origin), True: column.to_model(index * step + origin)}
    code, least = np.zeros(len(index), np.uint8), np.full(len(index), 1e3, np.float32)
    for part in _PARTS:
        if part in model().levels:
            away = model().distance(part, at[part in COLUMN])
            nearer = away < least
            code[nearer], least[nearer] = part, away[nearer]
    return code.reshape(shape), least.reshape(shape)


def _on_voxels(
    code: NDArray[np.uint8],
    away: NDArray[np.float32],
    filled: NDArray[np.bool_],
    dense: NDArray[np.bool_],
    skip: list[int],
) -> NDArray[np.uint8]:
    """The bones' codes at the scan's own voxels: dense ones and their marrow (`filled`, of the
    coarse grid) near the model's bone, and all deep in it."""
    codes = np.zeros(dense.shape, np.uint8)
    take = np.ix_(
        *[
            np.minimum((np.arange(n) + k // 2) // k, m - 1)
            for n, k, m in zip(dense.shape, skip, filled.shape, strict=True)
        ]
    )
    code, away = code[take], away[take]
    marrow = ndimage.binary_erosion(filled)[take]
    mine = ((dense | marrow) & (away < NEAR_MM)) | (away < -DEEP_MM)
    codes[mine] = code[mine]
    return codes


def _solid(codes: NDArray[np.uint8], spacing: FloatArray) -> None:
    """Closes each bone's gaps up to CLOSED_MM and fills its holes in the slices of all three
    planes, in place: thin marrow is no denser than muscle. Canal and foramina close with it; they
    are opened again where landmarks put them."""
    rounds = max(1, round(CLOSED_MM / 2.0 / float(spacing.max())))
    for part, box in enumerate(ndimage.find_objects(codes), start=1):
        if box is None or part == Structure.METAL:
            continue
        mine = np.pad(codes[box] == part, rounds + 1)
        mine = ndimage.binary_closing(mine, iterations=rounds)
        for axis in range(3):
            layers = np.moveaxis(mine, axis, 0)
            for layer in layers:
                layer[...] = ndimage.binary_fill_holes(layer)
        inner = (slice(rounds + 1, -rounds - 1),) * 3
        here = codes[box]
        here[mine[inner] & (here == 0)] = part
