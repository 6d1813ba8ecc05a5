"""The public models that the shipped X-ray tables are built from, and how near the tables keep.

Attenuation: xraydb (Elam, Ravel & Sieber 2002, 10.1016/S0969-806X(01)00227-4), total cross section.
Spectra and air kerma: SpekPy 2.5 (Poludniowski et al. 2021, 10.1002/mp.14945). Neither is needed to
play; `pip install xraydb spekpy` for the benchmark, for benchmarks/build_xray_tables.py, and for
the tests that compare.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from game.devices.beam import KVP_RANGE, Material, air_kerma
from game.devices.beam import attenuation as shipped
from game.devices.beam import fluence as shipped_fluence

Array = NDArray[np.float64]

# keV. The barium K-edge (37.44) is an edge of a bin; the last bin ends at the tube's highest kVp.
EDGES = np.array([15, 20, 25, 30, 34, 37.44, 40, 44, 48, 52, 57, 62, 68, 75, 85, 97, 120.0])
ANODE_DEG = 12.0  # tungsten, a usual angle of mobile C-arm tubes; project choice
FILTERS = (("Al", 3.0), ("Cu", 0.1))  # mm; usual total filtration of a mobile C-arm; project choice
STEP_KEV = 0.5
REFERENCE = (80.0, 20.0)  # kVp, cm of soft tissue: the beam that weighs energies within a bin

# Mass fractions: ICRU Report 44 (1989) for tissues, ASTM F138 for 316L.
PMMA = {"H": 0.0805, "C": 0.5998, "O": 0.3196}
SULFATE = {"Ba": 0.5884, "S": 0.1374, "O": 0.2742}
# 30 wt% BaSO4 in the powder is 19 wt% of the cement, 11.2 wt% Ba (facts/fluoroscopy.md: 11-12).
IN_CEMENT = 0.19
MATERIALS: dict[str, dict[str, float]] = {
    "bone": {
        "H": 0.034, "C": 0.155, "N": 0.042, "O": 0.435, "Na": 0.001, "Mg": 0.002, "P": 0.103,
        "S": 0.003, "Ca": 0.225,
    },
    "soft": {
        "H": 0.102, "C": 0.143, "N": 0.034, "O": 0.708, "Na": 0.002, "P": 0.003, "S": 0.003,
        "Cl": 0.002, "K": 0.003,
    },
    "fat": {
        "H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001, "Cl": 0.001,
    },
    "steel": {"Fe": 0.655, "Cr": 0.17, "Ni": 0.12, "Mo": 0.025, "Mn": 0.02, "Si": 0.01},
    "cement": {
        element: (1 - IN_CEMENT) * PMMA.get(element, 0.0) + IN_CEMENT * SULFATE.get(element, 0.0)
        for element in ("H", "C", "O", "S", "Ba")
    },
    "air": {"N": 0.755, "O": 0.232, "Ar": 0.013},
    "water": {"H": 0.1119, "O": 0.8881},
}  # fmt: skip
# Columnar CsI:Tl, 0.6 mm at 75 % packing of 4.51 g/cm3: flat panels of C-arms; project choice.
SCINTILLATOR = {"Cs": 0.5115, "I": 0.4885}
SCINTILLATOR_G_CM2 = 0.06 * 4.51 * 0.75

# Paths, g/cm2, behind which the tables are compared: a pelvis, and what stands in one.
BEHIND = 15.9  # of soft tissue, before each
Paths = tuple[tuple[str, float], ...]
TISSUES: Paths = (("soft", 5.3), ("bone", 5.76), ("fat", 5.0), ("cement", 1.38))
STEEL: Paths = (("steel", 2.4),)  # 3 mm


def installed() -> bool:
    """Whether both models are."""
    return all(find_spec(name) is not None for name in ("xraydb", "spekpy"))


def attenuation(fractions: dict[str, float], kev: Array, kind: str = "total") -> Array:
    """Mass attenuation by xraydb, cm2/g, at energies (n,) keV."""
    xraydb = import_module("xraydb")
    parts = [w * xraydb.mu_elam(e, kev * 1e3, kind) for e, w in fractions.items()]
    return np.asarray(np.sum(parts, axis=0), float)


@cache
def tube(kvp: float) -> Any:
    """SpekPy's beam."""
    beam = import_module("spekpy").Spek(kvp=kvp, th=ANODE_DEG, dk=STEP_KEV)
    for name, thickness in FILTERS:
        beam.filter(name, thickness)
    return beam


def fluence(kvp: float) -> tuple[Array, Array]:
    """Energies (n,) keV and photons per cm2 and mAs in each energy step at 1 m, by SpekPy."""
    kev, per_kev = tube(kvp).get_spectrum()
    return kev, per_kev * STEP_KEV


