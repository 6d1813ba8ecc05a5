"""A person's case, tick by tick: input in, states and a recorded session out. No Panda3D here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import cos, radians, sin
from pathlib import Path

import numpy as np

from game.devices.carm import CArmPose
from game.geometry.grid import FloatArray, Point
from game.patient.patient import Side
from game.records.album import Album
from game.records.session import Recorder, Session, header_for
from game.scene.camera import Camera
from game.scene.desk import flowing, read
from game.scene.guide import Memory, hint
from game.scene.layout import STAGE
from game.scene.pacing import Pacer
from game.scene.pick import skin_hit, skin_normal
from game.scene.wishes import Around, Desk, Inputs, Wish
from game.scene.words import aim_degrees, alarming, event_words
from game.simulation import cement
from game.simulation.case import Case
from game.simulation.clock import TICK, seconds
from game.simulation.control import Control, Finish, ServoReport
from game.simulation.events import CannulaTaken
from game.simulation.injecting import Solve
from game.simulation.state import State
from game.simulation.step import begin, step
from game.training.hands import Asked, HeldHand, TakeHold, by_mouse
from game.training.tissue import tissue_of

OFF_SKIN_MM = 1.5  # a tip is dragged this far above the skin, so that touching is the wheel's
HOVER_MM = 70.0  # a fresh cannula waits this far above the skin
STEEPEST_DEG = 75.0  # of both aiming angles
LOG_LINES = 6
FIRST_TURN = radians(22.0)  # the onlooker's first place beside the feet: a project choice


@dataclass(frozen=True)
class Line:
    """One line of the log: `time` in 1/3000 s."""

    time: int
    text: str
    alarm: bool


class Sitting:
    """Owns the state of a case that a person performs. `publish` hears every state at once; `hold`
    makes the hand that takes hold of a cannula."""

    def __init__(
        self,
        case: Case,
        patient_path: Path | None = None,
        solve: Solve = cement.advance,
        publish: Callable[[State], None] = lambda _state: None,
        hold: TakeHold = by_mouse,
    ) -> None:
        self.case, self.state = case, begin(case)
        self.album = Album()
        self.desk = Desk(case.level.sides[0], first_camera(case))
        self.memory, self.pacer = Memory().after(self.state), Pacer()
        self.log: deque[Line] = deque(maxlen=LOG_LINES)
        self.force = 0.0
        self._recorder = Recorder(header_for(case, patient_path, "practice"), self.state)
        self._solve, self._publish = solve, publish
        self._tissue = tissue_of(case.patient)
        self._take_hold = hold
        self._hand: HeldHand | None = None
        self._aim = (0.0, 0.0)
        self._waiting = Wish()

    @property
    def over(self) -> bool:
        return self.state.finished

    @property
    def aim(self) -> tuple[float, float]:
        """The angles that the hand aims at, degrees: cranial, and to the patient's left."""
        return self._aim

    @property
    def rumble(self) -> tuple[float, float]:
        """How hard a gamepad's strong and weak motor shall run, 0 to 1."""
        return (0.0, 0.0) if self._hand is None or not self.desk.hand_on else self._hand.rumble

    @property
    def hint(self) -> str:
        """What comes next, or what finishing asks."""
        if self.desk.asking:
            return "Finish the case? Q or Enter again: yes. Any other key: no"
        return hint(self.case, self.state, self.memory, self.desk.side)

    def frame(self, elapsed: float, inputs: Inputs, shown: CArmPose | None) -> Wish:
        """One frame of `elapsed` seconds: read the inputs, make the ticks that are due. `shown` is
        the pose of the picture on the live monitor. Returns what the inputs asked for."""
        side = self.desk.side
        self.desk, wish = read(Around(self.case, self.state, shown), self.desk, inputs)
        wish = flowing(wish, elapsed)
        self._hold(side)
        self._move_hand(wish)
        ticks, self.pacer = self.pacer.frame(elapsed, wish.fast)
        todo = _with_waiting(wish, self._waiting)
        for number in range(ticks):
            if self.over:
                break
            self.tick(todo if number == 0 else replace(todo, actions=(), clicks=0.0, taps=0))
        self._waiting = Wish() if ticks else todo
        return wish

    def tick(self, wish: Wish) -> None:
        """One tick of 1/60 s."""
        control = self._control(wish)
        self.state = step(self.case, self.state, control, self._solve)
        self._recorder.add(control, self.state)
        self._publish(self.state)
        self.album.watch(self.state)
        self.memory = self.memory.after(self.state)
        for event in self.state.events:
            text = event_words(event)
            if text is not None:
                self.log.append(Line(self.state.time, text, alarming(event)))
            if isinstance(event, CannulaTaken):
                self._take_fresh(event.side)

    def close(self) -> tuple[Session, Album]:
        """The recorded session and its album; a case that is not finished is finished now, so that
        its outcome is measured."""
        if not self.over:
            self.desk = replace(self.desk, hand_on=False)
            self.tick(Wish(actions=(Finish(),)))
        return self._recorder.session(), self.album

    def so_far(self) -> Session:
        """The session as it stands, unfinished: a replay of it ends where the person is now."""
        return self._recorder.session()

    def say(self, text: str) -> None:
        """A line of the log that no event gave."""
        if not self.log or self.log[-1].text != text:
            self.log.append(Line(self.state.time, text, True))

    def _control(self, wish: Wish) -> Control:
        report: ServoReport | None = None
        if self._hand is not None and self.desk.hand_on:
            hand = self._hand.told(self.state.servo_view(self.desk.side))
            asked = Asked(wish.clicks, wish.turning, wish.taps)
            self._hand, report = hand.tick(self.state.time + TICK, asked)
            self.force = report.mean_force
            if self._hand.says:
                self.say(self._hand.says)
        else:
            self.force = 0.0
        return Control(
            drive=wish.drive,
            pedal=wish.pedal,
            plunger=wish.plunger,
            active=self.desk.side,
            hand_on=report is not None,
            servo=report,
            actions=wish.actions,
        )

    def _hold(self, before: Side) -> None:
        """Take up what the hand has taken hold of; a hand let go holds nothing."""
        side = self.desk.side
        if not self.desk.hand_on or side != before:
            self._hand = None
        cannula = self.state.cannulas[side]
        if cannula.stage in ("tray", "removed"):
            self._hand = None
        elif self.desk.hand_on and self._hand is None:
            self._hand = self._take_hold(self._tissue, self.state.servo_view(side))
            self._aim = aim_degrees(cannula.direction)

    def _take_fresh(self, side: Side) -> None:
        """A cannula from the tray waits in the hand, above the skin of its side."""
        x, y, z = self._above_the_back(side)
        view = replace(
            self.state.servo_view(side), tip=(x, y + HOVER_MM, z), direction=(0.0, -1.0, 0.0)
        )
        self._hand = self._take_hold(self._tissue, view)
        self._aim = (0.0, 0.0)
        self.desk = replace(self.desk, side=side, hand_on=True)

    def _above_the_back(self, side: Side) -> Point:
        """A place of the skin on the side asked for; it says nothing of where to go in."""
        x, y, z = self.desk.camera.target
        return x + (40.0 if side == "left" else -40.0), y, z

    def _move_hand(self, wish: Wish) -> None:
        if self._hand is None:
            return
        stage = self.state.cannulas[self.desk.side].stage
        if wish.skin is not None and stage == "held":
            point = self._on_skin(*wish.skin)
            if point is not None:
                self._hand = self._hand.dragged(point)
        if wish.skin is not None and stage in ("tissue", "bone"):
            self.say("The cannula is through the skin: draw it back (wheel down) to move its entry")
        if any(wish.aim) and stage == "bone":
            self.say("In bone the shaft keeps its track: draw back to aim anew")
        elif any(wish.aim):
            self._aim = _turned(self._aim, wish.aim)
            self._hand = self._hand.aimed(direction_of(*self._aim))

    def _on_skin(self, across: float, down: float) -> Point | None:
        camera = self.desk.camera
        hit = skin_hit(self.case.patient, camera.position, camera.ray(across, down))
        if hit is None:
            return None
        x, y, z = hit + OFF_SKIN_MM * skin_normal(self.case.patient, hit)
        return float(x), float(y), float(z)


