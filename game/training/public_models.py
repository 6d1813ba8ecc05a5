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

from game.devices import beam
from game.devices.beam import KVP_RANGE, Material

Array = NDArray[np.float64]

# The edges of a voltage's bins, keV: the barium K-edge (37.44) is one, below it the same four bins
# at every voltage, above it twelve shares of what is left up to the voltage. Searched for so that
# everything in `PATHS` is let through within 1 % (transmission_error), 60-120 kV.
LOW_EDGES = (15.0, 27.5, 31.5, 34.5, 37.44)
SHARES = (
    0.084, 0.1585, 0.235, 0.3285, 0.424, 0.5215, 0.605, 0.6795, 0.75, 0.8205, 0.891, 1.0,
)  # fmt: skip
ANODE_DEG = 12.0  # tungsten, a usual angle of mobile C-arm tubes; project choice
FILTERS = (("Al", 3.0), ("Cu", 0.1))  # mm; usual total filtration of a mobile C-arm; project choice
STEP_KEV = 0.5
FINE_KEV = 0.02  # steps in which bins are summed
# A bin's mass attenuation is the one that lets through as much of this path, g/cm2, as its photons
# do: a mean would take away too much behind steel, whose attenuation falls steeply within a bin.
# Photons are weighed as what the panel absorbs of them behind `HARDENED` g/cm2 of soft tissue.
EFFECTIVE_PATH = {
    "bone": 4.0, "soft": 8.0, "fat": 8.0, "steel": 2.92, "cement": 1.6, "air": 8.0, "water": 16.0,
}  # fmt: skip
HARDENED = 15.9

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

# Paths, g/cm2, that the tables are compared behind: as much soft tissue before each as in a slim, a
# middling and a large pelvis or beside one; then what stands in one.
BEHIND = (5.3, 15.9, 26.5)
Paths = tuple[dict[str, float], ...]
TISSUES: Paths = (
    {"soft": 5.3}, {"soft": 10.6}, {"fat": 5.0}, {"fat": 12.0}, {"bone": 1.0}, {"bone": 3.0},
    {"bone": 5.76}, {"cement": 0.69}, {"cement": 1.38}, {"cement": 2.76},
    {"bone": 3.0, "cement": 1.38},
)  # fmt: skip
STEEL: Paths = (
    {"steel": 0.4}, {"steel": 0.8}, {"steel": 1.6}, {"steel": 2.4}, {"steel": 4.8},
    {"steel": 1.2, "bone": 3.0}, {"steel": 1.2, "cement": 1.38},
)  # fmt: skip  # 0.5 to 6 mm


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
    made = import_module("spekpy").Spek(kvp=kvp, th=ANODE_DEG, dk=STEP_KEV)
    for name, thickness in FILTERS:
        made.filter(name, thickness)
    return made


def fluence(kvp: float) -> tuple[Array, Array]:
    """Energies (n,) keV and photons per cm2 and mAs in each energy step at 1 m, by SpekPy."""
    kev, per_kev = tube(kvp).get_spectrum()
    return kev, per_kev * STEP_KEV


def edges(kvp: float) -> Array:
    """The edges (17,) of a voltage's bins, keV."""
    edge = LOW_EDGES[-1]
    return np.array([*LOW_EDGES, *(edge + (kvp - edge) * share for share in SHARES)])


@cache
def fine() -> tuple[Array, dict[str, Array]]:
    """Energies (n,) keV in fine steps, and there: attenuation by material, cm2/g; `absorbed` and
    `kerma` as the two functions below."""
    kev = np.arange(LOW_EDGES[0], KVP_RANGE[1], FINE_KEV) + 0.5 * FINE_KEV
    at = {name: attenuation(made, kev) for name, made in MATERIALS.items()}
    return kev, at | {"absorbed": absorbed(kev), "kerma": kerma_per_photon(kev)}


@cache
def fine_fluence(kvp: float) -> Array:
    """Photons (n,) per cm2 and mAs at 1 m in every fine step, each of SpekPy's shared evenly."""
    kev, photons = fluence(kvp)
    at = np.rint((fine()[0] - kev[0]) / STEP_KEV).astype(int)
    found = np.where(at < len(kev), photons[np.minimum(at, len(kev) - 1)], 0.0)
    return np.asarray(found * (FINE_KEV / STEP_KEV))


