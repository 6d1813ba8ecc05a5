"""The X-ray beam: its spectrum at each tube voltage, and how matter attenuates it bin by bin.

Sixteen energy bins for every whole kV, from 15 keV to the voltage itself, with the barium K-edge
(37.44 keV) as an edge: bins that ended at fixed energies would be half empty near the voltage and
too broad for steel. The table is made by benchmarks/build_xray_tables.py from xraydb and SpekPy;
assets/MANIFEST.toml has their sources. Tungsten anode of 12 deg behind 3 mm Al and 0.1 mm Cu, on
the beam's axis: the heel effect is the picture's (game/fluoroscopy/field.py).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from game.data import data_folder

# Of the generator; mobile C-arms give 40-120 (facts/fluoroscopy.md: 120 at most). No pelvis is
# looked through below 60: project choice.
KVP_RANGE = (60.0, 120.0)


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
    """The bins of one tube voltage (b,): `photons` per cm2 and mAs in air 1 m from the focal spot;
    mean `energy` of those that the detector absorbs, keV; `mass` (5, b) and `water` (b,)
    attenuation, cm2/g; `absorbed`, the fraction that the detector's 0.6 mm CsI takes up; `kerma`,
    air kerma per photon, pGy cm2."""

    photons: NDArray[np.float64]
    energy: NDArray[np.float64]
    mass: NDArray[np.float64]
    water: NDArray[np.float64]
    absorbed: NDArray[np.float64]
    kerma: NDArray[np.float64]


@lru_cache(maxsize=64)
def attenuation(kvp: float) -> Attenuation:
    """The shipped table at a tube voltage: linear between its rows, one for each whole kV; raises
    ValueError outside `KVP_RANGE`."""
    low, high = KVP_RANGE
    if not low <= kvp <= high:
        raise ValueError(f"tube voltage is {kvp} kV; the generator gives {low:.0f}-{high:.0f}")
    kvps, columns = _table()
    upper = int(np.searchsorted(kvps, kvp, side="right").clip(1, len(kvps) - 1))
    share = (kvp - kvps[upper - 1]) / (kvps[upper] - kvps[upper - 1])
    at = {
        name: (1.0 - share) * rows[upper - 1] + share * rows[upper]
        for name, rows in columns.items()
    }
    return Attenuation(
        photons=at["photons"],
        energy=at["mean_kev"],
        mass=np.stack([at[material.name.lower()] for material in Material]),
        water=at["water"],
        absorbed=at["absorbed"],
        kerma=at["kerma_pgy_cm2"],
    )


def fluence(kvp: float, distance_mm: float) -> NDArray[np.float64]:
    """Photons (b,) per mm2 and mAs in air at a distance from the focal spot, inverse square.

    Raises ValueError outside `KVP_RANGE`."""
    metre = 1000.0
    return np.asarray(attenuation(kvp).photons / 100.0 * (metre / distance_mm) ** 2)


def air_kerma(kvp: float, fluence_mm2: NDArray[np.float64]) -> float:
    """Air kerma, mGy, of a fluence (b,) in photons per mm2, in the bins of a tube voltage."""
    return float((fluence_mm2 * attenuation(kvp).kerma).sum()) * 100.0 * 1e-9


@cache
def _table() -> tuple[NDArray[np.float64], Mapping[str, NDArray[np.float64]]]:
    """Voltages (v,), and every column as (v, b)."""
    with (data_folder("assets") / "beams.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    columns = dict(zip(header, np.array(rows, float).T, strict=True))
    kvps = np.unique(columns["kvp"])
    shaped = {name: values.reshape(len(kvps), -1) for name, values in columns.items()}
    return kvps, MappingProxyType(shaped)
