"""The force law of a bone cannula, layer by layer, and the fields it is read from.

A tip that does not move stretches the tissue: F = toe (exp(rate d) - 1) in soft layers (Okamura
and Simone 2004), F = k d in bone, d the stretch in mm. It stays until F reaches what holds it:

    soft        a layer's puncture force, then its cutting force; cartilage too
    cancellous  a rho^n A                       rho g/cm3 from Hounsfield units, A tip area
                                                (rho up to where bone is no longer trabecular)
    cortex      a rho^n A + s p t rho/rho_w     until it gives way (p perimeter, t thickness),
                a rho^n A + c s p t rho/rho_w   after; the first also has periosteum on it, and one
                                                that is met from inside, with nothing behind it,
                                                bends: b t2 (rho/rho_w)^n where that is less
    cement      z A, once it has set
    tip         the point is `tip_taper` long: what it crushes follows a rho^n as it goes in, and
                once it has left bone the rest of it still drags there
    shaft       mu_soft L_soft + sum over the way in bone of f a rho^n 2 pi r, in every layer

so a wall is stronger than the cancellous bone of its own density, and an alar void holds neither
tip nor shaft. The shaft's friction is `stiction` times larger while it rests (Karnopp: stick-slip
when pushed slowly), `withdrawal` times on the way out, and turning the shaft leaves
v / sqrt(v2 + (omega r)2) of it: friction acts against the whole sliding velocity, of which only
the axial part resists. Tips: a diamond stylet; a beveled one; none, the open rim, which is flat and
cuts along two edges. Laterally the shaft is held by a spring that stiffens with the embedded
length. Nothing of it is validated against a sacrum: no such measurement is published. Every
parameter has its range and source in assets/tissue.toml, and its spread among people (`drawn_law`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from math import exp, log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Layer(IntEnum):
    """What a tip can be in. Ordered so that everything from CORTEX on is bone or harder."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    LIGAMENT = 4  # also disc
    CARTILAGE = 5  # of the SI joint
    VOID = 6  # gas, or nothing that resists
    CORTEX = 7
    CANCELLOUS = 8
    BONE = 9  # bone without a distance field: a wall of default thickness, then cancellous
    CEMENT = 10  # that has set
    METAL = 11
    MAPPED = 12  # a code only: bone whose surface the distance field draws; a tip is never in it


AIR, SKIN, FAT, MUSCLE, LIGAMENT, CARTILAGE, VOID = 0, 1, 2, 3, 4, 5, 6
CORTEX, CANCELLOUS, BONE, CEMENT, METAL, MAPPED = 7, 8, 9, 10, 11, 12
DIAMOND, BEVEL, OPEN = 0.0, 1.0, 2.0  # tips; OPEN is a cannula without its stylet
OFF_GRID = 1e9  # mm: the distance given where no field reaches
WALLS_END_MM = 4.0  # no cortex and voxel beside it reach deeper: 0.5-2 mm, facts/anatomy.md
CLEAN_VOXELS = 2.0  # half a voxel that the wall fills, a whole one of interpolation, half to spare
LEAST_SLOPE = 0.3  # of the distance field, 1 near a wall: less midway between two; a project choice


class TissueField(NamedTuple):
    """What the law reads of a patient. All volumes [x, y, z], C order; origins are the centres of
    voxel (0, 0, 0), LPS mm, shape (3,); spacings mm.

    `codes` uint8 and `hounsfield` int16 share one grid; `layers` (256,) uint8 turns a code into a
    `Layer`. `distance` float32 (mm to the nearest bone surface, negative inside) and `cortex`
    float32 (its thickness, mm) share the other, with `over` uint8: CARTILAGE between two bones,
    CEMENT that has set, or 0 where the other fields decide."""

    codes: NDArray[np.uint8]
    layers: NDArray[np.uint8]
    hounsfield: NDArray[np.int16]
    body_origin: NDArray[np.float64]
    body_spacing: float
    distance: NDArray[np.float32]
    cortex: NDArray[np.float32]
    bone_origin: NDArray[np.float64]
    bone_spacing: float
    over: NDArray[np.uint8]


class Instrument(NamedTuple):
    """A cannula: outer `radius` and `length` from hub to tip, mm; which `tip` it goes in with
    (DIAMOND, BEVEL, OPEN); the radius of its `bore`, mm, which an OPEN one needs."""

    radius: float
    length: float
    tip: float = DIAMOND
    bore: float = 0.0


