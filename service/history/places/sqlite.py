"""A file of SQLite as the place of the history.

A write-ahead log lies beside it, so that who reads and who writes do not wait for each other. With synchronous=NORMAL
a loss of power takes the last commits, never the database; with FULL it takes none.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool, Pool, QueuePool

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

_BUSY_S = 2.0
_WAIT_S = 3.0


def to_record(path: Path, *, durable: bool) -> Engine:
    """For the recorder: the file is made where there is none; `durable`: a commit outlasts a loss of power."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(0o600)  # for the server's own user: its log beside it gets the same
    synchronous = "FULL" if durable else "NORMAL"
    return _engine(
        path, "rwc", ["journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON"], "BEGIN IMMEDIATE"
    )


def to_read(path: Path) -> Engine:
    """For who only reads."""
    return _engine(path, "ro", [], "BEGIN")


def to_write_beside(path: Path) -> Engine:
    """For who writes beside the recorder."""
    pragmas = ["synchronous=FULL", "foreign_keys=ON"]
    # a connection for each time: the last one that closes a file deletes its log, and it may have been set aside
    return _engine(path, "rw", pragmas, "BEGIN IMMEDIATE", NullPool)


def file_of(path: Path) -> tuple[int, int] | None:
    """Return which file lies at `path` now; None where there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _engine(path: Path, mode: str, pragmas: list[str], begin: str, pool: type[Pool] = QueuePool) -> Engine:
    # a name with ? or % in it is a name all the same
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # the pool hands a connection from thread to thread, never to two at once
    options: dict[str, Any] = {"uri": True, "timeout": _BUSY_S, "isolation_level": None, "check_same_thread": False}
    made = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(f"file:{quoted}?mode={mode}", **options),
        poolclass=pool,
        **({"pool_timeout": _WAIT_S} if pool is QueuePool else {}),
    )

    @event.listens_for(made, "connect")
    def prepare(connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    # Python's driver would begin on its own, and only before what it takes for a change
    @event.listens_for(made, "begin")
    def begin_now(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return made
