"""Cement pushed through bone: Darcy flow on the filled cells, the front at what lies ahead of it.

A filled cell conducts; one that is filling is the front, met at (0.5 + fill) voxels from the last
full centre, where the pressure is 0 outside bone and in veins, and in marrow the marrow's own (its
resistance is left out: one fluid). So thin cement takes the ways out before it fills bone; thick
cement, whose own pressures are far higher, minds the marrow less. Flow
between cells is dp over the sum of both half cells' mu / (K h): every cell has its own viscosity,
by its age and temperature, which go with the flow, and by its shear rate at the flow before
(lagged Picard); gelled cells are plugs. One solve for p / Q gives the bone's resistance, and with
the bore's law the flow that the plunger makes. It is solved anew where it is due: after more
cement, age, another flow or mouth (`injection`); until then the last potentials serve. Each substep
ends before a cell would overflow by more than a tenth.

Volume is kept to rounding: what is poured is shared out by the fluxes at the front, normalised, so
an unfinished solve moves cement a little but neither makes nor loses any. The grid's edge is
closed. The network of the last cement is kept and goes on where it was, its mouth moved where the
cannula was drawn; rebuilt it is the same.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from math import isfinite
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Point
from game.patient.patient import Region
from game.simulation.cement.body import Cement, Injection
from game.simulation.cement.bone import MOUTH, Bone, bone_of, mouth_of
from game.simulation.cement.channels import Channels, differing
from game.simulation.cement.injection import REFRESH_S, inject, ready, settled
from game.simulation.cement.loading import rebuilt
from game.simulation.cement.medium import Medium
from game.simulation.cement.moving import moved
from game.simulation.cement.network import (
    PROMOTIONS,
    ROWS,
    Network,
    network,
    written,
)
from game.simulation.cement.rheology import rate
from game.simulation.cement.solving import SMALL

LEAST_ROWS = 65536  # that arrays are made for; pages are touched as used


@dataclass(eq=False)
class _Kept:
    """What one thread keeps of its last call: it goes on from there where the cement is the same
    object, and starts anew where it is not. `stale` are voxels whose channels are others since."""

    medium: Medium
    channels: Channels
    bone: Bone
    net: Network
    cement: Cement | None = None
    opening: tuple[Point, float] | None = None
    mouth: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    stale: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


_threads = threading.local()


def advance(medium: Medium, channels: Channels, cement: Cement, injection: Injection) -> Cement:
    """The cement after one request: a new value; the arguments are not touched.

    delivered + refused = requested. Refused is what the pressure did not move within
    `injection.seconds`; all of it where the cement in the bore has gelled, where the tip lies
    beyond the grid or where nothing leads away from it; and what is beyond 256 substeps or 4096
    newly filled cells of one call. A tip outside bone fills what it lies in. Raises ValueError for
    a request that is not physical.
    """
    _check(injection)
    if injection.ml == 0 or injection.age_s >= injection.product.gel_age_s:
        return _refused(cement, injection)
    kept = _kept_for(medium, channels, len(cement.voxels))
    net, bone, law = kept.net, kept.bone, injection.product.law
    opening = injection.tip, injection.bore
    still = kept.opening == opening and len(kept.stale) == 0
    mouth = kept.mouth if still else mouth_of(bone, *_within(medium, injection))
    if len(mouth) == 0:
        return _refused(cement, injection)
    time_s, elapsed, arriving = _clock(cement, injection)
    fresh = _brought_to(kept, cement, mouth, law, arriving)
    rows = net.slot[mouth].astype(np.int64)
    ready(net, bone, law, rows, fresh, elapsed, arriving, cement.flow_mm3_s)
    poured, flow, resistance, mpa, solved, _ = inject(
        net, bone, law, rows, (injection.bore / 2.0, injection.length),
        (injection.ml, injection.seconds, injection.limit_mpa, injection.compliance),
        arriving, cement.flow_mm3_s, elapsed > 0.0 or cement.moved_ml == 0.0, cement.solved,
    )  # fmt: skip
    front, uncarried = settled(net, rows, cement.moved_ml + poured, arriving)
    after = _body(net, front, cement, injection, poured)
    after = replace(
        after, front_mpa=1.0e-6 * flow * resistance, total_mpa=mpa, flow_mm3_s=flow,
        moved_ml=uncarried, solved=solved, time_s=time_s,
    )  # fmt: skip
    if poured == 0.0:
        after = _refused(after, injection)
    kept.mouth, kept.opening, kept.stale = mouth, opening, kept.stale[:0]
    if len(after.voxels) == len(front) + int(net.counts[ROWS]):  # every row holds cement
        kept.cement = after
    return after


def _brought_to(
    kept: _Kept,
    cement: Cement,
    mouth: NDArray[np.int64],
    law: NDArray[np.float64],
    arriving: tuple[float, float],
) -> bool:
    """Make the kept network that of a cement under a mouth; returns whether it is another now."""
    known, changed = kept.cement is cement, kept.stale
    kept.cement = None  # until it is whole again
    if not known:
        values = np.array([cement.ml, cement.age_s, cement.celsius, cement.pa_s, cement.potential])
        rebuilt(kept.net, kept.bone, law, (cement.voxels, values, cement.exit), mouth, arriving)
        _enter(kept.net, kept.medium, cement)
        return True
    if not np.array_equal(kept.mouth, mouth):
        changed = np.union1d(changed, np.setxor1d(kept.mouth, mouth))
    if len(changed):
        moved(kept.net, kept.bone, law, mouth, arriving, changed)
    return len(changed) > 0


def _check(injection: Injection) -> None:
    for name in ("bore", "length", "seconds"):
        value = getattr(injection, name)
        if not (isfinite(value) and value > 0):
            raise ValueError(f"injection {name} is {value}; it must be above 0")
    for name in ("ml", "limit_mpa", "compliance", "age_s", "time_s"):
        value = getattr(injection, name)
        if not (isfinite(value) and value >= 0):
            raise ValueError(f"injection {name} is {value}; it must be 0 or more")
    if not (isfinite(injection.celsius) and 0 <= injection.celsius <= 80):
        raise ValueError(f"injection celsius is {injection.celsius}; it must lie in 0 to 80")
    if not all(map(isfinite, injection.tip)):
        raise ValueError(f"injection tip is {injection.tip}; it must be three numbers")


def _within(medium: Medium, injection: Injection) -> tuple[FloatArray, float]:
    """The tip and the bore's radius in voxels."""
    grid = medium.grid
    return grid.index_from_point(np.array(injection.tip)), injection.bore / 2.0 / grid.spacing


