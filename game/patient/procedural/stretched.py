"""The mean form stretched, bent and moved by measures and dials, both sides alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import PchipInterpolator

from game.geometry.grid import FloatArray
from game.patient.procedural import form
from game.patient.procedural.form import Row, Table
from game.patient.procedural.parameters import END, LEVELS, Parameters

MEAN = Parameters()
HALF = 58.0  # mm, half breadth of the mean form
AURICULAR = 51.5  # mm, half distance of the mean form's auricular surfaces, s 20-40
LOWER = 44.5  # mm, half breadth of the mean form beside the joint's lower end, s 52-66
INSIDE_PIIS = 1.6  # mm that it lies medial to the PIIS: mean form against 99.4 / 2 mm [M]
SPANS = (46.4, 41.9, 37.9, 36.5)  # mm, taken for the mean form's foramina [M]
UPPER = 8.0  # mm along the axis that no stretch along changes: the endplate
CALIBRE = (-0.1, 0.2, 0.6, 0.25)  # mm by which a tunnel's narrowest radius exceeds half its
# calibre, as one sees through: the turn from front to back takes the rest (on the template)
USUAL = (-5.0, -7.0)  # mm, the dials of a female template's ala; what one lacks more makes it thin
BEHIND = 0.3  # of what a thin ala lacks in depth is taken from its back (project choice)
AHEAD = 6.0  # mm that the rounding of two smooth surfaces takes off an ala's anterior edge, and the
# depth at its back that makes up for it (measured on the mean of the 16 sacra: bone ahead 4.2 mm)
FORWARD = 3.1  # mm by which the alae lie further forward than in the mean form, so that the
# published path stays in bone
FORM_CORRIDOR = 14.1  # mm, the drawn corridor at S1 for which the ala's side is the mean form's
SLOPE = 3.0  # of what a corridor lacks to that, the side is lower (both calibrated on the survey's
# own people, so that measured corridors spread as published)
SLOPES = (-8.0, 13.0)  # mm that it is lower at most (project choice)
SLOPE_X = (30.0, 50.0)  # mm from the midline, over which it falls (form)
BROADEST = (12.0, 40.0)  # s down to which the whole side falls with the top, and beyond which none
# of it does (form)
PIIS_S3 = -10.9  # mm along the axis, from the S3 foramina to the PIIS where the mean form's margin
# is right: 8 mm below them real sacra are 6.8+-3.3 mm narrower than they stand apart, half (32
# joints of the pelvis atlas), and the male template 7.4 mm
ABOVE_S3 = 8.0  # mm along the axis from which on it is, and wholly so 14 mm further down (form)
LOWERED = (-3.0, 14.0)  # mm that the lower margin is drawn up or down at most (project choice)
HIATUS_ROUND = -0.2  # mm by which the canal is measured less deep at the apex (template)
S3, S3_GAIN, LEAST_CALIBRE = 7.2, 1.2, 2.0  # mm [M]; measured on 200 people; mm (form)
SPAN = (0.0, 1.2, 1.4, 1.8)  # mm by which what one sees through lies further apart than the
# tunnels' middles (measured on the template)
S4, S4_GAIN = 5.3, 1.25  # mm [M]; measured on 60 people
S3_WIDE, S3_LATER = 2.0, 0.5  # mm wider than usual, from which on a wider S3 tunnel is drawn only
# half as much wider: the bone between posterior openings has no room for one of 15 mm (form)
HIATUS_ASIDE = 9.0  # mm that the hiatus' apex lies behind the front of S5's end (form)
PITCH_1_2 = 25.8  # mm, foramen S1 to S2 [M]
PITCH_SHARE = 0.7  # of a longer way from S1 to S2 its openings are wider too (project choice)
OPEN_SHARE = 0.15  # of what a tunnel is wider, its openings are (project choice)
DEPTH_S1, ANGLE_S1 = 11.05, 29.2  # mm, degrees: Kim 2023, both sexes
LAMINA, MASS = 8.3, -1.5  # mm that lamina and lateral mass stand further behind beside the first
# posterior foramen than in the mean form, where sixteen crests are blurred into one (template). 200
# people's angles are less by 0.46 SD all the same: what they differ by bends them one way (an
# opening 1.2 SD nearer to the midline -6 deg, one as much further +3)
LAMINA_ANGLE, LAMINA_MASS, MASS_DEPTH = 0.33, 0.8, 0.75  # mm per degree, mm, mm: the lamina's for
# angle and lateral mass, the mass's for depth (calibrated on people: both spread as published)
LAMINAS, MASSES = (2.0, 11.0), (-4.0, 2.0)  # mm at most (project choice)
LEAST_BONE = 4.0  # mm between two ventral openings (form)
MARGIN = 14.0  # mm of lateral mass beside the middle of the lower foramina at least (form)
LEAST_ROOF = 3.5  # mm of bone behind the canal at least (form)
LEAST_CANAL = 2.5  # mm deep at the hiatus' apex
LEAST_HIATUS, LEAST_ABOVE = 9.0, 10.0  # mm, of the hiatus, and of its apex below foramen S3

Measures = Mapping[str, float]


@dataclass(frozen=True)
class Dials:
    """What is turned: mm by which the fronts of body and ala are moved forwards at their heights,
    how much of the mean form's bend the axis has, where it ends (s), where the foramina are (s in
    front and behind), half the breadth of the tables, the ridge between S1 and S2 and the posterior
    inferior iliac spines (s)."""

    levels: Row = LEVELS
    dorsal_levels: Row = MEAN.foramen_dorsal_s[0]
    end: float = END
    bend: float = 1.0
    body: Row = (0.0, 0.0, 0.0, 0.0)
    ala: Row = (0.0, 0.0)
    half: float = HALF
    forward: float = FORWARD
    line: float = MEAN.fused_discs[0]
    spine: float = MEAN.foramen_s[0][2] + PIIS_S3


def shaped(dials: Dials, measures: Measures) -> Parameters:
    """The mean form as the dials and measures say."""
    along = PchipInterpolator(
        (-100.0, 0.0, UPPER, *LEVELS, END, END + 60.0),
        (-100.0, 0.0, UPPER, *dials.levels, dials.end, dials.end + 60.0),
    )
    s, x = _row(along(form.ALONG)), _row(_across(dials, measures)(form.ACROSS))
    front, top = _fronts(dials, np.array(x), np.array(s))
    top = _sloped(top, x, measures["corridor_s1"])
    moved = replace(
        MEAN,
        sacral_slope=measures["base_angle"],
        s1_depth=measures["s1_depth"],
        axis_s=_row(along(MEAN.axis_s)),
        axis_angle=_row(_bend(dials)),
        end_s=dials.end,
        front_x=x, front_s=s, front=front, dorsal_x=x, dorsal_s=s,
        dorsal=_backs(dials, measures, np.array(x), np.array(s)), top_x=x, top=top,
        side_s=s, side=_side(dials, measures, np.array(s)),
        fused_discs=(dials.line, *_row(along(MEAN.fused_discs[1:]))),
        s1_height_behind=measures["s1_height_posterior"],
    )  # fmt: skip
    return _with_holes(moved, dials, measures)


def _row(values: FloatArray) -> Row:
    return tuple(float(value) for value in values)


def _bend(dials: Dials) -> FloatArray:
    angle = np.array(MEAN.axis_angle)
    return np.asarray(angle[0] + dials.bend * (angle - angle[0]))


def _across(dials: Dials, measures: Measures) -> PchipInterpolator:
    """|x| of this sacrum from the mean form's: foramina and lateral margins at their places."""
    spans = [measures[f"foramen_span_s{n}"] / mean for n, mean in enumerate(SPANS, 1)]
    medial, wide = 22.0 * float(np.mean(spans)), dials.half / HALF
    return PchipInterpolator(
        (0.0, 22.0, HALF, 2 * HALF), (0.0, medial, HALF * wide, 2 * HALF * wide)
    )


