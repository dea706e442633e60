"""A database of PostgreSQL as the place of the history: nobody waits for one that is away, or that does not answer.

A machine that is gone is noticed by the kernel, a statement that takes too long is ended by the server, and a server
that hears and says nothing is left by us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from service.history.places.place import NO_DRIVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from service.history.places.place import PostgresUrl

_CONNECT_S = 5
_SILENT_S = 5.0  # beyond the time that a statement may take
_NETWORK: dict[str, Any] = {
    "connect_timeout": _CONNECT_S,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_LOCK_MS = 5_000
_IDLE_IN_TRANSACTION_MS = 30_000  # whoever stopped in the middle of one must not hold up the other servers
_MIGRATION = 0x46726D65_6C6C5F31  # a lock of this number: one server at a time
MIGRATION_MS = 600_000
_MIGRATION_LOCK_MS = 30_000


class NoDriver(OperationalError):
    """The driver is not installed."""

    def __init__(self) -> None:
        super().__init__("", None, ImportError(NO_DRIVER))


class _Manner(NamedTuple):
    """How a connection behaves."""

    name: str
    statement_ms: int
    reads_only: bool = False
    durable: bool = False


def to_record(url: PostgresUrl, *, durable: bool) -> Engine:
    """For the recorder; `durable`: a commit outlasts a loss of power, whatever the server's default is."""
    return _engine(url, _Manner("framemill recorder", 10_000, durable=durable), pool_size=1, max_overflow=0)


def to_read(url: PostgresUrl) -> Engine:
    """For who only reads: all of a transaction is of one moment."""
    manner = _Manner("framemill", 10_000, reads_only=True)
    return _engine(url, manner, pool_pre_ping=True, isolation_level="REPEATABLE READ", pool_size=2, max_overflow=3)


def to_write_beside(url: PostgresUrl) -> Engine:
    """For who writes beside the recorder."""
    return _engine(url, _Manner("framemill", 10_000, durable=True), pool_pre_ping=True, pool_size=1, max_overflow=2)


def begin_migration(connection: Connection) -> None:
    """Wait until no other server changes the tables; until the end of the transaction none does."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {MIGRATION_MS}")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_MIGRATION_LOCK_MS}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION})")


def _engine(url: PostgresUrl, manner: _Manner, **pool: Any) -> Engine:
    connect = _connector(url, manner)
    made = create_engine(
        "postgresql+psycopg://",
        creator=connect,
        poolclass=QueuePool,
        pool_timeout=_CONNECT_S,
        hide_parameters=True,
        **pool,
    )

    @event.listens_for(made, "connect")
    def prepare(connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        for statement in _preparing(manner):
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    return made


def _preparing(manner: _Manner) -> list[str]:
    limits = {
        "statement_timeout": manner.statement_ms,
        "lock_timeout": _LOCK_MS,
        "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION_MS,
    }
    said = [f"SET {name} = {value}" for name, value in limits.items()]
    if manner.reads_only:
        said.append("SET default_transaction_read_only = on")
    if manner.durable:
        # remote_apply promises more than on: it stays
        weak = "current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
        said.append(f"SELECT set_config('synchronous_commit', 'on', false) WHERE {weak}")
    return said


def _connector(url: PostgresUrl, manner: _Manner) -> Callable[[], Any]:
    try:
        import psycopg  # noqa: PLC0415 - an extra of the package
        from psycopg.waiting import wait  # noqa: PLC0415
    except ImportError:
        raise NoDriver from None

    class Bounded(psycopg.Connection[Any]):
        """A connection that waits for its server no longer than a statement may take, and a little more."""

        silent_s = _CONNECT_S + _SILENT_S

        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            try:
                return wait(gen, self.pgconn.socket, interval, timeout or self.silent_s)
            except psycopg.errors._WaitTimeout:  # noqa: SLF001 - it has no other name
                self.pgconn.finish()
                raise psycopg.OperationalError("the server of the database does not answer") from None

    def connect() -> Any:
        try:
            made = Bounded.connect(url.secret, application_name=manner.name, **_NETWORK)
        except psycopg.Error as error:
            raise psycopg.OperationalError(url.redacted(str(error))) from None
        made.silent_s = manner.statement_ms / 1000 + _SILENT_S
        return made

    return connect
