"""Where the expert's cement leaks in drawn patients, and what a radiograph shows of it.

A sacroplasty is one ala treated by the expert's whole procedure; alae that the long-axis path does
not serve are left out and counted.

What a radiograph shows: the leak's shadow on the final AP and lateral, in pixels of PIXEL_MM, where
it is SHOWN_MM thick or more and not behind more cement; a leak counts once what shows of it is
VISIBLE_ML on either view. Bone does not hide it: cement is denser. A CT shows CT_ML of it. The
thresholds are project choices, not validated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from math import inf
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
VISIBLE_ML = 0.008  # a bead of 2.5 mm
CT_ML = 0.002  # of 1.6 mm, a voxel or two of thin slices. Both were set on these 200 people: leaks
# by the routes, and how much oftener CT finds one (1.5 times, PMID 12585583 and related), come out
# as published
TRIALS_BEGAN_S = {"low-viscosity": 210.0}  # after mixing: what trials compare is thin cement given
# thin; its earliest of three groups at 3.5 min (Habib 2010), when ours has 19 Pa s


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
    expert = perform(case, product=product, injected_from_s=TRIALS_BEGAN_S.get(product, inf))
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
