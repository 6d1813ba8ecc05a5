"""The landmarks that the model knows by construction, in patient LPS mm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from game.patient.patient import Landmark
from game.patient.procedural.bent import Bent
from game.patient.procedural.hips import blade_point
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.sacral_landmarks import sacral_landmarks

PSIS = (29.0, -15.0)  # (q, z) on the hip's blade: where its outline lies furthest back, and
PIIS = (15.0, -45.0)  # where it turns forwards to the greater sciatic notch


def sides(parameters: Parameters) -> tuple[float, float]:
    """Stretch across of the left and the right half against the model."""
    whole = parameters.size * parameters.breadth
    ratio = parameters.left_breadth
    return whole * 2 * ratio / (1 + ratio), whole * 2 / (1 + ratio)


def landmarks(parameters: Parameters, bent: Bent) -> Mapping[str, Landmark]:
    """Name to landmark (3,) of one individual: the sacrum's and the hips'."""
    model = {}
    for sign, side in ((1, "left"), (-1, "right")):
        model[f"psis_{side}"] = blade_point(parameters, *PSIS) * [sign, 1, 1]
        model[f"piis_{side}"] = blade_point(parameters, *PIIS) * [sign, 1, 1]
    hips = {name: Landmark(_to_patient(parameters, at)) for name, at in model.items()}
    return {**sacral_landmarks(parameters, bent), **hips}


def _to_patient(parameters: Parameters, point: NDArray[Any]) -> NDArray[np.float64]:
    left, right = sides(parameters)
    across = left if point[0] > 0 else right
    return point * np.array([across, parameters.size, parameters.size])
