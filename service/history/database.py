"""Opening the database: for the recorder, which brings it to its present form first, and for who only reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from service.history.places import postgres, sqlite
from service.history.places.place import PostgresUrl, sqlite_in

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from service.history.places.place import Place

__all__ = [
    "AnotherForm",
    "is_trouble",
    "migrate",
    "open_beside",
    "open_to_read",
    "open_to_write",
    "sqlite_in",
    "told_of",
]

_MIGRATIONS = Path(__file__).parent / "migrations"
# by the first two letters of PostgreSQL's code: a value, a rule of a table, a size that no index takes
_OF_WHAT_IS_WRITTEN = frozenset({"22", "23", "54"})


class AnotherForm(Exception):
    """The database was written by another version of the server."""


def is_trouble(error: Exception) -> bool:
    """Whether it is one of the database, or of its disk, that may pass: not one of what was to be written."""
    if (state := getattr(getattr(error, "orig", None), "sqlstate", None)) is not None:
        return state[:2] not in _OF_WHAT_IS_WRITTEN
    known = OperationalError | InterfaceError | NoConnection | OSError | AnotherForm
    return isinstance(error, known) or type(error) is DatabaseError


def told_of(error: Exception) -> str:
    """Return what a database said, in one line, without the statement."""
    return " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())


def open_to_write(place: Place, *, durable: bool = False) -> Engine:
    """Open the database, made where it is a file and there is none, in its present form.

    `durable`: what is committed outlasts a loss of power. Raises AnotherForm where a later version has written it;
    OSError and SQLAlchemy's errors, see is_trouble.
    """
    if isinstance(place, PostgresUrl):
        engine = postgres.to_record(place, durable=durable)
    else:
        engine = sqlite.to_record(place, durable=durable)
    try:
        with engine.begin() as connection:
            if not _is_present(connection):
                migrate(connection)
    except Exception:
        engine.dispose()
        raise
    return engine


def open_to_read(place: Place) -> Engine:
    """Open a database that is there, for reading alone; raises AnotherForm and SQLAlchemy's errors."""
    return _in_present_form(postgres.to_read(place) if isinstance(place, PostgresUrl) else sqlite.to_read(place))


def open_beside(place: Place) -> Engine:
    """Open it for writing beside its recorder, which has made it; raises as open_to_read does."""
    if isinstance(place, PostgresUrl):
        return _in_present_form(postgres.to_write_beside(place))
    return _in_present_form(sqlite.to_write_beside(place))


def _is_present(connection: Connection) -> bool:
    return MigrationContext.configure(connection).get_current_revision() == _scripts().get_current_head()


def _in_present_form(engine: Engine) -> Engine:
    try:
        with engine.begin() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except Exception:
        engine.dispose()
        raise
    if found != (newest := _scripts().get_current_head()):
        engine.dispose()
        raise AnotherForm(f"it has form {found}, this version reads {newest}; its server brings it to that")
    return engine


def migrate(connection: Connection, to: str = "head") -> None:
    """Bring the database to a form of its tables; in the transaction that `connection` is in."""
    scripts = _scripts()
    postgres.begin_migration(connection)

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
