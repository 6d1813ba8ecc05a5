"""The import contracts hold, and would notice a breach."""

import shutil
import subprocess
import sys
from pathlib import Path

import game

ROOT = Path(__file__).resolve().parents[1]
LINT = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {LINT}"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def copy_of_the_code(folder: Path) -> Path:
    for name in ("game", "haptics"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_contracts_hold_and_a_planted_import_breaks_them(tmp_path: Path) -> None:
    folder = copy_of_the_code(tmp_path)
    clean = lint(folder)
    assert clean.returncode == 0, clean.stdout
    planted = folder / "game" / "simulation" / "clock.py"
    planted.write_text(planted.read_text() + "\nimport panda3d.core\n")
    broken = lint(folder)
    assert broken.returncode != 0
    assert "panda3d" in broken.stdout


def test_every_package_has_its_line_on_the_architecture_page() -> None:
    packages = {p.parent.name for p in (ROOT / "game").glob("*/__init__.py")}
    lines = [line.split() for line in (game.__doc__ or "").splitlines() if line.startswith("    ")]
    assert packages <= {words[0] for words in lines}


def test_every_level_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for level in (ROOT / "levels").glob("*.toml"):
        assert f"`{level.stem}`" in readme
