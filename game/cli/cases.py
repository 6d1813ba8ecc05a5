"""What several commands begin with: a level, a case, a C-arm that has taken its picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from game.errors import BadInput
from game.terminal import working

if TYPE_CHECKING:
    from game.geometry.views import PelvicView, ViewName
    from game.patient.patient import Patient
    from game.simulation.case import Case, Level
    from game.simulation.state import State


def level_of(name: str) -> Level:
    """A shipped level by name."""
    from game.training.levels import read_level

    return read_level(name)


def case_of(level: Level, patient: Path | None, seed: int, out: Path | None) -> Case:
    """The case; what can be refused is refused before the long work begins."""
    from game.records.results import usable
    from game.training.levels import make_case

    if out is not None:
        usable(out)
    with working("patient"):
        return make_case(patient_of(patient, seed), level, seed)


@contextmanager
def written(out: Path) -> Iterator[Path]:
    """A draft of the file that -o names, which stands there whole or not at all; BadInput where it
    cannot be written, as on a full disk."""
    from game.records.whole import whole

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole(out) as draft:
            yield draft
    except OSError as error:
        raise BadInput(f"-o {out}: cannot be written ({error.strerror or error})") from None


def patient_of(folder: Path | None, seed: int) -> Patient:
    """What lies in a folder, or the embedded patient."""
    from game.patient.store import embedded, open_patient

    return embedded(seed) if folder is None else open_patient(folder)


def case_to_look_at(patient: Patient, seed: int = 0) -> Case:
    """A case for pictures alone, centred on the paths by the rule, whatever a level refuses."""
    from game.patient.approach import rule_path
    from game.patient.patient import SIDES
    from game.simulation.case import Case
    from game.simulation.cement import medium_of

    paths = {side: rule_path(patient, side) for side in SIDES}
    return Case(patient, level_of("both-sides"), seed, paths, medium_of(patient))


def exposed_at(
    case: Case,
    view: ViewName | PelvicView,
    moved: tuple[float, float, float] = (0.0, 0.0, 0.0),
    field: tuple[float, float] = (1.0, 1.0),
    pulse_rate: float | None = None,
) -> State:
    """The state after the C-arm has been driven to a true view and one picture was taken.

    `moved` turns and tilts it from there, degrees, and lowers it along the beam, mm; `field` is
    collimation and magnification; with a `pulse_rate` the picture is a pulse of fluoroscopy.
    Raises ValueError for what the machine refuses."""
    from game.devices.carm import refusal
    from game.devices.tube import checked_rate
    from game.simulation.control import Collimate, Control, Expose, Recall, SetPulseRate
    from game.simulation.step import begin, step
    from game.training.plan import beside, stored_position

    goal = beside(stored_position(case, view), *moved)
    fault = refusal(goal, case.surroundings)
    if fault:
        raise ValueError(fault)
    state = step(case, begin(case), Control(actions=(Recall(goal), Collimate(*field))))
    while state.carm.moving:
        state = step(case, state, Control())
    if state.carm.stopped:
        raise ValueError(f"on the way: {state.carm.stopped}")
    if pulse_rate is None:
        return step(case, state, Control(actions=(Expose(),)))
    rate = SetPulseRate(checked_rate(pulse_rate))
    return step(case, state, Control(pedal=True, actions=(rate,)))
