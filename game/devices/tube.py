"""The X-ray tube and generator: technique, field, pulses, and the counters of exposure."""

from __future__ import annotations

from dataclasses import dataclass, field

from game.geometry.carm import DETECTOR_MM, SOURCE_TO_DETECTOR_MM

PULSE_RATES = (4.0, 7.5, 15.0, 30.0)  # per second, facts/fluoroscopy.md
COLLIMATION = (0.1, 1.0)
MAGNIFICATION = (1.0, 3.0)  # to a third of the panel, as image intensifiers of 23 to 11 cm and less


@dataclass(frozen=True)
class Field:
    """The irradiated field: `collimation` is the open share of the picture's side; `magnification`
    reads only the panel's middle, and the beam is shut down to it. Raises ValueError outside
    `COLLIMATION` and `MAGNIFICATION`."""

    collimation: float = 1.0
    magnification: float = 1.0

    def __post_init__(self) -> None:
        for name, (low, high) in (("collimation", COLLIMATION), ("magnification", MAGNIFICATION)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; it must be {low} to {high}")

    @property
    def panel_mm(self) -> float:
        """Side of what the picture shows, mm at the detector."""
        return DETECTOR_MM / self.magnification

    def side_mm(self, from_source_mm: float) -> float:
        """Side of the square field at a distance from the focal spot along the axis, mm."""
        return self.collimation * self.panel_mm * from_source_mm / SOURCE_TO_DETECTOR_MM


OPEN = Field()


@dataclass(frozen=True)
class Tube:
    """`kvp` and `mas` (per pulse) are what brightness control set for the last pulse; `pulses`
    counts pulses, `shots` single exposures; `pedal` is whether fluoroscopy runs; `field` is set for
    the pulses to come. Kerma is air kerma at the reference point (15 cm tube-side of the
    isocentre), KAP the kerma-area product, Gy cm2."""

    pulse_rate: float = 4.0
    pedal: bool = False
    kvp: float = 80.0
    mas: float = 0.4
    pulses: int = 0
    shots: int = 0
    fluoroscopy_s: float = 0.0
    kerma_mgy: float = 0.0
    kap_gycm2: float = 0.0
    field: Field = field(default=OPEN)
    last_exposure: int = -1  # time of the last pulse, 1/3000 s; -1 before the first


def checked_rate(rate: float) -> float:
    """A pulse rate that the generator has; raises ValueError with what there is."""
    if rate not in PULSE_RATES:
        raise ValueError(f"{rate} pulses per second; there are {PULSE_RATES}")
    return rate
