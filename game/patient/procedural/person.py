"""One person's bones as the model knows them, before anything is sampled for a patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from game.geometry.grid import FloatArray, Grid
from game.patient.distance import on_grid
from game.patient.patient import SIDES, Landmark, Plane, Side
from game.patient.procedural.bent import Bent
from game.patient.procedural.draw import Measures, draw
from game.patient.procedural.landmarks import landmarks
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.pelvis import hip_bone, placed, sacral_bone
from game.patient.procedural.pose import Pose
from game.patient.procedural.sampling import Bone
from game.patient.procedural.shaping import parameters_of
from game.patient.procedural.spine import lumbar_landmarks
from game.patient.redistance import redistanced
from game.patient.traits import Traits

HIP_MM = 1.5  # voxel at which hip bones are sampled where only their joints count


@dataclass(frozen=True, eq=False)
class Person:
    """Who, how long and wide, in what form, and where the hip bones sit. LPS mm, origin at the
    centre of the S1 endplate."""

    traits: Traits
    measures: Measures
    parameters: Parameters
    bent: Bent
    sacrum: Bone
    poses: Mapping[Side, Pose]

    @property
    def landmarks(self) -> Mapping[str, Landmark]:
        """All that are known by construction."""
        own = landmarks(self.parameters, self.bent, self.poses)
        return {**own, **lumbar_landmarks(self.measures, self.parameters)}

    @property
    def planes(self) -> Mapping[str, Plane]:
        """`s1_endplate` and `midsagittal` by construction."""
        slope = np.radians(self.parameters.sacral_slope)
        up = np.array([0.0, -np.sin(slope), np.cos(slope)])
        return {
            "s1_endplate": Plane(np.zeros(3), up),
            "midsagittal": Plane(np.zeros(3), np.array([1.0, 0.0, 0.0])),
        }

    def hip_distance(self) -> Mapping[Side, FloatArray]:
        """The hip bones' true distances, mm, on the sacrum's grid, from coarse ones around it."""
        grid = self.sacrum.grid
        count = np.ceil((np.array(grid.shape) - 1) * grid.spacing / HIP_MM).astype(int) + 1
        shape = (int(count[0]), int(count[1]), int(count[2]))
        lattice = Grid(grid.origin, HIP_MM, shape)
        made = {side: hip_bone(side, self.poses[side], self.sacrum, lattice) for side in SIDES}
        return {
            side: on_grid(redistanced(bone.field, HIP_MM), *bone.place, grid)
            for side, bone in made.items()
        }


def person(traits: Traits) -> Person:
    """The person of these traits; equal traits give equal persons."""
    measures = draw(traits)
    parameters = parameters_of(measures, traits)
    bent = Bent.of(parameters)
    sacrum = sacral_bone(parameters, bent)
    poses = placed(traits, measures, parameters.sacral_slope, sacrum)
    return Person(traits, measures, parameters, bent, sacrum, poses)
