"""The window: what a person sees of a case, and how their hands reach it.

The main thread has the window, the input and the step; pictures and cement come from the one
compute thread. Everything shown is read from State.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Protocol, TextIO

import numpy as np
from panda3d import core
from panda3d.core import (
    AmbientLight,
    DirectionalLight,
    LVector3f,
    ModifierButtons,
    NodePath,
    loadPrcFileData,
)

from game.errors import BadInput
from game.geometry.carm import detector_direction
from game.geometry.grid import FloatArray
from game.records.album import Album
from game.records.session import Session, save_session
from game.scene.body import Body
from game.scene.camera import Camera, overview
from game.scene.compute import Compute
from game.scene.desk import KEYS
from game.scene.gamepad import Gamepad, first_gamepad
from game.scene.gantry import DETECTOR_AT, ONLOOKER, OVERVIEWER, Gantry
from game.scene.hud import Hud, font
from game.scene.instruments import Instruments
from game.scene.layout import CANVAS, OVERVIEW, STAGE, Window
from game.scene.monitors import Monitors
from game.scene.pen import Pen
from game.scene.pick import skin_hit
from game.scene.placement import camera_matrix, room_from_patient
from game.scene.readings import readings
from game.scene.sitting import Sitting, status
from game.scene.wishes import Inputs, Wish
from game.simulation.case import Case
from game.simulation.clock import seconds
from game.simulation.control import Mark
from game.simulation.state import State
from game.training.hands import TakeHold, by_mouse

FRAME_S = 1.0 / 60.0  # no more frames than ticks
STATUS_S = 0.1  # between status lines
KEEP_S = 30.0  # between copies of an unfinished session: a project choice
BACKGROUND = (0.07, 0.09, 0.11, 1.0)
SETTINGS = """
window-title Sacrosim
win-size {width:.0f} {height:.0f}
framebuffer-multisample 0
multisamples 0
sync-video false
audio-library-name null
notify-level-display error
notify-level-device fatal
print-pipe-types false
textures-power-2 none
show-frame-rate-meter false
"""


class RoomError(Exception):
    """The room broke down; `session` and `album` hold what was done until then, finished."""

    def __init__(self, session: Session, album: Album) -> None:
        super().__init__("the room broke down; what was done until then is kept")
        self.session, self.album = session, album


def open_room(
    case: Case,
    patient_path: Path | None,
    status_to: TextIO | None = None,
    keep: Path | None = None,
    hold: TakeHold = by_mouse,
) -> tuple[Session, Album]:
    """Open the window and let a person perform `case`; returns the session and its album.

    Closing the window, an interrupt or an error finishes the case where it stands, so that nothing
    is lost; after an error RoomError carries both. `status_to` gets one line of JSON per `STATUS_S`
    (see `Room.status`); the unfinished session goes to the file `keep` every `KEEP_S`, for the case
    that the process is killed; `hold` makes the hand on a cannula."""
    base = open_window()
    try:
        with Compute(case) as compute:
            publish = _publisher(compute)
            sitting = Sitting(case, patient_path, compute.solve, publish, hold)
            keyboard = Keyboard(base, first_gamepad(base))
            compute.warm_up(sitting.state)
            kept = Kept()
            with kept:
                run(Room(base, sitting, compute, keyboard), keyboard, status_to, keep)
            session, album = sitting.close()
            if kept.error is not None:
                raise RoomError(session, album) from kept.error
            return session, album
    finally:
        base.destroy()


def open_window(kind: str = "onscreen") -> Any:
    """Panda3D's ShowBase (one per process); raises BadInput where no window can be opened."""
    loadPrcFileData("", SETTINGS.format(width=CANVAS[0], height=CANVAS[1]))
    from direct.showbase.ShowBase import ShowBase

    try:
        return ShowBase(windowType=kind)
    except Exception as error:  # noqa: BLE001 - Panda3D raises the bare class
        raise BadInput(f"no window can be opened ({error}); is there a display?") from None


