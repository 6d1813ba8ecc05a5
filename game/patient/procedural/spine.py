"""L5 and L4 with their discs, stacked on the S1 endplate by the drawn lordosis.

A vertebra's frame: x to the left, v backwards, w upwards, its origin at the middle of its lower
endplate, mm. Proportions follow the S1 endplate's drawn depth; the rest is form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import Landmark, Structure
from game.patient.procedural.draw import Measures
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.sampling import Bone, bone_of
from game.patient.procedural.solids import Array, Triple, cone, smooth_max, smooth_min

BODY_MM, DISC_MM = 27.0, 11.0  # heights in the middle, L4 and L5 and the discs below (form)
DISC_SHARE = 0.6  # of a segment's lordosis in its disc, the rest in the vertebra (form)
UPPER_SHARE = 0.75  # of L5-S1's lordosis, at L4-5 (form)
BREADTH = 0.76  # half breadth of a body against its depth: S1's 50 [U] and 33.4 mm [M]
APART_MM = 1.5  # between neighbouring bones: facet cartilage (form)
DISH_MM, WAIST = 1.3, 0.11  # hollow of the endplates, narrowing of the body (form)
HOLLOW_MM = 2.5  # of the posterior wall in the midline (form)
# The arch's parts behind the posterior wall: start, end (x, v from the wall, w), radii, rounding.
Part = tuple[Triple, Triple, float, float, float]
ARCH: tuple[Part, ...] = (
    ((17.5, -4.0, 19.0), (18.5, 9.0, 18.0), 7.0, 6.0, 3.0),  # pedicle
    ((20.0, 11.0, 22.0), (21.5, 12.5, 33.0), 6.0, 4.5, 3.0),  # superior articular process
    ((19.0, 12.0, 17.0), (17.0, 18.5, -6.0), 5.5, 4.5, 3.0),  # isthmus, inferior process
    ((15.0, 14.5, 15.0), (0.5, 22.0, 14.0), 3.8, 3.4, 4.0),  # lamina: a plate of three
    ((15.0, 16.0, 8.5), (0.5, 23.5, 8.0), 3.8, 3.4, 4.0),
    ((14.5, 17.5, 2.0), (2.0, 24.5, 2.0), 3.8, 3.4, 4.0),
)
TRANSVERSE: tuple[Part, Part] = (  # of L5, thick and short, and of L4, slender
    ((20.0, 7.0, 20.0), (45.0, 9.0, 24.0), 7.0, 4.0, 4.0),
    ((20.0, 9.0, 19.0), (48.0, 14.0, 22.0), 5.0, 3.5, 4.0),
)
SPINOUS: tuple[tuple[Part, ...], ...] = (  # plates too: L5's low and short, L4's a hatchet
    (
        ((0.0, 24.0, 12.0), (0.0, 35.0, 7.0), 3.2, 3.2, 4.0),
        ((0.0, 24.0, 6.5), (0.0, 39.0, 1.5), 3.2, 3.8, 4.0),
        ((0.0, 25.0, 2.0), (0.0, 36.0, -2.5), 3.0, 3.2, 4.0),
    ),
    (
        ((0.0, 24.0, 13.0), (0.0, 45.0, 9.5), 3.2, 3.4, 4.0),
        ((0.0, 24.0, 7.0), (0.0, 46.5, 4.0), 3.2, 3.6, 4.0),
        ((0.0, 25.0, 2.0), (0.0, 45.0, -2.5), 3.0, 3.6, 4.0),
    ),
)
CORNER = 0.88  # of a body's half depth: where the endplate's ends are named, off its rounded rim
_REACH = ((-56.0, 56.0), (-24.0, 72.0), (-16.0, 48.0))  # of a vertebra, its own frame, mm
_DISC_REACH = ((-32.0, 32.0), (-24.0, 24.0), (-20.0, 6.0))


@dataclass(frozen=True)
class Stand:
    """Where a vertebra stands in the mid-sagittal plane: its origin's y and z, LPS mm, and its
    lower endplate's slope, radian; `wedge` of its body and of the disc below, radian."""

    y: float
    z: float
    slope: float
    wedge: float
    disc_wedge: float

    def own(self, y: Array, z: Array) -> tuple[Array, Array]:
        """v and w of points, mm."""
        c, s = np.float32(np.cos(self.slope)), np.float32(np.sin(self.slope))
        dy, dz = y - np.float32(self.y), z - np.float32(self.z)
        return c * dy + s * dz, c * dz - s * dy

    def point(self, v: float, w: float) -> FloatArray:
        """The point (3,), LPS mm, of the midsagittal plane at v and w."""
        c, s = np.cos(self.slope), np.sin(self.slope)
        return np.array([0.0, self.y + c * v - s * w, self.z + s * v + c * w])

    def above(self, lordosis: float) -> Stand:
        """The vertebra on the disc on this one, in a segment of `lordosis` radian."""
        return _on(self.y, self.z, self.slope, self.wedge, BODY_MM, lordosis)


def _on(y: float, z: float, slope: float, wedge: float, rise: float, lordosis: float) -> Stand:
    middle = slope - 0.5 * wedge
    y, z, slope = y - rise * np.sin(middle), z + rise * np.cos(middle), slope - wedge
    disc = DISC_SHARE * lordosis
    middle = slope - 0.5 * disc
    y, z = y - DISC_MM * np.sin(middle), z + DISC_MM * np.cos(middle)
    return Stand(float(y), float(z), float(slope - disc), lordosis - disc, disc)


