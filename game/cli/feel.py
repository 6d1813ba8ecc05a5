"""What `bench haptics --feel N` prints: what a hand tells from the force alone, over N patients."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from game.errors import BadInput
from game.terminal import print_table, screen, working

if TYPE_CHECKING:
    from game.training.feel import Told


def feel_of_people(count: int, folder: Path | None, as_json: bool) -> bool:
    """Generates `count` patients, or reads those saved in `folder`, pushes through each and says
    what was noticed; False where a bound is not met."""
    from game.training.feel import saved_in, study, summary

    if folder is not None and not saved_in(folder):
        raise BadInput(f"--people {folder} is not a folder of saved patients (`patient new --out`)")
    if folder is not None:
        count = min(count, len(saved_in(folder)))
    found: list[Told] = []
    with working(f"pushing through {count} patients"):
        for number, some in enumerate(study(count, folder), start=1):
            found += some
            if number % 10 == 0:
                screen.print(f"{number} of {count}")
    rows = summary(found)
    if as_json:
        page = {"shares": [asdict(row) for row in rows], "courses": [asdict(one) for one in found]}
        print(json.dumps(page))
    else:
        print_table(
            ("what", "share", "of", "asked", "met"),
            [(r.what, f"{r.share:.1%}", str(r.count), r.asked,
              {None: "", True: "yes", False: "NO"}[r.met]) for r in rows],
            f"what the feel carries: {len({one.seed for one in found})} patients",
        )  # fmt: skip
    return all(row.met is not False for row in rows)
