"""The figures of fluoroscopy that are not times: closed forms, public models, dose, peers.

Each function measures one line of numbers on this machine; `sacrosim bench fluoroscopy` prints them
beside what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import cos, radians, sin
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from game.devices.beam import DENSITIES, Material, air_kerma, attenuation, fluence
from game.devices.cannula import GAUGES, Cannula
from game.devices.carm import CArmPose
from game.devices.tube import Field, Tube
from game.fluoroscopy.areas import AreaDensities
from game.fluoroscopy.detector import detected
from game.fluoroscopy.instruments import chord
from game.fluoroscopy.joseph import AIR, BONE, FAT, SOFT
from game.fluoroscopy.projector import Projector
from game.fluoroscopy.scatter import FULL_FIELD_MM, air_gap, scatter_to_primary
from game.fluoroscopy.spectrum import transmitted
from game.geometry.carm import DETECTOR_MM, SOURCE_TO_DETECTOR_MM, Projection, projection
from game.geometry.grid import FloatArray, Grid
from game.patient.patient import Patient, Structure
from game.simulation.exposure import REFERENCE_MM, expose
from game.training import public_models
from game.training.figure import Figure
from game.training.peers import gvxr_scene

AP = CArmPose(radians(180.0), 0.0, (0.0, 0.0, 0.0))
LATERAL = CArmPose(radians(90.0), 0.0, (0.0, 0.0, 0.0))
HABITUS = {"slim": (320.0, 180.0), "middling": (350.0, 210.0), "large": (380.0, 240.0)}
RATE = 15.0  # pulses a second that dose rates are stated for
POSES = ((180.0, 0.0), (180.0, 39.0), (90.0, 0.0), (-150.0, 35.0), (180.0, -25.0), (180.0, 58.0))
SAMPLED = 200  # pixels at which fine quadrature is worked out
FINER = 8  # pixels per pixel that the cannula's tip is looked for in
SKIN_SIDE_MM = 86.0  # 74 cm2 at the skin (facts/fluoroscopy.md)


def figures() -> list[Figure]:
    """All that need no patient."""
    return [
        Figure("spectral sum against double precision, five materials", "%", spectral(), "0.1"),
        Figure("slab, ball, cylinder, two materials, K-edge: Beer-Lambert", "%", solids(), "0.1"),
        Figure("cannula chord, 90 to 3 deg: 2 sqrt(r2 - b2) / sin", "%", cannula_chord(), "0.1"),
        Figure("cannula's tip off its projection, four views", "pixel", tip(), "0.1"),
        Figure("ball of voxels against its chords, RMS of the peak", "%", ball(), "0.5"),
        Figure("fast kernel against fine quadrature, RMS of the peak", "%", quadrature(), "0.5"),
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
    """The largest difference from the closed form, % of the longest, at nine obliquities."""
    geometry = projection(radians(180.0), 0.0, (0.0, 0.0, 0.0), 256, 30.0)
    radius, worst = GAUGES[11].outer / 2.0, 0.0
    for obliquity in (90.0, 75.0, 60.0, 45.0, 30.0, 20.0, 10.0, 5.0, 3.0):
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


def _endless(geometry: Projection, direction: FloatArray, radius: float) -> FloatArray:
    """Chords (h, w) of a cylinder without ends through the isocentre."""
    normal = np.cross(_rays(geometry), direction)
    sine = np.linalg.norm(normal, axis=2)
    miss = np.abs(normal @ np.array(geometry.source)) / sine
    return np.asarray(2.0 * np.sqrt(np.maximum(radius**2 - miss**2, 0.0)) / sine)


def solids() -> float:
    """The largest difference of a picture's signal from the textbook sum, %: closed-form paths
    through a slab of soft tissue with a ball of bone and a cylinder of cement in it."""
    geometry = projection(radians(180.0), radians(20.0), (0.0, 0.0, 0.0), 96)
    rays = _rays(geometry)
    source, up = np.array(geometry.source), np.array([0.0, 0.0, 1.0])
    bone = 2.0 * np.sqrt(np.maximum(30.0**2 - (source @ source - (rays @ source) ** 2), 0.0))
    cement = np.minimum(_endless(geometry, up, 5.0), 60.0)
    grams = np.zeros((5, 96, 96), np.float32)
    grams[Material.SOFT] = 15.0 / np.abs(rays[..., 1])
    grams[Material.BONE] = bone * 0.192
    grams[Material.CEMENT] = cement * 0.138
    worst = 0.0
    for kvp in (60.0, 80.0, 120.0):
        found, _ = transmitted(AreaDensities(grams), kvp, 1.0)
        table = attenuation(kvp)
        weights = fluence(kvp, SOURCE_TO_DETECTOR_MM) * table.absorbed * table.energy
        exact = np.exp(-np.einsum("mhw,mb->hwb", grams.astype(float), table.mass)) @ weights
        worst = max(worst, 100.0 * float(np.abs(found / exact - 1.0).max()))
    return worst


def tip() -> float:
    """How far along the shaft the steel ends from where the tip is projected, pixels of a 512
    picture, the worst of four views: where the shadow's weight has fallen to a half."""
    cannula = Cannula(stage="bone", tip=(5.0, -3.0, 8.0), direction=(0.0, -0.6, 0.8), length=100)
    worst = 0.0
    for primary, secondary in ((180.0, 39.0), (90.0, 0.0), (-150.0, 35.0), (150.0, -20.0)):
        pose = CArmPose(radians(primary), radians(secondary), (0.0, 0.0, 0.0))
        geometry = pose.projection(512 * FINER)
        box, lengths, _ = chord(geometry, cannula.hub, cannula.tip, cannula.radius)
        ends = geometry.project(np.array([cannula.tip, cannula.hub]))
        along = (ends[0] - ends[1]) / np.linalg.norm(ends[0] - ends[1])
        rows, columns = np.nonzero(lengths)
        places = np.stack([columns + box[1].start, rows + box[0].start], axis=1) - ends[0]
        step = 0.5 * FINER
        bins = np.arange(-20.0 * FINER, 10.0 * FINER, step)
        weight, _ = np.histogram(places @ along, bins, weights=lengths[rows, columns])
        whole = weight[:20].mean()
        end = bins[0] + step * weight.sum() / whole
        worst = max(worst, abs(float(end)) / FINER)
    return worst


