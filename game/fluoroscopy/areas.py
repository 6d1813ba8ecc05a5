"""What lies in the way of every ray of a picture: grams per square centimetre of each material."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game.devices.beam import Material


@dataclass(frozen=True, eq=False)
class AreaDensities:
    """`values` (5, h, w), g/cm2, in the order of `Material`."""

    values: NDArray[np.float32]

    def copied(self) -> AreaDensities:
        """One to lay things over."""
        return AreaDensities(self.values.copy())

    @property
    def bone(self) -> NDArray[np.float32]:
        return self.values[Material.BONE]

    @property
    def soft(self) -> NDArray[np.float32]:
        return self.values[Material.SOFT]

    @property
    def fat(self) -> NDArray[np.float32]:
        return self.values[Material.FAT]

    @property
    def steel(self) -> NDArray[np.float32]:
        return self.values[Material.STEEL]

    @property
    def cement(self) -> NDArray[np.float32]:
        return self.values[Material.CEMENT]

    @property
    def water(self) -> NDArray[np.float32]:
        """Grams per cm2 (h, w) of all but steel: about cm of water that scatters as much."""
        tissue = self.values[Material.BONE] + self.values[Material.SOFT]
        tissue += self.values[Material.FAT]
        tissue += self.values[Material.CEMENT]
        return tissue
