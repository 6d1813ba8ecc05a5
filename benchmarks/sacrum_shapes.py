"""How far made sacra lie from real ones, against how far real ones lie from each other.

    python benchmarks/sacrum_shapes.py ../shared/data/sacra

Mean symmetric surface distance, mm, after rigid alignment (iterated closest points, both surfaces
sampled evenly), over the part that both have: real sacra that end at a cut are compared above it.
Prints real to real, both templates to real, and random patients to real.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from game.patient.procedural.bent import Bent
from game.patient.procedural.draw import draw
from game.patient.procedural.parameters import Parameters
from game.patient.procedural.sacrum import sacrum
from game.patient.procedural.shaping import parameters_of
from game.patient.traits import Traits

POINTS = 10_000  # on each surface
ROUNDS = 40  # of closest points
SPACING = 1.0  # mm, of the sampled sacra
NEAR_CUT = 3.0  # mm above the cut that are left out
TEMPLATE, RANDOM = 1.15, 1.25  # times real to real: the bounds
CAP = 0.75  # cosine to the axis above which a face at the lower end belongs to the cut
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Surface:
    """Points (n, 3) with unit normals, mm, and the plane (point, normal down) where it is cut."""

    points: Points
    normals: Points
    tree: cKDTree
    cut: tuple[Points, Points] | None

    @staticmethod
    def of(mesh: trimesh.Trimesh, cut: tuple[Points, Points] | None = None) -> Surface:
        points, faces = trimesh.sample.sample_surface_even(mesh, POINTS, seed=0)
        return Surface(np.array(points), np.array(mesh.face_normals[faces]), cKDTree(points), cut)

    def moved(self, turn: Points, shift: Points) -> Surface:
        """Turned by a rotation (3, 3) and shifted."""
        points = self.points @ turn.T + shift
        cut = self.cut and (turn @ self.cut[0] + shift, turn @ self.cut[1])
        return Surface(points, self.normals @ turn.T, cKDTree(points), cut)

    def kept(self, points: Points) -> NDArray[np.bool_]:
        """Which points (n, 3) lie above the cut by more than what is left out."""
        if self.cut is None:
            return np.ones(len(points), bool)
        at, down = self.cut
        return np.asarray((points - at) @ down < -NEAR_CUT)

    def distance(self, points: Points) -> Points:
        """From points (n, 3) to this surface (n,), along its normals where these are near, mm."""
        far, nearest = self.tree.query(points)
        off = points - self.points[nearest]
        across = np.abs(np.einsum("ij,ij->i", off, self.normals[nearest]))
        return np.asarray(np.where(far < 4.0, across, far))


def real_surface(path: Path) -> Surface:
    """A real sacrum, mm, LPS, with the plane that it is cut at below, if it is."""
    mesh = trimesh.load(path, process=False)
    mesh.vertices -= mesh.vertices.mean(axis=0)
    return Surface.of(mesh, _cut(mesh))


def _cut(mesh: trimesh.Trimesh) -> tuple[Points, Points] | None:
    """The plane of the flat faces at the lower, posterior end."""
    axis = np.array([0.0, 0.75, -0.66])
    along = mesh.triangles_center @ axis
    low = (along > np.percentile(along, 80)) & (mesh.face_normals @ axis > CAP)
    if mesh.area_faces[low].sum() < 300.0:
        return None
    down = np.average(mesh.face_normals[low], axis=0, weights=mesh.area_faces[low])
    down /= np.linalg.norm(down)
    return np.array([np.median(mesh.triangles_center[low] @ down)]) * down, down


def made_surface(traits: Traits) -> Surface:
    """The sacrum of a generated patient."""
    parameters = parameters_of(draw(traits), traits)
    return Surface.of(made_mesh(parameters))


def made_mesh(parameters: Parameters) -> trimesh.Trimesh:
    """Marching cubes of one sacrum, LPS mm."""
    low, high = np.array([-75.0, -45.0, -150.0]), np.array([75.0, 110.0, 45.0])
    x, y, z = (np.arange(a, b, SPACING).astype(np.float32) for a, b in zip(low, high, strict=True))
    values = sacrum(parameters, Bent.of(parameters), x, y, z).values
    points, faces, _, _ = marching_cubes(values, 0.0, spacing=(SPACING,) * 3)
    mesh = trimesh.Trimesh(points + low, faces[:, ::-1], process=False)
    return mesh if mesh.volume > 0 else trimesh.Trimesh(points + low, faces, process=False)


def aligned(moving: Surface, fixed: Surface) -> Surface:
    """`moving` brought onto `fixed` by closest points both ways, above both cuts."""
    here = moving.moved(np.eye(3), fixed.points[fixed.kept(fixed.points)].mean(axis=0)
                        - moving.points[moving.kept(moving.points)].mean(axis=0))  # fmt: skip
    for _ in range(ROUNDS):
        mine, theirs = (one.points[:: len(one.points) // 1500] for one in (here, fixed))
        mine = mine[here.kept(mine) & fixed.kept(mine)]
        theirs = theirs[here.kept(theirs) & fixed.kept(theirs)]
        onto, back = fixed.tree.query(mine), here.tree.query(theirs)
        source = np.vstack((mine, here.points[back[1]]))
        target = np.vstack((fixed.points[onto[1]], theirs))
        here = here.moved(*_rigid(source, target))
    return here


def _rigid(source: Points, target: Points) -> tuple[Points, Points]:
    """Rotation and shift that bring points (n, 3) onto others, least squares (Kabsch)."""
    a, b = source.mean(axis=0), target.mean(axis=0)
    u, _, vt = np.linalg.svd((source - a).T @ (target - b))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (u @ flip @ vt).T
    return turn, b - turn @ a


def apart(moving: Surface, fixed: Surface) -> Points:
    """Distances (n,) both ways between aligned surfaces, above both cuts."""
    moving = aligned(moving, fixed)
    both = []
    for one, other in ((moving, fixed), (fixed, moving)):
        points = one.points[moving.kept(one.points) & fixed.kept(one.points)]
        both.append(other.distance(points))
    return np.concatenate(both)


def upper(made: Surface, real: Surface) -> Points:
    """Distances both ways of a made, whole sacrum and a real one that is cut."""
    return apart(real, made)


def reals(folder: Path) -> list[Surface]:
    """All real sacra of a folder. Raises SystemExit where there is none."""
    paths = sorted(folder.glob("*_sacrum.ply"))
    if not paths:
        raise SystemExit(f"no *_sacrum.ply in {folder}")
    return [real_surface(path) for path in paths]


def main() -> None:
    """Print the three figures, and how they stand to each other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=20)
    chosen = parser.parse_args()
    sacra = reals(chosen.folder)
    pairs = {(a, b): apart(sacra[a], sacra[b]) for a, b in combinations(range(len(sacra)), 2)}
    own = float(np.mean([d.mean() for d in pairs.values()]))
    _say("real to real", list(pairs.values()), own)
    _say_furthest(
        "real sacra", [[pairs[p] for p in pairs if n in p] for n in range(len(sacra))], own
    )
    for sex in ("female", "male"):
        made = made_surface(Traits(template=True, sex=sex))
        _say(f"{sex} template", [upper(made, real) for real in sacra], own, TEMPLATE)
    random = [
        made_surface(Traits(seed=n + 1, sex="female" if n % 2 else "male"))
        for n in range(chosen.patients)
    ]
    apart_by = [[upper(made, real) for real in sacra] for made in random]
    _say("random patients", [d for one in apart_by for d in one], own, RANDOM)
    _say_furthest("random patients", apart_by, own)


