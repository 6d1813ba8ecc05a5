"""How often the expert's cement leaks, by route, over drawn patients, beside what was published.

Published: 63 sacroplasties (sides) of 33 patients, judged on radiographs (PMID 22523935): into the
fracture gap 27 % (95 % interval 17-40), veins 6 (2-15), foramina 3 (0.4-11), L5/S1 disc 2 (0-9);
CT finds 1.5 times as many (PMID 12585583 and related). Here a sacroplasty is one ala treated by the
expert's whole procedure; alae that the long-axis path does not serve are left out and counted.

What a radiograph shows: the leak's shadow on the final AP and lateral, in pixels of PIXEL_MM, where
it is SHOWN_MM thick or more and not behind more cement; a leak counts once what shows of it is
VISIBLE_ML on either view. Bone does not hide it: cement is denser. A CT shows CT_ML of it. The
thresholds are project choices, not validated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from math import exp, sqrt
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from game.errors import BadInput
from game.geometry.carm import detector_direction
from game.geometry.grid import FloatArray
from game.geometry.views import view_angles
from game.patient import store
from game.patient.build import build
from game.patient.errors import PatientError
from game.patient.patient import Patient, Side
from game.patient.population import treated
from game.patient.procedural import procedural
from game.patient.traits import Traits
from game.records.whole import whole
from game.simulation.case import Case, Level
from game.simulation.cement import Cement, Exit
from game.simulation.cement.outcome import column_mm, coverage
from game.simulation.cement.places import places
from game.simulation.cement.products import USUAL
from game.simulation.control import Finish
from game.simulation.step import begin, step
from game.training.expert import perform
from game.training.feel import saved_in
from game.training.levels import LevelError, approaches_for, make_case

PIXEL_MM, SHOWN_MM = 0.75, 0.75
VISIBLE_ML = 0.03  # a bead of 3.9 mm
CT_ML = 0.02  # of 3.4 mm: with both, CT finds about CT_RATIO leaks for one that radiographs do, in
# the alae that they were chosen on
CT_RATIO = 1.5  # leaks on CT for one on radiographs: PMID 12585583 and related
CONFIDENCE = 0.95
PUBLISHED: Mapping[Exit, tuple[float, float, float]] = {
    Exit.FRACTURE_GAP: (27.0, 17.0, 40.0),
    Exit.VEINS: (6.0, 2.0, 15.0),
    Exit.FORAMINA: (3.0, 0.4, 11.0),
    Exit.DISC: (2.0, 0.0, 9.0),
}  # per cent of sacroplasties and 95 % interval, PMID 22523935


@dataclass(frozen=True)
class Way:
    """What left one ala by one exit: mL, and what of it the better of AP and lateral shows."""

    exit: str
    ml: float
    shown_ml: float


@dataclass(frozen=True)
class Sacroplasty:
    """One ala treated. `peak_mpa` is the most that the plunger met."""

    seed: int
    side: Side
    pattern: str
    quality: str
    ml: float
    coverage: float
    column_mm: float
    peak_mpa: float
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Person:
    """One patient: the alae treated, and why the others were not."""

    seed: int
    sides: tuple[Sacroplasty, ...]
    refused: tuple[str, ...]


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


Treat = Callable[[Case, str], tuple[Cement, Mapping[Side, float], Mapping[Side, float]]]
"""A way to treat a case with a product: the cement, mL given and peak MPa of each side."""


def study(
    count: int,
    keep: Path,
    treat: Treat,
    product: str = USUAL,
    processes: int = 2,
    people: Path | None = None,
) -> Iterator[Person]:
    """The first `count` people of `treated`, or of those saved in the folder `people`, each as soon
    as it is done; what `keep` holds already is read from there, so that a study that was stopped
    goes on. `treat` is `procedure`, or `columns` where seconds a patient matter more than the last
    per cent.

    Patients that are made are kept there too, in folders named by their seed. Raises BadInput where
    `keep` cannot be used."""
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--keep {keep}: {error.strerror}") from None
    todo: list[tuple[Traits | Path, Path]] = []
    for who, name in _asked(count, people):
        page = _page(keep, name, treat, product)
        known = _read(page)
        if known is None:
            todo.append((who, page))
        else:
            yield known
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(_kept, who, page, treat, product) for who, page in todo]
        for done in as_completed(pending):
            yield done.result()


def _asked(count: int, people: Path | None) -> list[tuple[Traits | Path, str]]:
    """Who is treated, and the name that the result is kept under."""
    if people is None:
        return [(traits, f"{traits.seed:03d}") for traits in treated(count)]
    return [(folder, folder.name) for folder in saved_in(people)[:count]]


def _page(keep: Path, name: str, treat: Treat, product: str) -> Path:
    return keep / f"{name}-{treat.__name__}-{product}.json"


def _read(page: Path) -> Person | None:
    """A person of an earlier run; None where there is none or it cannot be read."""
    try:
        told = json.loads(page.read_text("utf-8"))
        sides = tuple(
            Sacroplasty(**{**side, "ways": tuple(Way(**way) for way in side["ways"])})
            for side in told["sides"]
        )
        return Person(int(told["seed"]), sides, tuple(map(str, told["refused"])))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _kept(who: Traits | Path, page: Path, treat: Treat, product: str) -> Person:
    if isinstance(who, Path):
        patient = store.load(who)
    else:
        patient = _patient(who, page.parent / f"{who.seed:03d}")
    seed = patient.traits.seed if patient.traits else 0
    found = person(patient, seed, treat, product)
    with whole(page) as draft:
        draft.write_text(json.dumps(asdict(found)), "utf-8")
    return found


def _patient(traits: Traits, folder: Path) -> Patient:
    if (folder / store.PAGE).is_file():
        return store.load(folder)
    made = build(procedural(traits), traits)
    store.save(made, folder)
    return made


def person(patient: Patient, seed: int, treat: Treat, product: str = USUAL) -> Person:
    """Every ala of a patient that the technique serves, treated."""
    sides, refused = _served(patient)
    if not sides:
        return Person(seed, (), refused)
    case = make_case(patient, _level(patient, sides))
    cement, given, peaks = treat(case, product)
    done = tuple(
        _side(case, cement, s, seed, (given.get(s, 0.0), peaks.get(s, 0.0))) for s in sides
    )
    return Person(seed, done, refused)


def _level(patient: Patient, sides: tuple[Side, ...]) -> Level:
    risk = any(patient.sheet(side).pattern == "foramen" for side in sides)
    return Level(name="leakage", title="Leakage", brief="", sides=sides, foramen_at_risk=risk)


def _served(patient: Patient) -> tuple[tuple[Side, ...], tuple[str, ...]]:
    sides: list[Side] = []
    refused = [] if patient.broken_sides else ["no ala is fractured"]
    for side in patient.broken_sides:
        try:
            approaches_for(patient, _level(patient, (side,)))
            sides.append(side)
        except (LevelError, PatientError) as error:
            refused.append(str(error))
    return tuple(sides), tuple(refused)


def procedure(
    case: Case, product: str
) -> tuple[Cement, Mapping[Side, float], Mapping[Side, float]]:
    """The expert's whole procedure until it is finished: the cement, mL given and the highest
    pressure, MPa, of each side. The finish itself, which only works out how hot it got, is left."""
    expert = perform(case, product=product)
    state = begin(case)
    peaks: dict[Side, float] = dict.fromkeys(case.level.sides, 0.0)
    control = next(expert)
    while not any(isinstance(action, Finish) for action in control.actions):
        state = step(case, state, control)
        if state.run is not None:
            peaks[state.run.side] = max(peaks[state.run.side], state.run.peak_mpa)
        control = expert.send(state)
    return state.cement, state.injected_ml, peaks


def _side(
    case: Case, cement: Cement, side: Side, seed: int, met: tuple[float, float]
) -> Sacroplasty:
    patient = case.patient
    sheet = patient.sheet(side)
    return Sacroplasty(
        seed=seed,
        side=side,
        pattern=sheet.pattern,
        quality=patient.traits.quality if patient.traits else "",
        ml=met[0],
        coverage=coverage(sheet, cement, patient.bone),
        column_mm=column_mm(sheet, cement, patient.bone),
        peak_mpa=met[1],
        ways=tuple(_ways(case, cement, _of_side(case, cement, side))),
    )


def _of_side(case: Case, cement: Cement, side: Side) -> NDArray[np.bool_]:
    """Which rows lie on one side of the midline."""
    left = places(cement, case.patient.bone, case.medium.veins) @ case.patient.anatomy.axes[0]
    return np.asarray((left > 0) == (side == "left"))


def _ways(case: Case, cement: Cement, own: NDArray[np.bool_]) -> Iterator[Way]:
    for way in Exit:
        out = own & (cement.exit == way)
        if way != Exit.NONE and out.any():
            yield Way(way.name.lower(), float(cement.ml[out].sum()), shown_ml(case, cement, out))


def shown_ml(case: Case, cement: Cement, out: NDArray[np.bool_]) -> float:
    """What a radiograph shows of the rows `out` (k,), mL: the better of AP and lateral."""
    points = places(cement, case.patient.bone, case.medium.veins)
    return max(
        _shadow_ml(_across(points, detector_direction(*view_angles(view, case.patient.anatomy))),
                   cement.ml, out)
        for view in ("ap", "lateral")
    )  # fmt: skip


def _across(points: FloatArray, beam: FloatArray) -> FloatArray:
    """Places (k, 2), mm, on a plane across the beam; the beam is taken as parallel."""
    one = np.cross(beam, [0.0, 0.0, 1.0] if abs(beam[2]) < 0.9 else [1.0, 0.0, 0.0])
    one /= np.linalg.norm(one)
    return np.stack([points @ one, points @ np.cross(beam, one)], axis=-1)


def _shadow_ml(flat: FloatArray, ml: FloatArray, out: NDArray[np.bool_]) -> float:
    """mL of `out` in the pixels where it is thick enough and no less thick than the rest."""
    pixel = np.floor((flat - flat.min(axis=0)) / PIXEL_MM).astype(int)
    size = pixel.max(axis=0) + 1
    index = np.ravel_multi_index(tuple(pixel.T), tuple(size))
    leak = np.bincount(index[out], weights=ml[out], minlength=int(size.prod()))
    rest = np.bincount(index[~out], weights=ml[~out], minlength=int(size.prod()))
    thick = 1000.0 * leak / PIXEL_MM**2
    return float(leak[(thick >= SHOWN_MM) & (leak >= rest)].sum())


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


def risks(
    thick: Sequence[Person], thin: Sequence[Person], seen_ml: float = VISIBLE_ML
) -> list[Risk]:
    """How often thick cement leaks (on radiographs), and how often thin, in the alae that both were
    given to: by any route and by those of RISKS."""
    found = []
    for route, published in RISKS.items():
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
