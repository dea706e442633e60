"""Text from anywhere: a file or a name on disk, in any encoding, and a value of user code as a message shows it."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import NamedTuple

_NAME = type.__dict__["__name__"].__get__


def as_text(content: bytes) -> str:
    """Return a text file's content; editors and shells on Windows put a mark in front. Raises UnicodeDecodeError."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def is_utf8(name: Path | str) -> bool:
    """Whether a name is text: on disk names are bytes, and others than UTF-8 can be in no JSON, log or answer."""
    try:
        str(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def too_long(text: str, most_bytes: int) -> str:
    """Return what is wrong with a text of more bytes of UTF-8 than are accepted; nothing where it has no more."""
    size = len(text.encode("utf-8", "surrogatepass"))
    return f"has {size} bytes, at most {most_bytes} are accepted" if size > most_bytes else ""


def printable(text: object) -> str:
    """Return `text` with what cannot be encoded shown as escapes."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def shown(value: object) -> str:
    """Describe `value` in a few words; never runs code of the user's, and never takes long."""
    if value is None or type(value) is bool or type(value) is float:
        return str(value)
    if type(value) is int:
        return str(value) if abs(value) < 10**30 else "a very large int"
    if type(value) is str:
        return repr(value[:60])
    return f"a {type_name(value)}"


def type_name(value: object) -> str:
    """Return the name of a value's type; a class of the user's may have a `__name__` of its own that raises."""
    name: str = _NAME(type(value))
    return name


def said_of(path: Path, pattern: str) -> str:
    """Return what is said of a file: {stem} is its name without its ending, {folder} the name of its folder."""
    return pattern.replace("{stem}", path.stem).replace("{folder}", path.absolute().parent.name)


class Told(NamedTuple):
    """What a client says with a frame, or patterns of that (said_of): `data`, its camera, its view of a part."""

    data: str = ""
    camera: str = ""
    view: str = ""

    def of(self, path: Path) -> Told:
        """Return what is said of a file."""
        return Told(*(said_of(path, pattern) for pattern in self))

    @property
    def of_all(self) -> Told:
        """Return what is said of every file; nothing in place of what differs."""
        return Told(*("" if "{stem}" in pattern or "{folder}" in pattern else pattern for pattern in self))


NOTHING_TOLD = Told()


def shown_on_terminal(line: str) -> str:
    """Return a line in which nothing that a client said can play with the terminal."""
    return "".join(one if one.isprintable() else printable(one).encode("unicode_escape").decode() for one in line)
