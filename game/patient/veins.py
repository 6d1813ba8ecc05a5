"""The veins that drain the sacral alae, drawn: from the marrow through the anterior cortex, or
through a foramen's wall, to the lateral sacral vein and with it to the internal iliac vein.

Known: a plexus before the sacrum joins lateral and median sacral veins like a ladder (Zeit & Cope,
AJR 1983; 140:143), takes up veins that come out of the bone and drains into the internal iliac
veins. Of 100 sacra 16 had one or more large openings of such veins on the anterior face, at S3-S5;
in the others they were very small (Wang, Arch Surg 1985; 120:1013). The median sacral vein is
2.5 mm wide (mean of 37 bodies, Wu 1997); the lateral one is taken to be so too. How many veins
leave an ala, where, how wide, and how deep they begin, was not found: NUMBER, RADIUS_MM, SPREAD,
WIDEST_MM and ROOT_MM are project choices, which were set while alae were treated
(`sacrosim bench cement --leaks`): cement enters the few that are wide and begin near the cannula,
still more seldom than was published.
No vein is seen on a CT: all are assumed. They follow from the patient and its seed, so that a saved
patient needs no page for them.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import make_interp_spline

from game.geometry.grid import FloatArray
from game.patient.patient import SIDES, Patient, Region, Side, Tube

NUMBER = (
    6.0,
    2.0,
)  # means, a side: through the anterior cortex of the ala; by each of the foramina
RADIUS_MM = 1.0  # median, inside bone
SPREAD, WIDEST_MM = 0.5, 2.0  # of the radius: SD of its log, and the most
TRUNK_MM, LINK_MM = 1.25, 0.8  # radii of the lateral sacral vein, and least of what joins it
ROOT_MM = (2.0, 12.0)  # how far into the ala a vein begins under the cortex it leaves by
CLEAR_MM = 0.3  # from the wall of a vein outside to bone
MEDIAL_MM = 3.0  # of the lateral sacral vein from the foramina's centres
ALA_MM = 4.0  # from the foramina's centres outwards, where the ala begins
ILIAC_MM = 20.0  # of the internal iliac vein that belong to each vein's way out
STEP_MM = 1.5
TURNS = 40  # of pushing a line out of bone
LEVELS = (1, 2, 3)
_STREAM = 0x7E14  # of the seed's generators; so that other draws of a patient stay independent


def alar_veins(patient: Patient) -> tuple[Tube, ...]:
    """The veins of both alae, each from its root in the marrow to the internal iliac vein, LPS mm;
    the same for the same patient. None on a side whose anterior wall or iliac vein is not known."""
    seed = patient.traits.seed if patient.traits else 0
    made: list[Tube] = []
    for number, side in enumerate(SIDES):
        rng = np.random.default_rng([seed, _STREAM, number])
        if f"internal_iliac_vein_{side}" in patient.hazards:
            made += _of_side(patient, side, rng)
    return tuple(made)


def _of_side(patient: Patient, side: Side, rng: np.random.Generator) -> list[Tube]:
    """One radius is drawn for each opening, whether or not a vein can be laid there."""
    iliac = patient.hazards[f"internal_iliac_vein_{side}"]
    if not isinstance(iliac, Tube):
        return []
    trunk = _lateral_sacral(patient, side, iliac)
    openings = _anterior(patient, side, rng)
    for level in LEVELS:
        openings += _foraminal(patient, side, level, rng)
    veins: list[Tube] = []
    for opening in openings:
        drawn = RADIUS_MM * np.exp(SPREAD * rng.standard_normal())
        depth = float(rng.uniform(*ROOT_MM))
        line = _course(patient, opening, depth, trunk)
        if line is not None:
            radii = _radii(patient, line, trunk, min(float(drawn), WIDEST_MM))
            line, radii = _with_iliac(line, radii, iliac)
            veins.append(Tube(f"alar_vein_{len(veins) + 1}_{side}", line, radii))
    return veins


def _outward(patient: Patient, side: Side, points: FloatArray) -> FloatArray:
    """How far points (n, 3) lie from the midline to the given side, mm (n,)."""
    left = patient.anatomy.axes[0]
    return np.asarray((points @ left) * (1.0 if side == "left" else -1.0))


def _anterior(patient: Patient, side: Side, rng: np.random.Generator) -> list[FloatArray]:
    """Openings on the ala's anterior face, between the S1 endplate and the S3 foramen."""
    if Region.PRESACRAL not in patient.walls:
        return []
    face = np.asarray(patient.walls[Region.PRESACRAL].data)
    up = patient.anatomy.axes[2]
    marks = np.array([patient.point(f"foramen_s{n}_{side}") for n in LEVELS])
    order = np.argsort(marks @ up)
    aside = np.interp(face @ up, (marks @ up)[order], _outward(patient, side, marks)[order])
    ala = (_outward(patient, side, face) > aside + ALA_MM) & (face @ up > (marks @ up).min())
    places = face[ala]
    count = int(rng.poisson(NUMBER[0]))
    return list(places[rng.integers(len(places), size=count)]) if len(places) else []


def _foraminal(
    patient: Patient, side: Side, level: int, rng: np.random.Generator
) -> list[FloatArray]:
    """Openings on the lateral wall of a foramen, in its pelvic half."""
    wall = patient.walls.get(Region[f"FORAMEN_S{level}_{side.upper()}"])
    count = int(rng.poisson(NUMBER[1]))
    if wall is None:
        return []
    points = np.asarray(wall.data)
    centre = patient.point(f"foramen_s{level}_{side}")
    apart = _outward(patient, side, points) - float(_outward(patient, side, centre[None])[0])
    pelvic = (points - centre) @ patient.anatomy.axes[1] < 0.0
    places = points[(apart > 2.0) & pelvic]
    return list(places[rng.integers(len(places), size=count)]) if len(places) else []


