"""A time as whole days, UTC, and the quarters at its ends: what is to be read of a year is some hundred rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from service.history.schema.quarter_tables import BY_DAYS, BY_QUARTERS, Sums
from service.history.schema.times import DAY_NS

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table

    from service.statistics.asked import Wanted


class Piece(NamedTuple):
    """Sums of one length, from `begin_ns` on and before `end_ns`."""

    sums: Sums
    begin_ns: int
    end_ns: int


def pieces_of(wanted: Wanted) -> list[Piece]:
    """Take a time apart, in its order."""
    first_ns = wanted.since_ns + -wanted.since_ns % DAY_NS
    last_ns = wanted.until_ns - wanted.until_ns % DAY_NS
    if first_ns >= last_ns:
        return [Piece(BY_QUARTERS, wanted.since_ns, wanted.until_ns)]
    found = (
        Piece(BY_QUARTERS, wanted.since_ns, first_ns),
        Piece(BY_DAYS, first_ns, last_ns),
        Piece(BY_QUARTERS, last_ns, wanted.until_ns),
    )
    return [piece for piece in found if piece.begin_ns < piece.end_ns]


def is_in(table: Table, piece: Piece, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return what a row of a piece's table must be."""
    columns = table.c
    found = [columns.begin_ns >= piece.begin_ns, columns.begin_ns < piece.end_ns]
    found += [columns.camera == wanted.camera] if wanted.camera is not None else []
    return found + ([columns.server == wanted.server] if wanted.server is not None else [])


def added_up(
    connection: Connection, wanted: Wanted, table: str, by: Sequence[str], counted: Sequence[str]
) -> dict[tuple[Any, ...], list[int]]:
    """Return the sums of the columns `counted` of a table of Sums, by the columns `by`."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for piece in pieces_of(wanted):
        for key, numbers in _rows(connection, wanted, piece, table, by, counted):
            known = found.setdefault(key, [0] * len(counted))
            for place, number in enumerate(numbers):
                known[place] += int(number)
    return found


def _rows(  # noqa: PLR0917 - two of them are lists of names
    connection: Connection, wanted: Wanted, piece: Piece, table: str, by: Sequence[str], counted: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], tuple[int, ...]]]:
    source: Table = getattr(piece.sums, table)
    keys = [source.c[name] for name in by]
    query = select(*keys, *(func.sum(source.c[name]) for name in counted)).where(*is_in(source, piece, wanted))
    if table in {"labels", "places"} and wanted.label is not None:
        query = query.where(source.c.label == wanted.label)
    for row in connection.execute(query.group_by(*keys) if keys else query):
        if row[-1] is not None:  # the sum of no row
            yield tuple(row[: len(by)]), tuple(row[len(by) :])
