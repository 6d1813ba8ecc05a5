"""The safety chain written plainly: the twin that the numba kernel has to equal within 1e-9 N."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from haptics.device import DeviceLimits


def under(force: np.ndarray, most: float) -> np.ndarray:
    norm = float(np.linalg.norm(force))
    return force * (most / norm) if norm > most else force


@dataclass
class PlainChain:
    """One device's chain; `tick` takes what a tick sees and gives the force told."""

    device: DeviceLimits
    mode: str = "disarmed"
    ramped: int = 0
    at: np.ndarray | None = None
    time: float = 0.0
    told: np.ndarray = field(default_factory=lambda: np.zeros(3))
    given: float = 0.0
    heat: float = 0.0

    @property
    def lasting(self) -> float:
        """N that the motors bear for ever."""
        return (self.device.continuous or self.device.peak * 0.88 / 3.3) / 1.1**0.5

    def tick(
        self, time: float, published: float, at: np.ndarray, speed: np.ndarray, force: np.ndarray,
        arm: bool = True, hold: bool = False, reset: bool = False, error: int = 0,
    ) -> np.ndarray:  # fmt: skip
        peak = self.device.peak
        bad = not all(np.isfinite(v).all() for v in (time, published, at, speed, force))
        moved = np.zeros(3)
        if not bad:
            gap = 0.0 if self.at is None else time - self.time
            moved = moved if self.at is None else at - self.at
            far = np.linalg.norm(moved) > 1000.0 * max(gap, 0.001)
            bad = bool(error) or gap > 0.065 or far or np.linalg.norm(speed) > 1000.0
            self.given = max(self.given + self.told @ moved, -(peak**2) / self.device.stiffness)
            self.at, self.time = at, time
        wanted = np.zeros(3)
        if not bad:
            wanted = force * self.lasting / (np.linalg.norm(force) + 15.0)
        self._advance(bad, arm, hold or time - published > 0.065, reset, wanted)
        gain = {"ramp": self.ramped / 1000, "active": 1.0}.get(self.mode, 0.0)
        self.told = self._shaped(gain * wanted, moved) if gain else np.zeros(3)
        self.heat += (float(self.told @ self.told) - self.heat) / 100
        return self.told

    def _advance(self, bad: bool, arm: bool, held: bool, reset: bool, wanted: np.ndarray) -> None:
        if bad:
            self.mode = "fault"
        elif self.mode == "fault":
            self.mode = "disarmed" if reset else "fault"
        elif self.mode == "disarmed":
            if arm and not held and np.linalg.norm(wanted) <= 0.2 * self.lasting:
                self.mode, self.ramped = "ramp", 0
        elif held:
            self.mode, self.ramped = "ramp", 0
        elif self.mode == "ramp":
            self.ramped += 1
            if self.ramped == 1000:
                self.mode = "active"

    def _shaped(self, wanted: np.ndarray, moved: np.ndarray) -> np.ndarray:
        peak = self.device.peak
        most = self.lasting**2
        spare = most + (peak**2 / most - 1) * (most - self.heat)
        force = self.told + under(wanted - self.told, 0.5 * peak)
        force = under(force, float(np.sqrt(max(0.0, spare))))
        over = self.given - 1.0
        if over > 0:
            if force @ moved > 0:
                force = force - moved * (force @ moved) / (moved @ moved)
            force = under(force, max(0.0, peak - over))
        return under(force, peak)
