"""Sacral insufficiency fractures: which a patient has, where they run, how far they gape."""

from __future__ import annotations

from game.patient.fracture.crush import crushed, crushed_hounsfield
from game.patient.fracture.draw import Plan, drawn_fractures
from game.patient.fracture.sheet import fractures_of
from game.patient.fracture.step import stepped

__all__ = ["Plan", "crushed", "crushed_hounsfield", "drawn_fractures", "fractures_of", "stepped"]
