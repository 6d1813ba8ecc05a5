"""The parametric pelvis fitted to a patient's bones: pose, and stretch along its own three axes.

Robust least squares over the distances of its surface points to the patient's; it stands in for
bones that a source lacks, parts a CT without labels, and says by its error if this is a pelvis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from game.geometry.grid import FloatArray
from game.patient.distance import surface_points
from game.patient.patient import Landmark, Structure
from game.patient.procedural import procedural
from game.patient.resample import levels_of
from game.patient.segmentation import Level, Segmentation
from game.patient.traits import Traits

MODEL_MM = 2.0  # voxels of the model; project choice: its surface is smooth
POINTS = 3000  # of each bone's surface, the model's and the patient's alike, so that neither counts
# more; project choice: with 700 of the model's a landmark at a bone's end moved by 1.75 mm
COARSE = 4  # every so manyth of the model's until the pose is near; project choice
FITTED = (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT)
STRETCH_SD = 0.12  # of a stretch, as a logarithm: sacra differ by 5-9 % (facts), people by more
PRIOR_MM = 8.0  # weight of that against the points' distances; project choice
CUT_MM = 8.0  # beyond, a place of the model counts as one that the patient lacks; project choice
TURN_UNIT = 0.01  # radians per unit of a parameter, so that one moves points as one of shift does

Apart = Callable[[Structure, FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Model:
    """The template: its segmentation, each bone's smoothed distance, surface points (n, 3), and
    landmarks, all in its own LPS mm."""

    segmentation: Segmentation
    levels: Mapping[Structure, Level]
    surfaces: Mapping[Structure, FloatArray]
    landmarks: Mapping[str, Landmark]

    def distance(self, code: Structure, points: FloatArray) -> FloatArray:
        """Signed distance (n,) of points (n, 3) to one bone, mm; beyond its box the edge's."""
        return distance_to(self.levels[code], self.segmentation, points)


def distance_to(level: Level, source: Segmentation, points: FloatArray) -> FloatArray:
    """Signed distance (n,) of LPS points (n, 3) to a structure of `source`, mm; beyond the box of
    its `level` the edge's, and the way there."""
    low, _ = level.box(source)
    index = (points - low) / source.spacing
    value = map_coordinates(level.distance, index.T, order=1, mode="nearest")
    beyond = np.maximum(np.maximum(-index, index - np.array(level.distance.shape) + 1), 0.0)
    return np.asarray(value + np.linalg.norm(beyond * source.spacing, axis=1))


