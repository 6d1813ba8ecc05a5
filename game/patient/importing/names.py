"""What a label's number, a file's name or a segment's name stands for.

A `--labels` file is TOML, with an example in `sacrosim patient import --help`: [labels] has numbers
of a label map with their names, [files] has names of files.
The names are TotalSegmentator's for bones and muscles, and those of `NAMES`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from game.patient.errors import PatientError
from game.patient.patient import Structure

Version = Literal["v1", "v2"]
MOST_TABLE = 100_000  # bytes of a --labels file; project choice
Parts = tuple[Structure, ...]  # a bone; a left and a right one under one label; () is soft tissue

NAMES: Mapping[str, Parts] = {
    "sacrum": (Structure.SACRUM,),
    "coccyx": (Structure.SACRUM,),
    "vertebrae_S1": (Structure.SACRUM,),
    "vertebrae_L5": (Structure.L5,),
    "L5": (Structure.L5,),
    "spine": (Structure.SPINE,),
    "hips": (Structure.HIP_LEFT, Structure.HIP_RIGHT),
    "hip_left": (Structure.HIP_LEFT,),
    "hip_right": (Structure.HIP_RIGHT,),
    "femora": (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT),
    "femur_left": (Structure.FEMUR_LEFT,),
    "femur_right": (Structure.FEMUR_RIGHT,),
    "disc": (Structure.DISC,),
    "muscle": (Structure.MUSCLE,),
    "body": (Structure.FAT,),
    "skin": (Structure.FAT,),
}
_WORDS = {"sacrum": "sacrum", "l5": "vertebrae_L5"}  # of a mesh file's name
_HIP_WORDS = {"hip", "hipbone", "bone", "pelvis", "innominate", "coxa", "coxae", "os"}
_VERTEBRA = re.compile(r"vertebrae_(C[1-7]|T\d{1,2}|L[1-6])")
_MUSCLE = re.compile(r"(gluteus_(maximus|medius|minimus)|autochthon|iliopsoas)(_left|_right)?")
_VESSEL = re.compile(r"(iliac_(artery|vena)(_left|_right)?|aorta|inferior_vena_cava)")

# TotalSegmentator's `total` task: facts/anatomy.md; the vertebrae follow L5 upwards.
_SHARED = ("gluteus_maximus", "gluteus_medius", "gluteus_minimus", "autochthon", "iliopsoas")
_SPINE = ("L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9", "T8", "T7", "T6", "T5")


def _total(
    sacrum: int, spine: int, vessels: int, femur: int, hip: int, muscle: int
) -> dict[int, str]:
    found = {sacrum: "sacrum"}
    found.update({spine + n: f"vertebrae_{name}" for n, name in enumerate(_SPINE)})
    pairs = ((vessels, "iliac_artery"), (vessels + 2, "iliac_vena"), (femur, "femur"), (hip, "hip"))
    for first, name in (*pairs, *((muscle + 2 * n, name) for n, name in enumerate(_SHARED))):
        found.update({first: f"{name}_left", first + 1: f"{name}_right"})
    return found


TOTAL: Mapping[Version, Mapping[int, str]] = {
    "v1": _total(sacrum=92, spine=18, vessels=51, femur=88, hip=90, muscle=94),
    "v2": {**_total(sacrum=25, spine=27, vessels=65, femur=75, hip=77, muscle=80),
           26: "vertebrae_S1"},
}  # fmt: skip
# The pelvic label maps known by their files, label.mhd and mask.mhd (their README).
PELVIC: Mapping[int, str] = {1: "hips", 2: "femora", 3: "sacrum", 4: "spine"} | dict.fromkeys(
    range(5, 29), "muscle"
)


@dataclass(frozen=True)
class Choices:
    """What a person says about a source that its files do not: the numbering of its labels, and
    whether meshes are in LPS or RAS."""

    totalsegmentator: Version | None = None
    labels: Path | None = None
    space: Literal["lps", "ras"] | None = None

    def key(self) -> str:
        """What tells these choices from others in a file's name; empty where nothing is said.

        Raises PatientError where the table cannot be read."""
        if self == Choices():
            return ""
        said = f"{self.totalsegmentator} {self.space} {read_table(self.labels)}"
        return f"-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Table:
    """A `--labels` file."""

    labels: Mapping[int, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def read_table(path: Path | None) -> Table:
    """The table of a `--labels` file; an empty one for None. Raises PatientError, one line."""
    if path is None:
        return Table()
    if not path.is_file():
        raise PatientError(f"{path}: there is no such file of labels")
    try:
        if path.stat().st_size > MOST_TABLE:
            raise PatientError(f"{path.name}: is {path.stat().st_size} bytes; at most {MOST_TABLE}")
        page = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        line = str(error).splitlines()[0]
        raise PatientError(f"{path.name}: cannot be read as a table of labels ({line})") from None
    if set(page) - {"labels", "files"} or not all(isinstance(v, dict) for v in page.values()):
        raise PatientError(f"{path.name}: has {', '.join(page)}; allowed: [labels] and [files]")
    for key, name in (item for part in page.values() for item in part.items()):
        if not isinstance(name, str) or parts_of(name) is None:
            raise PatientError(
                f"{path.name}: {key} is {str(name)[:40]!r}; allowed: {', '.join(NAMES)}, or a name "
                "of TotalSegmentator's bones and muscles"
            )
    values = {}
    for key, name in page.get("labels", {}).items():
        if not key.isdecimal() or not 0 < int(key) < 65536:
            raise PatientError(f"{path.name}: label {key[:20]!r}; whole numbers from 1 are allowed")
        values[int(key)] = name
    return Table(values, page.get("files", {}))


def parts_of(name: str) -> Parts | None:
    """The structures that a name stands for; None for one that says nothing here. Vessels and
    muscles are soft tissue."""
    if name in NAMES:
        return NAMES[name]
    if _VERTEBRA.fullmatch(name):
        return (Structure.SPINE,)
    if _MUSCLE.fullmatch(name) or _VESSEL.fullmatch(name):
        return (Structure.MUSCLE,)
    return None


def known_name(text: str) -> str | None:
    """A free text as a name that stands for something here, None for any other: "Hip left" is
    hip_left."""
    plain = re.sub(r"[\s-]+", "_", text.strip())
    return next((name for name in (plain, plain.lower()) if parts_of(name) is not None), None)


def is_vessel(name: str) -> bool:
    """Whether a name is a vessel's."""
    return _VESSEL.fullmatch(name) is not None


