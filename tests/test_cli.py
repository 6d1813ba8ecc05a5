"""The command line: help with examples, and bad input answered in one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from game.patient.store import load, save
from game.patient.traits import Traits
from game.simulation.case import Case

SACROSIM = [sys.executable, "-c", "from game.cli import main; main()"]


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SACROSIM, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd,
        env={**os.environ, "COLUMNS": "120"},
    )  # fmt: skip


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a bad input is answered with."""
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "play",
        "replay",
        "score",
        "levels",
        "xray",
        "bench",
        "doctor",
        "patient import",
        "patient new",
        "patient check",
        "patient show",
    ],
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    shown = run(*command.split(), "--help")
    assert shown.returncode == 0
    assert f"Example: sacrosim {command}" in " ".join(shown.stdout.split())


def label_map(
    folder: Path, labels: np.ndarray, spacing: tuple[float, ...] = (1.0, 1.0, 3.0)
) -> Path:  # type: ignore[type-arg]
    folder.mkdir()
    for name, array in (("label", labels), ("mask", (labels >= 0).astype(np.uint8))):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(spacing)
        sitk.WriteImage(image, str(folder / f"{name}.mhd"), useCompression=True)
    return folder


def test_a_folder_without_a_label_map(tmp_path: Path) -> None:
    assert str(tmp_path) in complaint(run("patient", "import", tmp_path))


def test_a_label_map_without_a_sacrum(tmp_path: Path) -> None:
    folder = label_map(tmp_path / "scan", np.ones((20, 30, 30), np.int16))
    assert "sacrum" in complaint(run("patient", "import", folder))


def test_a_negative_spacing(tmp_path: Path) -> None:
    folder = label_map(tmp_path / "scan", np.full((20, 30, 30), 3, np.int16))
    header = folder / "label.mhd"
    header.write_text(
        header.read_text().replace("ElementSpacing = 1 1 3", "ElementSpacing = 1 1 -3")
    )
    assert "spacing" in complaint(run("patient", "import", folder)).lower()