def layer_table(layers: Mapping[int, Layer]) -> NDArray[np.uint8]:
    """The lookup (256,) from a body code to a `Layer`; codes not named are VOID."""
    table = np.full(256, Layer.VOID, np.uint8)
    for code, layer in layers.items():
        table[code] = layer
    return table


@njit(nogil=True, cache=True)
def interpolated(volume, origin, spacing, x, y, z, outside):  # type: ignore[no-untyped-def]
    """The trilinear value of a volume at an LPS point; `outside` beyond it."""
    i, j, k = (x - origin[0]) / spacing, (y - origin[1]) / spacing, (z - origin[2]) / spacing
    if not (
        0.0 <= i <= volume.shape[0] - 1
        and 0.0 <= j <= volume.shape[1] - 1
        and 0.0 <= k <= volume.shape[2] - 1
    ):
        return outside
    a = min(int(i), volume.shape[0] - 2)
    b = min(int(j), volume.shape[1] - 2)
    c = min(int(k), volume.shape[2] - 2)
    u, v, w = i - a, j - b, k - c
    low = (1.0 - v) * ((1.0 - w) * volume[a, b, c] + w * volume[a, b, c + 1]) + v * (
        (1.0 - w) * volume[a, b + 1, c] + w * volume[a, b + 1, c + 1]
    )
    a += 1
    high = (1.0 - v) * ((1.0 - w) * volume[a, b, c] + w * volume[a, b, c + 1]) + v * (
        (1.0 - w) * volume[a, b + 1, c] + w * volume[a, b + 1, c + 1]
    )
    return (1.0 - u) * low + u * high


@njit(nogil=True, cache=True)
def layer_at(field, x, y, z):  # type: ignore[no-untyped-def]
    """The `Layer` at an LPS point. Set cement is cement, bone is where the distance field says so,
    cartilage between bones; body codes tell the rest, and a voxel of MAPPED bone outside the
    surface is soft tissue."""
    distance = interpolated(
        field.distance, field.bone_origin, field.bone_spacing, x, y, z, OFF_GRID
    )
    over = 0 if distance == OFF_GRID else _over(field, x, y, z)
    if over == CEMENT:
        return CEMENT
    if distance < 0.0:
        near = -distance < WALLS_END_MM and -distance < thickness_at(field, x, y, z)
        return CORTEX if near else CANCELLOUS
    if over == CARTILAGE:
        return CARTILAGE
    codes = field.codes
    i = int(np.rint((x - field.body_origin[0]) / field.body_spacing))
    j = int(np.rint((y - field.body_origin[1]) / field.body_spacing))
    k = int(np.rint((z - field.body_origin[2]) / field.body_spacing))
    if not (0 <= i < codes.shape[0] and 0 <= j < codes.shape[1] and 0 <= k < codes.shape[2]):
        return AIR
    layer = int(field.layers[codes[i, j, k]])
    if layer == MAPPED:
        return BONE if distance == OFF_GRID else MUSCLE
    return layer


@njit(nogil=True, cache=True)
def _over(field, x, y, z):  # type: ignore[no-untyped-def]
    i = int(np.rint((x - field.bone_origin[0]) / field.bone_spacing))
    j = int(np.rint((y - field.bone_origin[1]) / field.bone_spacing))
    k = int(np.rint((z - field.bone_origin[2]) / field.bone_spacing))
    return int(field.over[i, j, k])


@njit(nogil=True, cache=True)
def thickness_at(field, x, y, z):  # type: ignore[no-untyped-def]
    """Cortical thickness, mm, at an LPS point of the bone grid; 0 beyond it."""
    return interpolated(field.cortex, field.bone_origin, field.bone_spacing, x, y, z, 0.0)


@njit(nogil=True, cache=True)
def density_at(field, law, x, y, z):  # type: ignore[no-untyped-def]
    """Apparent density, g/cm3, at an LPS point: linear in Hounsfield units, never below
    `density_least`."""
    units = interpolated(field.hounsfield, field.body_origin, field.body_spacing, x, y, z, -1000.0)
    return max(law.density_least, law.density_offset + law.density_slope * units)


