"""Where everything is in the window: a canvas of 1280 x 720 units, scaled to fit any window.

Pure, and shared by what draws, what reads the mouse, and whoever has to know where to click.
Canvas coordinates run right and down from the canvas's upper left corner.
"""

from __future__ import annotations

from dataclasses import dataclass

CANVAS = (1280.0, 720.0)


@dataclass(frozen=True)
class Rect:
    """A rectangle in canvas units."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def holds(self, x: float, y: float) -> bool:
        """Whether a place of the canvas lies in it."""
        return self.left <= x < self.right and self.top <= y < self.bottom

    def share(self, x: float, y: float) -> tuple[float, float]:
        """A place as fractions of width and height, (0, 0) at the upper left."""
        return (x - self.left) / self.width, (y - self.top) / self.height

    def place(self, across: float, down: float) -> tuple[float, float]:
        """The place at these fractions of width and height: `share` turned round."""
        return self.left + across * self.width, self.top + down * self.height


STAGE = Rect(0.0, 64.0, 800.0, 520.0)  # the room in 3D
HINT = Rect(0.0, 0.0, 800.0, 64.0)  # what comes next
STATUS = Rect(0.0, 584.0, 800.0, 136.0)  # readings and what happened
LIVE = Rect(808.0, 28.0, 464.0, 464.0)  # the live picture, or the last one held
REFERENCE = Rect(808.0, 516.0, 200.0, 200.0)  # the picture kept for reference
KEYS = Rect(1016.0, 500.0, 264.0, 220.0)  # what every key does
OVERVIEW = Rect(8.0, 412.0, 236.0, 164.0)  # the whole room, on the stage's lower left corner
GAUGE = Rect(770.0, 104.0, 18.0, 360.0)  # resistance, on the stage's right edge


@dataclass(frozen=True)
class Window:
    """A window's size in pixels."""

    width: int
    height: int

    @property
    def scale(self) -> float:
        """Pixels per canvas unit; the canvas keeps its shape and is centred."""
        return min(self.width / CANVAS[0], self.height / CANVAS[1])

    @property
    def margin(self) -> tuple[float, float]:
        """Pixels left free at the left and at the top."""
        return (
            (self.width - CANVAS[0] * self.scale) / 2.0,
            (self.height - CANVAS[1] * self.scale) / 2.0,
        )

    def canvas_from_pixel(self, x: float, y: float) -> tuple[float, float]:
        left, top = self.margin
        return (x - left) / self.scale, (y - top) / self.scale

    def pixel_from_canvas(self, x: float, y: float) -> tuple[float, float]:
        left, top = self.margin
        return x * self.scale + left, y * self.scale + top

    def fractions(self, rect: Rect) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of a rectangle as fractions of the window, bottom up."""
        left, top = self.pixel_from_canvas(rect.left, rect.top)
        right, bottom = self.pixel_from_canvas(rect.right, rect.bottom)
        return (
            left / self.width,
            right / self.width,
            1.0 - bottom / self.height,
            1.0 - top / self.height,
        )
