"""The room drawn offscreen on the patient of boxes: what it shows is what State says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import radians
from typing import Any

import numpy as np
import pytest

from blocks import block_case

pytest.importorskip("panda3d.core", reason="libGL is missing (apt-get install libgl1 libegl1)")
from panda3d.core import loadPrcFileData

from game.devices.carm import CArm, CArmPose
from game.errors import BadInput
from game.scene.compute import Compute
from game.scene.layout import STAGE, Window
from game.scene.room import Kept, Room, open_window
from game.scene.sitting import Sitting
from game.scene.wishes import Inputs

pytestmark = pytest.mark.xdist_group("scene")
LOW_PRESET_TRIANGLES = 30_000  # DESIGN.md, budgets


class Scripted:
    """Hands that do what they are told, one frame each."""

    def __init__(self) -> None:
        self.next = Inputs()

    def inputs(self, window: Window) -> Inputs:
        now, self.next = self.next, Inputs(self.next.held, (), self.next.mouse)
        return now


@pytest.fixture(scope="module")
def base() -> Iterator[Any]:
    loadPrcFileData("", "load-display p3headlessgl")
    try:
        base = open_window("offscreen")
    except BadInput as error:
        pytest.skip(f"no offscreen GL: {error} (apt-get install libegl1 libgl1-mesa-dri)")
    yield base
    base.destroy()


@pytest.fixture(scope="module")
def room(base: Any) -> Iterator[Room]:
    with Compute(block_case()) as compute:
        hands = Scripted()
        sitting = Sitting(block_case(), None, compute.solve, compute.publish)
        room = Room(base, sitting, compute, hands)
        room.hands = hands  # type: ignore[attr-defined]
        yield room


def do(room: Room, *keys: str, held: tuple[str, ...] = (), mouse: Any = None) -> None:
    room.hands.next = Inputs(frozenset(held), keys, mouse)  # type: ignore[attr-defined]
    room.frame(1.0 / 30.0)
    room.frame(1.0 / 30.0)


def test_the_detector_stands_where_the_geometry_says(room: Room) -> None:
    for primary, secondary in ((180.0, 0.0), (-150.0, 35.0), (90.0, 0.0), (160.0, -25.0)):
        pose = CArmPose(radians(primary), radians(secondary), (10.0, 20.0, -40.0))
        room.sitting.state = replace(room.sitting.state, carm=CArm(pose))
        room.show()
        assert room.gantry.detector_face() == pytest.approx(pose.projection().centre, abs=1e-3)


def test_a_refusal_is_on_the_screen_with_its_reason(room: Room) -> None:
    do(room, "c")
    shown = " ".join(" ".join(room.hud.lines()).split())
    assert "Refused: the left cannula is not in the patient" in shown


def test_a_cannula_is_drawn_where_the_proxy_is(room: Room, base: Any) -> None:
    do(room, "t")
    place = STAGE.place(0.45, 0.6)
    do(room, "mouse1", held=("mouse1",), mouse=place)
    do(room, mouse=place)
    cannula = room.sitting.state.cannulas["left"]
    assert cannula.stage == "held"
    drawn = room.instruments.node("left").getMat()
    assert tuple(drawn.xformPoint((0, 0, 0))) == pytest.approx(cannula.tip, abs=1e-3)
    assert tuple(drawn.xformVec((0, 0, 1))) == pytest.approx(cannula.direction, abs=1e-5)
    across, down = room.sitting.desk.camera.place(np.array(cannula.tip))
    assert (across, down) == pytest.approx((0.45, 0.6), abs=0.01)


def test_the_low_preset_keeps_its_budget_of_triangles(room: Room, base: Any) -> None:
    do(room, "u")
    count = sum(
        path.node().getGeom(n).getPrimitive(0).getNumFaces()
        for path in base.render.findAllMatches("**/+GeomNode")
        for n in range(path.node().getNumGeoms())
        if path.node().getGeom(n).getPrimitive(0).getNumVerticesPerPrimitive() == 3
    )
    do(room, "u")
    assert 3_000 < count <= LOW_PRESET_TRIANGLES


def test_what_is_drawn_is_no_empty_picture(room: Room, base: Any) -> None:
    """The middle of the stage is skin: red over blue; the hint's panel is blue over red."""
    base.graphicsEngine.renderFrame()
    image = base.win.getScreenshot()
    data = np.frombuffer(bytes(image.getRamImageAs("RGB")), np.uint8)
    pixels = data.reshape(image.getYSize(), image.getXSize(), 3)[::-1].astype(int)
    x, y = (round(v) for v in STAGE.place(0.55, 0.5))
    assert pixels[y, x, 0] > pixels[y, x, 2] + 20
    assert pixels[5, 600, 2] > pixels[5, 600, 0] + 20


def test_an_error_is_held_and_an_exit_is_not() -> None:
    kept = Kept()
    with kept:
        raise RuntimeError("a view failed")
    assert str(kept.error) == "a view failed"
    with Kept():
        raise KeyboardInterrupt
    with pytest.raises(SystemExit), Kept():
        raise SystemExit(1)
