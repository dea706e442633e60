"""How frames are written: each once, with its context, its labels, and its measured values as series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from service.history.pictures.rows import write_waiting
from service.history.tables import CONTEXTS, LABELS, MEASURED, RECORDS, SERIES
from service.history.writing.rows import Measured, key_of, labels_of, measured_of, record_row

if TYPE_CHECKING:
    from service.results.record import Record


_OK = 200
_ENDS = ("status", "verdict", "error_code", "error_message")


class FrameWriter:
    """Knows the series that there are; `upsert` makes an insert that can do without what is there already.

    `why_kept` says why the picture of a frame is to be kept, nothing where it is not.
    """

    def __init__(self, upsert: Any) -> None:
        self._upsert = upsert
        self.why_kept: Callable[[Record], str] | None = None
        self._series: dict[tuple[str, str], int] = {}

    def forget(self) -> None:
        """Be told that a transaction came to nothing, and what was new in it neither."""
        self._series = {}

    def write(self, connection: Connection, run: int, frames: Sequence[Record]) -> int:
        """Write those that are not there yet, and how those ended that are; returns how many are new."""
        by_key = {key_of(record): record for record in frames}
        statement = self._upsert(RECORDS).on_conflict_do_nothing(index_elements=["came_ns", "slot", "run"])
        rows = [{**record_row(record), "run": run} for record in by_key.values()]
        made = connection.execute(statement.returning(RECORDS.c.number, RECORDS.c.came_ns, RECORDS.c.slot), rows)
        numbered = [(row.number, by_key.pop((row.came_ns, row.slot))) for row in made]
        contexts = [{"record": number, "context": record.context} for number, record in numbered if record.context]
        insert_rows(connection, CONTEXTS, contexts)
        labels = [{"record": number, "label": label} for number, record in numbered for label in labels_of(record)]
        insert_rows(connection, LABELS, labels)
        if self.why_kept is not None:
            write_waiting(connection, numbered, self.why_kept)
        measured = [(number, one) for number, record in numbered for one in measured_of(record)]
        self._write_measured(connection, measured)
        _correct(connection, [row for row in rows if (row["came_ns"], row["slot"]) in by_key and row["status"] != _OK])
        return len(numbered)

    def _write_measured(self, connection: Connection, measured: Sequence[tuple[int, Measured]]) -> None:
        if not measured:
            return
        wanted = {(one.name, one.unit) for _, one in measured}
        if unknown := wanted - self._series.keys():
            new = [{"name": name, "unit": unit} for name, unit in sorted(unknown)]
            connection.execute(self._upsert(SERIES).on_conflict_do_nothing(index_elements=["name", "unit"]), new)
            known = connection.execute(select(SERIES))
            self._series = {(row.name, row.unit): row.series for row in known}
        rows = [
            {"record": number, "series": self._series[one.name, one.unit], **_values(one)} for number, one in measured
        ]
        insert_rows(connection, MEASURED, rows)


def _correct(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Have it on record how frames ended that were recorded before their answer, and had an error instead of it."""
    if not rows:
        return
    columns = RECORDS.c
    known = (columns.came_ns == bindparam("at"), columns.slot == bindparam("of"), columns.run == bindparam("by"))
    told: dict[str, Any] = {name: bindparam(f"as_{name}") for name in _ENDS}
    given = [
        {"at": row["came_ns"], "of": row["slot"], "by": row["run"], **{f"as_{name}": row[name] for name in _ENDS}}
        for row in rows
    ]
    connection.execute(update(RECORDS).where(*known).values(told), given)


def _values(one: Measured) -> dict[str, Any]:
    return {"value": one.value, "low": one.low, "high": one.high, "ok": one.ok}


def insert_rows(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert them, if there are any."""
    if rows:
        connection.execute(insert(table), rows)
