"""The commands about patients: make, import, show, and check against the published rows."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from game.cli.cases import case_of, exposed_at, level_of
from game.errors import BadInput
from game.terminal import print_table, screen, working

if TYPE_CHECKING:
    from game.geometry.views import ViewName

patients = typer.Typer(
    name="patient", help="Make or import a patient; show or check one.",
    rich_markup_mode=None,
)  # fmt: skip
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]

LABELS_TOML = """\
[labels]                    # numbers of a label map, or of a SEG's segments
3 = "sacrum"
1 = "hips"                  # both; the sides are told apart by the midline
[files]                     # meshes, or files of one class
"bone7.stl" = "hip_left"
"""
LABELS_HELP = f"""
A --labels file:

\b
{LABELS_TOML}
Names: sacrum, coccyx, hip_left, hip_right, hips, vertebrae_L5, spine, femur_left, femur_right,
femora, disc, muscle, body, and TotalSegmentator's bones, muscles and iliac vessels.
"""
XRAYS: tuple[ViewName, ...] = ("ap", "lateral", "oblique-left")


class SexOption(StrEnum):
    """Whose published rows a patient is held against."""

    FEMALE = "female"
    MALE = "male"


class PatternOption(StrEnum):
    """Fracture patterns on request."""

    PARALLEL = "parallel"
    SI_JOINT = "si-joint"
    FORAMEN = "foramen"
    RIM = "anterolateral-rim"
    CENTRAL = "central"
    H = "h"
    NONE = "none"


class LateralityOption(StrEnum):
    """Which alae are fractured."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"


@patients.command("new")
def new_patient(
    out: Annotated[Path, typer.Option(help="Keep the patient in this folder.")],
    seed: Annotated[int, typer.Option(min=0, help="Draws the patient.")] = 0,
    fracture: Annotated[
        PatternOption | None, typer.Option(help="Pattern; drawn as published by default.")
    ] = None,
    laterality: Annotated[
        LateralityOption | None, typer.Option(help="Fractured side; drawn by default.")
    ] = None,
) -> None:
    """Generate a patient, its fracture as asked or drawn with the published frequencies.

    Example: sacrosim patient new --seed 7 --fracture foramen --laterality left --out patients/seven
    """
    from game.patient.store import generated, save
    from game.patient.traits import Traits
    from game.records.results import usable

    usable(out)
    traits = Traits(
        seed=seed,
        fracture=fracture.value if fracture else None,
        laterality=laterality.value if laterality else None,
    )
    with working(f"generating patient {seed}"):
        patient = generated(traits)
        save(patient, out)
    for fractured in patient.fractures.values():
        screen.print(f"{fractured.name}: {fractured.pattern}, Denis zone {fractured.zone}, "
                     f"FFP {fractured.ffp}")  # fmt: skip
    screen.print(f"patient: {out}")


@patients.command("import", epilog=LABELS_HELP)
def import_patient(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Label maps (MetaImage, NRRD, NIfTI; one file, or one per class), a CT, a DICOM "
            "series with a label map, a SEG or alone, or meshes (STL, PLY, OBJ)."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Keep the patient in this folder.")] = None,
    totalsegmentator: Annotated[
        Literal["v1", "v2"] | None,
        typer.Option(help="Whose label numbers these are, where the file does not name them."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="What other numbers or file names stand for."),
    ] = None,
    space: Annotated[
        Literal["lps", "ras"] | None,
        typer.Option(help="Of meshes whose header has no SPACE=LPS or SPACE=RAS."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import a pelvis, and say what was found and what was estimated.

    No name, number or date of a person is read from DICOM.

    Example: sacrosim patient import scans/pelvis --totalsegmentator v2 --out patients/one
    """
    from game.patient.importing import Choices
    from game.patient.store import open_patient, save
    from game.records.results import usable

    if out is not None:
        usable(out)
    choices = Choices(totalsegmentator, labels, space)
    with working(f"importing {folder}"):
        patient = open_patient(folder, choices)
        if out is not None:
            save(patient, out)
    found = {
        name: {"point": [round(float(v), 2) for v in mark.point], "estimated": mark.estimated,
               "uncertainty_mm": mark.uncertainty_mm}
        for name, mark in sorted(patient.landmarks.items())
    }  # fmt: skip
    if as_json:
        print(json.dumps({"name": patient.name, "source": patient.source, "landmarks": found,
                          "notes": list(patient.notes)}))  # fmt: skip
        return
    rows = []
    for name, mark in sorted(patient.landmarks.items()):
        seen = f"estimated +-{mark.uncertainty_mm:.0f} mm" if mark.estimated else "yes"
        rows.append((name, *(f"{v:.1f}" for v in mark.point), seen))
    print_table(("landmark", "left", "posterior", "superior", "seen"), rows, patient.name)
    for note in patient.notes:
        screen.print(f"- {note}")


@patients.command("check")
def check_patient(
    folder: Annotated[
        Path | None, typer.Argument(help="A patient, or a scan to import; else the embedded one.")
    ] = None,
    sex: Annotated[SexOption, typer.Option(help="Whose published rows apply.")] = SexOption.FEMALE,
    as_json: JsonOption = False,
) -> None:
    """Measure a patient, beside the published morphometry; a plain reading, it refuses nothing.

    Example: sacrosim patient check patients/one --sex male
    """
    from game.patient.measuring import measured
    from game.patient.morphometry import published
    from game.patient.store import embedded, open_patient

    with working("patient"):
        patient = embedded() if folder is None else open_patient(folder)
        found = measured(patient)
    if as_json:
        deviations = {r.id: round(r.deviation(found[r.id], sex.value), 2)
                      for r in published() if r.id in found and sex.value in r.mean}  # fmt: skip
        print(json.dumps({"name": patient.name, "sex": sex.value, "measured": found,
                          "deviations_sd": deviations}))  # fmt: skip
        return
    rows, unseen = [], []
    for row in published():
        if row.id not in found:
            unseen.append(row.id.replace("_", " "))
            continue
        given = sex.value in row.mean
        rows.append((
            row.id.replace("_", " "), row.unit, f"{found[row.id]:.1f}",
            f"{row.mean[sex.value]:.1f} +- {row.sd[sex.value]:.1f}" if given else "",
            f"{row.deviation(found[row.id], sex.value):+.1f}" if given else "",
        ))  # fmt: skip
    columns = ("measure", "unit", "here", f"published, {sex.value}", "in SD")
    print_table(columns, rows, patient.name)
    if unseen:
        screen.print(f"not measured: {', '.join(unseen)}")


@patients.command("show")
def show_patient(
    out: Annotated[Path, typer.Option("-o", "--out", help="The .png to write.")],
    folder: Annotated[
        Path | None, typer.Argument(help="A patient, or a scan to import; else the embedded one.")
    ] = None,
) -> None:
    """One page of pictures: four bone surfaces, three CT planes, three X-rays.

    Example: sacrosim patient show patients/one -o one.png
    """
    from game.fluoroscopy.projector import Projector
    from game.fluoroscopy.render import render
    from game.records.portrait import portrait
    from game.records.results import usable

    if out.suffix.lower() != ".png":
        raise BadInput(f"-o {out}: the file must end in .png")
    usable(out.parent)
    case = case_of(level_of("both-sides"), folder, 0, None)
    with working("drawing"):
        projector = Projector(case.patient)
        pictures = [render(case, exposed_at(case, v), projector) for v in XRAYS]
        page = portrait(case.patient, {p.caption: p.pixels for p in pictures})
        out.write_bytes(page)
    screen.print(f"page: {out}")
