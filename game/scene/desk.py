"""What keys and mouse mean: one frame's inputs to wishes for the simulation and for the screen.

Pure. Places are in canvas units (game.scene.layout); key names are Panda3D's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import cos
from typing import Literal, TypeVar

from game.devices.carm import CArmPose, Drive
from game.devices.injector import SYRINGE_NAMES
from game.devices.tube import COLLIMATION, PULSE_RATES, Field
from game.patient.patient import Side
from game.scene import switches
from game.scene.layout import LIVE, STAGE
from game.scene.wishes import Around, Desk, Dragging, Inputs, Place, Wish
from game.simulation.cement import products
from game.simulation.control import (
    Action,
    Collimate,
    Connect,
    DrawUp,
    Expose,
    Finish,
    Mark,
    Mix,
    MoveStylet,
    Recall,
    RemoveCannula,
    SetPulseRate,
    Stand,
    Store,
    TakeCannula,
    ToothpasteTest,
)
from game.simulation.state import State
from game.training.plan import stored_position

INJECT_UL_S, SLOW_UL_S, RELEASE_UL_S = 100, 30, -200  # plunger speeds: project choices
AIM_DEG, FINE_AIM_DEG = 0.2, 0.04  # per canvas unit of a drag: project choices
PUSH_CLICKS_S, LEAN_DEG_S = 8.0, 20.0  # of a key or gamepad held: project choices
FULL = 100  # percent of the C-arm's speed
PICTURE_PIXELS = 512
ZOOM = 0.9
PEDALS: dict[str, Literal["ap", "lateral"]] = {",": "ap", ".": "lateral"}
NARROWER, MAGNIFICATIONS, AVERAGES = 0.1, (1.0, 1.5, 2.0, 3.0), (1, 2, 4, 8)
RECALLS: dict[str, Literal["ap", "lateral", "oblique-left", "oblique-right"]] = {
    "1": "ap", "2": "lateral", "3": "oblique-left", "4": "oblique-right",
}  # fmt: skip

T = TypeVar("T")

KEYS = (
    ("1 2 3 4", "AP, lat., obliques (shift: store)"),
    (", .  Y H", "AP, lat. pedal; rate, stand across"),
    ("[ ] - =", "collimate, magnify"),
    *switches.KEYS,
    ("arrows", "turn the C-arm (shift: slide it)"),
    ("X, space", "one picture, fluoroscopy"),
    ("T  Tab  G R", "take, other side; hold, remove"),
    ("left, right", "drag the tip, aim (shift: fine)"),
    ("wheel E D", "advance, withdraw (shift: fine)"),
    ("W  K", "turn the shaft, mallet tap"),
    ("5 M L 6 A", "cement, mix, test; syringe, fill"),
    ("S C  V B", "stylet, syringe; push, release"),
    ("click, P", "mark the entry on the picture"),
    ("Z  U", "keep picture, see through skin"),
    ("middle drag", "walk round (ctrl wheel: nearer)"),
    ("F  Q, Esc", "let time pass 20x; finish, report"),
)

BUTTONS: dict[str, Dragging] = {"mouse1": "tip", "mouse3": "aim", "mouse2": "walk"}


def read(around: Around, desk: Desk, inputs: Inputs) -> tuple[Desk, Wish]:
    """The desk after one frame of input, and what it asks of the simulation."""
    wish = _pedalled(around, _held(inputs.held), inputs.held)
    desk, wish = _leant(around, desk, wish, inputs)
    for key in inputs.pressed:
        desk, wish = _pressed(around, desk, wish, key, inputs)
    desk, wish = _dragged(desk, wish, inputs)
    busy = wish.actions or wish.clicks or wish.push or wish.pedal or wish.plunger or any(wish.drive)
    fast = "f" in inputs.held and not busy and desk.dragging is None
    return replace(desk, mouse=inputs.mouse), replace(wish, fast=fast and _quiet(around.state))


def _leant(around: Around, desk: Desk, wish: Wish, inputs: Inputs) -> tuple[Desk, Wish]:
    """Keys and gamepad push and lean as long as they are held; a hand that does has taken hold."""
    keys = ("e" in inputs.held) - ("d" in inputs.held)
    push = max(-1.0, min(1.0, inputs.pad.push + keys))
    if not _in_reach(around, desk) or not (push or any(inputs.pad.lean)):
        return desk, wish
    return replace(desk, hand_on=True), replace(wish, push=push, lean=inputs.pad.lean)


def flowing(wish: Wish, elapsed: float) -> Wish:
    """What pushing and leaning come to in so many seconds, as clicks and angles."""
    across, up = wish.lean
    cranial, left = wish.aim
    by = LEAN_DEG_S * elapsed
    return replace(
        wish,
        clicks=wish.clicks + PUSH_CLICKS_S * elapsed * wish.push,
        aim=(cranial - by * up, left + by * across),
    )


def _pedalled(around: Around, wish: Wish, held: frozenset[str]) -> Wish:
    """The AP and the lateral pedal: drive there, and screen once there."""
    for key, view in PEDALS.items():
        if key in held:
            carm, goal = around.state.carm, _position(around, view)
            turn = carm.pose.primary - goal.primary
            there = replace(goal, primary=carm.pose.primary) == carm.pose and cos(turn) > 1 - 1e-12
            if there:
                return replace(wish, pedal=True)
            return wish if carm.moving else _also(wish, Recall(goal))
    return wish


def _position(
    around: Around, view: Literal["ap", "lateral", "oblique-left", "oblique-right"]
) -> CArmPose:
    """What was stored for a view, else where it is true."""
    return around.state.carm.stored.get(view) or stored_position(around.case, view)


def _quiet(state: State) -> bool:
    return state.due is None and state.run is None


def _held(held: frozenset[str]) -> Wish:
    plunger = 0
    if "v" in held:
        plunger = SLOW_UL_S if "shift" in held else INJECT_UL_S
    if "b" in held:
        plunger = RELEASE_UL_S
    turning = "w" in held
    return Wish(drive=_drive(held), pedal="space" in held, plunger=plunger, turning=turning)


def _drive(held: frozenset[str]) -> Drive:
    """Arrows turn the C-arm the way its detector moves on the screen; with shift they slide it."""

    def axis(plus: str, minus: str) -> int:
        return FULL * ((plus in held) - (minus in held))

    across, along = axis("arrow_right", "arrow_left"), axis("arrow_up", "arrow_down")
    height = axis("page_up", "page_down")
    if "shift" in held:
        return 0, 0, -across, height, along
    return across, along, 0, height, 0


def _pressed(around: Around, desk: Desk, wish: Wish, key: str, inputs: Inputs) -> tuple[Desk, Wish]:
    if key in ("escape", "q", "enter") and desk.asking:
        return replace(desk, asking=False), _also(wish, Finish())
    desk = replace(desk, asking=key in ("escape", "q"))
    if key in RECALLS and "shift" in inputs.held:
        return desk, _also(wish, Store(RECALLS[key]))
    action = _ACTIONS.get(key)
    if action is not None:
        return desk, _also(wish, action(around, desk))
    if key in ("wheel_up", "wheel_down"):
        return _rolled(around, desk, wish, 1.0 if key == "wheel_up" else -1.0, inputs)
    if key in BUTTONS or key == "p":
        return _clicked(around, desk, wish, key, inputs.mouse)
    return _switched(around, desk, wish, key)


def _switched(around: Around, desk: Desk, wish: Wish, key: str) -> tuple[Desk, Wish]:
    match key:
        case "tab":
            other: Side = "right" if desk.side == "left" else "left"
            return replace(desk, side=other, hand_on=False), wish
        case "g":
            return replace(desk, hand_on=not desk.hand_on and _in_reach(around, desk)), wish
        case "u":
            return replace(desk, clear=not desk.clear), wish
        case "k":
            return desk, replace(wish, taps=wish.taps + desk.hand_on)
        case "z":
            return desk, replace(wish, keep=True)
        case "5":
            return replace(desk, product=_next(tuple(products()), desk.product)), wish
        case "6":
            return replace(desk, syringe=_next(SYRINGE_NAMES, desk.syringe)), wish
        case _:
            return _shown(desk, key), wish


def _shown(desk: Desk, key: str) -> Desk:
    """The monitor's own switches."""
    if key == "n":
        return replace(desk, frames=_next(AVERAGES, desk.frames))
    return replace(desk, display=switches.switched(desk.display, key))