def _say_furthest(name: str, apart_by: list[list[Points]], own: float) -> None:
    """One line: how far each of several lies from the real sacra on average, the two furthest."""
    each = sorted(100 * float(np.mean([d.mean() for d in one])) / own for one in apart_by)
    print(
        f"{'':16s} the furthest of {len(each)} {name}: {each[-1]:.0f} % of real to real, "
        f"the next {each[-2]:.0f} %",
        flush=True,
    )


def _say(name: str, distances: list[Points], own: float, bound: float | None = None) -> None:
    """One line; with its bound, and whether it holds, where it has one."""
    means = np.array([d.mean() for d in distances])
    tails = np.array([np.percentile(d, 95) for d in distances])
    print(
        f"{name:16s} mean {means.mean():.2f} +- {means.std():.2f} mm, HD95 {tails.mean():.1f} mm, "
        f"{100 * means.mean() / own:.0f} % of real to real ({len(means)} pairs)"
        + (
            ""
            if bound is None
            else f", at most {100 * bound:.0f} %: {held(means.mean(), own, bound)}"
        ),
        flush=True,
    )


def held(mean: float, own: float, bound: float) -> str:
    """Whether a mean distance is at most `bound` times that of real sacra."""
    return "holds" if mean <= bound * own else "MISSED"


if __name__ == "__main__":
    main()
