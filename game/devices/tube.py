"""The X-ray tube and generator: technique, pulses, and the counters of exposure."""

from __future__ import annotations

from dataclasses import dataclass

PULSE_RATES = (4.0, 7.5, 15.0, 30.0)  # per second, facts/fluoroscopy.md


@dataclass(frozen=True)
class Tube:
    """`kvp` and `mas` (per pulse) are what brightness control set for the last pulse; `pulses`
    counts pulses, `shots` single exposures; `pedal` is whether fluoroscopy runs. Kerma is air
    kerma at the reference point (15 cm tube-side of the isocentre)."""

    pulse_rate: float = 4.0
    pedal: bool = False
    kvp: float = 80.0
    mas: float = 0.4
    pulses: int = 0
    shots: int = 0
    fluoroscopy_s: float = 0.0
    kerma_mgy: float = 0.0
    last_exposure: int = -1  # time of the last pulse, 1/3000 s; -1 before the first
