"""The command line, and the composition root: the only place that opens files, windows, devices."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from game import __version__
from game.cli.cases import case_of, level_of
from game.cli.feel import feel_of_people
from game.cli.leakage import leak_study
from game.cli.patients import JsonOption, patients
from game.cli.survey import survey_people
from game.cli.xrays import xray
from game.errors import BadInput
from game.terminal import print_table, screen, working

if TYPE_CHECKING:
    from game.records.album import Album
    from game.records.session import Session
    from game.scoring.scorecard import Scorecard
    from game.simulation.case import Case

app = typer.Typer(
    name="sacrosim",
    help="A training simulator for percutaneous sacroplasty.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(patients)
app.command()(xray)


class Device(StrEnum):
    """What a hand may hold: `auto` is a 3D Systems device where one opens, else the mouse."""

    AUTO = "auto"
    MOUSE = "mouse"
    PHANTOM = "phantom"


class Tip(StrEnum):
    """The tips that a stylet may have."""

    DIAMOND = "diamond"
    BEVELED = "beveled"


class Part(StrEnum):
    """The parts that `bench` times."""

    HAPTICS = "haptics"
    SIMULATION = "simulation"
    CEMENT = "cement"
    FLUOROSCOPY = "fluoroscopy"
    PROCEDURE = "procedure"
    PATIENT = "patient"


PatientOption = Annotated[
    Path | None,
    typer.Option("--patient", help="A folder with a CT or label map, or an imported patient."),
]
LevelArgument = Annotated[str, typer.Argument(help="A level; `sacrosim levels` lists them.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
LibraryOption = Annotated[
    Path | None, typer.Option(help="The device driver's libHD, if it is in no usual place.")
]
OutOption = Annotated[Path, typer.Option(help="Folder for report, scorecard and session.")]


def main() -> None:
    """Run the command line. Bad input is one line on stderr and exit status 2."""
    try:
        status = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except typer.TyperException as error:
        status = _complain(error.format_message())
    except BadInput as error:
        status = _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        status = _complain("stopped", 130)
    sys.exit(status if isinstance(status, int) else 0)


@app.command()
def demo(
    level: LevelArgument = "both-sides",
    patient: PatientOption = None,
    seed: SeedOption = 0,
    out: OutOption = Path("demo"),
    entry_offset: Annotated[
        float, typer.Option(min=0.0, max=15.0, help="Displace the expert's bony entries, mm.")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """The expert performs a whole case, without a display.

    Example: sacrosim demo both-sides --patient scans/pelvis --out demo
    """
    from game.training.expert import perform
    from game.training.rehearsal import rehearse

    case = case_of(level_of(level), patient, seed, out)
    with working("the expert performs the case") as said:
        session, album = rehearse(case, perform(case, entry_offset), patient, said)
    _conclude(case, session, album, out, as_json)


@app.command()
def play(
    level: LevelArgument = "both-sides",
    patient: PatientOption = None,
    seed: SeedOption = 0,
    out: OutOption = Path("play"),
    device: Annotated[Device, typer.Option(help="What the hand holds.")] = Device.AUTO,
    library: LibraryOption = None,
    tip: Annotated[Tip, typer.Option(help="The stylet's tip.")] = Tip.DIAMOND,
    status: Annotated[
        bool, typer.Option("--status", help="Print a line of JSON ten times a second.")
    ] = False,
) -> None:
    """Open the room and perform a case with mouse and keyboard, or a haptic device.

    Example: sacrosim play left-side --device phantom
    """
    try:
        from game.cli.devices import in_hand
        from game.scene.room import RoomError, open_room
    except ImportError as error:
        raise BadInput(
            f"the 3D room cannot start ({error}); on Debian: apt-get install libgl1 libegl1"
        ) from None
    case = case_of(level_of(level), patient, seed, out)
    unfinished = out / "unfinished.npz"
    try:
        with in_hand(case, device.value, library, tip.value, out) as hold:
            session, album = open_room(
                case, patient, sys.stdout if status else None, unfinished, hold
            )
    except RoomError as broken:
        _conclude(case, broken.session, broken.album, out, False)
        raise
    _conclude(case, session, album, out, False)
    unfinished.unlink(missing_ok=True)


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
    from game.records.session import load_session
    from game.scoring.rubric import load_rubric
    from game.scoring.scorecard import score

    recorded, album = load_session(session), Album()
    source = patient or (Path(p) if (p := recorded.header.patient_path) else None)
    case = case_of(recorded.header.level, source, recorded.header.seed, out)
    with working(f"replaying {len(recorded) / 3600:.1f} minutes"):
        again = play_again(recorded, case, album.watch)
    rubric = load_rubric()
    card, before = score(again.trace, rubric), score(recorded.trace, rubric)
    equal = again.difference is None and card.to_json() == before.to_json()
    if out is not None:
        _conclude(case, recorded, album, out, as_json)
    else:
        _show(card, as_json)
    screen.print(f"{len(recorded.digests)} seconds compared, digests and scorecard "
                 f"{'equal' if equal else 'DIFFER'}")  # fmt: skip
    if not equal:
        raise BadInput(f"replay differs: {again.difference or 'scorecard'}")


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
    from game.scoring.rubric import load_rubric
    from game.scoring.scorecard import score as score_trace

    chosen = load_rubric(rubric)
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
    rows = [(level.name, level.title, ", ".join(level.sides)) for level in found]
    print_table(("level", "title", "sides"), rows)


@app.command()
def bench(
    part: Annotated[list[Part] | None, typer.Argument(help="Which parts; all by default.")] = None,
    patient: PatientOption = None,
    survey: Annotated[
        int | None,
        typer.Option(min=2, help="Instead: how so many generated people stand to the published."),
    ] = None,
    leaks: Annotated[
        int | None,
        typer.Option(min=1, help="Instead: how often the expert's cement leaks in so many people."),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Where --leaks keeps patients, to go on where it stopped.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="A product that --leaks compares on the same people; may be repeated."),
    ] = None,
    direct: Annotated[
        bool, typer.Option("--direct", help="Give the cement of --leaks without the room: faster.")
    ] = False,
    feel: Annotated[
        int | None,
        typer.Option(min=1, help="Instead: what a hand tells from the force, over so many people."),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(help="With --feel or --leaks: read saved patients, do not make them."),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time the simulator's parts on this machine, beside their budgets.

    Example: sacrosim bench cement --json

    Example: sacrosim bench cement --leaks 200 --against high-viscosity --against low-viscosity

    Example: sacrosim bench patient --survey 200

    Example: sacrosim bench haptics --feel 200
    """
    if feel is not None:
        if not feel_of_people(feel, people, as_json):
            raise typer.Exit(1)
        return
    if survey is not None:
        survey_people(survey, as_json)
        return
    if leaks is not None:
        if not leak_study(leaks, keep, people, against or [], direct, as_json):
            raise typer.Exit(1)
        return
    _timed([p.value for p in part] if part else None, patient, library, as_json)


