"""Hands without a device: a scripted one that carries out a push, and the mouse's.

Both have the dynamics of a hand along one line: m a = K (intent - s) - b v - F, with the tissue's
axial force F fed back every servo tick and the hand's own force K (intent - s) never above a
limit. m and K are a relaxed hand's (facts/haptics.md, unverified) times BRACED: a clinician who
leans on a bone cannula pushes 400-600 N, with arm and trunk behind the hand; b is higher, for the
fingers that brace the shaft against the skin. So cortex takes time (the intent runs ahead of the
hand until the force is there) and gives way with a lurch, which ends when the hand notices: its
own force is never more than `SURPLUS` times its drag above what it felt one reaction time ago.

Both may turn the shaft while they push, and strike it with a mallet: then they go along with it.

The scripted hand moves its intent at a set speed until the tip (not the hand) is where it shall
be, and lets go. The mouse's hand moves it by wheel clicks, and what is not pushed on with more
clicks fades: a wall needs effort, not one click.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haptics.device import Vector
from haptics.insertion import BREACHED, PUNCTURED
from haptics.law import TissueLaw
from haptics.memory import FREE, IN_BONE, PIVOT, SOFT, STAGE, TAPPED, TIP
from haptics.servo import (
    POSE,
    ROW,
    ROW_AXIAL,
    ROW_BROKEN,
    ROW_EVENTS,
    ROW_STAGE,
    TAP,
    TICK_S,
    TURN,
    tick,
)
from haptics.tissue import Instrument, TissueField

BRACED = 300.0  # arm and trunk against a relaxed hand; a project choice
MASS = BRACED * 0.1e-3  # N s2/mm: 0.1 kg, facts/haptics.md
DAMPING = 5.0  # N s/mm, three times 300 x 5 N s/m for the bracing fingers; a project choice
STIFFNESS = BRACED * 0.1  # N/mm: 100 N/m, same
PUSH_LIMIT_N = 600.0  # a bone biopsy takes 400-600 N, facts/haptics.md
REACTION_S = 0.03  # s, a trained hand's reflex; a project choice
MOUSE_REACTION_S = 0.1  # s; a project choice
SURPLUS = 1.5  # times the drag at the speed that is wanted; a project choice
SURPLUS_N = 5.0  # N at least; a project choice
REACHED_MM = 0.005  # the tip is where it shall be; a project choice
SLOWING = 10.0  # 1/s: the last millimetre is approached in proportion to what is left
CREEP = 0.2  # mm/s: the least speed of approach
TURNING = 6.0  # rad/s: a wrist that turns to and fro by 60 degrees, 1.5 times a second; a choice
TAP_MJ = 60.0  # of a light tap: a mallet of 0.1 kg at 1.1 m/s; a project choice
CLICK_MM = 1.0  # intent of one wheel click; a project choice
CLICK_SPEED = 10.0  # mm/s, as fast as clicks turn into intent; a project choice
HALF_N = 40.0  # fills half of a gauge, so that muscle and cortex both show; a project choice
HALF_MW = 100.0  # N mm/s that sound half as loud as can be: 30 N at 3 mm/s; a project choice
FADE_S = 2.0  # s in which an intent that is not renewed falls to 1/e; a project choice

# Places in a hand's kernel state: position and speed along the line, intent, clicks still to come
S, V, INTENT, WAITING, ARRIVED, AXIAL, FELT = 0, 1, 2, 3, 4, 5, 6


class Touch(NamedTuple):
    """What some ticks were like, each 0 to 1: how hard the tissue `resists`, how loud a sliding tip
    `scrapes`, how hard something `cracks` as it gives way."""

    resists: float
    scrapes: float
    cracks: float


SILENT = Touch(0.0, 0.0, 0.0)


def touch_of(rows: NDArray[np.float64]) -> Touch:
    """What servo rows (n, ROW) were like, for a gauge, a sound and a rumble. Resistance is monotone
    in the mean force, half at HALF_N; scraping in the power that the tip spends, half at HALF_MW;
    a crack in the force at which a wall gave way. SILENT for no rows."""
    if not len(rows):
        return SILENT
    went = np.linalg.norm(np.diff(rows[:, :3], axis=0), axis=1)
    power = float(np.sum(went * np.abs(rows[1:, ROW_AXIAL]))) / (len(rows) * TICK_S)
    gave = (rows[:, ROW_EVENTS].astype(int) & (PUNCTURED | BREACHED)) != 0
    return Touch(
        _share(abs(float(rows[:, ROW_AXIAL].mean())), HALF_N),
        _share(power, HALF_MW) if rows[-1, ROW_STAGE] >= SOFT else 0.0,
        _share(float(rows[gave, ROW_BROKEN].max()), HALF_N) if gave.any() else 0.0,
    )


def rumble_of(touch: Touch) -> tuple[float, float]:
    """How hard a gamepad's strong and its weak motor shall run, 0 to 1: a crack kicks, resistance
    hums, louder while the tip scrapes on. A pad cannot push back."""
    return touch.cracks, 0.5 * touch.resists + 0.5 * touch.scrapes


def _share(value: float, half: float) -> float:
    return value / (value + half)


@dataclass(frozen=True)
class HandState:
    """A hand on a line: `origin` and unit `direction`, LPS mm; position `s`, mm, and speed, mm/s,
    along it; `intent` where it wants to be, mm; `waiting` wheel movement not yet made, mm; whether
    a scripted push has `arrived`; `axial` the last force on it, `felt` what it is aware of, N."""

    origin: Vector
    direction: Vector
    s: float = 0.0
    speed: float = 0.0
    intent: float = 0.0
    waiting: float = 0.0
    arrived: bool = True
    axial: float = 0.0
    felt: float = 0.0

    @property
    def resistance(self) -> float:
        """How much of the hand's strength the tissue takes, 0 to 1: for a gauge."""
        return min(1.0, abs(self.axial) / PUSH_LIMIT_N)


