"""What counts, and how much: thresholds and weights of the scorecard, read from a TOML file."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from math import isnan
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from game.data import data_folder
from game.errors import BadInput
from game.scoring.names import ITEM_IDS, ItemId


class RubricError(BadInput):
    """A rubric that cannot be read; one line says why."""


def tolerance(value: float, full: float, zero: float) -> float:
    """The share, 0 to 1, that `value` earns: 1 at `full` and beyond it, 0 at `zero` and beyond it,
    linear between. `full` below `zero` means that less is better; above it, that more is.

    Raises ValueError where `full` equals `zero` or a number is NaN."""
    if full == zero or isnan(value + full + zero):
        raise ValueError(f"tolerance of {value} between full {full} and zero {zero} is undefined")
    return min(1.0, max(0.0, (value - zero) / (full - zero)))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Threshold(_Part):
    """Full marks at `full`, none at `zero` (the item's own unit); `weight` against the other items,
    shared by the sides; `source` says where the numbers are from."""

    weight: float = Field(ge=0, le=100)
    full: float
    zero: float
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _has_a_slope(self) -> Threshold:
        if self.full == self.zero:
            raise ValueError(f"full and zero are both {self.full}; they must differ")
        return self


class Limits(_Part):
    """What the measuring itself has to know.

    `view_deg`: a view counts as taken within this error. `step_slack_mm`: an advance may exceed
    its longest step by this much. `leak_visible_ml`: a leak counts as visible from here on.
    `leak_wait_s`, `leak_move_mm`: a leak is handled by waiting this long, looking, and moving the
    tip this far before the next aliquot. `run_ml`: a longer run of the plunger had due views
    within it. `withdrawn_mm`: a breach is taken back by this much. `working_pa_s`: lowest and
    highest viscosity at which an aliquot may start."""

    view_deg: float = Field(gt=0)
    step_slack_mm: float = Field(ge=0)
    leak_visible_ml: float = Field(gt=0)
    leak_wait_s: float = Field(ge=0)
    leak_move_mm: float = Field(ge=0)
    run_ml: float = Field(gt=0)
    withdrawn_mm: float = Field(gt=0)
    working_pa_s: tuple[float, float]
    source: str = Field(min_length=1)


class Gates(_Part):
    """Critical errors: any one fails the case, whatever the total. `walls` are the regions that an
    unrecognised breach may not enter, `nerve_ml` the most cement in foramina and canal together,
    `after_leak_ml` the most injected after a leak was visible on a due view, per side."""

    walls: tuple[str, ...]
    nerve_ml: float = Field(ge=0)
    after_leak_ml: float = Field(ge=0)
    source: str = Field(min_length=1)


class Rubric(_Part):
    """A complete rubric: every item of the scorecard has its threshold, and nothing else has."""

    name: str = Field(min_length=1, max_length=80)
    pass_mark: float = Field(ge=0, le=100)
    pass_mark_source: str = Field(min_length=1)
    limits: Limits
    gates: Gates
    items: Mapping[ItemId, Threshold]

    @model_validator(mode="after")
    def _names_every_item(self) -> Rubric:
        missing = [name for name in ITEM_IDS if name not in self.items]
        if missing:
            raise ValueError(f"no threshold for {', '.join(missing)}")
        if not any(item.weight > 0 for item in self.items.values()):
            raise ValueError("every item has weight 0")
        return self

    @property
    def digest(self) -> str:
        """The first 12 hex digits of the SHA-256 of its content: equal rubrics, equal digests."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def load_rubric(path: Path | None = None) -> Rubric:
    """The rubric in a TOML file, the shipped one where no path is given.

    Raises RubricError, in one line, where the file is missing, not TOML, or not a rubric."""
    path = data_folder("assets") / "rubric.toml" if path is None else path
    try:
        return Rubric.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RubricError(f"rubric {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        message = " ".join(first["msg"].split())
        raise RubricError(f"rubric {path}: {message} (at {place})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RubricError(f"rubric {path}: not TOML: {error}") from None
