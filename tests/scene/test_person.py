"""A person treats one side by mouse and keyboard alone, from the window to the report."""

from __future__ import annotations

from collections.abc import Iterator
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from game.patient.store import embedded
from game.records.replay import replay
from game.records.session import load_session
from game.scene.desk import AIM_DEG, FINE_AIM_DEG
from game.scene.layout import LIVE, STAGE, Window
from game.scene.sitting import first_camera, stage_place
from game.scene.words import aim_degrees
from game.scoring.rubric import load_rubric
from game.scoring.scorecard import score
from game.simulation.case import Case
from game.simulation.cement import product
from game.training.levels import make_case, read_level

pytestmark = pytest.mark.xdist_group("scene")
Seen = dict[str, Any]
pytest.importorskip("Xlib", reason="python-xlib, which moves the mouse, is not installed")
from person import Person, x_server  # noqa: E402

WINDOW = Window(1280, 720)
ALIQUOTS = 4


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    try:
        server = x_server()
        screen = server.__enter__()
    except FileNotFoundError:
        pytest.skip("Xvfb is not installed (apt-get install xvfb libgl1 libgl1-mesa-dri)")
    someone = Person(screen, "left-side", tmp_path / "play")
    try:
        yield someone
    finally:
        someone.game.kill()
        server.__exit__(None, None, None)


def pixel(place: tuple[float, float]) -> tuple[float, float]:
    return WINDOW.pixel_from_canvas(*place)


class Treats:
    """What the person knows how to do, in the words of the procedure."""

    def __init__(self, person: Person, case: Case) -> None:
        self.person, self.case = person, case
        self.path = case.approaches["left"]

    def view(self, key: str) -> None:
        self.person.press(key)
        if self.person.seen["carm_moving"]:
            self.person.hold("f", lambda seen: not seen["carm_moving"])
        self.picture()

    def picture(self) -> None:
        if self.person.seen["hand_on"]:
            self.person.press("g")
        before = self.person.look()["pulses"]
        self.person.press("x")
        self.person.until(lambda seen: seen["pulses"] > before)

    def mark(self) -> None:
        self.person.until(lambda seen: seen["monitor_s"] == seen["exposed_s"])
        self.person.drag(1, pixel(LIVE.place(*self.entry_on_picture())))
        assert "Entry marked" in self.person.look()["log"][-1]

    def entry_on_picture(self) -> tuple[float, float]:
        from game.training.plan import stored_position

        geometry = stored_position(self.case, "oblique-left").projection(512)
        column, row = geometry.project(self.path.entry[None])[0]
        return (column + 0.5) / 512, (row + 0.5) / 512

    def place_on_skin(self) -> None:
        at = pixel(stage_place(first_camera(self.case), self.path.skin))
        self.person.drag(1, (at[0] + 60, at[1] + 30), at)
        assert np.linalg.norm(np.subtract(self.person.look()["tip"], self.path.skin)) < 4.0

    def aim(self) -> None:
        for speed, fine in ((AIM_DEG, False), (FINE_AIM_DEG, True), (FINE_AIM_DEG, True)):
            self._turn(speed, fine)
        off = np.subtract(self._wanted(), self.person.look()["aim_deg"])
        assert hypot(*off) < 0.5

    def _wanted(self) -> tuple[float, float]:
        tip = np.array(self.person.seen["tip"])
        x, y, z = (self.path.target - tip) / np.linalg.norm(self.path.target - tip)
        return aim_degrees((float(x), float(y), float(z)))

    def _turn(self, speed: float, fine: bool) -> None:
        wanted, now = self._wanted(), self.person.look()["aim_deg"]
        start = STAGE.place(0.6, 0.4)
        end = (
            start[0] + (wanted[1] - now[1]) / speed,
            start[1] + (wanted[0] - now[0]) / speed,
        )
        if fine:
            self.person.down("shift")
        self.person.drag(3, pixel(start), pixel(end))
        if fine:
            self.person.up("shift")

    def depth(self, seen: Seen) -> float:
        return float((np.array(seen["tip"]) - self.path.entry) @ self.path.direction)

    def advance(self, to: float) -> None:
        """Wheel clicks until the tip is `to` mm past the planned bony entry."""
        for _ in range(400):
            seen = self.person.look()
            left = to - self.depth(seen)
            if left < 0.7:
                return
            slow = seen["force_n"] > 12.0 and self.depth(seen) < 3.0
            self.person.roll(4 if slow else max(1, min(6, int(left))))
        raise TimeoutError(f"the tip stands at {self.person.seen}")

    def withdraw(self, mm: float) -> None:
        to = self.depth(self.person.look()) - mm
        for _ in range(100):
            if self.depth(self.person.look()) < to + 0.5:
                return
            self.person.roll(-2)


