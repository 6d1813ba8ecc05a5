"""The whole image chain: noise, scatter, window, markers, and lead where it belongs."""

from __future__ import annotations

from dataclasses import replace
from math import radians
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from xray_solids import GRID, UPRIGHT, ball, of, patient, view

from game.devices.cannula import Cannula
from game.devices.carm import CArmPose
from game.devices.injector import Injector
from game.devices.tube import Field, Tube
from game.fluoroscopy.display import MONITOR, shown, side_letters
from game.fluoroscopy.projector import Projector
from game.fluoroscopy.render import exposed, render, save_arrays, save_png
from game.fluoroscopy.spectrum import transmitted, unattenuated
from game.geometry.carm import projection
from game.patient.patient import Structure
from game.simulation.cement import EMPTY

AP, LATERAL, OBLIQUE = (180.0, 39.0), (90.0, 0.0), (-150.0, 35.0)

NO_VEINS = SimpleNamespace(veins=None)


def lead_case(centre: tuple[float, float, float], pose: tuple[float, float]) -> Any:
    """A ball of steel in a ball of soft tissue, and a state that has just taken its picture."""
    lying = patient(ball(50.0, -1000.0, 46.0))
    lying.structures[ball(1.0, 0.0, 5.0, centre) > 0] = Structure.METAL
    case = SimpleNamespace(patient=lying, seed=7, medium=NO_VEINS)
    arm = CArmPose(radians(pose[0]), radians(pose[1]), (0.0, 0.0, 0.0))
    state = SimpleNamespace(
        picture_pose=arm,
        picture_field=Field(),
        gripped=None,
        tube=Tube(kvp=70.0, mas=5.0, last_exposure=100),
        cannulas={},
        cement=EMPTY,
        tails={},
        injector=Injector(),
    )
    return case, state, Projector(lying)


def darkest(pixels: np.ndarray) -> tuple[float, float]:
    """How far right and down of the middle the dark spot in the middle half lies, pixels."""
    edge = len(pixels) // 4
    rows, columns = np.nonzero(pixels[edge:-edge, edge:-edge] < 10)
    middle = (len(pixels) - 1) / 2.0 - edge
    return float(columns.mean() - middle), float(rows.mean() - middle)


@pytest.mark.parametrize(
    ("pose", "centre", "right", "down"),
    [
        (AP, (25.0, 0.0, 0.0), -1, 0),  # patient's left: picture's left
        (AP, (0.0, 0.0, 25.0), 0, -1),  # cranial: up
        (LATERAL, (0.0, 25.0, 0.0), 1, 0),  # posterior: right, detector on the left
        (LATERAL, (0.0, 0.0, 25.0), 0, -1),
        (LATERAL, (25.0, 0.0, 0.0), 0, 0),
        (OBLIQUE, (25.0, 0.0, 0.0), -1, None),
        (OBLIQUE, (0.0, 0.0, 25.0), None, -1),
        (OBLIQUE, (0.0, 25.0, 0.0), -1, None),  # detector on the right: posterior goes left
    ],
)
def test_lead_marker_lands_on_its_side(
    pose: tuple[float, float],
    centre: tuple[float, float, float],
    right: int | None,
    down: int | None,
) -> None:
    found = darkest(render(*lead_case(centre, pose), size=256).pixels)
    for offset, side in zip(found, (right, down), strict=True):
        if side is not None:
            assert (abs(offset) < 6.0) if side == 0 else (offset * side > 12.0)


@pytest.mark.parametrize(
    ("pose", "letters"),
    [
        (AP, ("L", "R")),
        (OBLIQUE, ("L", "R")),
        ((150.0, 35.0), ("L", "R")),
        (LATERAL, ("A", "P")),
        ((-90.0, 0.0), ("P", "A")),
        ((0.0, 0.0), ("R", "L")),
    ],
)
def test_letters(pose: tuple[float, float], letters: tuple[str, str]) -> None:
    assert side_letters(view(*pose), UPRIGHT.axes) == letters


def test_the_same_pulse_is_the_same_picture_and_the_next_is_not() -> None:
    case, state, projector = lead_case((0.0, 0.0, 0.0), AP)
    first = render(case, state, projector, size=128).pixels
    assert np.array_equal(first, render(case, state, projector, size=128).pixels)
    later = SimpleNamespace(**{**vars(state), "tube": replace(state.tube, last_exposure=300)})
    assert not np.array_equal(first, render(case, later, projector, size=128).pixels)


def test_a_cannula_shows_and_one_on_the_tray_does_not() -> None:
    case, state, projector = lead_case((40.0, 40.0, 40.0), AP)
    plain = render(case, state, projector, size=128).pixels
    state.cannulas = {"left": Cannula(tip=(0.0, 0.0, 0.0), direction=(0.0, -0.6, 0.8))}
    assert np.array_equal(render(case, state, projector, size=128).pixels, plain)
    state.cannulas = {"left": replace(state.cannulas["left"], stage="bone")}
    assert not np.array_equal(render(case, state, projector, size=128).pixels, plain)


