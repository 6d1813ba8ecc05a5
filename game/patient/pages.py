"""A patient as a JSON page and named arrays, and back, every value checked on the way in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from game.geometry.grid import FloatArray, Grid
from game.geometry.views import Anatomy
from game.patient.errors import PatientError
from game.patient.hazards import spaces
from game.patient.patient import (
    FRACTURE_NAMES,
    SIDES,
    Fracture,
    Landmark,
    Patient,
    Plane,
    Region,
    Structure,
    Surface,
    Tube,
)
from game.patient.traits import FracturePattern, Traits

FORMAT = 3  # of the folder; raised when what is written changes
_FAR_MM = 5000.0  # no coordinate of a patient lies further from S1; project choice
_TRAITS = TypeAdapter(Traits)
Arrays = Callable[[str], NDArray[Any]]
Code = TypeVar("Code")
Source = Literal["procedural", "ct", "labels"]
_SOURCES: tuple[Source, ...] = ("procedural", "ct", "labels")


def arrays_of(patient: Patient) -> dict[str, NDArray[Any]]:
    """Every array of a patient by its file's name."""
    arrays: dict[str, NDArray[Any]] = {
        "hounsfield": patient.hounsfield,
        "structures": patient.structures,
        "sacrum_distance": patient.sacrum_distance,
        "cortex": patient.cortex,
        "region": patient.region,
    }
    for side in SIDES:
        arrays[f"hip_distance_{side}"] = patient.hip_distance[side]
    for code, surface in patient.surfaces.items():
        arrays[f"surface_{code.name.lower()}_vertices"] = surface.vertices
        arrays[f"surface_{code.name.lower()}_faces"] = surface.faces
    for name, fracture in patient.fractures.items():
        arrays[f"fracture_{name}_points"] = np.asarray(fracture.points, float)
        arrays[f"fracture_{name}_areas"] = np.asarray(fracture.areas, float)
        arrays[f"fracture_{name}_apertures"] = np.asarray(fracture.apertures, float)
        arrays[f"fracture_{name}_voxels"] = fracture.voxels
    return arrays


def page_of(patient: Patient) -> dict[str, Any]:
    """All that is no array, as plain JSON values; mm."""
    return {
        "format": FORMAT,
        "name": patient.name,
        "source": patient.source,
        "traits": asdict(patient.traits) if patient.traits else None,
        "notes": list(patient.notes),
        "grids": {"body": _grid_page(patient.body), "bone": _grid_page(patient.bone)},
        "cortex_assumed": patient.cortex_assumed,
        "surfaces": [code.name.lower() for code in patient.surfaces],
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
        "anatomy": {
            "axes": [_numbers(row) for row in patient.anatomy.axes],
            "disc_normal": _numbers(patient.anatomy.disc_normal),
        },
        "fractures": {
            name: {
                "pattern": fracture.pattern,
                "normal": _numbers(fracture.normal),
                "reaches": [region.name.lower() for region in fracture.reaches],
                "denis_zone": fracture.zone,
                "ffp": fracture.ffp,
                "crush_mm": float(fracture.crush_mm),
                "crush_hu": float(fracture.crush_hu),
            }
            for name, fracture in patient.fractures.items()
        },
        "tubes": {
            name: {
                "line": [_numbers(point) for point in hazard.line],
                "radii": _numbers(hazard.radii),
                "assumed": hazard.assumed,
            }
            for name, hazard in patient.hazards.items()
            if isinstance(hazard, Tube)
        },
    }


def _grid_page(grid: Grid) -> dict[str, Any]:
    return {"origin": _numbers(grid.origin), "spacing": grid.spacing, "shape": list(grid.shape)}


def _numbers(values: Any) -> list[float]:
    return [float(v) for v in values]