@dataclass(frozen=True)
class Push:
    """Bring the tip to `goal` mm along the hand's line, `inward` or back, at `speed` mm/s outside
    bone and `bone_speed` in it, with up to `limit` N, `turning` the shaft meanwhile, rad/s. A tip
    that lurches past it stays there."""

    goal: float
    speed: float
    bone_speed: float
    inward: bool = True
    limit: float = PUSH_LIMIT_N
    turning: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.goal) and self.speed > 0 and self.bone_speed > 0):
            raise ValueError(f"a push to {self.goal} mm at {self.speed}, {self.bone_speed} mm/s")
        if not 0 < self.limit <= PUSH_LIMIT_N:
            raise ValueError(f"a push with {self.limit} N; allowed is up to {PUSH_LIMIT_N} N")
        if not (np.isfinite(self.turning) and self.turning >= 0):
            raise ValueError(f"a push that turns by {self.turning} rad/s; allowed is 0 and more")


def at_rest(origin: Vector, direction: Vector) -> HandState:
    """A hand that holds the tip still at `origin`; `direction` is made unit (ValueError for 0)."""
    vector = np.asarray(direction, np.float64)
    norm = float(np.sqrt(vector @ vector))
    if not (np.isfinite(norm) and norm > 0 and np.isfinite(origin).all()):
        raise ValueError(f"a hand at {origin} pointing along {direction}")
    u = vector / norm
    x, y, z = (float(value) for value in origin)
    return HandState((x, y, z), (float(u[0]), float(u[1]), float(u[2])))


def scripted_ticks(
    field: TissueField,
    law: TissueLaw,
    tool: Instrument,
    memory: NDArray[np.float64],
    hand: HandState,
    push: Push,
    count: int,
) -> tuple[NDArray[np.float64], HandState, NDArray[np.float64]]:
    """`count` servo ticks of a scripted push: memory, hand and rows (count, ROW) after them."""
    way = 1.0 if push.inward else -1.0
    turning = 0.0 if hand.arrived else push.turning
    command = np.array([push.goal, push.speed, push.bone_speed, push.limit, way, turning])
    return _run(_scripted, field, law, tool, memory, hand, command, count)


def mouse_ticks(
    field: TissueField,
    law: TissueLaw,
    tool: Instrument,
    memory: NDArray[np.float64],
    hand: HandState,
    clicks: float,
    count: int,
    turning: float = 0.0,
    tap: float = 0.0,
) -> tuple[NDArray[np.float64], HandState, NDArray[np.float64]]:
    """`count` servo ticks of a mouse's hand that got `clicks` of its wheel (forward positive),
    turns the shaft by `turning` rad/s and strikes it in the first of them with `tap` mJ."""
    hand = replace(hand, waiting=hand.waiting + CLICK_MM * clicks)
    command = np.array([PUSH_LIMIT_N, turning, tap])
    return _run(_moused, field, law, tool, memory, hand, command, count)


