"""The tables of sums over quarters of an hour and over days: a page over a million frames reads some thousand rows.

The recorder adds to them in the transaction that writes the frames, so both say the same; they stay as long as
`history_days` says, also where frames of theirs had to go. A quarter begins at `begin_ns`, UTC, by when a frame came,
and so does a day, UTC, too: a long time is its whole days, and the quarters at its ends. `server` and `camera` are as
in runs and records; of a day some hundred cameras, labels and series have rows of their own (writing/names.py).

::

    quarters            days             how many frames had which verdict, were refused, or NOK because the line was
                                         held, which is no verdict; how long they took together
    quarter_labels      day_labels       how many frames had a label, and how many of them were NOK
    quarter_places      day_places       how often the middle of what was found in NOK frames lay in a cell of the
                                         picture
    quarter_measured    day_measured     of each series: how many values, mean, spread, extremes, how many not ok
    quarter_took        day_took         how many frames took how long: bin b is from 2**(b/4) us up to 2**((b+1)/4)

`squares` is the sum of the squared distances from the mean (Welford 1962; added up as Chan, Golub and LeVeque 1979
do): a sum of squares, less that of the mean, has no digit left of a bore of 1000 mm that differs by a micrometre.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Integer, Table, Text

from service.history.schema.tables import METADATA
from service.history.schema.times import DAY_NS, QUARTER_NS

CELLS = 32  # a side: cell = row * CELLS + column


class Sums(NamedTuple):
    """The tables of sums over spans of one length."""

    span_ns: int
    counts: Table
    labels: Table
    places: Table
    measured: Table
    took: Table

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them."""
        return self.counts, self.labels, self.places, self.measured, self.took


def _sums(span: str, span_ns: int) -> Sums:
    return Sums(
        span_ns,
        _table(
            f"{span}s",
            _counted("ok"),
            _counted("nok"),
            _counted("off"),
            _counted("error"),
            _counted("refused"),
            _counted("held"),
            _counted("took_ns"),
        ),
        _table(f"{span}_labels", Column("label", Text, primary_key=True), _counted("count"), _counted("nok")),
        _table(
            f"{span}_places",
            Column("label", Text, primary_key=True),
            Column("cell", Integer, primary_key=True),
            _counted("count"),
        ),
        _table(
            f"{span}_measured",
            Column("series", ForeignKey("series.series"), primary_key=True),
            _counted("count"),  # of values that could be measured
            Column("mean", Float, nullable=False),
            Column("squares", Float, nullable=False),
            Column("least", Float),
            Column("most", Float),
            _counted("failed"),  # not ok, or not measurable
            Column("low", Float),  # the limits, as the last value had them
            Column("high", Float),
        ),
        _table(f"{span}_took", Column("bin", Integer, primary_key=True), _counted("count")),
    )


def _table(name: str, *columns: Column[int] | Column[str] | Column[float]) -> Table:
    key = (
        Column("begin_ns", BigInteger, primary_key=True),
        Column("server", Text, primary_key=True),
        Column("camera", Text, primary_key=True),
    )
    return Table(name, METADATA, *key, *columns, sqlite_with_rowid=False)  # a range of time lies together


def _counted(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


BY_QUARTERS = _sums("quarter", QUARTER_NS)
BY_DAYS = _sums("day", DAY_NS)
QUARTERS = BY_QUARTERS.counts
TABLES = BY_QUARTERS.tables + BY_DAYS.tables
