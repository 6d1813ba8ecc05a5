"""Where a person's hip bones lie: which point of the model is at a point of the patient.

The model's frame is that of the anterior pelvic plane (APP: both anterior superior iliac spines and
pubic tubercles lie in it). In it the S1 endplate has the drawn inclination, and the posterior
spines their drawn places; the pelvic tilt turns it into the prone patient's LPS, so that the
endplate has the drawn base angle. Moves of named points are spread by thin-plate splines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from game.patient.morphometry import published
from game.patient.patient import SIDES, Side
from game.patient.procedural.draw import Measures
from game.patient.procedural.hips import inside_wing
from game.patient.procedural.reading import moved
from game.patient.procedural.solids import Array
from game.patient.procedural.stretched import fall_of
from game.patient.traits import Sex, Traits

# Points of the mean left hip bone (hip_tables), mm, read off its surface; named where the patient
# has the landmark.
POINTS: Mapping[str, tuple[float, float, float]] = {
    "psis": (44.9, 64.1, -13.9),
    "piis": (49.4, 51.1, -40.7),
    "asis": (112.3, -73.8, -36.1),
    "pubic_tubercle": (17.0, -73.8, -124.1),
    "crest": (92.8, 11.2, 33.5),
    "tubercle of the crest": (134.5, -28.3, 8.5),
    "notch": (61.8, 0.0, -59.5),
    "ischial spine": (51.0, 29.5, -104.0),
    "ischial tuberosity": (56.4, 19.0, -167.3),
    "acetabulum": (79.9, -22.7, -108.9),
    "symphysis above": (2.1, -61.8, -124.1),
    "symphysis below": (3.9, -42.1, -146.7),
    "ramus": (30.0, -20.0, -160.0),
}
MODEL = {name: np.array(point) for name, point in POINTS.items()}
# (v, w), mm behind and above the S1 endplate's centre, where the wing is seated on the sacrum: over
# the auricular surface (hips.AURICULAR)
SEATS = ((-7.0, -25.0), (12.0, -19.0), (9.0, -37.0), (8.0, -52.0), (15.0, -54.0))
MOST_BEND = 7.0  # mm that the wing is bent there; the joint's own bone fills the rest (form)
# What makes a female bone of the mean one, mm; the opposite makes a male one. The directions are
# the textbook's (a wider subpubic angle, tuberosities and spines apart, a lower symphysis and
# crest, a wider notch, wings that flare); the amounts are project choices.
FEMALE: Mapping[str, tuple[float, float, float]] = {
    "asis": (2.0, 0.0, 0.0),
    "crest": (1.5, 0.0, -3.0),
    "tubercle of the crest": (2.5, 0.0, -2.0),
    "notch": (1.0, -1.0, 1.0),
    "ischial spine": (4.0, 1.0, 0.0),
    "ischial tuberosity": (7.0, 1.0, 2.0),
    "acetabulum": (2.0, 0.0, 0.0),
    "symphysis below": (0.0, -1.0, 3.0),
    "ramus": (4.0, -1.0, 4.0),
}
SIZE: Mapping[Sex, float] = {"female": 0.98, "male": 1.03}  # against the mean; project choice
SIZE_SD = 0.025  # project choice
POSTERIOR: Mapping[Sex, Mapping[str, float]] = {  # of the S1 endplate's centre, mm [M], no
    "male": {"psis": 68.0, "piis": 55.0},  # deviation was given
    "female": {"psis": 66.0, "piis": 48.1},
}
WITH_S3 = 0.6  # of how much further S3 lies the posterior spines do too: the gap between PIIS
# and S3 varies by 2.1 mm alone (facts/procedure.md)
FORM_SD, SIDE_SD = 1.5, 0.5  # mm a point of the model is off, both sides alike and apart; project
# choices
GAP, GAP_SD, GAPS = 3.0, 0.35, (2.2, 3.8)  # mm: the SI joint space is 2-4 mm [U]
_MEASURED = ("psis", "piis")
_MIDLINE = ("pubic_tubercle", "symphysis above", "symphysis below")  # a wider sacrum leaves them
_STEP = 6.0  # mm of the lattice on which the splines are evaluated
_REACH = ((-20.0, 175.0), (-125.0, 115.0), (-215.0, 80.0))  # of that lattice, mm


@dataclass(frozen=True, eq=False)
class Pose:
    """One side's hip bone, on axes mirrored for the right one so that x runs to lateral.

    `tilt` radian turns the APP's frame into LPS about x; its `points` (3,) lie at `places` (3,)
    of the APP's frame, origin at the S1 endplate's centre, mm; `gap` of the joint, mm; `slope`
    radian of the endplate in LPS; `auricular` mm, the height of the joint's surface; `fall` mm, how
    much lower than usual the ala ends at its side."""

    tilt: float
    places: Mapping[str, NDArray[np.float64]]
    gap: float
    slope: float
    auricular: float
    fall: float
    points: Mapping[str, NDArray[np.float64]]

    def place(self, name: str) -> NDArray[np.float64]:
        """Where a point of the model lies (3,), mirrored LPS mm."""
        x, y, z = self.places[name]
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return np.array([x, c * y - s * z, s * y + c * z])

    def model(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """The model's points (n,) that lie at mirrored LPS points (n,), mm."""
        c, s = np.float32(np.cos(self.tilt)), np.float32(np.sin(self.tilt))
        app = (x, c * y + s * z, c * z - s * y)
        return moved(self._moves, tuple(low for low, _ in _REACH), _STEP, app)

    def on_endplate(self, y: Array, z: Array) -> tuple[Array, Array]:
        """How far behind the S1 endplate's centre, along it, and above it points (n,) lie, mm."""
        c, s = np.float32(np.cos(self.slope)), np.float32(np.sin(self.slope))
        return c * y + s * z, c * z - s * y

    def off_endplate(self, v: float, w: float) -> tuple[float, float]:
        """y and z, LPS mm, of what lies `v` behind and `w` above the S1 endplate's centre."""
        c, s = float(np.cos(self.slope)), float(np.sin(self.slope))
        return c * v - s * w, s * v + c * w

    def app(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """A mirrored LPS point (3,) in the APP's frame, mm."""
        x, y, z = point
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return np.array([x, c * y + s * z, c * z - s * y])

    @cached_property
    def _moves(self) -> Array:
        """From a place to the model's point there, mm, [x, y, z, 3] on the lattice."""
        places = np.array(list(self.places.values()))
        back = np.array([self.points[name] for name in self.places]) - places
        axes = [np.arange(low, high + _STEP, _STEP) for low, high in _REACH]
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        spline = RBFInterpolator(places, back, kernel="thin_plate_spline", smoothing=0.0)
        return np.asarray(spline(lattice.reshape(-1, 3)).reshape(lattice.shape), np.float32)


Flank = Callable[[float, float], float]


def piis_behind(sex: Sex, measures: Measures) -> tuple[float, float]:
    """y and z, mm, of the posterior inferior iliac spines from the S1 endplate's centre, in the
    prone LPS frame in which the endplate has its drawn base angle."""
    _, back, up = spine_place("piis", sex, measures)
    tilt = np.radians(measures["base_angle"] - measures["endplate_inclination"])
    c, s = float(np.cos(tilt)), float(np.sin(tilt))
    return c * back - s * up, s * back + c * up


def poses(
    traits: Traits, measures: Measures, slope: float, flanks: Mapping[Side, Flank]
) -> Mapping[Side, Pose]:
    """Both hip bones of a person whose S1 endplate slopes by `slope` degrees in prone LPS.

    `flanks` give how far lateral, mm, the sacrum reaches on a side at (y, z), LPS mm."""
    random = np.random.default_rng([traits.seed, 0x41B])
    count = 0.0 if traits.template else 1.0
    size = SIZE[traits.sex] * (1.0 + count * SIZE_SD * _drawn(random))
    form = {name: count * FORM_SD * _drawn3(random) for name in POINTS}
    gap = GAP + count * GAP_SD * _drawn(random)
    tilt = float(np.radians(slope - measures["endplate_inclination"]))
    made: dict[Side, Pose] = {}
    for side in SIDES:
        own = {name: form[name] + count * SIDE_SD * _drawn3(random) for name in POINTS}
        start = _shaped(traits.sex, size, own)
        placed = _by_measures(start, traits.sex, measures)
        joint = float(np.clip(gap, *GAPS))
        made[side] = Pose(
            tilt=tilt,
            places=placed,
            gap=joint,
            slope=float(np.radians(slope)),
            auricular=measures["auricular_height"],
            fall=fall_of(measures["corridor_s1"]),
            points=MODEL,
        )
    with ThreadPoolExecutor(2) as two:
        seated = two.map(lambda side: _seated(made[side], flanks[side]), SIDES)
        return dict(zip(SIDES, seated, strict=True))


def _drawn(random: np.random.Generator) -> float:
    return float(np.clip(random.standard_normal(), -2.3, 2.3))


def _drawn3(random: np.random.Generator) -> NDArray[np.float64]:
    return np.clip(random.standard_normal(3), -2.3, 2.3)


Places = Mapping[str, NDArray[np.float64]]


def _shaped(sex: Sex, size: float, own: Places) -> Places:
    """The model's points of one sex and person; those that carry the APP keep it."""
    sign = 1.0 if sex == "female" else -1.0
    nothing = np.zeros(3)
    places = {}
    for name, point in POINTS.items():
        move = sign * np.array(FEMALE.get(name, nothing)) + own[name]
        if name in ("asis", "pubic_tubercle"):
            move[1] = 0.0
        if name in _MIDLINE:
            move[0] = 0.0
        places[name] = size * np.array(point) + move
    return places


def _by_measures(places: Places, sex: Sex, measures: Measures) -> Places:
    """Moved up and back as a whole, and the posterior spines by the rest, to their measures."""
    goals = {name: spine_place(name, sex, measures) for name in _MEASURED}
    whole = np.mean([goals[name] - places[name] for name in _MEASURED], axis=0) * [0, 1, 1]
    return {name: goals.get(name, point + whole) for name, point in places.items()}


def spine_place(name: str, sex: Sex, measures: Measures) -> NDArray[np.float64]:
    """A posterior spine (3,), `psis` or `piis`, in the APP's frame: at its drawn height, as far
    from the endplate's centre as published: pelves differ in how they are inclined more than in
    their build (no covariance is published)."""
    mean = next(row.mean[sex] for row in published() if row.id == f"{name}_cranial")
    cranial = measures[f"{name}_cranial"]
    away = np.hypot(POSTERIOR[sex][name], mean)
    posterior = np.sqrt(max(away**2 - cranial**2, 0.25 * away**2))
    further = 1.0 + WITH_S3 * _long(measures) / away
    return np.array([0.5 * measures[f"inter_{name}"], further * posterior, further * cranial])


def _long(measures: Measures) -> float:
    """How much further than usual S3 lies from S1, mm."""
    names = ("foramen_pitch_1_2", "foramen_pitch_2_3")
    usual = {row.id: row.mean["female"] for row in published() if row.id in names}
    return sum(measures[name] - usual[name] for name in names)


def _seated(pose: Pose, flank: Flank) -> Pose:
    """Moved aside so that the wing's inner surface lies the joint's gap off the sacrum's flank, and
    bent to it; the symphysis stays, and the posterior spines keep their measures."""
    spots = [pose.off_endplate(v, w) for v, w in SEATS]
    goals = [flank(y, z) + pose.gap for y, z in spots]
    inner = [_inner_wing(pose, y, z) for y, z in spots]
    aside = float(np.mean(goals) - np.mean(inner))
    places, points = {}, dict(pose.points)
    for name, point in pose.places.items():
        fixed = name in _MIDLINE or name in _MEASURED
        places[name] = point + np.array([0.0 if fixed else aside, 0.0, 0.0])
    moved = replace(pose, places=places)
    for n, ((y, z), goal) in enumerate(zip(spots, goals, strict=True)):
        x = _inner_wing(moved, y, z)
        at = [np.array([c], np.float32) for c in (x, y, z)]
        points[f"joint {n}"] = np.array(moved.model(at[0], at[1], at[2]), float)[:, 0]
        bend = float(np.clip(goal - x, -MOST_BEND, MOST_BEND))
        places[f"joint {n}"] = moved.app(np.array([x + bend, y, z]))
    return replace(pose, places=places, points=points)


def _inner_wing(pose: Pose, y: float, z: float) -> float:
    """|x|, mm, of the wing's inner surface at (y, z), LPS."""
    x = np.arange(20.0, 100.0, 0.5, dtype=np.float32)
    lateral = inside_wing(*pose.model(x, np.full_like(x, y), np.full_like(x, z)))
    return float(x[int(np.argmax(lateral > 0))])
