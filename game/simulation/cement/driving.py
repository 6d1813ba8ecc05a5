"""What drives cement: a plunger that prescribes the flow, or a spring, against a limit.

The bone's resistance p / Q is linear while viscosities stand; with the bore's law it gives the flow
that the plunger's pressure makes, or the pressure that a given flow needs.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from game.simulation.cement.rheology import bore_flow, bore_loss

HALVINGS = 50  # of the bore's pressure; to rounding


@njit(nogil=True, cache=True, error_model="numpy")
def through(law, age, bore, mpa, resistance):  # type: ignore[no-untyped-def]
    """Flow, mm3/s, that `mpa` at the plunger makes through a bore = (radius, length) and then bone
    of `resistance` Pa s/mm3, by bisection of the pressure in the bore."""
    low, high = 0.0, mpa
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if bore_flow(law, age, bore[0], bore[1], middle) < 1.0e6 * (mpa - middle) / resistance:
            low = middle
        else:
            high = middle
    middle = 0.5 * (low + high)
    if middle < 0.5 * mpa:  # by whichever of the two takes most, which rounding hurts least
        return 1.0e6 * (mpa - middle) / resistance
    return bore_flow(law, age, bore[0], bore[1], middle)


@njit(nogil=True, cache=True, error_model="numpy")
def driven(law, age, bore, resistance, offer, left):  # type: ignore[no-untyped-def]
    """What drives the next substep: flow mm3/s, pressure MPa at the plunger, and the seconds in
    which it decays by e (a spring; infinite for a prescribed flow and for a limited pressure).

    `offer` = (mL, s, limit MPa, compliance mL/MPa); `left` mL still stand behind the plunger."""
    ml, seconds, limit, compliance = offer
    if compliance > 0.0:
        mpa = min(limit, left / compliance)
        flow = through(law, age, bore, mpa, resistance)
        lasts = 1000.0 * left / flow if flow > 0.0 and left <= limit * compliance else np.inf
        return flow, mpa, lasts
    flow = 1000.0 * ml / seconds
    mpa = bore_loss(law, age, bore[0], bore[1], flow) + 1.0e-6 * flow * resistance
    if mpa > limit:
        return through(law, age, bore, limit, resistance), limit, np.inf
    return flow, mpa, np.inf


@njit(nogil=True, cache=True, error_model="numpy")
def asked(flow, lasts, seconds, left, offer):  # type: ignore[no-untyped-def]
    """The mL that come within `seconds` if bone takes them, and whether the request ends then."""
    if lasts < np.inf:
        return -left * np.expm1(-seconds / lasts), True
    wanted = flow * seconds / 1000.0
    if offer[3] > 0.0:  # a spring held to the limit relaxes once so much has gone
        above = left - offer[2] * offer[3]
        return min(wanted, above), wanted <= above
    if wanted > left * (1.0 - 1.0e-9):
        return left, True
    return wanted, True


@njit(nogil=True, cache=True, error_model="numpy")
def took(amount, flow, lasts, left):  # type: ignore[no-untyped-def]
    """Seconds in which `amount` mL came."""
    if flow <= 0.0:
        return 0.0
    if lasts < np.inf:
        return -lasts * np.log1p(-amount / left) if amount < left else np.inf
    return 1000.0 * amount / flow
