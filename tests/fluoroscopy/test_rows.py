"""The picture by rows: as the plain chain bit for bit, on one core and on several."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import plain_picture as plain
import pytest
from test_picture import AP, lead_case

from game.devices.cannula import Cannula
from game.devices.tube import OPEN, Field
from game.fluoroscopy import rows
from game.fluoroscopy.areas import AreaDensities
from game.fluoroscopy.detector import PANEL, Detector, detected
from game.fluoroscopy.display import MONITOR, Display, marked, shown
from game.fluoroscopy.render import render
from game.fluoroscopy.rows import BAND, over_rows
from game.fluoroscopy.spectrum import transmitted, unattenuated

KVP, MAS, SEED = 85.0, 3.0, (4, 101)


def grams(size: int) -> AreaDensities:
    """Something of every material, fine and broad, with a bright edge and a black spot."""
    random = np.random.default_rng(5)
    values = random.random((5, size, size), dtype=np.float32)
    values *= np.array([2.0, 18.0, 4.0, 0.05, 0.3], np.float32)[:, None, None]
    values[:, :, : size // 10] = 0.0
    values[3, size // 2 : size // 2 + 9, size // 3 : size // 2] = 20.0
    return AreaDensities(values)


@pytest.mark.parametrize("size", [512, 200, 65])
@pytest.mark.parametrize(
    ("beam", "panel", "look"),
    [
        (OPEN, PANEL, MONITOR),
        (Field(collimation=0.6), Detector(grid=False, frames=4), replace(MONITOR, invert=True)),
    ],
)
def test_rows_equal_the_plain_chain(size: int, beam: Field, panel: Detector, look: Display) -> None:
    areas, pixel = grams(size), 298.0 / size
    mean, variance = transmitted(areas, KVP, MAS)
    given = mean, variance, areas.water, pixel, KVP, SEED, panel, beam
    signal = detected(*given)
    assert np.array_equal(signal, plain.detected(*given))
    full = panel.primary * unattenuated(KVP, MAS)
    pixels = shown(signal, full, pixel, look, beam.collimation)
    assert np.array_equal(pixels, plain.shown(signal, full, pixel, look, beam.collimation))
    assert len(np.unique(pixels)) > 50
    for letters in (("L", "R"), ("A", "P"), ("H", "F")):
        assert np.array_equal(marked(pixels, letters), plain.marked(pixels, letters))


def scene() -> tuple[Any, Any, Any]:
    """A case, a state with a cannula in and a hand on it, a projector."""
    case, state, projector = lead_case((25.0, 0.0, 0.0), AP)
    cannula = Cannula(stage="bone", tip=(0.0, 0.0, 0.0), direction=(0.0, -0.6, 0.8), stylet=False)
    state.cannulas, state.gripped = {"left": cannula}, "left"
    state.operator = SimpleNamespace(side="left")
    return case, state, projector


def test_one_core_and_many_make_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(rows, "CORES", cores)
        made.append(render(*scene(), size=512).pixels)
    assert np.array_equal(made[0], made[1]) and np.array_equal(made[0], made[2])


@pytest.mark.parametrize("height", [0, 1, BAND, BAND + 1, 512])
@pytest.mark.parametrize("cores", [1, 2, 3])
def test_every_row_is_worked_once(height: int, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CORES", cores)
    times = np.zeros(height, int)

    def work(begin: int, end: int) -> None:
        assert begin % BAND == 0 and 0 < end - begin <= BAND
        times[begin:end] += 1

    over_rows(work, height)
    assert (times == 1).all()


def test_what_fails_in_a_band_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CORES", 2)

    def work(begin: int, _: int) -> None:
        if begin == 2 * BAND:
            raise RuntimeError("third band")

    for _ in range(20):
        with pytest.raises(RuntimeError, match="third band"):
            over_rows(work, 8 * BAND)


def test_helpers_that_never_come_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that was forked, whose threads are not there."""
    jobs = []

    class Absent:
        def submit(self, job: Any) -> Any:
            jobs.append(job)
            return SimpleNamespace(cancel=lambda: True)

    monkeypatch.setattr(rows, "CORES", 2)
    monkeypatch.setattr(rows, "_helpers", Absent())
    done: list[int] = []
    over_rows(lambda begin, _: done.append(begin), 4 * BAND)
    assert done == [0, BAND, 2 * BAND, 3 * BAND] and len(jobs) == 1
