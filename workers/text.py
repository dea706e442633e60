"""Text that comes from a file or a name on disk, which may be in any encoding."""

from __future__ import annotations

import codecs
from pathlib import Path


def as_text(content: bytes) -> str:
    """Return a text file's content; editors and shells on Windows put a mark in front. Raises UnicodeDecodeError."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def is_utf8(path: Path) -> bool:
    """Whether a path is text: on disk names are bytes, and others than UTF-8 can be in no JSON, log or answer."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: object) -> str:
    """Return `text` with what cannot be encoded shown as escapes."""
    return str(text).encode("utf-8", "backslashreplace").decode()
