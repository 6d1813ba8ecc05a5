"""From a person's measures to the parameters of a sacrum.

Each measure has a dial (`stretched.py`); the dials are turned until the finished solid's own lines
and lengths are the person's. What cannot hold together is met as nearly as it can be, and named in
`Parameters.limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import least_squares

from game.geometry.grid import FloatArray
from game.patient.procedural.bent import Bent
from game.patient.procedural.form import Row
from game.patient.procedural.parameters import END, LEVELS, Parameters
from game.patient.procedural.pose import piis_behind
from game.patient.procedural.sacrum import foramen_axis, solid, surfaces
from game.patient.procedural.solids import Space
from game.patient.procedural.stretched import FORWARD, Dials, Measures, shaped
from game.patient.traits import Traits

TURN = np.radians(Parameters().axis_angle[0])  # of the upper axis against the endplate's normal
BODY = ("s1_depth", "body_depth_8", "body_depth_15", "s1_depth_inferior")
ALA = ("ala_depth_8", "ala_depth_15")
BELOW = dict(zip(BODY + ALA, (1.5, 8.0, 15.0, 24.0, 8.0, 15.0), strict=True))  # mm below endplate
ALA_X = 35.0  # mm from the midline, where the ala's depth is measured
RIDGE_DEPTH = 1.6  # mm that the slant and ridge of S1's lower end add to its depth (measured)
ROUNDS = 6
LINES = 2.5  # mm by which the transverse lines lengthen the curve (measured on the template)
SHORT_S3_S4 = 0.5  # mm, asked for beyond the drawn, for S5 leaves some S4 openings too little room
# (measured on 60 people)
SPACINGS, UNDER = 4, 2.0  # rounds; mm under an opening's middle, foraminal.BESIDE_CANAL_MM
PITCH = (0.8, 1.2, -0.45)  # mm by which what one sees through lies nearer than the tunnels (same)
BEHIND = 2.0  # mm that the posterior S1 foramen lies below its tunnel's middle (form)
LEAST_S5 = 9.5  # mm of bone along the axis below the middle of the last foramen (form)
LEAST_S5_BEHIND = 6.5  # mm, the same below the last posterior one (form)
OFF_LEVEL = 9.5  # mm along the axis between a foramen's two openings at most (project choice)
FORWARD_SD = 1.5  # mm (project choice: the published path's bone ahead varies so)
EDGE = 0.6  # mm by which the joint's rim stands out beyond the tables' breadth (template)
STEEP = 7.0  # mm that a dysmorphic ala lies lower in front and at its side (form)
MOST_MOVE = 14.0  # mm that a front is moved at most (project choice)

CONFLICTS: Mapping[str, str] = {
    "dorsal_gap_s2_s3_again": "the same bone as dorsal_gap_s2_s3 by another series, 2 mm longer "
    "and twice as varied. Both means hold, but no spread can: an SD ratio of 1.3 to that series' "
    "1.5 mm is 1.95 mm at most, one of 0.7 to this series' 3.0 mm is 2.1 mm at least",
}  # rows of many people that cannot hold together with the others, and why


def parameters_of(measures: Measures, traits: Traits) -> Parameters:
    """The sacrum of one person: measures as `draw` gives them; dysmorphism, and the seed of what
    the sides differ by, from the traits."""
    levels, half = _levels(measures), 0.5 * measures["breadth"] - EDGE
    dials = Dials(levels=levels, end=levels[3] + END - LEVELS[3], half=half)
    dials = replace(dials, forward=_forward(traits))
    dials = _bent(dials, measures)
    dials = replace(dials, spine=_spine(dials, measures, traits))
    for _ in range(ROUNDS):
        dials = _turned(dials, measures)
    dials = _spaced(dials, measures)
    dials = replace(dials, line=_first_line(shaped(dials, measures), measures))
    whole = shaped(dials, measures)
    whole = whole if traits.template else _sided(whole, traits.seed)
    if traits.dysmorphism == "mammillary":
        whole = _steep(whole)
    return replace(
        whole,
        limits=_limits(measures, dials),
        mammillary=traits.dysmorphism == "mammillary",
        sacralised=traits.dysmorphism == "sacralised",
    )


def _forward(traits: Traits) -> float:
    """How far forward this person's alae lie, mm."""
    if traits.template:
        return FORWARD
    drawn = np.random.default_rng([traits.seed, 0xA1A]).standard_normal()
    return FORWARD + FORWARD_SD * float(np.clip(drawn, -2.3, 2.3))


def _spine(dials: Dials, measures: Measures, traits: Traits) -> float:
    """s of the posterior inferior iliac spines."""
    y, z = piis_behind(traits.sex, measures)
    return float(Bent.of(shaped(dials, measures)).coordinates(np.array(y), np.array(z))[1])


