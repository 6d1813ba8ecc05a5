"""A device's hand and the cannula: one tick from the stylus to the force that it is told.

    device mm --turn, offset--> hand, LPS --spring and damper--> cannula --tick--> tissue
    motors <--safety chain-- force of that spring on the hand, turned back

The spring is as stiff as the device can render once the force map has made its force smaller:
unscaled, its stiffness is `stiffness HALF_N / lasting`. So bone feels no harder than the device is
stable with, and the hand runs ahead of the needle; the needle is drawn at the cannula, never at
the hand. The cannula's own mass and damping keep that spring calm; in air it follows the hand.
While the clutch is held the hand moves and the cannula does not, without force. What the stylus is
turned about its own axis, the shaft is turned; a mallet's tap takes the hand's place along.
"""

from __future__ import annotations

from math import atan2, isfinite, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haptics.device import DeviceLimits, Vector
from haptics.memory import AXIS, FREE, SIZE, STAGE, TAPPED
from haptics.recorder import guard_and_record
from haptics.safety import HALF_N, HOLD, IN_AT, IN_FLAGS, IN_FORCE, IN_PUBLISHED, limits_of
from haptics.servo import POSE, ROW_FORCE, TAP, TICK_S, TURN, tick
from haptics.tissue import Instrument

MASS = 0.003  # N s2/mm of the coupled cannula; a project choice, stable up to 1000 N/mm
# Stylus: the device's z axis runs from its tip to the hand (OpenHaptics' frame), mm
DEVICE_Z = 8  # place in the column-major transform

# Places in what the simulation publishes
P_TIME, P_FLAGS, P_GENERATION, P_CLUTCH = 0, 1, 2, 3  # s; safety flags; cannula; button mask
P_TURN, P_START, P_RADIUS, P_LENGTH = 4, 13, 16, 17  # 3 x 3 rows; LPS mm; mm; mm
P_TIP, P_BORE = 18, 19  # haptics.tissue's tip; mm
P_TAPS, P_TAP = 20, 21  # mallet taps so far; mJ of one
P_MEMORY = 22
PUBLISHED = P_MEMORY + SIZE

# Places in the coupling's own memory
OFFSET, HAND, TOOL, SPEED, GENERATION, CLUTCHED = 0, 3, 6, 9, 12, 13
TAPS, ACROSS, TURNING = 14, 15, 18  # taps struck; the stylus' own x axis (3); rad/s
SESSION = 19

TURN_S = 0.05  # s over which the stylus' turning is smoothed, above its encoders' noise; a choice

# LPS for a user at the feet of a prone patient, looking to the head: the device's right is the
# patient's right (-x), up is posterior (+y), towards the user is caudal (-z)
PATIENT_FROM_DEVICE = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))


class Coupling(NamedTuple):
    """Spring N/mm and damper N s/mm between the hand and the cannula."""

    stiffness: float
    damping: float


def coupling_of(device: DeviceLimits) -> Coupling:
    """The stiffest spring that a device renders stably, critically damped for MASS."""
    stiffness = device.stiffness * HALF_N / limits_of(device).lasting
    return Coupling(stiffness, 2.0 * sqrt(stiffness * MASS))


def published(
    time: float, flags: int, generation: int, memory: NDArray[np.float64], start: Vector,
    tool: Instrument, clutch_button: int = 2, turn: tuple[Vector, ...] = PATIENT_FROM_DEVICE,
    taps: int = 0, tap: float = 0.0,
) -> NDArray[np.float64]:  # fmt: skip
    """What the servo must know (PUBLISHED,): `flags` for haptics.safety; a cannula's `memory`,
    which it takes over when `generation`, from 1, is another one, and its tip's place `start`, LPS
    mm, which is then where the hand is; the mask of the button that clutches; how many `taps` a
    mallet has struck in all, and the `tap`'s energy, mJ."""
    out = np.empty(PUBLISHED)
    out[:P_TURN] = time, flags, generation, clutch_button
    out[P_TURN:P_START] = np.asarray(turn).ravel()
    out[P_START:P_RADIUS], out[P_RADIUS], out[P_LENGTH] = start, tool.radius, tool.length
    out[P_TIP], out[P_BORE], out[P_TAPS], out[P_TAP] = tool.tip, tool.bore, taps, tap
    out[P_MEMORY:] = memory
    return out


