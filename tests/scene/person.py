"""A person at the game, from outside: real mouse and keyboard events into a real X server, and
eyes on the status line that `sacrosim play --status` prints. Acts by mouse and keyboard only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from Xlib import XK, X, display
from Xlib.ext import xtest
from Xlib.protocol import event

NAMES = {
    "shift": XK.XK_Shift_L,
    "tab": XK.XK_Tab,
    "space": XK.XK_space,
    "escape": XK.XK_Escape,
}
PATIENCE_S = 60.0
STARTING_S = 240.0  # a first patient is built, on a machine that has other work


@contextmanager
def x_server() -> Iterator[str]:
    """A fresh Xvfb of 1280 x 720; its display name. Raises FileNotFoundError without Xvfb."""
    program = shutil.which("Xvfb")
    if program is None:
        raise FileNotFoundError("Xvfb")
    read, write = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(write), "-screen", "0", "1280x720x24", "-nolisten", "tcp"],
        pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            yield f":{answer.readline().strip()}"
    finally:
        server.terminate()
        server.wait(10)


class Person:
    """One person, one running game, under numba's workqueue layer: it aborts a process in which two
    threads call parallel kernels, so a session that ends shows that only one does."""

    def __init__(self, screen: str, level: str, out: Path) -> None:
        self._x = display.Display(screen)
        self.seen: dict[str, Any] = {}
        self.last_words: list[str] = []
        command = [sys.executable, "-c", "from game.cli import main; main()"]
        self.game = subprocess.Popen(
            [*command, "play", level, "--status", "--out", str(out)],
            env={**os.environ, "DISPLAY": screen, "NUMBA_THREADING_LAYER": "workqueue"},
            stdout=subprocess.PIPE,
            stderr=(out.parent / "stderr.txt").open("w"), text=True,
        )  # fmt: skip
        self._fresh = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        for line in self.game.stdout or ():
            if line.startswith("{"):
                self.seen = json.loads(line)
                self._fresh.set()
            else:
                self.last_words.append(line)

    def wait_for_the_window(self) -> None:
        """The game prints its first status line once the window stands."""
        if not self._fresh.wait(STARTING_S):
            raise TimeoutError("".join(self.last_words) or "the window did not open")
        self.look()

    def look(self) -> dict[str, Any]:
        """A status line that shows what was done before now: three frames on, because a key goes
        through the window's queue, the next frame's input and that frame's ticks."""
        first = self._next()["frame"]
        while self._next()["frame"] < first + 3:
            pass
        return self.seen

    def _next(self) -> dict[str, Any]:
        self._fresh.clear()
        if not self._fresh.wait(PATIENCE_S):
            raise TimeoutError(f"no status; last was {self.seen}")
        return self.seen

    def until(self, good: Callable[[dict[str, Any]], bool], patience: float = PATIENCE_S) -> None:
        """Look until what is seen is good."""
        end = time.monotonic() + patience
        while not good(self.look()):
            if time.monotonic() > end:
                raise TimeoutError(f"waited in vain; last was {self.seen}")

    def down(self, key: str) -> None:
        self._send(X.KeyPress, self._code(key))

    def up(self, key: str) -> None:
        self._send(X.KeyRelease, self._code(key))

    def press(self, key: str) -> None:
        self.down(key)
        time.sleep(0.03)
        self.up(key)
        self.look()

    def press_last(self, key: str) -> None:
        """A key after which the window closes: nothing more is seen."""
        self.down(key)
        time.sleep(0.2)
        self.up(key)

    def hold(self, key: str, good: Callable[[dict[str, Any]], bool], patience: float = 60) -> None:
        """Hold a key down until what is seen is good."""
        self.down(key)
        try:
            self.until(good, patience)
        finally:
            self.up(key)

    def move(self, place: tuple[float, float]) -> None:
        xtest.fake_input(self._x, X.MotionNotify, x=round(place[0]), y=round(place[1]))
        self._x.sync()
        time.sleep(0.15)

    def drag(self, button: int, *places: tuple[float, float]) -> None:
        """Press a button at the first place, go to the others, release."""
        self.move(places[0])
        self._send(X.ButtonPress, button)
        time.sleep(0.15)
        for place in places[1:]:
            self.move(place)
        self._send(X.ButtonRelease, button)
        self.look()

    def roll(self, clicks: int) -> None:
        """The wheel, forward positive, one click after the other."""
        for _ in range(abs(clicks)):
            self._send(X.ButtonPress, 4 if clicks > 0 else 5)
            self._send(X.ButtonRelease, 4 if clicks > 0 else 5)
            time.sleep(0.02)

    def close_window(self) -> None:
        """What a window manager sends when its cross is clicked."""
        protocols = self._x.intern_atom("WM_PROTOCOLS")
        delete = self._x.intern_atom("WM_DELETE_WINDOW")
        for window in self._x.screen().root.query_tree().children:
            message = event.ClientMessage(
                window=window, client_type=protocols, data=(32, [delete, X.CurrentTime, 0, 0, 0])
            )
            window.send_event(message, event_mask=0)
        self._x.sync()

    def _code(self, key: str) -> int:
        keysym = NAMES.get(key) or XK.string_to_keysym(key)
        code: int = self._x.keysym_to_keycode(keysym)
        return code

    def _send(self, kind: int, detail: int) -> None:
        xtest.fake_input(self._x, kind, detail)
        self._x.sync()
