"""The servo tick written plainly, vectors and names instead of array places: the twin that the
numba kernel has to equal within 1e-9 N."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, hypot, inf, log, pi

import numpy as np

from haptics.law import TissueLaw
from haptics.tissue import BEVEL, OPEN, Instrument, Layer, TissueField

BONY = (Layer.CORTEX, Layer.CANCELLOUS, Layer.BONE, Layer.CEMENT)
STEP, STEPS, HALVINGS, RELAX, TURN, TINY, STILL = 0.05, 40, 6, 10.0, 0.02, 1e-12, 1e-5
STICK, DWELL, TAP_STEPS = 0.001, 50, 200


def blend(volume: np.ndarray, at: np.ndarray, outside: float) -> float:
    """Trilinear value at a fractional index (3,)."""
    if np.any(at < 0) or np.any(at > np.array(volume.shape) - 1):
        return outside
    low = np.minimum(at.astype(int), np.array(volume.shape) - 2)
    part = at - low
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(np.array(corner) == 1, part, 1 - part))
        total += weight * float(volume[tuple(low + corner)])
    return total


@dataclass
class PlainCannula:
    """One cannula in a field; `tick` takes a hand pose (6,) and gives (force (3,), axial)."""

    tissue: TissueField
    law: TissueLaw
    tool: Instrument
    stage: str = "free"
    tip: np.ndarray = field(default_factory=lambda: np.zeros(3))
    axis: np.ndarray = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))
    entry: np.ndarray = field(default_factory=lambda: np.zeros(3))
    layer: Layer = Layer.AIR
    cut: bool = False
    slack: float = 0.0
    soft: float = 0.0
    bone: float = 0.0
    depth: float = 0.0
    deepest: float = 0.0
    wall_depth: float = 0.0
    from_bone: bool = False
    grip: float = 0.0
    crushed: float = 0.0  # MPa against the whole point
    rested: int = 0
    turning: float = 0.0
    pushed: float = 0.0  # mm in the last tick, without its tap
    tracks: list[tuple[np.ndarray, float, float]] = field(default_factory=list)

    def tick(self, hand: np.ndarray) -> tuple[np.ndarray, float]:
        tip, direction = hand[:3], hand[3:6]
        self.turning = abs(float(hand[6]))
        axial = 0.0
        if self.stage in ("free", "contact"):
            axial = self.touch(tip, direction)
        if self.stage in ("soft", "bone"):
            if self.stage == "soft":
                self.turn(direction)
            before = self.depth
            axial = self.push(float((tip - self.tip) @ self.axis))
            self.pushed = self.depth - before
            if hand[7] > 0 and self.stage in ("soft", "bone"):
                self.tap(float((tip - self.tip) @ self.axis), max(0.0, axial), float(hand[7]))
        aside = tip - self.tip - ((tip - self.tip) @ self.axis) * self.axis
        stiff = 0.0
        if self.stage in ("soft", "bone"):
            law = self.law
            stiff = law.lateral_least + law.lateral_soft * self.soft + law.lateral_bone * self.bone
        return -axial * self.axis - stiff * aside, axial

    def body_index(self, point: np.ndarray) -> np.ndarray:
        return (point - self.tissue.body_origin) / self.tissue.body_spacing

    def bone_index(self, point: np.ndarray) -> np.ndarray:
        return (point - self.tissue.bone_origin) / self.tissue.bone_spacing

    def layer_at(self, point: np.ndarray) -> Layer:
        distance, over = blend(self.tissue.distance, self.bone_index(point), inf), 0
        if distance != inf:
            over = int(self.tissue.over[tuple(np.rint(self.bone_index(point)).astype(int))])
        if over == Layer.CEMENT:
            return Layer.CEMENT
        if distance < 0:
            thick = blend(self.tissue.cortex, self.bone_index(point), 0.0)
            return Layer.CORTEX if -distance < thick else Layer.CANCELLOUS
        if over == Layer.CARTILAGE:
            return Layer.CARTILAGE
        at = np.rint(self.body_index(point)).astype(int)
        if np.any(at < 0) or np.any(at >= self.tissue.codes.shape):
            return Layer.AIR
        layer = Layer(int(self.tissue.layers[self.tissue.codes[tuple(at)]]))
        if layer == Layer.MAPPED:
            return Layer.BONE if distance == inf else Layer.MUSCLE
        return layer

    def touch(self, tip: np.ndarray, direction: np.ndarray) -> float:
        back = 0.0
        self.stage, self.layer = "free", Layer.AIR
        if self.layer_at(tip) != Layer.AIR:
            self.stage, self.layer = "contact", Layer.SKIN
            far = 0.0
            while self.layer_at(tip - far * direction) != Layer.AIR:
                far += 0.5
                assert far <= 40.0
            near = max(0.0, far - 0.5)
            for _ in range(12):
                half = (near + far) / 2
                outside = self.layer_at(tip - half * direction) == Layer.AIR
                near, far = (near, half) if outside else (half, far)
            back = far
        self.tip, self.axis = tip - back * direction, direction
        holds = self.soft_force(Layer.SKIN, False)
        if back <= self.stretch_at(Layer.SKIN, holds):
            return self.stretch_force(Layer.SKIN, back)
        self.stage, self.entry, self.cut, self.from_bone = "soft", self.tip, True, False
        self.grip, self.rested, self.crushed, self.tracks = 0.0, 0, 0.0, []
        self.slack = self.soft = self.bone = self.depth = self.deepest = self.wall_depth = 0.0
        return holds

    def turn(self, direction: np.ndarray) -> None:
        change = direction - self.axis
        asked = self.depth * float(np.sqrt(change @ change))
        if self.layer >= Layer.CORTEX or asked <= self.law.lateral_yield:
            return
        axis = self.axis + min(asked - self.law.lateral_yield, TURN) / asked * change
        axis = axis / np.sqrt(axis @ axis)
        layer = self.layer_at(self.entry + self.depth * axis)
        if layer >= Layer.CORTEX:
            return
        if 0 < self.wall_depth < self.deepest > self.depth and self.old_track() is None:
            self.tracks = [*self.tracks, (self.axis, self.wall_depth, self.deepest)][-4:]
        self.axis, self.tip, self.deepest = axis, self.entry + self.depth * axis, self.depth
        self.crushed = 0.0
        found = self.old_track()
        if found is not None and found[2] > self.depth:
            self.wall_depth, self.deepest = found[1:]
        if layer != self.layer:
            self.layer, self.cut, self.from_bone = layer, True, False

    def old_track(self) -> tuple[np.ndarray, float, float] | None:
        near = [
            track
            for track in self.tracks
            if track[1] * np.linalg.norm(track[0] - self.axis) < self.tool.radius
        ]
        return near[0] if near else None

    def soft_force(self, layer: Layer, cut: bool) -> float:
        law, scale = self.law, 2 * self.tool.radius / self.law.soft_diameter
        scale *= {BEVEL: law.bevel_soft, OPEN: law.open_soft}.get(self.tool.tip, 1.0)
        table = {
            Layer.SKIN: (law.skin_puncture, law.skin_cutting),
            Layer.FAT: (law.fat_cutting, law.fat_cutting),
            Layer.MUSCLE: (law.muscle_puncture, law.muscle_cutting),
            Layer.LIGAMENT: (law.ligament_puncture, law.ligament_cutting),
            Layer.CARTILAGE: (law.cartilage_puncture, law.cartilage_cutting),
        }
        return scale * table.get(layer, (0.0, 0.0))[cut]

    def soft_curve(self, layer: Layer) -> tuple[float, float]:
        law = self.law
        return {
            Layer.SKIN: (law.skin_toe, law.skin_rate),
            Layer.MUSCLE: (law.muscle_toe, law.muscle_rate),
            Layer.LIGAMENT: (law.ligament_toe, law.ligament_rate),
            Layer.CARTILAGE: (law.cartilage_toe, law.cartilage_rate),
        }.get(layer, (law.fat_toe, law.fat_rate))

    def stretch_force(self, layer: Layer, stretch: float) -> float:
        if layer >= Layer.CORTEX:
            return self.law.bone_stiffness * stretch
        toe, rate = self.soft_curve(layer)
        return toe * (exp(rate * stretch) - 1)

    def stretch_at(self, layer: Layer, force: float) -> float:
        if layer >= Layer.CORTEX:
            return force / self.law.bone_stiffness
        toe, rate = self.soft_curve(layer)
        return log(1 + force / toe) / rate

    def density_at(self, point: np.ndarray) -> float:
        law = self.law
        units = blend(self.tissue.hounsfield, self.body_index(point), -1000.0)
        return max(law.density_least, law.density_offset + law.density_slope * units)

    def marrow_density(self) -> float:
        deep = -blend(self.tissue.distance, self.bone_index(self.tip), inf)
        if not 0 <= deep <= 4.0:
            return self.density_at(self.tip)
        thick = blend(self.tissue.cortex, self.bone_index(self.tip), 0.0)
        lack = thick + 2 * self.tissue.body_spacing - deep
        slope = self.slope_of_distance()
        steep = float(np.sqrt(slope @ slope))
        if lack <= 0 or steep < 0.3:
            return self.density_at(self.tip)
        return self.density_at(self.tip - lack / steep * slope)

    def slope_of_distance(self) -> np.ndarray:
        """The gradient within the tip's voxel: trilinear values are straight along each axis."""
        at, volume = self.bone_index(self.tip), self.tissue.distance
        low = np.minimum(at.astype(int), np.array(volume.shape) - 2)
        ends = []
        for axis in range(3):
            there = [np.where(np.arange(3) == axis, low + end, at) for end in (0, 1)]
            ends.append(blend(volume, there[1], inf) - blend(volume, there[0], inf))
        return np.array(ends) / self.tissue.bone_spacing

    def stress(self, density: float) -> float:
        law = self.law
        dense = min(density, law.cancellous_densest)
        return law.cancellous_strength * dense**law.cancellous_power

    def bone_force(self) -> float:
        law, radius, thick = self.law, self.tool.radius, self.law.wall_default
        if self.layer == Layer.CEMENT:
            return law.cement_strength * pi * radius**2
        at = self.tip
        marrow = wall_density = self.marrow_density()
        if self.layer != Layer.CANCELLOUS:
            if self.layer == Layer.CORTEX:
                thick = blend(self.tissue.cortex, self.bone_index(at), 0.0)
            at = at + thick / 2 * self.axis
            wall_density = self.density_at(at)
        area, edge = self.areas()
        fresh_wall = not self.cut and not self.from_bone
        force = (self.stress(marrow) if fresh_wall else self.crushed) * area
        share = wall_density / law.density_wall
        wall = law.wall_strength * edge * thick * share
        if self.from_bone:
            wall = min(wall, law.wall_bending * thick**2 * share**law.cancellous_power)
        if self.layer == Layer.CORTEX:
            return force + (law.wall_cutting * wall if self.cut else wall)
        return force + (wall if self.layer == Layer.BONE and not self.cut else 0.0)

    def areas(self) -> tuple[float, float]:
        """The tip's area, mm2, and its edge, mm."""
        law, radius, bore = self.law, self.tool.radius, self.tool.bore
        if self.tool.tip == OPEN:
            return law.open_bone * pi * (radius**2 - bore**2), 2 * pi * (radius + bore)
        scale = law.bevel_bone if self.tool.tip == BEVEL else 1.0
        return scale * pi * radius**2, scale * 2 * pi * radius

    def shaft(self, inward: bool) -> float:
        law, radius = self.law, self.tool.radius
        force = law.soft_friction * 2 * radius / law.soft_diameter * self.soft + self.grip
        if self.turning > 0:
            force *= law.twist_speed / hypot(law.twist_speed, self.turning * radius)
        elif self.rested >= DWELL:
            force *= law.stiction
        return force if inward else law.withdrawal * force

    def gripping(self) -> float:
        law, around = self.law, 2 * pi * self.tool.radius
        if self.layer == Layer.CEMENT:
            return law.cement_bond * around
        return law.bone_friction * self.stress(self.marrow_density()) * around

    def holds(self, inward: bool) -> float:
        shaft = self.shaft(inward)
        if not inward:
            return shaft
        if self.depth >= self.tool.length - TINY:
            return inf
        if self.depth < self.deepest - TINY:
            return shaft
        if self.layer == Layer.METAL:
            return inf
        if self.layer in BONY:
            scale = 2 * self.tool.radius / self.law.soft_diameter
            sheet = self.stage == "soft" and not self.cut
            return shaft + self.bone_force() + sheet * scale * self.law.periosteum_puncture
        return shaft + self.soft_force(self.layer, self.cut) + self.crushed * self.areas()[0]

    def push(self, gap: float) -> float:
        force = went = 0.0
        for _ in range(STEPS):
            stretch = gap - self.slack
            inward = stretch >= 0
            sign = 1 if inward else -1
            holds = self.holds(inward)
            excess = abs(stretch) - self.stretch_at(self.layer, holds)
            if excess <= STILL:
                force = sign * self.stretch_force(self.layer, abs(stretch))
                break
            if inward and not self.cut:
                self.give_way()
                continue
            force = sign * holds
            relaxing = max(0.1, 1.0 - sign * self.slack / RELAX)
            uncut = inward and self.depth >= self.deepest - TINY
            moved, layer, wall = self.step(sign * excess / relaxing, uncut)
            gap -= moved
            went += abs(moved)
            self.rested = 0 if self.rested >= DWELL else self.rested
            if not inward and self.depth <= TINY:
                self.stage, self.layer = "free", Layer.AIR
                return 0.0
            self.slack -= self.slack * min(1.0, abs(moved) / RELAX)
            if layer is not None:
                self.cross(layer, inward, wall)
                self.slack = gap - sign * self.stretch_at(layer, holds)
        self.rested = self.rested + 1 if went < STICK else 0
        return force

    def stored(self, force: float) -> float:
        """mJ in tissue stretched up to a force: the curve's integral, summed finely."""
        if self.layer >= Layer.CORTEX:
            return force**2 / 2 / self.law.bone_stiffness
        stretch, (toe, rate) = self.stretch_at(self.layer, force), self.soft_curve(self.layer)
        return toe * ((exp(rate * stretch) - 1) / rate - stretch)

    def tap(self, gap: float, pushed: float, energy: float) -> None:
        was, self.rested = self.layer, 0
        for _ in range(TAP_STEPS):
            holds = self.holds(inward=True)
            if holds == inf:
                break
            if not self.cut:
                energy -= self.stored(holds) - self.stored(pushed)
                if energy < 0:
                    break
                self.give_way()
                continue
            if energy <= TINY * holds:
                break
            uncut = self.depth >= self.deepest - TINY
            moved, layer, wall = self.step(min(STEP, energy / max(holds, 1e-9)), uncut)
            energy -= holds * moved
            if layer is not None:
                self.cross(layer, True, wall)
        if self.layer != was:
            self.slack = gap - self.stretch_at(self.layer, pushed)

    def give_way(self) -> None:
        self.cut, self.deepest = True, max(self.deepest, self.depth)
        if self.layer >= Layer.CORTEX and not self.from_bone and self.stage == "soft":
            self.stage, self.wall_depth = "bone", self.depth

    def ahead(self, moved: float) -> Layer:
        return self.layer_at(self.entry + (self.depth + moved) * self.axis)

    def step(self, wanted: float, uncut: bool) -> tuple[float, Layer | None, bool]:
        room = self.tool.length - self.depth
        if self.depth < self.deepest - TINY:
            room = min(room, self.deepest - self.depth)
        far = min(wanted, STEP, room) if wanted > 0 else max(wanted, -STEP, -self.depth)
        beyond, wall = self.ahead(far), False
        if beyond != self.layer:
            near = 0.0
            for _ in range(HALVINGS):
                half = (near + far) / 2
                there = self.ahead(half)
                if there == self.layer:
                    near = half
                else:
                    far, beyond = half, there
            wall = uncut and self.has_wall(beyond)
            far = near if wall else far
        if wanted > 0:
            self.deepest = max(self.deepest, self.depth + far)
        self.depth += far
        self.tip = self.entry + self.depth * self.axis
        if uncut:
            bears = self.stress(self.marrow_density()) if self.layer in BONY else 0.0
            share = 1.0 if self.tool.tip == OPEN else min(1.0, far / self.law.tip_taper)
            self.crushed += share * (bears - self.crushed)
        if self.layer in BONY:
            self.bone = max(0.0, self.bone + far)
            self.grip = max(0.0, self.grip + self.gripping() * far)
        else:
            self.soft = max(0.0, self.soft + far)
        return far, None if beyond == self.layer else beyond, wall

    def has_wall(self, layer: Layer) -> bool:
        if layer == Layer.MUSCLE:
            return self.layer in (Layer.SKIN, Layer.FAT)
        if layer == Layer.BONE:
            return self.layer not in BONY
        walled = (Layer.CORTEX, Layer.LIGAMENT, Layer.CARTILAGE, Layer.METAL, Layer.CEMENT)
        return layer in walled

    def cross(self, layer: Layer, inward: bool, wall: bool) -> None:
        self.from_bone, self.layer, self.cut = self.layer in BONY, layer, not wall
        if inward and self.stage == "soft" and layer in BONY and not wall:
            self.stage, self.wall_depth = "bone", self.depth
        if not inward and self.stage == "bone" and self.depth <= self.wall_depth + STEP:
            self.stage, self.bone, self.grip = "soft", 0.0, 0.0
