"""A sitting in the lines, bars and lamps of the screen. Pure."""

from __future__ import annotations

from textwrap import wrap

from game.scene.hud import ALARM, DIM, GOOD, INK, WARM, Colour, Readings
from game.scene.monitors import Shown
from game.scene.sitting import LOG_LINES, Sitting
from game.scene.words import (
    NAMES,
    SHORT,
    aim_words,
    angles_words,
    cannula_words,
    cement_words,
    minutes,
    syringe_words,
    view_words,
)
from game.simulation.clock import UNITS_PER_SECOND, seconds
from game.simulation.placing import bony_depth
from game.simulation.state import State

HALF_GAUGE_N = 40.0  # fills half the gauge, so that muscle and cortex both show: a project choice
LOG_WIDTH = 52  # letters that fit beside the readings
LAMP_UNITS = UNITS_PER_SECOND // 4  # the lamp glows a quarter of a second after a pulse


def readings(sitting: Sitting, live: Shown | None, reference: Shown | None) -> Readings:
    """Everything the flat part of the screen shows of a sitting."""
    state = sitting.state
    felt = max(abs(sitting.force), state.injector.load_n)
    return Readings(
        hint=sitting.hint,
        rows=_rows(sitting),
        log=_log(sitting),
        live=_live(state, live),
        reference="Reference (Z keeps)" if reference is None else _kept(reference),
        resistance=felt / (felt + HALF_GAUGE_N),
        force=felt,
        lamp=_lamp(state),
    )


def _log(sitting: Sitting) -> list[tuple[str, bool]]:
    """The newest lines, long ones broken into several rows."""
    rows: list[tuple[str, bool]] = []
    for line in sitting.log:
        text = f"{minutes(seconds(line.time))}  {line.text}"
        rows += [(part, line.alarm) for part in wrap(text, LOG_WIDTH, subsequent_indent=" " * 8)]
    return rows[-LOG_LINES:]


def _rows(sitting: Sitting) -> list[tuple[str, Colour]]:
    state, side = sitting.state, sitting.desk.side
    view, true = view_words(state.carm.pose, sitting.case.patient.anatomy)
    moving = "  (moving)" if state.carm.moving else ""
    return [
        (f"C-arm {angles_words(state.carm.pose)}{moving}", INK),
        (f"nearest view: {view}", GOOD if true else WARM),
        (f"{side.upper()} cannula {_where(sitting)}", INK),
        _hand(sitting),
        (cement_words(state), _cement_colour(state)),
        (syringe_words(state, sitting.desk.syringe), INK),
        (_clock(sitting), DIM),
    ]


def _where(sitting: Sitting) -> str:
    cannula = sitting.state.cannulas[sitting.desk.side]
    depth = f", {bony_depth(cannula):.1f} mm deep" if cannula.stage == "bone" else ""
    return cannula_words(cannula) + depth


def _hand(sitting: Sitting) -> tuple[str, Colour]:
    state, side = sitting.state, sitting.desk.side
    cannula = state.cannulas[side]
    if cannula.stage in ("tray", "removed"):
        return "hand free", DIM
    held = "in hand" if sitting.desk.hand_on else "hands off"
    return f"{held}, aims {aim_words(cannula.direction)}", INK


def _cement_colour(state: State) -> Colour:
    return ALARM if state.leaking else INK


def _clock(sitting: Sitting) -> str:
    state, scale = sitting.state, sitting.pacer.scale
    speed = "" if 0.93 < scale < 1.07 else f" (time x{scale:.1f})"
    shots = state.tube.shots
    screening = f"{state.tube.fluoroscopy_s:.0f} s fluoroscopy"
    return f"time {minutes(seconds(state.time))}{speed}   {shots} pictures, {screening}"


def _live(state: State, live: Shown | None) -> str:
    if live is None:
        return "The picture is being made" if state.tube.pulses else "No picture yet"
    fresh = "LIVE" if state.tube.pedal else "last image held"
    return f"{fresh}: {_held(live)}"


def _held(shown: Shown) -> str:
    taken = minutes(seconds(shown.state.tube.last_exposure))
    pose = shown.pose
    return f"{NAMES[shown.state.picture_view]}, {angles_words(pose)}, {taken}"


def _kept(shown: Shown) -> str:
    return f"{SHORT[shown.state.picture_view]}  {angles_words(shown.pose)}"


def _lamp(state: State) -> bool:
    last = state.tube.last_exposure
    return state.tube.pedal or (last >= 0 and state.time - last < LAMP_UNITS)
