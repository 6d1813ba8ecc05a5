"""What a needle or cement must not reach, as tubes and spaces with names.

Tubes (nerves, vessels, thecal sac, rectum) are laid from landmarks and brought to their distance
from the bone by its signed distance, so that an import has them too; all are assumed, none is seen.
The L5 ramus and lumbosacral trunk cross the anterosuperior ala 0-2 mm off the bone, 0.1 mm at the
linea terminalis, about 10 mm medial to the SI joint at the brim (facts/procedure.md). Other places
and all calibres: textbook anatomy, project choices, not validated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator, make_interp_spline
from scipy.spatial import cKDTree

from game.geometry.grid import FloatArray, Grid
from game.patient.landmarks.frame import Frame, Ribbon
from game.patient.landmarks.joint import joint_points
from game.patient.landmarks.tunnels import Canal, Tunnel, tunnels
from game.patient.patient import SIDES, Hazard, Landmark, Plane, Region, Side, Space, Tube
from game.patient.segmentation import Bones

STEP_MM = 2.0  # along a tube
TRUNK_MM = 2.5  # radius of the L5 ramus and of the lumbosacral trunk
BRIM_GAP_MM, FAR_GAP_MM = 0.1, 2.0  # of the trunk from bone: at the linea terminalis, elsewhere
BRIM_MEDIAL_MM = 10.0  # of the trunk from the SI joint at the brim
ROOT_MM = (2.4, 2.2, 1.8, 1.3)  # radii, S1-S4; they fit the narrowest open foramen of each level
ROOT_GAP_MM = 0.3  # from a foramen's wall, where there is room
ROOT_RUN_MM = 14.0  # of a root before its foramen
SAC_MM = (6.0, 2.5)  # radius of the thecal sac at L5/S1 and at its end at S2
SAC_GAP_MM = 0.5
ARTERY_MM, VEIN_MM = 3.0, 4.5  # radii of the internal iliac vessels
ARTERY_GAP_MM, VEIN_GAP_MM = 12.0, 3.0  # from bone: the vein lies behind the artery
RECTUM_MM, PRESACRAL_MM = 14.0, 12.0  # radius; depth of the space between it and the sacrum
CENTRE_MM = 22.0  # behind and below the brim, in the ala: what the trunk and vessels wind around
RAMUS_FROM, RAMUS_ON, BRIM, LOW = np.radians([5.0, 25.0, 45.0, 125.0])  # about that centre, from
# upwards forwards: the ramus leaves its foramen, lies on the ala, crosses the brim, ends at S2
VESSEL_FROM, VESSEL_LOW = np.radians([32.0, 112.0])
VESSEL_MEDIAL_MM = (6.0, 0.0, 3.0)  # of their upper end, of the brim and of their lower end
RAMUS_LIFT_MM, VESSEL_LIFT_MM = 6.0, 2.0  # further from bone at their upper ends; the grid ends
# 20 mm above the alae
JUMP_MM = 8.0  # a line that goes on this far off has come to the end of the bone that it follows
S1_ASIDE_MM = 10.0  # of the trunk's lower end, lateral to the S1 foramen's centre
VEIN_ASIDE_MM = 2.0  # between the trunk and the vein
SPACE_STRIDE = 2  # bone voxels per voxel of a space
SPACES: Mapping[str, tuple[Region, ...]] = {
    "si_joint_left": (Region.SI_JOINT_LEFT,),
    "si_joint_right": (Region.SI_JOINT_RIGHT,),
    "l5_s1_disc": (Region.DISC,),
    "presacral_space": (Region.PRESACRAL,),
}
DISC_MM = 14.0  # the disc column's distance from the sacrum that is disc, no vertebra


@dataclass(frozen=True, eq=False)
class _Site:
    """The bones around which tubes are laid: `solid` is the distance to sacrum and hips."""

    grid: Grid
    solid: NDArray[np.float32]
    frame: Frame
    up: FloatArray

    def gap(self, points: FloatArray) -> FloatArray:
        """Signed distance to bone (n,), mm."""
        return self.grid.sample(self.solid, points, 40.0)

    def slope(self, points: FloatArray) -> FloatArray:
        """Unit directions (n, 3) away from bone."""
        step = self.grid.spacing
        sides = [(points + d * step, points - d * step) for d in np.eye(3)]
        grad = np.stack([self.gap(a) - self.gap(b) for a, b in sides], axis=1)
        return np.asarray(grad / np.maximum(np.linalg.norm(grad, axis=1, keepdims=True), 1e-6))


def hazards_of(
    bones: Bones,
    landmarks: Mapping[str, Landmark],
    planes: Mapping[str, Plane],
    ribbon: Ribbon,
    region: NDArray[np.uint8],
    whole: Bones | None = None,
) -> dict[str, Hazard]:
    """All hazards by name, in the frame of `bones`, LPS mm; `ribbon` unrolls the sacrum before its
    foramina were opened, `bones` has them open. `whole` are the bones before a fracture moved them:
    nerves lie on the bone as it is, vessels keep their place in the soft tissue before it."""
    site = _site(bones, landmarks, planes, ribbon)
    calm = site if whole is None or whole is bones else _site(whole, landmarks, planes, ribbon)
    canal, foramina = tunnels(ribbon, landmarks)
    tubes = [_thecal_sac(site, canal, landmarks), _rectum(site, ribbon, landmarks)]
    for number, side in enumerate(SIDES):
        own = foramina[4 * number : 4 * number + 4]
        tubes += [_root(site, region, tunnel, level, side) for level, tunnel in enumerate(own)]
        joint = joint_points(bones, side)
        brim = _brim(site, joint, side)
        tubes += _trunk(site, landmarks, side, brim)
        tubes += _vessels(calm, landmarks, side, brim if calm is site else _brim(calm, joint, side))
    return {tube.name: tube for tube in tubes} | spaces(bones.grid, bones.sacrum, region)


def _site(
    bones: Bones, landmarks: Mapping[str, Landmark], planes: Mapping[str, Plane], ribbon: Ribbon
) -> _Site:
    solid = np.minimum(np.minimum(bones.hip["left"], bones.hip["right"]), bones.sacrum)
    frame = Frame(landmarks["s1_endplate_centre"].point, ribbon.frame.axes)
    return _Site(bones.grid, solid, frame, planes["s1_endplate"].normal)


def spaces(grid: Grid, sacrum: NDArray[np.float32], region: NDArray[np.uint8]) -> dict[str, Hazard]:
    """The joints (with the hip behind them), the L5/S1 disc and the presacral space, as the region
    map has them; `sacrum` is the signed distance on `grid`, mm."""
    thin = (slice(None, None, SPACE_STRIDE),) * 3
    coarse = Grid(grid.origin, SPACE_STRIDE * grid.spacing, region[thin].shape)
    reach = {"l5_s1_disc": DISC_MM, "presacral_space": PRESACRAL_MM}
    return {
        name: Space(
            name, coarse, np.isin(region[thin], codes) & (sacrum[thin] < reach.get(name, np.inf))
        )
        for name, codes in SPACES.items()
    }


def _brim(site: _Site, joint: FloatArray, side: Side) -> FloatArray:
    """A place (3,) in the ala by the linea terminalis, LPS mm, in front of which the trunk lies
    BRIM_MEDIAL_MM from the SI joint (points (n, 3)), medial to it. The joint's place at the brim is
    its furthest forwards and upwards, the mean of 3 mm of it."""
    reach = joint @ (site.frame.axes[2] - site.frame.axes[1])
    across, v, u = site.frame.local(joint[reach > np.quantile(reach, 0.999) - 3.0].mean(axis=0))
    tree = cKDTree(joint)
    place, sign = abs(across) - BRIM_MEDIAL_MM, np.sign(across)
    for _ in range(12):  # the bone's front may lie before the joint, or the joint turn medially
        brim = site.frame.world(np.array([sign * place, v, u]))
        at = _wrapped(
            site,
            side,
            brim,
            np.array([BRIM]),
            np.array([place]),
            np.array([TRUNK_MM + BRIM_GAP_MM]),
        )
        place += 0.7 * (float(tree.query(at[0])[0]) - BRIM_MEDIAL_MM)
        place = min(place, abs(across))  # a wide ala's front is nowhere so near to its joint
    return np.asarray(brim)


def _trunk(
    site: _Site, landmarks: Mapping[str, Landmark], side: Side, brim: FloatArray
) -> list[Tube]:
    """The L5 ramus, from its foramen over the ala to the linea terminalis at `brim`, and the
    lumbosacral trunk, on from there to beside the S2 foramen."""
    s1 = float(abs(site.frame.local(landmarks[f"foramen_s1_{side}"].point)[0]))
    places = (s1 + 4.0, float(abs(site.frame.local(brim)[0])), s1 + S1_ASIDE_MM)
    made = []
    for name, first, last in (("l5_ramus", RAMUS_FROM, BRIM), ("lumbosacral_trunk", BRIM, LOW)):
        angle = np.linspace(first, last, 24)
        far = np.clip(np.abs(angle - BRIM) / np.radians(25.0), 0.0, 1.0)
        gap = BRIM_GAP_MM + (FAR_GAP_MM - BRIM_GAP_MM) * far**2
        gap += RAMUS_LIFT_MM * np.clip((RAMUS_ON - angle) / (RAMUS_ON - RAMUS_FROM), 0.0, 1.0)
        across = PchipInterpolator((RAMUS_FROM, BRIM, LOW), places)(angle)
        line = _wrapped(site, side, brim, angle, across, TRUNK_MM + gap)
        line = _unbroken(line)
        made.append(Tube(f"{name}_{side}", line, np.full(len(line), TRUNK_MM)))
    return made


def _wrapped(
    site: _Site,
    side: Side,
    brim: FloatArray,
    angle: FloatArray,
    across: FloatArray,
    wanted: FloatArray,
) -> FloatArray:
    """A line (n, 3) around the front of the ala: seen from within the ala, CENTRE_MM behind and
    below the brim, at `angle` (n,) from upwards forwards, `across` (n,) mm from the midline, and
    `wanted` (n,) mm from bone, come upon from outside."""
    _, v, u = site.frame.local(brim)
    sign = 1.0 if side == "left" else -1.0
    middle = np.stack(
        [sign * across, np.full(len(angle), v + CENTRE_MM), np.full(len(angle), u - CENTRE_MM)], 1
    )
    way = np.stack([np.zeros(len(angle)), -np.sin(angle), np.cos(angle)], axis=1)
    reach = np.arange(70.0, 0.0, -0.1)
    rays = site.frame.world(middle[:, None] + reach[:, None] * way[:, None, :])
    gap = site.gap(rays.reshape(-1, 3)).reshape(len(angle), len(reach))
    hit = np.argmax(gap <= wanted[:, None], axis=1)
    return np.asarray(rays[np.arange(len(angle)), hit])


def _root(site: _Site, region: NDArray[np.uint8], tunnel: Tunnel, level: int, side: Side) -> Tube:
    """A sacral root: from the canal through its foramen, forwards, down and out; from where the
    foramen begins, if the canal is not where it is looked for."""
    (middle, front), _, (root, _) = tunnel.ends
    out = site.frame.axes[0] if side == "left" else -site.frame.axes[0]
    ahead = (front - middle) / np.linalg.norm(front - middle)
    away = ahead - 0.8 * site.frame.axes[2] + 0.5 * out
    end = front + ROOT_RUN_MM * away / np.linalg.norm(away)
    line = _curve(np.stack([root, middle, front, end]))
    wanted = np.full(len(line), ROOT_MM[level] + ROOT_GAP_MM)
    line = _laid(site, line, wanted)
    passed = np.isin(site.grid.nearest(region, line, 0), (Region.CANAL, tunnel.region))
    line = line[int(passed.argmax()) :]
    room = np.maximum(site.gap(line), 0.6)
    return Tube(f"s{level + 1}_root_{side}", line, np.minimum(ROOT_MM[level], room))


def _thecal_sac(site: _Site, canal: Canal, landmarks: Mapping[str, Landmark]) -> Tube:
    """From the canal's upper end to the level of the S2 foramina."""
    line = canal.frame.world(np.c_[np.zeros(len(canal.line)), canal.line])
    end = np.mean([landmarks[f"foramen_s2_{side}"].point for side in SIDES], axis=0)
    line = line[: int(np.argmin(np.linalg.norm(line - end, axis=1))) + 1 : int(STEP_MM)]
    radii = np.linspace(*SAC_MM, len(line))
    line = _laid(site, line, radii + SAC_GAP_MM)
    return Tube("thecal_sac", line, np.minimum(radii, np.maximum(site.gap(line), 0.6)))


