"""The wheel carries its data files and runs away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_code_and_data_and_nothing_else(unpacked: Path) -> None:
    tops = {path.name for path in unpacked.iterdir()}
    assert {"game", "haptics"} <= tops
    assert all(name in ("game", "haptics") or name.endswith(".dist-info") for name in tops)
    assert (unpacked / "game" / "levels" / "both-sides.toml").is_file()
    assert (unpacked / "game" / "assets" / "MANIFEST.toml").is_file()


def test_installed_code_finds_its_data(unpacked: Path, tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-P", "-c", "import game; print(game.__file__); "
         "from game.cli import main; import sys; sys.argv = ['sacrosim', 'levels']; main()"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(unpacked) in shown.stdout
    assert "both-sides" in shown.stdout
