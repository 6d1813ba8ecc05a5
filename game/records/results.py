"""What a case leaves behind in its folder: report, scorecard, session, pictures. All or nothing."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from game.fluoroscopy import Projector, png_bytes, render
from game.records.album import Album
from game.records.report import Figure, write_report
from game.records.session import Session, save_session
from game.records.views3d import views3d
from game.scoring.rubric import Rubric
from game.scoring.scorecard import Scorecard, score, to_json
from game.simulation.case import Case


class ResultsError(OSError):
    """The folder for results cannot be used; one line says why."""


@dataclass(frozen=True)
class Results:
    """Where everything is, and the scorecard."""

    folder: Path
    scorecard: Scorecard
    pictures: tuple[Path, ...]

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def session(self) -> Path:
        return self.folder / "session.npz"


def usable(folder: Path) -> Path:
    """`folder`, once it is known that results can be written there; raises ResultsError."""
    created = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResultsError(f"--out {folder}: cannot write there ({error.strerror})") from None
    if created:
        folder.rmdir()
    return folder


def write_results(
    folder: Path, case: Case, session: Session, album: Album, rubric: Rubric
) -> Results:
    """Draw and write everything beside `folder`, then move it in, file by file.

    Nothing half-written appears under its final name; raises ResultsError."""
    usable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        scorecard = score(session.trace, rubric)
        save_session(session, draft / "session.npz")
        (draft / "scorecard.json").write_text(to_json(scorecard), encoding="utf-8")
        figures = _figures(case, album)
        for figure in figures:
            (draft / f"{figure.name}.png").write_bytes(figure.png)
        write_report(draft / "report.html", scorecard, figures, session)
        folder.mkdir(exist_ok=True)
        names = sorted(path.name for path in draft.iterdir())
        for name in names:
            (draft / name).replace(folder / name)
    except OSError as error:
        raise ResultsError(f"--out {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Results(folder, scorecard, tuple(folder / n for n in names if n.endswith(".png")))


def _figures(case: Case, album: Album) -> list[Figure]:
    projector = Projector(case.patient)
    figures = [
        Figure(moment.slot, moment.caption, png_bytes(render(case, moment.state, projector)))
        for moment in album.moments
    ]
    if album.final is not None:
        figures += views3d(case, album.final)
    return figures