@njit(nogil=True, cache=True)
def serve(  # type: ignore[no-untyped-def]
    field, law, limits, coupling, state, session, m, safe, seen, transform, buttons, told, row, ring
):
    """One tick in place: `state` (PUBLISHED,), `session` (SESSION,), `m` the cannula's memory,
    `safe` the safety chain's, `seen` (INPUT,) with time, place, speed and error, `transform` (16,);
    `told` (3,), device N, and `row` (haptics.servo ROW) come out."""
    if state[P_GENERATION] != session[GENERATION]:
        _take_over(state, session, m, seen, transform)
    session[CLUTCHED] = 1.0 if buttons & int(state[P_CLUTCH]) else 0.0
    pose = np.zeros(POSE)
    if session[GENERATION] == 0.0:  # nothing published yet
        seen[IN_FORCE : IN_FORCE + 3] = 0.0
    elif _pose(state, session, seen, transform, pose):
        _follow(coupling, m, session, row, pose)
        pose[TURN] = _turning(session, transform)
        pose[TAP] = state[P_TAP] if state[P_TAPS] > session[TAPS] else 0.0
        session[TAPS] = state[P_TAPS]
        tool = Instrument(state[P_RADIUS], state[P_LENGTH], state[P_TIP], state[P_BORE])
        tick(field, law, tool, m, pose, row)
        _go_along(session, m)
        _turn_back(coupling, state, session, m, seen)
    else:
        seen[IN_FORCE : IN_FORCE + 3] = np.nan
    seen[IN_PUBLISHED] = state[P_TIME]
    seen[IN_FLAGS] = int(state[P_FLAGS]) | (HOLD if session[CLUTCHED] > 0.0 else 0)
    guard_and_record(limits, safe, seen, told, ring)


@njit(nogil=True, cache=True)
def _turned(state, x, y, z, axis):  # type: ignore[no-untyped-def]
    turn = P_TURN + 3 * axis
    return state[turn] * x + state[turn + 1] * y + state[turn + 2] * z


@njit(nogil=True, cache=True)
def _take_over(state, session, m, seen, transform):  # type: ignore[no-untyped-def]
    m[:] = state[P_MEMORY:]
    session[GENERATION], session[TAPS], session[TURNING] = state[P_GENERATION], state[P_TAPS], 0.0
    session[ACROSS : ACROSS + 3] = transform[:3]
    x, y, z = seen[IN_AT], seen[IN_AT + 1], seen[IN_AT + 2]
    for axis in range(3):
        start = state[P_START + axis]
        session[HAND + axis] = session[TOOL + axis] = start
        session[SPEED + axis] = 0.0
        session[OFFSET + axis] = start - _turned(state, x, y, z, axis)


@njit(nogil=True, cache=True)
def _pose(state, session, seen, transform, pose):  # type: ignore[no-untyped-def]
    """The hand's tip and unit direction, LPS; False where the driver gave none."""
    x, y, z = seen[IN_AT], seen[IN_AT + 1], seen[IN_AT + 2]
    u, v, w = -transform[DEVICE_Z], -transform[DEVICE_Z + 1], -transform[DEVICE_Z + 2]
    norm = sqrt(u * u + v * v + w * w)
    if not (isfinite(x + y + z) and isfinite(norm) and norm > 0.5):
        return False
    for axis in range(3):
        at = _turned(state, x, y, z, axis)
        if session[CLUTCHED] > 0.0:
            session[OFFSET + axis] = session[HAND + axis] - at
        session[HAND + axis] = at + session[OFFSET + axis]
        pose[3 + axis] = _turned(state, u, v, w, axis) / norm
    return True


@njit(nogil=True, cache=True)
def _turning(session, transform):  # type: ignore[no-untyped-def]
    """How fast the stylus is turned about its own axis, rad/s: the angle that its x axis has gone
    about its z axis since the last tick, smoothed."""
    along, aside, z = 0.0, 0.0, DEVICE_Z
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        was = session[ACROSS + b] * transform[c] - session[ACROSS + c] * transform[b]
        aside += was * transform[z + axis]
        along += session[ACROSS + axis] * transform[axis]
    session[ACROSS : ACROSS + 3] = transform[:3]
    session[TURNING] += (atan2(aside, along) / TICK_S - session[TURNING]) * TICK_S / TURN_S
    return session[TURNING]


@njit(nogil=True, cache=True)
def _go_along(session, m):  # type: ignore[no-untyped-def]
    """A tap moved the cannula; the hand's place goes with it, so that the hand is not pulled."""
    for axis in range(3):
        went = m[TAPPED] * m[AXIS + axis]
        for place in (OFFSET, HAND, TOOL):
            session[place + axis] += went


@njit(nogil=True, cache=True)
def _follow(coupling, m, session, row, pose):  # type: ignore[no-untyped-def]
    """The coupled cannula one tick on, symplectic Euler under the tissue's last force."""
    for axis in range(3):
        if m[STAGE] == FREE:
            session[SPEED + axis] = 0.0
            session[TOOL + axis] = session[HAND + axis]
        else:
            pull = coupling.stiffness * (session[HAND + axis] - session[TOOL + axis])
            pull += row[ROW_FORCE + axis] - coupling.damping * session[SPEED + axis]
            session[SPEED + axis] += pull / MASS * TICK_S
            session[TOOL + axis] += session[SPEED + axis] * TICK_S
        pose[axis] = session[TOOL + axis]


@njit(nogil=True, cache=True)
def _turn_back(coupling, state, session, m, seen):  # type: ignore[no-untyped-def]
    """The spring's force on the hand, into the device's frame."""
    seen[IN_FORCE : IN_FORCE + 3] = 0.0
    if m[STAGE] == FREE:
        return
    for axis in range(3):
        force = coupling.stiffness * (session[TOOL + axis] - session[HAND + axis])
        for other in range(3):
            seen[IN_FORCE + other] += state[P_TURN + 3 * axis + other] * force
