"""A device's tick written plainly: hand, spring, cannula, tissue and safety chain as vectors; the
twin that haptics.coupling.serve has to equal within 1e-9 N."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from plain_safety import PlainChain
from plain_servo import PlainCannula

from haptics.device import DeviceLimits

MASS = 0.003


@dataclass
class PlainCoupling:
    """A device's hand on one cannula, taken over at the first tick with its tip at `start`."""

    device: DeviceLimits
    cannula: PlainCannula
    turn: np.ndarray
    start: np.ndarray
    offset: np.ndarray | None = None
    hand: np.ndarray = field(default_factory=lambda: np.zeros(3))
    tool: np.ndarray = field(default_factory=lambda: np.zeros(3))
    speed: np.ndarray = field(default_factory=lambda: np.zeros(3))
    tissue: np.ndarray = field(default_factory=lambda: np.zeros(3))
    across: np.ndarray = field(default_factory=lambda: np.zeros(3))
    turning: float = 0.0

    def __post_init__(self) -> None:
        self.chain = PlainChain(self.device)
        self.stiffness = self.device.stiffness * 15.0 / self.chain.lasting
        self.damping = 2.0 * np.sqrt(self.stiffness * MASS)

    def tick(
        self, time: float, published: float, at: np.ndarray, speed: np.ndarray,
        stylus: np.ndarray, clutched: bool, tap: float = 0.0,
    ) -> np.ndarray:  # fmt: skip
        """The force told, N in the device's frame; `stylus` (3, 3) has its axes as columns."""
        here = self.turn @ at
        if self.offset is None:
            self.offset, self.across = self.start - here, stylus[:, 0]
            self.hand = self.tool = self.start
        if clutched:
            self.offset = self.hand - here
        self.hand = here + self.offset
        self._follow()
        pose = np.concatenate([self.tool, self.turn @ -stylus[:, 2], [self._turned(stylus), tap]])
        before = self.cannula.depth
        force, _ = self.cannula.tick(pose)
        self.tissue = force
        if tap:
            went = (self.cannula.depth - before - self.cannula.pushed) * self.cannula.axis
            self.offset, self.hand, self.tool = (
                place + went for place in (self.offset, self.hand, self.tool)
            )
        back = np.zeros(3)
        if self.cannula.stage != "free":
            back = self.turn.T @ (self.stiffness * (self.tool - self.hand))
        return self.chain.tick(time, published, at, speed, back, hold=clutched)

    def _follow(self) -> None:
        if self.cannula.stage == "free":
            self.speed, self.tool = np.zeros(3), self.hand
            return
        pull = self.stiffness * (self.hand - self.tool) + self.tissue - self.damping * self.speed
        self.speed = self.speed + pull / MASS * 0.001
        self.tool = self.tool + self.speed * 0.001

    def _turned(self, stylus: np.ndarray) -> float:
        across, along = stylus[:, 0], stylus[:, 2]
        angle = np.arctan2(np.cross(self.across, across) @ along, self.across @ across)
        self.across = across
        self.turning += (angle / 0.001 - self.turning) / 50.0
        return float(self.turning)