@njit(nogil=True, cache=True)
def distance_and_slope(field, x, y, z):  # type: ignore[no-untyped-def]
    """The distance to bone, mm, at an LPS point, and how it grows along x, y and z in its voxel, mm
    per mm; OFF_GRID and no slope beyond the grid."""
    volume, spacing = field.distance, field.bone_spacing
    i = (x - field.bone_origin[0]) / spacing
    j = (y - field.bone_origin[1]) / spacing
    k = (z - field.bone_origin[2]) / spacing
    if not (
        0.0 <= i <= volume.shape[0] - 1
        and 0.0 <= j <= volume.shape[1] - 1
        and 0.0 <= k <= volume.shape[2] - 1
    ):
        return OFF_GRID, 0.0, 0.0, 0.0
    a = min(int(i), volume.shape[0] - 2)
    b = min(int(j), volume.shape[1] - 2)
    c = min(int(k), volume.shape[2] - 2)
    u, v, w = i - a, j - b, k - c
    # differences along z of the four edges, then of what they give along y, then along x
    e00, e01 = np.float64(volume[a, b, c]), np.float64(volume[a, b, c + 1])
    f00, f01 = np.float64(volume[a, b + 1, c]), np.float64(volume[a, b + 1, c + 1])
    e10, e11 = np.float64(volume[a + 1, b, c]), np.float64(volume[a + 1, b, c + 1])
    f10, f11 = np.float64(volume[a + 1, b + 1, c]), np.float64(volume[a + 1, b + 1, c + 1])
    e0, f0 = (1.0 - w) * e00 + w * e01, (1.0 - w) * f00 + w * f01
    e1, f1 = (1.0 - w) * e10 + w * e11, (1.0 - w) * f10 + w * f11
    low, high = (1.0 - v) * e0 + v * f0, (1.0 - v) * e1 + v * f1
    along_z = (1.0 - u) * ((1.0 - v) * (e01 - e00) + v * (f01 - f00))
    along_z += u * ((1.0 - v) * (e11 - e10) + v * (f11 - f10))
    along_y = (1.0 - u) * (f0 - e0) + u * (f1 - e1)
    distance = (1.0 - u) * low + u * high
    return distance, (high - low) / spacing, along_y / spacing, along_z / spacing


@njit(nogil=True, cache=True)
def marrow_density_at(field, law, x, y, z):  # type: ignore[no-untyped-def]
    """Density, g/cm3, of the marrow at an LPS point. Next to a wall, whose voxels hold both, it is
    read further from the wall, straight under it."""
    distance, p, q, r = distance_and_slope(field, x, y, z)
    deep = -distance
    if not 0.0 <= deep <= WALLS_END_MM:
        return density_at(field, law, x, y, z)
    lack = thickness_at(field, x, y, z) + CLEAN_VOXELS * field.body_spacing - deep
    slope = sqrt(p * p + q * q + r * r)
    if lack <= 0.0 or slope < LEAST_SLOPE:
        return density_at(field, law, x, y, z)
    shift = lack / slope
    return density_at(field, law, x - shift * p, y - shift * q, z - shift * r)


@njit(nogil=True, cache=True)
def cancellous_stress(law, density):  # type: ignore[no-untyped-def]
    """What bone of `density` g/cm3 bears, MPa: a rho^n. The power law is trabecular bone's and ends
    at `cancellous_densest`; beyond it a wall's own term grows."""
    return law.cancellous_strength * min(density, law.cancellous_densest) ** law.cancellous_power


@njit(nogil=True, cache=True)
def tip_area(law, tool):  # type: ignore[no-untyped-def]
    """The area, mm2, of a diamond tip that would need as much force in cancellous bone."""
    if tool.tip == OPEN:
        return law.open_bone * pi * (tool.radius * tool.radius - tool.bore * tool.bore)
    return (law.bevel_bone if tool.tip == BEVEL else 1.0) * pi * tool.radius * tool.radius


@njit(nogil=True, cache=True)
def tip_edge(law, tool):  # type: ignore[no-untyped-def]
    """The length, mm, of the edge that a tip cuts through a wall."""
    if tool.tip == OPEN:
        return 2.0 * pi * (tool.radius + tool.bore)
    return (law.bevel_bone if tool.tip == BEVEL else 1.0) * 2.0 * pi * tool.radius


@njit(nogil=True, cache=True)
def wall_force(law, density, thickness, tool, backed):  # type: ignore[no-untyped-def]
    """What a cortex adds to the cancellous bone of its density, N: s p t rho / rho_w, punched; one
    that is not `backed` by bone gives way as a thin plate before that, at b t2 (rho / rho_w)^n."""
    share = density / law.density_wall
    force = law.wall_strength * tip_edge(law, tool) * thickness * share
    if backed:
        return force
    return min(force, law.wall_bending * thickness * thickness * share**law.cancellous_power)