class Kept:
    """A context that survives errors, which it holds, and interrupts: a person's case is kept."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, Exception):
            self.error = error
        return isinstance(error, Exception | KeyboardInterrupt)


def run(room: Room, keyboard: Keyboard, status_to: TextIO | None, keep: Path | None = None) -> None:
    """Frame after frame until the case is finished or the window is closed."""
    before = told = kept = time.perf_counter()
    while not (room.sitting.over or keyboard.closed):
        now = time.perf_counter()
        room.frame(now - before)
        keyboard.gamepad.rumble(*room.sitting.rumble)
        before = now
        if status_to is not None and now - told >= STATUS_S:
            told = now
            print(json.dumps(room.status()), file=status_to, flush=True)
        if keep is not None and now - kept >= KEEP_S:
            kept = now
            keep.parent.mkdir(parents=True, exist_ok=True)
            Thread(target=save_session, args=(room.sitting.so_far(), keep)).start()
        time.sleep(max(0.0, FRAME_S - (time.perf_counter() - now)))


def _publisher(compute: Compute) -> Callable[[State], None]:
    """Hears every state: cement begins at once, a new pulse asks for its picture."""
    last = -1

    def publish(state: State) -> None:
        nonlocal last
        compute.publish(state)
        if state.tube.last_exposure != last:
            last = state.tube.last_exposure
            compute.want(state)

    return publish


class Room:
    """Everything drawn, over one ShowBase that is handed in; reads a Sitting, never its inside."""

    def __init__(self, base: Any, sitting: Sitting, compute: Compute, hands: Hands) -> None:
        self.sitting, self._base, self._compute, self._hands = sitting, base, compute, hands
        self.frames = 0
        base.disableMouse()
        base.setBackgroundColor(*BACKGROUND)
        self._patient = base.render.attachNewNode("patient-frame")
        self._patient.setMat(room_from_patient())
        _light(base.render)
        self._body = Body(self._patient, sitting.case)
        self.gantry = Gantry(self._patient)
        self.instruments = Instruments(self._patient)
        self._pen = Pen(self._patient, sitting.case.patient)
        self._canvas = base.pixel2d.attachNewNode("canvas")
        self.monitors = Monitors(self._canvas)
        base.camNode.setCameraMask(ONLOOKER)
        _look(base.camLens, sitting.desk.camera)
        self.hud = Hud(self._canvas, font(), KEYS)
        self._seen: tuple[Any, ...] = ()
        self._clear = False
        self._overview = _second_camera(base, overview(sitting.desk.camera.target))
        self._fit()

    def frame(self, elapsed: float) -> None:
        """Input, ticks, and one picture of it all on the screen."""
        window = self._fit()
        shown = None if self.monitors.live is None else self.monitors.live.pose
        inputs = self._hands.inputs(window)
        wish = self.sitting.frame(elapsed, inputs, shown)
        desk, live = self.sitting.desk, self.monitors.live
        if self._compute.look(desk.display, desk.frames) and live is not None:
            self._compute.want(live.state)
        self._show_pictures(wish, inputs)
        self.show()
        self._base.taskMgr.step()
        self.frames += 1

    def status(self) -> dict[str, object]:
        """What is on the screen as plain numbers; `monitor_s` is when the live picture was taken,
        seconds, None before the first; `frame` counts frames."""
        live = self.monitors.live
        shown = None if live is None else seconds(live.state.tube.last_exposure)
        return {**status(self.sitting), "monitor_s": shown, "frame": self.frames}

    def show(self) -> None:
        """Bring every node up to the sitting's state."""
        sitting, state = self.sitting, self.sitting.state
        self._stand(sitting.desk.camera)
        if self._seen != (state.carm.pose,):
            self._seen = (state.carm.pose,)
            self.gantry.show(state.carm.pose, self._laser(state))
        eye = sitting.desk.camera
        self.gantry.stand_aside(eye.position, np.array(eye.target))
        self.instruments.show(state)
        if sitting.desk.clear != self._clear:
            self._clear = sitting.desk.clear
            self._body.see_through(self._clear)
        self.hud.show(readings(sitting, self.monitors.live, self.monitors.reference))

    def _show_pictures(self, wish: Wish, inputs: Inputs) -> None:
        done = self._compute.picture()
        if done is not None:
            self.monitors.show(done[1], done[0])
        if wish.keep:
            self.monitors.keep()
        for mark in (action for action in wish.actions if isinstance(action, Mark)):
            if inputs.mouse is not None and self.monitors.live is not None:
                self.monitors.mark(*inputs.mouse)
                self._pen.draw(mark, self.monitors.live.pose)

    def _laser(self, state: State) -> FloatArray | None:
        """Where the line from the detector's middle meets the skin."""
        pose = state.carm.pose
        towards = detector_direction(pose.primary, pose.secondary)
        start = np.array(pose.isocentre) + DETECTOR_AT * towards
        return skin_hit(self.sitting.case.patient, start, -towards)

    def _stand(self, camera: Camera) -> None:
        self._base.cam.setMat(self._base.render, camera_matrix(camera) * room_from_patient())

    def _fit(self) -> Window:
        """The stage and the canvas into the window as it is now."""
        window = Window(self._base.win.getXSize(), self._base.win.getYSize())
        self._base.camNode.getDisplayRegion(0).setDimensions(*window.fractions(STAGE))
        self._overview.setDimensions(*window.fractions(OVERVIEW))
        left, top = window.margin
        self._canvas.setPos(left, 0.0, -top)
        self._canvas.setScale(window.scale)
        return window


