"""Builds assets/beams.csv, and says how well the bins hold.

pip install xraydb spekpy && python benchmarks/build_xray_tables.py assets
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from game.devices.beam import KVP_RANGE
from game.training.public_models import (
    STEEL,
    VOLTAGES,
    attenuation_error,
    columns,
    kerma_error,
    transmission_error,
)


def write(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        for kvp in range(int(KVP_RANGE[0]), int(KVP_RANGE[1]) + 1):
            made = columns(float(kvp))
            if kvp == KVP_RANGE[0]:
                table.writerow(["kvp", *made])
            for row in zip(*made.values(), strict=True):
                table.writerow([kvp, *(f"{value:.6g}" for value in row)])


def main(folder: Path) -> None:
    write(folder / "beams.csv")
    for kvp in VOLTAGES:
        print(
            f"{kvp:.0f} kV: attenuation within {100 * attenuation_error(kvp):.3f} %, "
            f"transmission within {100 * transmission_error(kvp):.2f} %, "
            f"behind steel {100 * transmission_error(kvp, STEEL):.2f} %, "
            f"kerma within {100 * kerma_error(kvp):.2f} %"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
