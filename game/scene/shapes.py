"""Triangle meshes: made with numpy, turned into Panda3D nodes. Lengths mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from panda3d.core import (
    Geom,
    GeomEnums,
    GeomNode,
    GeomTriangles,
    GeomVertexArrayFormat,
    GeomVertexData,
    GeomVertexFormat,
    InternalName,
    NodePath,
)

from game.geometry.grid import FloatArray

Faces = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Mesh:
    """`vertices` (n, 3) mm, outward `faces` (m, 3)."""

    vertices: FloatArray
    faces: Faces

    def moved(self, offset: FloatArray | tuple[float, float, float]) -> Mesh:
        return Mesh(self.vertices + np.asarray(offset), self.faces)

    def turned(self, rotation: FloatArray) -> Mesh:
        """Every vertex v becomes rotation (3, 3) @ v."""
        return Mesh(self.vertices @ rotation.T, self.faces)


def joined(*meshes: Mesh) -> Mesh:
    """All meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=True)]).astype(np.int32),
    )


def box(width: float, depth: float, height: float) -> Mesh:
    """A box centred on the origin; corners are not shared, so that its edges stay sharp."""
    half = np.array([width, depth, height]) / 2.0
    vertices: list[FloatArray] = []
    faces: list[tuple[int, int, int]] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            corners = np.zeros((4, 3))
            corners[:, axis] = sign
            corners[:, u] = np.array([-1, 1, 1, -1]) * sign
            corners[:, v] = [-1, -1, 1, 1]
            start = 4 * len(vertices)
            vertices.append(corners * half)
            faces += [(start, start + 1, start + 2), (start, start + 2, start + 3)]
    return Mesh(np.concatenate(vertices), np.array(faces, np.int32))


def lathe(profile: FloatArray, sides: int = 24) -> Mesh:
    """A profile (n, 2) of radius and height turned about z, from its lower to its upper end."""
    angles = np.arange(sides) * 2.0 * np.pi / sides
    rings = [
        np.stack([r * np.cos(angles), r * np.sin(angles), np.full(sides, z)], axis=1)
        for r, z in profile
    ]
    return Mesh(np.concatenate(rings), _sleeve(len(rings), sides))


def cylinder(radius: float, bottom: float, top: float, sides: int = 24) -> Mesh:
    """A closed cylinder about z with sharp rims."""
    body = lathe(np.array([[radius, bottom], [radius, top]]), sides)
    low = lathe(np.array([[0.0, bottom], [radius, bottom]]), sides)
    high = lathe(np.array([[radius, top], [0.0, top]]), sides)
    return joined(low, body, high)


def swept(path: FloatArray, across: FloatArray, up: FloatArray) -> Mesh:
    """A four-sided bar along `path` (n, 3), its half-axes `across` and `up` (n, 3) everywhere."""
    corners = [path + a * across + b * up for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return joined(
        *(
            _strip(corners[i], corners[(i + 1) % 4])
            for i in range(4)
        )
    )  # fmt: skip


def sleeve(rings: FloatArray) -> Mesh:
    """A skin over closed rings (n, k, 3), counter-clockwise seen from the last one's end."""
    return Mesh(rings.reshape(-1, 3), _sleeve(rings.shape[0], rings.shape[1]))


def clustered(vertices: FloatArray, faces: NDArray[np.int32], cell: float) -> Mesh:
    """A coarser surface: vertices of one cubic cell become their mean, flat triangles go."""
    keys = np.floor(np.asarray(vertices, float) / cell).astype(np.int64)
    _, label, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    label = label.reshape(-1)
    merged = np.stack([np.bincount(label, vertices[:, axis]) / count for axis in range(3)], axis=1)
    kept = label[faces]
    whole = (kept[:, 0] != kept[:, 1]) & (kept[:, 1] != kept[:, 2]) & (kept[:, 2] != kept[:, 0])
    return Mesh(merged, np.unique(kept[whole], axis=0).astype(np.int32))


def normals_of(mesh: Mesh) -> FloatArray:
    """Unit normals (n, 3) at the vertices, weighted by area."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    sums = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(sums, mesh.faces[:, corner], across)
    unit: FloatArray = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return unit


def node_of(name: str, mesh: Mesh, colour: tuple[float, float, float, float]) -> NodePath:
    """A lit node of one colour; its nodes carry normals and nothing else."""
    layout = GeomVertexArrayFormat()
    for column in (InternalName.getVertex(), InternalName.getNormal()):
        kind = GeomEnums.C_point if column == InternalName.getVertex() else GeomEnums.C_normal
        layout.addColumn(column, 3, GeomEnums.NT_float32, kind)
    data = GeomVertexData(
        name, GeomVertexFormat.registerFormat(GeomVertexFormat(layout)), Geom.UHStatic
    )
    rows = np.concatenate([mesh.vertices, normals_of(mesh)], axis=1).astype(np.float32)
    data.uncleanSetNumRows(len(rows))
    memoryview(data.modifyArray(0)).cast("B")[:] = rows.tobytes()
    triangles = GeomTriangles(Geom.UHStatic)
    triangles.setIndexType(GeomEnums.NT_uint32)
    index = triangles.modifyVertices()
    index.uncleanSetNumRows(mesh.faces.size)
    flat = np.ascontiguousarray(mesh.faces, np.uint32).reshape(-1)
    memoryview(index).cast("B")[:] = flat.tobytes()
    triangles.closePrimitive()
    geom = Geom(data)
    geom.addPrimitive(triangles)
    node = GeomNode(name)
    node.addGeom(geom)
    path = NodePath(node)
    path.setColor(*colour)
    return path


def _sleeve(rings: int, sides: int) -> Faces:
    ring, side = np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij")
    a = (ring * sides + side).reshape(-1)
    b = (ring * sides + (side + 1) % sides).reshape(-1)
    faces = np.concatenate(
        [np.stack([a, b, b + sides], axis=1), np.stack([a, b + sides, a + sides], axis=1)]
    )
    return faces.astype(np.int32)


def _strip(one: FloatArray, other: FloatArray) -> Mesh:
    count = len(one)
    a = np.arange(count - 1)
    faces = np.concatenate(
        [
            np.stack([a, a + count, a + count + 1], axis=1),
            np.stack([a, a + count + 1, a + 1], axis=1),
        ]
    )
    return Mesh(np.concatenate([one, other]), faces.astype(np.int32))
