"""The page that shows a patient: bone where bone is, sides where the field puts them."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from blocks import block_patient
from game.patient.patient import Landmark, Structure
from game.records.portrait import VIEWS, View, lit, portrait


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.title)
def test_the_first_bone_along_the_view_is_what_shows(view: View) -> None:
    codes = np.zeros((30, 30, 30), np.uint8)
    codes[5:25, 5:25, 5:15] = Structure.SACRUM
    image = lit(codes, codes == Structure.SACRUM, view)
    high, wide = image.shape[:2]
    assert (high, wide) == (30, 30)
    shown = image[..., 3] > 0
    assert shown.sum() == pytest.approx(20 * (20 if view.axis == 2 else 10), rel=0.1)
    assert np.all(image[shown][:, :3].max(axis=1) > 0.1)
    assert not image[~shown][:, 3].any()


def test_a_page_is_drawn_for_a_patient_of_boxes() -> None:
    patient = block_patient()
    low = {f"foramen_s3_{s}": Landmark(np.array([x, 0.0, -60.0])) for s, x in
           (("left", 20.0), ("right", -20.0))}  # fmt: skip
    patient = replace(patient, landmarks={**patient.landmarks, **low})
    page = portrait(patient, {"one": np.full((64, 64), 128, np.uint8)})
    picture = np.asarray(Image.open(BytesIO(page)).convert("L"), float)
    assert picture.shape[0] > 900
    assert picture.shape[1] > 1200
    for row in np.array_split(picture, 3):
        assert row.std() > 10.0  # surfaces, planes and the X-ray are there
