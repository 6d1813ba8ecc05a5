"""The named fluoroscopic views of the technique, as beam directions tied to the anatomy.

True AP has the midline between the pedicles and the L5/S1 disc open; the oblique has the detector
30 deg opposite to the side treated with the beam still parallel to the disc (Smith & Gilula 2006);
the lateral has both hip bones superimposed. A view is asked for in the patient's own axes, so a
patient who lies turned in the scanner gets a turned C-arm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import asin, atan, atan2, cos, degrees, radians, sin, tan
from typing import Literal

import numpy as np

from game.geometry.carm import angles_of, detector_direction
from game.geometry.grid import FloatArray

ViewName = Literal["ap", "lateral", "oblique-left", "oblique-right"]
VIEWS: tuple[ViewName, ...] = ("ap", "lateral", "oblique-left", "oblique-right")
_PRIMARY: Mapping[ViewName, float] = {
    "ap": radians(180.0),
    "lateral": radians(90.0),
    "oblique-left": radians(-150.0),
    "oblique-right": radians(150.0),
}

# Views of the pelvic ring that orient but are not graded: secondary angle in the patient's own
# axes, from behind. Usual 25 deg caudal and 45 deg cranial of the frontal beam; project choice.
PelvicView = Literal["inlet", "outlet"]
PELVIC_VIEWS: Mapping[PelvicView, float] = {"inlet": radians(-25.0), "outlet": radians(45.0)}
ALIKE_DEG = 2.0  # between two views that a picture cannot tell apart; project choice


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What a view hangs on: `axes` has the patient's left, posterior and superior directions as
    rows (3, 3), LPS unit vectors; `disc_normal` (3,) is the cranial normal of the L5/S1 disc."""

    axes: FloatArray
    disc_normal: FloatArray

    @property
    def disc_tilt(self) -> float:
        """Sagittal tilt of the disc plane, radians: its anterior side lies lower when positive."""
        _, posterior, superior = self.axes @ self.disc_normal
        return atan2(-posterior, superior)


@dataclass(frozen=True)
class ViewError:
    """How far a beam is from a named view: turn about the patient's long axis, and the angle
    between the beam and the L5/S1 disc (frontal views only; 0 for the lateral), degrees."""

    view: ViewName
    turn_deg: float
    disc_deg: float

    @property
    def worst_deg(self) -> float:
        return max(abs(self.turn_deg), abs(self.disc_deg))


def view_angles(view: ViewName, anatomy: Anatomy) -> tuple[float, float]:
    """C-arm primary and secondary angle, radians, of a true view: tan b = -tan t cos a."""
    primary = _PRIMARY[view]
    secondary = 0.0 if view == "lateral" else atan(-tan(anatomy.disc_tilt) * cos(primary))
    return angles_of(detector_direction(primary, secondary) @ anatomy.axes)


def pelvic_angles(view: PelvicView, anatomy: Anatomy) -> tuple[float, float]:
    """C-arm primary and secondary angle, radians, of a true inlet or outlet view."""
    return angles_of(detector_direction(_PRIMARY["ap"], PELVIC_VIEWS[view]) @ anatomy.axes)


def pelvic_error(
    view: PelvicView, primary: float, secondary: float, anatomy: Anatomy
) -> tuple[float, float]:
    """How far a beam is from a true inlet or outlet: its turn about the patient's long axis and its
    tilt along it (cranial positive), degrees."""
    turned, tilted = angles_of(anatomy.axes @ detector_direction(primary, secondary))
    turn = _wrapped(turned - _PRIMARY["ap"])
    return degrees(turn), degrees(tilted - PELVIC_VIEWS[view])


def view_error(view: ViewName, primary: float, secondary: float, anatomy: Anatomy) -> ViewError:
    """The error of a pose against a named view; a lateral may be taken from either side."""
    own = anatomy.axes @ detector_direction(primary, secondary)
    own_primary, own_secondary = angles_of(own)
    turn = _wrapped(own_primary - _PRIMARY[view])
    if view == "lateral":
        other_side = _wrapped(own_primary + _PRIMARY[view])
        turn = min(turn, other_side, key=abs)
        return ViewError(view, degrees(turn), degrees(own_secondary))
    towards = detector_direction(primary, secondary)
    return ViewError(view, degrees(turn), degrees(asin(float(towards @ anatomy.disc_normal))))


def nearest_view(primary: float, secondary: float, anatomy: Anatomy) -> ViewError:
    """The named view that a pose is closest to, with its error."""
    errors = [view_error(view, primary, secondary, anatomy) for view in VIEWS]
    return min(errors, key=lambda error: error.worst_deg)


def view_errors(
    primary: float, secondary: float, anatomy: Anatomy
) -> Mapping[ViewName | PelvicView, float]:
    """How far a pose is from each of the six views: the larger of its two errors, degrees."""
    errors: dict[ViewName | PelvicView, float] = {
        view: view_error(view, primary, secondary, anatomy).worst_deg for view in VIEWS
    }
    for view in PELVIC_VIEWS:
        errors[view] = max(map(abs, pelvic_error(view, primary, secondary, anatomy)))
    return errors


def named_view(primary: float, secondary: float, anatomy: Anatomy, within_deg: float = 15.0) -> str:
    """What a picture at a pose may be called: the nearest of the six views, or two with an "or"
    between them where another is as near to `ALIKE_DEG` (the outlet of a patient whose disc is as
    steep is an AP); empty where none is within `within_deg`."""
    errors = view_errors(primary, secondary, anatomy)
    nearest = min(errors.values())
    if nearest > within_deg:
        return ""
    return " or ".join(view for view, error in errors.items() if error <= nearest + ALIKE_DEG)


def axes_from_left(left: FloatArray) -> FloatArray:
    """Patient axes (3, 3) from the midsagittal plane's left-pointing normal (3,), LPS; the long
    axis is kept as close to the scanner's as that normal allows."""
    left = np.asarray(left, float) / np.linalg.norm(left)
    superior = np.array([0.0, 0.0, 1.0]) - left[2] * left
    superior /= np.linalg.norm(superior)
    return np.stack([left, np.cross(superior, left), superior])


def _wrapped(angle: float) -> float:
    return atan2(sin(angle), cos(angle))
