"""What somebody types on a command line for inputs, NAME=VALUE each, with the types that inputs have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.flow.inputs import Input


def typed(given: Iterable[str], inputs: Mapping[str, Input]) -> dict[str, object]:
    """Return values by name, not yet checked; one that no input is called stays text, and is refused with its name."""
    values: dict[str, object] = {}
    for one in given:
        name, _, text = one.partition("=")
        values[name] = inputs[name].of_text(text) if name in inputs else text
    return values
