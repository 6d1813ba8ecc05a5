"""The one error that a source of anatomy answers with."""

from __future__ import annotations

from game.errors import BadInput


class PatientError(BadInput):
    """Input that cannot become a patient; one line that names the value and what is allowed."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
