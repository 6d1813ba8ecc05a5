"""Which fractures a patient has: on request, or drawn with the published frequencies.

Bakker 2018 (J Korean Neurosurg Soc 61:258): of 130 patients 77 had one ala broken, 41 both and 12
the body of the sacrum, which makes the 171 fractures counted there: 77 + 2 x 41 + 12. By kind: 63
complete and parallel to the SI joint, 19 into the joint, 24 into a foramen or the canal, 47 of the
anterolateral rim, 12 central; the other 6 (bruises and dents, no sheet at all) are shared out among
the four kinds of the ala in proportion. 68 of the 171 reach the SI joint: the 19 that run into it,
and 49 of the parallel and rim ones, with one probability. 34 injure a foramen or the canal: the 24
and 10 of the 12 central ones.

The H pattern is 20-40 % of the patients elsewhere (facts/anatomy.md) but 8 of 130 here. As an H is
two broken alae and a bar between them, it is drawn among those with both alae broken, a quarter of
all patients, and its two sheets are never mere rim fractures; one-sided and other two-sided
fractures have the more of those, so that the kinds keep their published shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from game.patient.errors import PatientError
from game.patient.patient import SIDES, FractureName, Side
from game.patient.traits import FracturePattern, Laterality, Traits

PATIENTS, FRACTURES = 130, 171
ONE_ALA, BOTH_ALAE, BODY = 77, 41, 12  # patients
KINDS: Mapping[FracturePattern, int] = {
    "parallel": 63,
    "si-joint": 19,
    "foramen": 24,
    "anterolateral-rim": 47,
}  # fractures of the ala
REACH_JOINT, REACH_NERVES, BODY_NERVES = 68, 34, 10
H_SHARE = 0.25  # of all patients, of 20-40 % (facts/anatomy.md)
S1_FORAMEN = 0.5  # of fractures into a foramen go into S1's, else S2's; project choice
_STREAM = 3  # of the seed's generators; so that other draws of a patient stay independent


@dataclass(frozen=True)
class Plan:
    """One fracture before any anatomy: its `name`, its `pattern`, whether it goes on `into_joint`,
    the foramen (1, 2; 0 for none) or the canal that it runs into."""

    name: FractureName
    pattern: FracturePattern
    into_joint: bool = False
    foramen: int = 0
    into_canal: bool = False


def drawn_fractures(traits: Traits) -> tuple[Plan, ...]:
    """The fractures of one person, the same for the same traits.

    A pattern on request is just that on every side asked for; what is None is drawn. A central
    fracture has no side. Raises PatientError for an H on one side."""
    rng = np.random.default_rng([traits.seed, _STREAM])
    if traits.fracture == "none":
        return ()
    if traits.fracture == "h" and traits.laterality in SIDES:
        raise PatientError(f"laterality is {traits.laterality!r}; an h fracture is bilateral")
    if traits.fracture is None:
        return _drawn(rng, traits.laterality)
    if traits.fracture == "central":
        return (Plan("central", "central", into_canal=True),)
    if traits.fracture == "h":
        return (*(Plan(side, "parallel") for side in SIDES), Plan("transverse", "h"))
    sides = _sides(traits.laterality or _laterality(rng))
    return tuple(_on_request(rng, side, traits.fracture) for side in sides)


def _drawn(rng: np.random.Generator, laterality: Laterality | None) -> tuple[Plan, ...]:
    """A patient of Bakker's series, of the laterality asked for if any."""
    if laterality is None:
        if rng.random() < BODY / PATIENTS:
            return (Plan("central", "central", into_canal=rng.random() < BODY_NERVES / BODY),)
        laterality = _laterality(rng)
    bar = laterality == "bilateral" and rng.random() < H_SHARE * PATIENTS / BOTH_ALAE
    shares = kind_shares(bar)
    kinds = list(shares)
    sheets = tuple(
        _extended(rng, side, kinds[rng.choice(len(kinds), p=list(shares.values()))])
        for side in _sides(laterality)
    )
    return (*sheets, Plan("transverse", "h")) if bar else sheets


def kind_shares(bar: bool) -> dict[FracturePattern, float]:
    """The probability of each kind of ala fracture, in an H (`bar`) or outside one."""
    total = sum(KINDS.values())
    shares = {kind: count / total for kind, count in KINDS.items()}
    whole = 1.0 - shares["anterolateral-rim"]
    if bar:
        return {k: 0.0 if k == "anterolateral-rim" else s / whole for k, s in shares.items()}
    in_h = 2 * H_SHARE * PATIENTS / (ONE_ALA + 2 * BOTH_ALAE)
    rest = (whole - in_h) / (1.0 - in_h)
    return {
        k: 1.0 - rest if k == "anterolateral-rim" else s / whole * rest for k, s in shares.items()
    }


def joint_share() -> float:
    """How often a parallel or a rim fracture goes on into the SI joint."""
    ala, total = (ONE_ALA + 2 * BOTH_ALAE) / FRACTURES, sum(KINDS.values())
    others = ala * (KINDS["parallel"] + KINDS["anterolateral-rim"]) / total
    return (REACH_JOINT / FRACTURES - ala * KINDS["si-joint"] / total) / others


def _extended(rng: np.random.Generator, side: Side, kind: FracturePattern) -> Plan:
    far = kind in ("parallel", "anterolateral-rim") and rng.random() < joint_share()
    plan = _on_request(rng, side, kind)
    return Plan(side, kind, into_joint=far or plan.into_joint, foramen=plan.foramen)


def _on_request(rng: np.random.Generator, side: Side, kind: FracturePattern) -> Plan:
    foramen = 0
    if kind == "foramen":
        foramen = 1 if rng.random() < S1_FORAMEN else 2
    return Plan(side, kind, into_joint=kind == "si-joint", foramen=foramen)


def _laterality(rng: np.random.Generator) -> Laterality:
    if rng.random() < BOTH_ALAE / (ONE_ALA + BOTH_ALAE):
        return "bilateral"
    return SIDES[int(rng.integers(2))]


def _sides(laterality: Laterality) -> tuple[Side, ...]:
    return SIDES if laterality == "bilateral" else (laterality,)
