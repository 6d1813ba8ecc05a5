"""Builds assets/materials.csv and assets/spectrum.csv, and says how well the bins hold.

pip install xraydb spekpy && python benchmarks/build_xray_tables.py assets
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from game.training.public_models import (
    VOLTAGES,
    attenuation_error,
    averages,
    binned,
    fluence,
    kerma_error,
    transmission_error,
    tube,
)

KVPS = range(60, 111)  # every whole kV of the generator


def write(path: Path, columns: dict[str, NDArray[np.float64]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            table.writerow([f"{value:.6g}" for value in row])


def main(folder: Path) -> None:
    write(folder / "materials.csv", averages())
    rows = np.array([binned(*fluence(float(kvp))) for kvp in KVPS])
    spectrum = {"kvp": np.array(KVPS, float)}
    spectrum["kerma_ugy_per_mas"] = np.array([tube(float(kvp)).get_kerma() for kvp in KVPS])
    spectrum |= {f"bin_{n}": rows[:, n] for n in range(rows.shape[1])}
    write(folder / "spectrum.csv", spectrum)
    print(f"attenuation within {100 * attenuation_error():.3f} % of xraydb")
    for kvp in VOLTAGES:
        print(
            f"{kvp:.0f} kV: transmission within {100 * transmission_error(kvp):.2f} %, "
            f"kerma within {100 * kerma_error(kvp):.2f} %"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
