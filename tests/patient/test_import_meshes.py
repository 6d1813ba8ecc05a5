"""Surfaces: their space and unit are read or asked for, what is open or damaged is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from game.patient.errors import PatientError
from game.patient.importing import Choices, read_segmentation
from game.patient.importing.meshes import VOXEL_MM, loaded, read_meshes
from game.patient.importing.names import Table, name_in_words
from game.patient.patient import Structure
from game.patient.segmentation import Segmentation
from pelves import NAMED, SPACING, pelvis

LPS = Choices(space="lps")
Change = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@cache
def surfaces() -> dict[str, trimesh.Trimesh]:
    """The generated pelvis' bones as closed surfaces, LPS mm."""
    found = {}
    for name, code in NAMED.items():
        solid = np.pad(pelvis().structures == code, 1).astype(float)
        vertices, faces, _, _ = marching_cubes(solid, 0.5, spacing=SPACING)
        vertices = vertices - SPACING + pelvis().origin
        found[name] = trimesh.Trimesh(vertices, faces, process=False)
    return found


def write(
    folder: Path, kind: str = "ply", header: str = "", change: Change = lambda points: points
) -> Path:
    """Each bone as a file, with a comment in its header."""
    folder.mkdir(exist_ok=True)
    for name, surface in surfaces().items():
        mesh = trimesh.Trimesh(change(surface.vertices), surface.faces, process=False)
        with np.errstate(invalid="ignore"):
            data = mesh.export(file_type=kind)
        data = data.encode() if isinstance(data, str) else data
        if kind == "ply":
            data = data.replace(b"comment https", f"comment {header}\ncomment https".encode(), 1)
        elif kind == "stl":
            data = header.encode().ljust(80, b"\0") + data[80:]
        else:
            data = f"# {header}\n".encode() + data
        (folder / f"{name}.{kind}").write_bytes(data)
    return folder


def raw(folder: Path, choices: Choices = LPS) -> Segmentation:
    return read_meshes(folder.name, sorted(folder.iterdir()), Table(), choices)


def assert_bones(made: Segmentation) -> None:
    for code in (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT, Structure.L5):
        here, there = made.structures == code, pelvis().structures == code
        volume = there.sum() * np.prod(SPACING)
        assert here.sum() * np.prod(made.spacing) == pytest.approx(volume, rel=0.03)
        middle = np.argwhere(here).mean(axis=0) * made.spacing + made.origin
        true = np.argwhere(there).mean(axis=0) * SPACING + pelvis().origin
        np.testing.assert_allclose(middle, true, atol=0.5 * VOXEL_MM)


def refused(folder: Path, choices: Choices | None = None) -> str:
    with pytest.raises(PatientError) as caught:
        read_segmentation(folder, choices)
    line = str(caught.value)
    assert line and "\n" not in line and len(line) < 400
    return line


@pytest.mark.parametrize("kind", ["stl", "ply", "obj"])
def test_surfaces_in_their_own_space(tmp_path: Path, kind: str) -> None:
    assert_bones(raw(write(tmp_path / "lps", kind, "3D Slicer output. SPACE=LPS"), Choices()))
    flip = np.array([-1.0, -1.0, 1.0])
    ras = write(tmp_path / "ras", kind, "SPACE=RAS", lambda points: points * flip)
    made = raw(ras, Choices())
    assert_bones(made)
    assert "surfaces in RAS" in made.notes


def test_a_whole_import_of_surfaces(tmp_path: Path) -> None:
    made = read_segmentation(write(tmp_path / "pelvis", header="SPACE=LPS"))
    assert made.source == "labels" and made.hounsfield is None
    assert_bones(made)
    assert any("the parametric pelvis fits" in note for note in made.notes)


def test_a_missing_space_is_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "pelvis", "stl")
    assert "say --space lps or --space ras" in refused(folder)
    assert_bones(raw(folder))
    assert "back to front" in refused(folder, Choices(space="ras")) or "turned" in refused(
        folder, Choices(space="ras")
    )


def test_a_space_against_the_file(tmp_path: Path) -> None:
    folder = write(tmp_path / "pelvis", "stl", "SPACE=RAS")
    assert "its header says SPACE=RAS; leave out --space lps" in refused(folder, LPS)


def test_metres_are_said(tmp_path: Path) -> None:
    made = raw(write(tmp_path / "pelvis", change=lambda points: points / 1000.0))
    assert_bones(made)
    assert "the surfaces are in metres; they were taken times 1000" in made.notes


def test_another_unit(tmp_path: Path) -> None:
    line = refused(write(tmp_path / "pelvis", change=lambda points: points / 10.0), LPS)
    assert "60 to 600 mm, or that in metres" in line


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["stl", "ply"])
def test_vertices_that_are_not_finite(tmp_path: Path, kind: str, value: float) -> None:
    def spoilt(points: NDArray[np.float64]) -> NDArray[np.float64]:
        points = points.copy()
        points[5, 1] = value
        return points

    assert "vertices are not finite" in refused(write(tmp_path / "pelvis", kind, "", spoilt), LPS)


