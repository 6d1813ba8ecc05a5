"""Rates and risks of the leaks that a study found, beside what was published.

Published: 63 sacroplasties (sides) of 33 patients, judged on radiographs (PMID 22523935): into the
fracture gap 27 % (95 % interval 17-40), veins 6 (2-15), foramina 3 (0.4-11), L5/S1 disc 2 (0-9).
Trials of vertebrae compared high- with low-viscosity cement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp, sqrt

from scipy.stats import beta

from game.patient.patient import Side
from game.simulation.cement import Exit
from game.simulation.cement.products import product
from game.training.leakage import CT_ML, VISIBLE_ML, Person

CONFIDENCE = 0.95
PUBLISHED: Mapping[Exit, tuple[float, float, float]] = {
    Exit.FRACTURE_GAP: (27.0, 17.0, 40.0),
    Exit.VEINS: (6.0, 2.0, 15.0),
    Exit.FORAMINA: (3.0, 0.4, 11.0),
    Exit.DISC: (2.0, 0.0, 9.0),
}  # per cent of sacroplasties and 95 % interval, PMID 22523935


@dataclass(frozen=True)
class Rate:
    """How many of `of` sacroplasties leaked by a route, per cent with the exact (Clopper-Pearson)
    95 % interval, and the published figure where there is one."""

    route: str
    count: int
    of: int
    per_cent: float
    low: float
    high: float
    published: tuple[float, float, float] | None

    @property
    def inside(self) -> bool:
        """Whether the figure lies in the published interval."""
        return self.published is None or self.published[1] <= self.per_cent <= self.published[2]


def rates(people: Sequence[Person], seen_ml: float = VISIBLE_ML) -> list[Rate]:
    """Each route's rate on radiographs, any route's, and any route's on CT."""
    done = [side for one in people for side in one.sides]
    found = []
    for way in Exit:
        if way != Exit.NONE:
            name = way.name.lower()
            count = sum(any(w.exit == name and w.shown_ml >= seen_ml for w in s.ways) for s in done)
            found.append(_rate(name, count, len(done), PUBLISHED.get(way)))
    plain = sum(any(w.shown_ml >= seen_ml for w in s.ways) for s in done)
    on_ct = sum(any(w.ml >= CT_ML for w in s.ways) for s in done)
    found.append(_rate(ANY, plain, len(done), None))
    found.append(_rate("any, CT", on_ct, len(done), None))
    return found


def _rate(route: str, count: int, of: int, published: tuple[float, float, float] | None) -> Rate:
    low, high = interval(count, of)
    share = 100.0 * count / of if of else 0.0
    return Rate(route, count, of, share, 100.0 * low, 100.0 * high, published)


def interval(count: int, of: int) -> tuple[float, float]:
    """The exact binomial interval (Clopper & Pearson 1934) at CONFIDENCE; 0 to 1 of nothing.

    Raises ValueError for a count below 0 or above `of`."""
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of}; the count must lie between 0 and {of}")
    if of == 0:
        return 0.0, 1.0
    tail = 0.5 * (1.0 - CONFIDENCE)
    low = float(beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(1.0 - tail, count + 1, of - count)) if count < of else 1.0
    return low, high


@dataclass(frozen=True)
class Risk:
    """Leaks by one route in the same `of` alae with thick and with thin cement, their relative risk
    (NaN where thin never leaks) with its 95 % interval (Katz 1978, of its log), and the published
    range where there is one."""

    route: str
    thick: int
    thin: int
    of: int
    published: tuple[float, float] | None

    @property
    def ratio(self) -> float:
        return self.thick / self.thin if self.thin else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """NaN where either never leaks."""
        if not (self.thick and self.thin):
            return float("nan"), float("nan")
        spread = 1.96 * sqrt(1.0 / self.thick + 1.0 / self.thin - 2.0 / self.of)
        return self.ratio * exp(-spread), self.ratio * exp(spread)

    @property
    def inside(self) -> bool:
        """Whether the ratio lies in the published range."""
        return self.published is None or self.published[0] <= self.ratio <= self.published[1]


ANY = "any, radiographs"
RISKS: Mapping[str, tuple[float, float] | None] = {
    ANY: (0.3, 0.6),
    Exit.VEINS.name.lower(): (0.35, 0.85),
    Exit.FRACTURE_GAP.name.lower(): None,
}  # of vertebrae with high- and low-viscosity cement: 0.38 (0.29-0.51), 0.47; by veins 0.54
# (0.35-0.85) (PMC5895344 and trials since)


TRIALLED = ("high-viscosity", "low-viscosity")  # the products whose kinds those trials compared


def compared(
    found: Mapping[str, Sequence[Person]], seen_ml: float = VISIBLE_ML
) -> dict[tuple[str, str], list[Risk]]:
    """The risks of every two of some products, the thicker by the thinner, on the people `found`
    for each; what was published stands beside TRIALLED."""
    order = sorted(found, key=lambda name: -product(name).start_pa_s)
    return {
        pair: risks(found[pair[0]], found[pair[1]], pair == TRIALLED, seen_ml)
        for pair in combinations(order, 2)
    }


def risks(
    thick: Sequence[Person],
    thin: Sequence[Person],
    trialled: bool = True,
    seen_ml: float = VISIBLE_ML,
) -> list[Risk]:
    """How often thick cement leaks (on radiographs), and how often thin, in the alae that both were
    given to: by any route and by those of RISKS, beside what was published where `trialled`."""
    found = []
    for route, asked in RISKS.items():
        published = asked if trialled else None
        one, other = _leaky(thick, route, seen_ml), _leaky(thin, route, seen_ml)
        both = one.keys() & other.keys()
        counts = sum(one[key] for key in both), sum(other[key] for key in both)
        found.append(Risk(route, *counts, len(both), published))
    return found


def _leaky(people: Sequence[Person], route: str, seen_ml: float) -> Mapping[tuple[int, Side], bool]:
    return {
        (side.seed, side.side): any(
            way.shown_ml >= seen_ml and route in (ANY, way.exit) for way in side.ways
        )
        for one in people
        for side in one.sides
    }
