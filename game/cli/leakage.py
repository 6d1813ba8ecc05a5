"""What `bench cement --leaks N` prints: how often cement leaks, beside what was published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from game.errors import BadInput
from game.terminal import print_table, screen, working

if TYPE_CHECKING:
    from game.training.leak_rates import Rate, Risk
    from game.training.leakage import Person, Treat

PATIENT_MB = 160  # of one kept patient


def leak_study(
    count: int,
    keep: Path | None,
    people: Path | None,
    against: Sequence[str],
    direct: bool,
    as_json: bool,
) -> bool:
    """The expert on `count` drawn patients, or on those saved in `people`; what is done is kept in
    `keep`, so that a stopped study goes on. `against` names products to be compared with the usual
    one, and with each other, on the same patients; `direct` gives the columns without the room.
    False where a published range is missed."""
    from game.patient.store import cache_folder
    from game.simulation.cement.products import USUAL, products
    from game.training.columns import columns
    from game.training.feel import saved_in
    from game.training.leak_rates import compared, rates
    from game.training.leakage import procedure

    for name in against:
        if name not in products():
            raise BadInput(f"--against {name}; there are {', '.join(sorted(products()))}")
    if people is not None and not saved_in(people):
        raise BadInput(f"--people {people} is not a folder of saved patients (`patient new --out`)")
    if people is not None:
        count = min(count, len(saved_in(people)))
    keep = keep or cache_folder() / "leaks"
    made = "" if people else f", patients of {PATIENT_MB} MB each too"
    screen.print(f"results are kept in {keep}{made}")
    treat = columns if direct else procedure
    found = {
        name: _run(count, keep, treat, name, people) for name in dict.fromkeys((USUAL, *against))
    }
    rows, pairs = {name: rates(done) for name, done in found.items()}, compared(found)
    if as_json:
        print(json.dumps(_page(found, rows, pairs)))
    else:
        for name in found:
            _print(found[name], rows[name], f"with {name}", judged=name == USUAL)
        for (thick, thin), risks in pairs.items():
            _print_risks(risks, f"{thick} beside {thin}")
    return all(row.inside for row in rows[USUAL]) and all(
        risk.inside for risks in pairs.values() for risk in risks
    )


def _run(count: int, keep: Path, treat: Treat, product: str, people: Path | None) -> list[Person]:
    from game.training.leakage import study

    found: list[Person] = []
    with working(f"the expert on {count} patients with {product}"):
        for one in study(count, keep, treat, product, people=people):
            found.append(one)
            if len(found) % 10 == 0:
                screen.print(f"{len(found)} of {count} with {product}")
    return sorted(found, key=lambda one: one.seed)


def _page(
    found: Mapping[str, Sequence[Person]],
    rows: Mapping[str, Sequence[Rate]],
    pairs: Mapping[tuple[str, str], Sequence[Risk]],
) -> dict[str, object]:
    return {
        name: {
            "people": [asdict(one) for one in found[name]],
            "rates": [asdict(row) | {"inside": row.inside} for row in rows[name]],
        }
        for name in found
    } | {
        f"{thick} beside {thin}": [
            asdict(row) | {"ratio": row.ratio, "interval": row.interval, "inside": row.inside}
            for row in risks
        ]
        for (thick, thin), risks in pairs.items()
    }


def _print_risks(risks: Sequence[Risk], title: str) -> None:
    cells = [
        (
            row.route.replace("_", " "),
            f"{row.thick} and {row.thin} of {row.of}",
            f"{row.ratio:.2f}",
            "{:.2f}-{:.2f}".format(*row.interval),
            "" if row.published is None else "{:g}-{:g}".format(*row.published),
            "" if row.published is None else ("yes" if row.inside else "NO"),
        )
        for row in risks
    ]
    columns = ("route", "sacroplasties", "relative risk", "95 %", "published", "inside")
    print_table(columns, cells, title)


def _print(found: Sequence[Person], rows: Sequence[Rate], title: str, judged: bool) -> None:
    """What leaked with one product; the published series were treated with the usual kind, so that
    no other is `judged` by them."""
    sides = sum(len(one.sides) for one in found)
    cells = [
        (
            row.route.replace("_", " "),
            f"{row.count} of {row.of}",
            f"{row.per_cent:.1f}",
            f"{row.low:.1f}-{row.high:.1f}",
            "" if row.published is None else "{:g} ({:g}-{:g})".format(*row.published),
            "" if row.published is None or not judged else ("yes" if row.inside else "NO"),
        )
        for row in rows
    ]
    columns = ("route", "sacroplasties", "%", "95 %", "published % (95 %)", "inside")
    print_table(columns, cells, f"{sides} sacroplasties of {len(found)} patients {title}")
    refused = sum(len(one.refused) for one in found)
    screen.print(f"left out, as the long-axis path does not serve them: {refused}")