def _side(dials: Dials, measures: Measures, s: FloatArray) -> Table:
    """The lateral surface: as broad as the breadth above, as the auricular distance in the middle,
    and below as far inside the posterior inferior iliac spines as in the mean form."""
    wide = dials.half / HALF
    auricular = 0.5 * measures["interauricular_distance"] / AURICULAR
    spine = (0.5 * measures["inter_piis"] - INSIDE_PIIS) / LOWER
    parts = (wide, wide, auricular, auricular, spine, spine, 0.5 * (1.0 + spine))
    scale = np.interp(form.ALONG, (-10.0, 10.0, 22.0, 36.0, 52.0, 66.0, 90.0), parts)
    side = _lowered(np.array(form.SIDE) * scale, dials, s, fall_of(measures["corridor_s1"]))
    third, fourth = (0.5 * measures[f"foramen_span_s{n}"] + MARGIN for n in (3, 4))
    upper, lower = dials.levels[2], dials.levels[3]
    least = np.interp(
        s, (upper - 20.0, upper, lower + 6.0, dials.end), (0.0, third, fourth, 0.6 * fourth)
    )
    return tuple(_row(np.maximum(row, least)) for row in side)


def _lowered(side: FloatArray, dials: Dials, s: FloatArray, fall: float) -> FloatArray:
    """The lateral surface (p, s) moved down: above, where it is broadest, with the ala's top; and
    drawn out at its lower end, for it narrows below the posterior inferior iliac spine, wherever
    that lies."""
    lower = float(np.clip(dials.spine - dials.levels[2] - PIIS_S3, *LOWERED))
    start = dials.levels[2] - ABOVE_S3
    further = lower * np.interp(s, (start, start + 14.0), (0.0, 1.0))
    further = further + fall * np.interp(s, BROADEST, (1.0, 0.0))
    return np.array([np.interp(s - further, s, row) for row in side])


