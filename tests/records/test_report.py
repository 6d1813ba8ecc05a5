"""The report stands alone, escapes what it is told, and shows what the scorecard says."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from PIL import Image

from game.devices.cannula import Cannula
from game.geometry.grid import Grid
from game.geometry.views import Anatomy
from game.patient.approach import Approach
from game.patient.patient import Fracture, Patient, Region, Tube
from game.records.figures import phases, timeline_picture
from game.records.report import SLOTS, Picture, report_html, write_report
from game.records.views3d import cement_meshes, hazards_picture, sacrum_picture, viewpoints
from game.scoring.rubric import load_rubric
from game.scoring.scorecard import Scorecard, score
from game.simulation.cement import EMPTY, Cement
from game.simulation.events import Aliquot, Briefed, Mixed, Outcome
from written_traces import altered, expert

HOSTILE = "<script>alert('x')</script> & \"quoted\" http://example.org/"
VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Collects tags and attributes, and whether every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "action")]
        assert not [k for k, _ in attrs if k.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def png(size: int = 8) -> bytes:
    buffer = BytesIO()
    Image.new("L", (size, size), 90).save(buffer, "PNG")
    return buffer.getvalue()


def shown(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB")).astype(int)


def hostile_card() -> Scorecard:
    trace = altered(expert(), Briefed, level=HOSTILE, patient=HOSTILE)
    return score(altered(trace, Outcome, leaked_ml={HOSTILE: 0.4, "canal": 0.3}), load_rubric())


def test_one_file_no_script_nothing_loaded_everything_escaped() -> None:
    figures = [Picture(slot, png(), f"{slot} {HOSTILE}") for slot in SLOTS]
    html = report_html(hostile_card(), figures, {HOSTILE: HOSTILE, "Seed": "7"})
    page = read(html)
    assert not {"script", "link", "iframe", "object", "form", "a"} & set(page.tags)
    assert page.tags.count("img") == len(SLOTS)
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "<script" not in html
    style = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(r"url\(|@import|https?:", style)


def test_it_says_what_the_scorecard_says() -> None:
    text = " ".join(read(report_html(hostile_card(), [], {"Seed": "7"})).text)
    assert "Not passed" in text
    assert "Critical errors" in text
    assert "0.30 mL of cement lies in foramina and canal." in text
    assert "sacral canal" in text
    assert "None was taken." in text
    card = score(expert(), load_rubric())
    text = " ".join(read(report_html(card, [], {})).text)
    assert "Passed" in text
    assert "Critical errors" not in text
    assert all(item.reason in text for item in card.items)


@pytest.mark.parametrize("length", [0, 1, 5, 30, 90])
def test_a_case_left_early_has_a_report_too(length: int) -> None:
    trace = expert()[:length]
    figures = [Picture("timeline", timeline_picture(trace), "")]
    text = " ".join(read(report_html(score(trace, load_rubric()), figures, {})).text)
    assert "The case was not finished." in text


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    card = score(expert(), load_rubric())
    write_report(tmp_path / "report.html", card, [], {})
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(OSError, match="none"):
        write_report(tmp_path / "none" / "report.html", card, [], {})
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(OSError, match="taken"):
        write_report(tmp_path / "taken", card, [], {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "taken"]


def test_a_picture_needs_a_slot_and_must_be_a_png() -> None:
    with pytest.raises(ValueError, match="slot is 'selfie'"):
        Picture("selfie", png(), "")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a PNG"):
        Picture("view3d", b"<svg onload='alert(1)'>", "")


def test_phases_cover_the_case_without_gap_or_overlap() -> None:
    spans = phases(expert())
    names = [name for name, _, _ in spans]
    assert names[:2] == ["views", "left cannula"]
    assert names[-3:] == ["mixing", "cement", "closing"]
    assert spans[0][1] == 0.0
    assert spans[-1][2] == expert()[-1].time / 3000
    assert all(one[2] == other[1] for one, other in pairwise(spans))
    first = next(event for event in expert() if isinstance(event, Aliquot))
    assert next(span for span in spans if span[0] == "cement")[1] == first.started / 3000


def test_a_second_batch_is_mixed_and_injected_in_phases_of_its_own() -> None:
    """No check of the cannulas is shown once cement has begun."""
    trace = list(expert())
    runs = [n for n, event in enumerate(trace) if isinstance(event, Aliquot)]
    mixed = next(event for event in trace if isinstance(event, Mixed))
    later = replace(mixed, time=trace[runs[-1]].started - 3000)  # type: ignore[union-attr]
    trace.insert(runs[-1], later)
    names = [name for name, _, _ in phases(tuple(trace))]
    assert names[-5:] == ["mixing", "cement", "mixing", "cement", "closing"]
    assert "check" not in names[names.index("cement") :]


# The picture in three dimensions, of a ball of bone -----------------------------------------------


def ball() -> Patient:
    """A sacrum that is a ball of 30 mm, with a sheet at x = +10; the patient's own axes are LPS."""
    grid = Grid((-40.0, -40.0, -40.0), 2.0, (41, 41, 41))
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij")
    distance = (np.sqrt(x**2 + y**2 + z**2) - 30.0).astype(np.float32)
    region = np.where(distance < 0, Region.MARROW, Region.PRESACRAL).astype(np.uint8)
    sheet = np.stack(np.meshgrid([10.0], np.arange(-15, 16, 3.0), np.arange(-15, 16, 3.0)), -1)
    points = sheet.reshape(-1, 3)
    left = Fracture("left", points, np.full(len(points), 9.0), np.array([1.0, 0, 0]),
                    np.full(len(points), 0.5), np.empty(0, np.int64))  # fmt: skip
    return Patient(
        name="ball", source="procedural", body=grid, hounsfield=np.zeros(grid.shape, np.int16),
        structures=np.zeros(grid.shape, np.uint8), bone=grid, sacrum_distance=distance,
        hip_distance={}, cortex=distance, cortex_assumed=True, region=region, surfaces={},
        landmarks={}, planes={}, anatomy=Anatomy(np.eye(3), np.array([0.0, 0.0, 1.0])),
        fractures={"left": left},
    )  # fmt: skip


