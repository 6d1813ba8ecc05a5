"""The flat part of the screen: hint, readings, log, keys, gauge. It shows what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import get_data_path
from panda3d.core import CardMaker, Filename, FontPool, NodePath, TextFont, TextNode

from game.scene.layout import GAUGE, HINT, KEYS, LIVE, REFERENCE, STATUS, Rect

Colour = tuple[float, float, float, float]
PANEL: Colour = (0.07, 0.09, 0.11, 1.0)
HINT_PANEL: Colour = (0.09, 0.20, 0.28, 1.0)
INK: Colour = (0.90, 0.93, 0.95, 1.0)
DIM: Colour = (0.58, 0.65, 0.70, 1.0)
GOOD: Colour = (0.45, 0.90, 0.50, 1.0)
ALARM: Colour = (1.0, 0.42, 0.36, 1.0)
WARM: Colour = (1.0, 0.80, 0.30, 1.0)
LAMP_ON: Colour = (1.0, 0.85, 0.10, 1.0)
LAMP_OFF: Colour = (0.22, 0.22, 0.20, 1.0)
FONT_PIXELS = 40


@dataclass(frozen=True)
class Readings:
    """What the flat part shows. `rows` are (text, colour) lines of the status panel, `log` (text,
    alarm) lines, newest last; `resistance` 0 to 1; `force` N; `lamp` whether X-rays are on."""

    hint: str
    rows: Sequence[tuple[str, Colour]]
    log: Sequence[tuple[str, bool]]
    live: str
    reference: str
    resistance: float
    force: float
    lamp: bool


class Hud:
    """Text and bars under `parent`, whose units are canvas units, x right and z up from the
    canvas's upper left corner (so a place (x, y) of the canvas is at (x, 0, -y))."""

    def __init__(self, parent: NodePath, font: TextFont, keys: Sequence[tuple[str, str]]) -> None:
        self._root = parent.attachNewNode("hud")
        self._font = font
        for rect, colour in ((HINT, HINT_PANEL), (STATUS, PANEL)):
            card(self._root, rect, colour)
        self._hint = self._text(HINT.left + 14, HINT.top + 26, 18, INK, wrap=HINT.width - 120)
        self._rows = [self._text(STATUS.left + 14, STATUS.top + 20 + 18 * n, 14) for n in range(7)]
        self._log = [self._text(STATUS.left + 420, STATUS.top + 22 + 21 * n, 13) for n in range(6)]
        self._live = self._text(LIVE.left + 2, LIVE.top - 9, 15)
        self._reference = self._text(REFERENCE.left + 2, REFERENCE.top - 7, 13, DIM)
        self._keys(keys)
        self._bar = _Bar(self._root)
        self._force = self._text(GAUGE.left - 22, GAUGE.bottom + 20, 15)
        self._resists = self._text(GAUGE.left - 50, GAUGE.top - 10, 13, DIM)
        self._resists.setText("resistance")
        self._lamp = card(self._root, Rect(HINT.right - 92, HINT.top + 14, 78, 34), LAMP_OFF)
        self._lamp_text = self._text(HINT.right - 80, HINT.top + 37, 15, (0.1, 0.1, 0.1, 1.0))
        self._lamp_text.setText("X-RAY")

    def show(self, readings: Readings) -> None:
        """Bring every line up to date."""
        self._hint.setText(readings.hint)
        _fill(self._rows, readings.rows)
        _fill(self._log, [(text, ALARM if alarm else DIM) for text, alarm in readings.log])
        self._live.setText(readings.live)
        self._reference.setText(readings.reference)
        self._bar.show(readings.resistance)
        self._force.setText(f"{readings.force:.0f} N")
        self._lamp.setColor(*(LAMP_ON if readings.lamp else LAMP_OFF))

    def lines(self) -> list[str]:
        """Every line as it stands on the screen."""
        nodes = (self._hint, *self._rows, *self._log, self._live, self._reference, self._force)
        return [node.getText() for node in nodes]

    def _keys(self, keys: Sequence[tuple[str, str]]) -> None:
        step = (KEYS.height - 4.0) / len(keys)
        for number, (key, does) in enumerate(keys):
            down = KEYS.top + 12.0 + step * number
            self._text(KEYS.left, down, 11.5, WARM).setText(key)
            self._text(KEYS.left + 74.0, down, 11.5, INK).setText(does)

    def _text(
        self, x: float, y: float, size: float, colour: Colour = INK, wrap: float | None = None
    ) -> TextNode:
        node = TextNode("line")
        node.setFont(self._font)
        node.setTextColor(*colour)
        if wrap is not None:
            node.setWordwrap(wrap / size)
        path = self._root.attachNewNode(node)
        path.setScale(size)
        path.setPos(x, 0.0, -y)
        return node


def font() -> TextFont:
    """The font that comes with matplotlib, for its degree signs."""
    file = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    loaded: TextFont = FontPool.loadFont(Filename.fromOsSpecific(str(file)).getFullpath())
    loaded.setPixelsPerUnit(FONT_PIXELS)
    return loaded


def card(parent: NodePath, rect: Rect, colour: Colour) -> NodePath:
    """A rectangle of one colour under a parent in canvas units."""
    maker = CardMaker("card")
    maker.setFrame(rect.left, rect.right, -rect.bottom, -rect.top)
    path = parent.attachNewNode(maker.generate())
    path.setColor(*colour)
    return path


class _Bar:
    """The resistance gauge: fills from below, green to red."""

    def __init__(self, parent: NodePath) -> None:
        card(parent, GAUGE, (0.0, 0.0, 0.0, 0.55)).setTransparency(True)
        self._fill = parent.attachNewNode("fill")
        card(self._fill, Rect(0.0, -1.0, GAUGE.width, 1.0), (1.0, 1.0, 1.0, 1.0))
        self._fill.setPos(GAUGE.left, 0.0, -GAUGE.bottom)

    def show(self, share: float) -> None:
        share = max(0.0, min(1.0, share))
        self._fill.setScale(1.0, 1.0, max(1e-3, share * GAUGE.height))
        self._fill.setColorScale(min(1.0, 2.0 * share), min(1.0, 2.0 - 2.0 * share), 0.2, 1.0)


def _fill(nodes: Sequence[TextNode], lines: Sequence[tuple[str, Colour]]) -> None:
    for number, node in enumerate(nodes):
        text, colour = lines[number] if number < len(lines) else ("", INK)
        node.setText(text)
        node.setTextColor(*colour)