@cache
def model() -> Model:
    """The parametric pelvis that everything is fitted with: the one place that makes it."""
    made = replace(procedural(Traits(template=True), MODEL_MM), solids=None)
    levels = levels_of(made)
    surfaces = {}
    for code, level in levels.items():
        points = surface_points(level.distance, made.spacing)[0] + level.box(made)[0]
        surfaces[code] = points[:: max(1, len(points) // POINTS)]
    return Model(made, levels, surfaces, made.known)


@dataclass(frozen=True, eq=False)
class Pose:
    """patient = `middle` + `turn` @ (stretch * (model - `centre`)); `error` is the median distance
    between the fitted surfaces, mm, `worst` that of the worst tenth."""

    centre: FloatArray
    stretch: FloatArray
    turn: FloatArray
    middle: FloatArray
    error: float = float("inf")
    worst: float = float("inf")

    @property
    def turn_deg(self) -> float:
        """How far the patient is turned against the model, degrees, about whatever axis."""
        return float(np.degrees(Rotation.from_matrix(self.turn).magnitude()))

    def to_patient(self, points: FloatArray) -> FloatArray:
        """Patient LPS points (n, 3) of model points (n, 3)."""
        return self.middle + ((points - self.centre) * self.stretch) @ self.turn.T

    def to_model(self, points: FloatArray) -> FloatArray:
        """Model points (n, 3) of patient points (n, 3)."""
        return self.centre + ((points - self.middle) @ self.turn) / self.stretch


def fitted(apart: Apart, middle: FloatArray, spread: float = 30.0) -> Pose:
    """The pose whose model surfaces come closest to the patient's: `apart(structure, points)` are
    distances (n,), mm, in the patient; `middle` (3,) is where the model's own middle starts.

    First rigid, then stretched; distances count less beyond a third of `spread` mm, then 2 mm."""
    rigid = Pose(_centre(FITTED), np.ones(3), np.eye(3), middle)
    away = _to_patient(apart, FITTED, COARSE)
    return _moved(away, _moved(away, rigid, spread / 3.0, stretched=False), 2.0, stretched=True)


def refitted(apart: Apart, pose: Pose, structures: tuple[Structure, ...]) -> Pose:
    """`pose` moved and stretched on for some structures alone: a sacrum stands at its own angle
    between its hips."""
    away = _to_patient(apart, structures, COARSE)
    return _moved(away, _about(pose, structures), 1.5, stretched=True)


def settled(points: Mapping[Structure, FloatArray], apart: Apart, pose: Pose) -> Pose:
    """`pose` moved and stretched on until the patient's surface points (n, 3) by structure lie on
    the model's, and the model's on the patient's (`apart`) as far as CUT_MM: what the patient's
    bones lack, cut off by the scan, counts no more than that. Its errors are the patient's."""

    def home(at: Pose) -> FloatArray:
        scale = float(np.cbrt(at.stretch.prod()))
        return np.concatenate(
            [scale * model().distance(code, at.to_model(some)) for code, some in points.items()]
        )

    there = _to_patient(apart, tuple(points))

    def away(at: Pose) -> FloatArray:
        return np.concatenate([home(at), np.minimum(there(at), CUT_MM)])

    best = _moved(away, _about(pose, tuple(points)), 2.0, stretched=True)
    return _judged(best, home(best))


def _centre(structures: tuple[Structure, ...]) -> FloatArray:
    return np.mean([model().surfaces[code].mean(axis=0) for code in structures], axis=0)


def _about(pose: Pose, structures: tuple[Structure, ...]) -> Pose:
    """The same pose, turned and stretched about the middle of some structures."""
    centre = _centre(structures)
    return replace(pose, centre=centre, middle=pose.to_patient(centre[None])[0])


def _to_patient(
    apart: Apart, structures: tuple[Structure, ...], every: int = 1
) -> Callable[[Pose], FloatArray]:
    """How far `every` so manyth point of the model's structures lies from the patient's, mm."""
    surfaces = {code: model().surfaces[code][::every] for code in structures}
    return lambda at: np.concatenate([apart(c, at.to_patient(p)) for c, p in surfaces.items()])


def _moved(
    away: Callable[[Pose], FloatArray], start: Pose, scale: float, *, stretched: bool
) -> Pose:
    """The best pose near `start` by robust least squares over the distances `away`, mm; `scale` is
    where they begin to count less. Stretches are held to 1 by STRETCH_SD."""

    def pose(p: FloatArray) -> Pose:
        turn = Rotation.from_rotvec(TURN_UNIT * p[3:6]).as_matrix() @ start.turn
        stretch = start.stretch * np.exp(TURN_UNIT * p[6:9]) if stretched else start.stretch
        return Pose(start.centre, stretch, turn, start.middle + p[:3])

    def residual(p: FloatArray) -> FloatArray:
        at = pose(p)
        return np.concatenate([away(at), PRIOR_MM * np.log(at.stretch) / STRETCH_SD])

    best = pose(_minimised(residual, np.zeros(9 if stretched else 6), scale))
    return _judged(best, away(best))


def _judged(pose: Pose, apart: FloatArray) -> Pose:
    error, worst = np.quantile(np.abs(apart), (0.5, 0.9))
    return replace(pose, error=float(error), worst=float(worst))


def _minimised(
    residual: Callable[[FloatArray], FloatArray], start: FloatArray, scale: float
) -> FloatArray:
    def slope(p: FloatArray) -> FloatArray:
        steps = 0.5 * np.eye(len(p))
        return np.stack([residual(p + step) - residual(p - step) for step in steps], axis=1)

    found = least_squares(
        residual, start, slope, loss="soft_l1", f_scale=scale, xtol=1e-3, ftol=1e-4, max_nfev=40
    )
    return np.asarray(found.x)
