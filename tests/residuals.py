"""What a network's potentials leave unbalanced, in plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from game.simulation.cement.network import FACES, ROWS, Network


def residual(
    net: Network, mouth: NDArray[np.int64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What flows into each row and not out of it, for a flow of 1 that the mouth's rows share."""
    rows, faces = int(net.counts[ROWS]), int(net.counts[FACES])
    left = np.zeros(rows)
    left[mouth] += share
    left -= (net.gain[:rows] * (net.x[:rows, None] - net.x[net.joined[:rows]])).sum(axis=1)
    ahead = net.x[net.ends[:faces, 0]] - net.path[:faces, 4] * net.back[0]
    np.subtract.at(left, net.ends[:faces, 0], net.face[:faces] * ahead)
    return left