def blob(patient: Patient, centre: tuple[float, float, float], radius: float) -> Cement:
    points = np.stack(np.meshgrid(*patient.bone.axes(), indexing="ij"), -1).reshape(-1, 3)
    inside = np.flatnonzero(np.linalg.norm(points - centre, axis=1) < radius)
    ml = np.full(len(inside), patient.bone.voxel_ml)
    return Cement(inside, ml, float(ml.sum()))


def test_the_cement_s_surface_lies_around_it_and_leaks_are_apart() -> None:
    patient = ball()
    (inside,) = cement_meshes(patient, blob(patient, (10.0, 0.0, 0.0), 8.0))
    corners = inside.triangles.reshape(-1, 3)
    radii = np.linalg.norm(corners - [10.0, 0.0, 0.0], axis=1)
    assert 5.5 < radii.min() < radii.max() < 11.0
    assert len(cement_meshes(patient, blob(patient, (0.0, -30.0, 0.0), 8.0))) == 2
    assert cement_meshes(patient, EMPTY) == []


def test_viewpoints_are_right_handed_and_show_left_where_they_say() -> None:
    for view in viewpoints(ball()):
        axes = np.stack([view.right, view.up, view.away])
        assert np.allclose(axes @ axes.T, np.eye(3))
        assert np.allclose(np.cross(view.right, view.up), -view.away)
        if view.at_right == "L":
            assert view.right[0] == pytest.approx(1.0)
    assert viewpoints(ball())[1].away[0] == pytest.approx(-1.0)  # looking to the patient's right


def test_blue_cement_on_the_patients_left_is_on_the_right_from_the_front() -> None:
    patient = ball()
    along = (0.0, -0.6, 0.8)
    cannula = Cannula(direction=along, bone_entry=(10.0, 15.0, -20.0), tip=(10.0, 6.0, -8.0),
                      track=((10.0, 15.0, -20.0), (10.0, 0.0, 0.0)))  # fmt: skip
    entry, target = np.array([10.0, 15.0, -20.0]), np.array([10.0, 0.0, 0.0])
    approach = Approach("left", entry - 30 * np.array(along), entry, target, np.array(along), 0.0)
    cement = blob(patient, (10.0, 0.0, 0.0), 8.0)
    cannulas = MappingProxyType({"left": cannula, "right": Cannula()})
    picture = shown(sacrum_picture(patient, cement, cannulas, {"left": approach}))
    first = picture[80:-90, : picture.shape[1] // 3]
    blue = (first[..., 2] - first[..., 0]) > 60
    grey = np.abs(first - 255).sum(axis=2) > 20
    assert blue.sum() > 500
    assert np.nonzero(blue)[1].mean() > np.nonzero(grey)[1].mean() + 20


def test_a_bare_sacrum_is_drawn_as_well() -> None:
    picture = shown(sacrum_picture(ball(), EMPTY, {}, {}))
    assert (picture < 250).any()


def test_nerves_are_drawn_on_the_sacrum() -> None:
    line = np.array([[-12.0, -22.0, 15.0], [0.0, -24.0, 0.0], [12.0, -22.0, -15.0]])
    root = Tube("s1_root_left", line, np.full(3, 2.5))
    picture = shown(hazards_picture(replace(ball(), hazards={"s1_root_left": root})))
    yellow = (picture[..., 0] > 150) & (picture[..., 1] > 120) & (picture[..., 2] < 60)
    assert yellow.sum() > 500
