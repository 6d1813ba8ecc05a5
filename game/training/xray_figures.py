"""The figures of fluoroscopy that are not times: closed forms, public models, dose, peers.

Each function measures one line of numbers on this machine; `sacrosim bench fluoroscopy` prints them
beside what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, radians, sin
from time import perf_counter
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from game.devices.beam import Material, air_kerma, attenuation, fluence
from game.devices.cannula import GAUGES
from game.devices.carm import CArmPose
from game.devices.tube import Field, Tube
from game.fluoroscopy.detector import detected
from game.fluoroscopy.instruments import chord
from game.fluoroscopy.projector import AreaDensities
from game.fluoroscopy.scatter import FULL_FIELD_MM, air_gap, scatter_to_primary
from game.fluoroscopy.spectrum import transmitted
from game.geometry.carm import DETECTOR_MM, SOURCE_TO_DETECTOR_MM, projection
from game.geometry.grid import FloatArray, Grid
from game.patient.patient import Patient, Structure
from game.simulation.exposure import REFERENCE_MM, expose
from game.training import public_models
from game.training.peers import gvxr_scene

AP = CArmPose(radians(180.0), 0.0, (0.0, 0.0, 0.0))
LATERAL = CArmPose(radians(90.0), 0.0, (0.0, 0.0, 0.0))
HABITUS = {"slim": (320.0, 180.0), "middling": (350.0, 210.0), "large": (380.0, 240.0)}
RATE = 15.0  # pulses a second that dose rates are stated for
SKIN_SIDE_MM = 86.0  # 74 cm2 at the skin (facts/fluoroscopy.md)


class Figure(NamedTuple):
    """One number, its unit, and what is asked of it."""

    what: str
    unit: str
    value: float
    asked: str


def figures() -> list[Figure]:
    """All that need no patient."""
    return [
        Figure("spectral sum against double precision, five materials", "%", spectral(), "0.1"),
        Figure("cannula chord against 2 sqrt(r2 - b2) / sin", "%", cannula_chord(), "0.1"),
        *against_public_models(),
        Figure("noise variance, off a straight line in kerma", "%", noise(), "5"),
        *scatter(),
        *dose_rates(),
    ]


def spectral() -> float:
    """The largest difference of the fast spectral sum from the plain one, %."""
    random = np.random.default_rng(5)
    most = np.array([8.0, 30.0, 10.0, 8.0, 4.0])[:, None, None]
    grams = (random.random((5, 40, 50)) * most).astype(np.float32)
    found, _ = transmitted(AreaDensities(grams), 97.0, 2.0)
    table = attenuation(97.0)
    depth = np.einsum("mhw,mb->hwb", grams.astype(float), table.mass)
    weights = 2.0 * fluence(97.0, SOURCE_TO_DETECTOR_MM) * table.absorbed * table.energy
    exact = np.exp(-depth) @ weights
    return 100.0 * float(np.abs(found / exact - 1.0).max())


def cannula_chord() -> float:
    """The largest difference from the closed form, % of the longest, at five obliquities."""
    geometry = projection(radians(180.0), 0.0, (0.0, 0.0, 0.0), 256, 30.0)
    radius, worst = GAUGES[11].outer / 2.0, 0.0
    for obliquity in (90.0, 60.0, 30.0, 10.0, 3.0):
        angle = radians(obliquity)
        direction = np.array([sin(angle), cos(angle), 0.0])
        x, y, z = (4000.0 * direction).tolist()
        box, lengths, _ = chord(geometry, (-x, -y, -z), (x, y, z), radius)
        found = np.zeros((geometry.size, geometry.size))
        found[box] = lengths
        exact = _endless(geometry, direction, radius)
        inside = exact < 400.0  # a ray cannot go on behind the focal spot or the detector
        gap = np.abs(found - exact)[inside].max() / exact[inside].max()
        worst = max(worst, 100.0 * float(gap))
    return worst


def _endless(geometry: Any, direction: FloatArray, radius: float) -> FloatArray:
    """Chords (h, w) of a cylinder without ends through the isocentre."""
    source = np.array(geometry.source)
    steps = np.arange(geometry.size) * geometry.pixel_mm
    rays = geometry.pixel(0.0, 0.0) - source + steps[None, :, None] * np.array(geometry.right)
    rays = rays + steps[:, None, None] * np.array(geometry.down)
    rays = rays / np.linalg.norm(rays, axis=2, keepdims=True)
    normal = np.cross(rays, direction)
    sine = np.linalg.norm(normal, axis=2)
    miss = np.abs(normal @ source) / sine
    return np.asarray(2.0 * np.sqrt(np.maximum(radius**2 - miss**2, 0.0)) / sine)


def against_public_models() -> list[Figure]:
    """The shipped tables beside xraydb and SpekPy; nothing where they are not installed."""
    if not public_models.installed():
        return []
    volts = public_models.VOLTAGES
    tissue = max(public_models.transmission_error(kvp) for kvp in volts)
    steel = max(public_models.transmission_error(kvp, public_models.STEEL) for kvp in volts)
    kerma = max(public_models.kerma_error(kvp) for kvp in volts)
    rows = (
        (
            "attenuation per bin against xraydb",
            max(map(public_models.attenuation_error, volts)),
            "1",
        ),
        ("spectrum per bin against SpekPy", public_models.spectrum_error(), "1"),
        ("tissue, bone, cement: transmission, 16 bins against fine", tissue, "1"),
        ("3 mm of steel: transmission, 16 bins against fine", steel, "1"),
        ("air kerma per mAs against SpekPy", kerma, "10"),
    )
    return [Figure(what, "%", 100.0 * value, asked) for what, value, asked in rows]


def noise() -> float:
    """The largest deviation of the noise variance of four doses from a straight line, %."""
    grams = np.zeros((5, 256, 256), np.float32)
    grams[Material.SOFT] = 21.2
    doses, variances = (1.0, 2.0, 4.0, 8.0), []
    for number, mas in enumerate(doses):
        mean, variance = transmitted(AreaDensities(grams), 80.0, mas)
        random = np.random.default_rng((1, number))
        pulse = detected(mean, variance, grams[Material.SOFT], 0.6, 80.0, random)
        variances.append(float(pulse[64:-64, 64:-64].var()))
    kerma = np.array(doses) * air_kerma(80.0, fluence(80.0, SOURCE_TO_DETECTOR_MM))
    line = np.polyval(np.polyfit(kerma, variances, 1), kerma)
    return 100.0 * float(np.abs(np.array(variances) / line - 1.0).max())


def scatter() -> list[Figure]:
    """Scatter to primary behind water, full field, gap of a centred patient."""
    rows = ((22.0, 90.0, True, "0.2-0.4"), (33.0, 105.0, True, "0.4-1.0"),
            (35.0, 105.0, False, "1.0-1.5"))  # fmt: skip
    made = []
    for water, kvp, grid, asked in rows:
        gap = air_gap(water)
        depth = np.array([water], np.float32)
        ratio = float(scatter_to_primary(depth, gap, kvp, FULL_FIELD_MM, grid)[0])
        with_grid = "10:1 grid" if grid else "no grid"
        what = f"scatter to primary, {water:.0f} cm, {kvp:.0f} kV, gap {gap:.0f} mm, {with_grid}"
        made.append(Figure(what, "", ratio, asked))
    return made


def water_body(width: float, depth: float) -> Any:
    """What brightness control needs of a patient: a block of water, mm, in air."""
    grid = Grid((-211.0, -161.0, -100.0), 2.0, (212, 162, 101))
    x, y, _ = np.meshgrid(*grid.axes(), indexing="ij", sparse=True)
    inside = (np.abs(x) <= width / 2.0) & (np.abs(y) <= depth / 2.0)
    hounsfield = np.where(inside, 0, -1000) + np.zeros(grid.shape)
    return SimpleNamespace(body=grid, hounsfield=hounsfield.astype(np.int16))


def dose_rates() -> list[Figure]:
    """Air kerma at the reference point and KAP per minute of fluoroscopy on three water bodies."""
    field = Field(collimation=SKIN_SIDE_MM * SOURCE_TO_DETECTOR_MM / REFERENCE_MM / DETECTOR_MM)
    tube, minute = Tube(pulse_rate=RATE, field=field), RATE * 60.0
    made = []
    for name, (width, depth) in HABITUS.items():
        body = water_body(width, depth)
        for view, pose in (("AP", AP), ("lateral", LATERAL)):
            after = expose(body, tube, pose, 0)
            kerma, kap = ("10-45", "0.7-3.3") if view == "AP" else ("above AP", "above AP")
            what = f"{name} ({width:.0f} x {depth:.0f} mm water), {view}, {RATE:.0f}/s"
            made.append(
                Figure(f"skin kerma rate, {what}", "mGy/min", after.kerma_mgy * minute, kerma)
            )
            made.append(Figure(f"KAP rate, {what}", "Gy cm2/min", after.kap_gycm2 * minute, kap))
    return made


def beside_gvxr(
    patient: Patient, pose: CArmPose, cached: Callable[[], object], anew: Callable[[int], object]
) -> list[Figure]:
    """How many times faster our whole picture is than gVirtualXRay's of the same patient's
    surfaces: with the pose kept, and projected anew. Nothing where it is not installed."""
    bones = [s for name, s in patient.surfaces.items() if name != Structure.SKIN]
    skin = patient.surfaces[Structure.SKIN]
    theirs = gvxr_scene(skin, bones, pose.projection(512), 85.0)
    if theirs is None:
        return []
    theirs()
    cached()
    kept, fresh = [], []
    for number in range(3):
        their = _time(theirs)
        kept.append(their / _time(cached))
        fresh.append(their / _time(lambda n=number: anew(n)))  # type: ignore[misc]
    return [
        Figure("picture, pose kept, times faster than gVXR", "x", float(np.median(kept)), "20"),
        Figure(
            "picture, projected anew, times faster than gVXR", "x", float(np.median(fresh)), "2"
        ),
    ]


def _time(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