def _behind(dials: Dials) -> FloatArray:
    """mm (2,) by which the back of the ala is moved backwards: a thin ala is thin behind too, else
    the published path would leave it in front."""
    return np.asarray(BEHIND * np.minimum(np.array(dials.ala) - USUAL, 0.0))


def _fronts(dials: Dials, x: FloatArray, s: FloatArray) -> tuple[Table, Table]:
    """Front and top with the fronts of body and ala moved forwards."""
    ala = np.clip((x - 20.0) / 12.0, 0.0, 1.0)[:, None]
    ahead = AHEAD + np.array(dials.ala) - _behind(dials)
    moves = (*dials.body, 0.6 * dials.body[3], 0.0)
    body = np.interp(s, (-5.0, 2.5, 10.0, 21.0, 34.0, 70.0), moves)
    aside = np.interp(s, (3.0, 10.0, 32.0, 66.0), (*ahead, 0.5 * ahead[1], 0.0))
    front = np.array(form.FRONT) - (1.0 - ala) * body - ala * aside
    top = np.array(form.TOP)
    p = np.array(form.TOP_P)
    for row, share in zip(top, ala[:, 0], strict=True):
        forward = np.interp(row, (3.0, 10.0, 32.0), (*ahead, 0.5 * ahead[1]))
        forward = share * forward * np.clip((-p - 3.0) / 7.0, 0.0, 1.0)
        row[:] = PchipInterpolator(p, row, extrapolate=True)(p + forward)
    return tuple(_row(row) for row in front), tuple(_row(row) for row in top)


def _backs(dials: Dials, measures: Measures, x: FloatArray, s: FloatArray) -> Table:
    """The dorsal surface with the backs of the alae moved backwards, and beside the first posterior
    foramen the lamina and the lateral mass."""
    ala = np.interp(x, (24.0, 32.0, 42.0, 54.0), (0.0, 1.0, 1.0, 0.0))[:, None]
    behind = _behind(dials) - dials.forward
    aside = np.interp(s, (4.0, 14.0, 30.0, 50.0), (*behind, 0.5 * behind[1], 0.0))
    lamina, mass = beside_s1(measures["dorsal_s1_depth"], measures["dorsal_s1_angle"])
    along = np.interp(s - dials.levels[0], (-16.0, -8.0, 8.0, 16.0), (0.0, 1.0, 1.0, 0.0))
    walls = lamina * np.interp(x, (2.0, 8.0, 20.0, 26.0), (0.0, 1.0, 1.0, 0.0))
    walls = walls + mass * np.interp(x, (22.0, 28.0, 36.0, 42.0), (0.0, 1.0, 1.0, 0.0))
    return tuple(_row(row) for row in np.array(form.BACK) + ala * aside + np.outer(walls, along))


def beside_s1(depth: float, angle: float) -> tuple[float, float]:
    """How much further behind than in the mean form lamina and lateral mass stand beside the first
    posterior foramen, mm, for a drawn depth of it, mm, and angle, degrees."""
    mass = MASS + MASS_DEPTH * (depth - DEPTH_S1)
    lamina = LAMINA + LAMINA_ANGLE * (angle - ANGLE_S1) + LAMINA_MASS * (mass - MASS)
    return float(np.clip(lamina, *LAMINAS)), float(np.clip(mass, *MASSES))


def fall_of(corridor: float) -> float:
    """How much lower than in the mean form the ala's side lies, mm, for a drawn corridor at S1."""
    return float(np.clip(SLOPE * (FORM_CORRIDOR - corridor), *SLOPES))


def _sloped(top: Table, x: Row, corridor: float) -> Table:
    """The ala's top lowered (or raised) towards its side, where it bounds the corridor above S1's
    foramina: what makes a corridor low in real sacra is an ala that falls off sideways."""
    fall = fall_of(corridor)
    aside = np.clip((np.array(x) - SLOPE_X[0]) / (SLOPE_X[1] - SLOPE_X[0]), 0.0, 1.0)
    along = np.exp(-(((np.array(form.TOP_P) + 2.0) / 20.0) ** 4))
    return tuple(_row(row) for row in np.array(top) + fall * np.outer(aside, along))


