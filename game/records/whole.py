"""Files that stand under their name whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A draft to write beside `path`, with the same ending. Once the block has ended it becomes
    `path`, in place of what was there; where the block raises it is gone. OSError passes on."""
    draft = path.with_name(f".part-{path.name}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
