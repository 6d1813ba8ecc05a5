"""A file stands under its name whole or not at all, and nothing else is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from game.cli.cases import written
from game.errors import BadInput
from game.records.whole import whole


def test_a_file_is_there_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    path.write_text("before")
    with whole(path) as draft:
        assert draft.suffix == path.suffix and draft.parent == path.parent
        draft.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "one.npz"
    path.write_text("before")
    with pytest.raises(type(error)), whole(path) as draft:
        draft.write_text("half")
        raise error
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    out = tmp_path / "new" / "ap.png"
    line = r"-o .*ap\.png: cannot be written \(No space left"
    with pytest.raises(BadInput, match=line), written(out) as draft:
        draft.write_text("half")
        raise OSError(28, "No space left on device")
    assert not list(out.parent.iterdir())
