"""A patient goes to disk and comes back the same; damage on the way is one clear line."""

from __future__ import annotations

import json
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
    assert store.page_of(one) == store.page_of(other)
    mine, theirs = store.arrays_of(one), store.arrays_of(other)
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        assert array.dtype == theirs[name].dtype and np.array_equal(array, theirs[name]), name


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

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(PatientError, match="No space left"):
        store.save(small_patient(), tmp_path / "patient")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("dear")
    with pytest.raises(PatientError, match="no saved patient"):
        store.save(small_patient(), tmp_path)
    assert (tmp_path / "letters").read_text() == "dear"


Damage = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda page: page.update(format=99), "format is 99"),
        (lambda page: page.pop("landmarks"), "damaged"),
        (lambda page: page.update(source="dream"), "source is 'dream'"),
        (lambda page: page.update(traits={"seed": 0, "age": 7}), "age"),
        (lambda page: page.update(traits={"sex": "neither"}), "damaged"),
        (lambda page: page["grids"]["body"].update(spacing=-1.0), "spacing is -1.0"),
        (lambda page: page["grids"]["bone"].update(shape=[5, 6, 6]), "shape"),
        (lambda page: page["landmarks"]["s1"].update(point=[0, 0]), "three numbers"),
        (lambda page: page["landmarks"]["s1"].update(point=[0, 0, float("nan")]), "three numbers"),
        (lambda page: page["planes"]["disc"].update(normal=[0, 0, 2.0]), "length must be 1"),
        (lambda page: page["surfaces"].append("moon"), "damaged"),
        (lambda page: page["tubes"]["s1_root_left"].update(radii=[1.0]), "radius"),
        (lambda page: page["tubes"]["s1_root_left"].update(line=[]), "damaged"),
        (lambda page: page["fractures"]["left"].update(pattern="odd"), "pattern is 'odd'"),
        (lambda page: page["fractures"]["left"].update(denis_zone=9), "zone is 9"),
        (lambda page: page["fractures"]["left"].update(reaches=["moon"]), "damaged"),
        (lambda page: page["fractures"]["left"].update(crush_mm=-1), "crush is -1"),
        (lambda page: page["fractures"].update(up=page["fractures"]["left"]), "up"),
        (lambda page: page["surfaces"].append("../../etc"), "damaged"),
    ],
)
def test_a_damaged_page(saved: Path, damage: Damage, word: str) -> None:
    page = json.loads((saved / store.PAGE).read_text())
    damage(page)
    (saved / store.PAGE).write_text(json.dumps(page))
    assert word in refused(saved)


def test_no_page_and_no_json(saved: Path) -> None:
    (saved / store.PAGE).write_text("[" * 100_000)
    assert "no JSON" in refused(saved)
    (saved / store.PAGE).unlink()
    assert "cannot be read" in refused(saved)


def test_a_truncated_array(saved: Path) -> None:
    path = saved / "hounsfield.npy"
    path.write_bytes(path.read_bytes()[:-10])
    assert "bytes" in refused(saved)


def test_an_array_of_objects_is_not_unpickled(saved: Path) -> None:
    np.save(saved / "cortex.npy", np.array([{"a": 1}], object), allow_pickle=True)
    assert "plain numbers" in refused(saved)


def test_values_beyond_their_lists(saved: Path) -> None:
    np.save(saved / "region.npy", np.full((6, 6, 6), 99, np.uint8))
    assert "code 99" in refused(saved)
    np.save(saved / "region.npy", np.zeros((6, 6, 6), np.uint8))
    np.save(saved / "cortex.npy", np.full((6, 6, 6), np.nan, np.float32))
    assert "not finite" in refused(saved)


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_byte_never_crashes(saved: Path, at: int, value: int) -> None:
    for name in (store.PAGE, "sacrum_distance.npy"):
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
    (kept / "cortex.npy").unlink()
    assert_same(store.cached("key", make), small_patient())
    assert_same(store.cached("key", make), small_patient())
    assert len(made) == 2


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