def _steep(whole: Parameters) -> Parameters:
    """Alae that fall off steeply forwards and sideways, and wider S1 foramina."""
    x, p = np.array(whole.top_x), np.array(whole.top_p)
    fall = np.clip((x - 24.0) / 30.0, 0.0, 1.0)[:, None] * np.clip((4.0 - p) / 20.0, 0.0, 1.3)
    top = np.array(whole.top) + STEEP * fall
    first, *rest = whole.foramen_ventral
    return replace(
        whole,
        top=tuple(tuple(row) for row in top.tolist()),
        foramen_ventral=(1.15 * first, *rest),
    )


def _levels(measures: Measures) -> Row:
    """s of the foramina: S1 by the height of its body, the others by their pitch."""
    at = [LEVELS[0] + 0.6 * (measures["s1_height_posterior"] - 21.45)]
    for n in (1, 2, 3):
        pitch = measures[f"foramen_pitch_{n}_{n + 1}"] + PITCH[n - 1]
        across = 0.5 * (measures[f"foramen_span_s{n}"] - measures[f"foramen_span_s{n + 1}"])
        at.append(at[-1] + float(np.sqrt(pitch * pitch - across * across)))
    return tuple(at)


def _first_line(parameters: Parameters, measures: Measures) -> float:
    """s of the ridge between S1 and S2: as far from the promontory as S1 is high in front."""
    s = np.arange(14.0, 42.0, 0.25)
    front = surfaces(parameters)[0]
    ridge = np.array([front.at(0.0, float(v)) for v in s]) - parameters.ridge[0]
    slope = np.radians(parameters.sacral_slope)
    promontory = -0.5 * parameters.s1_depth * np.array([np.cos(slope), np.sin(slope)])
    high = np.linalg.norm(_line(Bent.of(parameters), ridge, s) - promontory, axis=1)
    return float(s[np.argmin(np.abs(high - measures["s1_height_anterior"]))])


def _bent(dials: Dials, measures: Measures) -> Dials:
    """Bend and end of the axis such that the straight and the curved length hold."""
    wanted = np.array([measures["straight_length"], measures["curved_length"] - LINES])

    def miss(v: FloatArray) -> FloatArray:
        turned = replace(dials, bend=float(v[0]), end=float(v[1]))
        return np.asarray(lengths(shaped(turned, measures)) - wanted)

    low, high = (0.2, dials.levels[3] + LEAST_S5), (2.2, dials.levels[3] + 45.0)
    start = (1.0, float(np.clip(dials.end, low[1] + 1.0, high[1] - 1.0)))
    found = least_squares(miss, start, bounds=(low, high), x_scale=(0.3, 10.0)).x
    dials = replace(dials, bend=float(found[0]), end=float(found[1]))
    return replace(dials, dorsal_levels=_behind(shaped(dials, measures), _gaps(measures)))


def lengths(parameters: Parameters) -> FloatArray:
    """Straight and curved ventral length in the midline, promontory to the end of S5, mm."""
    deep = parameters.s1_depth
    s = np.linspace(-deep * np.sin(TURN), parameters.end_s, 80)
    p = PchipInterpolator(parameters.front_s, parameters.front[0])(s)
    p[0] = -deep * np.cos(TURN)
    line = _line(Bent.of(parameters), p, s)
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    return np.array([np.linalg.norm(line[-1] - line[0]), steps.sum()])


def _line(bent: Bent, p: FloatArray, s: FloatArray) -> FloatArray:
    """Points (n, 2) in y and z at bent coordinates."""
    y, z, angle = (np.interp(s, bent.s, row) for row in (*bent.points.T, bent.angle))
    return np.column_stack((y + p * np.cos(angle), z + p * np.sin(angle)))


def _gaps(measures: Measures) -> FloatArray:
    """Bone (3,) between posterior foramina, mm, that is asked for: from S1 down."""
    # two series of the same bone, 2 mm apart: between them
    twice = 0.695 * measures["dorsal_gap_s2_s3"] + 0.305 * measures["dorsal_gap_s2_s3_again"]
    third = measures["dorsal_gap_s3_s4"] + SHORT_S3_S4
    return np.array([measures["dorsal_gap_s1_s2"], twice, third])


def _spaced(dials: Dials, measures: Measures) -> Dials:
    """The posterior foramina moved until the finished solid has the bone between them."""
    wanted = _gaps(measures)
    asked = wanted.copy()
    for _ in range(SPACINGS):
        made = shaped(dials, measures)
        dials = replace(dials, dorsal_levels=_behind(made, asked))
        asked += 0.9 * (wanted - between(shaped(dials, measures)))
    return dials


def between(parameters: Parameters) -> FloatArray:
    """Bone (3,) on the straight ways between two posterior openings of the left side, mm, as
    `measuring` takes it: UNDER mm under their middles."""
    bent, ends, found = Bent.of(parameters), [], []
    for level in range(4):
        front, _, back = foramen_axis(parameters, 1, level)
        mouth = bent.point(*back)
        away = mouth - bent.point(*front)
        ends.append(mouth - UNDER * away / np.linalg.norm(away))
    for upper, lower in pairwise(ends):
        count = max(int(np.linalg.norm(lower - upper) / 0.1), 2)
        way = upper + np.linspace(0.0, 1.0, count)[:, None] * (lower - upper)
        p, s = bent.coordinates(way[:, 1], way[:, 2])
        x = np.array([way[:, 0].mean()], np.float32)
        inside = solid(parameters, Space(x, p[None], s[None])).values < 0
        found.append(np.linalg.norm(lower - upper) * inside.mean())
    return np.array(found)


