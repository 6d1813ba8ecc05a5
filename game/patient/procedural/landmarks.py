"""The landmarks that the model knows by construction, in patient LPS mm."""

from __future__ import annotations

from collections.abc import Mapping

from game.patient.patient import SIDES, Landmark, Side
from game.patient.procedural.bent import Bent
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.pose import Pose
from game.patient.procedural.sacral_landmarks import sacral_landmarks

ON_HIPS = ("psis", "piis", "asis", "pubic_tubercle")


def landmarks(
    parameters: Parameters, bent: Bent, poses: Mapping[Side, Pose]
) -> Mapping[str, Landmark]:
    """Name to landmark (3,) of one individual: the sacrum's and the hips'."""
    hips = {}
    for sign, side in zip((1, -1), SIDES, strict=True):
        for name in ON_HIPS:
            hips[f"{name}_{side}"] = Landmark(poses[side].place(name) * [sign, 1, 1])
    return {**sacral_landmarks(parameters, bent), **hips}
