"""A generated pelvis as scanners, segmenters and modellers write it: the files of import tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from game.patient.patient import Structure
from game.patient.procedural import procedural
from game.patient.segmentation import Segmentation
from game.patient.traits import Traits

SPACING = (3.0, 3.0, 3.0)
# what a scanner writes about a person; no reader may let any of it through
IDENTITY = {
    "PatientName": "PLANTED^GRETA^MARIA",
    "PatientID": "PLANTED-7731-ID",
    "PatientBirthDate": "19410627",
    "PatientAddress": "PLANTED LANE 9",
    "OtherPatientNames": "PLANTED^ALIAS",
    "AccessionNumber": "PLANTEDACC99",
    "StudyID": "PLANTEDSTUDY",
    "StudyDate": "20190314",
    "SeriesDate": "20190315",
    "AcquisitionDate": "20190316",
    "ContentDate": "20190317",
    "StudyTime": "081931.237",
    "StudyDescription": "PLANTED DESCRIPTION",
    "SeriesDescription": "PLANTED SERIES",
    "InstitutionName": "PLANTED HOSPITAL",
    "ReferringPhysicianName": "PLANTED^DOCTOR",
    "OperatorsName": "PLANTED^OPERATOR",
    "StationName": "PLANTEDSTATION",
    "DeviceSerialNumber": "PLANTED-SERIAL",
    "ImageComments": "PLANTED COMMENT",
}
UID_ROOT = "1.2.826.0.1.3680043.8.498.7731."
HU = {
    Structure.AIR: -1000, Structure.SKIN: 30, Structure.FAT: -90, Structure.MUSCLE: 55,
    Structure.SACRUM: 300, Structure.HIP_LEFT: 320, Structure.HIP_RIGHT: 320, Structure.L5: 310,
    Structure.SPINE: 310, Structure.FEMUR_LEFT: 330, Structure.FEMUR_RIGHT: 330,
    Structure.DISC: 80, Structure.GAS: -800, Structure.METAL: 3000,
}  # fmt: skip
NAMED = {
    "sacrum": Structure.SACRUM, "hip_left": Structure.HIP_LEFT, "hip_right": Structure.HIP_RIGHT,
    "vertebrae_L5": Structure.L5,
}  # fmt: skip


@cache
def pelvis() -> Segmentation:
    """The generated pelvis at 3 mm."""
    return procedural(Traits(template=True), SPACING[0])


def hounsfield() -> NDArray[np.int16]:
    """Its CT [x, y, z], each structure at one value."""
    table = np.zeros(max(Structure) + 1, np.int16)
    for code, value in HU.items():
        table[code] = value
    return table[pelvis().structures]


def numbered(codes: dict[str, int]) -> NDArray[np.uint8]:
    """Its label map [x, y, z] by the numbers of NAMED structures."""
    values = np.zeros(pelvis().structures.shape, np.uint8)
    for name, code in codes.items():
        values[pelvis().structures == NAMED[name]] = code
    return values


def write_volume(
    path: Path,
    values: NDArray[Any],
    spacing: Sequence[float] = SPACING,
    origin: Sequence[float] | None = None,
) -> None:
    """A volume [x, y, z] in LPS, of the kind that the file's name says."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
    image.SetSpacing([float(v) for v in spacing])
    image.SetOrigin([float(v) for v in (pelvis().origin if origin is None else origin)])
    sitk.WriteImage(image, str(path), useCompression=path.suffix in (".mhd", ".mha", ".nrrd"))


def write_series(
    folder: Path,
    values: NDArray[Any] | None = None,
    spacing: Sequence[float] = SPACING,
    shear: float = 0.0,
    series: str = "1",
    change: Callable[[FileDataset, int], None] | None = None,
) -> list[Path]:
    """A CT series of axial slices of `values` [x, y, z], one file each; each slice lies `shear` mm
    further back per mm of height. `change` alters a slice before it is written."""
    values = hounsfield() if values is None else values
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k in range(values.shape[2]):
        page = ct_slice(values[:, :, k].T, series, k)
        page.PixelSpacing = [spacing[1], spacing[0]]
        page.SliceThickness = spacing[2]
        x, y, z = pelvis().origin
        page.ImagePositionPatient = [x, y + shear * k * spacing[2], z + k * spacing[2]]
        page.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        if change is not None:
            change(page, k)
        paths.append(folder / f"slice-{series}-{k:03d}.dcm")
        page.save_as(paths[-1], enforce_file_format=True)
    return paths


def ct_slice(pixels: NDArray[Any], series: str, number: int) -> FileDataset:
    """One CT picture [row, column], HU, with IDENTITY and a private block in it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(prefix=UID_ROOT)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    page = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for name, value in IDENTITY.items():
        setattr(page, name, value)
    block = page.private_block(0x0099, "PLANTED CREATOR", create=True)
    block.add_new(0x01, "LO", "PLANTED PRIVATE")
    page.SOPClassUID = CTImageStorage
    page.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    page.StudyInstanceUID = UID_ROOT + "5"
    page.SeriesInstanceUID = UID_ROOT + "6." + series
    page.FrameOfReferenceUID = UID_ROOT + "7"
    page.PatientSex = "F"
    page.StudyTime = IDENTITY["StudyTime"]
    page.Manufacturer = "maker"
    page.PositionReferenceIndicator = ""
    page.SeriesNumber = 1
    page.Modality = "CT"
    page.InstanceNumber = number + 1
    page.Rows, page.Columns = pixels.shape
    page.SamplesPerPixel = 1
    page.PhotometricInterpretation = "MONOCHROME2"
    page.BitsAllocated, page.BitsStored, page.HighBit = 16, 16, 15
    page.PixelRepresentation = 0
    page.RescaleSlope, page.RescaleIntercept = 1, -1024
    page.PixelData = (pixels.astype(np.int32) + 1024).astype("<u2").tobytes()
    return page


def write_seg(path: Path, slices: Sequence[Path], names: Sequence[str], kind: str) -> None:
    """A DICOM SEG of NAMED structures on the grid of `slices`, `kind` BINARY or LABELMAP."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    sources = [pydicom.dcmread(p) for p in slices]
    first = round(float(sources[0].ImagePositionPatient[2] - pelvis().origin[2]) / SPACING[2])
    part = pelvis().structures[:, :, first : first + len(sources)]
    masks = np.zeros((len(sources), part.shape[1], part.shape[0]), np.uint8)
    codes_by_name = {name.lower(): code for name, code in NAMED.items()}
    for number, name in enumerate(names, 1):
        code = codes_by_name[name.lower().replace(" ", "_")]
        masks[(part == code).transpose(2, 1, 0)] = number
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.Sacrum,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, name in enumerate(names, 1)
    ]
    made = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=masks,
        segmentation_type=hd.seg.SegmentationTypeValues[kind],
        segment_descriptions=described,
        series_instance_uid=UID_ROOT + "8",
        series_number=2,
        sop_instance_uid=UID_ROOT + "9",
        instance_number=1,
        manufacturer="maker",
        manufacturer_model_name="model",
        software_versions="1",
        device_serial_number=IDENTITY["DeviceSerialNumber"],
    )
    made.save_as(path)
