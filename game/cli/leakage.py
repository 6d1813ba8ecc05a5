"""What `bench cement --leaks N` prints: how often cement leaks, beside what was published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from game.errors import BadInput
from game.terminal import print_table, screen, working

if TYPE_CHECKING:
    from game.training.leakage import Person, Rate, Treat

PATIENT_MB = 160  # of one kept patient


def leak_study(
    count: int, keep: Path | None, against: str | None, direct: bool, as_json: bool
) -> None:
    """The expert on `count` drawn patients, kept in `keep` so that a stopped study goes on;
    `against` names a product to be compared with the usual one on the same patients; `direct`
    gives the columns without the room."""
    from game.patient.store import cache_folder
    from game.simulation.cement.products import USUAL, products
    from game.training.columns import columns
    from game.training.leakage import procedure, rates

    if against is not None and against not in products():
        raise BadInput(f"--against {against}; there are {', '.join(sorted(products()))}")
    keep = keep or cache_folder() / "leaks"
    screen.print(f"patients and results are kept in {keep}, {PATIENT_MB} MB each")
    treat = columns if direct else procedure
    found = _run(count, keep, treat, USUAL)
    other = _run(count, keep, treat, against) if against else None
    rows = rates(found)
    if as_json:
        print(json.dumps(_page(found, rows, other)))
        return
    _print(found, rows)
    if other is not None:
        _print(other, rates(other), f"with {against}")
        screen.print(f"relative risk of any leak with {against}: {_risk(other, found)}")


def _run(count: int, keep: Path, treat: Treat, product: str) -> list[Person]:
    from game.training.leakage import study

    found: list[Person] = []
    with working(f"the expert on {count} drawn patients"):
        for one in study(count, keep, treat, product):
            found.append(one)
            if len(found) % 10 == 0:
                screen.print(f"{len(found)} of {count}")
    return sorted(found, key=lambda one: one.seed)


def _page(
    found: Sequence[Person], rows: Sequence[Rate], other: Sequence[Person] | None
) -> dict[str, object]:
    from game.training.leakage import relative_risk

    return {
        "people": [asdict(one) for one in found],
        "rates": [asdict(row) | {"inside": row.inside} for row in rows],
        "relative_risk": None if other is None else relative_risk(other, found),
    }


def _risk(thick: Sequence[Person], thin: Sequence[Person]) -> str:
    from game.training.leakage import relative_risk

    return f"{relative_risk(thick, thin):.2f} (published 0.3-0.6 for higher viscosity)"


def _print(found: Sequence[Person], rows: Sequence[Rate], title: str = "") -> None:
    sides = sum(len(one.sides) for one in found)
    cells = [
        (
            row.route.replace("_", " "),
            f"{row.count} of {row.of}",
            f"{row.per_cent:.1f}",
            f"{row.low:.1f}-{row.high:.1f}",
            "" if row.published is None else "{:g} ({:g}-{:g})".format(*row.published),
            "" if row.published is None else ("yes" if row.inside else "NO"),
        )
        for row in rows
    ]
    columns = ("route", "sacroplasties", "%", "95 %", "published % (95 %)", "inside")
    print_table(columns, cells, f"{sides} sacroplasties of {len(found)} patients {title}".strip())
    refused = sum(len(one.refused) for one in found)
    screen.print(f"left out, as the long-axis path does not serve them: {refused}")
