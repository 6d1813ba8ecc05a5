"""Builds assets/materials.csv and assets/spectrum.csv, and says how well the bins hold.

Attenuation: xraydb (Elam, Ravel & Sieber 2002, 10.1016/S0969-806X(01)00227-4), total cross
section. Spectra and air kerma: SpekPy 2.5 (Poludniowski et al. 2021, 10.1002/mp.14945). Neither
is needed to play; run this in an environment of its own:

    pip install xraydb spekpy && python benchmarks/build_xray_tables.py assets
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import spekpy
import xraydb
from numpy.typing import NDArray

Array = NDArray[np.float64]

# keV. The barium K-edge (37.44) is an edge of a bin; the last bin ends at the tube's highest kVp.
EDGES = np.array([15, 20, 25, 30, 34, 37.44, 40, 44, 48, 52, 57, 62, 68, 75, 85, 97, 120.0])
KVPS = range(50, 121, 5)
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


def attenuation(fractions: dict[str, float], kev: Array, kind: str = "total") -> Array:
    """Mass attenuation, cm2/g, at energies (n,) keV."""
    return np.sum([w * xraydb.mu_elam(e, kev * 1e3, kind) for e, w in fractions.items()], axis=0)


def tube(kvp: float) -> spekpy.Spek:
    beam = spekpy.Spek(kvp=kvp, th=ANODE_DEG, dk=STEP_KEV)
    for name, thickness in FILTERS:
        beam.filter(name, thickness)
    return beam


def fluence(kvp: float) -> tuple[Array, Array]:
    """Energies (n,) keV and photons per cm2, mAs and energy step at 1 m."""
    kev, per_kev = tube(kvp).get_spectrum()
    return kev, per_kev * STEP_KEV


def binned(kev: Array, values: Array) -> Array:
    """Sums (16,) of `values` over the bins; a step that straddles an edge is shared."""
    fine = np.linspace(-0.5, 0.5, 51)[:-1] + 0.01
    at = (kev[:, None] + STEP_KEV * fine).ravel()
    spread = np.repeat(values / len(fine), len(fine))
    return np.histogram(at, EDGES, weights=spread)[0]


def kerma_per_photon(kev: Array) -> Array:
    """Air kerma, pGy cm2 per photon: E mu_en/rho, with SpekPy's own coefficients."""
    coefficient = spekpy.Spek(kvp=80).muen_air_data.get_muen_over_rho_air(kev)
    return kev * np.ravel(coefficient) * 1.602176634e-16 * 1e3 * 1e12


def averages() -> dict[str, Array]:
    """Every column of materials.csv, averaged within bins over the reference beam."""
    kev = np.arange(EDGES[0], EDGES[-1], 0.05) + 0.025
    source_kev, source = fluence(120.0)
    weight = np.interp(kev, source_kev, source)
    low_kev, low = fluence(REFERENCE[0])
    bright = np.interp(kev, low_kev, low, right=0.0)
    weight = np.where(kev < REFERENCE[0] - 1.0, bright, weight)
    weight = weight * np.exp(-attenuation(MATERIALS["soft"], kev) * REFERENCE[1] * 1.06)

    def mean(values: Array) -> Array:
        total = np.histogram(kev, EDGES, weights=weight)[0]
        return np.histogram(kev, EDGES, weights=weight * values)[0] / total

    absorbed = 1 - np.exp(-attenuation(SCINTILLATOR, kev, "photo") * SCINTILLATOR_G_CM2)
    columns = {"low_kev": EDGES[:-1], "high_kev": EDGES[1:], "mean_kev": mean(kev)}
    columns |= {name: mean(attenuation(made, kev)) for name, made in MATERIALS.items()}
    return columns | {"absorbed": mean(absorbed), "kerma_pgy_cm2": mean(kerma_per_photon(kev))}


def write(path: Path, columns: dict[str, Array]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            table.writerow([f"{value:.6g}" for value in row])


def report(columns: dict[str, Array]) -> None:
    """Transmission by 16 bins against the fine spectrum, and kerma against SpekPy's."""
    cases = {
        "soft 20 cm": ("soft", 21.2),
        "bone 3 cm": ("bone", 5.76),
        "steel 3 mm": ("steel", 2.4),
        "cement 1 cm": ("cement", 1.38),
    }
    for kvp in (60.0, 80.0, 110.0):
        kev, fine = fluence(kvp)
        coarse = binned(kev, fine)
        keep = kev >= EDGES[0]
        ours = float(coarse @ columns["kerma_pgy_cm2"]) * 1e-6
        print(f"{kvp:.0f} kVp: kerma {ours:.2f} uGy/mAs at 1 m, SpekPy {tube(kvp).get_kerma():.2f}")
        before = np.exp(-attenuation(MATERIALS["soft"], kev) * 15.9)
        bins_before = np.exp(-columns["soft"] * 15.9)
        for name, (made, path) in cases.items():
            through = fine * kev * before * np.exp(-attenuation(MATERIALS[made], kev) * path)
            open_beam = fine * kev * before
            exact = through[keep].sum() / open_beam[keep].sum()
            signal = coarse * columns["mean_kev"] * bins_before
            table = (signal * np.exp(-columns[made] * path)).sum() / signal.sum()
            print(f"  behind 15 cm, {name}: {exact:.5f}, bins {100 * (table / exact - 1):+.2f} %")


def main(folder: Path) -> None:
    columns = averages()
    write(folder / "materials.csv", columns)
    rows = np.array([binned(*fluence(float(kvp))) for kvp in KVPS])
    spectrum = {"kvp": np.array(KVPS, float)}
    spectrum["kerma_ugy_per_mas"] = np.array([tube(float(kvp)).get_kerma() for kvp in KVPS])
    spectrum |= {f"bin_{n}": rows[:, n] for n in range(rows.shape[1])}
    write(folder / "spectrum.csv", spectrum)
    report(columns)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
