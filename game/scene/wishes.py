"""What a person's side of a frame is made of: inputs, what the desk remembers, what is wished for.

Pure. Places are in canvas units (game.scene.layout); key names are Panda3D's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from game.devices.carm import CArmPose, Drive
from game.devices.injector import SyringeName
from game.fluoroscopy.display import MONITOR, Display
from game.patient.patient import Side
from game.scene.camera import Camera
from game.simulation.case import Case
from game.simulation.cement.products import USUAL
from game.simulation.control import Action
from game.simulation.state import State

Place = tuple[float, float]
Dragging = Literal["tip", "aim", "walk"]


@dataclass(frozen=True)
class Pad:
    """A gamepad's triggers and left stick, -1 to 1: `push` (the right trigger less the left) and
    `lean` (to the right, up)."""

    push: float = 0.0
    lean: Place = (0.0, 0.0)


@dataclass(frozen=True)
class Inputs:
    """One frame: keys and buttons `held` now, those `pressed` since the last frame in order, where
    the mouse is on the canvas (None outside the window), and the gamepad."""

    held: frozenset[str] = frozenset()
    pressed: tuple[str, ...] = ()
    mouse: Place | None = None
    pad: Pad = Pad()


@dataclass(frozen=True)
class Desk:
    """What the person's side remembers: the side at work, whether the hand is on the cannula,
    whether finishing was asked for once, whether the skin is clear, the onlooker, the drag, how the
    monitor shows pictures and how many pulses it averages, which cement and which syringe come
    next."""

    side: Side
    camera: Camera
    hand_on: bool = False
    asking: bool = False
    clear: bool = False
    dragging: Dragging | None = None
    mouse: Place | None = None
    display: Display = MONITOR
    frames: int = 1
    product: str = USUAL
    syringe: SyringeName = "1-ml"


@dataclass(frozen=True)
class Wish:
    """What a frame asks of the simulation: `actions` once, the rest as long as the frame lasts.

    `clicks` of the wheel; whether the hand is `turning` the shaft; `taps` of the mallet; `skin` a
    place on the stage (fractions) where the tip shall be; `aim` a change of the two angles, degrees
    (cranial, left); `keep` the picture for reference; `push` and `lean` as long as they last, -1 to
    1, which `flowing` turns into clicks and angles."""

    actions: tuple[Action, ...] = ()
    drive: Drive = (0, 0, 0, 0, 0)
    pedal: bool = False
    plunger: int = 0
    clicks: float = 0.0
    skin: Place | None = None
    aim: tuple[float, float] = (0.0, 0.0)
    keep: bool = False
    fast: bool = False
    turning: bool = False
    taps: int = 0
    push: float = 0.0
    lean: Place = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Around:
    """What input is read against: case, state, and the pose of the picture on the live monitor."""

    case: Case
    state: State
    shown: CArmPose | None
