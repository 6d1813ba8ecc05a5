"""What a case leaves behind in its folder: report, scorecard, session, pictures. All or nothing."""

from __future__ import annotations

import io
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from game.errors import BadInput
from game.fluoroscopy.projector import Projector
from game.fluoroscopy.render import render
from game.records.album import Album
from game.records.cement_maps import cement_maps
from game.records.figures import timeline_picture
from game.records.report import SLOTS, Picture, Slot, write_report
from game.records.session import Session, save_session
from game.records.views3d import sacrum_picture
from game.scoring.rubric import Rubric
from game.scoring.scorecard import Scorecard, score
from game.simulation.case import Case


class ResultsError(BadInput):
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
    draft = _draft_beside(folder)
    try:
        scorecard = score(session.trace, rubric)
        pictures = _pictures(case, session, album)
        save_session(session, draft / "session.npz")
        (draft / "scorecard.json").write_text(scorecard.to_json(), encoding="utf-8")
        for picture in pictures:
            (draft / f"{picture.slot}.png").write_bytes(picture.png)
        write_report(draft / "report.html", scorecard, pictures, _heading(session))
        _move_in(draft, folder)
    except OSError as error:
        raise ResultsError(f"--out {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Results(folder, scorecard, tuple(folder / f"{p.slot}.png" for p in pictures))


def _draft_beside(folder: Path) -> Path:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise ResultsError(f"--out {folder}: {error.strerror}") from None


def _move_in(draft: Path, folder: Path) -> None:
    """Files of an earlier case that this one does not have go with it."""
    folder.mkdir(exist_ok=True)
    names = {path.name for path in draft.iterdir()}
    for stale in (folder / f"{slot}.png" for slot in SLOTS):
        if stale.name not in names:
            stale.unlink(missing_ok=True)
    for name in sorted(names):
        (draft / name).replace(folder / name)


def _pictures(case: Case, session: Session, album: Album) -> list[Picture]:
    projector = Projector(case.patient)
    pictures = [
        Picture(moment.slot, _png(render(case, moment.state, projector).pixels), moment.caption)
        for moment in album.moments
    ]
    final = album.final
    if final is not None:
        view = sacrum_picture(
            case.patient, final.cement, final.cannulas, case.approaches, case.medium.veins
        )
        pictures.append(Picture("view3d", view, "Paths, fracture sheets and cement"))
    pictures += _maps(case, album)
    caption = "The case over time"
    return [*pictures, Picture("timeline", timeline_picture(session.trace), caption)]


def _maps(case: Case, album: Album) -> list[Picture]:
    made = []
    for side in case.level.sides:
        png = cement_maps(case, album.fillings, side)
        if png is not None:
            slot: Slot = "fill-left" if side == "left" else "fill-right"
            made.append(Picture(slot, png, f"Cement and pressure, {side} side, while it flowed"))
    return made


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _heading(session: Session) -> dict[str, str]:
    header = session.header
    return {
        "Patient": header.patient_name,
        "Level": f"{header.level.title} ({header.level.name})",
        "Technique": header.level.technique,
        "Mode": header.mode,
        "Seed": str(header.seed),
        "Version": header.version,
    }
