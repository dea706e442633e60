"""Sums over quarters and days, added to in the transaction that writes the frames: each frame that is new, once."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Table, and_, case, cast, delete, func, literal, or_, select
from sqlalchemy.types import Float

from service.history.schema.quarter_tables import BY_DAYS, BY_QUARTERS, CELLS, Sums
from service.history.schema.times import QUARTER_NS
from service.history.texts import LONGEST, plain_text
from service.history.writing.names import Names
from service.history.writing.rows import whole_of

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from service.history.writing.many import Many
    from service.history.writing.places import Place
    from service.history.writing.rows import Measured
    from service.results.record import Record

# beyond, a square is none that a database can add up, and below, none that PostgreSQL tells from 0
_LARGEST = 1e100
_SMALLEST = 1e-100
_AT_ONCE = 4  # spans are deleted: a batch waits for it
HELD = "HELD"  # what a frame counts as whose NOK is that of a line that was held
_LONGEST_NS = 86_400_000_000_000  # a frame; else sums are none that the database can have
_MOST_REFUSED = 1_000_000_000


class Found(NamedTuple):
    """What is added up of a frame; `measured` by the numbers of their series."""

    record: Record
    labels: Sequence[str]
    places: Sequence[Place]
    measured: Sequence[tuple[int, Measured]]


@dataclass(slots=True)
class _Values:
    """The values of a series in a quarter, as a batch has them."""

    values: list[float] = field(default_factory=list)
    failed: int = 0
    low: float | None = None
    high: float | None = None


class SumWriter:
    """For one server; `upsert` makes an insert that can add to what is there already."""

    def __init__(self, upsert: Any, server: str, many: Many) -> None:
        self._server = server
        self._many = many
        self._names = Names(server)
        self._added = {table: _adding(upsert, sums, table) for sums in (BY_QUARTERS, BY_DAYS) for table in sums.tables}

    def forget(self) -> None:
        """Be told that a transaction came to nothing."""
        self._names.forget()

    def add(self, connection: Connection, frames: Sequence[Found]) -> None:
        """Add frames that were not there."""
        self._names.begin()
        batch = _Batch(self._names, connection)
        for one in frames:
            batch.take(one)
        for sums in (BY_QUARTERS, BY_DAYS):
            counted = {sums.counts: batch.counts, sums.labels: batch.labels, sums.places: batch.places}
            for table, counts in {**counted, sums.took: batch.took}.items():
                self._write(connection, sums, table, counts)
            self._write_measured(connection, sums, batch.measured)

    def add_refused(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add frames that were refused: nobody knows of which cameras they are."""
        counts: _Counts = defaultdict(_no_counts)
        for row in rows:
            counts[_quarter(row["came_ns"]), ""][_REFUSED] += min(max(row["count"], 0), _MOST_REFUSED)
        for sums in (BY_QUARTERS, BY_DAYS):
            self._write(connection, sums, sums.counts, counts)

    def move(self, connection: Connection, came_ns: int, camera: str, before: str, after: str) -> None:
        """Count a frame under another verdict than it was counted under."""
        self._names.begin()
        counts: _Counts = defaultdict(_no_counts)
        begin_ns = _quarter(came_ns)
        row = counts[begin_ns, self._names.camera(connection, begin_ns, camera)]
        row[_VERDICTS[before]] -= 1
        row[_VERDICTS[after]] += 1
        for sums in (BY_QUARTERS, BY_DAYS):
            self._write(connection, sums, sums.counts, counts)

    def let_go(self, connection: Connection, oldest_ns: int) -> None:
        """Delete the oldest of what is older, some quarters at a time."""
        for sums in (BY_QUARTERS, BY_DAYS):
            for table in sums.tables:
                begin, mine = table.c.begin_ns, table.c.server == self._server
                first_ns = connection.scalar(select(func.min(begin)).where(mine))
                if first_ns is not None and first_ns + sums.span_ns <= oldest_ns:
                    until_ns = min(oldest_ns - sums.span_ns + 1, first_ns + _AT_ONCE * sums.span_ns)
                    connection.execute(delete(table).where(mine, begin < until_ns))

    def _write(self, connection: Connection, sums: Sums, table: Table, counts: _Counts) -> None:
        together: _Counts = defaultdict(lambda: [0] * len(_counted_of(table)))
        for (begin_ns, *rest), numbers in counts.items():
            total = together[begin_ns - begin_ns % sums.span_ns, *rest]
            for place, number in enumerate(numbers):
                total[place] += number
        keys, columns = _keys_of(table), _counted_of(table)
        rows = [
            dict(zip((*keys, *columns, "server"), (*key, *together[key], self._server), strict=True))
            for key in sorted(together)
        ]
        self._many.run(connection, self._added[table], rows)

    def _write_measured(self, connection: Connection, sums: Sums, measured: Mapping[_Key, _Values]) -> None:
        together: dict[_Key, _Values] = defaultdict(_Values)
        for (begin_ns, *rest), some in measured.items():
            total = together[begin_ns - begin_ns % sums.span_ns, *rest]
            total.values += some.values
            total.failed += some.failed
            total.low, total.high = some.low, some.high
        rows = [
            {**dict(zip(_keys_of(sums.measured), key, strict=True)), "server": self._server, **_summed(together[key])}
            for key in sorted(together)
        ]
        self._many.run(connection, self._added[sums.measured], rows)


