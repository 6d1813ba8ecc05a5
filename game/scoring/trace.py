"""The scoring trace as JSON text, and back: exact, and safe to read from a stranger.

A trace is the tuple of `Event` of one case in the order they happened. Numbers survive bit for bit
(shortest decimal form that reads back as the same double); NaN, infinity and numbers beyond LARGEST
are refused both ways.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from game.errors import BadInput
from game.simulation.events import Event

Trace = tuple[Event, ...]
LARGEST = 1e15  # of any number, so that sums stay finite: a project choice; real ones are below 1e9

_ADAPTER: TypeAdapter[Trace] = TypeAdapter(
    tuple[Annotated[Event, Field(discriminator="kind")], ...],
    config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False),
)


class TraceError(BadInput):
    """A text that is not a scoring trace; one line says why."""


def trace_to_json(trace: Trace) -> str:
    """One line of JSON: a list of events, each with its `kind`.

    Raises ValueError for a number that is not finite or too large, or what JSON does not have."""
    try:
        return json.dumps([_plain(event) for event in trace], allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"this trace cannot be written: {error}") from None


def trace_from_json(text: str | bytes) -> Trace:
    """The trace that `trace_to_json` wrote.

    Raises TraceError, in one line that names the first fault and its place, for anything else."""
    try:
        trace = _ADAPTER.validate_json(text)
        _plain(trace)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole text"
        message = " ".join(first["msg"].split())
        raise TraceError(f"not a scoring trace: {message[:200]} (at {place[:100]})") from None
    except ValueError as error:
        raise TraceError(f"not a scoring trace: {error}") from None
    return trace


def _plain(value: Any) -> Any:
    """What JSON has for a value; raises ValueError for a number beyond LARGEST."""
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, int | float) and abs(value) > LARGEST:
        raise ValueError(f"a number beyond +-{LARGEST:g}")
    return value