def numbered(
    name: str, own: Mapping[str, int], table: Table, choices: Choices
) -> tuple[Mapping[int, str], str]:
    """Label values by number for the map in file `name`, and a note that says where from: the
    `--labels` table, else the file's `own` names, else the version that was named.

    Raises PatientError where nothing says so: a numbering is never guessed; and where the version
    that was named is not the file's."""
    if table.labels:
        return table.labels, "labels by the table that was given"
    version = choices.totalsegmentator
    known = {code: text for text, code in own.items() if parts_of(text) is not None}
    if known and version is not None:
        _demand_version(name, known, version)
    if known:
        return known, "labels by the names in the file"
    if version is not None:
        return TOTAL[version], f"labels taken as TotalSegmentator {version}, as was said"
    raise PatientError(
        f"{name}: nothing says what its labels stand for; import it with --totalsegmentator v1, "
        "--totalsegmentator v2 or --labels FILE.toml"
    )


def _demand_version(name: str, known: Mapping[int, str], version: Version) -> None:
    for code, text in TOTAL[version].items():
        if known.get(code, text) != text:
            raise PatientError(
                f"{name}: names its label {code} {known[code]}; in TotalSegmentator {version} it "
                f"is {text}: leave out --totalsegmentator {version}"
            )


def stem_of(path: Path) -> str:
    """A file's name without its volume or mesh suffixes."""
    return re.sub(r"(\.(nii|gz|mhd|mha|nrrd|nhdr|stl|ply|obj|dcm))+$", "", path.name, flags=re.I)


def name_of(path: Path, table: Table) -> str | None:
    """What a one-class file's name says: the table's word, or the name itself."""
    return table.files.get(path.name) or known_name(stem_of(path))


def name_in_words(path: Path, table: Table) -> str | None:
    """What a mesh file's name says: as `name_of`, else by the words in it (07_left, Sacrum-2). A
    side alone is a hip bone's; a side beside a word that is not known here says nothing."""
    name = name_of(path, table)
    if name is not None:
        return name
    words = set(re.findall(r"[a-z]+\d*", stem_of(path).lower()))
    for word, bone in _WORDS.items():
        if words == {word}:
            return bone
    sides = words & {"left", "right"}
    if len(sides) != 1:
        return None
    rest = words - sides
    if rest == {"femur"}:
        return f"femur_{sides.pop()}"
    return f"hip_{sides.pop()}" if rest <= _HIP_WORDS else None
