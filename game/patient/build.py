"""A `Segmentation` -> a `Patient`: the same road for every source."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid, Point
from game.geometry.views import Anatomy
from game.patient.cortex import cortex_of
from game.patient.density import Levels, drawn_hounsfield
from game.patient.distance import on_grid
from game.patient.fracture import crushed_hounsfield, drawn_fractures, fractures_of, stepped
from game.patient.hazards import hazards_of
from game.patient.iliac_cortex import Ridges, ridges_of
from game.patient.landmarks import find_landmarks, open_foramina, planes_and_anatomy
from game.patient.landmarks.frame import Frame, midsagittal, unrolled
from game.patient.lumbosacral import parted_at_s1
from game.patient.patient import (
    Fracture,
    FractureName,
    Landmark,
    Patient,
    Plane,
    Side,
    Structure,
    Surface,
)
from game.patient.regions import region_map
from game.patient.resample import (
    Body,
    body_around,
    bones_again,
    bones_of,
    levels_again,
    levels_of,
    with_sacrum,
)
from game.patient.segmentation import Bones, Level, Segmentation
from game.patient.shell import COARSE_MM, NOTE, shelled
from game.patient.surfaces import surface_of
from game.patient.traits import Traits

DISC_REACH_MM = 14.0  # above the S1 endplate; the disc is 10-12 mm high
DISC_HALF_MM = (25.0, 17.0)  # its half axes across and front to back: S1's, facts/anatomy.md
HIPS: Mapping[Side, Structure] = {"left": Structure.HIP_LEFT, "right": Structure.HIP_RIGHT}
_COARSEST = {Structure.SKIN: 6}  # voxels skipped at most; other bones 3


def build(segmentation: Segmentation, traits: Traits | None = None) -> Patient:
    """The patient whom a segmentation shows, its origin moved to the S1 endplate's centre, with the
    fractures of `traits`; an import has none of its own, and is given the default's fractures.

    Raises PatientError where a bone is missing or the landmarks cannot be placed."""
    asked = traits or Traits()
    found, segmentation, levels = _read(segmentation)
    landmarks, planes, axes = found.landmarks, found.planes, found.anatomy.axes
    name, source, spacing = segmentation.name, segmentation.source, max(segmentation.spacing)
    notes = segmentation.notes + _assumed(segmentation, landmarks, asked.quality)
    ribbon = unrolled(found.bones, found.middle)
    bones = whole = open_foramina(found.bones, landmarks, ribbon)
    with ThreadPoolExecutor(1) as aside:  # its kernels are serial, as all here
        around = aside.submit(body_around, segmentation, levels, np.zeros(3))
        del segmentation, levels  # some hundred MB, which go once they are read
        region = region_map(bones, landmarks, planes, ribbon)
        plans = drawn_fractures(asked)
        fractures = fractures_of(bones, landmarks, region, plans, axes, asked.seed)
        if source == "procedural":  # an import's bone is what it is
            bones, region, fractures = stepped(bones, region, fractures, -axes[1], asked.seed)
        cortex = aside.submit(cortex_of, region, bones.grid, asked)
        body = with_sacrum(around.result(), bones)
        _lay_disc(body, axes, planes)
        surfaces = aside.submit(_surfaces, bones, body)
        hazards = aside.submit(hazards_of, bones, landmarks, planes, ribbon, region, whole)
        hips = {side: body.levels[code] for side, code in HIPS.items()}
        ridges = ridges_of(whole, hips, landmarks, axes, planes["s1_endplate"].normal)
        thick = _Cortex(cortex.result(), bones.grid, ridges)
        levels_hu = Levels.of(landmarks, axes)
        hounsfield = _hounsfield(body, levels_hu, thick, fractures, spacing, asked)
    return Patient(
        name=name,
        source=source,
        traits=traits,
        body=body.grid,
        hounsfield=hounsfield,
        structures=body.structures,
        bone=bones.grid,
        sacrum_distance=bones.sacrum,
        hip_distance=bones.hip,
        cortex=thick.field,
        cortex_assumed=True,
        region=region,
        surfaces=surfaces.result(),
        landmarks=landmarks,
        planes=planes,
        anatomy=found.anatomy,
        fractures=fractures,
        hazards=hazards.result(),
        notes=notes,
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """What is read off a segmentation's bones, its origin the S1 endplate's centre, LPS mm."""

    bones: Bones
    landmarks: Mapping[str, Landmark]
    middle: Frame
    planes: Mapping[str, Plane]
    anatomy: Anatomy


def _read(segmentation: Segmentation) -> tuple[_Found, Segmentation, dict[Structure, Level]]:
    """What is found, and in its frame the segmentation and levels that it was found in."""
    levels = levels_of(segmentation)
    bones = bones_of(segmentation, levels)
    middle = midsagittal(bones)
    landmarks = find_landmarks(bones, segmentation.known, middle)
    centre = landmarks["s1_endplate_centre"].point
    moved, bones, landmarks = _moved(segmentation, bones, landmarks, centre)
    middle = replace(middle, origin=middle.origin - centre)
    planes, anatomy = planes_and_anatomy(bones, landmarks, middle)
    parted = parted_at_s1(moved, planes["s1_endplate"], anatomy)
    if parted is not moved:
        levels = levels_again(parted, levels)
        bones = bones_again(parted, levels, bones)
    return _Found(bones, landmarks, middle, planes, anatomy), parted, levels


@dataclass(frozen=True, eq=False)
class _Cortex:
    """Thickness of the sacrum's cortex, mm, on its grid, and where the hip bones' is thick."""

    field: NDArray[np.float32]
    grid: Grid
    ridges: Mapping[Side, Ridges]


def _hounsfield(
    body: Body,
    levels: Levels,
    cortex: _Cortex,
    fractures: Mapping[FractureName, Fracture],
    spacing: float,
    traits: Traits,
) -> NDArray[np.int16]:
    """HU on the body grid: the CT's, with its cortex drawn anew where it is coarse (`spacing` mm),
    or drawn as a whole where there is none."""
    if body.hounsfield is None:
        drawn = drawn_hounsfield(body, levels, cortex.field, cortex.grid, traits, cortex.ridges)
        sacrum = body.structures == Structure.SACRUM
        return crushed_hounsfield(drawn, body.grid, sacrum, fractures.values())
    if spacing > COARSE_MM:
        return shelled(body, cortex.field, cortex.grid, spacing)
    return body.hounsfield


def _moved(
    segmentation: Segmentation,
    bones: Bones,
    landmarks: Mapping[str, Landmark],
    centre: FloatArray,
) -> tuple[Segmentation, Bones, Mapping[str, Landmark]]:
    """All three with `centre` (3,) as the new origin."""
    grid = replace(bones.grid, origin=_shifted(bones.grid.origin, centre))
    return (
        replace(segmentation, origin=_shifted(segmentation.origin, centre), known={}, solids=None),
        replace(bones, grid=grid),
        {name: replace(mark, point=mark.point - centre) for name, mark in landmarks.items()},
    )


def _shifted(origin: Point, centre: FloatArray) -> Point:
    x, y, z = (float(o - c) for o, c in zip(origin, centre, strict=True))
    return x, y, z


def _lay_disc(body: Body, axes: FloatArray, planes: Mapping[str, Plane]) -> None:
    """Writes the L5/S1 disc into the body where the source did not: what is no bone in an elliptic
    cylinder on the S1 endplate."""
    near = _around(body.grid, float(np.hypot(max(DISC_HALF_MM), DISC_REACH_MM)))
    points = np.stack(np.meshgrid(*near[1].axes(), indexing="ij"), axis=-1)
    plane = planes["s1_endplate"]
    up = (points - plane.point) @ plane.normal
    flat = (points - plane.point) - up[..., None] * plane.normal
    across = flat @ axes[0]
    ahead = np.sqrt(np.maximum((flat**2).sum(axis=-1) - across**2, 0))
    inside = (across / DISC_HALF_MM[0]) ** 2 + (ahead / DISC_HALF_MM[1]) ** 2 < 1
    soft = np.isin(body.structures[near[0]], (Structure.FAT, Structure.MUSCLE))
    body.structures[near[0]][inside & soft & (up > -3.0) & (up < DISC_REACH_MM)] = Structure.DISC


def _around(grid: Grid, reach: float) -> tuple[tuple[slice, slice, slice], Grid]:
    """The part of `grid` within `reach` mm of the origin, as slices and as a grid."""
    middle = grid.index_from_point(np.zeros(3))
    low = np.clip(np.floor(middle - reach), 0, None).astype(int)
    high = np.minimum(np.ceil(middle + reach), np.array(grid.shape) - 1).astype(int)
    x, y, z = grid.point_from_index(low)
    shape = (int(high[0] - low[0]) + 1, int(high[1] - low[1]) + 1, int(high[2] - low[2]) + 1)
    a, b, c = (slice(int(f), int(f) + n) for f, n in zip(low, shape, strict=True))
    return (a, b, c), Grid((float(x), float(y), float(z)), grid.spacing, shape)


def _surfaces(bones: Bones, body: Body) -> Mapping[Structure, Surface]:
    """The sacrum from the bone grid at 1.5 mm (its walls are measured against it), the rest from
    the body grid, coarser."""
    made = {Structure.SACRUM: _sacrum_surface(bones)}
    for code, (part, level) in body.levels.items():
        if code != Structure.SACRUM and level.min() < 0:
            made[code] = surface_of(level, part, _COARSEST.get(code, 3))
    return made


def _sacrum_surface(bones: Bones) -> Surface:
    spacing = 1.5  # mm: about 45 000 faces
    shape = tuple(int((n - 1) * bones.grid.spacing / spacing) + 1 for n in bones.grid.shape)
    grid = Grid(bones.grid.origin, spacing, (shape[0], shape[1], shape[2]))
    step = (bones.grid.spacing,) * 3
    return surface_of(on_grid(bones.sacrum, bones.grid.origin, step, grid), grid)


def _assumed(
    segmentation: Segmentation, landmarks: Mapping[str, Landmark], quality: str
) -> tuple[str, ...]:
    """What the patient does not owe to the source, in words."""
    notes = ["cortical thickness is assumed from the literature (0.5-2 mm by side), not measured"]
    if segmentation.hounsfield is None:
        notes.append(f"density is drawn by structure: {quality} bone, no CT")
    elif max(segmentation.spacing) > COARSE_MM:
        notes.append(NOTE.format(max(segmentation.spacing)))
    guessed = sorted(name for name, mark in landmarks.items() if mark.estimated)
    if guessed:
        notes.append(f"estimated, not seen: {', '.join(guessed)}")
    notes.append("the fracture sheets are drawn, not seen: their course follows the SI joints")
    if segmentation.source == "ct":
        notes.append("the CT is left as it is: no sheet was drawn into its density or its cortex")
    elif segmentation.source == "labels":
        notes.append("the bone is left as it is: no sheet has a step of the cortex")
    notes.append("nerves, vessels, thecal sac and rectum are placed from landmarks, not seen")
    return tuple(notes)