def test_one_side_from_window_to_report(person: Person, tmp_path: Path) -> None:
    case = make_case(embedded(0), read_level("left-side"))
    treats = Treats(person, case)
    person.wait_for_the_window()
    person.move(pixel(STAGE.place(0.5, 0.5)))
    place_cannula(person, treats)
    inject(person, treats)
    finish(person, treats)
    assert person.game.wait(120) == 0
    check_results(case, tmp_path / "play")


def test_closing_the_window_keeps_what_was_done(person: Person, tmp_path: Path) -> None:
    person.wait_for_the_window()
    person.move(pixel(STAGE.place(0.5, 0.5)))
    person.press("x")
    person.until(lambda seen: seen["pulses"] > 0)
    person.close_window()
    assert person.game.wait(120) == 0
    session = load_session(tmp_path / "play" / "session.npz")
    assert [event.kind for event in session.trace][-2:] == ["exposed", "outcome"]
    assert (tmp_path / "play" / "report.html").exists()


def place_cannula(person: Person, treats: Treats) -> None:
    treats.view("1")
    treats.view("3")
    treats.mark()
    person.press("t")
    person.until(lambda seen: seen["stage"] == "held")
    treats.place_on_skin()
    treats.aim()
    treats.picture()
    treats.advance(-2.0)
    treats.view("2")
    treats.advance(2.0)
    treats.view("3")
    treats.view("2")
    for depth in np.arange(10.0, treats.path.bone_length - 1.0, 9.0):
        treats.advance(float(depth))
        treats.picture()
    treats.advance(treats.path.bone_length - 1.0)
    treats.view("1")
    treats.view("2")
    assert person.look()["stage"] == "bone"


def inject(person: Person, treats: Treats) -> None:
    person.press("m")
    person.hold("f", lambda seen: seen["cement_age_s"] > product().window_s[0])
    person.press("s")
    assert not person.look()["stylet"]
    person.press("6")
    person.press("a")
    person.until(lambda seen: seen["syringe_ml"] == 3.0 and seen["filling_s"] == 0.0)
    person.press("c")
    assert person.look()["connected"] == "left"
    for number in range(ALIQUOTS):
        goal = 0.25 * (number + 1)
        person.hold("v", lambda seen, goal=goal: seen["injected_ml"].get("left", 0.0) > goal)
        treats.view("1" if number % 2 else "2")
        treats.withdraw(4.0)
    person.press("s")
    person.hold("v", lambda seen: seen["stylet"])
    person.press("r")
    person.until(lambda seen: seen["stage"] == "removed")


def finish(person: Person, treats: Treats) -> None:
    treats.view("1")
    treats.view("2")
    person.press("q")
    assert "Finish the case?" in person.look()["hint"]
    person.press_last("q")


def check_results(case: Case, folder: Path) -> None:
    report = (folder / "report.html").read_text()
    assert report.count("data:image/png") >= 3
    session = load_session(folder / "session.npz")
    again = replay(session, case)
    assert again.difference is None
    card = score(again.trace, load_rubric()).to_json()
    assert card == (folder / "scorecard.json").read_text()
    assert again.final.injected_ml["left"] > 0.2 * ALIQUOTS
    done = {event.kind: event for event in again.trace}
    assert {"skin-entered", "placed", "aliquot", "cannula-removed", "outcome"} <= set(done)
    assert done["marked"].error_mm < 2.0
    assert done["bone-entered"].error_mm < 5.0
    looked = [event for event in again.trace if event.kind == "exposed"]
    assert {event.view for event in looked} == {"ap", "lateral", "oblique-left"}
    assert all(
        event.hands_out and max(abs(event.turn_deg), abs(event.disc_deg)) < 0.1 for event in looked
    )
