"""The long-axis path on one side, as Smith & Gilula (2006) describe it, read from a patient.

Entry: midpoint between the inferior margin of the SI joint and the lateral margin of the S3
foramen, on the posterior surface. Target: mid S1 on the lateral, 13 mm below the S1 endplate and
10 mm lateral to the S1 foramen's centre (facts/procedure.md, measured on 38 real alae). The path
is shortened until the cannula's surface keeps its clearance.
"""

from __future__ import annotations

from dataclasses import dataclass

from game.geometry.grid import FloatArray
from game.patient.patient import Side


@dataclass(frozen=True, eq=False)
class Approach:
    """All points (3,) LPS mm. `skin` is where the path's line leaves the body, `entry` where it
    meets the posterior cortex, `target` where the tip shall stop, `direction` the unit vector from
    skin to target. `shortened_mm` says how far the target lies short of the anatomical one."""

    side: Side
    skin: FloatArray
    entry: FloatArray
    target: FloatArray
    direction: FloatArray
    shortened_mm: float

    @property
    def bone_length(self) -> float:
        """Entry to target, mm."""
        return float(((self.target - self.entry) ** 2).sum() ** 0.5)

    @property
    def skin_to_target(self) -> float:
        """Skin to target along the path, mm."""
        return float(((self.target - self.skin) ** 2).sum() ** 0.5)
