"""The tables of sums over quarters of an hour, so that a page over a million frames reads some hundred rows.

The recorder adds to them in the transaction that writes the frames, so both say the same; they stay as long as
`history_days` says, also where frames of theirs had to go. A quarter begins at `begin_ns`, UTC, by when a frame came;
`server` and `camera` are as in runs and records.

::

    quarters            how many frames had which verdict, and how long they took together
    quarter_labels      how many frames had a label
    quarter_measured    of each series: how many values, their sum, that of their squares, extremes, how many not ok
    quarter_took        how many frames took how long: bin b is from 2**(b/4) us up to 2**((b+1)/4) us
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Integer, Table, Text

from service.history.tables import METADATA

QUARTER_NS = 900_000_000_000


def _key() -> tuple[Column[int], Column[str], Column[str]]:
    return (
        Column("begin_ns", BigInteger, primary_key=True),
        Column("server", Text, primary_key=True),
        Column("camera", Text, primary_key=True),
    )


QUARTERS = Table(
    "quarters",
    METADATA,
    *_key(),
    Column("ok", BigInteger, nullable=False),
    Column("nok", BigInteger, nullable=False),
    Column("off", BigInteger, nullable=False),
    Column("error", BigInteger, nullable=False),
    Column("took_ns", BigInteger, nullable=False),
)

QUARTER_LABELS = Table(
    "quarter_labels",
    METADATA,
    *_key(),
    Column("label", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

QUARTER_MEASURED = Table(
    "quarter_measured",
    METADATA,
    *_key(),
    Column("series", ForeignKey("series.series"), primary_key=True),
    Column("count", BigInteger, nullable=False),  # of values that could be measured
    Column("total", Float, nullable=False),
    Column("squares", Float, nullable=False),
    Column("least", Float),
    Column("most", Float),
    Column("failed", BigInteger, nullable=False),  # not ok, or not measurable
    Column("low", Float),  # the limits, as the last value had them
    Column("high", Float),
)

QUARTER_TOOK = Table(
    "quarter_took",
    METADATA,
    *_key(),
    Column("bin", Integer, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

TABLES = (QUARTERS, QUARTER_LABELS, QUARTER_MEASURED, QUARTER_TOOK)
