"""A session file: everything needed to play a case again, and to score it without playing.

One `.npz` archive without pickles: columns of controls (one row per tick), sparse JSON of actions
and of what the servo felt, the scoring trace, and one digest of State per second.
"""

from __future__ import annotations

import io
import json
import platform
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import llvmlite.binding
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from game import __version__
from game.errors import BadInput
from game.patient.patient import SIDES
from game.records.whole import whole
from game.scoring.trace import Trace, trace_from_json, trace_to_json
from game.simulation.case import Case, Level
from game.simulation.clock import UNITS_PER_SECOND
from game.simulation.control import Action, Control, ServoEvent, ServoReport
from game.simulation.state import State

LARGEST_BYTES = 512 * 2**20  # unpacked; an hour of ticks is about 25 MB
FORMAT = 3  # older sessions score, but a state that had no syringes does not replay
LONGEST_TICKS = 12 * 3600 * 60  # half a day

# What the archive, array and JSON readers raise on damaged files.
DAMAGE = (
    ValueError, KeyError, TypeError, OSError, EOFError, RuntimeError, OverflowError, MemoryError,
    SyntaxError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError,
)  # fmt: skip


class SessionError(BadInput):
    """A session file that cannot be read; one line says why."""


class Header(BaseModel):
    """What the session was made with. `patient_path` is None for the embedded patient."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = (
        FORMAT  # 2: field, dose of the operator, stored positions; 3: products and syringes
    )
    version: str = __version__
    numpy: str = np.__version__
    processor: str = Field(default_factory=lambda: f"{platform.machine()} {_processor()}")
    seed: int = 0
    level: Level
    patient_name: str
    patient_path: str | None = None
    mode: str = "practice"


@dataclass(frozen=True, eq=False, repr=False)
class Session:
    """`columns` hold one row per tick; `digests` one SHA-256 per simulated second."""

    header: Header
    columns: dict[str, NDArray[Any]]
    actions: dict[int, tuple[Action, ...]]
    felt: dict[int, tuple[ServoEvent, ...]]
    trace: Trace
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns["pedal"])

    def controls(self) -> Iterator[Control]:
        """The recorded controls, tick by tick."""
        rows = zip(*(self.columns[name].tolist() for name in _COLUMNS), strict=True)
        for tick, (
            drive,
            pedal,
            plunger,
            active,
            hand_on,
            moved,
            tip,
            direction,
            force,
            turned,
        ) in enumerate(rows):
            servo = (
                ServoReport(
                    tuple(tip),
                    tuple(direction),
                    force[0],
                    force[1],
                    self.felt.get(tick, ()),
                    turned,
                )
                if moved
                else None
            )
            yield Control(
                tuple(drive), pedal, plunger, None if active < 0 else SIDES[active], hand_on, servo,
                self.actions.get(tick, ()),
            )  # fmt: skip


_COLUMNS: dict[str, tuple[str, tuple[int, ...]]] = {
    "drive": ("i1", (5,)),
    "pedal": ("?", ()),
    "plunger": ("i2", ()),
    "active": ("i1", ()),
    "hand_on": ("?", ()),
    "moved": ("?", ()),
    "tip": ("f8", (3,)),
    "direction": ("f8", (3,)),
    "force": ("f8", (2,)),
    "turned": ("f8", ()),
}
_ACTIONS: TypeAdapter[dict[int, tuple[Annotated[Action, Field(discriminator="kind")], ...]]] = (
    TypeAdapter(dict[int, tuple[Annotated[Action, Field(discriminator="kind")], ...]])
)
_FELT: TypeAdapter[dict[int, tuple[ServoEvent, ...]]] = TypeAdapter(
    dict[int, tuple[ServoEvent, ...]]
)
_NO_POINT = (0.0, 0.0, 0.0)


class Recorder:
    """Collects a session as it runs: call `add` with each control and the state it led to."""

    def __init__(self, header: Header, begun: State) -> None:
        self.header = header
        self._rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        self._actions: dict[int, tuple[Action, ...]] = {}
        self._felt: dict[int, tuple[ServoEvent, ...]] = {}
        self._trace = list(begun.events)
        self._digests: list[str] = []

    def add(self, control: Control, state: State) -> None:
        tick, servo = len(self._rows["pedal"]), control.servo
        row = (
            control.drive,
            control.pedal,
            control.plunger,
            -1 if control.active is None else SIDES.index(control.active),
            control.hand_on,
            servo is not None,
            servo.tip if servo else _NO_POINT,
            servo.direction if servo else _NO_POINT,
            (servo.mean_force, servo.peak_force) if servo else (0.0, 0.0),
            servo.turned if servo else 0.0,
        )
        for column, value in zip(self._rows.values(), row, strict=True):
            column.append(value)
        if control.actions:
            self._actions[tick] = control.actions
        if servo and servo.events:
            self._felt[tick] = servo.events
        self._trace += state.events
        if state.time % UNITS_PER_SECOND == 0:
            self._digests.append(state.digest())

    def session(self) -> Session:
        columns = {
            name: np.array(self._rows[name], dtype).reshape(-1, *shape)
            for name, (dtype, shape) in _COLUMNS.items()
        }
        return Session(
            self.header,
            columns,
            self._actions,
            self._felt,
            tuple(self._trace),
            tuple(self._digests),
        )


def header_for(case: Case, patient_path: Path | None, mode: str = "practice") -> Header:
    """The header of a session about to be recorded on `case`."""
    return Header(
        seed=case.seed,
        level=case.level,
        patient_name=case.patient.name,
        patient_path=None if patient_path is None else str(patient_path.resolve()),
        mode=mode,
    )


def save_session(session: Session, path: Path) -> None:
    """Write a session file; a half-written one never stands under its name."""
    parts = {
        "header": _bytes(session.header.model_dump_json().encode()),
        "actions": _bytes(_ACTIONS.dump_json(session.actions)),
        "felt": _bytes(_FELT.dump_json(session.felt)),
        "trace": _bytes(trace_to_json(session.trace).encode()),
        "digests": _bytes(json.dumps(session.digests).encode()),
    }
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {**session.columns, **parts}
    np.savez_compressed(buffer, **arrays)
    with whole(path) as draft:
        draft.write_bytes(buffer.getvalue())


def load_session(path: Path) -> Session:
    """Read a session file; raises SessionError with one line for anything that is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > LARGEST_BYTES:
            raise SessionError(f"{path} unpacks to {size} bytes; at most {LARGEST_BYTES} are read")
        with np.load(path, allow_pickle=False) as parts:
            return _from_parts(parts)
    except FileNotFoundError:
        raise SessionError(f"{path} does not exist") from None
    except SessionError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SessionError(f"{path} is not a session: {where}: {first['msg']}") from None
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SessionError(f"{path} is not a session: {reason[:200]}") from None


