"""The `xray` command: one picture of a patient, as pixels, as DICOM or as what is behind it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from game.cli.cases import case_to_look_at, exposed_at, patient_of, written
from game.cli.patients import JsonOption
from game.errors import BadInput
from game.terminal import screen, working

if TYPE_CHECKING:
    from game.fluoroscopy.detector import Detector
    from game.fluoroscopy.display import Display
    from game.fluoroscopy.projector import Projector
    from game.simulation.case import Case
    from game.simulation.state import State

KINDS = (".png", ".dcm", ".npz")


class View(StrEnum):
    """The named views of game.geometry.views, for the command line."""

    AP = "ap"
    LATERAL = "lateral"
    OBLIQUE_LEFT = "oblique-left"
    OBLIQUE_RIGHT = "oblique-right"
    INLET = "inlet"
    OUTLET = "outlet"


# What can be set at the machine, and what at its monitor.
Turn = Annotated[float, typer.Option(help="Degrees added to the primary angle.")]
Tilt = Annotated[float, typer.Option(help="Degrees added to the secondary angle.")]
Lower = Annotated[
    float, typer.Option(help="Move the arm this far towards the tube along the beam, mm.")
]
Voltage = Annotated[
    float | None, typer.Option(help="Tube voltage; brightness control sets it otherwise.")
]
Collimation = Annotated[float, typer.Option(help="Open share of the picture's side.")]
Magnification = Annotated[float, typer.Option(help="Read only the panel's middle.")]
Frames = Annotated[int, typer.Option(help="Pulses averaged.")]
PulseRate = Annotated[
    float | None,
    typer.Option(help="A pulse of fluoroscopy at 4, 7.5, 15 or 30 a second; else one shot."),
]
Grid = Annotated[bool, typer.Option(help="The 10:1 grid on the panel.")]
Edges = Annotated[float, typer.Option(min=0.0, max=5.0, help="Edge enhancement.")]
Level = Annotated[float, typer.Option(min=-5.0, max=5.0, help="Moves the window.")]
Width = Annotated[float, typer.Option(min=0.1, max=10.0, help="Widens the window.")]
Invert = Annotated[bool, typer.Option("--invert", help="Bone white.")]
Flip = Annotated[bool, typer.Option("--flip", help="Left to right.")]
QuarterTurns = Annotated[
    int, typer.Option("--rotate", min=0, max=3, help="Quarter turns clockwise.")
]


@dataclass(frozen=True)
class Taking:
    """How a picture is taken: degrees and mm away from the true view, collimation and
    magnification, and the tube's voltage and pulse rate where they are not the machine's choice.
    Raises ValueError, with what is allowed, for what the generator or collimator does not give."""

    moved: tuple[float, float, float]
    field: tuple[float, float]
    kvp: float | None
    pulse_rate: float | None

    def __post_init__(self) -> None:
        from game.devices.beam import attenuation
        from game.devices.tube import Field, checked_rate

        for name, by in zip(("turn", "tilt", "lower"), self.moved, strict=True):
            if not isfinite(by):
                raise ValueError(f"{name} is {by}; it must be a finite number of degrees or mm")
        Field(*self.field)
        if self.kvp is not None:
            attenuation(self.kvp)
        if self.pulse_rate is not None:
            checked_rate(self.pulse_rate)


def xray(
    view: Annotated[View, typer.Option(help="Which view.")],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="A .png, a .dcm, or a .npz of what is behind it."),
    ],
    patient: Annotated[
        Path | None,
        typer.Option("--patient", help="A folder with a CT or label map, or an imported patient."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=2048, help="Pixels across.")] = 512,
    turn: Turn = 0.0,
    tilt: Tilt = 0.0,
    lower: Lower = 0.0,
    kvp: Voltage = None,
    collimation: Collimation = 1.0,
    magnification: Magnification = 1.0,
    frames: Frames = 1,
    pulse_rate: PulseRate = None,
    grid: Grid = True,
    edges: Edges = 1.2,
    level: Level = 0.0,
    width: Width = 1.0,
    invert: Invert = False,
    flip: Flip = False,
    quarter_turns: QuarterTurns = 0,
    as_json: JsonOption = False,
) -> None:
    """One virtual X-ray of a patient, nothing in place, and what it shows of its view.

    Example: sacrosim xray --patient scans/pelvis --view oblique-left -o oblique.dcm
    """
    from game.fluoroscopy.detector import Detector
    from game.fluoroscopy.display import MONITOR
    from game.fluoroscopy.projector import Projector
    from game.records.results import usable

    if out.suffix.lower() not in KINDS:
        raise BadInput(f"-o {out}: the file must end in .png, .dcm or .npz")
    display = replace(MONITOR, sharpen=edges, level=level, width=width, invert=invert, flip=flip,
                      turns=quarter_turns)  # fmt: skip
    try:
        detector = Detector(grid, frames)
        taking = Taking((turn, tilt, lower), (collimation, magnification), kvp, pulse_rate)
        usable(out.parent)
        with working("patient"):
            case = case_to_look_at(patient_of(patient, seed), seed)
        with working(f"projecting {view.value}"):
            state = _taken(case, view, taking)
            told = _write(out, case, state, Projector(case.patient), size, display, detector)
    except ValueError as refused:
        raise BadInput(str(refused)) from None
    if as_json:
        print(json.dumps(told))
    else:
        screen.print(f"{told['caption']}: {out}\n{told['words']}")


def _taken(case: Case, view: View, taking: Taking) -> State:
    state = exposed_at(case, view.value, taking.moved, taking.field, taking.pulse_rate)
    return _at_voltage(case, state, taking.kvp, taking.pulse_rate is None)


def _at_voltage(case: Case, state: State, kvp: float | None, shot: bool) -> State:
    """The state with its pulse made at a voltage set by hand, brightness as before."""
    if kvp is None:
        return state
    from game.devices.tube import Tube
    from game.simulation.exposure import expose

    tube = state.tube
    before = Tube(tube.pulse_rate, field=tube.field)
    pose = state.picture_pose
    by_hand = expose(case.patient, before, pose, tube.last_exposure, shot, kvp)
    return replace(state, tube=replace(by_hand, shots=tube.shots))


def _write(
    out: Path, case: Case, state: State, projector: Projector, size: int, display: Display,
    detector: Detector,
) -> dict[str, object]:  # fmt: skip
    """Draw and write the picture; what there is to say of it."""
    from game.fluoroscopy.evidence import evidence
    from game.fluoroscopy.render import exposed, render, save_arrays, save_png, scene_areas
    from game.geometry.views import view_errors

    picture = render(case, state, projector, size, display, detector)
    with written(out) as draft:
        if out.suffix.lower() == ".png":
            save_png(picture, draft)
        else:
            signal = exposed(case, state, projector, picture.projection, detector)
            if out.suffix.lower() == ".npz":
                areas = scene_areas(state, projector, picture.projection)
                save_arrays(draft, areas, signal, picture.projection)
            else:
                from game.fluoroscopy.dicom import save_dicom, shot_of

                save_dicom(shot_of(case, state, picture, signal, detector), draft)
    pose, tube = state.picture_pose, state.tube
    seen = evidence(case.patient, pose)
    return {
        "caption": picture.caption,
        "off_deg": view_errors(pose.primary, pose.secondary, case.patient.anatomy),
        "evidence": asdict(seen),
        "words": seen.words(),
        "kerma_mgy": tube.kerma_mgy,
        "kap_gycm2": tube.kap_gycm2,
        "out": str(out),
    }
