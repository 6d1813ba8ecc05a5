"""What fills a body between skin and bone, on the source's own grid.

Where there is a CT, Hounsfield thresholds tell fat, muscle and gas apart. Where there are only
muscle labels, what is unlabelled outside the hull of muscles and bones is fat; the cavity before
the spine is given patches of soft tissue and fat (a project choice: no label says more).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image

from game.geometry.grid import Point
from game.patient.patient import Structure

BODY_HU = -300  # between lung or air and fat (-100); project choice
FAT_HU = -30  # below is fat, above muscle and organs: midway between -100 and 40; project choice
_PATCH_MM = 9.0  # size of organ patches in the cavity; project choice, not anatomy
_FAT_SHARE = 0.35  # of the cavity; project choice
_STEP_MM = 4.0  # the hull is found on a coarser grid of about this step


def body_of(hounsfield: NDArray[np.int16], spacing: Point) -> NDArray[np.bool_]:
    """The body [x, y, z]: the largest connected part above -300 HU without thin things that touch
    it (table, sheets), its gas filled slice by slice."""
    dense = hounsfield > BODY_HU
    opened = ndimage.binary_opening(dense, iterations=max(1, round(6.0 / spacing[0])))
    marks, count = ndimage.label(opened)
    if count == 0:
        return dense
    largest = marks == 1 + int(np.argmax(np.bincount(marks.ravel())[1:]))
    grown = ndimage.binary_dilation(largest, iterations=max(1, round(6.0 / spacing[0])))
    body = grown & dense
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
    return body


def tissue_of_hounsfield(
    hounsfield: NDArray[np.int16], body: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """`Structure` codes of soft tissue by threshold, AIR outside `body`."""
    tissue = np.full(hounsfield.shape, Structure.AIR, np.uint8)
    tissue[body] = Structure.MUSCLE
    tissue[body & (hounsfield < FAT_HU)] = Structure.FAT
    tissue[body & (hounsfield < BODY_HU)] = Structure.GAS
    return tissue


def tissue_of_muscles(
    body: NDArray[np.bool_], muscles: NDArray[np.bool_], bones: NDArray[np.bool_], spacing: Point
) -> NDArray[np.uint8]:
    """`Structure` codes of soft tissue from muscle labels, AIR outside `body`."""
    tissue = np.full(body.shape, Structure.AIR, np.uint8)
    tissue[body] = Structure.FAT
    tissue[_cavity(muscles, bones, spacing) & _patches(body.shape, spacing) & body] = (
        Structure.MUSCLE
    )
    tissue[muscles] = Structure.MUSCLE
    return tissue


def _cavity(
    muscles: NDArray[np.bool_], bones: NDArray[np.bool_], spacing: Point
) -> NDArray[np.bool_]:
    """Inside the convex hull of muscles and bones of each slice, before the bones' mean depth."""
    a, b = (max(1, round(_STEP_MM / s)) for s in spacing[:2])
    solid = (muscles | bones)[::a, ::b]
    hull = np.zeros(solid.shape, bool)
    for k in range(solid.shape[2]):
        if solid[:, :, k].sum() < 10:
            continue
        hull[:, :, k] = convex_hull_image(solid[:, :, k])
        at = np.nonzero(bones[::a, ::b, k].any(axis=0))[0]
        if len(at):
            hull[:, int(at.mean()) :, k] = False
    full: NDArray[Any] = hull.repeat(a, axis=0).repeat(b, axis=1)
    return full[: muscles.shape[0], : muscles.shape[1]]


def _patches(shape: tuple[int, ...], spacing: Point) -> NDArray[np.bool_]:
    """True where the cavity holds soft tissue: seeded noise of about 9 mm grain."""
    rng = np.random.default_rng(7)
    coarse = [int(n * s / _PATCH_MM) + 3 for n, s in zip(shape, spacing, strict=True)]
    noise = ndimage.gaussian_filter(rng.standard_normal(coarse).astype(np.float32), 0.7)
    level = np.quantile(noise, _FAT_SHARE)
    skip = [max(1, int(2 * _STEP_MM / 3 / s)) for s in spacing]
    thin = [-(-n // k) for n, k in zip(shape, skip, strict=True)]
    step = [s * k / _PATCH_MM for s, k in zip(spacing, skip, strict=True)]
    fine = ndimage.affine_transform(noise, step, output_shape=tuple(thin), order=1, mode="nearest")
    patches: NDArray[np.bool_] = fine > level
    for axis, k in enumerate(skip):
        patches = patches.repeat(k, axis)
    return patches[: shape[0], : shape[1], : shape[2]]
