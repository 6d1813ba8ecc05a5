"""The patient as the room shows them: skin, drapes over the rest, bones for those who may look.

The skin is sampled slice by slice along rays from the body's middle, so it is as wide as the
body's outline; the drapes carry its last outlines on towards head and feet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from panda3d.core import LineSegs, NodePath, TransparencyAttrib

from game.geometry.grid import FloatArray
from game.patient.patient import Patient, Structure
from game.scene.shapes import Mesh, box, clustered, joined, node_of, sleeve
from game.simulation.case import Case

RAYS = 96
SLICE_MM = 6.0
SMOOTHING = 2  # slices and rays averaged with their neighbours so often
SKIN = (0.82, 0.63, 0.53, 1.0)
SKIN_CLEAR = (0.82, 0.63, 0.53, 0.22)
DRAPE = (0.16, 0.42, 0.52, 1.0)
TABLE = (0.20, 0.21, 0.24, 1.0)
FLOOR = (0.42, 0.47, 0.50, 1.0)
WALL = (0.66, 0.72, 0.74, 1.0)
BONE = (0.93, 0.89, 0.78, 1.0)
PLAN = (0.2, 0.9, 0.4, 1.0)
BONE_CELL_MM = 5.0
FLOOR_MM = -1000.0  # below the isocentre's usual height
SHOWN_BONES = (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT, Structure.L5)


class Body:
    """The nodes of patient, table and walls under `parent`, whose frame is patient LPS."""

    def __init__(self, parent: NodePath, case: Case) -> None:
        rings = outline(case.patient)
        self.skin = node_of("skin", sleeve(rings), SKIN)
        self.skin.reparentTo(parent)
        for name, mesh in (("drape-head", _drape(rings, +1)), ("drape-feet", _drape(rings, -1))):
            node_of(name, mesh, DRAPE).reparentTo(parent)
        bottom = float(rings[..., 1].min())
        node_of("table", _table(bottom), TABLE).reparentTo(parent)
        node_of("floor", _slab((6000.0, 20.0, 6000.0), (0.0, FLOOR_MM, 0.0)), FLOOR).reparentTo(
            parent
        )
        node_of("walls", _walls(), WALL).reparentTo(parent)
        self.bones = _bones(case.patient)
        self.bones.reparentTo(parent)
        _plan(case).reparentTo(self.bones)
        self.see_through(False)

    def see_through(self, clear: bool) -> None:
        """Show skin as it is, or as glass over the bones and the planned paths."""
        self.skin.setColor(*(SKIN_CLEAR if clear else SKIN))
        self.skin.setTransparency(TransparencyAttrib.MAlpha if clear else TransparencyAttrib.MNone)
        self.skin.setDepthWrite(not clear)
        self.skin.setBin("transparent" if clear else "opaque", 10)
        (self.bones.show if clear else self.bones.hide)()


def outline(patient: Patient) -> FloatArray:
    """Rings (slices, rays, 3), LPS mm, feet to head: the body's surface as rays from its middle
    meet it last."""
    grid = patient.body
    solid = patient.structures != Structure.AIR
    every = max(1, round(SLICE_MM / grid.spacing))
    filled = np.flatnonzero(solid.any(axis=(0, 1)))
    slices = np.arange(filled[0], filled[-1] + 1, every)
    middle = _middle(solid[:, :, slices])
    radii = np.stack([_radii(solid[:, :, k], middle) for k in slices])
    for _ in range(SMOOTHING):
        radii = (np.roll(radii, 1, axis=1) + 2.0 * radii + np.roll(radii, -1, axis=1)) / 4.0
        padded = np.pad(radii, ((1, 1), (0, 0)), mode="edge")
        radii = (padded[:-2] + 2.0 * radii + padded[2:]) / 4.0
    angles = np.arange(RAYS) * 2.0 * np.pi / RAYS
    rings = np.empty((*radii.shape, 3))
    rings[..., 0] = middle[0] + radii * np.cos(angles)
    rings[..., 1] = middle[1] + radii * np.sin(angles)
    rings[..., 2] = slices[:, None]
    return grid.point_from_index(rings)


def _middle(solid: NDArray[np.bool_]) -> FloatArray:
    """The middle (2,) of the box around the body, voxels."""
    across = np.flatnonzero(solid.any(axis=(1, 2)))
    along = np.flatnonzero(solid.any(axis=(0, 2)))
    return np.array([across[0] + across[-1], along[0] + along[-1]]) / 2.0


def _radii(solid: NDArray[np.bool_], middle: FloatArray) -> FloatArray:
    angles = np.arange(RAYS) * 2.0 * np.pi / RAYS
    steps = np.arange(0.0, float(np.hypot(*solid.shape)), 0.5)
    x = np.rint(middle[0] + steps * np.cos(angles)[:, None]).astype(int)
    y = np.rint(middle[1] + steps * np.sin(angles)[:, None]).astype(int)
    within = (x >= 0) & (x < solid.shape[0]) & (y >= 0) & (y < solid.shape[1])
    hit = np.zeros(x.shape, bool)
    hit[within] = solid[x[within], y[within]]
    last = steps.size - 1 - np.argmax(hit[:, ::-1], axis=1)
    return np.where(hit.any(axis=1), steps[last], 1.0)


def _drape(rings: FloatArray, way: int) -> Mesh:
    """A sheet from inside the field's edge on over the body that is not in the scan."""
    edge = rings[-1] if way > 0 else rings[0]
    inner = rings[-3] if way > 0 else rings[2]
    lengths = np.array([0.0, 60.0, 160.0, 320.0, 520.0, 700.0])
    shrink = np.array([1.03, 1.02, 1.0, 0.94, 0.86, 0.74])
    bottom = edge[:, 1].min()
    middle = np.array([edge[:, 0].mean(), bottom, 0.0])
    sheets = [_grown(inner, 4.0), _grown(edge, 6.0)]
    for length, share in zip(lengths[1:], shrink[1:], strict=True):
        ring = middle + (_grown(edge, 6.0) - middle) * [share, share, 1.0]
        ring[:, 2] = edge[:, 2] + way * length
        sheets.append(ring)
    rings_up = np.stack(sheets)
    return sleeve(rings_up if way > 0 else rings_up[::-1])


