"""The names of the scorecard: phases, items, and the walls of the sacrum as events write them."""

from __future__ import annotations

from typing import Literal, get_args

from game.patient.patient import SIDES, Side

Phase = Literal["views", "entry", "path", "cement", "conduct"]
PHASES: tuple[Phase, ...] = get_args(Phase)

ItemId = Literal[
    "view-oblique", "view-ap", "view-lateral",
    "marked-entry", "skin-entry", "bony-entry", "extra-punctures",
    "tip-to-target", "angle", "clearance-cortex", "clearance-nerve", "in-bone", "breaches",
    "advance-pictures", "advance-steps", "tip-confirmed", "placed-before-mixing",
    "aliquot-views", "frontal-first", "aliquot-size", "volume", "volume-total", "coverage",
    "column", "leaked", "nerve-leak", "after-leak", "stop-short", "working-window",
    "stylet-back", "hands-out",
]  # fmt: skip
_SPOKEN = {
    "canal": "sacral canal", "disc": "L5/S1 disc", "cephalad": "space above the ala",
    "presacral": "presacral space", "dorsal": "muscle behind", "lateral": "tissue beside",
}  # fmt: skip
ITEM_IDS: tuple[ItemId, ...] = get_args(ItemId)


_WAYS = {
    "fracture_gap": "fracture gap", "breach": "hole made by a cannula", "foramina": "foramina",
    "canal": "sacral canal", "si_joint": "SI joint", "disc": "L5/S1 disc", "veins": "veins",
    "cortex": "thin cortex",
}  # fmt: skip


def way_out(name: str) -> str:
    """An exit in words, as the trace has it: `fracture_gap` is the `fracture gap`."""
    return _WAYS.get(name, name.replace("_", " "))


def wall_name(wall: str) -> str:
    """A wall as compared here: `FORAMEN_S1_LEFT`, `foramen-s1-left` are both `foramen_s1_left`."""
    return wall.strip().lower().replace("-", "_").replace(" ", "_")


def is_nerve(wall: str) -> bool:
    """Whether a root or the sac lies behind this wall: the foramina and the canal."""
    return wall_name(wall) == "canal" or wall_name(wall).startswith("foramen")


def is_cortex(wall: str, side: Side) -> bool:
    """Whether a cannula on `side` keeps the cortical clearance to this wall: anterior, cephalad
    and its own SI joint."""
    return wall_name(wall) in ("presacral", "cephalad", f"si_joint_{side}")


def spoken(wall: str) -> str:
    """A wall or region in words: `foramen_s1_left` is the `left S1 foramen`."""
    name = wall_name(wall)
    parts = name.split("_")
    if parts[-1] in SIDES and parts[0] == "foramen" and len(parts) == 3:
        return f"{parts[2]} {parts[1].upper()} foramen"
    if parts[-1] in SIDES and name.startswith("si_joint"):
        return f"{parts[-1]} SI joint"
    return _SPOKEN.get(name, name.replace("_", " "))
