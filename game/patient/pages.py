"""What a patient's folder holds, and back, every value checked on the way in.

`patient.json` says who it is and names the other files; `landmarks.json`, `fractures.json` and
`hazards.json` are for a person to read; volumes are NIfTI, surfaces and fracture sheets PLY. All in
LPS mm about the centre of the S1 superior endplate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from game.geometry.grid import FloatArray, Grid
from game.geometry.views import Anatomy
from game.patient.errors import PatientError
from game.patient.hazards import SPACES, spaces
from game.patient.importing.limits import MOST_VOXELS
from game.patient.nifti import read_nifti
from game.patient.patient import (
    FRACTURE_NAMES,
    SIDES,
    Fracture,
    FractureName,
    Landmark,
    Patient,
    Plane,
    Region,
    Space,
    Structure,
    Surface,
    Tube,
)
from game.patient.ply import XYZ, read_points, read_surface
from game.patient.traits import FracturePattern, Traits

FORMAT = 4  # of the folder; raised when what is written changes
PAGES = ("patient.json", "landmarks.json", "fractures.json", "hazards.json")
SHEET = (*XYZ, "area", "aperture")  # columns of a fracture's points: mm, mm2, mm
_FRAME = "patient LPS, mm: x left, y posterior, z superior, from the S1 superior endplate's centre"
_FAR_MM = 5000.0  # no coordinate of a patient lies further from S1; project choice
_TRAITS = TypeAdapter(Traits)
Code = TypeVar("Code")
Source = Literal["procedural", "ct", "labels"]
_SOURCES: tuple[Source, ...] = ("procedural", "ct", "labels")


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume of a folder: its `values` [x, y, z] on `grid`, what they are, and its codes' names
    where they are codes."""

    values: NDArray[Any]
    grid: Grid
    what: str
    names: Mapping[int, str] | None = None


def volumes_of(patient: Patient) -> dict[str, Volume]:
    """Every volume of a patient by its file's name without `.nii`."""
    body, bone = patient.body, patient.bone
    made = {
        "density": Volume(patient.hounsfield, body, "HU"),
        "labels": Volume(patient.structures, body, "structures", _names(Structure)),
        "region": Volume(patient.region, bone, "regions in and about the sacrum", _names(Region)),
        "cortex": Volume(patient.cortex, bone, "thickness of the nearest cortex, mm"),
        "sacrum_distance": Volume(patient.sacrum_distance, bone, f"{_SIGNED} the sacrum"),
    }
    for side in SIDES:
        hip = patient.hip_distance[side]
        made[f"hip_distance_{side}"] = Volume(hip, bone, f"{_SIGNED} the {side} hip bone")
    if patient.fractures:
        held = _fractured(patient)
        names = {int(c): _sheets(int(c)) for c in np.unique(held) if c}
        made["fractures"] = Volume(held, bone, "voxels that fracture sheets pass through", names)
    return made


_SIGNED = "signed distance, mm, negative inside, to"


def _names(codes: type[Structure] | type[Region]) -> dict[int, str]:
    return {code.value: code.name.lower() for code in codes}


def _bit(name: FractureName) -> int:
    return 1 << FRACTURE_NAMES.index(name)


def _sheets(code: int) -> str:
    return " and ".join(name for name in FRACTURE_NAMES if code & _bit(name))


def _fractured(patient: Patient) -> NDArray[np.uint8]:
    """Which sheets pass through each voxel, one bit for each of FRACTURE_NAMES."""
    held = np.zeros(patient.bone.shape, np.uint8)
    for name, fracture in patient.fractures.items():
        held.reshape(-1)[fracture.voxels] |= np.uint8(_bit(name))
    return held


def sheet_columns(fracture: Fracture) -> FloatArray:
    """A sheet's sample as the columns (n, 5) of SHEET."""
    return np.column_stack([fracture.points, fracture.areas, fracture.apertures])