def reaimed(hand: HandState, memory: NDArray[np.float64], aim: Vector) -> HandState:
    """The hand after its angles were changed: free outside the body; in soft tissue it turns about
    the skin entry; in bone it is unchanged, because the shaft follows its track."""
    if memory[STAGE] == IN_BONE:
        return hand
    if memory[STAGE] < SOFT:
        turned = at_rest(hand.origin, aim)
        return replace(hand, direction=turned.direction)
    pivot = memory[PIVOT : PIVOT + 3]
    shift = float((np.array(hand.origin) - pivot) @ np.array(hand.direction))
    return replace(
        hand,
        origin=at_rest((float(pivot[0]), float(pivot[1]), float(pivot[2])), aim).origin,
        direction=at_rest(hand.origin, aim).direction,
        s=hand.s + shift,
        intent=hand.intent + shift,
    )


def _run(  # type: ignore[no-untyped-def]
    kernel,
    field: TissueField,
    law: TissueLaw,
    tool: Instrument,
    memory: NDArray[np.float64],
    hand: HandState,
    command: NDArray[np.float64],
    count: int,
) -> tuple[NDArray[np.float64], HandState, NDArray[np.float64]]:
    line = np.array(hand.origin + hand.direction)
    state = np.array(
        (hand.s, hand.speed, hand.intent, hand.waiting, hand.arrived, hand.axial, hand.felt),
        np.float64,
    )
    after, rows = memory.copy(), np.empty((count, ROW))
    kernel(field, law, tool, after, line, state, command, rows)
    after.flags.writeable = False
    s, speed, intent, waiting, arrived, axial, felt = state.tolist()
    moved = HandState(
        hand.origin, hand.direction, s, speed, intent, waiting, arrived > 0.0, axial, felt
    )
    return after, moved, rows


@njit(nogil=True, cache=True)
def _move(state, limit, speed, reaction):  # type: ignore[no-untyped-def]
    """One tick of the hand's own dynamics, symplectic Euler; an intent that asks for more force
    than the hand gives is brought back to what it gives."""
    state[FELT] += (state[AXIAL] - state[FELT]) * TICK_S / reaction
    most = min(limit, abs(state[FELT]) + max(SURPLUS_N, SURPLUS * DAMPING * speed))
    own = min(most, max(-most, STIFFNESS * (state[INTENT] - state[S])))
    state[INTENT] = state[S] + own / STIFFNESS
    state[V] += (own - DAMPING * state[V] - state[AXIAL]) / MASS * TICK_S
    state[S] += state[V] * TICK_S


@njit(nogil=True, cache=True)
def _feel(field, law, tool, m, line, state, pose, row):  # type: ignore[no-untyped-def]
    for axis in range(3):
        pose[axis] = line[axis] + state[S] * line[3 + axis]
        pose[3 + axis] = line[3 + axis]
    tick(field, law, tool, m, pose, row)
    state[S] += m[TAPPED]
    state[INTENT] += m[TAPPED]
    state[AXIAL] = row[ROW_AXIAL]


@njit(nogil=True, cache=True)
def _tip_along(m, line):  # type: ignore[no-untyped-def]
    along = 0.0
    for axis in range(3):
        along += (m[TIP + axis] - line[axis]) * line[3 + axis]
    return along


@njit(nogil=True, cache=True)
def _scripted(field, law, tool, m, line, state, command, rows):  # type: ignore[no-untyped-def]
    goal, speed, bone_speed, limit, way, turning = command
    pose = np.zeros(POSE)
    pose[TURN] = turning
    for n in range(len(rows)):
        left = way * (goal - (state[S] if m[STAGE] == FREE else _tip_along(m, line)))
        most = bone_speed if m[STAGE] == IN_BONE else speed
        if left <= REACHED_MM:
            state[ARRIVED] = 1.0
        if state[ARRIVED] > 0.0:
            state[INTENT] = state[S]
        else:
            most = min(most, SLOWING * left + CREEP)
            state[INTENT] += way * most * TICK_S
        _move(state, limit, most, REACTION_S)
        _feel(field, law, tool, m, line, state, pose, rows[n])


@njit(nogil=True, cache=True)
def _moused(field, law, tool, m, line, state, command, rows):  # type: ignore[no-untyped-def]
    limit, pose = command[0], np.zeros(POSE)
    pose[TURN] = command[1]
    for n in range(len(rows)):
        pose[TAP] = command[2] if n == 0 else 0.0
        most = CLICK_SPEED * TICK_S
        change = min(most, max(-most, state[WAITING]))
        state[WAITING] -= change
        state[INTENT] += change - (state[INTENT] - state[S]) * TICK_S / FADE_S
        _move(state, limit, CLICK_SPEED, MOUSE_REACTION_S)
        _feel(field, law, tool, m, line, state, pose, rows[n])