def binned(kvp: float, values: Array) -> Array:
    """Sums (16,) over a voltage's bins of `values` (n,) in fine steps."""
    return np.asarray(np.histogram(fine()[0], edges(kvp), weights=values)[0], float)


def kerma_per_photon(kev: Array) -> Array:
    """Air kerma, pGy cm2 per photon: E mu_en/rho, with SpekPy's own coefficients."""
    data = import_module("spekpy").Spek(kvp=80).muen_air_data
    coefficient = np.ravel(data.get_muen_over_rho_air(kev))
    return np.asarray(kev * coefficient * 1.602176634e-16 * 1e3 * 1e12, float)


def absorbed(kev: Array) -> Array:
    """The share of photons that the scintillator takes up."""
    return 1.0 - np.exp(-attenuation(SCINTILLATOR, kev, "photo") * SCINTILLATOR_G_CM2)


def columns(kvp: float) -> dict[str, Array]:
    """The columns of assets/beams.csv for one voltage, as game.devices.beam describes them."""
    kev, at = fine()
    photons = fine_fluence(kvp)
    count, taken = binned(kvp, photons), binned(kvp, photons * at["absorbed"])
    between = edges(kvp)
    made = {"low_kev": between[:-1], "high_kev": between[1:], "photons": count}
    made["mean_kev"] = binned(kvp, photons * at["absorbed"] * kev) / taken
    made |= {name: effective(kvp, name) for name in MATERIALS}
    made["absorbed"] = taken / count
    return made | {"kerma_pgy_cm2": binned(kvp, photons * at["kerma"]) / count}


def effective(kvp: float, name: str) -> Array:
    """A material's mass attenuation in every bin (16,), cm2/g: that of `EFFECTIVE_PATH`."""
    kev, at = fine()
    weight = fine_fluence(kvp) * at["absorbed"] * kev * np.exp(-HARDENED * at["soft"])
    path = EFFECTIVE_PATH[name]
    through = binned(kvp, weight * np.exp(-path * at[name])) / binned(kvp, weight)
    return np.asarray(-np.log(through) / path)


def attenuation_error(kvp: float) -> float:
    """The largest relative difference of the shipped attenuation of any material in any bin from
    xraydb's there."""
    shipped = beam.attenuation(kvp)
    return max(
        float(np.abs(shipped.mass[material] / effective(kvp, material.name.lower()) - 1.0).max())
        for material in Material
    )


def spectrum_error() -> float:
    """The largest difference, over every whole kV, of the photons in any bin from SpekPy's, as a
    share of the fullest bin's."""
    worst = 0.0
    for kvp in range(int(KVP_RANGE[0]), int(KVP_RANGE[1]) + 1):
        exact = binned(kvp, fine_fluence(float(kvp)))
        gap = np.abs(beam.attenuation(float(kvp)).photons - exact).max()
        worst = max(worst, float(gap / exact.max()))
    return worst


def transmission_error(kvp: float, paths: Paths = TISSUES) -> float:
    """The largest relative difference, over `BEHIND` and paths, of what the shipped bins let
    through to the panel from what SpekPy's fine spectrum does with xraydb's attenuation."""
    kev, at = fine()
    table = beam.attenuation(kvp)
    energy = fine_fluence(kvp) * kev * at["absorbed"]
    ours = table.photons * table.absorbed * table.energy
    worst = 0.0
    for soft in BEHIND:
        exact_before = energy * np.exp(-soft * at["soft"])
        before = ours * np.exp(-soft * table.mass[Material.SOFT])
        for path in paths:
            depth = sum(grams * at[name] for name, grams in path.items())
            own = sum(grams * table.mass[Material[name.upper()]] for name, grams in path.items())
            exact = (exact_before * np.exp(-depth)).sum() / exact_before.sum()
            found = (before * np.exp(-own)).sum() / before.sum()
            worst = max(worst, abs(float(found / exact) - 1.0))
    return worst


def kerma_error(kvp: float) -> float:
    """The relative difference of the shipped air kerma per mAs at 1 m from SpekPy's."""
    found = 1000.0 * beam.air_kerma(kvp, beam.fluence(kvp, 1000.0))
    return abs(found / float(tube(kvp).get_kerma()) - 1.0)


VOLTAGES = (KVP_RANGE[0], 70.0, 80.0, 97.0, 110.0, KVP_RANGE[1])  # kV that are compared
