"""Cement in bone: what it flows through (`Medium`), where it is (`Cement`), and how it moves.

`advance` is pure and deterministic; it keeps volume to rounding: delivered = sum over voxels.
"""

from game.simulation.cement.body import EMPTY, Cement, Injection
from game.simulation.cement.flow import advance
from game.simulation.cement.medium import Medium, medium_of
from game.simulation.cement.products import (
    SETTING_S,
    WINDOW_S,
    ProductError,
    product,
    products,
    setting,
    viscosity,
)
from game.simulation.cement.rheology import Product, aged, apparent_viscosity

__all__ = [
    "EMPTY",
    "SETTING_S",
    "WINDOW_S",
    "Cement",
    "Injection",
    "Medium",
    "Product",
    "ProductError",
    "advance",
    "aged",
    "apparent_viscosity",
    "medium_of",
    "product",
    "products",
    "setting",
    "viscosity",
]