def test_an_open_surface(tmp_path: Path) -> None:
    folder = write(tmp_path / "pelvis")
    sacrum = surfaces()["sacrum"]
    half = sacrum.faces[sacrum.triangles_center[:, 1] > np.median(sacrum.vertices[:, 1])]
    trimesh.Trimesh(sacrum.vertices, half, process=False).export(folder / "sacrum.ply")
    assert "the surface of the sacrum is open" in refused(folder, LPS)


def test_triangles_that_would_take_for_ever(tmp_path: Path) -> None:
    folder = write(tmp_path / "pelvis")
    corners = np.array([[-150.0, -60, -100], [150, 60, 60], [140, -60, 60]])
    faces = np.tile([[0, 1, 2]], (5000, 1))
    trimesh.Trimesh(corners, faces, process=False).export(folder / "sacrum.ply")
    assert "the triangles of the sacrum cover" in refused(folder, LPS)


def test_names_of_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "pelvis")
    (folder / "sacrum.ply").rename(folder / "07-Sacrum.ply")
    (folder / "hip_left.ply").rename(folder / "07_left.ply")
    assert_bones(raw(folder))
    (folder / "07_left.ply").rename(folder / "thing.ply")
    assert "thing.ply: no bone is named in it" in refused(folder, LPS)
    table = Table(files={"thing.ply": "hip_left"})
    assert_bones(read_meshes("pelvis", sorted(folder.iterdir()), table, LPS))
    (folder / "thing.ply").rename(folder / "Sacrum 2.ply")
    assert "is a second sacrum" in refused(folder, LPS)
    (folder / "Sacrum 2.ply").unlink()
    assert "no hip left among its meshes" in refused(folder, LPS)


@pytest.mark.parametrize(
    ("name", "bone"),
    [("07_left", "hip_left"), ("Sacrum-2", "sacrum"), ("12 Hip Bone right", "hip_right"),
     ("left femur", "femur_left"), ("L5", "L5"), ("3_l5", "vertebrae_L5"), ("kidney_left", None),
     ("left_right", None), ("sacrum_nerve", None), ("12", None)],
)  # fmt: skip
def test_words_in_a_file_name(name: str, bone: str | None) -> None:
    assert name_in_words(Path(f"{name}.stl"), Table()) == bone


def test_swapped_sides(tmp_path: Path) -> None:
    folder = write(tmp_path / "pelvis")
    (folder / "hip_left.ply").rename(folder / "a.ply")
    (folder / "hip_right.ply").rename(folder / "hip_left.ply")
    (folder / "a.ply").rename(folder / "hip_right.ply")
    assert "left hip bone" in refused(folder, LPS)


def test_a_real_sacrum_with_its_hips(shared_data: Path, tmp_path: Path) -> None:
    """Cut off below S3: L5 and what lies below are the model's, and marked so."""
    for bone in ("sacrum", "left", "right"):
        name = f"08_{bone}.ply"
        (tmp_path / name).write_bytes((shared_data / "sacra" / name).read_bytes())
    made = read_segmentation(tmp_path, LPS)
    assert any(note.startswith("L5 is not in the source") for note in made.notes)
    centre = made.known["s1_endplate_centre"]
    chord = made.known["s1_posterior_corner"].point - made.known["promontory"].point
    assert centre.estimated and 25.0 < np.linalg.norm(chord) < 42.0
    sacrum = np.argwhere(made.structures == Structure.SACRUM) * made.spacing + made.origin
    assert np.linalg.norm(sacrum - centre.point, axis=1).min() < 4.0
    l5 = np.argwhere(made.structures == Structure.L5) * made.spacing + made.origin
    assert 15.0 < np.linalg.norm(l5.mean(axis=0) - centre.point) < 45.0


@pytest.mark.parametrize("kind", ["stl", "ply", "obj"])
@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_surface_never_crashes(data: st.DataObject, tmp_path: Path, kind: str) -> None:
    whole = trimesh.creation.icosphere(2, 80.0).export(file_type=kind)
    page = bytearray(whole.encode() if isinstance(whole, str) else whole)
    head = 400 if data.draw(st.booleans()) else len(page)
    for _ in range(data.draw(st.integers(0, 4))):
        page[data.draw(st.integers(0, head - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        page = page[: data.draw(st.integers(0, len(page)))]
    path = tmp_path / f"sacrum.{kind}"
    path.write_bytes(bytes(page))
    try:
        vertices, faces = loaded(path)
    except PatientError as error:
        assert "\n" not in str(error) and len(str(error)) < 500
    else:
        assert np.all(np.isfinite(vertices)) and len(faces) >= 100
        assert faces.min() >= 0 and faces.max() < len(vertices)


@given(far=st.floats(-1e30, 1e30), row=st.integers(0, 100))
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_vertex_far_away_is_no_hang(far: float, row: int, tmp_path: Path) -> None:
    folder = tmp_path / "pelvis"
    if not folder.exists():
        write(folder)
    sacrum = surfaces()["sacrum"]
    points = sacrum.vertices.copy()
    points[row, 2] = far
    trimesh.Trimesh(points, sacrum.faces, process=False).export(folder / "sacrum.ply")
    try:
        made = raw(folder)
    except PatientError as error:
        assert "\n" not in str(error)
    else:
        assert (made.structures == Structure.SACRUM).any()
