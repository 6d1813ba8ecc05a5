"""The page that shows a patient: bone where bone is, sides where the field puts them."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from blocks import block_patient
from game.geometry.grid import Grid
from game.patient.describe import broken, who
from game.patient.patient import Landmark, Region, Structure
from game.patient.traits import Traits
from game.records.portrait import VIEWS, View, _seen_points, _stain, lit, portrait


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.title)
def test_the_first_bone_along_the_view_is_what_shows(view: View) -> None:
    codes = np.zeros((30, 30, 30), np.uint8)
    codes[5:25, 5:25, 5:15] = Structure.SACRUM
    image, depth = lit(codes, (codes == Structure.SACRUM).astype(float), view)
    high, wide = image.shape[:2]
    assert (high, wide) == (30, 30) == depth.shape
    shown = image[..., 3] > 0
    assert shown.sum() == 20 * (20 if view.axis == 2 else 10)
    assert np.all(image[shown][:, :3].max(axis=1) > 0.1)
    assert not image[~shown][:, 3].any() and np.isnan(depth[~shown]).all()
    nearest = 4.5 if view.forwards else (14.5 if view.axis == 2 else 24.5)
    np.testing.assert_allclose(depth[shown], nearest)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.title)
def test_what_is_seen_is_stained_where_a_fracture_opens(view: View) -> None:
    """A point of the surface that the view sees, with a sheet's point on it; LPS."""
    grid = Grid((-10.0, 3.0, -40.0), 2.0, (30, 31, 32))
    codes = np.zeros(grid.shape, np.uint8)
    codes[5:25, 5:25, 5:15] = Structure.SACRUM
    image, depth = lit(codes, (codes == Structure.SACRUM).astype(float), view)
    points = _seen_points(depth, grid, view)
    at = np.array([12.0, 12.0, 10.0])
    at[view.axis] = 4.5 if view.forwards else (14.5 if view.axis == 2 else 24.5)
    place = grid.point_from_index(at)
    gap = np.linalg.norm(np.nan_to_num(points, nan=1e3) - place, axis=-1)
    assert gap.min() == pytest.approx(0.0)
    sheet = replace(block_patient().fractures["left"], points=place[None])
    _stain(image, points, replace(block_patient(), fractures={"left": sheet}))
    orange = (image[..., 0] - image[..., 2] > 0.6) & (image[..., 3] > 0)
    np.testing.assert_array_equal(orange, gap == 0)


def test_a_page_is_drawn_for_a_patient_of_boxes() -> None:
    patient = block_patient()
    low = {f"foramen_s3_{s}": Landmark(np.array([x, 0.0, -60.0])) for s, x in
           (("left", 20.0), ("right", -20.0))}  # fmt: skip
    patient = replace(patient, landmarks={**patient.landmarks, **low})
    page = portrait(patient, {"one": np.full((64, 64), 128, np.uint8)})
    picture = np.asarray(Image.open(BytesIO(page)).convert("L"), float)
    assert picture.shape[0] > 1800
    assert picture.shape[1] > 1400
    for row in np.array_split(picture, 5):
        assert row.std() > 10.0  # words, surfaces, planes, the X-ray and the hazards are there


def test_who_a_patient_is_in_words() -> None:
    assert who(block_patient()) == "generated"
    traits = Traits(seed=9, sex="male", age=61, habitus="obese", quality="osteopenic",
                    dysmorphism="mammillary", calcified_vessels=True, template=True)  # fmt: skip
    assert who(replace(block_patient(), traits=traits)) == (
        "generated from seed 9, template male, 61 years, obese habitus, osteopenic bone, "
        "mammillary dysmorphic sacrum, calcified vessels"
    )
    sheet = block_patient().fractures["left"]
    into = replace(sheet, pattern="foramen", reaches=(Region.FORAMEN_S2_LEFT, Region.PRESACRAL),
                   zone=2, step_mm=1.25)  # fmt: skip
    bar = replace(
        sheet,
        name="transverse",
        reaches=(Region.CANAL, Region.FORAMEN_S1_LEFT, Region.SI_JOINT_RIGHT),
    )
    both = replace(block_patient(), fractures={"left": into, "transverse": bar})
    assert all(line.endswith(", assumed, not seen") for line in broken(both))
    one, other = broken(replace(both, traits=traits))
    assert one.startswith("left ala: foramen, Denis zone II, FFP IIa")
    assert one.endswith("anterior step 1.2 mm, opens into the left S2 foramen")
    assert other.endswith(
        "gap 1.0 mm, opens into the canal, the left S1 foramen and the right SI joint"
    )
    assert broken(replace(block_patient(), fractures={})) == ("no fracture",)
