"""Drawn density and cortex against the published values, on the embedded pelvis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from game.geometry.grid import FloatArray, Grid
from game.patient.cortex import RANGE_MM, cortex_of
from game.patient.density import (
    HEALTHY_LUMBAR_HU,
    TEXTURE_HU,
    Levels,
    drawn_hounsfield,
    lumbar_hounsfield,
    marrow_hounsfield,
)
from game.patient.patient import Region, Structure
from game.patient.procedural import procedural
from game.patient.resample import Body, body_around, bones_of, levels_of, with_sacrum
from game.patient.traits import Quality, Traits

QUALITIES: tuple[Quality, ...] = ("normal", "osteopenic", "osteoporotic")
RATIO = 44.8 / 105.7  # of lumbar HU, insufficiency fracture to controls: Andresen 2025
DEEP_MM = 6.0  # below the surface: no cortex, no partial volume


class Pelvis:
    """The embedded pelvis on the body grid, with the HU that each quality's template draws."""

    def __init__(self) -> None:
        source = procedural(Traits())
        levels = levels_of(source)
        bones = bones_of(source, levels)
        self.body: Body = with_sacrum(body_around(source, levels, np.zeros(3)), bones)
        self.levels = Levels.of(source.known, np.eye(3))
        self.bone: Grid = bones.grid
        self.thick = np.full(bones.grid.shape, np.float32(1.0))
        self.textures = [
            self.hounsfield(Traits(seed=seed, quality="normal", template=True)) for seed in range(3)
        ]
        self.drawn = {q: self.hounsfield(Traits(quality=q, template=True)) for q in QUALITIES}

    def hounsfield(self, traits: Traits) -> NDArray[np.int16]:
        return drawn_hounsfield(self.body, self.levels, self.thick, self.bone, traits)

    def region(
        self, code: Structure, low: tuple[float, float], aside: tuple[float, float]
    ) -> NDArray[np.bool_]:
        """Voxels of a bone well below its surface, between two shares of the way along the sacrum
        (0 the endplate, 1 and 2 the S1 and S2 foramina) and two distances from the foramina's row,
        mm, lateral positive."""
        points = np.stack(np.meshgrid(*self.body.grid.axes(), indexing="ij", sparse=False), -1)
        along = points @ self.levels.along
        knots = np.r_[0.0, self.levels.foramina]
        share = np.interp(along, knots, np.arange(5.0), left=-1.0)
        beside = np.abs(points[..., 0]) - np.interp(along, knots[1:], self.levels.aside)
        inside = (self.body.structures == code) & (self.body.depth < -DEEP_MM)
        inside &= (share > low[0]) & (share < low[1])
        return np.asarray(inside & (beside > aside[0]) & (beside < aside[1]))


@pytest.fixture(scope="module")
def pelvis() -> Pelvis:
    return Pelvis()


BODY, ALA = (-60.0, -9.0), (5.0, 60.0)  # mm from the foramina's row


@pytest.mark.parametrize(
    ("code", "low", "aside", "published"),
    [
        (Structure.SACRUM, (0.35, 0.65), BODY, 280.0),
        (Structure.SACRUM, (1.35, 1.65), BODY, 192.0),
        (Structure.SACRUM, (0.3, 0.7), ALA, 103.0),
        (Structure.SACRUM, (1.3, 1.7), ALA, 60.0),
        (Structure.L5, (-2.0, 9.0), BODY, 105.7),
        (Structure.HIP_LEFT, (0.3, 0.7), ALA, 255.0),
        (Structure.HIP_LEFT, (1.3, 1.7), ALA, 230.0),
    ],
)
def test_healthy_means_are_the_published_ones(
    pelvis: Pelvis,
    code: Structure,
    low: tuple[float, float],
    aside: tuple[float, float],
    published: float,
) -> None:
    """Nakamura 2020, Andresen 2025: within 8 %, or 8 HU where that is more."""
    where = pelvis.region(code, low, aside)
    assert where.sum() > 80
    mean = float(np.mean([drawn[where].mean() for drawn in pelvis.textures]))
    assert mean == pytest.approx(published, rel=0.08, abs=8.0)