def ball() -> float:
    """Antialiased ball of bone in soft tissue against its chords, RMS over the peak, %, the worst
    of six views."""
    grid, radius = _grid(), 30.0
    body = SimpleNamespace(body=grid, hounsfield=_ball(grid, radius), structures=_nothing(grid))
    projector, worst = Projector(body), 0.0  # type: ignore[arg-type]
    for primary, secondary in POSES:
        geometry = projection(radians(primary), radians(secondary), (0.0, 0.0, 0.0), 512)
        source, rays = np.array(geometry.source), _rays(geometry)
        miss = source @ source - (rays @ source) ** 2
        exact = 2.0 * np.sqrt(np.maximum(radius**2 - miss, 0.0)) * DENSITIES[0] / 10.0
        off = projector.areas(geometry).bone - exact
        worst = max(worst, 100.0 * float(np.sqrt(np.mean(off**2)) / exact.max()))
    return worst


def quadrature() -> float:
    """The fast kernel against fine quadrature of the same interpolant, RMS over the peak of a ball
    of bone, %, the worst of six views, where a quarter of the pixels is traced."""
    grid = _grid()
    volume = _ball(grid, 30.0)
    body = SimpleNamespace(body=grid, hounsfield=volume, structures=_nothing(grid))
    projector, worst = Projector(body), 0.0  # type: ignore[arg-type]
    for primary, secondary in POSES:
        geometry = projection(radians(primary), radians(secondary), (0.0, 0.0, 0.0), 512)
        worst = max(worst, float(_off_quadrature(projector, grid, geometry)[Material.BONE]))
    return worst


def patient_quadrature(projector: Projector, poses: Iterable[CArmPose]) -> list[Figure]:
    """As `quadrature`, of a patient's 512 x 512 pictures: bone, soft tissue and fat, each the worst
    of the poses."""
    grid = projector.patient.body
    found = [_off_quadrature(projector, grid, pose.projection()) for pose in poses]
    what = "this patient's {} against fine quadrature, RMS of the peak"
    names = ("bone", "soft tissue", "fat")
    worst = np.max(found, axis=0).tolist()
    return [
        Figure(what.format(n), "%", value, "0.5") for n, value in zip(names, worst, strict=True)
    ]


