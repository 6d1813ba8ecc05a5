"""The parametric pelvis fitted to labelled bones: its error, and what the source lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from game.geometry.grid import FloatArray
from game.patient.distance import surface_points
from game.patient.errors import PatientError
from game.patient.importing.model import FITTED, POINTS, Pose, distance_to, fitted, model, settled
from game.patient.landmarks import endplate_landmarks
from game.patient.landmarks.frame import midsagittal, own_frame
from game.patient.patient import Landmark, Structure
from game.patient.resample import bones_of, levels_of
from game.patient.segmentation import Segmentation

MOST_ERROR_MM = 4.5  # median; half as much again as real sacra differ from one another (2.96 mm,
# facts); real pelves come within 2.8 mm
MOST_TURN_DEG = 45.0  # of the patient in the scan; project choice
LEAST_TURN_DEG = 15.0  # that is noted; project choice: standing persons' pelves differ by as much
FROM_MODEL = ("sacrum_caudal", "hiatus_apex")  # no label shows them
ENDPLATE = ("s1_endplate_centre", "s1_posterior_corner", "promontory")
SURE_MM = 6.0  # added to the fit's error as a fitted landmark's uncertainty; project choice


def with_model(made: Segmentation) -> Segmentation:
    """`made` with L5 drawn where it has no spine, landmarks that no label shows, and a note on how
    well the parametric pelvis fits it.

    Raises PatientError where the fit is bad: it is no pelvis, or its parts are mislabelled."""
    pose, sacrum = fitted_to(made)
    notes = (
        *made.notes,
        f"the parametric pelvis fits its bones within {pose.error:.1f} mm (median; worst tenth "
        f"{pose.worst:.1f} mm)",
        *turn_notes(pose),
    )
    fit = replace(made, known={**landmarks_by(sacrum), **made.known}, notes=notes)
    spine = np.isin((Structure.L5, Structure.SPINE), made.structures)
    return fit if spine.any() else _with_l5(fit, sacrum)


def _with_l5(made: Segmentation, pose: Pose) -> Segmentation:
    """`made` with the endplate that the sacrum's own outline shows, and the model's L5 on it."""
    draft = replace(made, structures=_with(made, pose, Structure.L5))
    bones = bones_of(draft, levels_of(draft))
    marks = endplate_landmarks(bones, own_frame(bones, midsagittal(bones)))
    structures = _with(made, _onto(pose, marks), Structure.L5)
    note = "L5 is not in the source: it is the parametric one, laid on the sacrum's endplate"
    known = {**made.known, **marks}
    return replace(made, structures=structures, known=known, notes=(*made.notes, note))


def _onto(pose: Pose, marks: Mapping[str, Landmark]) -> Pose:
    """`pose` turned and moved so that the model's endplate lies on the patient's."""
    corners = ("promontory", "s1_posterior_corner")
    names = (*corners, "s1_endplate_centre")
    there = {n: pose.to_patient(model().landmarks[n].point[None])[0] for n in names}
    here = {n: marks[n].point for n in names}
    left = pose.turn[:, 0]
    chords = [at[corners[1]] - at[corners[0]] for at in (here, there)]
    units = [[chord / np.linalg.norm(chord), left] for chord in chords]
    turn = Rotation.align_vectors(*units)[0].as_matrix()
    middle = here["s1_endplate_centre"] + turn @ (pose.middle - there["s1_endplate_centre"])
    return replace(pose, turn=turn @ pose.turn, middle=middle)


def fitted_to(made: Segmentation) -> tuple[Pose, Pose]:
    """The poses of the model and of its sacrum alone in a labelled pelvis; PatientError where the
    fit is bad."""
    levels = levels_of(replace(made, solids=None))
    points = {}
    for code in FITTED:
        feet, _ = surface_points(levels[code].distance, made.spacing)
        points[code] = feet[:: max(1, len(feet) // POINTS)] + levels[code].box(made)[0]
    trees = {code: cKDTree(some) for code, some in points.items()}

    def apart(code: Structure, places: FloatArray) -> FloatArray:
        return np.minimum(trees[code].query(places)[0], 40.0)

    def off(code: Structure, places: FloatArray) -> FloatArray:
        return distance_to(levels[code], made, places)

    start = fitted(apart, np.mean([some.mean(axis=0) for some in points.values()], axis=0))
    pose = settled(points, off, start)  # near by, off the surface itself: points are mm apart
    demand_fit(made.name, pose)
    return pose, settled({Structure.SACRUM: points[Structure.SACRUM]}, off, pose)


def demand_fit(name: str, pose: Pose) -> None:
    """Raises PatientError where the model does not fit, or fits turned too far."""
    if not pose.error <= MOST_ERROR_MM:
        raise PatientError(
            f"{name}: the parametric pelvis lies {pose.error:.1f} mm (median) off its bones; at "
            f"most {MOST_ERROR_MM:g} mm: it is no pelvis, not whole, or its labels are mixed up"
        )
    if pose.turn_deg > MOST_TURN_DEG:
        raise PatientError(
            f"{name}: the pelvis lies turned by {pose.turn_deg:.0f} deg; at most "
            f"{MOST_TURN_DEG:g} deg"
        )


def turn_notes(pose: Pose) -> tuple[str, ...]:
    """A note where the patient lay turned in the scan."""
    if pose.turn_deg <= LEAST_TURN_DEG:
        return ()
    return (f"the patient lay turned by {pose.turn_deg:.0f} deg in the scan",)


def landmarks_by(pose: Pose, names: tuple[str, ...] = FROM_MODEL) -> Mapping[str, Landmark]:
    """The model's landmarks whose names begin with one of `names`, in the patient, estimated."""
    return {
        name: Landmark(pose.to_patient(mark.point[None])[0], True, SURE_MM + pose.error)
        for name, mark in model().landmarks.items()
        if name.startswith(names)
    }


def _with(made: Segmentation, pose: Pose, code: Structure) -> NDArray[np.uint8]:
    """The structures of `made` with one of the model's bones drawn where there is soft tissue."""
    structures = made.structures.copy()
    points = pose.to_patient(model().surfaces[code])
    step = np.array(made.spacing)
    low = np.clip(((points.min(axis=0) - made.origin) / step).astype(int) - 2, 0, None)
    high = np.minimum(((points.max(axis=0) - made.origin) / step).astype(int) + 3, structures.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1)
    at = (index.reshape(-1, 3) * step + made.origin).astype(float)
    inside = (model().distance(code, pose.to_model(at)) < 0).reshape(index.shape[:3])
    soft = np.isin(structures[box], (Structure.FAT, Structure.MUSCLE, Structure.AIR, Structure.GAS))
    structures[box][inside & soft] = code
    return structures