def _next(choices: tuple[T, ...], now: T) -> T:
    """The choice after the present one, the first after the last."""
    place = choices.index(now) if now in choices else -1
    return choices[(place + 1) % len(choices)]


def _recall(view: Literal["ap", "lateral", "oblique-left", "oblique-right"]) -> _Maker:
    return lambda around, _desk: Recall(_position(around, view))


def _narrowed(by: float) -> _Maker:
    """The collimator opened or shut by a step, as far as it goes."""

    def collimate(around: Around, _desk: Desk) -> Action:
        field = around.state.tube.field
        share = min(max(field.collimation + by, COLLIMATION[0]), COLLIMATION[1])
        return Collimate(round(share, 3), field.magnification)

    return collimate


def _magnified(by: int) -> _Maker:
    """The next larger or smaller magnification that there is."""

    def magnify(around: Around, _desk: Desk) -> Action:
        field = around.state.tube.field
        place = MAGNIFICATIONS.index(field.magnification) + by
        times = MAGNIFICATIONS[min(max(place, 0), len(MAGNIFICATIONS) - 1)]
        return Collimate(field.collimation, times)

    return magnify


def _take(around: Around, desk: Desk) -> Action:
    level = around.case.level
    return TakeCannula(desk.side, level.gauge, level.length_mm)


