"""Cement that sets in a mould, as the standard test of its heat has it, against what was measured.

A disc of cement between two plates of PTFE or of polyurethane foam, in one dimension through its
middle, by the setting law of `heat` (a plain twin of it). Li and others measured how the highest
temperature changes with thickness and plates (J Mater Sci Mater Med 2004; 15:85, PubMed 15338595,
abstract): about 50 C more in foam than in PTFE at 6 mm; about 75 C more at 40 mm than at 6 mm in
PTFE, 28 C in foam. The width of the setting law was fitted to the first; the others are not fitted.
The plates' thickness and the room are not told: project choices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from game.geometry.grid import FloatArray
from game.simulation.cement.heat import CEMENT_J, CEMENT_W, WIDTH_S
from game.simulation.cement.products import product
from game.simulation.cement.rheology import DOUBLING_C, RATED_C, Product
from game.training.figure import Figure

THIN_MM, THICK_MM = 6.0, 40.0
STEP_MM = 0.5
PLATE_MM, ROOM_C = 10.0, 23.0  # project choices
AIR_W = 1.0e-5  # W/(mm2 K) from a plate to still air: textbook value
FOLLOWED_S = 3000.0
FIRST_S = 60.0  # the effective age at which it is filled in: a project choice


class Plate(NamedTuple):
    """W/(mm K) and J/(mm3 K)."""

    conducts: float
    holds: float


PTFE = Plate(0.25e-3, 2.2e-3)  # textbook values
FOAM = Plate(0.03e-3, 0.1e-3)  # rigid polyurethane foam: textbook values


def mould_figures() -> list[Figure]:
    """By how much the highest temperature differs, C, beside what was measured."""
    cement = product()
    thin, thick = (
        {name: peak_c(cement, mm, plate) for name, plate in (("PTFE", PTFE), ("foam", FOAM))}
        for mm in (THIN_MM, THICK_MM)
    )
    return [
        Figure("6 mm of setting cement, hotter in foam than in PTFE by", "C",
               thin["foam"] - thin["PTFE"], "about 50, fitted"),
        Figure("40 mm of it, hotter than 6 mm in PTFE by", "C",
               thick["PTFE"] - thin["PTFE"], "about 75"),
        Figure("40 mm of it, hotter than 6 mm in foam by", "C",
               thick["foam"] - thin["foam"], "about 28"),
    ]  # fmt: skip


def peak_c(cement: Product, mm: float, plate: Plate, width_s: float = WIDTH_S) -> float:
    """The highest temperature, C, in the middle of a disc `mm` thick between two plates."""
    inside = round(0.5 * mm / STEP_MM)
    cells = inside + round(PLATE_MM / STEP_MM)
    conducts, holds = np.full(cells, plate.conducts), np.full(cells, plate.holds)
    conducts[:inside], holds[:inside] = CEMENT_W, CEMENT_J
    celsius = np.full(cells, ROOM_C)
    age = np.full(inside, FIRST_S)
    faces = 2.0 / (1.0 / conducts[1:] + 1.0 / conducts[:-1]) / STEP_MM
    out = 1.0 / (0.5 * STEP_MM / plate.conducts + 1.0 / AIR_W)
    seconds = 0.4 * STEP_MM**2 * float((holds / (2.0 * conducts)).min())
    highest = ROOM_C
    for _ in range(int(FOLLOWED_S / seconds)):
        older = age + seconds * 2.0 ** ((celsius[:inside] - RATED_C) / DOUBLING_C)
        set_more = _set(older, cement, width_s) - _set(age, cement, width_s)
        celsius[:inside] += set_more * cement.heat_j_ml / 1000.0 / CEMENT_J
        age = older
        flux = np.concatenate([[0.0], -faces * np.diff(celsius), [out * (celsius[-1] - ROOM_C)]])
        celsius -= seconds * np.diff(flux) / (holds * STEP_MM)
        highest = max(highest, float(celsius[0]))
    return highest


def _set(age_s: FloatArray, cement: Product, width_s: float) -> FloatArray:
    """The part of the reaction that is over at an effective age."""
    out: FloatArray = 1.0 / (1.0 + np.exp((cement.gel_age_s - age_s) / width_s))
    return out
