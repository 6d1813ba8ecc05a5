"""Landmarks, planes and foramina read from the bones' signed distances; the rest is estimated."""

from __future__ import annotations

from game.patient.landmarks.reading import endplate_landmarks, find_landmarks, planes_and_anatomy
from game.patient.landmarks.tunnels import open_foramina

__all__ = ["endplate_landmarks", "find_landmarks", "open_foramina", "planes_and_anatomy"]