def binned(kev: Array, values: Array) -> Array:
    """Sums (16,) of `values` over the bins; a step that straddles an edge is shared."""
    fine = np.linspace(-0.5, 0.5, 51)[:-1] + 0.01
    at = (kev[:, None] + STEP_KEV * fine).ravel()
    spread = np.repeat(values / len(fine), len(fine))
    return np.asarray(np.histogram(at, EDGES, weights=spread)[0], float)


def kerma_per_photon(kev: Array) -> Array:
    """Air kerma, pGy cm2 per photon: E mu_en/rho, with SpekPy's own coefficients."""
    data = import_module("spekpy").Spek(kvp=80).muen_air_data
    coefficient = np.ravel(data.get_muen_over_rho_air(kev))
    return np.asarray(kev * coefficient * 1.602176634e-16 * 1e3 * 1e12, float)


def absorbed(kev: Array) -> Array:
    """The share of photons that the scintillator takes up."""
    return 1.0 - np.exp(-attenuation(SCINTILLATOR, kev, "photo") * SCINTILLATOR_G_CM2)


def averages() -> dict[str, Array]:
    """Every column of assets/materials.csv, averaged within bins over the reference beam."""
    kev = np.arange(EDGES[0], EDGES[-1], 0.05) + 0.025
    source_kev, source = fluence(120.0)
    weight = np.interp(kev, source_kev, source)
    low_kev, low = fluence(REFERENCE[0])
    bright = np.interp(kev, low_kev, low, right=0.0)
    weight = np.where(kev < REFERENCE[0] - 1.0, bright, weight)
    weight = weight * np.exp(-attenuation(MATERIALS["soft"], kev) * REFERENCE[1] * 1.06)

    def mean(values: Array) -> Array:
        total = np.histogram(kev, EDGES, weights=weight)[0]
        return np.asarray(np.histogram(kev, EDGES, weights=weight * values)[0] / total, float)

    columns = {"low_kev": EDGES[:-1], "high_kev": EDGES[1:], "mean_kev": mean(kev)}
    columns |= {name: mean(attenuation(made, kev)) for name, made in MATERIALS.items()}
    return columns | {"absorbed": mean(absorbed(kev)), "kerma_pgy_cm2": mean(kerma_per_photon(kev))}


def attenuation_error() -> float:
    """The largest relative difference of the shipped attenuation of any material in any bin from
    xraydb's average there."""
    columns, table = averages(), shipped()
    return max(
        float(np.abs(table.mass[material] / columns[material.name.lower()] - 1.0).max())
        for material in Material
    )


def spectrum_error() -> float:
    """The largest difference, over every whole kV, of the photons in any bin from SpekPy's, as a
    share of the fullest bin's."""
    worst = 0.0
    for kvp in range(int(KVP_RANGE[0]), int(KVP_RANGE[1]) + 1):
        exact = binned(*fluence(float(kvp))) / 100.0
        gap = np.abs(shipped_fluence(float(kvp), 1000.0) - exact).max()
        worst = max(worst, float(gap / exact.max()))
    return worst


def transmission_error(kvp: float, paths: Paths = TISSUES) -> float:
    """The largest relative difference, over materials and paths, of what the shipped bins let
    through to the panel from what SpekPy's fine spectrum does with xraydb's attenuation."""
    kev, photons = fluence(kvp)
    energy = photons * kev * absorbed(kev)
    ours = shipped_fluence(kvp, 1000.0) * shipped().absorbed * shipped().energy
    before = np.exp(-BEHIND * attenuation(MATERIALS["soft"], kev))
    bins_before = np.exp(-BEHIND * shipped().mass[Material.SOFT])
    worst = 0.0
    for name, path in paths:
        through = before * np.exp(-path * attenuation(MATERIALS[name], kev))
        exact = (energy * through).sum() / (energy * before).sum()
        mass = shipped().mass[Material[name.upper()]]
        found = (ours * bins_before * np.exp(-path * mass)).sum() / (ours * bins_before).sum()
        worst = max(worst, abs(float(found / exact) - 1.0))
    return worst


def kerma_error(kvp: float) -> float:
    """The relative difference of the shipped air kerma per mAs at 1 m from SpekPy's."""
    found = 1000.0 * air_kerma(shipped_fluence(kvp, 1000.0))
    return abs(found / float(tube(kvp).get_kerma()) - 1.0)


VOLTAGES = (KVP_RANGE[0], 80.0, 97.0, KVP_RANGE[1])  # kV that are compared