class Hands(Protocol):
    """Where a frame's input comes from."""

    def inputs(self, window: Window) -> Inputs:
        """What was done since the last call."""


class Keyboard:
    """Keys, mouse and gamepad of Panda3D's window, collected until a frame asks for them; `closed`
    once the window shall close."""

    def __init__(self, base: Any, gamepad: Gamepad) -> None:
        self._base, self.gamepad = base, gamepad
        self.closed = False
        base.win.setCloseRequestEvent("close-window")
        base.accept("close-window", self._close)
        self._held: set[str] = set()
        self._pressed: list[str] = []
        thrower = base.buttonThrowers[0].node()
        thrower.setModifierButtons(ModifierButtons())
        thrower.setButtonDownEvent("any-down")
        thrower.setButtonUpEvent("any-up")
        base.accept("any-down", self._down)
        base.accept("any-up", self._up)

    def inputs(self, window: Window) -> Inputs:
        """What happened since the last call."""
        pressed, self._pressed = tuple(self._pressed), []
        pointer = self._base.win.getPointer(0)
        mouse = window.canvas_from_pixel(pointer.getX(), pointer.getY())
        pad, held, more = self.gamepad.poll()
        return Inputs(frozenset(self._held) | held, pressed + more, mouse, pad)

    def _down(self, key: str) -> None:
        self._pressed.append(key)
        if not key.startswith("wheel"):
            self._held.add(key)

    def _up(self, key: str) -> None:
        self._held.discard(key)

    def _close(self) -> None:
        self.closed = True


def _look(lens: Any, camera: Camera) -> None:
    lens.setFov(camera.field_deg)
    lens.setAspectRatio(1.0 / camera.shape)
    lens.setNearFar(40.0, 9000.0)


def _second_camera(base: Any, camera: Camera) -> Any:
    """A display region over the stage's corner that shows the room from further away."""
    node = core.Camera("overview")
    node.setCameraMask(OVERVIEWER)
    _look(node.getLens(), camera)
    path = base.render.attachNewNode(node)
    path.setMat(base.render, camera_matrix(camera) * room_from_patient())
    region = base.win.makeDisplayRegion()
    region.setSort(5)
    region.setClearDepthActive(True)
    region.setClearColorActive(True)
    region.setClearColor(BACKGROUND)
    region.setCamera(path)
    return region


def _light(render: NodePath) -> None:
    """A theatre lamp from above the feet, a weaker one across, and the room's own light."""
    for name, colour, towards in (
        ("lamp", (0.75, 0.74, 0.70, 1.0), LVector3f(0.25, -0.55, -1.0)),
        ("across", (0.28, 0.30, 0.34, 1.0), LVector3f(-1.0, -0.4, -0.4)),
    ):
        light = DirectionalLight(name)
        light.setColor(colour)
        light.setDirection(towards)
        render.setLight(render.attachNewNode(light))
    ambient = AmbientLight("ambient")
    ambient.setColor((0.34, 0.35, 0.37, 1.0))
    render.setLight(render.attachNewNode(ambient))
