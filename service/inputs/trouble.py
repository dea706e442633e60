"""What speaks against setting an input; the supervisor, which speaks no HTTP, knows these too."""

from __future__ import annotations

from collections.abc import Mapping

from workers.errors import FramemillError


class InputInvalid(FramemillError):
    """A value is none that the project's input takes, or there is no such input; `reasons` say why, by name."""

    code = "input_invalid"

    def __init__(self, message: str, reasons: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.reasons = reasons or {}


class InputsChanged(FramemillError):
    """Somebody else has set inputs meanwhile."""

    code = "inputs_changed"


class InputsNotKept(FramemillError):
    """What operators set could not be written to the disk."""

    code = "inputs_not_kept"
