"""Bone cannulas: sizes, the pose of one in use, and the track it leaves in bone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from game.geometry.grid import Point

Stage = Literal["tray", "held", "tissue", "bone", "removed"]


@dataclass(frozen=True)
class Gauge:
    """Outer diameter and bore, mm. 11G: 3.05 outer (ISO 9626), 2.39 bore; 13G: 2.41, 1.80
    (facts/cement.md, bores marked unverified there)."""

    outer: float
    bore: float


GAUGES = {11: Gauge(3.05, 2.39), 13: Gauge(2.41, 1.80)}
LENGTHS_MM = (100, 125, 150)


@dataclass(frozen=True)
class Cannula:
    """One cannula. `tip` and `direction` (unit, hub to tip) in patient LPS, mm.

    `skin_entry` and `bone_entry` are where the tip first went through; `track` samples the tip's
    way inside bone at 1 mm; `deepest` is the longest bony path so far, mm."""

    gauge: int = 11
    length: int = 125
    stage: Stage = "tray"
    stylet: bool = True
    tip: Point = (0.0, 0.0, 0.0)
    direction: Point = (0.0, 0.0, 1.0)
    skin_entry: Point | None = None
    bone_entry: Point | None = None
    deepest: float = 0.0
    track: tuple[Point, ...] = ()

    @property
    def radius(self) -> float:
        """Outer radius, mm."""
        return GAUGES[self.gauge].outer / 2.0

    @property
    def hub(self) -> Point:
        """Where the shaft ends at the hub, LPS mm."""
        x, y, z = (t - self.length * d for t, d in zip(self.tip, self.direction, strict=True))
        return x, y, z

    @property
    def dead_volume_ml(self) -> float:
        """Bore volume, mL."""
        return 3.141592653589793 * (GAUGES[self.gauge].bore / 2.0) ** 2 * self.length / 1000.0


def taken(gauge: int, length: int) -> Cannula:
    """A fresh cannula from the tray, its stylet in; raises ValueError for a size not stocked."""
    if gauge not in GAUGES:
        raise ValueError(f"cannula gauge is {gauge}; there are {sorted(GAUGES)}")
    if length not in LENGTHS_MM:
        raise ValueError(f"cannula length is {length} mm; there are {LENGTHS_MM}")
    return Cannula(gauge=gauge, length=length, stage="held")
