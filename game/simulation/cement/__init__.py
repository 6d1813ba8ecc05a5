"""Cement in bone: what it flows through (`Medium` and the `Channels` that cannulas leave in it),
where it is (`Cement`), what it is (`Product`), and how it moves (`advance`).

`advance` is pure and deterministic; it keeps volume to rounding: delivered = sum over cells.
"""

from game.simulation.cement.body import EMPTY, Cement, Injection
from game.simulation.cement.channels import NO_CHANNELS, Channels
from game.simulation.cement.exits import Exit
from game.simulation.cement.flow import advance
from game.simulation.cement.medium import Medium, medium_of
from game.simulation.cement.products import (
    ProductError,
    product,
    products,
)
from game.simulation.cement.rheology import Product, aged, apparent_viscosity
from game.simulation.cement.veins import Veins

__all__ = [
    "EMPTY",
    "NO_CHANNELS",
    "Cement",
    "Channels",
    "Exit",
    "Injection",
    "Medium",
    "Product",
    "ProductError",
    "Veins",
    "advance",
    "aged",
    "apparent_viscosity",
    "medium_of",
    "product",
    "products",
]