def _grown(ring: FloatArray, by: float) -> FloatArray:
    middle = (ring.max(axis=0) + ring.min(axis=0)) / 2.0
    out = ring - middle
    lengths = np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    grown: FloatArray = ring + by * out / lengths
    return grown


def _slab(size: tuple[float, float, float], at: tuple[float, float, float]) -> Mesh:
    return box(*size).moved(at)


def _walls() -> Mesh:
    """Beyond the head and on the patient's right."""
    head = _slab((6000.0, 3200.0, 20.0), (0.0, 500.0, 2600.0))
    right = _slab((20.0, 3200.0, 6000.0), (-2600.0, 500.0, 0.0))
    return joined(head, right)


def _table(bottom: float) -> Mesh:
    top = box(520.0, 40.0, 2000.0).moved((0.0, bottom - 22.0, 100.0))
    mattress = box(560.0, 30.0, 2000.0).moved((0.0, bottom - 4.0, 100.0))
    foot = box(300.0, 800.0, 420.0).moved((0.0, bottom - 440.0, 900.0))
    return joined(top, mattress, foot)


def _bones(patient: Patient) -> NodePath:
    bones = NodePath("bones")
    for structure in SHOWN_BONES:
        surface = patient.surfaces.get(structure)
        if surface is not None:
            mesh = clustered(surface.vertices, surface.faces, BONE_CELL_MM)
            node_of(structure.name.lower(), mesh, BONE).reparentTo(bones)
    return bones


def _plan(case: Case) -> NodePath:
    """The planned paths, skin to target."""
    lines = LineSegs("plan")
    lines.setColor(*PLAN)
    lines.setThickness(3.0)
    for side in case.level.sides:
        approach = case.approaches[side]
        lines.moveTo(*(approach.skin - 12.0 * approach.direction))
        lines.drawTo(*approach.target)
    path = NodePath(lines.create())
    path.setLightOff()
    path.setDepthTest(False)
    path.setBin("fixed", 20)
    return path
