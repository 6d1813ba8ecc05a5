"""What a person at a terminal sees: progress and messages on stderr, tables on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

screen = Console(stderr=True, highlight=False)


@contextmanager
def working(what: str) -> Iterator[Callable[[float], None]]:
    """Progress on stderr, and a line when it is done; the caller may tell it how many simulated
    seconds have passed."""
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    began = perf_counter()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def said(seconds: float) -> None:
            minutes = f"{int(seconds // 60)}:{int(seconds % 60):02d} simulated"
            bar.update(task, description=f"{what}, {minutes}")

        yield said
    screen.print(f"{what}: {perf_counter() - began:.1f} s")


def print_table(
    columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], title: str | None = None
) -> None:
    """A table on stdout."""
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