def _stylet(around: Around, desk: Desk) -> Action:
    return MoveStylet(desk.side, not around.state.cannulas[desk.side].stylet)


def _syringe(around: Around, desk: Desk) -> Action:
    return Connect(None if around.state.injector.connected == desk.side else desk.side)


_Maker = Callable[[Around, Desk], Action]
_ACTIONS: dict[str, _Maker] = {
    **{key: _recall(view) for key, view in RECALLS.items()},
    "x": lambda _around, _desk: Expose(),
    "t": _take,
    "s": _stylet,
    "c": _syringe,
    "m": lambda _around, desk: Mix(desk.product),
    "a": lambda _around, desk: DrawUp(desk.syringe),
    "l": lambda _around, _desk: ToothpasteTest(),
    "r": lambda _around, desk: RemoveCannula(desk.side),
    "[": _narrowed(-NARROWER),
    "]": _narrowed(NARROWER),
    "-": _magnified(-1),
    "=": _magnified(1),
    "y": lambda around, _desk: SetPulseRate(_next(PULSE_RATES, around.state.tube.pulse_rate)),
    "h": lambda around, _desk: Stand("left" if around.state.operator.side == "right" else "right"),
}


def _also(wish: Wish, action: Action) -> Wish:
    return replace(wish, actions=(*wish.actions, action))


def _in_reach(around: Around, desk: Desk) -> bool:
    return around.state.cannulas[desk.side].stage in ("held", "tissue", "bone")


def _rolled(
    around: Around, desk: Desk, wish: Wish, way: float, inputs: Inputs
) -> tuple[Desk, Wish]:
    """The wheel pushes the cannula; with control it brings the onlooker nearer. A hand that pushes
    has taken hold."""
    if "control" in inputs.held:
        return replace(desk, camera=desk.camera.nearer(ZOOM if way > 0 else 1.0 / ZOOM)), wish
    if not _in_reach(around, desk):
        return desk, wish
    clicks = way * (0.25 if "shift" in inputs.held else 1.0)
    return replace(desk, hand_on=True), replace(wish, clicks=wish.clicks + clicks)


def _clicked(
    around: Around, desk: Desk, wish: Wish, key: str, mouse: Place | None
) -> tuple[Desk, Wish]:
    if mouse is None:
        return desk, wish
    if key in ("mouse1", "p") and LIVE.holds(*mouse):
        if around.shown is None or around.shown != around.state.picture_pose:
            return desk, wish
        return desk, _also(wish, _mark(desk, around.shown, around.state.picture_field, mouse))
    if key in BUTTONS and STAGE.holds(*mouse):
        return replace(desk, dragging=BUTTONS[key]), wish
    return desk, wish


def _mark(desk: Desk, shown: CArmPose, field: Field, mouse: Place) -> Mark:
    across, down = LIVE.share(*mouse)
    for _ in range(desk.display.turns):
        across, down = down, 1.0 - across
    if desk.display.flip:
        across = 1.0 - across
    column, row = across * PICTURE_PIXELS - 0.5, down * PICTURE_PIXELS - 0.5
    x, y, z = shown.projection(PICTURE_PIXELS, field.panel_mm).pixel(column, row)
    return Mark(desk.side, (float(x), float(y), float(z)))


def _dragged(desk: Desk, wish: Wish, inputs: Inputs) -> tuple[Desk, Wish]:
    held = {BUTTONS[key] for key in inputs.held if key in BUTTONS}
    just = {BUTTONS[key] for key in inputs.pressed if key in BUTTONS}
    if desk.dragging is None or inputs.mouse is None or desk.dragging not in held | just:
        return replace(desk, dragging=None), wish
    x, y = inputs.mouse
    if desk.dragging == "tip":
        return replace(desk, hand_on=True), replace(wish, skin=STAGE.share(x, y))
    from_x, from_y = desk.mouse or (x, y)
    if desk.dragging == "walk":
        turn = ((x - from_x) / STAGE.width, (y - from_y) / STAGE.height)
        return replace(desk, camera=desk.camera.circled(*turn)), wish
    speed = FINE_AIM_DEG if "shift" in inputs.held else AIM_DEG
    return (
        replace(desk, hand_on=True),
        replace(wish, aim=(speed * (y - from_y), speed * (x - from_x))),
    )
