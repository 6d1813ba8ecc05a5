"""Two monitors: the live or last-held picture, and the one kept for reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from panda3d.core import CardMaker, LineSegs, NodePath, Texture

from game.devices.carm import CArmPose
from game.fluoroscopy.render import Picture
from game.scene.hud import card
from game.scene.layout import LIVE, REFERENCE, Rect
from game.simulation.state import State

BEZEL = (0.02, 0.02, 0.03, 1.0)
MARK = (1.0, 0.85, 0.1, 1.0)


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture on a monitor, with the state it was made in."""

    picture: Picture
    state: State

    @property
    def pose(self) -> CArmPose:
        return self.state.picture_pose


class Monitors:
    """The pictures under `parent` in canvas units. A picture of another view sends the last one
    to the reference monitor; `keep` sends it there by hand."""

    def __init__(self, parent: NodePath) -> None:
        self.live: Shown | None = None
        self.reference: Shown | None = None
        self._parent = parent
        self.screens = (_Screen(parent, LIVE), _Screen(parent, REFERENCE))
        self._mark: NodePath | None = None

    def show(self, picture: Picture, state: State) -> None:
        """Put a new picture on the live monitor."""
        if self.live is not None and self.live.state.picture_view != state.picture_view:
            self.keep()
        if self.live is None or self.live.pose != state.picture_pose:
            self.unmark()
        self.live = Shown(picture, state)
        self.screens[0].show(picture.pixels)

    def keep(self) -> None:
        """Copy the live picture to the reference monitor."""
        if self.live is not None:
            self.reference = self.live
            self.screens[1].show(self.live.picture.pixels)

    def mark(self, x: float, y: float) -> None:
        """A cross on the live picture, at a place of the canvas."""
        self.unmark()
        lines = LineSegs("mark")
        lines.setColor(*MARK)
        lines.setThickness(1.5)
        for dx, dy in ((9.0, 0.0), (0.0, 9.0)):
            lines.moveTo(x - dx, 0.0, -(y - dy))
            lines.drawTo(x + dx, 0.0, -(y + dy))
        self._mark = self._parent.attachNewNode(lines.create())

    def unmark(self) -> None:
        """Take the cross away."""
        if self._mark is not None:
            self._mark.removeNode()
            self._mark = None


class _Screen:
    """A dark rectangle with a grey texture that is replaced as a whole."""

    def __init__(self, parent: NodePath, rect: Rect) -> None:
        card(parent, Rect(rect.left - 4, rect.top - 4, rect.width + 8, rect.height + 8), BEZEL)
        maker = CardMaker("screen")
        maker.setFrame(rect.left, rect.right, -rect.bottom, -rect.top)
        self.path = parent.attachNewNode(maker.generate())
        self.texture = Texture("picture")
        self.texture.setMinfilter(Texture.FTLinear)
        self.texture.setMagfilter(Texture.FTLinear)
        self.show(np.full((2, 2), 12, np.uint8))
        self.path.setTexture(self.texture)

    def show(self, pixels: NDArray[np.uint8]) -> None:
        height, width = pixels.shape
        if (self.texture.getXSize(), self.texture.getYSize()) != (width, height):
            self.texture.setup2dTexture(width, height, Texture.TUnsignedByte, Texture.FLuminance)
        self.texture.setRamImage(np.ascontiguousarray(pixels[::-1]).tobytes())
