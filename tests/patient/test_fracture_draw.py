"""Fractures drawn as often as published, each also on request.

Intervals: the published count's own 95 % (Clopper-Pearson for the study's n), within which 1 000
draws must lie; and the draws' own 95 % about the share that the sampler means, so that it is
neither biased nor another sampler than described."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest

from game.patient.errors import PatientError
from game.patient.fracture.draw import (
    BODY,
    BOTH_ALAE,
    FRACTURES,
    H_SHARE,
    KINDS,
    ONE_ALA,
    PATIENTS,
    REACH_JOINT,
    REACH_NERVES,
    Plan,
    drawn_fractures,
    kind_shares,
)
from game.patient.patient import SIDES
from game.patient.traits import Traits

DRAWS = 1000


@pytest.fixture(scope="module")
def patients() -> list[tuple[Plan, ...]]:
    return [
        drawn_fractures(Traits(seed=seed, fracture=None, laterality=None)) for seed in range(DRAWS)
    ]


def counted(patients: list[tuple[Plan, ...]]) -> list[Plan]:
    """The fractures as Bakker counts them: of each ala, or of the body; the bar of an H is not."""
    return [plan for plans in patients for plan in plans if plan.name != "transverse"]


def interval(count: int, of: int) -> tuple[float, float]:
    found = binomtest(count, of).proportion_ci(0.95)
    return found.low, found.high


def test_laterality(patients: list[tuple[Plan, ...]]) -> None:
    kinds = Counter(tuple(p.name for p in plans if p.name != "transverse") for plans in patients)
    one = kinds[("left",)] + kinds[("right",)]
    for found, published in (
        (one, ONE_ALA),
        (kinds[SIDES], BOTH_ALAE),
        (kinds[("central",)], BODY),
    ):
        low, high = interval(published, PATIENTS)
        assert low <= found / DRAWS <= high
        assert binomtest(found, DRAWS, published / PATIENTS).pvalue > 0.05
    assert binomtest(kinds[("left",)], one, 0.5).pvalue > 0.05
    assert sum(kinds.values()) == one + kinds[SIDES] + kinds[("central",)]


def test_kinds(patients: list[tuple[Plan, ...]]) -> None:
    plans = counted(patients)
    kinds = Counter(plan.pattern for plan in plans)
    ala = (ONE_ALA + 2 * BOTH_ALAE) / FRACTURES
    meant = {kind: ala * n / sum(KINDS.values()) for kind, n in KINDS.items()}
    meant["central"] = BODY / FRACTURES
    assert sum(meant.values()) == pytest.approx(1.0)
    for kind, published in (*KINDS.items(), ("central", BODY)):
        low, high = interval(published, FRACTURES)
        assert low <= kinds[kind] / len(plans) <= high, kind
        assert low <= meant[kind] <= high, kind
        assert binomtest(kinds[kind], len(plans), meant[kind]).pvalue > 0.02, kind  # 5 at once


def test_what_they_reach(patients: list[tuple[Plan, ...]]) -> None:
    plans = counted(patients)
    joint = sum(plan.into_joint for plan in plans)
    nerves = sum(plan.foramen > 0 or plan.into_canal for plan in plans)
    for found, published in ((joint, REACH_JOINT), (nerves, REACH_NERVES)):
        low, high = interval(published, FRACTURES)
        assert low <= found / len(plans) <= high
        assert binomtest(found, len(plans), published / FRACTURES).pvalue > 0.05


def test_h_is_a_share_of_all_patients_within_the_published_range(
    patients: list[tuple[Plan, ...]],
) -> None:
    bars = [plans for plans in patients if any(plan.pattern == "h" for plan in plans)]
    assert 0.2 <= len(bars) / DRAWS <= 0.4
    assert binomtest(len(bars), DRAWS, H_SHARE).pvalue > 0.05
    for plans in bars:
        assert [plan.name for plan in plans] == ["left", "right", "transverse"]
        assert "anterolateral-rim" not in {plan.pattern for plan in plans}


def test_the_shares_of_the_kinds_make_up_the_published_ones() -> None:
    in_h = 2 * H_SHARE * PATIENTS / (ONE_ALA + 2 * BOTH_ALAE)
    for kind, count in KINDS.items():
        whole = in_h * kind_shares(True)[kind] + (1 - in_h) * kind_shares(False)[kind]
        assert whole == pytest.approx(count / sum(KINDS.values()))


@pytest.mark.parametrize("pattern", list(KINDS))
@pytest.mark.parametrize("laterality", ["left", "right", "bilateral"])
def test_each_on_request(pattern: str, laterality: str) -> None:
    plans = drawn_fractures(Traits(fracture=pattern, laterality=laterality))  # type: ignore[arg-type]
    assert [plan.name for plan in plans] == list(
        SIDES if laterality == "bilateral" else [laterality]
    )
    assert {plan.pattern for plan in plans} == {pattern}
    assert all((plan.foramen > 0) == (pattern == "foramen") for plan in plans)
    assert all(plan.into_joint == (pattern == "si-joint") for plan in plans)


def test_a_side_on_request_and_the_kind_drawn() -> None:
    for seed in range(50):
        (plan,) = drawn_fractures(Traits(seed=seed, fracture=None, laterality="right"))
        assert plan.name == "right"


def test_midline_patterns() -> None:
    assert [p.name for p in drawn_fractures(Traits(fracture="central"))] == ["central"]
    assert [p.name for p in drawn_fractures(Traits(fracture="h"))] == [*SIDES, "transverse"]
    assert drawn_fractures(Traits(fracture="none")) == ()
    with pytest.raises(PatientError, match="bilateral"):
        drawn_fractures(Traits(fracture="h", laterality="left"))


def test_the_same_seed_draws_the_same() -> None:
    seeds = np.random.default_rng(1).integers(0, 2**32, 20)
    for seed in seeds:
        traits = Traits(seed=int(seed), fracture=None, laterality=None)
        assert drawn_fractures(traits) == drawn_fractures(traits)