@pytest.mark.parametrize("low", [(0.35, 0.65), (1.35, 1.65)])
def test_osteoporotic_bodies_have_the_published_share(
    pelvis: Pelvis, low: tuple[float, float]
) -> None:
    where = pelvis.region(Structure.SACRUM, low, BODY)
    means = [float(pelvis.drawn[q][where].mean()) for q in QUALITIES]
    assert means[2] / means[0] == pytest.approx(RATIO, abs=0.04)
    assert means[2] < means[1] < means[0]


def test_voids_are_in_osteoporosis_only_and_lateral_only(pelvis: Pelvis) -> None:
    """Negative lateral to the foramina S1-S3 (Wagner 2016); none in normal bone, part between."""
    alae = [pelvis.region(Structure.SACRUM, low, ALA) for low in ((0.3, 1.0), (1.0, 2.0))]
    for ala in alae:
        normal, between, porous = (float(pelvis.drawn[q][ala].mean()) for q in QUALITIES)
        assert porous < 0.0 < between < normal
    body = pelvis.region(Structure.SACRUM, (0.2, 2.8), BODY)
    assert pelvis.drawn["osteoporotic"][body].mean() > 50.0
    assert (pelvis.drawn["normal"][alae[0]] < 0).mean() < 0.01
    for bone in (Structure.HIP_LEFT, Structure.L5):
        assert pelvis.drawn["osteoporotic"][pelvis.region(bone, (-2.0, 5.0), (-90, 90))].mean() > 20


def test_the_texture_has_its_standard_deviation_and_grain(pelvis: Pelvis) -> None:
    """In L5's body, which holds few of the texture's coarse patches: over four people."""
    where = pelvis.region(Structure.L5, (-2.0, 9.0), BODY)
    people = [Traits(seed=seed, quality="normal") for seed in range(4)]
    spreads = [float(pelvis.hounsfield(traits)[where].std()) for traits in people]
    assert np.mean(spreads) == pytest.approx(TEXTURE_HU, rel=0.15)
    values = pelvis.drawn["normal"].astype(float)
    pairs = where[:-1] & where[1:]
    near = np.corrcoef(values[:-1][pairs], values[1:][pairs])[0, 1]
    pairs = where[:-8] & where[8:]
    far = np.corrcoef(values[:-8][pairs], values[8:][pairs])[0, 1]
    assert near > 0.6 and abs(far) < 0.35


@pytest.mark.parametrize(
    ("quality", "least", "most"),
    [("normal", 100.0, 134.0), ("osteopenic", 60.0, 100.0), ("osteoporotic", 25.0, 64.0)],
)
def test_lumbar_values_are_drawn_around_their_means(
    quality: Quality, least: float, most: float
) -> None:
    """Normal bone stays above the 100 HU of L5 below which voids are seen (Wagner 2016)."""
    drawn = [lumbar_hounsfield(Traits(seed=seed, quality=quality)) for seed in range(200)]
    assert least <= min(drawn) and max(drawn) <= most
    assert np.std(drawn) > 6.0
    mean = lumbar_hounsfield(Traits(quality=quality, template=True))
    assert np.mean(drawn) == pytest.approx(mean, rel=0.12)


def test_a_void_begins_below_the_cortex_and_ends_below_s3(pelvis: Pelvis) -> None:
    levels = pelvis.levels
    down = levels.foramina[1] * levels.along
    ala = down + np.array([levels.aside[1] + 15.0, 0.0, 0.0])
    at = np.stack([ala, ala, ala + (levels.foramina[3] + 12.0 - levels.foramina[1]) * levels.along])
    found = marrow_hounsfield(Structure.SACRUM, at, np.array([0.5, 8.0, 8.0]), levels, 44.8)
    assert found[0] > 0.0 > found[1]
    assert found[2] == pytest.approx(RATIO * 60.0, abs=3.0)
    healthy = marrow_hounsfield(Structure.SACRUM, at, np.full(3, 8.0), levels, HEALTHY_LUMBAR_HU)
    assert np.all(healthy > 50.0)


