"""Cement pushed through bone: Darcy flow on the filled voxels, the front at zero pressure.

A filled voxel conducts; one that is filling is the front, met at (0.5 + fill) voxels from the last
full centre, where the pressure is 0 (the marrow's own resistance is left out: one fluid). Flow
between voxels is h K dp / mu with the harmonic mean K. All is linear in flow and viscosity, so one
solve for the potential p / (mu Q) gives the bone's resistance, and with the cannula's 8 L / (pi r^4)
the flow that the pressure limit allows. Each substep ends when a voxel fills.

Volume is kept to rounding: what is poured is shared out by the fluxes at the front, normalised, so
an imperfect solve moves cement a little but neither makes nor loses any. The grid's edge is closed.
"""

from __future__ import annotations

import threading
from math import isfinite, pi
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from game.patient.patient import Region
from game.simulation.cement import pressure
from game.simulation.cement.body import Cement, Injection
from game.simulation.cement.medium import Medium
from game.simulation.cement.rheology import FROZEN_PA_S

TIGHT = 1.0e-3  # mouth voxels this much tighter than the loosest get no flow: a project choice


def advance(medium: Medium, cement: Cement, injection: Injection) -> Cement:
    """The cement after one request: a new value; the arguments are not touched.

    delivered + refused = requested. Refused is what the pressure limit kept back in
    `injection.seconds`, all of it where cement has gelled, where the tip lies beyond the grid
    or where nothing leads away from it, and what is beyond 256 substeps or 4096 newly filled
    voxels of one call. A tip outside bone fills what it lies in. Raises ValueError for a request
    that is not physical. Poiseuille: total = 8 mu L Q / (pi r^4) + front.
    """
    _check(injection)
    mouth, share = _mouth(medium, injection)
    if injection.ml == 0 or injection.viscosity >= FROZEN_PA_S or len(mouth) == 0:
        return _refused(cement, injection)
    radius = injection.bore / 2.0
    bore = 8.0 * injection.length / (pi * radius**4)
    offered = pressure.Push(
        ml=injection.ml,
        seconds=injection.seconds,
        bore=bore,
        most=injection.limit_mpa * 1.0e6 / injection.viscosity,
    )
    flown = pressure.push(medium, cement, mouth, share, offered)
    mpa = 1.0e-6 * injection.viscosity * flown.flow
    return _cement(medium, cement, injection, flown, mpa * flown.resistance, mpa * bore)