def _off_quadrature(projector: Projector, grid: Grid, geometry: Projection) -> FloatArray:
    """RMS over the peak (3,), %, at random pixels, of sums over a tenth of a voxel."""
    pixels = np.random.default_rng(0).integers(0, geometry.size, (SAMPLED, 2))
    source, rays = np.array(geometry.source), _rays(geometry)
    volumes, step = shares(projector.tissue), 0.1 * grid.spacing
    fine = np.zeros((3, SAMPLED))
    for n, (row, column) in enumerate(pixels):
        slant = SOURCE_TO_DETECTOR_MM / abs(rays[row, column] @ rays.mean(axis=(0, 1)))
        places = np.arange(0.5 * step, slant, step)
        at = grid.index_from_point(source + places[:, None] * rays[row, column])
        inside = ((at >= 0.0) & (at <= np.array(grid.shape) - 1.0))[:, :2].all(axis=1)
        at = np.clip(at[inside].T, 0.0, np.array(grid.shape)[:, None] - 1.0)
        fine[:, n] = [map_coordinates(v, at, order=1, output=float).sum() for v in volumes]
    fine *= DENSITIES[:3, None] * step / 10.0
    whole = projector.areas(geometry).values[:3]
    off = whole[:, pixels[:, 0], pixels[:, 1]] - fine
    peak = np.maximum(whole.max(axis=(1, 2)), 1e-6)
    return np.asarray(100.0 * np.sqrt(np.mean(off**2, axis=1)) / peak)


def shares(hounsfield: NDArray[np.int16]) -> NDArray[np.float32]:
    """Shares by volume (3, ...) of bone, soft tissue and fat, as game/fluoroscopy/joseph.py has
    them, in plain NumPy."""
    hu = hounsfield.astype(np.float32)
    bone = np.maximum(hu - SOFT, 0.0) / (BONE - SOFT)
    not_fat = np.clip((hu - FAT) / (SOFT - FAT), 0.0, 1.0)
    tissue = np.clip((hu - AIR) / (FAT - AIR), 0.0, 1.0)
    return np.stack([bone, not_fat - np.minimum(bone, 1.0), tissue - not_fat])


def _grid() -> Grid:
    return Grid((-50.0, -50.0, -50.0), 1.0, (101, 101, 101))


def _nothing(grid: Grid) -> NDArray[np.uint8]:
    return np.zeros(grid.shape, np.uint8)


def _ball(grid: Grid, radius: float) -> NDArray[np.int16]:
    """A ball of bone in soft tissue about the origin, antialiased by 4 x 4 x 4 samples, HU."""
    share = np.zeros(grid.shape)
    offsets = (np.arange(4) + 0.5) / 4.0 - 0.5
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij", sparse=True)
    for dx in offsets:
        for dy in offsets:
            for dz in offsets:
                share += (x + dx) ** 2 + (y + dy) ** 2 + (z + dz) ** 2 < radius**2
    return np.rint(SOFT + share / 64.0 * (BONE - SOFT)).astype(np.int16)


def _rays(geometry: Projection) -> FloatArray:
    """Unit directions (h, w, 3) of all pixels."""
    steps = np.arange(geometry.size) * geometry.pixel_mm
    rays = geometry.pixel(0.0, 0.0) - np.array(geometry.source)
    rays = rays + steps[None, :, None] * np.array(geometry.right)
    rays = rays + steps[:, None, None] * np.array(geometry.down)
    return np.asarray(rays / np.linalg.norm(rays, axis=2, keepdims=True))


