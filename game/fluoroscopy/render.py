"""A state in, an X-ray picture out: the whole image chain in order."""

from __future__ import annotations

from dataclasses import dataclass
from math import degrees
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from game.devices.beam import Material
from game.devices.carm import CArmPose
from game.fluoroscopy.areas import AreaDensities
from game.fluoroscopy.cement import fill
from game.fluoroscopy.detector import PANEL, Detector, detected
from game.fluoroscopy.display import MONITOR, Display, marked, oriented, shown, side_letters
from game.fluoroscopy.hand import with_hand
from game.fluoroscopy.instruments import insert, with_tail
from game.fluoroscopy.projector import Projector
from game.fluoroscopy.spectrum import transmitted, unattenuated
from game.geometry.carm import Projection
from game.geometry.views import named_view
from game.simulation.case import Case
from game.simulation.cement import Veins
from game.simulation.state import State

VIEW_TOLERANCE_DEG = 15.0  # beyond it a caption gives angles only; project choice


@dataclass(frozen=True, eq=False)
class Picture:
    """`pixels` (h, w), 0-255, as seen from behind with the patient's left on the left unless
    flipped or turned; `projection` is that of the picture before either."""

    pixels: NDArray[np.uint8]
    projection: Projection
    caption: str


def render(
    case: Case,
    state: State,
    projector: Projector,
    size: int = 512,
    display: Display = MONITOR,
    detector: Detector = PANEL,
    coarse: bool = False,
) -> Picture:
    """The last picture taken, `size` x `size`, of the state's cannulas and cement as they are now.

    The pose is the held image's; kV, mAs and noise are its pulse's, so the same pulse always gives
    the same picture and every pulse another noise. `coarse` is for a C-arm on the move: anatomy of
    a new pose is projected in less detail, cannulas and cement as ever. Raises ValueError for a
    tube voltage outside the generator's range."""
    field = state.picture_field
    geometry = state.picture_pose.projection(size, field.panel_mm)
    signal = exposed(case, state, projector, geometry, detector, coarse)
    full = detector.primary * unattenuated(state.tube.kvp, state.tube.mas)
    pixels = shown(signal, full, geometry.pixel_mm, display, field.collimation)
    letters = side_letters(geometry, case.patient.anatomy.axes, display)
    return Picture(marked(oriented(pixels, display), letters), geometry, _caption(case, state))


def exposed(
    case: Case,
    state: State,
    projector: Projector,
    geometry: Projection,
    detector: Detector = PANEL,
    coarse: bool = False,
) -> NDArray[np.float32]:
    """The panel's signal (h, w), keV/mm2, of the state's last pulse; as `render`."""
    areas = scene_areas(state, projector, geometry, coarse, case.medium.veins)
    tube = state.tube
    mean, variance = transmitted(areas, tube.kvp, tube.mas)
    seed, pixel = (abs(case.seed), tube.last_exposure + 1), geometry.pixel_mm
    return detected(
        mean, variance, areas.water, pixel, tube.kvp, seed, detector, state.picture_field
    )


def scene_areas(
    state: State,
    projector: Projector,
    geometry: Projection,
    coarse: bool = False,
    veins: Veins | None = None,
) -> AreaDensities:
    """Area densities of the patient with the state's cement and cannulas in place, and the hand
    that was on one of them at the last pulse; `veins` are those that cement may lie in."""
    areas = projector.areas(geometry, coarse).copied()
    if len(state.cement.voxels):
        grid = projector.patient.bone
        fill(areas, projector.shadow.path(geometry, grid, state.cement, veins))
    for side, cannula in state.cannulas.items():
        if cannula.stage in ("held", "tissue", "bone"):
            bore = state.injector.bore_ml.get(side, 0.0)
            insert(areas, geometry, projector, cannula, bore)
    for tail in state.tails.values():
        with_tail(areas, geometry, tail.start, tail.end, tail.radius)
    if state.gripped is not None:
        cannula = state.cannulas[state.gripped]
        with_hand(areas, geometry, cannula, state.operator.side)
    return areas


def save_png(picture: Picture, path: Path) -> None:
    """Writes the picture as an 8-bit grey PNG; raises OSError where that cannot be."""
    Image.fromarray(picture.pixels).save(path, format="PNG")


def save_arrays(
    path: Path, areas: AreaDensities, signal: NDArray[np.float32], geometry: Projection
) -> None:
    """Writes a NumPy archive of what is behind a picture; raises OSError where that cannot be.

    `area_densities` (5, h, w), g/cm2, in the order of `materials`; `signal` (h, w), keV/mm2 at the
    panel; `matrix` (3, 4) as `Projection.matrix`; `pixel_mm` at the panel; `source`, LPS mm."""
    np.savez_compressed(
        path,
        area_densities=areas.values,
        materials=np.array([material.name.lower() for material in Material]),
        signal=signal,
        matrix=geometry.matrix(),
        pixel_mm=geometry.pixel_mm,
        source=np.array(geometry.source),
    )


def _caption(case: Case, state: State) -> str:
    pose, tube = state.picture_pose, state.tube
    view = named_view(pose.primary, pose.secondary, case.patient.anatomy, VIEW_TOLERANCE_DEG)
    name = f"{view}, " if view else ""
    return f"{name}{angles_text(pose)}, {tube.kvp:.0f} kV {tube.mas:.2f} mAs"


def angles_text(pose: CArmPose) -> str:
    """The pose as a C-arm prints it, degrees: 'LAO 180 CRA 39'."""
    primary, secondary = round(degrees(pose.primary)), round(degrees(pose.secondary))
    primary = (primary + 179) % 360 - 179
    side = "LAO" if primary >= 0 else "RAO"
    tilt = "CRA" if secondary >= 0 else "CAU"
    return f"{side} {abs(primary)} {tilt} {abs(secondary)}"
