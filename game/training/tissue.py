"""What the servo reads of a patient: the patient's own fields, and a law drawn for the person."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from game.data import data_folder
from game.patient.patient import Patient, Structure
from haptics.law import Table, TissueLaw, drawn_law, law_from_table
from haptics.tissue import Layer, TissueField, layer_table

SI_JOINT_MM = 4.0  # facts/anatomy.md: the joint's space is 2-4 mm (unverified there)

LAYERS = {
    Structure.AIR: Layer.AIR,
    Structure.SKIN: Layer.SKIN,
    Structure.FAT: Layer.FAT,
    Structure.MUSCLE: Layer.MUSCLE,
    Structure.SACRUM: Layer.MAPPED,
    Structure.HIP_LEFT: Layer.MAPPED,
    Structure.HIP_RIGHT: Layer.MAPPED,
    Structure.L5: Layer.BONE,
    Structure.SPINE: Layer.BONE,
    Structure.FEMUR_LEFT: Layer.BONE,
    Structure.FEMUR_RIGHT: Layer.BONE,
    Structure.DISC: Layer.LIGAMENT,
    Structure.GAS: Layer.VOID,
    Structure.METAL: Layer.METAL,
    Structure.BOWEL: Layer.FAT,
    Structure.URINE: Layer.FAT,
    Structure.CALCIFICATION: Layer.LIGAMENT,
}


@dataclass(frozen=True, eq=False)
class Tissue:
    """What a servo reads of a patient: its fields, and the law with its own parameters."""

    field: TissueField
    law: TissueLaw

    @property
    def read(self) -> tuple[TissueField, TissueLaw]:
        """Both, in the order in which servo ticks take them."""
        return self.field, self.law


def tissue_of(patient: Patient) -> Tissue:
    """A patient's tissue. A generated person draws its own law by its seed, an imported one by its
    bone; the template has the table's values."""
    traits = patient.traits
    if traits is None:
        return Tissue(tissue_field(patient), _own_law(crc32(patient.cortex.tobytes())))
    return Tissue(tissue_field(patient), tissue_law() if traits.template else _own_law(traits.seed))


@cache
def _law_table() -> Table:
    with (data_folder("assets") / "tissue.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def tissue_law() -> TissueLaw:
    """The force law's parameters, from assets/tissue.toml; ValueError where one is out of range."""
    return law_from_table(_law_table())


def _own_law(seed: int) -> TissueLaw:
    return drawn_law(_law_table(), seed)


def tissue_field(patient: Patient) -> TissueField:
    """What the servo reads of a patient: its own arrays, the distance to the nearest of sacrum and
    hip bones on the bone grid, and cartilage where they are as near as in the SI joint."""
    sacrum, distance = patient.sacrum_distance, patient.sacrum_distance
    over = np.zeros(sacrum.shape, np.uint8)
    for hip in patient.hip_distance.values():
        distance = np.minimum(distance, hip)
        over[(sacrum > 0) & (hip > 0) & (sacrum + hip < SI_JOINT_MM)] = Layer.CARTILAGE
    return TissueField(
        codes=patient.structures,
        layers=layer_table({int(code): layer for code, layer in LAYERS.items()}),
        hounsfield=patient.hounsfield,
        body_origin=np.array(patient.body.origin),
        body_spacing=float(patient.body.spacing),
        distance=distance,
        cortex=patient.cortex,
        bone_origin=np.array(patient.bone.origin),
        bone_spacing=float(patient.bone.spacing),
        over=over,
    )


def hardened(tissue: Tissue, cement: NDArray[np.int64]) -> Tissue:
    """The tissue with set cement in these voxels of the patient's bone grid (flat indices); indices
    beyond it are nodes of veins, which the servo does not feel."""
    over = tissue.field.over.copy()
    over.reshape(-1)[cement[cement < over.size]] = Layer.CEMENT
    return replace(tissue, field=tissue.field._replace(over=over))
