"""The file of keys: TOML, one table for each client, with the SHA-256 of its key and never the key.

::

    [keys.camera-3]
    scope = "analyze"
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    created = 2026-11-22T20:15:00Z
"""

from __future__ import annotations

import fcntl
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.access.keyring import SINGLE, Client, Scope
from service.safe_files import replacing
from workers.errors import SettingsInvalid
from workers.text import as_text

LARGEST_BYTES = 65_536
_MOST_KEYS = 128  # each costs 0.1 us per request
_HEAD = "# Keys of clients, written by `framemill keys`: comments do not stay. Of each key only its SHA-256 is here.\n"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Word = Literal["analyze", "operate", "admin"]


class Entry(BaseModel):
    """One client's table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Word
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: datetime | None = None


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: dict[Name, Entry] = Field(default_factory=dict, max_length=_MOST_KEYS)


def checked_name(name: str) -> str:
    """Return `name` where it can be a client's; raises ValueError."""
    return TypeAdapter(Name).validate_python(name)


def read_text(path: Path) -> bytes:
    """Return the content of the file of keys; raises SettingsInvalid where it cannot be trusted or read."""
    try:
        # a pipe planted under this name must not hold us up
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor has no path
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise SettingsInvalid(f"keys_file: {path} is not a file")
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise SettingsInvalid(f"keys_file: {path} can be written by others; chmod 600 it")
            return file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise SettingsInvalid(f"keys_file: {path} cannot be read: {error.strerror}") from None


def parse(text: bytes) -> Mapping[str, Entry]:
    """Return the entries by name; raises SettingsInvalid with all mistakes, and with nothing that may be a key."""
    if len(text) > LARGEST_BYTES:
        raise SettingsInvalid(f"keys_file: it has more than {LARGEST_BYTES} bytes")
    try:
        entries = _Document(**tomllib.loads(as_text(text))).keys
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"keys_file: it is not TOML: {error}") from None
    except ValidationError as error:
        lines = (f"keys_file: {_place(mistake['loc'])}: {mistake['msg']}" for mistake in error.errors())
        raise SettingsInvalid("\n".join(lines)) from None
    _refuse_ambiguity(entries)
    return entries


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:64] for part in loc if part != "[key]") or "the file"


def _refuse_ambiguity(entries: Mapping[str, Entry]) -> None:
    mistakes = [f"keys_file: keys.{SINGLE}: this name means the key of the setting"] if SINGLE in entries else []
    first: dict[str, str] = {}
    for name, entry in entries.items():
        if first.setdefault(entry.sha256, name) != name:
            mistakes.append(f"keys_file: keys.{name}: it has the key of {first[entry.sha256]}")
    if mistakes:
        raise SettingsInvalid("\n".join(mistakes))


def clients(text: bytes) -> tuple[Client, ...]:
    """Return the clients of a file of keys; raises SettingsInvalid."""
    entries = parse(text).items()
    return tuple(Client(name, Scope[entry.scope.upper()], bytes.fromhex(entry.sha256)) for name, entry in entries)


@contextmanager
def changing(path: Path) -> Iterator[dict[str, Entry]]:
    """Give the entries to change, and write them in one step; one process at a time, the others wait.

    Raises:
        SettingsInvalid: the file that is there has mistakes; it stays as it is.
        OSError: it cannot be written.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        entries = dict(parse(read_text(path))) if path.exists() else {}
        yield entries
        _write(path, render(entries))
    finally:
        os.close(folder)


def render(entries: Mapping[str, Entry]) -> str:
    """Return the text of a file with these entries."""
    return _HEAD + "".join(f"\n[keys.{name}]\n{_lines(entry.model_dump())}" for name, entry in entries.items())


def _lines(entry: Mapping[str, Any]) -> str:
    values = {key: value.isoformat() if isinstance(value, datetime) else f'"{value}"' for key, value in entry.items()}
    return "".join(f"{key} = {value}\n" for key, value in values.items() if entry[key] is not None)


def _write(path: Path, text: str) -> None:
    with replacing(path, 0o600) as file:
        if os.geteuid() == 0:
            # the server that reads it need not be root: the file belongs to whom the one before, or the folder, does
            owner = (path if path.exists() else path.parent).stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(text.encode())
