"""A fracture's surface cut to the bone, with its aperture and the voxels that it passes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter, label

from game.geometry.grid import FloatArray, Grid
from game.patient.errors import PatientError
from game.patient.fracture.draw import Plan
from game.patient.fracture.gape import gaping, mean_gap
from game.patient.fracture.surface import AlaSheet, Surface, ala_sheet, bar
from game.patient.patient import FORAMINA, SIDES, Fracture, FractureName, Landmark, Region
from game.patient.segmentation import Bones

# This and all below: project choices, not validated
UNEVEN, UNEVEN_MM = 0.3, 5.0  # the aperture's spread (of its log) and how far it keeps its value
CLOSE_MM = 4.0  # over which the aperture closes towards an edge inside bone
NERVE_GAP_MM = 4.0  # from canal and foramina, of a central fracture that stays out of them
JOINT_SPACE_MM = 4.0  # from the hip bone, within which the gap is joint (2-4 mm [U], anatomy.md)
JOINTS = (Region.SI_JOINT_LEFT, Region.SI_JOINT_RIGHT)
LEAST_MM2, PIECE_MM2 = 200.0, 60.0  # of a sheet, and of a piece of it beyond a foramen
CRUSH_MM = (2.0, 4.0)  # drawn between: half width of the band of crushed bone
SCLEROTIC, SCLEROTIC_HU, LUCENT_HU = (
    0.75,
    (60.0, 180.0),
    (-80.0, -40.0),
)  # a band that is denser, or
# less dense, than bone is: "sclerotic band or lucent line" [U], facts/anatomy.md
TOUCHES = 3  # cells of 1 mm by which a sheet opens into a region
SAMPLE_MM = 1.0
FINE_MM = 0.35  # under half a voxel, so that no voxel on the sheet is missed
REACH_MM = 80.0  # of the lattice from the sheet's origin


@dataclass(frozen=True, eq=False)
class _Lattice:
    """`u`, `v` (n, m) mm, `code` the regions there, `inside` where the fracture is, `blind` the
    whole bone that it ends in."""

    u: FloatArray
    v: FloatArray
    code: NDArray[np.uint8]
    inside: NDArray[np.bool_]
    blind: NDArray[np.bool_]


def fractures_of(
    bones: Bones,
    landmarks: Mapping[str, Landmark],
    region: NDArray[np.uint8],
    plans: Sequence[Plan],
    axes: FloatArray,
    seed: int = 0,
) -> dict[FractureName, Fracture]:
    """The planned fractures by name, in the frame of `bones`, LPS mm; the same for the same seed.
    `axes` (3, 3) are the patient's left, posterior and superior.

    Raises PatientError where a joint is not seen or a sheet would not lie in the marrow."""
    made: dict[FractureName, Fracture] = {}
    is_h = any(plan.pattern == "h" for plan in plans)
    sheets = {
        p.name: ala_sheet(bones, landmarks, p, s, axes) for p in plans for s in SIDES if s == p.name
    }
    for number, plan in enumerate(plans):
        rng = np.random.default_rng([seed, number])
        surface: Surface
        if plan.name in sheets:
            surface = sheets[plan.name]
        else:
            beside = tuple(sheets.values()) if is_h else ()
            surface = bar(landmarks, axes, beside)
        sheet = _fracture(bones, region, surface, plan, is_h, rng)
        made[plan.name] = _gaping(bones, sheet, mean_gap(seed, number))
    return made


def _gaping(bones: Bones, sheet: Fracture, mean: float) -> Fracture:
    """The sheet with `mean` mm of aperture, wider at the cortex."""
    depth = -bones.grid.sample(bones.sacrum, sheet.points, 0.0)
    return replace(sheet, apertures=gaping(sheet.apertures, sheet.areas, depth, mean))


def _fracture(
    bones: Bones,
    region: NDArray[np.uint8],
    surface: Surface,
    plan: Plan,
    is_h: bool,
    rng: np.random.Generator,
) -> Fracture:
    lattice = _lattice(bones, region, surface, plan)
    inside = lattice.inside
    points = surface.points(lattice.u, lattice.v)
    along_u, along_v = np.gradient(points, SAMPLE_MM, axis=(0, 1))
    normals = np.cross(along_u, along_v)[inside]
    areas = np.linalg.norm(normals, axis=1) * SAMPLE_MM**2
    if areas.sum() < LEAST_MM2:
        raise PatientError(
            f"the {plan.name} fracture sheet has {areas.sum():.0f} mm2 in bone; "
            f"at least {LEAST_MM2:.0f} mm2 are needed"
        )
    normal = normals.mean(axis=0)
    away = surface.frame.axes[2]
    if isinstance(surface, AlaSheet):
        away = surface.outward * surface.frame.axes[0]
    normal *= np.sign(normal @ away) / np.linalg.norm(normal)
    reaches = _reaches(lattice)
    return Fracture(
        name=plan.name,
        points=points[inside],
        areas=areas,
        normal=normal,
        apertures=_apertures(lattice, areas, rng),
        voxels=_voxels(bones.grid, region, surface, lattice),
        pattern=plan.pattern,
        reaches=reaches,
        zone=_zone(plan, reaches),
        ffp="IVb" if is_h else "IIa",
        crush_mm=float(rng.uniform(*CRUSH_MM)),
        crush_hu=float(rng.uniform(*(SCLEROTIC_HU if rng.random() < SCLEROTIC else LUCENT_HU))),
    )


def _zone(plan: Plan, reaches: tuple[Region, ...]) -> Literal[1, 2, 3]:
    """Denis' zone: the most medial place that the fracture touches (facts/anatomy.md)."""
    if plan.name in ("central", "transverse") or Region.CANAL in reaches:
        return 3
    return 2 if set(reaches) & {*FORAMINA["left"], *FORAMINA["right"]} else 1