def test_a_truncated_label_map(shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scan"
    shutil.copytree(
        shared_data / "pelvic-labels" / "case-001", folder, copy_function=shutil.copyfile
    )
    raw = folder / "label.zraw"
    raw.write_bytes(raw.read_bytes()[:200_000])
    assert "label" in complaint(run("patient", "import", folder))


def test_an_unknown_level_names_the_levels(tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = complaint(run("demo", "no-such-level", "--out", out))
    assert "no-such-level" in line and "both-sides" in line
    assert not out.exists()


def test_an_unwritable_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--out" in complaint(run("demo", "--out", tmp_path / "file" / "out"))


def test_a_study_of_leaks_names_the_products_there_are(tmp_path: Path) -> None:
    line = complaint(run("bench", "cement", "--leaks", "2", "--against", "gold", cwd=tmp_path))
    assert "gold" in line and "high-viscosity" in line


def test_bad_options_are_one_line(tmp_path: Path) -> None:
    assert "--seed" in complaint(run("demo", "--seed", "-1", cwd=tmp_path))
    assert "--device" in complaint(run("play", "--device", "trackball", cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a session", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_session(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "session.npz"
    path.write_bytes(content)
    assert "session" in complaint(run("score", path))
    assert "session" in complaint(run("replay", path))


def test_a_failed_import_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = label_map(tmp_path / "scan", np.ones((20, 30, 30), np.int16))
    complaint(run("patient", "import", folder, "--out", tmp_path / "patient"))
    assert {path.name for path in tmp_path.iterdir()} == {"scan"}


def test_a_page_of_another_kind(tmp_path: Path) -> None:
    said = complaint(run("patient", "show", "-o", tmp_path / "page.pdf"))
    assert ".png" in said
    assert "page.pdf" in said


def test_an_h_fracture_has_no_side(tmp_path: Path) -> None:
    out = tmp_path / "patient"
    asked = ("patient", "new", "--fracture", "h", "--laterality", "left", "--out", out)
    assert "bilateral" in complaint(run(*asked))
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--age", "12", ("12", "18 to 100")),
        ("--age", "old", ("--age", "integer")),
        ("--seed", "-1", ("-1", "0 to 4294967295")),
        ("--sex", "other", ("--sex", "other", "female", "male")),
        ("--quality", "glass", ("--quality", "glass", "osteopenic")),
        ("--habitus", "tall", ("--habitus", "tall", "obese")),
        ("--dysmorphism", "odd", ("--dysmorphism", "odd", "mammillary")),
        ("--fracture", "hip", ("--fracture", "hip", "anterolateral-rim")),
    ],
)
def test_a_trait_that_cannot_be(
    tmp_path: Path, option: str, value: str, words: tuple[str, ...]
) -> None:
    said = complaint(run("patient", "new", option, value, "--out", tmp_path / "patient"))
    assert all(word in said for word in words)
    assert list(tmp_path.iterdir()) == []


def test_every_trait_is_an_option_with_the_same_choices() -> None:
    shown = " ".join(run("patient", "new", "--help").stdout.split())
    for name, kind in get_type_hints(Traits).items():
        assert f"--{name.replace('_', '-')} " in shown
        for choice in get_args(next((k for k in get_args(kind) if get_args(k)), kind)):
            assert isinstance(choice, str) and choice in shown


def test_a_folder_of_somebody_else_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    assert "no saved patient" in complaint(run("patient", "new", "--out", tmp_path))


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        (("--kvp", "130"), "60-120"),
        (("--turn", "nan"), "finite"),
        (("--collimation", "0"), "0.1 to 1.0"),
        (("--magnification", "4"), "1.0 to 3.0"),
        (("--frames", "0"), "1 to 16"),
        (("--pulse-rate", "12"), "7.5"),
        (("--view", "sideways"), "lateral"),
        (("-o", "x.jpg"), ".dcm"),
    ],
)
def test_an_xray_that_cannot_be(options: tuple[str, str], allowed: str, tmp_path: Path) -> None:
    asked = {"--view": "ap", "-o": "x.png"} | {options[0]: options[1]}
    words = [word for pair in asked.items() for word in pair]
    assert allowed in complaint(run("xray", *words, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_new_patient_is_kept_with_its_fracture(tmp_path: Path) -> None:
    out = tmp_path / "patient"
    asked = ("--fracture", "foramen", "--laterality", "left", "--sex", "male", "--age", "81")
    said = run("patient", "new", *asked, "--out", out)
    assert said.returncode == 0, said.stderr
    for words in ("male, 81 years", "left ala: foramen", "Denis zone II", "8 volumes", str(out)):
        assert words in " ".join(said.stderr.split())
    patient = load(out)
    assert list(patient.fractures) == ["left"]
    assert patient.traits == Traits(fracture="foramen", laterality="left", sex="male", age=81)
    seen = run("xray", "--patient", out, "--view", "ap", "--size", "64", "-o", tmp_path / "ap.png")
    assert seen.returncode == 0 and (tmp_path / "ap.png").is_file(), "though one side is whole"
    level = run("demo", "both-sides", "--patient", out, "--out", tmp_path / "demo")
    assert "right" in complaint(level)
    checked = json.loads(run("patient", "check", out, "--json").stdout)
    assert set(checked["deviations_sd"]) == {"male"}  # its own
    assert run("patient", "show", out, "-o", tmp_path / "page.png").returncode == 0
    assert (tmp_path / "page.png").stat().st_size > 100_000


def test_what_the_feel_carries_wants_saved_patients(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        line = complaint(run("bench", "haptics", "--feel", "1", "--people", folder))
        assert f"--people {folder}" in line and "saved patients" in line
    assert "--feel" in run("bench", "haptics", "--feel", "0").stderr


def test_what_the_feel_carries_of_a_saved_patient(embedded_case: Case, tmp_path: Path) -> None:
    save(embedded_case.patient, tmp_path / "one")
    shown = run("bench", "haptics", "--feel", "5", "--people", tmp_path, "--json")
    page = json.loads(shown.stdout)
    assert [one["course"] for one in page["courses"]] == ["cephalad", "anterior"]
    entry = page["shares"][0]
    assert (entry["what"], entry["share"], entry["met"]) == ("entry cortex found", 1.0, True)
    met = all(row["met"] is not False for row in page["shares"])
    assert shown.returncode == (0 if met else 1)
