"""A database of SQLite that is damaged is set aside with its log files, and a new one is begun; nothing is deleted.

What was set aside lies beside the new one as `history-damaged-TIME.sqlite`. The new one has it on record that until
then it knows of nothing: that is in the transaction that begins it, so it is there whoever is killed in between.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sqlite3
import struct
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from service.history.places.sqlite import file_of

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PREFIX = "history-damaged-"
_TIME = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(re.escape(_PREFIX) + r"(\d{8}T\d{6}\.\d{6}Z)\.sqlite")
_NS = 1_000_000_000
# where SQLite has its lock of those that have the file open (os_unix.c): who has it lets nobody tidy up
_SHARED_AT, _SHARED_BYTES = 0x40000002, 510
_LOCK = struct.Struct("hhqqi4x")  # struct flock


class Gap(NamedTuple):
    """A time of which what was set aside may know, and the database does not."""

    begin_ns: int
    end_ns: int


def is_damage(error: Exception) -> bool:
    """Whether a file of SQLite is none any more, or has what cannot be in it."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF in _DAMAGE


def set_aside(path: Path, file: tuple[int, int] | None) -> None:
    """Move the database away where it is still this `file`; nobody of this process may have it open."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # another server may be there, too, while it takes over
        if file is None or file_of(path) != file:
            return
        _keep_log_of(path)
        kept = path.with_name(f"{_PREFIX}{datetime.now(UTC).strftime(_TIME)}.sqlite")
        for suffix in ("-wal", "-shm", ""):  # the file itself last: until then it is there to be found damaged again
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
        os.fsync(folder)
        _log.error("the history was damaged, and a new one is begun; the old one is kept as %s", kept)
    finally:
        os.close(folder)


def gaps_beside(path: Path, until_ns: int) -> list[Gap]:
    """Return what a new database does not know of; it begins before `until_ns`, if nobody knows better."""
    found = []
    for kept in sorted(path.parent.glob(f"{_PREFIX}*.sqlite")):
        if named := _NAME.fullmatch(kept.name):
            end_ns = int(datetime.strptime(named[1], _TIME).replace(tzinfo=UTC).timestamp() * 1e6) * 1000
            begin_ns = _begin_of(kept)
            found.append(Gap(min(end_ns, until_ns if begin_ns is None else begin_ns), end_ns))
    return found


def _keep_log_of(path: Path) -> None:
    """Hold the lock of who has a file open for as long as this process lives.

    The last that closes a file deletes its log by name, and by then that is the name of another one's.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    # one of the descriptor: those of the process go with the first that closes the file
    with suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, _SHARED_AT, _SHARED_BYTES, 0))


def _begin_of(kept: Path) -> int | None:
    """Return when the first server began to write it, if that can still be read."""
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(kept.absolute()))}?mode=ro&immutable=1", uri=True)
        ) as connection:
            (begin_ns,) = connection.execute("SELECT min(started_ns) FROM runs").fetchone()
    except sqlite3.Error:
        return None
    return begin_ns if isinstance(begin_ns, int) and 0 < begin_ns < time.time_ns() else None
