"""Whether what was read is a pelvis, the right way round, whole and not a mirror image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import ndimage

from game.geometry.grid import FloatArray
from game.patient.errors import PatientError
from game.patient.patient import Structure
from game.patient.segmentation import Segmentation

LEAST_SACRUM_ML = 60.0  # project choice: a third of a small real sacrum (facts: 197.6 cm3)
LEAST_HIP_ML = 60.0  # project choice, the same for one hip bone
LEAST_HEIGHT_MM = 55.0  # of a sacrum from top to bottom: S1-S3 of the real ones have 65 and more
LEAST_HALF = 0.6  # of the smaller half of a sacrum against the larger one; project choice
MOST_TURN_DEG = 37.0  # between the line from hip to hip and the left; project choice
SACRUM_HU = (-100.0, 900.0)  # median of a labelled sacrum; project choice around 60-280 (facts):
# values that were stored without their offset lie 1024 higher
THICK_MM = 4.0  # slices thicker than this are noted; project choice


def checked(made: Segmentation) -> Segmentation:
    """`made` with notes on what it lacks; raises PatientError where it is no whole pelvis, or lies
    turned, upside down, back to front or mirrored."""
    centre = _centres(made)
    _demand_posture(made.name, centre)
    _demand_whole(made, centre)
    _demand_hounsfield(made)
    return replace(made, notes=made.notes + _shortcomings(made))


def _centres(made: Segmentation) -> Mapping[Structure, FloatArray]:
    """The centres (3,), LPS mm, of the bones that are there; enough bone of each is demanded."""
    count = np.bincount(made.structures.ravel(), minlength=len(Structure))
    found = {}
    for code, least in (
        (Structure.SACRUM, LEAST_SACRUM_ML),
        (Structure.HIP_LEFT, LEAST_HIP_ML),
        (Structure.HIP_RIGHT, LEAST_HIP_ML),
        (Structure.L5, 0.0),
        (Structure.SPINE, 0.0),
    ):
        volume = float(count[code]) * float(np.prod(made.spacing)) / 1000.0
        if volume < least:
            raise PatientError(
                f"{made.name}: {_words(code)} has {volume:.1f} mL; at least {least:g} mL"
            )
        if volume > 0:
            mine = made.structures == code
            found[code] = np.array(ndimage.center_of_mass(mine)) * made.spacing + made.origin
    return found


def _demand_posture(name: str, centre: Mapping[Structure, FloatArray]) -> None:
    left, right = centre[Structure.HIP_LEFT], centre[Structure.HIP_RIGHT]
    sacrum = centre[Structure.SACRUM]
    spine = centre.get(Structure.L5, centre.get(Structure.SPINE))
    across = left - right
    behind = sacrum[1] - (left[1] + right[1]) / 2.0
    ways = [("sacrum", behind, "posterior to the hip bones (+y)")]
    if spine is not None:
        ways.append(("spine", spine[2] - sacrum[2], "cranial to the sacrum (+z)"))
    ways.append(("left hip bone", across[0], "on the patient's left (+x) of the right one"))
    for bone, value, way in ways:
        if not value > 0:
            raise PatientError(
                f"{name}: {bone} lies {value:.0f} mm {way}; must be above 0: the volume is turned, "
                "upside down or mirrored"
            )
    turn = float(np.degrees(np.arccos(across[0] / np.linalg.norm(across))))
    if turn > MOST_TURN_DEG:
        raise PatientError(
            f"{name}: the pelvis lies turned by {turn:.0f} deg; at most {MOST_TURN_DEG:g} deg"
        )


def _demand_hounsfield(made: Segmentation) -> None:
    """Bone that a CT shows where the labels have the sacrum."""
    if made.hounsfield is None:
        return
    median = float(np.median(made.hounsfield[made.structures == Structure.SACRUM]))
    low, high = SACRUM_HU
    if not low <= median <= high:
        raise PatientError(
            f"{made.name}: the CT has {median:.0f} HU in the sacrum (median); bone has {low:g} to "
            f"{high:g} HU: its values are no Hounsfield units, or the labels are another scan's"
        )


def _demand_whole(made: Segmentation, centre: Mapping[Structure, FloatArray]) -> None:
    """Both halves of the sacrum, and S1 to S3 of it."""
    sacrum = np.argwhere(made.structures == Structure.SACRUM) * made.spacing + made.origin
    height = float(np.ptp(sacrum[:, 2]))
    if height < LEAST_HEIGHT_MM:
        raise PatientError(
            f"{made.name}: the sacrum is {height:.0f} mm high; at least {LEAST_HEIGHT_MM:g} mm, "
            "S1 to S3, are needed"
        )
    across = centre[Structure.HIP_LEFT] - centre[Structure.HIP_RIGHT]
    middle = 0.5 * (centre[Structure.HIP_LEFT] + centre[Structure.HIP_RIGHT])
    left = int(((sacrum - middle) @ across > 0).sum())
    share = min(left, len(sacrum) - left) / max(left, len(sacrum) - left)
    if share < LEAST_HALF:
        raise PatientError(
            f"{made.name}: one half of the sacrum has {share:.0%} of the other's volume; at least "
            f"{LEAST_HALF:.0%}: half a sacrum is not enough"
        )


def _shortcomings(made: Segmentation) -> tuple[str, ...]:
    notes = []
    if max(made.spacing) > THICK_MM:
        notes.append(f"slices are {max(made.spacing):g} mm apart: fine shape is not resolved")
    for code in (Structure.SACRUM, Structure.HIP_LEFT, Structure.HIP_RIGHT):
        box = ndimage.find_objects((made.structures == code).astype(np.uint8))[0]
        ends = zip(box, made.structures.shape, strict=True)
        if any(part.start == 0 or part.stop == size for part, size in ends):
            notes.append(f"the {_words(code)} is cut by the edge of the volume")
    return tuple(notes)


def _words(code: Structure) -> str:
    return code.name.lower().replace("_", " ")