def first_camera(case: Case) -> Camera:
    """From above the legs, a little on the side that is treated first, at the skin behind the
    sacrum."""
    ends = [approach.entry for approach in case.approaches.values()]
    middle = np.mean(ends, axis=0)
    above = middle + np.array([0.0, 400.0, 0.0])
    hit = skin_hit(case.patient, above, np.array([0.0, -1.0, 0.0]))
    x, y, z = middle if hit is None else hit
    turn = FIRST_TURN if case.level.sides[0] == "left" else -FIRST_TURN
    return Camera((round(float(x)), round(float(y)), round(float(z) - 15.0)), turn=turn)


def stage_place(camera: Camera, point: FloatArray) -> tuple[float, float]:
    """Where on the canvas a point of the room is drawn, LPS mm."""
    return STAGE.place(*camera.place(point))


def direction_of(cranial_deg: float, left_deg: float) -> Point:
    """The unit direction of two aiming angles: `aim_degrees` turned round."""
    up, aside = radians(cranial_deg), radians(left_deg)
    return sin(aside) * cos(up), -cos(aside) * cos(up), sin(up)


def status(sitting: Sitting) -> dict[str, object]:
    """What an external grader or test may know, as plain numbers: what the screen shows."""
    state, side = sitting.state, sitting.desk.side
    cannula = state.cannulas[side]
    mixed_at = state.injector.mixed_at
    cranial, left = sitting.aim
    return {
        "time_s": seconds(state.time),
        "scale": round(sitting.pacer.scale, 2),
        "side": side,
        "stage": cannula.stage,
        "tip": cannula.tip,
        "direction": cannula.direction,
        "aim_deg": (round(cranial, 3), round(left, 3)),
        "stylet": cannula.stylet,
        "hand_on": sitting.desk.hand_on,
        "force_n": round(sitting.force, 2),
        "carm_moving": state.carm.moving,
        "pulses": state.tube.pulses,
        "exposed_s": seconds(state.tube.last_exposure) if state.tube.pulses else None,
        "cement_age_s": None if mixed_at is None else seconds(state.time - mixed_at),
        "connected": state.injector.connected,
        "syringe": state.injector.syringe,
        "syringe_ml": round(state.injector.syringe_ml, 6),
        "filling_s": max(0.0, seconds(state.injector.ready_at - state.time)),
        "plunger_n": round(state.injector.load_n, 2),
        "bore_ml": dict(state.injector.bore_ml),
        "injected_ml": dict(state.injected_ml),
        "leaked_ml": state.cement.leaked_ml,
        "finished": state.finished,
        "hint": sitting.hint,
        "log": [line.text for line in sitting.log],
    }


def _turned(aim: tuple[float, float], by: tuple[float, float]) -> tuple[float, float]:
    """Aiming angles, degrees, kept within `STEEPEST_DEG`: a cannula does not lie on the skin."""
    cranial, left = (
        max(-STEEPEST_DEG, min(STEEPEST_DEG, angle + change))
        for angle, change in zip(aim, by, strict=True)
    )
    return cranial, left


def _with_waiting(wish: Wish, waiting: Wish) -> Wish:
    return replace(
        wish,
        actions=waiting.actions + wish.actions,
        clicks=waiting.clicks + wish.clicks,
        taps=waiting.taps + wish.taps,
    )
