"""The parametric pelvis fitted to labelled bones: its error, and what the source lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray
from game.patient.distance import surface_points
from game.patient.errors import PatientError
from game.patient.importing.model import FITTED, Pose, fitted, model, settled
from game.patient.patient import Landmark, Structure
from game.patient.resample import levels_of
from game.patient.segmentation import Segmentation

MOST_ERROR_MM = 6.0  # median; twice what real sacra differ from one another (2.96 mm, facts)
FROM_MODEL = ("sacrum_caudal", "hiatus_apex")  # no label shows them
ENDPLATE = ("s1_endplate_centre", "s1_posterior_corner", "promontory")  # where there is no spine:
# the outline of both shows the endplate
POINTS = 3000  # of each bone's surface; project choice
SURE_MM = 6.0  # added to the fit's error as a fitted landmark's uncertainty; project choice


def with_model(made: Segmentation) -> Segmentation:
    """`made` with L5 drawn where it has no spine, landmarks that no label shows, and a note on how
    well the parametric pelvis fits it.

    Raises PatientError where the fit is bad: it is no pelvis, or its parts are mislabelled."""
    pose, sacrum = fitted_to(made)
    notes: tuple[str, ...] = (
        *made.notes,
        f"the parametric pelvis fits its bones within {pose.error:.1f} mm (median; worst tenth "
        f"{pose.worst:.1f} mm)",
    )
    structures = made.structures
    names: tuple[str, ...] = FROM_MODEL
    if not np.isin((Structure.L5, Structure.SPINE), structures).any():
        structures = structures.copy()
        _draw(structures, made, sacrum, Structure.L5)
        names = (*names, *ENDPLATE)
        notes += ("L5 is not in the source: it is the parametric one, as fitted",)
    known = {**landmarks_by(sacrum, names), **made.known}
    return replace(made, structures=structures, known=known, notes=notes)


def fitted_to(made: Segmentation) -> tuple[Pose, Pose]:
    """The poses of the model and of its sacrum alone in a labelled pelvis; PatientError where the
    fit is bad."""
    levels = levels_of(made)
    points = {}
    for code in FITTED:
        feet, _ = surface_points(levels[code].distance, made.spacing)
        points[code] = feet[:: max(1, len(feet) // POINTS)] + levels[code].box(made)[0]
    trees = {code: cKDTree(some) for code, some in points.items()}

    def apart(code: Structure, places: FloatArray) -> FloatArray:
        return np.minimum(trees[code].query(places)[0], 40.0)

    start = fitted(apart, np.mean([some.mean(axis=0) for some in points.values()], axis=0))
    pose = settled(points, start)
    demand_fit(made.name, pose)
    return pose, settled({Structure.SACRUM: points[Structure.SACRUM]}, pose)


def demand_fit(name: str, pose: Pose) -> None:
    """Raises PatientError where the model does not fit."""
    if not pose.error <= MOST_ERROR_MM:
        raise PatientError(
            f"{name}: the parametric pelvis lies {pose.error:.1f} mm (median) off its bones; at "
            f"most {MOST_ERROR_MM:g} mm: it is no pelvis, not whole, or its labels are mixed up"
        )


def landmarks_by(pose: Pose, names: tuple[str, ...] = FROM_MODEL) -> Mapping[str, Landmark]:
    """The model's landmarks whose names begin with one of `names`, in the patient, estimated."""
    return {
        name: Landmark(pose.to_patient(mark.point[None])[0], True, SURE_MM + pose.error)
        for name, mark in model().landmarks.items()
        if name.startswith(names)
    }


def _draw(structures: NDArray[np.uint8], made: Segmentation, pose: Pose, code: Structure) -> None:
    """Writes one of the model's bones where there is no bone yet, in place."""
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
