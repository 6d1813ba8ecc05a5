"""How thick cement is: by product, by how far it has cured, and by how fast it is sheared.

    mu(age, shear) = start exp(age / tau) (max(shear, least) / reference)^(index - 1)

`age` is the effective age: the seconds at 25 C that would have cured it as far. It grows by
2^((T - 25) / 12) a second (facts/cement.md, unverified there), and cement in the body relaxes to
37 C. From `gel` age on cement neither flows nor conducts: its viscosity is infinite. The power law
with a Newtonian floor (shear thinning, below `least` none) is the form used for PMMA cements; no
parameter here was validated on a product.

Kernels take a product's `law` array (places START to BOTTOM). Plain Python takes `Product`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import exp, inf, isfinite, log, pi
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

FROZEN_PA_S = 1.0e4  # gelled above it (facts/cement.md)
TOOTHPASTE_PA_S = 100.0  # below it about half leaks at once (Baroud 2006, facts/cement.md)
STIFF_PA_S = 2000.0  # above it an 11G cannula no longer passes 0.5 mL/min: a project choice
RATED_C, BODY_C = 25.0, 37.0
DOUBLING_C = 12.0  # the rate doubles from 25 to 37 C (facts/cement.md)
BATCH_C = 26.0  # room at 22 C, warmed a little by hand and body: a project choice
BORE_C = 31.0  # a cannula, half of it in the patient: a project choice
WARMING_S = 30.0  # a deposit of 5 mm radius: a^2 / (5.78 x 0.14 mm2/s); a project choice
LEAST_SHEAR = 0.1  # 1/s, slower shear thickens cement no more: a project choice
TERMS = 30  # of a series in |ln 2 (T - 37) / 12|; enough for any T from 0 to 100 C

# Places in a product's law
START, TAU, INDEX, REFERENCE, LEAST, GEL = 0, 1, 2, 3, 4, 5
LAW = 6

Consistency = Literal["liquid", "toothpaste", "stiff", "set"]


@dataclass(frozen=True)
class Product:
    """One cement. `start_pa_s` and `tau_s` (its e-folding time at 25 C) give the viscosity at a
    shear rate of `reference_per_s`; `index` is the power law's, 1 for a Newtonian fluid. It takes
    `mixing_s` seconds to mix `batch_ml`. It may be injected from `toothpaste_pa_s` to `stiff_pa_s`.
    `heat_j_ml` is what setting gives off. Read them with `products`."""

    name: str
    title: str
    start_pa_s: float
    tau_s: float
    index: float
    reference_per_s: float
    mixing_s: float
    batch_ml: float
    heat_j_ml: float
    toothpaste_pa_s: float = TOOTHPASTE_PA_S
    stiff_pa_s: float = STIFF_PA_S

    @cached_property
    def law(self) -> NDArray[np.float64]:
        """What kernels take (LAW,); not to be written to."""
        law = np.array([
            self.start_pa_s, self.tau_s, self.index, self.reference_per_s, LEAST_SHEAR,
            self.age_at(FROZEN_PA_S),
        ])  # fmt: skip
        law.flags.writeable = False
        return law

    @property
    def gel_age_s(self) -> float:
        """The effective age at which it gels, s."""
        return self.age_at(FROZEN_PA_S)

    @property
    def setting_s(self) -> float:
        """Seconds after mixing at which the batch gels in the room."""
        return self.seconds_to(FROZEN_PA_S)

    @property
    def window_s(self) -> tuple[float, float]:
        """Seconds after mixing between which a batch kept in the room may be injected."""
        first = max(self.mixing_s, self.seconds_to(self.toothpaste_pa_s))
        return first, self.seconds_to(self.stiff_pa_s)

    def age_at(self, pascal_seconds: float) -> float:
        """The effective age, s, at which it reaches a viscosity; 0 where it starts thicker."""
        return max(0.0, self.tau_s * log(pascal_seconds / self.start_pa_s))

    def seconds_to(self, pascal_seconds: float) -> float:
        """The same in seconds in the room."""
        return self.age_at(pascal_seconds) / rate(BATCH_C)

    def viscosity(self, age_s: float) -> float:
        """Pa s at an effective age and the reference shear rate; FROZEN_PA_S once gelled.

        Raises ValueError for an age below 0 or not a number."""
        if not (isfinite(age_s) and age_s >= 0):
            raise ValueError(f"cement age is {age_s} s; it must be 0 or more")
        if age_s >= self.gel_age_s:
            return FROZEN_PA_S
        return self.start_pa_s * exp(age_s / self.tau_s)

    def consistency(self, age_s: float) -> Consistency:
        """What a strand of it is like at an effective age, as a hand would call it."""
        if age_s >= self.gel_age_s:
            return "set"
        thickness = self.viscosity(age_s)
        if thickness < self.toothpaste_pa_s:
            return "liquid"
        return "toothpaste" if thickness < self.stiff_pa_s else "stiff"


def room_age(since_mixing_s: float) -> float:
    """The effective age, s, of a batch kept in the room since it was mixed."""
    return since_mixing_s * rate(BATCH_C)


@njit(nogil=True, cache=True, error_model="numpy")
def rate(celsius: float) -> float:
    """How many times faster than at 25 C the reaction runs."""
    return float(2.0 ** ((celsius - RATED_C) / DOUBLING_C))


@njit(nogil=True, cache=True, error_model="numpy")
def aged(
    age_s: float, celsius: float, seconds: float, around: float = BODY_C
) -> tuple[float, float]:
    """Effective age, s, and temperature, C, after `seconds` in surroundings `around`, C, to which
    the temperature relaxes.

    With b = ln 2 (T - around) / 12 and w = exp(-t / WARMING_S) the age grows by the rate at
    `around` times the integral of exp(b w): t + WARMING_S sum over k of b^k (1 - w^k) / (k k!)."""
    if seconds <= 0.0:
        return age_s, celsius
    warmth = np.log(2.0) * (celsius - around) / DOUBLING_C
    fading = np.exp(-seconds / WARMING_S)
    term, decay, more = 1.0, 1.0, 0.0
    for k in range(1, TERMS + 1):
        term *= warmth / k
        decay *= fading
        more += term * (1.0 - decay) / k
    grown = rate(around) * (seconds + WARMING_S * more)
    return age_s + grown, around + (celsius - around) * fading


def set_at(
    age_s: NDArray[np.float64], celsius: NDArray[np.float64], seconds: float, gel_age_s: float
) -> NDArray[np.bool_]:
    """Which of many cells (k,) have gelled after `seconds` more in the body."""
    out = np.empty(len(age_s), np.bool_)
    _set_at(age_s, celsius, seconds, gel_age_s, out)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _set_at(age_s, celsius, seconds, gel_age_s, out):  # type: ignore[no-untyped-def]
    for row in range(len(age_s)):
        out[row] = aged(age_s[row], celsius[row], seconds)[0] >= gel_age_s


@njit(nogil=True, cache=True, error_model="numpy")
def apparent_viscosity(law, age_s, shear_rate):  # type: ignore[no-untyped-def]
    """Pa s at an effective age (s) and a shear rate (1/s, its sign apart); infinite once gelled."""
    if age_s >= law[GEL]:
        return np.inf
    shear = max(abs(shear_rate), law[LEAST])
    thinned = (law[INDEX] - 1.0) * np.log(shear / law[REFERENCE])
    return law[START] * np.exp(age_s / law[TAU] + thinned)


@njit(nogil=True, cache=True, error_model="numpy")
def bore_flow(law, age_s, radius, length, mpa):  # type: ignore[no-untyped-def]
    """Flow, mm3/s, through a round bore (mm) under a pressure difference `mpa` (0 or more).

    Rabinowitsch: Q = pi R^3 / tau_w^3 times the integral of tau^2 shear(tau) from 0 to the wall's
    tau_w = R p / 2 L; in closed form for the power law, Newtonian below the least shear rate. For a
    Newtonian fluid it is Poiseuille's pi R^4 p / (8 mu L)."""
    if age_s >= law[GEL] or mpa <= 0.0:
        return 0.0
    wall = 0.5 * radius * mpa / length
    plateau = 1.0e-6 * apparent_viscosity(law, age_s, 0.0)  # MPa s
    knee = plateau * law[LEAST]
    if wall <= knee:
        return np.pi * radius**3 * wall / (4.0 * plateau)
    # above the knee the shear rate is law[LEAST] (tau / knee)^(1/n)
    power = 1.0 / law[INDEX]
    fast = law[LEAST] * ((wall / knee) ** power - (knee / wall) ** 3) / (3.0 + power)
    slow = law[LEAST] * (knee / wall) ** 3 / 4.0
    return np.pi * radius**3 * (slow + fast)


