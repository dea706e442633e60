"""Texts as the history has them: as long as they may be, and without what no database keeps. Pure."""

from __future__ import annotations

from typing import Any

# of a text that is looked up by: PostgreSQL's indexes take 2,700 bytes a row, and two of them may stand in one
LONGEST = 256
LONGEST_PART = 512


def plain_text(value: Any, longest: int | None = None) -> str:
    """Return it without NUL, which PostgreSQL keeps in no text; one that is longer ends with an ellipsis."""
    if type(value) is str and value.isascii() and "\0" not in value:
        text = value
    else:
        text = str(value).encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