@njit(nogil=True, cache=True)
def bone_force(law, layer, cut, stress, wall, thickness, tool, backed):  # type: ignore[no-untyped-def]
    """What holds a tip in a bony layer, N, by the `stress`, MPa, that the marrow bears and the
    density of the `wall`; `cut` says that the wall has given way, `backed` that it was met from
    outside."""
    if layer == CEMENT:
        return law.cement_strength * pi * tool.radius * tool.radius
    force = stress * tip_area(law, tool)
    if layer == CANCELLOUS or (layer == BONE and cut):
        return force
    more = wall_force(law, wall, thickness, tool, backed)
    return force + (law.wall_cutting * more if cut else more)


@njit(nogil=True, cache=True)
def soft_force(law, layer, cut, tool):  # type: ignore[no-untyped-def]
    """What holds a tip in a soft layer, N; 0 in air, gas and an old track."""
    scale = 2.0 * tool.radius / law.soft_diameter
    if tool.tip == BEVEL:
        scale *= law.bevel_soft
    elif tool.tip == OPEN:
        scale *= law.open_soft
    if layer == SKIN:
        return scale * (law.skin_cutting if cut else law.skin_puncture)
    if layer == FAT:
        return scale * law.fat_cutting
    if layer == MUSCLE:
        return scale * (law.muscle_cutting if cut else law.muscle_puncture)
    if layer == LIGAMENT:
        return scale * (law.ligament_cutting if cut else law.ligament_puncture)
    if layer == CARTILAGE:
        return scale * (law.cartilage_cutting if cut else law.cartilage_puncture)
    return 0.0


@njit(nogil=True, cache=True)
def bone_grip(law, layer, stress, radius):  # type: ignore[no-untyped-def]
    """Friction, N, that a mm of bone or set cement adds to a shaft sliding in, by the `stress`,
    MPa, that the bone bears."""
    if layer == CEMENT:
        return law.cement_bond * 2.0 * pi * radius
    return law.bone_friction * stress * 2.0 * pi * radius


@njit(nogil=True, cache=True)
def shaft_force(law, soft_mm, grip, radius, turning, stuck, inward):  # type: ignore[no-untyped-def]
    """Friction along the shaft, N: by its length in soft tissue, mm, and the bone's `grip` on it,
    N; `turning` rad/s; `stuck` says that it rests."""
    force = law.soft_friction * 2.0 * radius / law.soft_diameter * soft_mm + grip
    around = turning * radius
    if around > 0.0:
        force *= law.twist_speed / sqrt(law.twist_speed * law.twist_speed + around * around)
    elif stuck:
        force *= law.stiction
    return force if inward else law.withdrawal * force


@njit(nogil=True, cache=True)
def _toe_and_rate(law, layer):  # type: ignore[no-untyped-def]
    if layer == SKIN:
        return law.skin_toe, law.skin_rate
    if layer == MUSCLE:
        return law.muscle_toe, law.muscle_rate
    if layer == LIGAMENT:
        return law.ligament_toe, law.ligament_rate
    if layer == CARTILAGE:
        return law.cartilage_toe, law.cartilage_rate
    return law.fat_toe, law.fat_rate


@njit(nogil=True, cache=True)
def stretch_force(law, layer, stretch):  # type: ignore[no-untyped-def]
    """The force, N, of tissue stretched by `stretch` >= 0 mm under a tip that does not move."""
    if layer >= CORTEX:
        return law.bone_stiffness * stretch
    toe, rate = _toe_and_rate(law, layer)
    return toe * (exp(rate * stretch) - 1.0)


@njit(nogil=True, cache=True)
def stretch_at(law, layer, force):  # type: ignore[no-untyped-def]
    """The stretch, mm, at which that force, N >= 0, is reached: the inverse of `stretch_force`."""
    if layer >= CORTEX:
        return force / law.bone_stiffness
    toe, rate = _toe_and_rate(law, layer)
    return log(1.0 + force / toe) / rate


@njit(nogil=True, cache=True)
def lateral_stiffness(law, soft_mm, bone_mm):  # type: ignore[no-untyped-def]
    """Stiffness, N/mm, against leaving the track, by embedded lengths, mm."""
    return law.lateral_least + law.lateral_soft * soft_mm + law.lateral_bone * bone_mm


@njit(nogil=True, cache=True)
def stretch_energy(law, layer, force):  # type: ignore[no-untyped-def]
    """What tissue stretched up to a force, N >= 0, has stored, mJ."""
    stretch = stretch_at(law, layer, force)
    if layer >= CORTEX:
        return 0.5 * force * stretch
    toe, rate = _toe_and_rate(law, layer)
    return force / rate - toe * stretch
