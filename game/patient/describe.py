"""Who a patient is, in words, for a person at a terminal and on a page."""

from __future__ import annotations

from game.patient.patient import Fracture, Patient, Region

_SOURCES = {"procedural": "generated", "ct": "imported CT", "labels": "imported label map"}
_ZONES = {1: "I", 2: "II", 3: "III"}


def who(patient: Patient) -> str:
    """One line: where the patient came from and, of a generated one, the traits."""
    traits = patient.traits
    if traits is None:
        return _SOURCES[patient.source]
    parts = [
        f"generated from seed {traits.seed}",
        f"{'template ' if traits.template else ''}{traits.sex}",
        f"{traits.age} years",
        f"{traits.habitus} habitus",
        f"{traits.quality} bone",
    ]
    if traits.dysmorphism != "none":
        parts.append(f"{traits.dysmorphism} dysmorphic sacrum")
    if traits.calcified_vessels:
        parts.append("calcified vessels")
    return ", ".join(parts)


def broken(patient: Patient) -> tuple[str, ...]:
    """A line for each fracture, or one that says that there is none; an import's are assumed."""
    drawn = "" if patient.traits else ", assumed, not seen"
    lines = tuple(f"{_line(fracture)}{drawn}" for fracture in patient.fractures.values())
    return lines or ("no fracture",)


def _line(fracture: Fracture) -> str:
    where = f"{fracture.name} ala" if fracture.side else fracture.name
    parts = [
        f"{where}: {fracture.pattern}",
        f"Denis zone {_ZONES[fracture.zone]}",
        f"FFP {fracture.ffp}",
        f"{fracture.areas.sum() / 100.0:.1f} cm2",
        f"gap {fracture.aperture:.1f} mm",
    ]
    if fracture.step_mm:
        parts.append(f"anterior step {fracture.step_mm:.1f} mm")
    nerves = [_name(region) for region in fracture.reaches if _dangerous(region)]
    if nerves:
        first = f"{', '.join(nerves[:-1])} and " if nerves[:-1] else ""
        parts.append(f"opens into {first}{nerves[-1]}")
    return ", ".join(parts)


def _dangerous(region: Region) -> bool:
    """Canal, foramina and SI joints: what a fracture lets cement into."""
    return Region.CANAL <= region <= Region.SI_JOINT_RIGHT


def _name(region: Region) -> str:
    words = region.name.lower().split("_")
    if words[0] == "canal":
        return "the canal"
    return f"the {words[-1]} {'SI joint' if words[0] == 'si' else f'{words[1].upper()} foramen'}"