def _behind(parameters: Parameters, gaps: FloatArray) -> Row:
    """s of the posterior foramina: from S1 down by the bone between them, straight across."""
    bent = Bent.of(parameters)
    own, radii = parameters.foramen_s[0], parameters.foramen_dorsal
    back = surfaces(parameters)[1]
    at = [own[0] + BEHIND]
    for n, gap in enumerate(gaps):
        x = parameters.foramen_dorsal_x[0]
        s = np.arange(at[-1], at[-1] + 50.0, 0.05)
        there = _line(bent, np.array([back.at(x[n + 1], float(v)) for v in s]), s)
        here = _line(bent, np.array([back.at(x[n], at[-1])]), np.array([at[-1]]))
        apart = np.linalg.norm(there - here, axis=1)
        enough = apart >= gap + radii[n] + radii[n + 1]
        at.append(float(s[np.argmax(enough)] if enough.any() else s[-1]))
    near = zip(at, own, strict=True)
    within = [float(np.clip(a, b - OFF_LEVEL, b + OFF_LEVEL)) for a, b in near]
    return (*within[:3], min(within[3], parameters.end_s - LEAST_S5_BEHIND))


def _turned(dials: Dials, measures: Measures) -> Dials:
    """The fronts moved forwards by what the depths lack."""
    have = depths(shaped(dials, measures))
    lack = {name: 0.8 * (measures[name] - have[name]) for name in BELOW}
    lack["s1_depth_inferior"] -= 0.8 * RIDGE_DEPTH

    def moved(at: Row, names: tuple[str, ...]) -> Row:
        parts = [d + lack[name] for d, name in zip(at, names, strict=True)]
        return tuple(float(np.clip(part, -MOST_MOVE, MOST_MOVE)) for part in parts)

    return replace(dials, body=moved(dials.body, BODY), ala=moved(dials.ala, ALA))


def depths(parameters: Parameters) -> Measures:
    """Front-to-back depths of body and ala, mm, along lines parallel to the endplate."""
    p = np.arange(-48.0, 30.0, 0.25)
    below = np.array(list(BELOW.values()))[:, None]
    s = below / np.cos(TURN) + p * np.tan(TURN)
    space = Space(
        np.array([0.0, ALA_X], np.float32),
        np.broadcast_to(p, s.shape).astype(np.float32),
        s.astype(np.float32),
    )
    inside = solid(parameters, space).values < 0
    step = 0.25 / np.cos(TURN)
    return {name: step * _longest(inside[int(name in ALA), row]) for row, name in enumerate(BELOW)}


def _longest(inside: NDArray[np.bool_]) -> int:
    """The longest run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], inside.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _sided(whole: Parameters, seed: int) -> Parameters:
    """A few per cent between the sides: breadth, and the places of the foramina (form)."""
    random = np.random.default_rng([seed, 0x51DE])
    wider = float(np.clip(random.normal(0.0, 0.012), -0.03, 0.03))
    shift = np.clip(random.normal(0.0, 0.6, (2, 2, 4)), -1.2, 1.2)
    return replace(
        whole,
        stretch=(1.0 + wider, 1.0 - wider),
        foramen_x=_shifted(whole.foramen_x, shift[0]),
        foramen_s=_shifted(whole.foramen_s, shift[1]),
        foramen_dorsal_x=_shifted(whole.foramen_dorsal_x, shift[0]),
        foramen_dorsal_s=_shifted(whole.foramen_dorsal_s, shift[1]),
    )


def _shifted(pair: tuple[Row, Row], by: FloatArray) -> tuple[Row, Row]:
    left, right = (tuple((np.array(a) + b).tolist()) for a, b in zip(pair, by, strict=True))
    return left, right


def _limits(measures: Measures, dials: Dials) -> tuple[str, ...]:
    """What this sacrum could not take, in words."""
    made = shaped(dials, measures)
    straight, curved = lengths(made)
    have = {**depths(made), "straight_length": straight, "curved_length": curved + LINES}
    off = [
        f"{name} is {have[name]:.1f} mm, drawn {measures[name]:.1f} mm"
        for name in sorted(have)
        if abs(have[name] - measures[name]) > 1.0
    ]
    if abs(made.end_s - made.hiatus_apex - measures["hiatus_length"]) > 0.5:
        off.append(f"hiatus_length is {made.end_s - made.hiatus_apex:.1f} mm, drawn "
                   f"{measures['hiatus_length']:.1f} mm")  # fmt: skip
    return tuple(off)
