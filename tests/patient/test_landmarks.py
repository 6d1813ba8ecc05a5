"""The landmark finder against landmarks read by eye on three real scans, and on a known solid."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from game.geometry.grid import Grid
from game.patient.importing import read_segmentation
from game.patient.landmarks import find_landmarks, planes_and_anatomy
from game.patient.landmarks.endplate import endplate_corners
from game.patient.landmarks.frame import Frame, midsagittal, unrolled
from game.patient.landmarks.joint import BLUNT_MM, PIIS_LOWER, spines
from game.patient.landmarks.tunnels import cone_distance
from game.patient.patient import Landmark
from game.patient.resample import bones_of, levels_of
from game.patient.segmentation import Bones

TRUTH = tomllib.loads(
    (Path(__file__).resolve().parents[1] / "truth" / "landmarks.toml").read_text(encoding="utf-8")
)
FOLDER = {
    "pelvic-ct": "pelvic-ct",
    "case-001": "pelvic-labels/case-001",
    "case-004": "pelvic-labels/case-004",
}
WITHIN_MM = {"s1_endplate_centre": 3.0, "si_caudal": 3.0, "s3_lateral": 5.0, "foramen": 6.0}


@pytest.fixture(scope="module")
def scan(request: pytest.FixtureRequest, shared_data: Path) -> tuple[str, Bones]:
    """A scan's name and its bones, scanner LPS mm."""
    segmentation = read_segmentation(shared_data / FOLDER[request.param])
    return request.param, bones_of(segmentation, levels_of(segmentation))


@pytest.mark.parametrize("scan", list(FOLDER), indirect=True)
def test_against_landmarks_read_by_eye(scan: tuple[str, Bones]) -> None:
    name, bones = scan
    found = find_landmarks(bones, {})
    far = {}
    for mark, truth in TRUTH[name].items():
        kind = next((k for k in WITHIN_MM if mark.startswith(k)), None)
        error = float(np.linalg.norm(found[mark].point - truth["point"]))
        if kind is not None and error > max(WITHIN_MM[kind], truth["uncertainty_mm"]):
            far[mark] = round(error, 1)
    assert not far


@pytest.mark.parametrize("scan", ["case-001"], indirect=True)
def test_a_shifted_scan_shifts_its_landmarks_and_turns_nothing(scan: tuple[str, Bones]) -> None:
    _, bones = scan
    shift = np.array([31.0, -17.0, 250.0])
    x, y, z = (float(a) for a in np.array(bones.grid.origin) + shift)
    moved = replace(bones, grid=replace(bones.grid, origin=(x, y, z)))
    here, there = find_landmarks(bones, {}), find_landmarks(moved, {})
    for mark in here:
        np.testing.assert_allclose(there[mark].point - shift, here[mark].point, atol=0.8)


@pytest.mark.parametrize("scan", ["case-004"], indirect=True)
def test_what_is_known_is_taken_as_it_is(scan: tuple[str, Bones]) -> None:
    _, bones = scan
    known = {"s3_lateral_left": Landmark(np.array([28.0, 198.0, -15.0]))}
    found = find_landmarks(bones, known)
    assert found["s3_lateral_left"] is known["s3_lateral_left"]
    planes, anatomy = planes_and_anatomy(bones, found)
    assert anatomy.axes[0] @ planes["midsagittal"].normal == pytest.approx(1.0)
    assert np.linalg.norm(planes["l5_s1_disc"].normal) == pytest.approx(1.0)
    assert 15.0 < np.degrees(anatomy.disc_tilt) < 60.0
    above = planes["l5_s1_disc"].point - planes["s1_endplate"].point
    assert 1.0 < above @ planes["s1_endplate"].normal < 12.0


@pytest.mark.parametrize("scan", ["pelvic-ct"], indirect=True)
def test_ribbon_coordinates_return_to_their_point(scan: tuple[str, Bones]) -> None:
    _, bones = scan
    ribbon = unrolled(bones, midsagittal(bones))
    points = ribbon.point(np.array([30.0, 60.0, 90.0]), np.array([-20.0, 0.0, 25.0]), 4.0)
    np.testing.assert_allclose(ribbon.point(*ribbon.locate(points).T), points, atol=0.3)
    front, back = endplate_corners(bones, ribbon.frame)
    assert 26.0 < np.linalg.norm(back - front) < 42.0


def test_the_distance_to_a_tube_is_exact_for_equal_radii() -> None:
    ends = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])
    points = np.array([[5.0, 4.0, 0.0], [5.0, 0.0, 0.0], [13.0, 4.0, 0.0]])
    distance = cone_distance(points, ends, np.array([3.0, 3.0]))
    np.testing.assert_allclose(distance, [1.0, -3.0, 2.0], atol=1e-12)


def test_a_blunt_spine_is_found_at_its_tip_wherever_the_joint_is_thought_to_end() -> None:
    """A paraboloid that points backwards and down: the mean of what is weighted by exp(-h / b) lies
    b under its tip in the direction of reach, here BLUNT_MM."""
    way = np.array([0.0, 1.0, -PIIS_LOWER])
    ahead, up = way / np.linalg.norm(way), np.array([0.0, PIIS_LOWER, 1.0]) / np.linalg.norm(way)
    across, along = np.meshgrid(np.arange(-20.0, 20.1, 0.5), np.arange(-20.0, 20.1, 0.5))
    deep = (across**2 + along**2) / 20.0
    points = np.stack([across, np.zeros_like(deep), np.zeros_like(deep)], axis=-1)
    points = (points + along[..., None] * up - deep[..., None] * ahead).reshape(-1, 3)
    grid = Grid((0.0, 0.0, 0.0), 1.0, (2, 2, 2))
    empty = np.zeros(grid.shape, np.float32)
    bones = Bones(grid, empty, {}, empty, {"left": (points, points)})
    frame = Frame(np.zeros(3), np.eye(3))
    ends = (
        np.array([0.0, -3.0, 3.0]) + shift for shift in (np.zeros(3), np.array([2.0, 1.0, 0.0]))
    )
    one, other = (spines(bones, "left", frame, end)["piis_left"].point for end in ends)
    np.testing.assert_allclose(one, -BLUNT_MM * way / (way @ way), atol=0.3)
    assert np.linalg.norm(other - one) < 0.2