def stands(measures: Measures, parameters: Parameters) -> tuple[Stand, Stand]:
    """L5 and L4 on this S1 endplate."""
    lordosis = float(np.radians(measures["lordosis_l5_s1"]))
    slope = float(np.radians(parameters.sacral_slope))
    fifth = _on(0.0, 0.0, slope, 0.0, 0.0, lordosis)
    return fifth, fifth.above(UPPER_SHARE * lordosis)


def lumbar(
    measures: Measures, parameters: Parameters, others: Sequence[Bone], lattice: Grid
) -> Mapping[Structure, Bone]:
    """L5, L4 (as SPINE) and both discs on their parts of the lattice, kept off `others`."""
    depth = parameters.s1_depth
    places = stands(measures, parameters)
    fifth = _vertebra(places[0], 0, depth, others, lattice)
    fourth = _vertebra(places[1], 1, depth, [*others, fifth], lattice)
    return {
        Structure.L5: fifth,
        Structure.SPINE: fourth,
        Structure.DISC: _discs(places, depth, lattice),
    }


def lumbar_landmarks(measures: Measures, parameters: Parameters) -> Mapping[str, Landmark]:
    """The ends (3,) of L5's upper endplate in the midsagittal plane, LPS mm."""
    fifth = stands(measures, parameters)[0]
    deep = CORNER * _deep(parameters.s1_depth)
    ends = {"anterior": -deep, "posterior": deep - HOLLOW_MM}
    return {
        f"l5_endplate_{name}": Landmark(fifth.point(v, BODY_MM - v * np.tan(fifth.wedge)))
        for name, v in ends.items()
    }


def _deep(depth: float) -> float:
    """Half the depth of a lumbar body, mm, on an S1 endplate of `depth` mm."""
    return 0.5 * depth + 0.5


def _vertebra(
    stand: Stand, level: int, depth: float, others: Sequence[Bone], lattice: Grid
) -> Bone:
    def solid(x: Array, y: Array, z: Array) -> Array:
        v, w = stand.own(y, z)
        bone = smooth_min(_body(stand, depth, x, v, w), _arch(level, depth, np.abs(x), v, w), 3.0)
        for other in others:
            bone = smooth_max(bone, np.float32(APART_MM) - other.at(x, y, z), 0.5)
        return bone

    return bone_of(solid, lattice, *_corners([stand], _REACH))


def _body(stand: Stand, depth: float, x: Array, v: Array, w: Array) -> Array:
    deep, wide = _deep(depth), BREADTH * depth
    top = (w - BODY_MM + v * np.float32(np.tan(stand.wedge))) * np.float32(np.cos(stand.wedge))
    t = np.clip(w / BODY_MM, 0, 1)
    hollow = v + HOLLOW_MM * np.exp(-((x / 10.0) ** 2)) * (v > 0)
    level = np.sqrt((x / wide) ** 2 + (hollow / deep) ** 2)
    side = (level / (1.0 - 4.0 * WAIST * t * (1.0 - t)) - 1.0) * deep
    dish = DISH_MM * np.clip(1.0 - (level / 0.8) ** 2, 0, 1)
    ends = np.maximum(-w, top) + dish
    return smooth_max(side.astype(np.float32), ends.astype(np.float32), 2.0)


def _arch(level: int, depth: float, aside: Array, v: Array, w: Array) -> Array:
    """Pedicles, articular and transverse processes, laminae, spinous process."""
    behind = v - np.float32(0.5 * depth)
    arch = np.full(aside.shape, np.inf, np.float32)
    for start, end, wide, narrow, k in (*ARCH, TRANSVERSE[level], *SPINOUS[level]):
        part = cone(start, end, wide, narrow)[0](aside, behind, w)
        arch = part if np.isinf(arch).any() else smooth_min(arch, part, k)
    return arch


def _discs(places: tuple[Stand, Stand], depth: float, lattice: Grid) -> Bone:
    def solid(x: Array, y: Array, z: Array) -> Array:
        fields = [_disc(stand, depth, x, *stand.own(y, z)) for stand in places]
        return np.minimum(*fields)

    return bone_of(solid, lattice, *_corners(places, _DISC_REACH))


def _disc(stand: Stand, depth: float, x: Array, v: Array, w: Array) -> Array:
    """Between the endplates and a little into them; the bones are written over the excess."""
    level = np.sqrt((x / (BREADTH * depth)) ** 2 + (v / (0.5 * depth)) ** 2) / 0.95
    wedge = np.float32(np.tan(stand.disc_wedge))
    ends = np.maximum(w - 1.5, -w - DISC_MM - 2.5 + v * wedge)
    return smooth_max(
        ((level - 1.0) * 0.5 * depth).astype(np.float32), ends.astype(np.float32), 2.0
    )


def _corners(places: Sequence[Stand], reach: tuple[tuple[float, float], ...]) -> list[np.ndarray]:
    """The LPS box, mm, that holds the own boxes of vertebrae."""
    (x0, x1), v, w = reach
    points = []
    for stand in places:
        c, s = np.cos(stand.slope), np.sin(stand.slope)
        for a in v:
            for b in w:
                points.append((x0, stand.y + c * a - s * b, stand.z + s * a + c * b))
                points.append((x1, points[-1][1], points[-1][2]))
    at = np.array(points)
    return [at.min(axis=0), at.max(axis=0)]