@njit(nogil=True, cache=True, error_model="numpy")
def bore_loss(law, age_s, radius, length, flow):  # type: ignore[no-untyped-def]
    """The pressure, MPa, that a bore takes at a flow (mm3/s, 0 or more): `bore_flow` turned round,
    by bisection of its logarithm between bounds that hold it. Infinite once gelled."""
    if flow <= 0.0:
        return 0.0
    if age_s >= law[GEL]:
        return np.inf
    plateau = 1.0e-6 * apparent_viscosity(law, age_s, 0.0)
    high = 8.0 * plateau * length * flow / (np.pi * radius**4)  # thinning only eases it
    low = high
    while bore_flow(law, age_s, radius, length, low) > flow:
        low *= 0.5
    for _ in range(60):
        middle = np.sqrt(low * high)
        if bore_flow(law, age_s, radius, length, middle) < flow:
            low = middle
        else:
            high = middle
    return high


def newtonian(pascal_seconds: float, gel_age_s: float = inf) -> NDArray[np.float64]:
    """The law of a fluid of one viscosity, for analytic cases."""
    return np.array([pascal_seconds, inf, 1.0, 1.0, LEAST_SHEAR, gel_age_s])


def poiseuille(pascal_seconds: float, radius: float, length: float, flow: float) -> float:
    """The loss, MPa, of a Newtonian fluid: 8 mu L Q / (pi R^4); the plain case of `bore_loss`."""
    return 8.0e-6 * pascal_seconds * length * flow / (pi * radius**4)
