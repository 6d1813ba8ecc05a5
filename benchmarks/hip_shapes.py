"""How far generated hip bones lie from real ones, beside how far real ones lie from one another.

Over the part above the acetabular roof: mean symmetric surface distance, mm, after rigid alignment.
The real ones are the 16 pairs in ../shared/data/sacra (pelvis atlas, Han et al. 2019, doi
10.1088/1361-6560/ab1456, CC BY 4.0). Run: python -m benchmarks.hip_shapes [--random 20]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.patient.patient import SIDES, Side, Structure
from game.patient.procedural import procedural
from game.patient.procedural.hips import SOCKET, SOCKET_RADIUS
from game.patient.surfaces import surface_of
from game.patient.traits import Traits

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "sacra"
TEMPLATE, RANDOM = 1.15, 1.25  # times real-to-real: the bounds
POINTS = 20_000  # on a surface, about 1.5 mm apart
MARGIN_MM = 12.0  # below the roof, that a surface's own cut edge is not measured to
ROUNDS = 25  # of the alignment
CODE: dict[Side, Structure] = {"left": Structure.HIP_LEFT, "right": Structure.HIP_RIGHT}


@dataclass(frozen=True, eq=False)
class Part:
    """A bone as points (n, 3), mm, and which of them lie above the roof."""

    points: FloatArray
    above: FloatArray

    @staticmethod
    def of(points: FloatArray, roof: float) -> Part:
        return Part(points[points[:, 2] > roof - MARGIN_MM], points[points[:, 2] > roof])


def spread(vertices: FloatArray, faces: FloatArray, mirrored: bool) -> FloatArray:
    """`POINTS` points (n, 3) spread evenly over a surface, a right one mirrored to a left one."""
    mesh = trimesh.Trimesh(vertices * ([-1, 1, 1] if mirrored else [1, 1, 1]), faces, process=False)
    return np.asarray(trimesh.sample.sample_surface(mesh, POINTS, seed=1)[0])


def aligned(points: FloatArray, goal: FloatArray, moving: FloatArray) -> FloatArray:
    """`moving` (m, 3) after the rigid motion that takes `points` to the surface of `goal`."""
    tree = cKDTree(goal)
    turn, shift = np.eye(3), goal.mean(axis=0) - points.mean(axis=0)
    few = points[::6]
    for _ in range(ROUNDS):
        at = few @ turn.T + shift
        gap, near = tree.query(at)
        kept = gap <= np.quantile(gap, 0.9)
        source, aim = few[kept], goal[near[kept]]
        a, b = source - source.mean(axis=0), aim - aim.mean(axis=0)
        u, _, vt = np.linalg.svd(a.T @ b)
        turn = (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt).T
        shift = aim.mean(axis=0) - turn @ source.mean(axis=0)
    return moving @ turn.T + shift


def distance(a: Part, b: Part) -> float:
    """Mean symmetric surface distance of what lies above the roof, mm."""
    every = aligned(a.above, b.points, a.points)
    above = aligned(a.above, b.points, a.above)
    there = cKDTree(b.points).query(above)[0]
    back = cKDTree(every).query(b.above)[0]
    return float(0.5 * (there.mean() + back.mean()))


def real() -> list[FloatArray]:
    """The 16 left bones, then the 16 right ones mirrored."""
    bones = []
    for side in SIDES:
        for path in sorted(REAL.glob(f"*_{side}.ply")):
            mesh = trimesh.load(path, process=False)
            bones.append(spread(mesh.vertices, mesh.faces, side == "right"))
    return bones


def generated(traits: Traits, side: Side = "left") -> tuple[FloatArray, float]:
    """Points (n, 3) of one hip bone, in LPS turned upright by its pelvic tilt, and its roof's z."""
    made = procedural(traits, 1.0)
    assert made.solids is not None
    level = made.solids.levels[CODE[side]]
    x, y, z = (float(v) for v in level.box(made)[0])
    grid = Grid((x, y, z), made.spacing[0], level.distance.shape)
    surface = surface_of(level.distance, grid)
    asis, tubercle = (made.known[f"{name}_{side}"].point for name in ("asis", "pubic_tubercle"))
    up = asis - tubercle
    tilt = -np.arctan2(up[1], up[2])
    c, s = np.cos(tilt), np.sin(tilt)
    upright = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    socket = (upright @ asis)[2] + SOCKET[2] + 36.1  # of the model: asis at z = -36.1
    points = spread(surface.vertices @ upright.T, surface.faces, side == "right")
    return points, float(socket + SOCKET_RADIUS)


def mean(pairs: Iterable[tuple[Part, Part]]) -> tuple[float, float]:
    found = [distance(a, b) for a, b in pairs]
    return float(np.mean(found)), float(np.std(found))


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--random", type=int, default=20, help="how many random patients")
    count = reader.parse_args().random
    template, roof = generated(Traits(template=True, sex="female"))
    bones = [Part.of(aligned(points, template, points), roof) for points in real()]
    own, sd = mean(combinations(bones[:16], 2))
    print(f"real to real          {own:.2f} +- {sd:.2f} mm (120 pairs)")
    for sex in ("female", "male"):
        points, _ = generated(Traits(template=True, sex=sex))
        part = Part.of(aligned(points, template, points), roof)
        found, _ = mean((part, bone) for bone in bones)
        print(f"template {sex:12s} {found:.2f} mm, {_stands(found / own, TEMPLATE)}", flush=True)
    ratios = []
    for seed in range(1, count + 1):
        points, _ = generated(Traits(seed=seed, sex="male" if seed % 2 else "female"))
        part = Part.of(aligned(points, template, points), roof)
        ratios.append(mean((part, bone) for bone in bones[:16])[0] / own)
    if ratios:
        share = float(np.mean(ratios))
        print(
            f"{count} random people       {_stands(share, RANDOM)}; the furthest {max(ratios):.0%}"
        )


def _stands(share: float, bound: float) -> str:
    """A share of real-to-real beside its bound, and whether it holds."""
    word = "holds" if share <= bound else "MISSED"
    return f"{share:.0%} of real to real, at most {bound:.0%}: {word}"


if __name__ == "__main__":
    main()
