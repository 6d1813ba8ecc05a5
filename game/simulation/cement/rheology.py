"""How thick the cement is: one batch, one age, one temperature.

mu = mu0 exp(t_eff / tau), with the age counted faster the warmer the batch (facts/cement.md, marked
unverified there). Above FROZEN_PA_S cement is gelled and does not flow. Shear thinning and a
temperature of each voxel come with the cement issue; nothing here was validated on a product.
"""

from __future__ import annotations

from math import exp, isfinite, log

START_PA_S = 4.1  # mu0: gels at 10 min at 25 C, within the 8.7-13 min of brands (facts/cement.md)
TAU_25_S = 77.0  # e-folding time at 25 C (facts/cement.md)
DOUBLING_C = 12.0  # the rate doubles from 25 to 37 C (facts/cement.md)
BATCH_C = 26.0  # room at 22 C, warmed a little by hand and body: a project choice
FROZEN_PA_S = 1.0e4  # gelled above it (facts/cement.md)
TOOTHPASTE_PA_S = 100.0  # below it about half leaks at once (Baroud 2006, facts/cement.md)
STIFF_PA_S = 2000.0  # above it an 11G cannula no longer passes 0.5 mL/min: a project choice


def _rate(celsius: float) -> float:
    """How many times faster than at 25 C the reaction runs."""
    return float(2.0 ** ((celsius - 25.0) / DOUBLING_C))


def _age_at(pascal_seconds: float) -> float:
    """The age, s, at which the batch reaches a viscosity: the law turned round."""
    return TAU_25_S * log(pascal_seconds / START_PA_S) / _rate(BATCH_C)


SETTING_S = _age_at(FROZEN_PA_S)
"""Age at which the batch gels, s after mixing (about 570)."""

WINDOW_S = (_age_at(TOOTHPASTE_PA_S), _age_at(STIFF_PA_S))
"""Ages between which it may be injected, s: from toothpaste (about 230) to stiff (about 450)."""


def viscosity(age_s: float) -> float:
    """Pa s at `age_s` seconds after mixing; FROZEN_PA_S, which does not flow, once gelled.

    Raises ValueError for an age below 0 or not a number."""
    if not (isfinite(age_s) and age_s >= 0):
        raise ValueError(f"cement age is {age_s} s; it must be 0 or more")
    if setting(age_s):
        return FROZEN_PA_S
    return START_PA_S * exp(age_s * _rate(BATCH_C) / TAU_25_S)


def setting(age_s: float) -> bool:
    """Whether the batch has gelled, so that it neither flows nor leaves the cannula."""
    return age_s >= SETTING_S
