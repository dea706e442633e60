"""How often the machine was wrong, as people have decided: false calls and escapes, in all, by label and by place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Integer, case, cast, func, select

from service.decisions.deciding import decision_of
from service.decisions.rules import Kind, what_holds
from service.history.schema.decision_tables import DECIDED, DECISIONS
from service.history.schema.tables import LABELS, PLACES, RECORDS

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Subquery

COLUMNS, ROWS = 16, 12  # of the grid that is laid over a picture
_MOST_LABELS = 200
MOST_LOOKED_AT = 5000  # decided frames, the newest, for what is told by label and by place
_OF_NOK = (Kind.CONFIRMED, Kind.FALSE_CALL)
_OF_OK = (Kind.ESCAPE,)
WITHOUT_LABEL = ""


@dataclass(slots=True)
class Counts:
    """What was decided: NOK that was right, NOK that should have been OK, OK that should have been NOK."""

    confirmed: int = 0
    false_calls: int = 0
    escapes: int = 0

    @property
    def false_call_share(self) -> float | None:
        """The share of false calls among NOK that somebody has decided; None where nobody has decided any."""
        decided = self.confirmed + self.false_calls
        return self.false_calls / decided if decided else None

    @property
    def escape_share(self) -> float | None:
        """The share of escapes among parts that are known to be bad; None where none is known."""
        bad = self.confirmed + self.escapes
        return self.escapes / bad if bad else None

    def add(self, kind: str, count: int) -> None:
        """Count so many more; of label corrections nothing."""
        if kind == Kind.CONFIRMED:
            self.confirmed += count
        elif kind == Kind.FALSE_CALL:
            self.false_calls += count
        elif kind == Kind.ESCAPE:
            self.escapes += count


class Cell(NamedTuple):
    """A place of the grid: column and row, counted from 0 at the upper left."""

    column: int
    row: int


@dataclass(slots=True)
class Rates:
    """What was decided about the frames of a time.

    By label: of a NOK those that the machine gave it, of an escape the one that somebody named; '' is a frame without
    any. `corrected` counts labels that somebody has corrected, by wrong and right one. By place: where the middle of
    what was found lies, of an escape the middle of what somebody drew. By label and by place, and in `corrected`, the
    newest MOST_LOOKED_AT decided frames of the time count, for a page should not take longer the more there are.
    """

    nok: int = 0
    undecided: int = 0
    counts: Counts = field(default_factory=Counts)
    by_label: dict[str, Counts] = field(default_factory=dict)
    by_place: dict[Cell, Counts] = field(default_factory=dict)
    corrected: Counter[tuple[str, str]] = field(default_factory=Counter)


def rates(
    connection: Connection,
    since_ns: int | None,
    until_ns: int | None,
    camera: str | None = None,
    known_nok: int | None = None,
) -> Rates:
    """Return what was decided about frames that came from `since_ns` on and before `until_ns`, of one camera or all.

    `known_nok` is how many of them are NOK, for who knows it by sums: counting them takes long.
    """
    found = Rates()
    nok = [RECORDS.c.verdict == "NOK", RECORDS.c.held.is_(None), *_between(RECORDS.c.came_ns, since_ns, until_ns)]
    decided = [*_between(DECIDED.c.came_ns, since_ns, until_ns)]
    if camera is not None:
        nok.append(RECORDS.c.camera == camera)
        of_camera = select(RECORDS.c.number).where(RECORDS.c.number == DECIDED.c.record, RECORDS.c.camera == camera)
        decided.append(of_camera.exists())
    if known_nok is None:
        known_nok = connection.scalar(select(func.count()).select_from(RECORDS).where(*nok)) or 0
    found.nok = known_nok
    for kind, count in connection.execute(
        select(DECIDED.c.kind, func.count()).where(*decided).group_by(DECIDED.c.kind)
    ):
        found.counts.add(kind, count)
    found.undecided = max(0, found.nok - found.counts.confirmed - found.counts.false_calls)
    newest = select(DECIDED).where(*decided).order_by(DECIDED.c.came_ns.desc()).limit(MOST_LOOKED_AT).subquery()
    for query in (_by_machine_label(newest), _by_said_label(newest)):
        for label, kind, count in connection.execute(query):
            found.by_label.setdefault(label or WITHOUT_LABEL, Counts()).add(kind, count)
    for query in (_by_machine_place(newest), _by_said_place(newest)):
        for column, row, kind, count in connection.execute(query):
            found.by_place.setdefault(Cell(column, row), Counts()).add(kind, count)
    for wrong, right in _corrections(connection, newest):
        found.corrected[wrong or WITHOUT_LABEL, right] += 1
    return found


def _between(came: Any, since_ns: int | None, until_ns: int | None) -> Iterator[ColumnElement[bool]]:
    if since_ns is not None:
        yield came >= since_ns
    if until_ns is not None:
        yield came < until_ns


def _by_machine_label(newest: Subquery) -> Select[Any]:
    joined = newest.outerjoin(LABELS, LABELS.c.record == newest.c.record)
    return _by_label(joined, LABELS.c.label, newest.c.kind, _OF_NOK)


def _by_said_label(newest: Subquery) -> Select[Any]:
    joined = newest.join(DECISIONS, DECISIONS.c.number == newest.c.decision)
    return _by_label(joined, DECISIONS.c.label, newest.c.kind, _OF_OK)


def _by_label(joined: Any, label: Any, kind: Any, kinds: Sequence[Kind]) -> Select[Any]:
    query = select(label, kind, func.count()).select_from(joined).where(kind.in_(kinds)).group_by(label, kind)
    return query.order_by(func.count().desc()).limit(_MOST_LABELS)


def _by_machine_place(newest: Subquery) -> Select[Any]:
    joined = newest.join(PLACES, PLACES.c.record == newest.c.record)
    return _by_cell(joined, PLACES.c, newest.c.kind, [newest.c.kind.in_(_OF_NOK)])


def _by_said_place(newest: Subquery) -> Select[Any]:
    joined = newest.join(DECISIONS, DECISIONS.c.number == newest.c.decision)
    return _by_cell(joined, DECISIONS.c, newest.c.kind, [newest.c.kind.in_(_OF_OK), DECISIONS.c.x.is_not(None)])


def _by_cell(joined: Any, place: Any, kind: Any, conditions: list[ColumnElement[bool]]) -> Select[Any]:
    column = _cell(place.x + place.width / 2, COLUMNS)
    row = _cell(place.y + place.height / 2, ROWS)
    query = select(column.label("column"), row.label("row"), kind, func.count()).select_from(joined)
    return query.where(*conditions).group_by("column", "row", kind)


def _cell(at: Any, count: int) -> Any:
    """Return the cell that a place lies in; one at or beyond an edge lies in the last one before it."""
    cell = cast(func.round(at * count - 0.5), Integer)  # not every SQLite has floor
    return case((cell < 0, 0), (cell >= count, count - 1), else_=cell)


def _corrections(connection: Connection, newest: Subquery) -> Iterator[tuple[str | None, str]]:
    """Yield wrong and right label of each correction that holds."""
    joined = newest.join(DECISIONS, DECISIONS.c.record == newest.c.record)
    with_label = select(newest.c.record).select_from(joined).where(DECISIONS.c.kind == Kind.LABEL)
    of_them = (
        select(DECISIONS).where(DECISIONS.c.record.in_(with_label)).order_by(DECISIONS.c.record, DECISIONS.c.number)
    )
    for _, rows in groupby(connection.execute(of_them), key=lambda row: row.record):
        for wrong, decision in what_holds([decision_of(row) for row in rows]).labels.items():
            if decision.new_label is not None:
                yield wrong, decision.new_label