def _rectum(site: _Site, ribbon: Ribbon, landmarks: Mapping[str, Landmark]) -> Tube:
    """In the midline before the presacral space, from S3 down; it leaves the sacrum's curve, and
    ends where a coccyx that curls forward comes too near."""
    rows = [float(ribbon.locate(landmarks[f"foramen_s{n}_left"].point[None])[0, 0]) for n in (3, 4)]
    t = np.arange(rows[0], min(rows[1] + 25.0, len(ribbon.curve) - 1.0), STEP_MM)
    strip = ribbon.ventral[:, np.abs(ribbon.across) <= 10.0]
    whole = np.isfinite(strip).any(axis=1)
    front = np.interp(t, np.flatnonzero(whole), np.nanmin(strip[whole], axis=1))
    line = ribbon.point(t, 0.0, np.minimum.accumulate(front) - PRESACRAL_MM - RECTUM_MM)
    near = np.flatnonzero(site.gap(line) < RECTUM_MM)
    line = line[: max(int(near[0]), 2)] if len(near) else line
    return Tube("rectum", line, np.full(len(line), RECTUM_MM))


def _well_within(grid: Grid, line: FloatArray) -> NDArray[np.bool_]:
    """Which points (n,) lie 2 voxels or more inside the grid, where bone's distance is known."""
    index = grid.index_from_point(line)
    return np.asarray(np.all((index >= 2) & (index <= np.array(grid.shape) - 3), axis=1))


