"""The landmarks that the model knows by construction, in patient LPS mm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from game.patient.patient import SIDES, Landmark, Side
from game.patient.procedural.bent import Bent
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.pose import Pose
from game.patient.procedural.sacrum import foramen_axis
from game.patient.procedural.solids import profile, relief

ON_HIPS = ("psis", "piis", "asis", "pubic_tubercle")


def sides(parameters: Parameters) -> tuple[float, float]:
    """Stretch across of the left and the right half against the model."""
    whole = parameters.size * parameters.breadth
    ratio = parameters.left_breadth
    return whole * 2 * ratio / (1 + ratio), whole * 2 / (1 + ratio)


def landmarks(
    parameters: Parameters, bent: Bent, poses: Mapping[Side, Pose]
) -> Mapping[str, Landmark]:
    """Name to landmark (3,) of one individual."""
    sacral, hips = _sacral_landmarks(parameters, bent), {}
    for sign, side in zip((1, -1), SIDES, strict=True):
        for name in ON_HIPS:
            hips[f"{name}_{side}"] = Landmark(poses[side].place(name) * [sign, 1, 1])
    return {**sacral, **hips}


def _sacral_landmarks(parameters: Parameters, bent: Bent) -> Mapping[str, Landmark]:
    slope = np.radians(parameters.sacral_slope)
    ahead = 0.5 * parameters.s1_depth * np.array([0.0, np.cos(slope), np.sin(slope)])
    model = {"s1_endplate_centre": np.zeros(3), "promontory": -ahead, "s1_posterior_corner": ahead}
    for sign, side in ((1, "left"), (-1, "right")):
        for level in range(4):
            middle = foramen_axis(parameters, sign, level)[1]
            model[f"foramen_s{level + 1}_{side}"] = bent.point(*middle)
        model[f"s3_lateral_{side}"] = _s3_lateral(parameters, bent, sign)
        model[f"si_caudal_{side}"] = _si_caudal(parameters, bent, sign)
    return {name: Landmark(_to_patient(parameters, at)) for name, at in model.items()}


def _to_patient(parameters: Parameters, point: NDArray[Any]) -> NDArray[np.float64]:
    left, right = sides(parameters)
    across = left if point[0] > 0 else right
    return point * np.array([across, parameters.size, parameters.size])


def _s3_lateral(parameters: Parameters, bent: Bent, sign: int) -> NDArray[Any]:
    """Lateral margin of the dorsal rim of the S3 foramen."""
    dorsal = foramen_axis(parameters, sign, 2)[2]
    x, s = abs(dorsal[0]) + parameters.foramen_dorsal[2], dorsal[2]
    return bent.point(sign * x, _dorsal(parameters, x, s), s)


def _si_caudal(parameters: Parameters, bent: Bent, sign: int) -> NDArray[Any]:
    """The lowest place of the joint, on the sacrum's lateral margin."""
    s = parameters.si_end
    x = float(profile(parameters.lateral_s, parameters.lateral_half)(np.array(s))) - 1.0
    return bent.point(sign * x, _dorsal(parameters, x, s), s)


def _dorsal(parameters: Parameters, x: float, s: float) -> float:
    surface = relief(parameters.dorsal_x, parameters.dorsal_s, parameters.dorsal)
    return float(surface(np.array([x], np.float32), np.array([s], np.float32))[0])