def _from_parts(parts: Any) -> Session:
    header = Header.model_validate_json(bytes(parts["header"]))
    columns = {name: np.asarray(parts[name]) for name in _COLUMNS if name in parts}
    count = len(columns["pedal"])
    if header.format < 3:
        columns["turned"] = np.zeros(count)
    if count > LONGEST_TICKS:
        raise SessionError(f"{count} ticks; a session has at most {LONGEST_TICKS}")
    for name, (dtype, shape) in _COLUMNS.items():
        if name not in columns:
            raise SessionError(f"column {name!r} is missing")
        if columns[name].dtype != np.dtype(dtype) or columns[name].shape != (count, *shape):
            raise SessionError(f"column {name!r} is {columns[name].dtype} {columns[name].shape}")
        if columns[name].dtype.kind == "f" and not np.isfinite(columns[name]).all():
            raise SessionError(f"column {name!r} has values that are not finite")
    if np.any((columns["active"] < -1) | (columns["active"] > 1)):
        raise SessionError("column 'active' names a side that does not exist")
    digests = json.loads(bytes(parts["digests"]))
    return Session(
        header=header,
        columns=columns,
        actions=_ACTIONS.validate_json(bytes(parts["actions"])),
        felt=_FELT.validate_json(bytes(parts["felt"])),
        trace=trace_from_json(bytes(parts["trace"]).decode()),
        digests=tuple(map(str, digests)),
    )


def _bytes(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)


def _processor() -> str:
    return str(llvmlite.binding.get_host_cpu_name())
