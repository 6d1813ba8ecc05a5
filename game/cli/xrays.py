"""The `xray` command: one picture of a patient, as pixels, as DICOM or as what is behind it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from game.cli.cases import case_of, exposed_at, level_of
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
    turn: Annotated[float, typer.Option(help="Degrees added to the primary angle.")] = 0.0,
    tilt: Annotated[float, typer.Option(help="Degrees added to the secondary angle.")] = 0.0,
    lower: Annotated[
        float, typer.Option(help="Move the arm this far towards the tube along the beam, mm.")
    ] = 0.0,
    kvp: Annotated[
        float | None, typer.Option(help="Tube voltage; brightness control sets it otherwise.")
    ] = None,
    collimation: Annotated[float, typer.Option(help="Open share of the picture's side.")] = 1.0,
    magnification: Annotated[float, typer.Option(help="Read only the panel's middle.")] = 1.0,
    frames: Annotated[int, typer.Option(help="Pulses averaged.")] = 1,
    pulse_rate: Annotated[
        float | None,
        typer.Option(help="A pulse of fluoroscopy at 4, 7.5, 15 or 30 a second; else one shot."),
    ] = None,
    grid: Annotated[bool, typer.Option(help="The 10:1 grid on the panel.")] = True,
    edges: Annotated[float, typer.Option(min=0.0, max=5.0, help="Edge enhancement.")] = 1.2,
    level: Annotated[float, typer.Option(min=-5.0, max=5.0, help="Moves the window.")] = 0.0,
    width: Annotated[float, typer.Option(min=0.1, max=10.0, help="Widens the window.")] = 1.0,
    invert: Annotated[bool, typer.Option("--invert", help="Bone white.")] = False,
    flip: Annotated[bool, typer.Option("--flip", help="Left to right.")] = False,
    quarter_turns: Annotated[
        int, typer.Option("--rotate", min=0, max=3, help="Quarter turns clockwise.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """One virtual X-ray of a patient, nothing in place, and what it shows of its view.

    Example: sacrosim xray --patient scans/pelvis --view oblique-left -o oblique.dcm
    """
    from game.devices.beam import fluence
    from game.devices.tube import Field, checked_rate
    from game.fluoroscopy.detector import Detector
    from game.fluoroscopy.display import MONITOR
    from game.fluoroscopy.projector import Projector
    from game.geometry.carm import SOURCE_TO_DETECTOR_MM

    if out.suffix.lower() not in KINDS:
        raise BadInput(f"-o {out}: the file must end in .png, .dcm or .npz")
    display = replace(
        MONITOR, sharpen=edges, level=level, width=width, invert=invert, flip=flip,
        turns=quarter_turns,
    )  # fmt: skip
    try:
        detector = Detector(grid, frames)
        Field(collimation, magnification)
        if kvp is not None:
            fluence(kvp, SOURCE_TO_DETECTOR_MM)
        if pulse_rate is not None:
            checked_rate(pulse_rate)
        case = case_of(level_of("both-sides"), patient, seed, out.parent)
        with working(f"projecting {view.value}"):
            state = exposed_at(
                case, view.value, (turn, tilt, lower), (collimation, magnification), pulse_rate
            )
            state = _at_voltage(case, state, kvp, pulse_rate is None)
            told = _write(out, case, state, Projector(case.patient), size, display, detector)
    except ValueError as refused:
        raise BadInput(str(refused)) from None
    if as_json:
        print(json.dumps(told))
    else:
        screen.print(f"{told['caption']}: {out}\n{told['words']}")


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
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".png":
        save_png(picture, out)
    else:
        signal = exposed(case, state, projector, picture.projection, detector)
        if out.suffix.lower() == ".npz":
            areas = scene_areas(state, projector, picture.projection)
            save_arrays(out, areas, signal, picture.projection)
        else:
            from game.fluoroscopy.dicom import save_dicom, shot_of

            save_dicom(shot_of(case, state, picture, signal, detector), out)
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
