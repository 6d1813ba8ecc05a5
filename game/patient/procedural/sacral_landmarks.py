"""The landmarks of the sacrum that the model knows by construction, in patient LPS mm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game.patient.patient import Landmark
from game.patient.procedural.bent import Bent
from game.patient.procedural.block import Relief
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.sacrum import (
    canal_roof,
    coccyx_tip,
    foramen_axis,
    surfaces,
)

Point = NDArray[np.float64]
SIDES = ((1, "left"), (-1, "right"))


def sacral_landmarks(parameters: Parameters, bent: Bent) -> Mapping[str, Landmark]:
    """Name to landmark of one sacrum: endplate, foramina S1-S4 with both openings and their lateral
    rims, hiatus, lower end and coccyx."""
    slope = np.radians(parameters.sacral_slope)
    ahead = 0.5 * parameters.s1_depth * np.array([0.0, np.cos(slope), np.sin(slope)])
    marks: dict[str, Point] = {
        "s1_endplate_centre": np.zeros(3),
        "promontory": -ahead,
        "s1_posterior_corner": ahead,
    }
    place = _Places(parameters, bent, surfaces(parameters))
    marks |= place.middle()
    for sign, side in SIDES:
        for level in range(4):
            for name, at in place.foramen(sign, level).items():
                marks[name.format(n=level + 1, side=side)] = at
    return {name: Landmark(at) for name, at in marks.items()}


@dataclass(frozen=True, eq=False)
class _Places:
    """Where things are on one sacrum's surfaces."""

    parameters: Parameters
    bent: Bent
    reliefs: tuple[Relief, Relief, Relief, Relief]

    def middle(self) -> dict[str, Point]:
        """Landmarks in the midline."""
        end, apex = self.parameters.end_s, self.parameters.hiatus_apex
        front = self._height(0, 0.0, end)
        line = self.parameters.fused_discs[0]
        ridge = self._height(0, 0.0, line) - self.parameters.ridge[0]
        return {
            "s1_inferior_anterior": self.bent.point(0.0, ridge, line),
            "s1_inferior_posterior": self.bent.point(0.0, 0.0, self.parameters.s1_height_behind),
            "hiatus_apex": self.bent.point(0.0, canal_roof(self.parameters, apex), apex),
            "sacrum_caudal": self.bent.point(0.0, front, end),
            "coccyx_tip": self.bent.point(0.0, *coccyx_tip(self.parameters)),
        }

    def foramen(self, sign: int, level: int) -> dict[str, Point]:
        """One foramen: mid-tunnel, both openings, and the lateral margins of both rims."""
        front, middle, back = (np.array(at) for at in foramen_axis(self.parameters, sign, level))
        wide = self.parameters.foramen_ventral[level], self.parameters.foramen_dorsal[level]
        return {
            "foramen_s{n}_{side}": self.bent.point(*middle),
            "foramen_s{n}_ventral_{side}": self.bent.point(*front),
            "foramen_s{n}_dorsal_{side}": self.bent.point(*back),
            "s{n}_ventral_lateral_{side}": self._beside(0, front, sign * wide[0]),
            "s{n}_lateral_{side}": self._beside(1, back, sign * wide[1]),
        }

    def _height(self, which: int, x: float, s: float) -> float:
        return self.reliefs[which].at(abs(x), s)

    def _beside(self, which: int, at: Point, aside: float) -> Point:
        x = float(at[0]) + aside
        return self.bent.point(x, self._height(which, self._unstretched(x), at[2]), float(at[2]))

    def _unstretched(self, x: float) -> float:
        return abs(x) / self.parameters.stretch[0 if x > 0 else 1]