def _with_holes(parameters: Parameters, dials: Dials, measures: Measures) -> Parameters:
    """Canal, hiatus and foramina at their levels, of their calibres."""
    x = tuple(0.5 * (measures[f"foramen_span_s{n}"] - more) for n, more in enumerate(SPAN, 1))
    behind = _dorsal_x(x, measures)
    radius = tuple(
        0.5 * _calibre(n, measures[f"foramen_calibre_s{n}"]) + more
        for n, more in enumerate(CALIBRE, 1)
    )
    wide = [r / mean for r, mean in zip(radius, MEAN.foramen_radius, strict=True)]
    aslant = np.sqrt(max(measures["hiatus_length"] ** 2 - HIATUS_ASIDE**2, 0.0))
    apex = dials.end - max(float(aslant), LEAST_HIATUS)
    apex = max(apex, dials.levels[2] - LEAST_ABOVE)
    canal_s, half, depth = _canal(apex, dials.end, measures["hiatus_depth"] - HIATUS_ROUND)
    return replace(
        parameters,
        dorsal=_roofed(parameters, canal_s, depth),
        canal_s=canal_s,
        canal_half=half,
        canal_depth=depth,
        hiatus_apex=apex,
        foramen_x=(x, x),
        foramen_s=(dials.levels, dials.levels),
        foramen_radius=radius,
        foramen_ventral=_apart(_opened(_with_pitch(measures), wide, radius), dials.levels, x),
        foramen_dorsal=_opened(MEAN.foramen_dorsal, wide, tuple(0.95 * r for r in radius)),
        foramen_dorsal_x=(behind, behind),
        foramen_dorsal_s=(dials.dorsal_levels, dials.dorsal_levels),
    )


def _calibre(level: int, drawn: float) -> float:
    """The tunnel's calibre, mm, for one as one sees through: at S3, where calibres differ most
    (7.2+-2.8 [M]), and S4 the openings and the tunnel's bend take some of the difference."""
    if level == 4:
        return S4 + S4_GAIN * (drawn - S4)
    if level != 3:
        return drawn
    wider = drawn - S3
    return max(S3 + S3_GAIN * min(wider, S3_WIDE + S3_LATER * (wider - S3_WIDE)), LEAST_CALIBRE)


def _canal(apex: float, end: float, deep: float) -> tuple[Row, Row, Row]:
    """Knots s, half breadth and depth of the canal: the mean form's above, at the hiatus' apex as
    deep as measured, and a little less at the end."""
    s = np.array(MEAN.canal_s) * np.where(np.array(MEAN.canal_s) > 0, end / END, 1.0)
    deep = max(deep, LEAST_CANAL)
    upper = s[s < apex - 12.0]
    knots = np.array([*upper, apex - 2.0, apex + 4.0, end + 12.0])
    half = np.interp(knots, s, MEAN.canal_half)
    depth = np.interp(knots, s, MEAN.canal_depth)
    depth[-3:] = (deep, deep, 0.9 * deep)
    return _row(knots), _row(half), _row(depth)


def _roofed(parameters: Parameters, canal_s: Row, depth: Row) -> Table:
    """The dorsal surface, at least a roof's thickness behind the canal near the midline."""
    s, x = np.array(parameters.dorsal_s), np.array(parameters.dorsal_x)
    roof = np.interp(s, canal_s, depth) + LEAST_ROOF * np.clip((s - 12.0) / 12.0, 0.0, 1.0)
    lower = np.clip((x - 8.0) / 8.0, 0.0, 1.0)[:, None] * 30.0
    return tuple(_row(row) for row in np.maximum(np.array(parameters.dorsal), roof - lower))


def _opened(mean: Row, wide: list[float], least: Row) -> Row:
    """Radii of openings: `OPEN_SHARE` of a tunnel's greater or lesser width is theirs too."""
    parts = zip(mean, wide, least, strict=True)
    return tuple(max(m * (1 + OPEN_SHARE * (w - 1)), r) for m, w, r in parts)


def _apart(radii: Row, levels: Row, x: Row) -> Row:
    """Radii of openings, smaller where less than LEAST_BONE would be left between two of them."""
    steps = np.hypot(np.diff(levels), np.diff(x))
    sums = np.array(radii[:-1]) + np.array(radii[1:])
    share = np.minimum((steps - LEAST_BONE) / sums, 1.0)
    return _row(np.array(radii) * np.minimum(np.append(share, 1.0), np.append(1.0, share)))


def _with_pitch(measures: Measures) -> Row:
    """Radii of the ventral openings: those of S1 and S2 grow with the distance between them, so
    that the bone between varies as its height does (corridor_s2) and no more."""
    grown = 1.0 + PITCH_SHARE * (measures["foramen_pitch_1_2"] / PITCH_1_2 - 1.0)
    first, second, *rest = MEAN.foramen_ventral
    return (grown * first, grown * second, *rest)


def _dorsal_x(x: Row, measures: Measures) -> Row:
    """|x| of the posterior foramina: S1 and S3 as measured, S2 and S4 between and beyond them."""
    first, third = measures["dorsal_s1_midline"], measures["dorsal_s3_midline"]
    return (first, 0.5 * (first + third) - 0.5, third, third - 1.0)
