"""The command line, and the composition root: the only place that opens files, windows, devices."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import click
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from game import __version__
from game.patient.errors import PatientError

app = typer.Typer(
    name="sacrosim",
    help="A training simulator for percutaneous sacroplasty.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
patients = typer.Typer(
    name="patient", help="Import a pelvis and look at it.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip
app.add_typer(patients)
screen = Console(stderr=True, highlight=False)

PatientOption = Annotated[
    Path | None,
    typer.Option("--patient", help="A folder with a CT or label map, or an imported patient."),
]
LevelArgument = Annotated[str, typer.Argument(help="A level; `sacrosim levels` lists them.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]


def main() -> None:
    """Run the command line. Bad input is one line on stderr and exit status 2."""
    try:
        status = app(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        status = 2
    except click.ClickException as error:
        _complain(error.format_message())
        status = 2
    except (PatientError, *_bad_input()) as error:
        _complain(str(error))
        status = 2
    except (KeyboardInterrupt, click.Abort):
        _complain("stopped")
        status = 130
    sys.exit(status if isinstance(status, int) else 0)


@app.command()
def demo(
    level: LevelArgument = "both-sides",
    patient: PatientOption = None,
    seed: SeedOption = 0,
    out: Annotated[Path, typer.Option(help="Folder for report, scorecard and session.")] = Path(
        "demo"
    ),
    offset: Annotated[
        float, typer.Option(min=0.0, max=15.0, help="Displace the expert's bony entry, mm.")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """The expert performs a whole case, without a display.

    Example: sacrosim demo both-sides --patient scans/pelvis --out demo
    """
    from game.records.results import usable, write_results
    from game.scoring.rubric import default_rubric
    from game.training.expert import perform
    from game.training.rehearsal import rehearse

    usable(out)
    with _working() as progress:
        case = _case(progress, level, patient, seed)
        task = progress.add_task("expert performs the case", total=None)
        procedure = perform(case, entry_offset=offset)
        session, album = rehearse(case, procedure, patient, lambda t: _minutes(progress, task, t))
        task = progress.add_task("pictures and report", total=None)
        results = write_results(out, case, session, album, default_rubric())
    _show(results.scorecard, as_json)
    _say_where(out)


@app.command()
def play(
    level: LevelArgument = "both-sides",
    patient: PatientOption = None,
    seed: SeedOption = 0,
    out: Annotated[Path, typer.Option(help="Folder for report, scorecard and session.")] = Path(
        "play"
    ),
    device: Annotated[
        Literal["auto", "mouse"], typer.Option(help="What the hand holds.")
    ] = "auto",
) -> None:
    """Open the room and perform a case with mouse and keyboard.

    Example: sacrosim play left-side
    """
    from game.records.results import usable, write_results
    from game.scoring.rubric import default_rubric

    try:
        from game.scene.room import open_room
    except ImportError as error:
        raise click.ClickException(
            f"the 3D room cannot start ({error}); on Debian: apt-get install libgl1 libegl1"
        ) from None
    usable(out)
    with _working() as progress:
        case = _case(progress, level, patient, seed)
    session, album = open_room(case, patient)
    with _working() as progress:
        progress.add_task("pictures and report", total=None)
        results = write_results(out, case, session, album, default_rubric())
    _show(results.scorecard, False)
    _say_where(out)


@app.command()
def replay(
    session: Annotated[Path, typer.Argument(help="A session.npz.")],
    patient: PatientOption = None,
    out: Annotated[Path | None, typer.Option(help="Write report and pictures again here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a session again and compare it second by second.

    Example: sacrosim replay demo/session.npz
    """
    from game.records.album import Album
    from game.records.replay import replay as play_again
    from game.records.results import usable, write_results
    from game.records.session import load_session
    from game.scoring.rubric import default_rubric
    from game.scoring.scorecard import score, to_json

    recorded = load_session(session)
    if out is not None:
        usable(out)
    album = Album()
    with _working() as progress:
        source = patient or _recorded_patient(recorded.header.patient_path)
        case = _case(progress, recorded.header.level, source, recorded.header.seed)
        progress.add_task(f"replaying {len(recorded) / 3600:.1f} minutes", total=None)
        again = play_again(recorded, case, album.watch)
        if out is not None:
            write_results(out, case, recorded, album, default_rubric())
    card = score(again.trace, default_rubric())
    equal = again.difference is None and to_json(card) == to_json(
        score(recorded.trace, default_rubric())
    )
    if as_json:
        print(json.dumps({"equal": equal, "difference": again.difference,
                          "seconds": len(recorded.digests), "scorecard": json.loads(to_json(card))}))  # fmt: skip
    else:
        _show(card, False)
        screen.print(f"{len(recorded.digests)} digests compared: {'equal' if equal else 'DIFFER'}")
    if not equal:
        raise click.ClickException(f"replay differs: {again.difference or 'scorecard'}")


@app.command()
def score(
    session: Annotated[Path, typer.Argument(help="A session.npz.")],
    rubric: Annotated[Path | None, typer.Option(help="A rubric in TOML.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a session from its trace alone, also under another rubric.

    Example: sacrosim score demo/session.npz --rubric strict.toml --json
    """
    from game.records.session import load_session
    from game.scoring.rubric import default_rubric, read_rubric
    from game.scoring.scorecard import score as score_trace

    chosen = default_rubric() if rubric is None else read_rubric(rubric)
    _show(score_trace(load_session(session).trace, chosen), as_json)


@app.command()
def levels(as_json: JsonOption = False) -> None:
    """List the levels.

    Example: sacrosim levels
    """
    from game.training.levels import level_names, read_level

    found = [read_level(name) for name in level_names()]
    if as_json:
        print(json.dumps([level.model_dump() for level in found]))
        return
    table = Table("level", "title", "sides")
    for level in found:
        table.add_row(level.name, level.title, ", ".join(level.sides))
    Console().print(table)


@patients.command("import")
def import_patient(
    folder: Annotated[Path, typer.Argument(help="A CT with labels, or a label map with a mask.")],
    out: Annotated[Path | None, typer.Option(help="Keep the patient in this folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Import a pelvis, and say what was found and what was estimated.

    Example: sacrosim patient import scans/pelvis --out patients/one
    """
    from game.patient.store import open_patient, save

    with _working() as progress:
        progress.add_task(f"importing {folder}", total=None)
        patient = open_patient(folder)
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
    table = Table("landmark", "left", "posterior", "superior", "seen", title=patient.name)
    for name, mark in sorted(patient.landmarks.items()):
        x, y, z = mark.point
        seen = f"estimated +-{mark.uncertainty_mm:.0f} mm" if mark.estimated else "yes"
        table.add_row(name, f"{x:.1f}", f"{y:.1f}", f"{z:.1f}", seen)
    Console().print(table)
    for note in patient.notes:
        Console().print(f"- {note}")


@app.command()
def version() -> None:
    """Print the version.

    Example: sacrosim version
    """
    print(__version__)
