"""A patient goes to disk and comes back the same; damage on the way is one clear line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from game.geometry.grid import Grid
from game.geometry.views import Anatomy
from game.patient import store
from game.patient.errors import PatientError
from game.patient.hazards import spaces
from game.patient.nifti import write_nifti
from game.patient.pages import PAGES, pages_of, sheet_columns, volumes_of
from game.patient.patient import (
    Fracture,
    Landmark,
    Patient,
    Plane,
    Region,
    Structure,
    Surface,
    Tube,
)
from game.patient.traits import Traits


def small_patient() -> Patient:
    rng = np.random.default_rng(3)
    body, bone = (
        Grid((-6.0, -7.0, -8.0), 1.0, (12, 13, 14)),
        Grid((-2.0, -2.0, -2.0), 0.75, (6,) * 3),
    )
    field = rng.standard_normal(bone.shape).astype(np.float32)
    points = rng.standard_normal((5, 3))
    triangle = Surface(points[:3].astype(np.float32), np.array([[0, 1, 2]], np.int32))
    fracture = Fracture(
        "left", points, np.ones(5), np.array([1.0, 0, 0]), np.full(5, 0.5), np.arange(5),
        "foramen", (Region.FORAMEN_S1_LEFT,), 2, "IIa", 2.5, 40.0,
    )  # fmt: skip
    region = rng.integers(0, max(Region) + 1, bone.shape).astype(np.uint8)
    return Patient(
        name="small",
        source="labels",
        body=body,
        hounsfield=rng.integers(-1000, 2000, body.shape).astype(np.int16),
        structures=rng.integers(0, max(Structure) + 1, body.shape).astype(np.uint8),
        bone=bone,
        sacrum_distance=field,
        hip_distance={"left": field + 1, "right": field + 2},
        cortex=np.abs(field),
        cortex_assumed=True,
        region=region,
        surfaces={Structure.SACRUM: triangle, Structure.SKIN: triangle},
        landmarks={"s1": Landmark(points[0]), "s3": Landmark(points[1], True, 4.0)},
        planes={"disc": Plane(points[2], np.array([0.0, 0.6, 0.8]))},
        anatomy=Anatomy(np.eye(3), np.array([0.0, -0.6, 0.8])),
        fractures={"left": fracture, "right": replace(fracture, name="right")},
        hazards={"s1_root_left": Tube("s1_root_left", points, np.full(5, 2.0))}
        | spaces(bone, field, region),
        notes=("assumed: all of it",),
    )


def assert_same(one: Patient, other: Patient) -> None:
    assert pages_of(one) == pages_of(other)
    mine, theirs = volumes_of(one), volumes_of(other)
    assert mine.keys() == theirs.keys()
    for name, volume in mine.items():
        assert volume.values.dtype == theirs[name].values.dtype, name
        np.testing.assert_array_equal(volume.values, theirs[name].values, name)
    for code, surface in one.surfaces.items():
        again = other.surfaces[code]
        assert (again.vertices.dtype, again.faces.dtype) == (np.float32, np.int32)
        np.testing.assert_array_equal(surface.vertices, again.vertices)
        np.testing.assert_array_equal(surface.faces, again.faces)
    for name, fracture in one.fractures.items():
        np.testing.assert_array_equal(sheet_columns(fracture), sheet_columns(other.fractures[name]))
        np.testing.assert_array_equal(fracture.voxels, other.fractures[name].voxels)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    store.save(small_patient(), tmp_path / "patient")
    return tmp_path / "patient"


def refused(folder: Path) -> str:
    with pytest.raises(PatientError) as caught:
        store.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_round_trip(saved: Path) -> None:
    assert_same(store.load(saved), small_patient())
    assert_same(store.open_patient(saved), small_patient())


def test_who_a_generated_patient_is_comes_back(tmp_path: Path) -> None:
    traits = Traits(seed=7, sex="male", age=61, quality="osteopenic", fracture=None)
    store.save(replace(small_patient(), traits=traits), tmp_path / "patient")
    assert store.load(tmp_path / "patient").traits == traits


def test_saving_again_replaces_and_leaves_nothing_beside(saved: Path) -> None:
    store.save(replace(small_patient(), name="second"), saved)
    assert store.load(saved).name == "second"
    assert [p.name for p in saved.parent.iterdir()] == ["patient"]


def test_a_failed_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_nifti", full)
    with pytest.raises(PatientError, match="No space left"):
        store.save(small_patient(), tmp_path / "patient")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("dear")
    with pytest.raises(PatientError, match="no saved patient"):
        store.save(small_patient(), tmp_path)
    assert (tmp_path / "letters").read_text() == "dear"


Damage = Callable[[dict[str, Any]], object]
FILES = (*PAGES, "sacrum_distance.nii", "labels.nii", "fractures.nii", "sacrum.ply",
         "fracture_left.ply")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "damage", "word"),
    [
        ("patient", lambda page: page.update(format=99), "format is 99"),
        ("landmarks", lambda page: page.pop("landmarks"), "damaged"),
        ("patient", lambda page: page.update(source="dream"), "source is 'dream'"),
        ("patient", lambda page: page.update(traits={"seed": 0, "age": 7}), "age"),
        ("patient", lambda page: page.update(traits={"sex": "neither"}), "damaged"),
        ("patient", lambda page: page["grids"]["body"].update(spacing=-1.0), "spacing is -1.0"),
        ("patient", lambda page: page["grids"]["bone"].update(shape=[5, 6, 6]), "size [6, 6, 6]"),
        ("patient", lambda page: page["grids"]["bone"].update(shape=[4000] * 3), "at most"),
        ("patient", lambda page: page["grids"]["bone"].update(origin=[-2.0, -2.0, 1.0]), "form"),
        ("landmarks", lambda page: page["landmarks"]["s1"].update(point=[0, 0]), "three numbers"),
        ("landmarks", lambda p: p["landmarks"]["s1"].update(point=[0, 0, np.nan]), "three numbers"),
        ("landmarks", lambda p: p["planes"]["disc"].update(normal=[0, 0, 2.0]), "must be 1"),
        ("patient", lambda page: page["surfaces"].append("moon"), "damaged"),
        ("patient", lambda page: page["surfaces"].append("l5"), "l5.ply"),
        ("hazards", lambda page: page["tubes"]["s1_root_left"].update(radii=[1.0]), "radius"),
        ("hazards", lambda page: page["tubes"]["s1_root_left"].update(line=[]), "damaged"),
        ("fractures", lambda page: left(page).update(pattern="odd"), "pattern is 'odd'"),
        ("fractures", lambda page: left(page).update(denis_zone=9), "zone is 9"),
        ("fractures", lambda page: left(page).update(reaches=["moon"]), "damaged"),
        ("fractures", lambda page: left(page).update(crush_mm=-1), "crush is -1"),
        ("fractures", lambda page: left(page).update(step_mm=float("nan")), "step is nan"),
        ("fractures", lambda page: page["fractures"].update(up=left(page)), "up"),
        ("fractures", lambda page: page["fractures"].pop("right"), "sheets other than left"),
        ("patient", lambda page: page["surfaces"].append("../../etc"), "damaged"),
    ],
)
def test_a_damaged_page(saved: Path, name: str, damage: Damage, word: str) -> None:
    path = saved / f"{name}.json"
    page = json.loads(path.read_text())
    damage(page)
    path.write_text(json.dumps(page))
    assert word in refused(saved)


def left(page: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = page["fractures"]["left"]
    return found


@pytest.mark.parametrize("name", PAGES)
def test_no_page_and_no_json(saved: Path, name: str) -> None:
    (saved / name).write_text("[" * 100_000)
    assert "no JSON" in refused(saved)
    (saved / name).write_text("[]")
    assert "no JSON object" in refused(saved)
    (saved / name).unlink()
    assert "cannot be read" in refused(saved)


def test_a_page_is_for_a_person_to_read(saved: Path) -> None:
    lines = (saved / "landmarks.json").read_text().splitlines()
    (point,) = [line for line in lines if '"point"' in line][:1]
    assert point.strip().startswith('"point": [') and point.rstrip().endswith("],")
    assert "left, y posterior, z superior" in lines[1]


@pytest.mark.parametrize(
    "name", ["density.nii", "fractures.nii", "sacrum.ply", "fracture_left.ply"]
)
def test_a_truncated_and_a_longer_file(saved: Path, name: str) -> None:
    whole = (saved / name).read_bytes()
    for broken in (whole[:-10], whole[:200], b"", whole + b"more"):
        (saved / name).write_bytes(broken)
        assert name in refused(saved)


def test_values_beyond_their_lists(saved: Path) -> None:
    grid = small_patient().bone
    write_nifti(saved / "region.nii", np.full((6, 6, 6), 99, np.uint8), grid)
    assert "code 99" in refused(saved)
    write_nifti(saved / "region.nii", np.zeros((6, 6, 6), np.uint8), grid)
    write_nifti(saved / "cortex.nii", np.full((6, 6, 6), np.nan, np.float32), grid)
    assert "not finite" in refused(saved)


@pytest.mark.parametrize("name", FILES)
@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_byte_never_crashes(saved: Path, name: str, at: int, value: int) -> None:
    data = (saved / name).read_bytes()
    broken = bytearray(data)
    broken[at % len(data)] = value
    (saved / name).write_bytes(bytes(broken))
    try:
        store.load(saved)
    except PatientError as error:
        assert "\n" not in str(error)
    (saved / name).write_bytes(data)


def test_the_cache_makes_once_and_mends_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "cache"))
    made: list[int] = []

    def make() -> Patient:
        made.append(1)
        return small_patient()

    for _ in range(2):
        assert_same(store.cached("key", make), small_patient())
    assert len(made) == 1
    (kept,) = (tmp_path / "cache").iterdir()
    (kept / "cortex.nii").unlink()
    assert_same(store.cached("key", make), small_patient())
    assert_same(store.cached("key", make), small_patient())
    assert len(made) == 2


def test_the_cache_is_bounded_and_drops_what_was_used_longest_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(store, "MOST_KEPT", 3)
    litter = tmp_path / ".patient-killed"
    litter.mkdir()
    os.utime(litter, (0, 0))
    for number in range(3):
        store.cached(f"key{number}", small_patient)
        (kept,) = tmp_path.glob(f"patient-key{number}-*")
        os.utime(kept, (1000 + number, 1000 + number))
    store.cached("key0", small_patient)  # used again
    store.cached("key3", small_patient)
    assert not litter.exists()
    assert {p.name.split("-")[1] for p in tmp_path.iterdir()} == {"key0", "key2", "key3"}
    monkeypatch.setattr(store, "MOST_KEPT_BYTES", 1)
    store.cached("key4", small_patient)
    assert {p.name.split("-")[1] for p in tmp_path.iterdir()} == {"key4"}


def test_a_generated_patient_is_kept_by_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path))
    made: list[Traits] = []

    def build(_: object, traits: Traits) -> Patient:
        made.append(traits)
        return replace(small_patient(), traits=traits)

    monkeypatch.setattr(store, "build", build)
    monkeypatch.setattr(store, "procedural", lambda traits: None)
    two = (Traits(seed=3, sex="male"), Traits(seed=3, sex="female"))
    for traits in (*two, *two):
        assert store.generated(traits).traits == traits
    assert made == list(two)
    assert store.embedded().traits == Traits()


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "file"))
    assert_same(store.cached("key", small_patient), small_patient())


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(store.CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.cache_folder() == tmp_path / "sacrosim"
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "own"))
    assert store.cache_folder() == tmp_path / "own"


def test_the_key_follows_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "label.mhd").write_text("one")
    first = store.source_key(tmp_path)
    assert first == store.source_key(tmp_path)
    (tmp_path / "label.mhd").write_text("two")
    assert first != store.source_key(tmp_path)


def test_nothing_to_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "cache"))
    with pytest.raises(PatientError, match="no such folder"):
        store.open_patient(tmp_path / "absent")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(PatientError, match="no label map"):
        store.open_patient(empty)
    assert not (tmp_path / "cache").exists()
