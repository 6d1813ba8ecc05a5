"""Other programs' projectors, run beside ours by `sacrosim bench` where they are installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from game.geometry.carm import Projection
from game.geometry.grid import Grid

Projected = Callable[[], NDArray[np.float32]]


def rtk_joseph(
    volume: NDArray[np.float32], grid: Grid, geometry: Projection, threads: int
) -> Projected | None:
    """RTK's Joseph forward projection (`pip install itk-rtk`; Simon Rit et al. 2014,
    10.1088/1742-6596/489/1/012079) of a volume [x, y, z]; None where it is not installed.

    Each call projects anew and returns line integrals (h, w), value x mm; the volume has been
    handed over before, so that a call times the projection alone."""
    itk = import_module("itk") if find_spec("itk") else None
    rtk = getattr(itk, "RTK", None)  # one of ITK's modules, loaded when asked for
    if itk is None or rtk is None:
        return None
    image = itk.image_from_array(np.ascontiguousarray(volume.transpose(2, 1, 0), np.float32))
    image.SetOrigin(grid.origin)
    image.SetSpacing([grid.spacing] * 3)
    kind = type(image)
    source = rtk.ConstantImageSource[kind].New()
    half = (geometry.size - 1) / 2.0 * geometry.pixel_mm
    source.SetOrigin([-half, -half, 0.0])
    source.SetSpacing([geometry.pixel_mm, geometry.pixel_mm, 1.0])
    source.SetSize([geometry.size, geometry.size, 1])
    source.SetConstant(0.0)
    source.Update()
    joseph = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
    joseph.SetInput(0, source.GetOutput())
    joseph.SetInput(1, image)
    joseph.SetGeometry(_circular(itk, rtk, geometry))
    joseph.InPlaceOff()  # else the empty picture is gone after the first call
    joseph.SetNumberOfWorkUnits(threads)
    joseph.GetMultiThreader().SetMaximumNumberOfThreads(threads)

    def project() -> NDArray[np.float32]:
        joseph.Modified()
        joseph.Update()
        return np.asarray(itk.array_view_from_image(joseph.GetOutput())[0], np.float32)

    return project


def _circular(itk: Any, rtk: Any, geometry: Projection) -> Any:
    """RTK's geometry object of one pose, from its source, detector and picture axes."""
    made = rtk.ThreeDCircularProjectionGeometry.New()
    point, vector = itk.Point[itk.D, 3], itk.Vector[itk.D, 3]
    accepted = made.AddProjection(
        point(geometry.source),
        point(geometry.centre),
        vector(geometry.right),
        vector(geometry.down),
    )
    if not accepted:
        raise ValueError(f"RTK refuses the geometry {geometry}")
    return made