_Key = tuple[Any, ...]  # begin_ns, camera, and what else the rows of a table are told apart by
_Counts = dict[_Key, list[int]]
# where a row of counts has what
_VERDICTS = {"OK": 0, "NOK": 1, "OFF": 2, "ERROR": 3, HELD: 5}
_REFUSED, _TOOK_NS = 4, 6


class _Batch:
    """What a batch has, by quarters."""

    def __init__(self, names: Names, connection: Connection) -> None:
        self._names = names
        self._connection = connection
        self.counts: _Counts = defaultdict(_no_counts)
        self.labels: _Counts = defaultdict(lambda: [0] * 2)
        self.places: _Counts = defaultdict(lambda: [0])
        self.took: _Counts = defaultdict(lambda: [0])
        self.measured: dict[_Key, _Values] = defaultdict(_Values)

    def take(self, one: Found) -> None:
        """Add a frame."""
        names, connection, record = self._names, self._connection, one.record
        begin_ns = _quarter(record.head.came_ns)
        camera = names.camera(connection, begin_ns, plain_text(record.about.get("camera", ""), LONGEST))
        word, took_ns = HELD if record.held is not None else record.word, min(record.head.times.took_ns, _LONGEST_NS)
        counts = self.counts[begin_ns, camera]
        counts[_VERDICTS[word]] += 1
        counts[_TOOK_NS] += took_ns
        self.took[begin_ns, camera, bin_of(took_ns)][0] += 1
        for series, value in one.measured:
            if names.has_series(connection, begin_ns, camera, series):
                _take_value(self.measured[begin_ns, camera, series], value)
        if word == HELD:
            return
        is_nok = word == "NOK"
        for label in {names.label(connection, begin_ns, camera, label) for label in one.labels}:
            counted = self.labels[begin_ns, camera, label]
            counted[0] += 1
            counted[1] += is_nok
        if is_nok:
            for place in one.places:
                label = names.label(connection, begin_ns, camera, place.label) if place.label is not None else ""
                self.places[begin_ns, camera, label, place.cell(CELLS)][0] += 1


def _no_counts() -> list[int]:
    return [0] * (_TOOK_NS + 1)


def bin_of(took_ns: int) -> int:
    """Return the bin of a time, as BY_QUARTERS.took has them."""
    return max(0, int(4 * math.log2(took_ns / 1000))) if took_ns > 1000 else 0


def _quarter(came_ns: int) -> int:
    came_ns = whole_of(came_ns)
    return came_ns - came_ns % QUARTER_NS


def _take_value(some: _Values, one: Measured) -> None:
    value = one.value
    if value is not None and abs(value) <= _LARGEST:
        some.values.append(value if abs(value) >= _SMALLEST else 0.0)
        some.failed += one.ok is False
    else:
        some.failed += 1
    some.low, some.high = one.low, one.high


def _summed(some: _Values) -> dict[str, Any]:
    values, count = some.values, len(some.values)
    mean = math.fsum(values) / count if count else 0.0
    squares = math.fsum((value - mean) ** 2 for value in values)
    extremes = {"least": min(values, default=None), "most": max(values, default=None)}
    limits = {"failed": some.failed, "low": some.low, "high": some.high}
    return {"count": count, "mean": mean, "squares": squares if squares >= _SMALLEST**2 else 0.0, **extremes, **limits}


def _keys_of(table: Table) -> list[str]:
    """Return by what a server's rows of a table are told apart, in its order."""
    return [column.name for column in table.primary_key.columns if column.name != "server"]


def _counted_of(table: Table) -> list[str]:
    return [column.name for column in table.columns if not column.primary_key]


def _adding(upsert: Any, sums: Sums, table: Table) -> Any:
    """Make the statement that adds a row to what is there."""
    statement = upsert(table)
    old, new = table.c, statement.excluded
    counted = {"count", "failed"} if table is sums.measured else {*_counted_of(table)}
    added: dict[str, Any] = {name: old[name] + new[name] for name in counted}
    if table is sums.measured:
        added |= {"low": new.low, "high": new.high, **_mean_and_squares(old, new)}
        added["least"] = _chosen(old.least, new.least, new.least < old.least)
        added["most"] = _chosen(old.most, new.most, new.most > old.most)
    return statement.on_conflict_do_update(index_elements=[column.name for column in table.primary_key], set_=added)


def _mean_and_squares(old: Any, new: Any) -> dict[str, Any]:
    """Put two means and their squared distances together: Chan, Golub and LeVeque 1979."""
    share = func.coalesce(cast(new["count"], Float) / func.nullif(old["count"] + new["count"], 0), 0.0)
    apart = new.mean - old.mean
    apart = case((func.abs(apart) < _SMALLEST**1.2, literal(0.0)), else_=apart)
    squares = old.squares + new.squares + apart * apart * share * old["count"]
    return {"mean": old.mean + apart * share, "squares": squares}


def _chosen(old: Any, new: Any, is_beyond: ColumnElement[bool]) -> Any:
    return case((or_(old.is_(None), and_(new.is_not(None), is_beyond)), new), else_=old)
