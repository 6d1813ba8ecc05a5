"""The commands about patients: make, import, show, and check against the published rows."""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from game.cli.cases import case_to_look_at, exposed_at, written
from game.errors import BadInput
from game.patient.traits import AGES
from game.terminal import print_table, screen, working

if TYPE_CHECKING:
    from game.geometry.views import ViewName
    from game.patient.morphometry import Row
    from game.patient.patient import Patient
    from game.patient.traits import Sex

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
    """A patient's sex; whose published rows a patient is held against."""

    FEMALE = "female"
    MALE = "male"


class HabitusOption(StrEnum):
    """How much soft tissue there is."""

    SLIM = "slim"
    AVERAGE = "average"
    OBESE = "obese"


class QualityOption(StrEnum):
    """How dense the bone is."""

    NORMAL = "normal"
    OSTEOPENIC = "osteopenic"
    OSTEOPOROTIC = "osteoporotic"


class DysmorphismOption(StrEnum):
    """A common variant of the upper sacrum, or none."""

    NONE = "none"
    MAMMILLARY = "mammillary"
    SACRALISED = "sacralised"


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
    seed: Annotated[
        int, typer.Option(help="Draws the person and all that is not given: 0 to 4294967295.")
    ] = 0,
    sex: Annotated[SexOption, typer.Option(help="Sex.")] = SexOption.FEMALE,
    age: Annotated[int, typer.Option(help=f"Years, {AGES[0]} to {AGES[1]}.")] = 75,
    habitus: Annotated[HabitusOption, typer.Option(help="Build.")] = HabitusOption.AVERAGE,
    quality: Annotated[
        QualityOption, typer.Option(help="Bone quality.")
    ] = QualityOption.OSTEOPOROTIC,
    fracture: Annotated[
        PatternOption | None, typer.Option(help="Pattern; drawn as published by default.")
    ] = None,
    laterality: Annotated[
        LateralityOption | None, typer.Option(help="Fractured side; drawn by default.")
    ] = None,
    dysmorphism: Annotated[
        DysmorphismOption, typer.Option(help="A variant of the upper sacrum.")
    ] = DysmorphismOption.NONE,
    calcified_vessels: Annotated[
        bool, typer.Option("--calcified-vessels", help="Calcium in the iliac arteries' walls.")
    ] = False,
    template: Annotated[
        bool,
        typer.Option("--template", help="Every measure at its published mean; both sides equal."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Generate a patient from who it is; its fracture as asked, or drawn as often as published.

    The folder opens elsewhere: NIfTI volumes, PLY surfaces in LPS, JSON pages. Some 190 MB. Lately
    generated patients are kept in the cache ($SACROSIM_CACHE, else ~/.cache/sacrosim): at most 12,
    or 3 GB; the longest unused go first.

    Example: sacrosim patient new --seed 7 --sex male --age 81 --fracture foramen --out patients/7
    """
    from game.patient.store import demand_free, generated, save
    from game.patient.traits import Traits
    from game.records.results import usable

    usable(out)
    demand_free(out)
    traits = Traits(
        seed=seed,
        sex=sex.value,
        age=age,
        habitus=habitus.value,
        quality=quality.value,
        fracture=fracture.value if fracture else None,
        laterality=laterality.value if laterality else None,
        dysmorphism=dysmorphism.value,
        calcified_vessels=calcified_vessels,
        template=template,
    )
    with working(f"generating patient {seed}"):
        patient = generated(traits)
    with working(f"writing {out}"):
        save(patient, out)
    _say_made(patient, out, as_json)


def _say_made(patient: Patient, out: Path, as_json: bool) -> None:
    """Who was made, how broken, and what lies in the folder."""
    from game.patient.describe import broken, who

    files = sorted(path.name for path in out.iterdir())
    size = sum((out / name).stat().st_size for name in files) / 1e6
    if as_json:
        print(json.dumps({"patient": str(out), "who": who(patient), "fractures": broken(patient),
                          "files": files, "notes": patient.notes}))  # fmt: skip
        return
    screen.print(f"{patient.name}: {who(patient)}", soft_wrap=True)
    for line in (*broken(patient), *patient.notes):
        screen.print(f"- {line}", soft_wrap=True)
    kinds = Counter(Path(name).suffix for name in files)
    held = f"{kinds['.nii']} volumes, {kinds['.ply']} surfaces, {kinds['.json']} pages"
    screen.print(f"patient: {out} ({held}, {size:.0f} MB)")


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
    sex: Annotated[
        SexOption | None,
        typer.Option(help="Whose published rows apply; the patient's own, else both, by default."),
    ] = None,
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
    sexes = _sexes(patient, sex)
    if as_json:
        deviations = {
            s: {r.id: round(r.deviation(found[r.id], s), 2)
                for r in published() if r.id in found and s in r.mean}
            for s in sexes
        }  # fmt: skip
        print(json.dumps({"name": patient.name, "measured": found, "deviations_sd": deviations}))
        return
    rows = [_check_row(row, found[row.id], sexes) for row in published() if row.id in found]
    heads = [name for s in sexes for name in (f"published, {s}", "in SD")]
    print_table(("measure", "unit", "here", *heads), rows, patient.name)
    unseen = [row.id.replace("_", " ") for row in published() if row.id not in found]
    if unseen:
        screen.print(f"not measured: {', '.join(unseen)}")


def _sexes(patient: Patient, asked: SexOption | None) -> tuple[Sex, ...]:
    """Whose rows apply: those asked for, the patient's own, or both where it is not known."""
    if asked is not None:
        return (asked.value,)
    return (patient.traits.sex,) if patient.traits else ("male", "female")


def _check_row(row: Row, value: float, sexes: tuple[Sex, ...]) -> tuple[str, ...]:
    cells = [row.id.replace("_", " "), row.unit, f"{value:.1f}"]
    for sex in sexes:
        given = sex in row.mean
        cells.append(f"{row.mean[sex]:.1f} +- {row.sd[sex]:.1f}" if given else "")
        cells.append(f"{row.deviation(value, sex):+.1f}" if given else "")
    return tuple(cells)


@patients.command("show")
def show_patient(
    out: Annotated[Path, typer.Option("-o", "--out", help="The .png to write.")],
    folder: Annotated[
        Path | None, typer.Argument(help="A patient, or a scan to import; else the embedded one.")
    ] = None,
) -> None:
    """One page of pictures: four bone surfaces, three CT planes, three X-rays, the hazards.

    Example: sacrosim patient show patients/one -o one.png
    """
    from game.fluoroscopy.projector import Projector
    from game.fluoroscopy.render import render
    from game.patient.store import embedded, open_patient
    from game.records.portrait import portrait
    from game.records.results import usable

    if out.suffix.lower() != ".png":
        raise BadInput(f"-o {out}: the file must end in .png")
    usable(out.parent)
    with working("patient"):
        patient = embedded() if folder is None else open_patient(folder)
    with working("drawing"):
        case, projector = case_to_look_at(patient), Projector(patient)
        pictures = [render(case, exposed_at(case, v), projector) for v in XRAYS]
        page = portrait(patient, {p.caption: p.pixels for p in pictures})
        with written(out) as draft:
            draft.write_bytes(page)
    screen.print(f"page: {out}")