def pages_of(patient: Patient) -> dict[str, dict[str, Any]]:
    """All that is no array, as plain JSON values by the page's name; mm, HU."""
    pages = (_who(patient), _marks(patient), _fracture_pages(patient), _hazard_pages(patient))
    return dict(zip(PAGES, pages, strict=True))


def written(page: Mapping[str, Any]) -> str:
    """A page as text, with each list of numbers on one line."""
    text = json.dumps(page, indent=1)
    short = re.compile(r"\[\n\s*([^\[\]{}\"]*?)\n\s*\]")  # no line end is ever within a JSON text
    return short.sub(lambda m: "[" + re.sub(r"\n\s*", " ", m[1]) + "]", text) + "\n"


def _who(patient: Patient) -> dict[str, Any]:
    surfaces = {code.name.lower(): f"{code.name.lower()}.ply" for code in patient.surfaces}
    return {
        "format": FORMAT,
        "name": patient.name,
        "source": patient.source,
        "traits": asdict(patient.traits) if patient.traits else None,
        "notes": list(patient.notes),
        "frame": _FRAME,
        "grids": {"body": _grid_page(patient.body), "bone": _grid_page(patient.bone)},
        "volumes": {f"{n}.nii": volume.what for n, volume in volumes_of(patient).items()},
        "surfaces": list(surfaces),
        "labels": {str(code): name for code, name in _names(Structure).items()},
        "regions": {str(code): name for code, name in _names(Region).items()},
        "cortex_assumed": patient.cortex_assumed,
        "anatomy": {
            "axes": [_numbers(row) for row in patient.anatomy.axes],
            "disc_normal": _numbers(patient.anatomy.disc_normal),
        },
    }


def _marks(patient: Patient) -> dict[str, Any]:
    return {
        "frame": _FRAME,
        "landmarks": {
            name: {
                "point": _numbers(mark.point),
                "estimated": bool(mark.estimated),
                "uncertainty_mm": float(mark.uncertainty_mm),
            }
            for name, mark in patient.landmarks.items()
        },
        "planes": {
            name: {"point": _numbers(plane.point), "normal": _numbers(plane.normal)}
            for name, plane in patient.planes.items()
        },
    }


def _fracture_pages(patient: Patient) -> dict[str, Any]:
    return {
        "frame": _FRAME,
        "fractures": {
            name: {
                "sheet": f"fracture_{name}.ply",
                "voxels": f"fractures.nii, bit {_bit(name)}",
                "pattern": fracture.pattern,
                "normal": _numbers(fracture.normal),
                "reaches": [region.name.lower() for region in fracture.reaches],
                "denis_zone": fracture.zone,
                "ffp": fracture.ffp,
                "crush_mm": float(fracture.crush_mm),
                "crush_hu": float(fracture.crush_hu),
                "step_mm": float(fracture.step_mm),
            }
            for name, fracture in patient.fractures.items()
        },
    }


def _hazard_pages(patient: Patient) -> dict[str, Any]:
    return {
        "frame": _FRAME,
        "tubes": {
            name: {
                "assumed": hazard.assumed,
                "line": [_numbers(point) for point in hazard.line],
                "radii": _numbers(hazard.radii),
            }
            for name, hazard in patient.hazards.items()
            if isinstance(hazard, Tube)
        },
        "spaces": {
            name: {
                "assumed": hazard.assumed,
                "regions": [region.name.lower() for region in SPACES[name]],
            }
            for name, hazard in patient.hazards.items()
            if isinstance(hazard, Space)
        },
    }


def _grid_page(grid: Grid) -> dict[str, Any]:
    return {"origin": _numbers(grid.origin), "spacing": grid.spacing, "shape": list(grid.shape)}


def _numbers(values: Any) -> list[float]:
    return [float(v) for v in values]


