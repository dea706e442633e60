"""How frames are written: each once, with all that hangs on it, and added to the sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, insert, select, update

from service.history.pictures.rows import take_back, write_waiting
from service.history.schema.tables import CONTEXTS, LABELS, MEASURED, PLACES, RECORDS, SERIES
from service.history.writing.many import Many
from service.history.writing.places import places_of
from service.history.writing.rows import Measured, key_of, labels_of, measured_of, record_row
from service.history.writing.sums import HELD, Found, SumWriter

if TYPE_CHECKING:
    from service.results.record import Record


_OK = 200
_ENDS = ("status", "verdict", "held", "error_code", "error_message")


class FrameWriter:
    """Knows the series that there are; `upsert` makes an insert that can do without what is there already.

    `why_kept` says why the picture of a frame is to be kept, nothing where it is not.
    """

    def __init__(self, upsert: Any, server: str) -> None:
        self._upsert = upsert
        self._many = Many()
        self.why_kept: Callable[[Record], str] | None = None
        self._series: dict[tuple[str, str], int] = {}
        self.sums = SumWriter(upsert, server, self._many)

    def forget(self) -> None:
        """Be told that a transaction came to nothing, and what was new in it neither."""
        self._series = {}
        self.sums.forget()

    def write(self, connection: Connection, run: int, frames: Sequence[Record]) -> int:
        """Write those that are not there yet, and how those ended that are; returns how many are new."""
        by_key = {key_of(record): record for record in frames}
        statement = self._upsert(RECORDS).on_conflict_do_nothing(index_elements=["came_ns", "slot", "run"])
        rows = [{**record_row(record), "run": run} for record in by_key.values()]
        made = connection.execute(statement.returning(RECORDS.c.number, RECORDS.c.came_ns, RECORDS.c.slot), rows)
        numbered = [(row.number, by_key.pop((row.came_ns, row.slot))) for row in made]
        if numbered:
            self._write_more(connection, numbered)
        for row in rows:
            if row["status"] != _OK and (row["came_ns"], row["slot"]) in by_key:
                self._correct(connection, row)
        return len(numbered)

    def _write_more(self, connection: Connection, numbered: Sequence[tuple[int, Record]]) -> None:
        """Write what hangs on frames that are new, and add them to the sums."""
        measured = [[*measured_of(record)] for _, record in numbered]
        self._know_series(connection, measured)
        found = [
            Found(record, labels_of(record), places_of(record), self._in_series(some))
            for (_, record), some in zip(numbered, measured, strict=True)
        ]
        numbers = [number for number, _ in numbered]
        contexts = [{"record": number, "context": record.context} for number, record in numbered if record.context]
        self._many.insert(connection, CONTEXTS, contexts)
        of_each = [*zip(numbers, found, strict=True)]
        labels = [{"record": number, "label": label} for number, one in of_each for label in one.labels]
        self._many.insert(connection, LABELS, labels)
        if self.why_kept is not None:
            write_waiting(connection, numbered, self.why_kept)
        places = [{"record": number, **place._asdict()} for number, one in of_each for place in one.places]
        self._many.insert(connection, PLACES, places)
        values = [
            {"record": number, "series": series, **_values(value)}
            for number, one in of_each
            for series, value in one.measured
        ]
        self._many.insert(connection, MEASURED, values)
        self.sums.add(connection, found)

    def _know_series(self, connection: Connection, measured: Sequence[Sequence[Measured]]) -> None:
        wanted = {(one.name, one.unit) for some in measured for one in some}
        if unknown := wanted - self._series.keys():
            new = [{"name": name, "unit": unit} for name, unit in sorted(unknown)]
            connection.execute(self._upsert(SERIES).on_conflict_do_nothing(index_elements=["name", "unit"]), new)
            known = connection.execute(select(SERIES))
            self._series = {(row.name, row.unit): row.series for row in known}

    def _correct(self, connection: Connection, row: Mapping[str, Any]) -> None:
        """Have it on record how a frame ended that was recorded before its answer, and had an error instead of it."""
        known = RECORDS.c.came_ns == row["came_ns"], RECORDS.c.slot == row["slot"], RECORDS.c.run == row["run"]
        before = connection.execute(select(RECORDS.c.number, RECORDS.c.verdict, RECORDS.c.held).where(*known)).first()
        if before is None:
            return
        connection.execute(update(RECORDS).where(*known).values({name: row[name] for name in _ENDS}))
        take_back(connection, before.number)
        if before.verdict != row["verdict"]:
            counted_as = HELD if before.held is not None else before.verdict
            self.sums.move(connection, row["came_ns"], row["camera"], counted_as, row["verdict"])

    def _in_series(self, measured: Sequence[Measured]) -> list[tuple[int, Measured]]:
        return [(self._series[one.name, one.unit], one) for one in measured]


def _values(one: Measured) -> dict[str, Any]:
    return {"value": one.value, "low": one.low, "high": one.high, "ok": one.ok}


def insert_rows(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert them, if there are any."""
    if rows:
        connection.execute(insert(table), rows)
