"""The parameters of the force law: those of a table, and one person's own drawn about them."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, isfinite
from typing import Any, NamedTuple

import numpy as np


class TissueLaw(NamedTuple):
    """The parameters of the law, as assets/tissue.toml names and explains them (units there)."""

    soft_diameter: float
    skin_toe: float
    skin_rate: float
    skin_puncture: float
    skin_cutting: float
    fat_toe: float
    fat_rate: float
    fat_cutting: float
    muscle_toe: float
    muscle_rate: float
    muscle_puncture: float
    muscle_cutting: float
    ligament_toe: float
    ligament_rate: float
    ligament_puncture: float
    ligament_cutting: float
    cartilage_toe: float
    cartilage_rate: float
    cartilage_puncture: float
    cartilage_cutting: float
    periosteum_puncture: float
    soft_friction: float
    density_offset: float
    density_slope: float
    density_least: float
    density_wall: float
    cancellous_strength: float
    cancellous_power: float
    cancellous_densest: float
    tip_taper: float
    bone_friction: float
    withdrawal: float
    stiction: float
    twist_speed: float
    wall_strength: float
    wall_bending: float
    wall_cutting: float
    wall_default: float
    cement_strength: float
    cement_bond: float
    bevel_soft: float
    bevel_bone: float
    open_soft: float
    open_bone: float
    bone_stiffness: float
    lateral_least: float
    lateral_soft: float
    lateral_bone: float
    lateral_yield: float


Table = Mapping[str, Mapping[str, Any]]


def law_from_table(table: Table) -> TissueLaw:
    """The law from a table of `value`, `low`, `high`, `unit`, `source` by parameter name, and where
    people differ `spread`, the standard deviation of the value's logarithm.

    Raises ValueError where a parameter is missing, unknown, without source or out of its range.
    """
    wrong = set(table) ^ set(TissueLaw._fields)
    if wrong:
        raise ValueError(f"tissue parameters missing or unknown: {', '.join(sorted(wrong))}")
    for name, row in table.items():
        value, low, high = float(row["value"]), float(row["low"]), float(row["high"])
        if not (isfinite(value) and low <= value <= high):
            raise ValueError(f"tissue parameter {name} is {value}; allowed are {low} to {high}")
        if not (row.get("unit") and row.get("source")):
            raise ValueError(f"tissue parameter {name} lacks its unit or its source")
        if not 0.0 <= float(row.get("spread", 0.0)) <= 1.0:
            raise ValueError(f"tissue parameter {name} spreads by {row['spread']}; allowed: 0 to 1")
    return TissueLaw(**{name: float(table[name]["value"]) for name in TissueLaw._fields})


def drawn_law(table: Table, seed: int) -> TissueLaw:
    """One person's own law: each value log-normal about the table's with its `spread`, drawn again
    while it is out of its range. Raises ValueError as `law_from_table`."""
    middle, rng = law_from_table(table), np.random.default_rng(seed)
    return TissueLaw(*(_drawn(table[name], value, rng) for name, value in
                       zip(TissueLaw._fields, middle, strict=True)))  # fmt: skip


def _drawn(row: Mapping[str, Any], value: float, rng: np.random.Generator) -> float:
    spread = float(row.get("spread", 0.0))
    while True:
        own = value * exp(spread * rng.standard_normal())
        if spread == 0.0 or float(row["low"]) <= own <= float(row["high"]):
            return own