def test_soft_tissue_has_textbook_values(pelvis: Pelvis) -> None:
    values, codes = pelvis.drawn["normal"], pelvis.body.structures
    away = pelvis.body.depth > 2.0
    for code, low, high in (
        (Structure.FAT, -110, -90), (Structure.MUSCLE, 40, 60), (Structure.GAS, -1000, -990),
        (Structure.BOWEL, 0, 50), (Structure.URINE, -5, 20), (Structure.AIR, -1000, -1000),
    ):  # fmt: skip
        assert low <= values[away & (codes == code)].mean() <= high, code


def test_cartilage_lies_between_sacrum_and_hip(pelvis: Pelvis) -> None:
    """Soft, and in the joints: 25 mm or more from the midline, within their height."""
    disc = np.argwhere(pelvis.body.structures == Structure.DISC)
    points = pelvis.body.grid.point_from_index(disc.astype(float))
    joint = points[(np.abs(points[:, 0]) > 32.0) & (points[:, 2] < 15.0)]
    assert len(joint) > 2000
    for side in (-1.0, 1.0):
        own = joint[side * joint[:, 0] > 0]
        assert 30.0 < np.ptp(own[:, 2]) < 75.0


def test_equal_traits_draw_equal_density(pelvis: Pelvis) -> None:
    traits = Traits(seed=5)
    first = pelvis.hounsfield(traits)
    assert np.array_equal(first, pelvis.hounsfield(traits))
    assert not np.array_equal(first, pelvis.hounsfield(replace(traits, seed=6)))


def region_ball() -> tuple[NDArray[np.uint8], Grid]:
    """A ball of marrow with the ala's top above, dorsal bone behind, and presacral elsewhere."""
    grid = Grid((-36.0, -36.0, -36.0), 0.75, (97, 97, 97))
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij", sparse=True)
    region = np.full(grid.shape, Region.PRESACRAL, np.uint8)
    region[np.broadcast_to(y > 12.0, grid.shape)] = Region.DORSAL
    region[np.broadcast_to(z > 15.0, grid.shape)] = Region.CEPHALAD
    region[x * x + y * y + z * z < 30.0**2] = Region.MARROW
    return region, grid


def thickness(traits: Traits) -> FloatArray:
    region, grid = region_ball()
    return np.asarray(cortex_of(region, grid, traits), float)


def test_cortex_is_thinner_the_poorer_the_bone() -> None:
    """By quality at every side, most on the ala's top; within the facts' 0.5-2 mm."""
    fields = [thickness(Traits(quality=quality, template=True)) for quality in QUALITIES]
    assert np.all(fields[0] > fields[1]) and np.all(fields[1] > fields[2])
    top, back = (48, 48, 92), (48, 92, 40)
    assert fields[0][top] / fields[2][top] > 1.1 * fields[0][back] / fields[2][back]
    assert fields[2][top] < fields[2][back]


def test_cortex_varies_over_the_surface_and_between_people() -> None:
    people = [thickness(Traits(seed=seed)) for seed in range(12)]
    for field in people:
        assert RANGE_MM[0] <= field.min() and field.max() <= RANGE_MM[1]
    template = thickness(Traits(template=True))
    share = np.array([field / template for field in people])
    assert 0.08 < share.std(axis=(1, 2, 3)).mean() < 0.20
    assert 0.04 < share.mean(axis=(1, 2, 3)).std() < 0.15
    assert np.abs(np.diff(people[0], axis=0)).max() < 0.25  # mm from voxel to voxel: smooth
    assert np.array_equal(people[3], thickness(Traits(seed=3)))
