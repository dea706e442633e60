"""Opening the database: for the recorder, which brings it to its present form first, and for who only reads.

SQLite keeps a write-ahead log beside it, so that who reads and who writes do not wait for each other. With
synchronous=NORMAL a loss of power takes the last commits, never the database.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_S = 2.0


class AnotherForm(Exception):
    """The database was written by another version of the server."""


def is_trouble(error: Exception) -> bool:
    """Whether it is one of the database, or of its disk, that may pass: not one of what was to be written."""
    return isinstance(error, OperationalError | InterfaceError | OSError | AnotherForm) or type(error) is DatabaseError


def sqlite_in(folder: Path) -> Path:
    """Return where the database of a server lies, by its state folder."""
    return folder / "history" / "history.sqlite"


def open_to_write(path: Path) -> Engine:
    """Open the database at `path`, made where there is none, in its present form.

    Raises AnotherForm where a later version has written it; OSError and SQLAlchemy's errors, see is_trouble.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(0o600)  # for the server's own user: its log beside it gets the same
    engine = _engine(path, "rwc", ["journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"], "BEGIN IMMEDIATE")
    try:
        with engine.begin() as connection:
            migrate(connection)
    except Exception:
        engine.dispose()
        raise
    return engine


def open_to_read(path: Path) -> Engine:
    """Open the database at `path`, which is there, for reading alone; raises AnotherForm and SQLAlchemy's errors."""
    return _in_present_form(_engine(path, "ro", [], "BEGIN"), path)


def open_beside(path: Path) -> Engine:
    """Open the database at `path` for writing beside its recorder, which has made it; raises as open_to_read does."""
    return _in_present_form(_engine(path, "rw", ["synchronous=FULL", "foreign_keys=ON"], "BEGIN IMMEDIATE"), path)


def _in_present_form(engine: Engine, path: Path) -> Engine:
    try:
        with engine.begin() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except Exception:
        engine.dispose()
        raise
    if found != (newest := _scripts().get_current_head()):
        engine.dispose()
        raise AnotherForm(f"{path} has form {found}, this version reads {newest}; its server brings it to that")
    return engine


def migrate(connection: Connection, to: str = "head") -> None:
    """Bring the database to a form of its tables; in the transaction that `connection` is in."""
    scripts = _scripts()

    def steps(found: Any, _: MigrationContext) -> Any:
        try:
            return scripts._upgrade_revs(to, found)  # noqa: SLF001 - as alembic's own command does it
        except CommandError as error:
            raise AnotherForm(f"a later version of the server has written the history: {error}") from None

    with EnvironmentContext(_config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=False)  # it is ours to begin and to end
        environment.run_migrations()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(_MIGRATIONS, version_locations=[_MIGRATIONS])


def _engine(path: Path, mode: str, pragmas: list[str], begin: str) -> Engine:
    # a name with ? or % in it is a name all the same
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # threads take turns with the connections of a pool
    options: dict[str, Any] = {"uri": True, "timeout": _BUSY_S, "isolation_level": None, "check_same_thread": False}
    made = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(f"file:{quoted}?mode={mode}", **options), poolclass=QueuePool
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
