"""Texts of a project with expressions in braces that each frame fills in: "LOT {data}", "{codes.label.count}"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workers.context.expression import expression

_BRACES = re.compile(r"\{([^{}]*)\}")


def checked_template(text: str) -> str:
    """Return `text`; raises ValueError where what stands in braces is no expression over the context."""
    if set("{}") & set(_BRACES.sub("", text)):
        msg = f"is {text!r}, expected a closing brace for each opening one, and none within others"
        raise ValueError(msg)
    for inner in _BRACES.findall(text):
        expression(inner)
    return text


class NothingThere(Exception):
    """An expression gives neither text nor a whole number; the text says which."""


class Template:
    """A text, ready to be filled in."""

    def __init__(self, text: str) -> None:
        pieces = _BRACES.split(text)
        self._pieces = [expression(piece) if place % 2 else piece for place, piece in enumerate(pieces)]

    def filled(self, context: Mapping[str, Any]) -> str:
        """Return the text with what its expressions give; raises NothingThere."""
        said = []
        for piece in self._pieces:
            if isinstance(piece, str):
                said.append(piece)
                continue
            value = piece.value(context)
            if isinstance(value, bool) or not isinstance(value, str | int):
                msg = f"there is no text at {piece.text}"
                raise NothingThere(msg)
            said.append(str(value))
        return "".join(said)
