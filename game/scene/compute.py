"""The one compute thread: pictures, dropped when late, and cement, begun as soon as asked for.

Every numba kernel that runs on all cores runs on this thread and on no other (two threads calling
such kernels abort the process under numba's workqueue layer).
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from game.fluoroscopy.detector import PANEL, Detector
from game.fluoroscopy.display import MONITOR, Display
from game.fluoroscopy.projector import Projector
from game.fluoroscopy.render import Picture, render
from game.simulation.case import Case
from game.simulation.cement import Cement, Channels, Injection, Medium, advance
from game.simulation.state import State


class Compute:
    """Owns the thread. A context; leaving it waits for the job at work and drops the rest."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._projector: Projector | None = None
        self._wanted: State | None = None
        self._coarse: State | None = None
        self._drawing: tuple[State, Future[Picture]] | None = None
        self._asked: tuple[Channels, Cement, Injection] | None = None
        self._solving: Future[Cement] | None = None
        self.dropped = 0
        self._look: tuple[Display, Detector] = MONITOR, PANEL

    def __enter__(self) -> Compute:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._pool.shutdown(wait=True, cancel_futures=True)

    def warm_up(self, state: State) -> None:
        """Draw `state` for nobody, coarse and in full: on a machine's first run the kernels are
        compiled now, and not while a person waits for the first picture. What fails here fails
        again, and is told, at that picture."""
        self._pool.submit(self._draw, state, True)
        self._pool.submit(self._draw, state, False)

    def look(self, display: Display, frames: int) -> bool:
        """How the monitor shows the pictures to come; whether that is new."""
        before, self._look = self._look, (display, Detector(frames=frames))
        return before != self._look

    def want(self, state: State) -> None:
        """Ask for the picture that `state` holds; one that still waits to be begun is dropped."""
        self.dropped += self._wanted is not None
        self._wanted = state

    def picture(self) -> tuple[State, Picture] | None:
        """The picture finished since the last call, if any; begins the next one. Never waits.

        While the C-arm moves a picture comes coarse first, and in full once nothing newer waits."""
        done = None
        if self._drawing is not None and self._drawing[1].done():
            state, job = self._drawing
            done, self._drawing = (state, job.result()), None
        if self._drawing is None and self._wanted is not None:
            state, self._wanted = self._wanted, None
            self._coarse = state if state.carm.moving else None
            self._drawing = state, self._pool.submit(self._draw, state, state.carm.moving)
        elif self._drawing is None and self._coarse is not None:
            state, self._coarse = self._coarse, None
            self._drawing = state, self._pool.submit(self._draw, state, False)
        return done

    def publish(self, state: State) -> None:
        """Begin the cement that `state` asks for, which enters 50 ms later."""
        due = state.due
        if due is None or (self._asked is not None and self._asked[2] is due):
            return
        self._asked = (state.channels, state.cement, due)
        self._solving = self._pool.submit(advance, self._case.medium, *self._asked)

    def solve(self, medium: Medium, channels: Channels, cement: Cement, due: Injection) -> Cement:
        """`cement.advance` with the same result bit for bit: what the thread has worked out, or,
        where it has not begun it (a picture was in its way), worked out here and now."""
        job, asked = self._solving, self._asked
        now = (channels, cement, due)
        if job is None or asked is None or any(a is not b for a, b in zip(asked, now, strict=True)):
            return advance(medium, *now)
        self._solving = None
        return advance(medium, *now) if job.cancel() else job.result()

    def _draw(self, state: State, coarse: bool) -> Picture:
        if self._projector is None:
            self._projector = Projector(self._case.patient, parallel=True)
        display, detector = self._look
        return render(self._case, state, self._projector, 512, display, detector, coarse)
