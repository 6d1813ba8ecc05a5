"""Other programs' projectors, run beside ours by `sacrosim bench` where they are installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from game.devices.beam import attenuation, fluence
from game.geometry.carm import SOURCE_TO_DETECTOR_MM, Projection
from game.geometry.grid import Grid
from game.patient.patient import Surface

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


# Elements of soft tissue and of bone as benchmarks/build_xray_tables.py has them: atomic numbers
# and mass fractions (ICRU Report 44).
SOFT_TISSUE = ([1, 6, 7, 8, 17], [0.102, 0.143, 0.034, 0.719, 0.002])
WHOLE_BONE = ([1, 6, 7, 8, 15, 20], [0.034, 0.155, 0.042, 0.441, 0.103, 0.225])


def gvxr_scene(
    skin: Surface, bones: Iterable[Surface], geometry: Projection, kvp: float
) -> Projected | None:
    """gVirtualXRay's picture (`pip install gvxr`; Vidal et al., 10.1016/j.cmpb.2023.107500) of a
    body of soft tissue with solid bones in it, with our spectrum's bins; None where it or an
    OpenGL (EGL) driver is not installed.

    Each call makes the picture anew and returns the energy on the detector (h, w)."""
    gvxr = _gvxr()
    if gvxr is None:
        return None
    gvxr.usePointSource()
    gvxr.setSourcePosition(*geometry.source, "mm")
    gvxr.setDetectorPosition(*geometry.centre, "mm")
    gvxr.setDetectorUpVector(*(-value for value in geometry.down))
    gvxr.setDetectorNumberOfPixels(geometry.size, geometry.size)
    gvxr.setDetectorPixelSize(geometry.pixel_mm, geometry.pixel_mm, "mm")
    photons = fluence(kvp, SOURCE_TO_DETECTOR_MM)
    for energy, count in zip(attenuation(kvp).energy, photons, strict=True):
        if count > 0.0:
            gvxr.addEnergyBinToSpectrum(float(energy), "keV", float(count))
    _mesh(gvxr, "skin", skin, SOFT_TISSUE, 1.06)
    gvxr.addPolygonMeshAsOuterSurface("skin")
    for number, bone in enumerate(bones):
        _mesh(gvxr, f"bone {number}", bone, WHOLE_BONE, 1.4)
        gvxr.addPolygonMeshAsInnerSurface(f"bone {number}")

    def project() -> NDArray[np.float32]:
        return np.asarray(gvxr.computeXRayImage(), np.float32)

    return project


def _gvxr() -> Any:
    """gVirtualXRay with an OpenGL context that needs no display, or None; warns where it is
    installed but does not start (it wants some of Debian's libxcb packages)."""
    if find_spec("gvxrPython3") is None:
        return None
    try:
        gvxr = import_module("gvxrPython3").gvxr
        gvxr.createNewContext("EGL")
    except (ImportError, RuntimeError) as error:
        warnings.warn(f"gVirtualXRay does not start: {error}", RuntimeWarning, stacklevel=2)
        return None
    return gvxr


def _mesh(
    gvxr: Any, name: str, surface: Surface, mixture: tuple[list[int], list[float]], density: float
) -> None:
    gvxr.makeTriangularMesh(
        name, surface.vertices.ravel().tolist(), surface.faces.ravel().tolist(), "mm"
    )
    gvxr.setMixture(name, *mixture)
    gvxr.setDensity(name, density, "g/cm3")