def _timed(
    parts: list[str] | None, patient: Path | None, library: Path | None, as_json: bool
) -> None:
    """The parts' figures, all of them by default, beside their budgets."""
    from game.training.bench import PARTS, measure

    case = case_of(level_of("both-sides"), patient, 0, None)
    with working("performing the case and timing it"):
        rows = measure(case, parts or PARTS, library)
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    said = {None: "", True: "yes", False: "NO"}
    shown = [
        (r.part, r.what, r.unit, f"{r.median:.4g}", f"{r.p95:.4g}", r.budget, said[r.met])
        for r in rows
    ]
    print_table(("part", "what", "unit", "median", "p95", "budget", "met"), shown)


@app.command()
def doctor(
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the haptic device, or say what is missing; fails only if mouse play would.

    Example: sacrosim doctor --library /opt/OpenHaptics/lib/libHD.so
    """
    from game.training.doctor import examine, playable

    findings = examine(library)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        rows = [(f.needed, f.what, "yes" if f.there else "NO", f.say) for f in findings]
        print_table(("for", "what", "there", ""), rows)
    if not playable(findings):
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Print the version.

    Example: sacrosim version
    """
    print(__version__)


def _conclude(case: Case, session: Session, album: Album, out: Path, as_json: bool) -> None:
    """Write everything, show the scorecard, say where things are."""
    from game.records.results import write_results
    from game.scoring.rubric import load_rubric

    with working("pictures and report"):
        results = write_results(out, case, session, album, load_rubric())
    _show(results.scorecard, as_json)
    screen.print(f"report    {results.report}")
    screen.print(f"pictures  {', '.join(path.name for path in results.pictures)}")
    screen.print(f"session   {results.session}")


def _show(card: Scorecard, as_json: bool) -> None:
    """The scorecard as JSON, or as a table for a person."""
    if as_json:
        print(card.to_json(), end="")
        return
    table = Table("phase", "item", "side", "value", "points", title=f"{card.patient}, {card.level}")
    for item in card.items:
        value = "not done" if item.value is None else f"{item.value:.1f} {item.unit}"
        table.add_row(item.phase, item.title, item.side or "", value,
                      f"{item.points:.1f} / {item.possible:.1f}")  # fmt: skip
    console = Console(highlight=False)
    console.print(table)
    for error in card.critical:
        console.print(f"critical: {error.reason}")
    console.print(f"{card.total:.0f} of 100, {'passed' if card.passed else 'not passed'}")


def _complain(message: str, status: int = 2) -> int:
    print(f"sacrosim: {' '.join(message.split())}", file=sys.stderr)
    return status