def _unbroken(line: FloatArray) -> FloatArray:
    """The longest part of a line (n, 3) without a step beyond JUMP_MM."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    parts: list[FloatArray] = np.split(line, np.flatnonzero(steps > JUMP_MM) + 1)
    return max(parts, key=len)


def _vessels(
    site: _Site, landmarks: Mapping[str, Landmark], side: Side, brim: FloatArray
) -> list[Tube]:
    """The internal iliac artery, and the vein behind it, medial to the trunk: from before the L5/S1
    disc over the brim and down beside the S2 foramen."""
    angle = np.linspace(VESSEL_FROM, VESSEL_LOW, 24)
    high = np.clip((BRIM - angle) / (BRIM - VESSEL_FROM), 0.0, 1.0)
    place = float(abs(site.frame.local(brim)[0])) - TRUNK_MM - VEIN_MM - VEIN_ASIDE_MM
    aside = PchipInterpolator((VESSEL_FROM, BRIM, VESSEL_LOW), VESSEL_MEDIAL_MM)(angle)
    made = []
    for name, radius, gap in (
        ("internal_iliac_artery", ARTERY_MM, ARTERY_GAP_MM),
        ("internal_iliac_vein", VEIN_MM, VEIN_GAP_MM),
    ):
        wanted = radius + gap + VESSEL_LIFT_MM * high
        line = _wrapped(site, side, brim, angle, place - aside, wanted)
        line = _unbroken(line[_well_within(site.grid, line)])
        made.append(Tube(f"{name}_{side}", line, np.full(len(line), radius)))
    return made


def _laid(site: _Site, line: FloatArray, wanted: FloatArray) -> FloatArray:
    """`line` (n, 3) moved away from bone until each point keeps `wanted` (n,) mm, where there is
    room; smoothed on the way."""
    for turn in range(40):
        short = np.maximum(wanted - site.gap(line), 0.0)
        line = line + 0.7 * short[:, None] * site.slope(line)
        if turn < 30:
            inner = 0.5 * line[1:-1] + 0.25 * (line[:-2] + line[2:])
            line = np.concatenate([line[:1], inner, line[-1:]])
    return line


def _curve(through: FloatArray) -> FloatArray:
    """Points (n, 3) about STEP_MM apart along the smooth curve through the given ones."""
    chords = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(through, axis=0), axis=1))]
    spline = make_interp_spline(chords, through, k=min(3, len(through) - 1))
    return np.asarray(spline(np.linspace(0.0, chords[-1], int(chords[-1] / STEP_MM) + 2)))
