"""A patient whose anatomy is boxes: every distance, region and crossing is known in closed form.

The sacrum is the box |x| <= 50, |y| <= 15, -90 <= z <= 0 in a body |x| <= 80, |y| <= 60,
-160 <= z <= 60. Caudal of it lies LATERAL, before it PRESACRAL, behind it DORSAL, above it
CEPHALAD, beside it the SI joints; a canal runs at |x| <= 6, |y| <= 5. Sheets stand at x = +-30.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from game.geometry.grid import Grid
from game.geometry.views import Anatomy, axes_from_left
from game.patient.approach import Approach
from game.patient.patient import (
    SIDES,
    Fracture,
    Landmark,
    Patient,
    Plane,
    Region,
    Side,
    Structure,
)
from game.patient.surfaces import surface_of
from game.simulation.case import Case, Level
from game.simulation.cement import medium_of

LOW, HIGH = np.array([-50.0, -15.0, -90.0]), np.array([50.0, 15.0, 0.0])


def box_distance(x, y, z, low, high):  # type: ignore[no-untyped-def]
    """Exact signed distance to a box, negative inside."""
    centre, half = (np.array(low) + high) / 2, (np.array(high) - low) / 2
    q = [np.abs(v - c) - h for v, c, h in zip((x, y, z), centre, half, strict=True)]
    outside = np.sqrt(sum(np.maximum(v, 0) ** 2 for v in q))
    return outside + np.minimum(np.maximum.reduce(np.broadcast_arrays(*q)), 0)


def _mesh(grid: Grid):  # type: ignore[no-untyped-def]
    return np.meshgrid(*grid.axes(), indexing="ij", sparse=True)


def _regions(x, y, z, distance):  # type: ignore[no-untyped-def]
    region = np.full(distance.shape, int(Region.LATERAL), np.uint8)
    shape = distance.shape
    put = lambda where, code: np.copyto(region, int(code), where=np.broadcast_to(where, shape))  # noqa: E731
    put(y > 15, Region.DORSAL)
    put(y < -15, Region.PRESACRAL)
    put((x > 50) & (np.abs(y) <= 15), Region.SI_JOINT_LEFT)
    put((x < -50) & (np.abs(y) <= 15), Region.SI_JOINT_RIGHT)
    put((z > 0) & (np.abs(x) <= 50) & (np.abs(y) <= 15), Region.CEPHALAD)
    put(distance <= 0, Region.MARROW)
    put((np.abs(x) <= 6) & (np.abs(y) <= 5), Region.CANAL)
    return region


def _fracture(grid: Grid, side: Side) -> Fracture:
    x = 30.0 if side == "left" else -30.0
    y, z = np.meshgrid(np.arange(-14.5, 15.0), np.arange(-79.5, -10.0), indexing="ij")
    points = np.stack([np.full(y.size, x), y.ravel(), z.ravel()], axis=1)
    at = np.rint(grid.index_from_point(points)).astype(int)
    flat = np.unique(np.ravel_multi_index(tuple(at.T), grid.shape))
    normal = np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])
    ones = np.ones(len(points))
    return Fracture(side, points, ones, normal, ones, flat)


@cache
def block_patient() -> Patient:
    """The patient of boxes; the grids are 1 mm."""
    body = Grid((-90.0, -70.0, -170.0), 1.0, (181, 141, 241))
    x, y, z = _mesh(body)
    inside = box_distance(x, y, z, [-80, -60, -160], [80, 60, 60]) <= 0
    bone_here = box_distance(x, y, z, LOW, HIGH) <= 0
    structures = np.where(inside, int(Structure.MUSCLE), 0).astype(np.uint8)
    structures[bone_here] = int(Structure.SACRUM)
    hounsfield = np.where(inside, 50, -1000).astype(np.int16)
    hounsfield[bone_here] = 200
    bone = Grid((-64.0, -29.0, -104.0), 1.0, (129, 59, 119))
    x, y, z = _mesh(bone)
    canal = box_distance(x, y, z, [-6, -5, -200], [6, 5, 100])
    distance = np.maximum(box_distance(x, y, z, LOW, HIGH), -canal).astype(np.float32)
    hips = {s: (50.0 + 3.0 - (x if s == "left" else -x)) + 0 * distance for s in SIDES}
    left = np.array([1.0, 0.0, 0.0])
    up = np.array([0.0, 0.0, 1.0])
    return Patient(
        name="block", source="procedural", body=body, hounsfield=hounsfield,
        structures=structures, bone=bone, sacrum_distance=distance,
        hip_distance={s: hip.astype(np.float32) for s, hip in hips.items()},
        cortex=np.ones(bone.shape, np.float32), cortex_assumed=True,
        region=_regions(x, y, z, distance),
        surfaces={Structure.SACRUM: surface_of(distance, bone)},
        landmarks={"s1_endplate_centre": Landmark(np.zeros(3))},
        planes={"s1_endplate": Plane(np.zeros(3), up), "l5_s1_disc": Plane(5 * up, up)},
        anatomy=Anatomy(axes_from_left(left), up),
        fractures={s: _fracture(bone, s) for s in SIDES},
    )  # fmt: skip


def straight_up(side: Side) -> Approach:
    """The path at x = +-30, y = 0 from the caudal face to 15 mm below the cephalad one."""
    x = 30.0 if side == "left" else -30.0
    return Approach(
        side=side,
        skin=np.array([x, 0.0, -160.0]),
        entry=np.array([x, 0.0, -90.0]),
        target=np.array([x, 0.0, -15.0]),
        direction=np.array([0.0, 0.0, 1.0]),
        shortened_mm=0.0,
    )


@cache
def block_case() -> Case:
    """Both sides of the block patient."""
    patient = block_patient()
    return Case(
        patient=patient,
        level=Level(name="block", title="Block", brief="", sides=SIDES),
        seed=7,
        approaches={side: straight_up(side) for side in SIDES},
        medium=medium_of(patient),
    )