def _lateral_sacral(patient: Patient, side: Side, iliac: Tube) -> FloatArray:
    """The lateral sacral vein (n, 3): up the anterior face medial to the foramina S4-S1, then along
    the brim to the internal iliac vein."""
    left, back, _ = patient.anatomy.axes
    medial = -left if side == "left" else left
    marks = []
    for level in (4, 3, 2, 1):
        ventral = patient.landmarks.get(f"foramen_s{level}_ventral_{side}")
        point = ventral.point if ventral else patient.point(f"foramen_s{level}_{side}")
        marks.append(_before_bone(patient, point + MEDIAL_MM * medial, -back))
    nearest = iliac.line[int(np.argmin(np.linalg.norm(iliac.line - marks[-1], axis=1)))]
    return _clear(patient, _curve(np.array([*marks, nearest])), TRUNK_MM)


def _before_bone(patient: Patient, point: FloatArray, forwards: FloatArray) -> FloatArray:
    """The first place (3,) in front of `point` that lies clear of bone."""
    way = point + np.arange(0.0, 40.0, 0.5)[:, None] * forwards
    clear = patient.depth_in_bone(way) < -(TRUNK_MM + CLEAR_MM)
    return np.asarray(way[int(np.argmax(clear))] if clear.any() else way[0])


def _course(
    patient: Patient, opening: FloatArray, depth: float, trunk: FloatArray
) -> FloatArray | None:
    """A vein (n, 3) from the marrow through the cortex at `opening`, and on to the end of the
    trunk; None where there is no marrow under it."""
    step = patient.bone.spacing
    sides = [patient.depth_in_bone(np.stack([opening + d, opening - d])) for d in step * np.eye(3)]
    inwards = np.array([a - b for a, b in sides])
    inwards /= max(float(np.linalg.norm(inwards)), 1e-9)
    way = opening + np.arange(0.0, depth, 0.5)[:, None] * inwards
    deep = patient.depth_in_bone(way)
    reach = int(np.argmax(deep))
    if deep[reach] < 2.0:
        return None
    out = opening - (LINK_MM + CLEAR_MM) * inwards
    joins = int(np.argmin(np.linalg.norm(trunk - out, axis=1)))
    joins = min(joins + 2, len(trunk) - 2)  # veins join on their way up
    outside = _clear(patient, _curve(np.stack([out, trunk[joins]])), LINK_MM)
    inside = _curve(np.stack([way[reach], opening]))
    return np.concatenate([inside, outside, trunk[joins + 1 :]])


def _clear(patient: Patient, line: FloatArray, radius: float) -> FloatArray:
    """A line (n, 3) pushed out of bone until a vein of `radius` lies before it, its ends kept;
    smoothed on the way, and again STEP_MM apart."""
    for turn in range(TURNS):
        short = np.maximum(patient.depth_in_bone(line) + radius + CLEAR_MM, 0.0)
        short[[0, -1]] = 0.0
        line = line + 0.7 * short[:, None] * _away(patient, line)
        if turn < TURNS - 10:
            line[1:-1] = 0.5 * line[1:-1] + 0.25 * (line[:-2] + line[2:])
    return _curve(line[np.r_[True, np.linalg.norm(np.diff(line, axis=0), axis=1) > 1e-6]])


def _away(patient: Patient, points: FloatArray) -> FloatArray:
    """Unit directions (n, 3) out of bone."""
    step = patient.bone.spacing
    grad = np.stack(
        [
            patient.depth_in_bone(points - step * d) - patient.depth_in_bone(points + step * d)
            for d in np.eye(3)
        ],
        axis=1,
    )
    return np.asarray(grad / np.maximum(np.linalg.norm(grad, axis=1, keepdims=True), 1e-9))


def _radii(patient: Patient, line: FloatArray, trunk: FloatArray, drawn: float) -> FloatArray:
    """`drawn` in bone, at least LINK_MM outside, TRUNK_MM in the trunk."""
    outside = patient.depth_in_bone(line) < 0
    in_trunk = np.linalg.norm(line[:, None] - trunk[None], axis=2).min(axis=1) < 0.1
    link = max(drawn, LINK_MM)
    return np.where(in_trunk, max(link, TRUNK_MM), np.where(outside, link, drawn))


def _with_iliac(line: FloatArray, radii: FloatArray, iliac: Tube) -> tuple[FloatArray, FloatArray]:
    """A vein and its radii with the ILIAC_MM of the iliac vein that follow it upwards."""
    joins = int(np.argmin(np.linalg.norm(iliac.line - line[-1], axis=1)))
    upwards = iliac.line[:joins][::-1] if joins > 1 else iliac.line[joins + 1 :]
    gone = np.cumsum(np.linalg.norm(np.diff(upwards, axis=0, prepend=line[-1:]), axis=1))
    kept = upwards[: int(np.searchsorted(gone, ILIAC_MM)) + 1]
    radius = np.full(len(kept), float(iliac.radii[joins]))
    return np.concatenate([line, kept]), np.concatenate([radii, radius])


def _curve(through: FloatArray) -> FloatArray:
    """Points (n, 3) about STEP_MM apart along the smooth curve through the given ones."""
    chords = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(through, axis=0), axis=1))]
    spline = make_interp_spline(chords, through, k=min(3, len(through) - 1))
    return np.asarray(spline(np.linspace(0.0, chords[-1], max(2, int(chords[-1] / STEP_MM) + 1))))
