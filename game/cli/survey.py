"""What `bench patient --survey N` prints: templates and random people beside published figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from game.terminal import print_table, screen, working

if TYPE_CHECKING:
    from game.patient.population import Sampled, Spread


def survey_people(count: int, as_json: bool) -> None:
    """Generates both templates and `count` random people, and says how they stand."""
    from game.patient.population import people, survey
    from game.patient.traits import Traits

    templates = [Traits(template=True, sex="female"), Traits(template=True, sex="male")]
    found: list[Sampled] = []
    with working(f"measuring {count} people and two templates"):
        for one in survey([*templates, *people(count)]):
            found.append(one)
            if len(found) % 20 == 0:
                screen.print(f"{len(found)} of {count + 2}")
    if as_json:
        print(json.dumps(_page(found[:2], found[2:])))
        return
    _print_templates(found[:2])
    _print_people(found[2:])


def _page(templates: Sequence[Sampled], found: Sequence[Sampled]) -> dict[str, object]:
    from game.patient.population import path_spreads, row_spreads, sex_differences

    return {
        "templates": [asdict(one) for one in templates],
        "rows": [asdict(spread) for spread in row_spreads(found)],
        "paths": [asdict(spread) for spread in path_spreads(found)],
        "sexes": sex_differences(found),
        "euler": sorted({one.euler for one in [*templates, *found]}),
        "bodies": sorted({one.bodies for one in [*templates, *found]}),
    }


def _print_templates(templates: Sequence[Sampled]) -> None:
    from game.patient.morphometry import published

    rows = []
    for row in published():
        cells = []
        for one in templates:
            sex = one.traits.sex
            if row.id in one.rows and sex in row.mean:
                off = row.deviation(one.rows[row.id], sex)
                cells += [f"{one.rows[row.id]:.1f}", f"{off:+.2f}"]
            else:
                cells += ["", ""]
        rows.append((row.id.replace("_", " "), row.unit, *cells))
    columns = ("measure", "unit", "female template", "in SD", "male template", "in SD")
    print_table(columns, rows, "templates")
    for one in templates:
        paths = ", ".join(f"{name} {pair[0]:.1f}" for name, pair in one.paths.items())
        screen.print(f"{one.traits.sex} template: {paths} mm, Euler characteristic {one.euler}")


def _print_people(found: Sequence[Sampled]) -> None:
    from game.patient.population import CANONICAL_EULER, path_spreads, row_spreads, sex_differences

    if len(found) < 2:
        return
    rows, paths = row_spreads(found), path_spreads(found)
    columns = ("figure", "bias in SD", "SD ratio", "within 2 SD", "beyond 2.5 SD", "of")
    print_table(columns, [_cells(spread) for spread in [*paths, *rows]], f"{len(found)} people")
    far, all_rows = sum(r.far for r in rows), sum(r.count for r in rows)
    screen.print(f"rows beyond 2.5 SD: {far} of {all_rows}, {far / all_rows:.1%}")
    canonical = sum(one.euler == CANONICAL_EULER and one.bodies == 1 for one in found)
    screen.print(f"one body of Euler characteristic {CANONICAL_EULER}: {canonical} of {len(found)}")
    wrong = [name for name, (told, seen) in sex_differences(found).items() if told * seen <= 0]
    screen.print(f"sex differences against the published direction: {', '.join(wrong) or 'none'}")


def _cells(spread: Spread) -> tuple[str, ...]:
    return (
        spread.what.replace("_", " "), f"{spread.bias:+.2f}", f"{spread.ratio:.2f}",
        f"{spread.near:.0%}", str(spread.far), str(spread.count),
    )  # fmt: skip