def test_bone_is_dark_and_invert_makes_it_bright() -> None:
    grams = np.full((128, 128), 15.0)
    bone = np.zeros_like(grams)
    bone[50:80, 50:80] = 2.0
    mean, _ = transmitted(of(soft=grams, bone=bone), 80.0, 1.0)
    full = unattenuated(80.0, 1.0)
    dark = shown(mean, full, 0.6)
    bright = shown(mean, full, 0.6, replace(MONITOR, invert=True))
    assert dark[65, 65] < 80 < 120 < dark[20, 20]
    assert np.abs(dark.astype(int) + bright - 255).max() <= 1


def test_png_keeps_the_pixels(tmp_path: Path) -> None:
    picture = render(*lead_case((0.0, 0.0, 0.0), LATERAL), size=64)
    save_png(picture, tmp_path / "x.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), picture.pixels)
    assert picture.pixels.shape == (64, 64) and picture.pixels.dtype == np.uint8
    assert picture.caption == "lateral, LAO 90 CRA 0, 70 kV 5.00 mAs"
    assert picture.projection == projection(radians(90.0), 0.0, (0.0, 0.0, 0.0), 64)


def test_air_only_is_a_picture_too() -> None:
    empty = patient(np.full(GRID.shape, -1000, np.int16))
    _, state, _ = lead_case((0.0, 0.0, 0.0), AP)
    case = SimpleNamespace(patient=empty, seed=1, medium=NO_VEINS)
    picture = render(case, state, Projector(empty), size=64)
    assert picture.pixels.shape == (64, 64)


def test_flip_turn_and_collimate() -> None:
    case, state, projector = lead_case((25.0, 0.0, 0.0), AP)
    right, down = darkest(render(case, state, projector, 256, replace(MONITOR, flip=True)).pixels)
    assert right > 12.0 and abs(down) < 6.0
    right, down = darkest(render(case, state, projector, 256, replace(MONITOR, turns=1)).pixels)
    assert down < -12.0 and abs(right) < 6.0
    state.picture_field = Field(collimation=0.5)
    shut = render(case, state, projector, 256).pixels
    assert shut[40:60, 64:192].max() == 0 and shut[64:192, 64:192].mean() > 20


def test_magnification_reads_the_panels_middle() -> None:
    case, state, projector = lead_case((0.0, 0.0, 0.0), AP)
    steel = []
    for times in (1.0, 2.0):
        state.picture_field = Field(magnification=times)
        made = render(case, state, projector, 256)
        steel.append((projector.areas(made.projection).steel > 0.1).sum())
    assert steel[1] == pytest.approx(4 * steel[0], rel=0.05)


@pytest.mark.parametrize(
    ("change", "letters"),
    [
        ({"flip": True}, ("R", "L")),
        ({"turns": 1}, ("F", "H")),
        ({"turns": 2}, ("R", "L")),
        ({"turns": 3}, ("H", "F")),
    ],
)
def test_letters_follow_the_picture(change: dict[str, Any], letters: tuple[str, str]) -> None:
    assert side_letters(view(*AP), UPRIGHT.axes, replace(MONITOR, **change)) == letters


def test_window_and_level_by_hand() -> None:
    case, state, projector = lead_case((0.0, 0.0, 0.0), AP)
    plain = render(case, state, projector, 128).pixels[32:96, 32:96]
    wide = render(case, state, projector, 128, replace(MONITOR, width=3.0)).pixels[32:96, 32:96]
    bright = render(case, state, projector, 128, replace(MONITOR, level=0.3)).pixels[32:96, 32:96]
    assert wide.std() < plain.std()
    assert bright.mean() > plain.mean()


def test_a_first_picture_looks_like_the_full_one() -> None:
    case, state, projector = lead_case((0.0, 0.0, 0.0), AP)
    first = render(case, state, projector, 256, coarse=True).pixels.astype(float)
    full = render(case, state, projector, 256).pixels.astype(float)
    assert np.corrcoef(first.ravel(), full.ravel())[0, 1] > 0.97
    again = render(case, state, projector, 256, coarse=True).pixels
    assert np.array_equal(again, full), "a kept pose is never coarse"


def test_arrays_behind_a_picture(tmp_path: Path) -> None:
    case, state, projector = lead_case((0.0, 0.0, 0.0), AP)
    geometry = state.picture_pose.projection(64)
    areas, signal = projector.areas(geometry), exposed(case, state, projector, geometry)
    save_arrays(tmp_path / "x.npz", areas, signal, geometry)
    with np.load(tmp_path / "x.npz") as kept:
        assert list(kept["materials"]) == ["bone", "soft", "fat", "steel", "cement"]
        assert np.array_equal(kept["area_densities"], areas.values)
        assert np.array_equal(kept["signal"], signal)
        seen = kept["matrix"] @ (5.0, -7.0, 9.0, 1.0)
    assert seen[:2] / seen[2] == pytest.approx(geometry.project(np.array([[5.0, -7.0, 9.0]]))[0])
