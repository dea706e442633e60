"""The tables of parts that several frames make together.

::

    parts ---- a part of which all views are there, or whose time is over; its verdict is of all of them
     '- views     each view that it was to have, and the frame that was it; none: it is missing
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from service.history.schema.tables import METADATA, NUMBER

PARTS = Table(
    "parts",
    METADATA,
    Column("number", NUMBER, primary_key=True),
    Column("run", ForeignKey("runs.run"), nullable=False),
    Column("part", Text, nullable=False),
    Column("begin_ns", BigInteger, nullable=False),  # when its first frame came
    Column("end_ns", BigInteger, nullable=False),
    Column("slot", Integer, nullable=False),  # with begin_ns its id
    Column("flow_version", String(16), nullable=False),
    Column("verdict", String(8), nullable=False),  # OK, NOK, OFF; ERROR: see why
    Column("why", String(16)),  # missing, twice, error, off, unknown_view, rule, pushed_out, ended, desk_away
    Index("parts_part", "part"),
    Index("parts_time", "begin_ns"),
)

PART_VIEWS = Table(
    "part_views",
    METADATA,
    Column("number", ForeignKey("parts.number", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),  # as the project names them
    Column("view", Text, nullable=False),
    Column("came_ns", BigInteger),  # with the slot: the frame; none: it is missing
    Column("slot", Integer),
    Column("verdict", String(8), nullable=False),  # of the frame; TWICE, MISSING
)

TABLES = (PARTS, PART_VIEWS)
