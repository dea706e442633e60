"""Texts as the history has them: as long as they may be, and without what no database keeps. Pure."""

from __future__ import annotations

import re
from typing import Any

# of a text that is looked up by: PostgreSQL's indexes take 2,700 bytes a row, and two of them may stand in one
LONGEST = 256
LONGEST_PART = 512
_ID = re.compile(r"([0-7][0-9a-f]{15})([0-9a-f]{2})")


def key_in(frame_id: str) -> tuple[int, int] | None:
    """Return when a frame came, and the last byte of its slot, as its id says; None of what is no id."""
    found = _ID.fullmatch(frame_id)
    return (int(found[1], 16), int(found[2], 16)) if found else None


def plain_text(value: Any, longest: int | None = None) -> str:
    """Return it without NUL, which PostgreSQL keeps in no text; one that is longer ends with an ellipsis."""
    if type(value) is str and value.isascii() and "\0" not in value:
        text = value
    else:
        text = str(value).encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
