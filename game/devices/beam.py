"""The X-ray beam: its spectrum at each tube voltage, and how matter attenuates it bin by bin.

Sixteen energy bins from 15 to 120 keV with the barium K-edge (37.44 keV) as an edge. The tables
are made by benchmarks/build_xray_tables.py from xraydb and SpekPy; assets/MANIFEST.toml has their
sources. Tungsten anode of 12 deg behind 3 mm Al and 0.1 mm Cu, on the beam's axis: the heel effect
is the picture's (game/fluoroscopy/field.py).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from game.data import data_folder

KVP_RANGE = (60.0, 110.0)  # of the generator; mobile C-arms give 40-120, project choice


class Material(IntEnum):
    """What a ray can go through; the order of every table and stack of area densities."""

    BONE = 0
    SOFT = 1
    FAT = 2
    STEEL = 3
    CEMENT = 4


# g/cm3, facts/fluoroscopy.md: ICRU-44 tissues, 316L, PMMA with 30 wt% BaSO4 in the powder.
DENSITIES = np.array([1.92, 1.06, 0.95, 8.0, 1.38])


@dataclass(frozen=True, eq=False)
class Attenuation:
    """Per energy bin (b,): mean `energy` keV; `mass` (5, b) and `water` (b,) attenuation, cm2/g;
    `absorbed`, the fraction that the detector's 0.6 mm CsI takes up; `kerma`, air kerma per
    photon, pGy cm2."""

    energy: NDArray[np.float64]
    mass: NDArray[np.float64]
    water: NDArray[np.float64]
    absorbed: NDArray[np.float64]
    kerma: NDArray[np.float64]


@cache
def attenuation() -> Attenuation:
    """The shipped attenuation table."""
    table = _columns("materials.csv")
    return Attenuation(
        energy=table["mean_kev"],
        mass=np.stack([table[material.name.lower()] for material in Material]),
        water=table["water"],
        absorbed=table["absorbed"],
        kerma=table["kerma_pgy_cm2"],
    )


def fluence(kvp: float, distance_mm: float) -> NDArray[np.float64]:
    """Photons (b,) per mm2 and mAs in air at a distance from the focal spot, inverse square.

    Linear between the rows, one for each whole kV; raises ValueError outside `KVP_RANGE`."""
    low, high = KVP_RANGE
    if not low <= kvp <= high:
        raise ValueError(f"tube voltage is {kvp} kV; the generator gives {low:.0f}-{high:.0f}")
    kvps, rows = _spectra()
    upper = int(np.searchsorted(kvps, kvp, side="right").clip(1, len(kvps) - 1))
    share = (kvp - kvps[upper - 1]) / (kvps[upper] - kvps[upper - 1])
    per_cm2 = (1.0 - share) * rows[upper - 1] + share * rows[upper]
    metre = 1000.0
    return np.asarray(per_cm2 / 100.0 * (metre / distance_mm) ** 2)


def air_kerma(fluence_mm2: NDArray[np.float64]) -> float:
    """Air kerma, mGy, of a fluence (b,) in photons per mm2."""
    return float((fluence_mm2 * attenuation().kerma).sum()) * 100.0 * 1e-9


@cache
def _spectra() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table = _columns("spectrum.csv")
    bins = [values for name, values in table.items() if name.startswith("bin_")]
    return table["kvp"], np.stack(bins, axis=1)


def _columns(name: str) -> Mapping[str, NDArray[np.float64]]:
    with (data_folder("assets") / name).open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    return MappingProxyType(dict(zip(header, np.array(rows, float).T, strict=True)))
