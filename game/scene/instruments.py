"""Cannulas, their stylets and the syringe, drawn where the proxy is."""

from __future__ import annotations

import numpy as np
from panda3d.core import NodePath

from game.devices.cannula import Cannula
from game.patient.patient import SIDES, Side
from game.scene.placement import along
from game.scene.shapes import Mesh, box, cylinder, joined, lathe, node_of
from game.simulation.state import State

STEEL = (0.72, 0.74, 0.78, 1.0)
HUBS: dict[Side, tuple[float, float, float, float]] = {
    "left": (0.10, 0.55, 0.95, 1.0),
    "right": (0.95, 0.60, 0.10, 1.0),
}
STYLET = (0.15, 0.16, 0.18, 1.0)
SYRINGE = (0.70, 0.74, 0.72, 1.0)


class Instruments:
    """One cannula a side and one syringe under `parent`, whose frame is patient LPS."""

    def __init__(self, parent: NodePath) -> None:
        self._parent = parent
        self._drawn: dict[Side, _Drawn] = {}

    def show(self, state: State) -> None:
        """Draw every cannula that is out of its tray and not yet removed."""
        for side in SIDES:
            self._show_one(side, state.cannulas[side], state.injector.connected == side)

    def node(self, side: Side) -> NodePath | None:
        """The cannula drawn for a side, None before it is taken."""
        drawn = self._drawn.get(side)
        return None if drawn is None else drawn.root

    def _show_one(self, side: Side, cannula: Cannula, syringe: bool) -> None:
        drawn = self._drawn.get(side)
        if drawn is None or drawn.size != (cannula.gauge, cannula.length):
            if drawn is not None:
                drawn.root.removeNode()
            drawn = self._drawn[side] = _Drawn(self._parent, side, cannula)
        if cannula.stage in ("tray", "removed"):
            drawn.root.hide()
            return
        drawn.root.show()
        drawn.root.setMat(along(np.array(cannula.tip), np.array(cannula.direction)))
        (drawn.stylet.show if cannula.stylet else drawn.stylet.hide)()
        (drawn.syringe.show if syringe else drawn.syringe.hide)()


class _Drawn:
    """The nodes of one cannula; its own z runs from hub to tip, the tip at 0."""

    def __init__(self, parent: NodePath, side: Side, cannula: Cannula) -> None:
        self.size = (cannula.gauge, cannula.length)
        self.root = parent.attachNewNode(f"cannula-{side}")
        length = float(cannula.length)
        node_of("shaft", _shaft(cannula.radius, length), STEEL).reparentTo(self.root)
        node_of("hub", _hub(length), HUBS[side]).reparentTo(self.root)
        self.stylet = node_of("stylet", _stylet(cannula.radius, length), STYLET)
        self.stylet.reparentTo(self.root)
        self.syringe = node_of("syringe", _syringe(length), SYRINGE)
        self.syringe.reparentTo(self.root)


def _shaft(radius: float, length: float) -> Mesh:
    return lathe(np.array([[radius, -length], [radius, -6.0], [radius * 0.6, 0.0]]), 12)


def _hub(length: float) -> Mesh:
    wings = box(46.0, 12.0, 12.0).moved((0.0, 0.0, -length - 6.0))
    return joined(wings, cylinder(8.0, -length - 16.0, -length, 16))


def _stylet(radius: float, length: float) -> Mesh:
    cap = cylinder(11.0, -length - 28.0, -length - 16.0, 16)
    point = lathe(np.array([[radius * 0.6, -1.0], [0.0, 2.5]]), 8)
    return joined(cap, point)


def _syringe(length: float) -> Mesh:
    barrel = cylinder(7.0, -length - 90.0, -length - 22.0, 16)
    nozzle = cylinder(3.0, -length - 22.0, -length - 14.0, 10)
    rod = cylinder(3.0, -length - 130.0, -length - 90.0, 10)
    thumb = cylinder(11.0, -length - 134.0, -length - 130.0, 16)
    return joined(barrel, nozzle, rod, thumb)