def patient_of(pages: Mapping[str, Mapping[str, Any]], folder: Path) -> Patient:
    """The patient of its pages and the other files in `folder`; raises PatientError for a value
    that is not allowed and KeyError or TypeError for one that is missing or of the wrong kind."""
    who, marks, broken, hazards = (pages[name] for name in PAGES)
    body, bone = _grid(who["grids"]["body"]), _grid(who["grids"]["bone"])
    sacrum_distance = _volume(folder, "sacrum_distance", np.float32, bone)
    region = _codes(folder, "region", bone, max(Region))
    return Patient(
        name=_text(who["name"]),
        source=_one_of("source", who["source"], _SOURCES),
        traits=_traits(who["traits"]),
        body=body,
        hounsfield=_volume(folder, "density", np.int16, body),
        structures=_codes(folder, "labels", body, max(Structure)),
        bone=bone,
        sacrum_distance=sacrum_distance,
        hip_distance={s: _volume(folder, f"hip_distance_{s}", np.float32, bone) for s in SIDES},
        cortex=_volume(folder, "cortex", np.float32, bone),
        cortex_assumed=who["cortex_assumed"] is True,
        region=region,
        surfaces={Structure[_text(n).upper()]: _surface(folder, n) for n in who["surfaces"]},
        landmarks={_text(n): _landmark(v) for n, v in marks["landmarks"].items()},
        planes={_text(n): _plane(v) for n, v in marks["planes"].items()},
        anatomy=Anatomy(
            np.stack([_unit(row) for row in who["anatomy"]["axes"]]).reshape(3, 3),
            _unit(who["anatomy"]["disc_normal"]),
        ),
        fractures=_fractures(folder, broken["fractures"], bone),
        hazards={_text(n): _tube(n, v) for n, v in hazards["tubes"].items()}
        | spaces(bone, sacrum_distance, region),
        notes=tuple(_text(note) for note in who["notes"]),
    )


def _traits(page: Any) -> Traits | None:
    return None if page is None else _TRAITS.validate_json(json.dumps(page), strict=True)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 2000:
        raise PatientError(f"a text is {str(value)[:60]!r}; up to 2000 letters are allowed")
    return value


def _one_of(what: str, value: Any, allowed: Sequence[Code]) -> Code:
    for one in allowed:
        if value == one:
            return one
    raise PatientError(f"{what} is {value!r}; allowed: {', '.join(map(str, allowed))}")


def _point(values: Any) -> FloatArray:
    point = np.array(values, float)
    if point.shape != (3,) or not np.all(np.abs(point) < _FAR_MM):
        raise PatientError(f"point is {values!r}; three numbers within {_FAR_MM:g} mm are needed")
    return point


def _unit(values: Any) -> FloatArray:
    vector = _point(values)
    if abs(float(np.linalg.norm(vector)) - 1.0) > 1e-3:
        raise PatientError(f"direction is {values!r}; its length must be 1")
    return vector


def _grid(page: Mapping[str, Any]) -> Grid:
    x, y, z = _point(page["origin"])
    shape = tuple(int(n) for n in page["shape"])
    if len(shape) != 3 or max(shape) > 4096:
        raise PatientError(f"grid shape is {shape}; three axes of up to 4096 voxels are allowed")
    if np.prod(shape, dtype=object) > MOST_VOXELS:
        raise PatientError(f"grid shape is {shape}; at most {MOST_VOXELS} voxels are allowed")
    return Grid((float(x), float(y), float(z)), float(page["spacing"]), (*shape,))


def _volume(folder: Path, name: str, kind: type, grid: Grid) -> NDArray[Any]:
    array = read_nifti(folder / f"{name}.nii", kind, grid)
    if array.dtype.kind == "f" and not np.isfinite(np.sum(array, dtype=np.float64)):
        raise PatientError(f"{name}.nii has values that are not finite")
    return array