def patient_of(page: Mapping[str, Any], arrays: Arrays) -> Patient:
    """The patient of a page and its arrays; raises PatientError for a value that is not allowed
    and KeyError or TypeError for one that is missing or of the wrong kind."""
    body, bone = _grid(page["grids"]["body"]), _grid(page["grids"]["bone"])
    if page["source"] not in _SOURCES:
        raise PatientError(f"source is {page['source']!r}; allowed: {', '.join(_SOURCES)}")
    sacrum_distance = _volume(arrays, "sacrum_distance", np.float32, bone)
    region = _codes(arrays, "region", bone, max(Region))
    return Patient(
        name=_text(page["name"]),
        source=page["source"],
        traits=_traits(page["traits"]),
        body=body,
        hounsfield=_volume(arrays, "hounsfield", np.int16, body),
        structures=_codes(arrays, "structures", body, max(Structure)),
        bone=bone,
        sacrum_distance=sacrum_distance,
        hip_distance={s: _volume(arrays, f"hip_distance_{s}", np.float32, bone) for s in SIDES},
        cortex=_volume(arrays, "cortex", np.float32, bone),
        cortex_assumed=page["cortex_assumed"] is True,
        region=region,
        surfaces={Structure[n.upper()]: _surface(arrays, n) for n in page["surfaces"]},
        landmarks={_text(n): _landmark(v) for n, v in page["landmarks"].items()},
        planes={_text(n): _plane(v) for n, v in page["planes"].items()},
        anatomy=Anatomy(
            np.stack([_unit(row) for row in page["anatomy"]["axes"]]).reshape(3, 3),
            _unit(page["anatomy"]["disc_normal"]),
        ),
        fractures={
            _one_of("fracture", n, FRACTURE_NAMES): _fracture(arrays, n, v, bone)
            for n, v in page["fractures"].items()
        },
        hazards={_text(n): _tube(n, v) for n, v in page["tubes"].items()}
        | spaces(bone, sacrum_distance, region),
        notes=tuple(_text(note) for note in page["notes"]),
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
    return Grid((float(x), float(y), float(z)), float(page["spacing"]), (*shape,))


def _volume(arrays: Arrays, name: str, kind: type, grid: Grid) -> NDArray[Any]:
    array = arrays(name)
    if array.dtype != kind or array.shape != grid.shape:
        raise PatientError(
            f"{name} is {array.dtype} of shape {array.shape}; {np.dtype(kind)} of {grid.shape} "
            "is needed"
        )
    if array.dtype.kind == "f" and not np.isfinite(np.sum(array, dtype=np.float64)):
        raise PatientError(f"{name} has values that are not finite")
    return array


def _codes(arrays: Arrays, name: str, grid: Grid, most: int) -> NDArray[np.uint8]:
    array = _volume(arrays, name, np.uint8, grid)
    if array.max() > most:
        raise PatientError(f"{name} has the code {array.max()}; allowed: 0 to {most}")
    return array


def _surface(arrays: Arrays, name: str) -> Surface:
    vertices = arrays(f"surface_{name}_vertices")
    faces = arrays(f"surface_{name}_faces")
    _rows(f"surface {name}'s vertices", vertices, np.float32, 3)
    _rows(f"surface {name}'s faces", faces, np.int32, 3)
    if len(faces) and not (faces.min() >= 0 and faces.max() < len(vertices)):
        raise PatientError(f"surface {name}: a face names a vertex beyond 0 to {len(vertices) - 1}")
    return Surface(vertices, faces)


def _rows(name: str, array: NDArray[Any], kind: type, width: int) -> None:
    fits = array.ndim == 2 and array.shape[1] == width if width else array.ndim == 1
    if not fits or array.dtype != kind:
        raise PatientError(f"{name}: {array.dtype} of shape {array.shape} is not what is needed")
    if not np.all(np.abs(array) < (_FAR_MM if kind is not np.int32 else np.inf)):
        raise PatientError(f"{name}: has values that are not finite or beyond {_FAR_MM:g} mm")


def _landmark(page: Mapping[str, Any]) -> Landmark:
    uncertainty = float(page["uncertainty_mm"])
    if not 0 <= uncertainty < 100:
        raise PatientError(f"uncertainty is {uncertainty} mm; allowed: 0 to 100 mm")
    return Landmark(_point(page["point"]), page["estimated"] is True, uncertainty)


def _plane(page: Mapping[str, Any]) -> Plane:
    return Plane(_point(page["point"]), _unit(page["normal"]))


def _fracture(arrays: Arrays, name: str, page: Mapping[str, Any], bone: Grid) -> Fracture:
    points = arrays(f"fracture_{name}_points")
    areas, apertures = (arrays(f"fracture_{name}_{what}") for what in ("areas", "apertures"))
    voxels = arrays(f"fracture_{name}_voxels")
    _rows(f"fracture {name}'s points", points, np.float64, 3)
    _rows(f"fracture {name}'s areas", areas, np.float64, 0)
    _rows(f"fracture {name}'s apertures", apertures, np.float64, 0)
    count = int(np.prod(bone.shape))
    fits = voxels.ndim == 1 and voxels.dtype == np.int64
    if not fits or (len(voxels) and not (voxels.min() >= 0 and voxels.max() < count)):
        raise PatientError(f"fracture {name}: voxels must be places in the bone grid, 0 to {count}")
    if not 0 < len(points) == len(areas) == len(apertures):
        raise PatientError(
            f"fracture {name}: {len(points)} points, {len(areas)} areas and {len(apertures)} "
            "apertures; as many of each, and one or more, are needed"
        )
    if not (areas.min() > 0 and apertures.min() >= 0 and apertures.max() < 20):
        raise PatientError(f"fracture {name}: areas above 0 and apertures 0 to 20 mm are allowed")
    crush_mm, crush_hu = float(page["crush_mm"]), float(page["crush_hu"])
    if not (0 < crush_mm <= 20 and abs(crush_hu) <= 2000):
        raise PatientError(f"fracture {name}: crush is {crush_mm} mm and {crush_hu} HU; up to 20, "
                           "2000 are allowed")  # fmt: skip
    return Fracture(
        name=_one_of("fracture", name, FRACTURE_NAMES),
        points=points,
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
    )


def _tube(name: str, page: Mapping[str, Any]) -> Tube:
    line = np.stack([_point(point) for point in page["line"]])
    radii = np.array(page["radii"], float)
    if len(line) < 2 or radii.shape != (len(line),) or not np.all((radii > 0) & (radii < 50)):
        raise PatientError(f"{_text(name)}: two points or more, each with a radius of up to 50 mm")
    return Tube(name, line, radii, page["assumed"] is True)
