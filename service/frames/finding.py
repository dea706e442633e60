"""Finding frames a page at a time, in a time that does not grow with the history, also where nothing matches.

What can be asked for by an index drives the search: the rarest label, part, verdict or camera, or what was decided. All
else is looked at row by row, newest first, piece after piece, until the page is full or time is up; then the page says
up to when was looked, and goes on from there. Rows are taken within subqueries that have a limit: so neither database
can choose another way, whatever it believes of its tables.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Select, exists, func, or_, select

from service.frames.sought import Cursor
from service.history.schema.decision_tables import DECIDED
from service.history.schema.tables import LABELS, RECORDS, RUNS

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row, Subquery

    from service.frames.sought import Sought

_RARE = 4000  # frames with a label, or of a part, that are all looked at
_COUNTED = 20_000
_PIECES = (500, 2000, 4000)
_MOST_S = 0.06

_Columns = Any
_Condition = Callable[[_Columns], "ColumnElement[bool]"]


class Found(NamedTuple):
    """Rows of RECORDS, in the order that was asked for.

    `more` is where to go on; None: there is nothing more. `is_cut` says that time was up before the page was full.
    """

    rows: Sequence[Row[Any]]
    more: Cursor | None
    is_cut: bool = False


def find(
    connection: Connection,
    sought: Sought,
    start: Cursor | None,
    count: int,
    *,
    forward: bool = False,
    most_s: float = _MOST_S,
) -> Found:
    """Return the next `count` frames behind `start`, older ones; with `forward` newer ones, the next first."""
    order = _Order(forward=forward)
    if (rare := _rare(connection, sought)) is not None:
        return _page(connection.execute(_among(rare, sought, order, start, count + 1)).all(), count)
    driver = _driver(connection, sought, order)
    give_up_s = time.perf_counter() + most_s
    rows: list[Row[Any]] = []
    for number in range(1 << 30):
        most = _PIECES[min(number, len(_PIECES) - 1)]
        piece = driver.piece(order, start, most)
        conditions = [condition(piece.c) for condition in driver.others]
        rows += connection.execute(_first(piece, conditions, order, count + 1 - len(rows))).all()
        if len(rows) > count:
            break
        start = driver.end(connection, order, start, most)
        if start is None:
            break
        if time.perf_counter() >= give_up_s:
            return Found(rows, start, is_cut=True)
    return _page(rows, count)


def _page(rows: Sequence[Row[Any]], count: int) -> Found:
    last = rows[count - 1] if len(rows) > count else None
    return Found(rows[:count], Cursor(last.came_ns, last.number) if last else None)


class _Order:
    """Newest first, or with `forward` oldest first."""

    def __init__(self, *, forward: bool) -> None:
        self._forward = forward

    def by(self, came: Any, number: Any) -> tuple[Any, Any]:
        return (came.asc(), number.asc()) if self._forward else (came.desc(), number.desc())

    def behind(self, start: Cursor | None, came: Any, number: Any) -> list[ColumnElement[bool]]:
        """What comes after a frame; the first of both is what an index can seek by."""
        if start is None:
            return []
        if self._forward:
            return [came >= start.came_ns, or_(came > start.came_ns, number > start.number)]
        return [came <= start.came_ns, or_(came < start.came_ns, number < start.number)]


class _Driver:
    """An index that has the frames of a condition in the order of time; `others` are to be looked at row by row."""

    def __init__(
        self,
        conditions: list[ColumnElement[bool]],
        others: list[_Condition],
        came: Any = RECORDS.c.came_ns,
        number: Any = RECORDS.c.number,
    ) -> None:
        self._conditions = conditions
        self.others = others
        self._came = came
        self._number = number

    def _of(self, query: Select[Any], order: _Order, start: Cursor | None) -> Select[Any]:
        if self._came.table is DECIDED:
            query = query.select_from(DECIDED.join(RECORDS, RECORDS.c.number == DECIDED.c.record))
        conditions = self._conditions + order.behind(start, self._came, self._number)
        return query.where(*conditions).order_by(*order.by(self._came, self._number))

    def piece(self, order: _Order, start: Cursor | None, most: int) -> Subquery:
        """Return the next so many rows."""
        return self._of(select(RECORDS), order, start).limit(most).subquery()

    def end(self, connection: Connection, order: _Order, start: Cursor | None, most: int) -> Cursor | None:
        """Return where that piece ends; None where there is nothing behind it."""
        query = self._of(select(self._came, self._number), order, start).offset(most - 1).limit(1)
        row = connection.execute(query).first()
        return None if row is None else Cursor(*row)


def _driver(connection: Connection, sought: Sought, order: _Order) -> _Driver:
    others = _conditions(sought)
    if sought.decided not in {None, "no"}:
        if sought.decided == "yes":
            others.pop("decided")  # a kind has no index, and is looked at row by row
        return _Driver(_between(sought, DECIDED.c.came_ns), [*others.values()], DECIDED.c.came_ns, DECIDED.c.record)
    between = _between(sought, RECORDS.c.came_ns)
    if sought.held == "yes":  # there is an index of just these
        return _Driver([others.pop("held")(RECORDS.c), *between], [*others.values()])
    rarest, fewest = None, _COUNTED + 1
    for name in ("verdict", "camera"):
        if name in others:
            driver = _Driver([others[name](RECORDS.c), *between], [])
            counted = driver._of(select(RECORDS.c.came_ns), order, None).limit(_COUNTED).subquery()  # noqa: SLF001
            many = connection.scalar(select(func.count()).select_from(counted)) or 0
            if many < fewest:
                rarest, fewest = name, many
    if rarest is None:
        return _Driver(between, [*others.values()])
    return _Driver([others.pop(rarest)(RECORDS.c), *between], [*others.values()])


def _rare(connection: Connection, sought: Sought) -> Select[Any] | None:
    """Return the frames, by number, of a label or a part that few have."""
    numbers = []
    if sought.label is not None:
        numbers.append(select(LABELS.c.record).where(LABELS.c.label == sought.label))
    if sought.part is not None:
        numbers.append(select(RECORDS.c.number).where(RECORDS.c.part == sought.part))
    for chosen in numbers:
        counted = chosen.limit(_RARE + 1).subquery()
        if (connection.scalar(select(func.count()).select_from(counted)) or 0) <= _RARE:
            return chosen.limit(_RARE)
    return None


def _among(rare: Select[Any], sought: Sought, order: _Order, start: Cursor | None, most: int) -> Select[Any]:
    piece = select(RECORDS).where(RECORDS.c.number.in_(rare)).limit(_RARE).subquery()
    conditions = [*_between(sought, piece.c.came_ns), *order.behind(start, piece.c.came_ns, piece.c.number)]
    conditions += [condition(piece.c) for condition in _conditions(sought).values()]
    return _first(piece, conditions, order, most)


def _first(piece: Subquery, conditions: Sequence[ColumnElement[bool]], order: _Order, most: int) -> Select[Any]:
    return select(piece).where(*conditions).order_by(*order.by(piece.c.came_ns, piece.c.number)).limit(most)


def _between(sought: Sought, came: Any) -> list[ColumnElement[bool]]:
    found = [] if sought.since_ns is None else [came >= sought.since_ns]
    return found if sought.until_ns is None else [*found, came < sought.until_ns]


def _conditions(sought: Sought) -> dict[str, _Condition]:
    """Return what a row must be, by name, for the columns of whatever has those of RECORDS."""
    found: dict[str, _Condition] = {}
    for name in ("verdict", "camera", "part"):
        if (value := getattr(sought, name)) is not None:
            found[name] = _equal(name, value)
    if (data := sought.data) is not None:
        found["data"] = lambda columns: columns.data.icontains(data, autoescape=True)
    if (label := sought.label) is not None:
        found["label"] = lambda columns: exists(
            select(LABELS.c.record).where(LABELS.c.record == columns.number, LABELS.c.label == label)
        )
    if (server := sought.server) is not None:
        runs = select(RUNS.c.run).where(RUNS.c.server == server)
        found["server"] = lambda columns: columns.run.in_(runs)
    if sought.held is not None:
        found["held"] = _held_as(sought.held)
    if sought.decided is not None:
        found["decided"] = _decided_as(sought.decided)
    return found


def _equal(name: str, value: str) -> _Condition:
    return lambda columns: columns[name] == value


def _held_as(asked: str) -> _Condition:
    return lambda columns: columns.held.is_not(None) if asked == "yes" else columns.held.is_(None)


def _decided_as(asked: str) -> _Condition:
    def condition(columns: _Columns) -> ColumnElement[bool]:
        query = select(DECIDED.c.record).where(DECIDED.c.record == columns.number)
        if asked == "no":
            return ~exists(query)
        return exists(query if asked == "yes" else query.where(DECIDED.c.kind == asked))

    return condition
