"""The monitor's own switches: how a picture is shown, never what is on it."""

from __future__ import annotations

from dataclasses import replace

from game.fluoroscopy.display import Display

# Steps of a press, and how far each goes; project choices.
LEVEL, LEVELS = 0.15, (-1.5, 1.5)  # natural logarithms of density
WIDTH, WIDTHS = 1.25, (0.4, 2.5)  # times
EDGES = (0.0, 0.6, 1.2, 2.4)  # strengths of edge enhancement

KEYS = (
    ("I J O N", "invert, flip, rotate, average"),
    ("7 8  9 0  ;", "dark, light; contrast; edges"),
)


def switched(display: Display, key: str) -> Display:
    """The display after a key; as it was for a key that is none of its switches."""
    match key:
        case "i":
            return replace(display, invert=not display.invert)
        case "j":
            return replace(display, flip=not display.flip)
        case "o":
            return replace(display, turns=(display.turns + 1) % 4)
        case "7" | "8":
            level = display.level + (LEVEL if key == "8" else -LEVEL)
            return replace(display, level=round(min(max(level, LEVELS[0]), LEVELS[1]), 6))
        case "9" | "0":
            width = display.width * (WIDTH if key == "9" else 1.0 / WIDTH)
            return replace(display, width=round(min(max(width, WIDTHS[0]), WIDTHS[1]), 6))
        case ";":
            after = (edges for edges in EDGES if edges > display.sharpen)
            return replace(display, sharpen=next(after, EDGES[0]))
        case _:
            return display