def _clock(cement: Cement, injection: Injection) -> tuple[float, float, tuple[float, float]]:
    """When the cells' ages will have been brought up to date, by how many seconds that is, and
    what arrives (age, temperature), its age as at that time."""
    now = injection.time_s
    if len(cement.voxels) == 0:
        return now, 0.0, (injection.age_s, injection.celsius)
    elapsed = max(0.0, now - cement.time_s)
    if elapsed >= REFRESH_S or len(cement.voxels) <= SMALL:
        return max(now, cement.time_s), elapsed, (injection.age_s, injection.celsius)
    younger = max(0.0, injection.age_s - elapsed * rate(injection.celsius))
    return cement.time_s, 0.0, (younger, injection.celsius)


def _kept_for(medium: Medium, channels: Channels, cells: int) -> _Kept:
    """This thread's arrays for a medium, with room for `cells` and all that a call can add."""
    rows = cells + MOUTH + PROMOTIONS
    kept: _Kept | None = getattr(_threads, "kept", None)
    nodes = 0 if medium.veins is None else len(medium.veins.before)
    if kept is None or kept.medium is not medium:
        over = np.full(medium.porosity.size, -1, np.int32)
        over[channels.voxels] = np.arange(len(channels.voxels))
        net = network(medium.porosity.size + nodes, max(LEAST_ROWS, 2 * rows))
        kept = _Kept(medium, channels, bone_of(medium, channels, over), net)
    elif kept.channels is not channels:
        over = kept.bone.over
        over[kept.channels.voxels] = -1
        over[channels.voxels] = np.arange(len(channels.voxels))
        kept.stale = np.union1d(kept.stale, differing(kept.channels, channels))
        kept.channels, kept.bone = channels, bone_of(medium, channels, over)
    if len(kept.net.own) < rows:
        net = network(medium.porosity.size + nodes, max(LEAST_ROWS, 2 * rows))
        kept = _Kept(medium, channels, kept.bone, net)
    _threads.kept = kept
    return kept


def _refused(cement: Cement, injection: Injection) -> Cement:
    """Nothing moves; pushing against it, the plunger meets all the pressure it may have."""
    stuck = injection.limit_mpa if injection.ml > 0 else 0.0
    if injection.compliance > 0:
        stuck = min(stuck, injection.ml / injection.compliance)
    return replace(cement, refused_ml=injection.ml, front_mpa=0.0, total_mpa=stuck, flow_mm3_s=0.0)


def _enter(net: Network, medium: Medium, cement: Cement) -> None:
    """The ledger as the cement has it; from its cells where it has none."""
    net.ledger[:] = cement.ledger_ml
    if cement.ledger_ml.any() or len(cement.voxels) == 0:
        return
    where = medium.region.reshape(-1)
    if medium.veins is not None:
        where = np.concatenate([where, medium.veins.region])
    np.add.at(net.ledger, (where[cement.voxels], cement.exit), cement.ml)


def _body(
    net: Network, front: NDArray[np.int64], cement: Cement, injection: Injection, poured: float
) -> Cement:
    """The cement that the network holds in its rows and in these places of the `front`."""
    voxels, exits, state = written(net, front)
    sums = net.ledger.sum(axis=1)
    return Cement(
        voxels=voxels,
        ml=state[0],
        delivered_ml=cement.delivered_ml + poured,
        refused_ml=injection.ml - poured,
        by_region_ml=MappingProxyType(
            {Region(code): float(sums[code]) for code in np.flatnonzero(sums).tolist()}
        ),
        age_s=state[1],
        celsius=state[2],
        exit=exits,
        pa_s=state[3],
        potential=state[4],
        ledger_ml=net.ledger.copy(),
    )