def _lattice(bones: Bones, region: NDArray[np.uint8], surface: Surface, plan: Plan) -> _Lattice:
    """The plane sampled, and which of it is fractured: marrow where the surface goes, in one piece
    or in pieces that a foramen or the canal has parted."""
    steps = np.arange(-REACH_MM, REACH_MM, SAMPLE_MM)
    u, v = np.meshgrid(
        steps - 30.0 if isinstance(surface, AlaSheet) else steps, steps, indexing="ij"
    )
    points = surface.points(u, v).reshape(-1, 3)
    code = bones.grid.nearest(region, points, int(Region.LATERAL)).reshape(u.shape)
    for side, joint in zip(SIDES, JOINTS, strict=True):
        away = bones.grid.sample(bones.hip[side], points, 50.0).reshape(u.shape) > JOINT_SPACE_MM
        code[(code == joint) & away] = Region.PRESACRAL
    within, marrow = surface.within(u, v), code == Region.MARROW
    fits = marrow & within
    nerves = np.isin(code, (Region.CANAL, *FORAMINA["left"], *FORAMINA["right"]))
    if plan.name == "central" and not plan.into_canal and nerves.any():
        fits &= distance_transform_edt(~nerves, sampling=SAMPLE_MM) > NERVE_GAP_MM
    parts, _ = label(fits)
    sizes = np.bincount(parts.ravel(), minlength=2) * SAMPLE_MM**2
    sizes[0] = 0.0
    kept = sizes >= PIECE_MM2 if plan.foramen or plan.name == "transverse" else sizes == sizes.max()
    kept &= sizes > 0
    inside = kept[parts]
    whole = marrow & within if plan.name == "transverse" else marrow  # a bar ends at two gaps
    return _Lattice(u, v, code, inside, whole & ~inside)


def _reaches(lattice: _Lattice) -> tuple[Region, ...]:
    """The regions that the sheet's rim opens into."""
    rim = binary_dilation(lattice.inside, np.ones((3, 3))) & ~lattice.inside
    counts = np.bincount(lattice.code[rim], minlength=len(Region))
    return tuple(r for r in Region if r != Region.MARROW and counts[r] >= TOUCHES)


def _apertures(lattice: _Lattice, areas: FloatArray, rng: np.random.Generator) -> FloatArray:
    """How unevenly the sheet gapes at its points (n,): smooth and log-normal, closing to nothing
    towards each edge that lies inside bone; 1 on average."""
    noise = gaussian_filter(rng.standard_normal(lattice.u.shape), UNEVEN_MM / SAMPLE_MM)
    field = np.exp(UNEVEN * noise / noise.std())
    if lattice.blind.any():
        gap = distance_transform_edt(~lattice.blind, sampling=SAMPLE_MM) - 0.5 * SAMPLE_MM
        field = field * np.clip(gap / CLOSE_MM, 0.0, 1.0)
    own = field[lattice.inside]
    return np.asarray(own * (areas.sum() / (own @ areas)))


def _voxels(
    grid: Grid, region: NDArray[np.uint8], surface: Surface, lattice: _Lattice
) -> NDArray[np.int64]:
    """Flat indices of the marrow voxels that the sheet's cells touch, ascending."""
    u, v, inside = lattice.u, lattice.v, lattice.inside
    within = np.arange(-0.5, 0.5, FINE_MM) + FINE_MM / 2
    du, dv = (a.ravel() for a in np.meshgrid(within, within, indexing="ij"))
    points = surface.points(u[inside][:, None] + du, v[inside][:, None] + dv).reshape(-1, 3)
    index = np.rint(grid.index_from_point(points)).astype(np.int64)
    index = index[np.all((index >= 0) & (index < grid.shape), axis=1)]
    flat = np.unique(np.ravel_multi_index(tuple(index.T), grid.shape))
    return flat[region.reshape(-1)[flat] == Region.MARROW]