def against_public_models() -> list[Figure]:
    """The shipped tables beside xraydb and SpekPy; nothing where they are not installed."""
    if not public_models.installed():
        return []
    volts = public_models.VOLTAGES
    tissue = max(public_models.transmission_error(kvp) for kvp in volts)
    steel = max(public_models.transmission_error(kvp, public_models.STEEL) for kvp in volts)
    kerma = max(public_models.kerma_error(kvp) for kvp in volts)
    bins = max(map(public_models.attenuation_error, volts))
    rows = (
        ("attenuation per bin against xraydb", bins, "1"),
        ("spectrum per bin against SpekPy", public_models.spectrum_error(), "1"),
        ("tissue, bone, cement: transmission, 16 bins against fine", tissue, "1"),
        ("0.5-6 mm of steel: transmission, 16 bins against fine", steel, "1"),
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
        pulse = detected(mean, variance, grams[Material.SOFT], 0.6, 80.0, (1, number))
        variances.append(float(pulse[64:-64, 64:-64].var()))
    kerma = np.array(doses) * air_kerma(80.0, fluence(80.0, SOURCE_TO_DETECTOR_MM))
    line = np.polyval(np.polyfit(kerma, variances, 1), kerma)
    return 100.0 * float(np.abs(np.array(variances) / line - 1.0).max())


def scatter() -> list[Figure]:
    """Scatter to primary behind water, full field, gap of a centred patient."""
    rows = ((20.0, 85.0, True, "0.2-0.4"), (25.0, 95.0, True, "0.2-0.4"),
            (32.0, 110.0, True, "0.4-1.0"), (35.0, 115.0, True, "0.4-1.0"),
            (35.0, 115.0, False, "1.0-1.5"))  # fmt: skip
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
    """Air kerma at the reference point and KAP per minute of fluoroscopy on three water bodies, and
    how many times more a lateral costs."""
    made = []
    for name, (width, depth) in HABITUS.items():
        body, skin = water_body(width, depth), {}
        for view, pose in (("AP", AP), ("lateral", LATERAL)):
            what = f"{name} ({width:.0f} x {depth:.0f} mm water), {view}, {RATE:.0f}/s"
            skin[view], rows = rates(body, pose, what)
            made += rows
        times = skin["lateral"] / skin["AP"]
        made.append(Figure(f"lateral over AP, {name}", "x", times, "above 1"))
    return made


def rates(patient: Any, pose: CArmPose, what: str) -> tuple[float, list[Figure]]:
    """Skin kerma per minute, mGy, over a field of 74 cm2 at the skin, and two figures."""
    field = Field(collimation=SKIN_SIDE_MM * SOURCE_TO_DETECTOR_MM / REFERENCE_MM / DETECTOR_MM)
    after = expose(patient, Tube(pulse_rate=RATE, field=field), pose, 0)
    skin, kap = after.kerma_mgy * RATE * 60.0, after.kap_gycm2 * RATE * 60.0
    return skin, [
        Figure(f"skin kerma rate, {what}", "mGy/min", skin, "10-45"),
        Figure(f"KAP rate, {what}", "Gy cm2/min", kap, "0.7-3.3"),
    ]


def beside_gvxr(
    patient: Patient,
    pose: CArmPose,
    energy: Callable[[], object],
    cached: Callable[[], object],
    anew: Callable[[int], object],
) -> list[Figure]:
    """How many times faster ours is than gVirtualXRay's picture of the same patient's surfaces,
    which is the `energy` on the detector, without scatter, blur, noise and display: that energy
    with the pose kept, and our whole picture, kept (`cached`) and projected `anew`. Nothing where
    it is not installed."""
    bones = [s for name, s in patient.surfaces.items() if name != Structure.SKIN]
    skin = patient.surfaces[Structure.SKIN]
    theirs = gvxr_scene(skin, bones, pose.projection(512), 85.0)
    if theirs is None:
        return []
    theirs()
    cached()
    alike, kept, fresh = [], [], []
    for number in range(5):
        their = _time(theirs)
        alike.append(their / _time(energy))
        kept.append(their / _time(cached))
        fresh.append(their / _time(lambda n=number: anew(n)))  # type: ignore[misc]
    what = "times faster than gVXR"
    return [
        Figure(
            f"energy on the detector, pose kept, {what}", "x", float(np.median(alike)), "above 20"
        ),
        Figure(f"whole picture, pose kept, {what}", "x", float(np.median(kept)), "above 20"),
        Figure(f"whole picture, projected anew, {what}", "x", float(np.median(fresh)), "above 2"),
    ]


def _time(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
