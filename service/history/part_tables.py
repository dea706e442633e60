"""The tables of parts that several frames make together.

::

    parts ---- a part of which all views are there, or whose time is over; its verdict is of all of them
     '- views     each view that it was to have, and the frame that was it; none: it is missing
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from service.history.tables import METADATA, NUMBER

PARTS = Table(
    "parts",
    METADATA,
    Column("number", NUMBER, primary_key=True),
    Column("run", ForeignKey("runs.run"), nullable=False),
    Column("part", Text, nullable=False),
    Column("begin_ns", BigInteger, nullable=False),  # when its first frame came
    Column("end_ns", BigInteger, nullable=False),
    Column("verdict", String(8), nullable=False),  # OK, NOK, ERROR: a view is missing, or was one
    Index("parts_part", "part"),
    Index("parts_time", "begin_ns"),
)

PART_VIEWS = Table(
    "part_views",
    METADATA,
    Column("number", ForeignKey("parts.number", ondelete="CASCADE"), primary_key=True),
    Column("view", Text, primary_key=True),
    Column("came_ns", BigInteger),  # with the slot: the frame; none: it is missing
    Column("slot", Integer),
    Column("verdict", String(8), nullable=False),  # of the frame; MISSING
)

TABLES = (PARTS, PART_VIEWS)
