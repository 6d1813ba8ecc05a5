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
        "pathless": [one.traits.seed for one in found if not one.paths],
        "sexes": sex_differences(found),
        "euler": sorted({one.euler for one in [*templates, *found]}),
        "bodies": sorted({one.bodies for one in [*templates, *found]}),
    }


def _print_templates(templates: Sequence[Sampled]) -> None:
    from game.patient.morphometry import published
    from game.patient.population import MOST_OFF_SD

    rows, missed = [], set()
    for row in published():
        cells, holds = [], []
        for one in templates:
            sex = one.traits.sex
            if row.id in one.rows and sex in row.mean:
                off = row.deviation(one.rows[row.id], sex)
                holds.append(abs(off) <= MOST_OFF_SD)
                cells += [f"{one.rows[row.id]:.1f}", f"{off:+.2f}"]
            else:
                cells += ["", ""]
        missed |= set() if all(holds) else {row.id}
        rows.append((row.id.replace("_", " "), row.unit, *cells, _verdict(holds)))
    columns = ("measure", "unit", "female", "in SD", "male", "in SD", f"within {MOST_OFF_SD} SD")
    print_table(columns, rows, "templates")
    _print_conflicts(missed)
    for one in templates:
        paths = ", ".join(f"{name} {pair[0]:.1f}" for name, pair in one.paths.items())
        screen.print(f"{one.traits.sex} template: {paths} mm, Euler characteristic {one.euler}")


def _verdict(holds: Sequence[bool]) -> str:
    return "not measured" if not holds else "yes" if all(holds) else "NO"


def _print_conflicts(missed: set[str]) -> None:
    """Why the rows that miss their bounds do, where it is known."""
    from game.patient.procedural.shaping import CONFLICTS

    for name in sorted(missed):
        screen.print(f"{name.replace('_', ' ')}: {CONFLICTS.get(name, 'misses its bound')}")


def _print_people(found: Sequence[Sampled]) -> None:
    from game.patient.population import (
        CANONICAL_EULER,
        FAR_SD,
        LEAST_NEAR,
        MOST_FAR,
        MOST_OFF_SD,
        RATIOS,
        path_spreads,
        row_spreads,
        sex_differences,
    )

    if len(found) < 2:
        return
    rows, paths = row_spreads(found), path_spreads(found)
    columns = ("figure", "bias in SD", "SD ratio", "within 2 SD", f"beyond {FAR_SD} SD", "of",
               "holds")  # fmt: skip
    cells = [_cells(p, p.holds and p.near >= LEAST_NEAR) for p in paths]
    cells += [_cells(row, row.holds) for row in rows]
    print_table(columns, cells, f"{len(found)} people")
    screen.print(
        f"bounds: bias below {MOST_OFF_SD} SD, SD ratio {RATIOS[0]} to {RATIOS[1]}, of the paths "
        f"{LEAST_NEAR:.0%} within 2 SD"
    )
    _print_conflicts({row.what for row in rows if not row.holds})
    far, every = sum(r.far for r in rows), sum(r.count for r in rows)
    screen.print(f"rows beyond {FAR_SD} SD: {far} of {every}, {far / every:.1%} (at most "
                 f"{MOST_FAR:.0%}): {_verdict([far <= MOST_FAR * every])}")  # fmt: skip
    pathless = [str(one.traits.seed) for one in found if not one.paths]
    screen.print(f"without a long-axis path (the entry rule's midpoint lies beside the bone): "
                 f"{len(pathless)} of {len(found)}"
                 f"{'; seeds ' + ', '.join(pathless) if pathless else ''}")  # fmt: skip
    canonical = sum(one.euler == CANONICAL_EULER and one.bodies == 1 for one in found)
    screen.print(
        f"one body of Euler characteristic {CANONICAL_EULER}: {canonical} of {len(found)}: "
        f"{_verdict([canonical == len(found)])}"
    )
    differences = sex_differences(found)
    wrong = [name for name, (told, seen) in differences.items() if told * seen <= 0]
    screen.print(
        f"sex differences in the published direction: {len(differences) - len(wrong)} of "
        f"{len(differences)}{'; not ' + ', '.join(wrong) if wrong else ''}: {_verdict([not wrong])}"
    )


def _cells(spread: Spread, holds: bool) -> tuple[str, ...]:
    return (
        spread.what.replace("_", " "), f"{spread.bias:+.2f}", f"{spread.ratio:.2f}",
        f"{spread.near:.0%}", str(spread.far), str(spread.count), _verdict([holds]),
    )  # fmt: skip
