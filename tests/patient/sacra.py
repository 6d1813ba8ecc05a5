"""Made sacra for the tests of their shape: sampled fields and their topology."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import euler_number

from game.geometry.grid import Grid
from game.patient.procedural.bent import Bent
from game.patient.procedural.draw import draw
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.sacrum import sacrum
from game.patient.procedural.shaping import parameters_of
from game.patient.traits import Traits

SPACING = 0.75  # mm
LOW, HIGH = (-72.0, -40.0, -150.0), (72.0, 105.0, 42.0)


@cache
def made(traits: Traits) -> tuple[Parameters, Grid, NDArray[np.float32]]:
    """Parameters, grid and field (n, m, l) of one person's sacrum."""
    parameters = parameters_of(draw(traits), traits)
    x, y, z = (np.arange(a, b, SPACING).astype(np.float32) for a, b in zip(LOW, HIGH, strict=True))
    values = sacrum(parameters, Bent.of(parameters), x, y, z).values
    return parameters, Grid(LOW, SPACING, (len(x), len(y), len(z))), values


def topology(values: NDArray[np.float32]) -> tuple[int, int, int]:
    """Bodies, outsides (2 and more: closed hollows), and the surface's Euler characteristic, which
    is twice the solid's."""
    solid = np.pad(values < 0, 1)
    bodies, outsides = ndimage.label(solid)[1], ndimage.label(~solid)[1]
    return bodies, outsides, 2 * int(euler_number(solid, connectivity=3))
