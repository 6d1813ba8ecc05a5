"""The cements there are, read from assets/cements.toml (or a file of the same form)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from game.data import data_folder
from game.errors import BadInput
from game.simulation.cement.rheology import FROZEN_PA_S, STIFF_PA_S, TOOTHPASTE_PA_S, Product

USUAL = "medium-viscosity"
MEASURES = (
    "start_pa_s", "tau_s", "index", "reference_per_s", "mixing_s", "batch_ml", "heat_j_ml",
)  # fmt: skip


class ProductError(BadInput):
    """A file of cements that cannot be read, or a cement that is not in it; one line says why."""


class _Entry(BaseModel):
    """One cement as the file has it: the fields of `Product`, each with its source."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: str = Field(min_length=1, max_length=60)
    start_pa_s: float = Field(gt=0, lt=FROZEN_PA_S)
    tau_s: float = Field(ge=10, le=1000)
    index: float = Field(ge=0.2, le=1)
    reference_per_s: float = Field(ge=0.1, le=1000)
    mixing_s: float = Field(ge=0, le=300)
    batch_ml: float = Field(gt=0, le=60)
    heat_j_ml: float = Field(ge=0, le=400)
    toothpaste_pa_s: float = Field(default=TOOTHPASTE_PA_S, gt=0, lt=FROZEN_PA_S)
    stiff_pa_s: float = Field(default=STIFF_PA_S, gt=0, lt=FROZEN_PA_S)
    sources: Mapping[str, str]

    @model_validator(mode="after")
    def _hangs_together(self) -> _Entry:
        missing = [name for name in MEASURES if not self.sources.get(name)]
        if missing:
            raise ValueError(f"no source for {', '.join(missing)}")
        if not self.toothpaste_pa_s < self.stiff_pa_s:
            raise ValueError(
                f"toothpaste_pa_s is {self.toothpaste_pa_s}; it must be below "
                f"stiff_pa_s, {self.stiff_pa_s}"
            )
        return self


_FILE: TypeAdapter[dict[str, _Entry]] = TypeAdapter(dict[str, _Entry])


def read_products(path: Path) -> Mapping[str, Product]:
    """The cements of a TOML file by name. Raises ProductError, in one line, where it is missing,
    not TOML, or has a value that is not allowed."""
    try:
        entries = _FILE.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ProductError(f"cements {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        value = "" if isinstance(first["input"], dict) else f"{first['input']!r}: "
        message = " ".join(first["msg"].split())
        raise ProductError(f"cements {path}: {place}: {value}{message}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProductError(f"cements {path}: not TOML: {error}") from None
    if not entries:
        raise ProductError(f"cements {path}: no cement in it; at least one is needed")
    return MappingProxyType(
        {name: Product(name=name, **entry.model_dump(exclude={"sources"}))
         for name, entry in entries.items()}
    )  # fmt: skip


@cache
def products() -> Mapping[str, Product]:
    """The shipped cements by name."""
    return read_products(data_folder("assets") / "cements.toml")


def product(name: str = USUAL) -> Product:
    """One of the shipped cements; raises ProductError for a name that is not among them."""
    known = products()
    if name not in known:
        raise ProductError(f"cement is {name!r}; there are {', '.join(known)}")
    return known[name]
