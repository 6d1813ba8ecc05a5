"""Potentials levelled block by block: each block balances, and a leak comes out as the whole solve
has it."""

from __future__ import annotations

import numpy as np

from benchmarks.opm_flow import heterogeneous, leaked_ml, ours
from game.simulation.cement import EMPTY, NO_CHANNELS, advance, flow
from game.simulation.cement.levelling import levelled
from game.simulation.cement.network import LIVE, ROWS, Network
from game.simulation.cement.solving import meet, shared
from game.training.cement_cases import request
from game.training.cement_figures import cracked_box
from residuals import residual

TWIN_ML = 0.1669  # leaked in that case by the two-fluid twin with marrow of 0.1 Pa s, in a minute


def grown(ml: float) -> tuple[Network, np.ndarray]:
    """The network of so much cement beside a fracture, and the rows under the mouth."""
    medium, cement, steps = cracked_box(0.75, 7.5, 3.0), EMPTY, 40
    for _ in range(steps):
        cement = advance(medium, NO_CHANNELS, cement, request(ml / steps, tip=(1.0, 2.0, 0.0)))
    kept = flow._threads.kept
    return kept.net, kept.net.slot[kept.mouth].astype(np.int64)


def unbalanced(net: Network, mouth: np.ndarray, share: np.ndarray) -> np.ndarray:
    """What flows into each block and not out of it."""
    rows = int(net.counts[ROWS])
    live = net.label[LIVE, :rows] == 1
    return np.bincount(net.block[:rows][live], residual(net, mouth, share)[live])


def test_each_block_gives_what_it_gets() -> None:
    net, mouth = grown(0.8)
    share = np.empty(len(mouth))
    meet(net)
    shared(net, mouth, share)
    net.x[: net.counts[ROWS]] *= np.linspace(0.7, 1.2, int(net.counts[ROWS]))
    assert np.abs(unbalanced(net, mouth, share)).max() > 0.01
    levelled(net, mouth, share)
    assert np.abs(unbalanced(net, mouth, share)).max() < 1e-9
    assert (net.group == -1).all()
    once = net.x[: net.counts[ROWS]].copy()
    levelled(net, mouth, share)
    assert np.allclose(net.x[: net.counts[ROWS]], once, rtol=1e-9)


def test_a_small_leak_is_the_twin_s() -> None:
    """OPM Flow's case: 2.5 mL, of which a fifteenth leaks by a gap. OPM Flow has 0.1687 mL."""
    case = heterogeneous(40, 2.5)
    assert abs(leaked_ml(case, ours(case).fill) / TWIN_ML - 1.0) < 0.02
