"""Every shipped data file is in the manifest with its source, its licence and its hash."""

from __future__ import annotations

import hashlib
import tomllib

from game.data import data_folder


def test_manifest_is_complete_and_true() -> None:
    folder = data_folder("assets")
    listed = tomllib.loads((folder / "MANIFEST.toml").read_text(encoding="utf-8"))["asset"]
    hashes = {}
    for entry in listed:
        assert entry["what"] and entry["source"] and entry["licence"], entry["file"]
        hashes[entry["file"]] = entry["sha256"]
    present = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "MANIFEST.toml"
    }
    assert hashes == present, "bring assets/MANIFEST.toml up to date (sha256sum assets/*)"
