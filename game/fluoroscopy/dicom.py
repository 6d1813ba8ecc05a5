"""A picture as a DICOM X-Ray Angiographic Image (PS3.3 A.14): signal, geometry and dose.

The pixels are the logarithm of what the panel absorbed, before the monitor's own work; the modality
table in the file leads back to linear. The object is marked as synthetic, carries no identity and
no date, and the same picture gives the same file, unique identifiers and all.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import degrees
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage, generate_uid

from game import __version__
from game.devices.carm import CArmPose
from game.devices.tube import Field, Tube
from game.fluoroscopy.detector import PANEL, Detector
from game.fluoroscopy.display import towards
from game.fluoroscopy.field import lit
from game.fluoroscopy.render import Picture
from game.geometry.carm import (
    DETECTOR_MM,
    SOURCE_TO_DETECTOR_MM,
    SOURCE_TO_ISOCENTRE_MM,
    Projection,
)
from game.simulation.case import Case
from game.simulation.state import State

BITS = 12
TOP = 2**BITS - 1
DECADES = 4.0  # of signal from 1 to the brightest value; project choice
HEADROOM = 16.0  # what is brighter than so many times the median is cut off; project choice
LINEAR_TOP = 65535
PULSE_MS = 10.0  # of a usual pulse, for the tube current; project choice
WORDS = "Simulated X-ray of a synthetic patient, not for diagnosis"


@dataclass(frozen=True, eq=False)
class Shot:
    """What a file is made of: the panel's `signal` (h, w), keV/mm2, of one pulse, its geometry and
    pose, field, technique and counters; `towards` is what lies to the right and below (patient
    orientation: L, R, A, P, H, F); `what` is its caption; `seed` tells one case from another."""

    signal: NDArray[np.float32]
    geometry: Projection
    pose: CArmPose
    field: Field
    tube: Tube
    towards: tuple[str, str]
    what: str
    seed: int = 0
    detector: Detector = PANEL


def shot_of(
    case: Case,
    state: State,
    picture: Picture,
    signal: NDArray[np.float32],
    detector: Detector = PANEL,
) -> Shot:
    """The picture that a state holds, as a file needs it; `signal` as `exposed` gives it."""
    across, down = np.array(picture.projection.right), np.array(picture.projection.down)
    axes = case.patient.anatomy.axes
    return Shot(
        signal=signal,
        geometry=picture.projection,
        pose=state.picture_pose,
        field=state.picture_field,
        tube=state.tube,
        towards=(towards(across, axes), towards(down, axes)),
        what=picture.caption,
        seed=case.seed,
        detector=detector,
    )


def save_dicom(shot: Shot, path: Path) -> None:
    """Writes the file; raises OSError where that cannot be."""
    made = dataset(shot)
    made.save_as(path, enforce_file_format=True)


def dataset(shot: Shot) -> FileDataset:
    """The whole DICOM object."""
    values = _stored(shot)
    digest = sha256(
        values.tobytes() + repr((shot.pose, shot.field, shot.tube)).encode()
    ).hexdigest()
    instance = generate_uid(entropy_srcs=["sacrosim-instance", digest])
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = XRayAngiographicImageStorage
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = XRayAngiographicImageStorage, instance
    for part in (_nobody(), _series(shot), _pixels(values, shot), _beam(shot), _positioner(shot)):
        made.update(part)
    return made


def _nobody() -> Dataset:
    """Patient, study and equipment: a synthetic nobody."""
    part = Dataset()
    part.PatientName, part.PatientID = "Synthetic^Patient", "SYNTHETIC"
    part.PatientBirthDate = part.PatientSex = ""
    part.PatientIdentityRemoved, part.DeidentificationMethod = "YES", WORDS
    part.StudyDate = part.StudyTime = part.AccessionNumber = part.ReferringPhysicianName = ""
    part.StudyID = ""
    part.StudyDescription = WORDS
    part.Manufacturer, part.ManufacturerModelName = "Sacrosim", "virtual C-arm"
    part.SoftwareVersions = __version__
    part.InstitutionName = ""
    return part


def _series(shot: Shot) -> Dataset:
    part = Dataset()
    part.SpecificCharacterSet = "ISO_IR 192"
    part.Modality = "XA"
    part.StudyInstanceUID = generate_uid(entropy_srcs=["sacrosim-study", str(shot.seed)])
    part.SeriesInstanceUID = generate_uid(entropy_srcs=["sacrosim-series", str(shot.seed)])
    part.SeriesNumber, part.BodyPartExamined = 1, "PELVIS"
    part.SeriesDescription = WORDS
    part.InstanceNumber = max(shot.tube.pulses, 1)
    # Synthetic Data (0008,001C) would say so too, but the checker of today's Debian rejects it.
    part.ImageType = ["ORIGINAL", "PRIMARY", "SINGLE PLANE", "SYNTHETIC"]
    part.ImageComments = shot.what
    part.PatientOrientation = list(shot.towards)
    part.BurnedInAnnotation = "NO"
    part.LossyImageCompression = "00"
    return part


def _stored(shot: Shot) -> NDArray[np.uint16]:
    """The logarithm as whole numbers, 0 where there is no signal."""
    window = lit(len(shot.signal), shot.field.collimation)
    brightest = HEADROOM * max(float(np.median(shot.signal[window, window])), 1e-6)
    share = np.maximum(shot.signal / brightest, 10.0**-DECADES)
    values = np.rint(TOP * (1.0 + np.log10(share) / DECADES))
    return np.clip(values, 0, TOP).astype(np.uint16)


def linear() -> NDArray[np.uint16]:
    """What each stored value stands for, linear in what the panel absorbed (4096,)."""
    share = 10.0 ** ((np.arange(TOP + 1) / TOP - 1.0) * DECADES)
    share[0] = 0.0
    return np.rint(LINEAR_TOP * share).astype(np.uint16)


def _pixels(values: NDArray[np.uint16], shot: Shot) -> Dataset:
    window = lit(len(values), shot.field.collimation)
    low, high = np.percentile(values[window, window], [1.0, 95.0])
    part = Dataset()
    part.SamplesPerPixel, part.PhotometricInterpretation = 1, "MONOCHROME2"
    part.Rows, part.Columns = values.shape
    part.BitsAllocated, part.BitsStored, part.HighBit = 16, BITS, BITS - 1
    part.PixelRepresentation = 0
    part.PixelIntensityRelationship = "LOG"
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [TOP + 1, 0, 16])
    table.ModalityLUTType = "US"
    table.add_new("LUTData", "OW", linear().astype("<u2").tobytes())
    part.ModalityLUTSequence = [table]
    part.WindowCenter = f"{(low + high) / 2.0:.1f}"
    part.WindowWidth = f"{max(high - low, 1.0):.1f}"
    part.PixelData = values.astype("<u2").tobytes()
    return part


def _beam(shot: Shot) -> Dataset:
    """Technique, dose and collimator. Kerma-area product in dGy cm2, as DICOM has it."""
    tube, size = shot.tube, len(shot.signal)
    window = lit(size, shot.field.collimation)
    part = Dataset()
    part.KVP = f"{tube.kvp:.1f}"
    part.RadiationSetting = "GR" if tube.shots else "SC"
    part.ExposureTime = round(PULSE_MS)
    part.XRayTubeCurrent = max(round(tube.mas / PULSE_MS * 1000.0), 1)
    part.ExposureInuAs = max(round(tube.mas * 1000.0), 1)
    part.AveragePulseWidth = f"{PULSE_MS:.1f}"
    part.ImageAndFluoroscopyAreaDoseProduct = f"{10.0 * tube.kap_gycm2:.6g}"
    part.EntranceDoseInmGy = f"{tube.kerma_mgy:.6g}"
    part.CommentsOnRadiationDose = (
        "Totals of the case: area dose product; entrance dose is air kerma at the reference point "
        f"15 cm tube-side of the isocentre; fluoroscopy {tube.fluoroscopy_s:.1f} s, "
        f"{tube.shots} single exposures"
    )
    part.Grid = "IN" if shot.detector.grid else "NONE"
    part.ImagerPixelSpacing = [f"{shot.geometry.pixel_mm:.6g}"] * 2
    part.FieldOfViewShape = "RECTANGLE"
    part.FieldOfViewDimensions = [round(shot.field.panel_mm)] * 2
    part.IntensifierSize = f"{DETECTOR_MM:.0f}"
    part.CollimatorShape = "RECTANGULAR"
    part.CollimatorLeftVerticalEdge = part.CollimatorUpperHorizontalEdge = window.start
    part.CollimatorRightVerticalEdge = part.CollimatorLowerHorizontalEdge = window.stop + 1
    return part


def _positioner(shot: Shot) -> Dataset:
    part = Dataset()
    part.PositionerMotion = "STATIC"
    part.PositionerPrimaryAngle = f"{_half_turn(degrees(shot.pose.primary)):.4f}"
    part.PositionerSecondaryAngle = f"{degrees(shot.pose.secondary):.4f}"
    part.DistanceSourceToDetector = f"{SOURCE_TO_DETECTOR_MM:.1f}"
    part.DistanceSourceToPatient = f"{SOURCE_TO_ISOCENTRE_MM:.1f}"
    enlarged = SOURCE_TO_DETECTOR_MM / SOURCE_TO_ISOCENTRE_MM
    part.EstimatedRadiographicMagnificationFactor = f"{enlarged:.6f}"
    return part


def _half_turn(angle_deg: float) -> float:
    """The same direction within -180 (not itself) to 180, as DICOM wants it."""
    return -((180.0 - angle_deg) % 360.0 - 180.0)