def _codes(folder: Path, name: str, grid: Grid, most: int) -> NDArray[np.uint8]:
    array = _volume(folder, name, np.uint8, grid)
    if array.max() > most:
        raise PatientError(f"{name}.nii has the code {array.max()}; allowed: 0 to {most}")
    return array


def _surface(folder: Path, name: str) -> Surface:
    surface = read_surface(folder / f"{name}.ply")
    _near(f"{name}.ply", surface.vertices)
    return surface


def _near(name: str, points: NDArray[Any]) -> None:
    if not np.all(np.abs(points) < _FAR_MM):
        raise PatientError(f"{name}: has values that are not finite or beyond {_FAR_MM:g} mm")


def _landmark(page: Mapping[str, Any]) -> Landmark:
    uncertainty = float(page["uncertainty_mm"])
    if not 0 <= uncertainty < 100:
        raise PatientError(f"uncertainty is {uncertainty} mm; allowed: 0 to 100 mm")
    return Landmark(_point(page["point"]), page["estimated"] is True, uncertainty)


def _plane(page: Mapping[str, Any]) -> Plane:
    return Plane(_point(page["point"]), _unit(page["normal"]))


def _fractures(folder: Path, pages: Mapping[str, Any], bone: Grid) -> dict[FractureName, Fracture]:
    names = [_one_of("fracture", name, FRACTURE_NAMES) for name in pages]
    if not names:
        return {}
    held = _volume(folder, "fractures", np.uint8, bone).reshape(-1)
    if np.any(held & ~np.uint8(sum(_bit(name) for name in names))):
        raise PatientError(f"fractures.nii has codes of sheets other than {', '.join(names)}")
    return {n: _fracture(folder, n, pages[n], np.flatnonzero(held & _bit(n))) for n in names}


def _fracture(
    folder: Path, name: FractureName, page: Mapping[str, Any], voxels: NDArray[np.int64]
) -> Fracture:
    columns = read_points(folder / f"fracture_{name}.ply", SHEET)
    areas, apertures = columns[:, 3].copy(), columns[:, 4].copy()
    _near(f"fracture_{name}.ply", columns)
    if not (len(columns) and areas.min() > 0 and apertures.min() >= 0 and apertures.max() < 20):
        raise PatientError(f"fracture {name}: a point or more, each with an area above 0 and an "
                           "aperture of 0 to 20 mm, are needed")  # fmt: skip
    crush_mm, crush_hu = float(page["crush_mm"]), float(page["crush_hu"])
    if not (0 < crush_mm <= 20 and abs(crush_hu) <= 2000):
        raise PatientError(f"fracture {name}: crush is {crush_mm} mm and {crush_hu} HU; up to 20, "
                           "2000 are allowed")  # fmt: skip
    step_mm = float(page["step_mm"])
    if not 0 <= step_mm <= 20:
        raise PatientError(f"fracture {name}: step is {step_mm} mm; 0 to 20 mm are allowed")
    return Fracture(
        name=name,
        points=columns[:, :3].copy(),
        areas=areas,
        normal=_unit(page["normal"]),
        apertures=apertures,
        voxels=voxels,
        pattern=_one_of("fracture pattern", page["pattern"], get_args(FracturePattern)),
        reaches=tuple(Region[_text(n).upper()] for n in page["reaches"]),
        zone=_one_of("Denis zone", page["denis_zone"], (1, 2, 3)),
        ffp=_text(page["ffp"]),
        crush_mm=crush_mm,
        crush_hu=crush_hu,
        step_mm=step_mm,
    )


def _tube(name: str, page: Mapping[str, Any]) -> Tube:
    line = np.stack([_point(point) for point in page["line"]])
    radii = np.array(page["radii"], float)
    if len(line) < 2 or radii.shape != (len(line),) or not np.all((radii > 0) & (radii < 50)):
        raise PatientError(f"{_text(name)}: two points or more, each with a radius of up to 50 mm")
    return Tube(name, line, radii, page["assumed"] is True)
