"""When the flow is solved anew, beyond the rows up to which every step does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from game.simulation.cement import EMPTY, NO_CHANNELS, Cement, Injection, Medium, advance, flow
from game.simulation.cement.nearby import NEAREST, eased
from game.simulation.cement.network import ROWS, Network
from game.simulation.cement.solving import AT_ONCE, SMALL, meet, shared, solve
from game.training.cement_cases import request
from game.training.cement_figures import cracked_box
from residuals import residual

A_LITTLE = replace(request(2.0e-4, tip=(1.0, 2.0, 0.0)), bore=1.5)
Bone = tuple[Medium, Cement]


@pytest.fixture(scope="module")
def bone() -> Bone:
    """A box with more cement than SMALL rows, whose flow has just been solved and is steady."""
    medium, cement = cracked_box(0.75, 7.5, 3.0), EMPTY
    for _ in range(40):
        cement = advance(medium, NO_CHANNELS, cement, replace(A_LITTLE, ml=0.03))
    assert np.count_nonzero(cement.ml) > SMALL
    before = cement
    while cement.solved == before.solved or before.moved_ml == 0.0 or not steady(cement):
        before, cement = cement, advance(medium, NO_CHANNELS, cement, A_LITTLE)
    return medium, cement


def steady(cement: Cement) -> bool:
    return cement.solved[1] == pytest.approx(cement.flow_mm3_s, rel=0.01)


def solved(bone: Bone, asked: Injection) -> bool:
    """Whether one request made a solve."""
    medium, cement = bone
    return advance(medium, NO_CHANNELS, cement, asked).solved != cement.solved


def test_a_step_like_the_last_needs_no_solve(bone: Bone) -> None:
    assert not solved(bone, A_LITTLE)


@pytest.mark.parametrize(
    "other",
    [
        lambda a: replace(a, time_s=0.6),
        lambda a: replace(a, tip=(1.0, 2.0, 0.75)),
        lambda a: replace(a, bore=2.39),
    ],
    ids=["cells age", "the tip moves", "a wider mouth"],
)
def test_what_changes_the_flow_is_solved(
    bone: Bone, other: Callable[[Injection], Injection]
) -> None:
    assert solved(bone, other(A_LITTLE))


def test_another_flow_is_solved_in_the_step_after(bone: Bone) -> None:
    """The marrow's pressure counts by the flow of the step before."""
    medium, cement = bone
    for part, expected in ((1.02, False), (0.9, True)):
        asked = replace(A_LITTLE, ml=A_LITTLE.ml * part)
        once = advance(medium, NO_CHANNELS, cement, asked)
        assert once.solved == cement.solved
        assert (advance(medium, NO_CHANNELS, once, asked).solved != once.solved) == expected


def test_none_serves_for_longer_than_it_may(bone: Bone) -> None:
    medium, cement = bone
    solves = 0
    for _ in range(60):
        after = advance(medium, NO_CHANNELS, cement, A_LITTLE)
        held = cement.delivered_ml
        assert held - after.solved[0] <= 0.002 * held * (1.0 + 1e-9)
        solves += after.solved != cement.solved
        cement = after
    assert 2 <= solves <= 30


def test_a_cement_taken_up_anew_is_solved_when_the_kept_one_is(bone: Bone) -> None:
    medium, kept = bone
    other = kept
    for _ in range(30):
        kept = advance(medium, NO_CHANNELS, kept, A_LITTLE)
        other = advance(medium, NO_CHANNELS, replace(other), A_LITTLE)
        assert other.solved == kept.solved
    assert other.ml.tobytes() == kept.ml.tobytes()
    assert other.potential.tobytes() == kept.potential.tobytes()


def opened(medium: Medium, cement: Cement) -> tuple[Network, np.ndarray, np.ndarray]:
    """The network of a cement, its mouth's rows and their shares."""
    advance(medium, NO_CHANNELS, replace(cement), replace(A_LITTLE, time_s=0.6))
    kept = flow._threads.kept
    net, mouth = kept.net, kept.net.slot[kept.mouth].astype(np.int64)
    share = np.empty(len(mouth))
    meet(net)
    shared(net, mouth, share)
    return net, mouth, share


def test_easing_balances_the_rows_about_the_mouth_alone(bone: Bone) -> None:
    net, mouth, share = opened(*bone)
    rows = int(net.counts[ROWS])
    assert rows > NEAREST
    net.x[mouth] *= 1.5
    before, off = net.x[:rows].copy(), residual(net, mouth, share)
    eased(net, mouth, share, 1.0e-3)
    touched = net.x[:rows] != before
    assert np.linalg.norm(off[touched]) > 0.5
    assert np.linalg.norm(residual(net, mouth, share)[touched]) < 1.5e-3
    assert touched[mouth].all()
    assert np.count_nonzero(touched) <= NEAREST


def test_a_mouth_that_leads_nowhere_is_left_alone(bone: Bone) -> None:
    net, mouth, share = opened(*bone)
    alone = mouth[0]
    net.gain[alone] = net.own[alone] = net.diagonal[alone] = 0.0
    net.gain[net.joined == alone] = 0.0
    before = float(net.x[alone])
    eased(net, mouth, share, 1.0e-3)
    assert net.x[alone] == before
    assert np.isfinite(net.x[: net.counts[ROWS]]).all()


def test_a_long_solve_is_spread_over_steps(bone: Bone) -> None:
    """From potentials that say nothing it takes several rounds, and comes to the same."""
    medium, cement = bone
    net, mouth, share = opened(medium, cement)
    rows = int(net.counts[ROWS])
    while not (whole := solve(net, mouth, share))[1]:
        pass
    net.x[:rows] = np.random.default_rng(5).uniform(0.0, 2.0 * whole[0], rows)
    counts = []
    for _ in range(8):
        level, ended, count = solve(net, mouth, share)
        counts.append(count)
        if ended:
            break
    assert ended
    assert counts[0] == AT_ONCE
    assert level == pytest.approx(whole[0], rel=0.01)
