"""The tables of the history, in words that SQLite and PostgreSQL both understand. Times are UTC, in ns.

::

    runs ----- a server from its start to its end, and until when all that it answered is here
     |- rings      up to which record the ring of each of its fronts is here
     |- records    what became of a frame
     |   |- contexts   its context, byte for byte as the client had it
     |   |- labels     each label once
     |   |- places     where what was found lies in the picture
     |   |- pictures   its picture, kept or lost
     |   '- measured   each measured value, of a series
     |- refusals   frames that were refused, counted by client and second
     '- unknown    intervals of which not all is known
    series ---- a measured value's name and unit

Those of parts, of decisions and of sums stand in files of their own.

They are made by migrations/, and what stands here is the same: a test compares them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()
# SQLite counts on its own in a column of exactly this type
NUMBER = BigInteger().with_variant(Integer(), "sqlite")

RUNS = Table(
    "runs",
    METADATA,
    Column("run", Integer, primary_key=True),
    Column("server", Text, nullable=False),
    Column("mark", Text, nullable=False, unique=True),  # its process, see marks.py
    Column("started_ns", BigInteger, nullable=False),
    Column("seen_ns", BigInteger, nullable=False),  # all that was answered before it is here
    Column("ended_ns", BigInteger),  # none: it still runs, or was killed
    Index("runs_server", "server"),
)

RINGS = Table(
    "rings",
    METADATA,
    Column("run", ForeignKey("runs.run", ondelete="CASCADE"), primary_key=True),
    Column("front", Integer, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("newest_ns", BigInteger, nullable=False),
)

RECORDS = Table(
    "records",
    METADATA,
    Column("number", NUMBER, primary_key=True),
    Column("run", ForeignKey("runs.run"), nullable=False),
    Column("came_ns", BigInteger, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("request_id", Text),
    Column("client", Text, nullable=False),
    Column("camera", Text, nullable=False),
    Column("part", Text),
    Column("view", Text),
    Column("data", Text, nullable=False),
    Column("flow_version", String(16), nullable=False),
    Column("status", Integer, nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("held", Text),  # the alert that held the line: its NOK is not what the machine said
    Column("score", Float),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("input_revision", BigInteger),  # of what operators had set
    Column("frame_bytes", BigInteger, nullable=False),
    Column("left_out_bytes", BigInteger, nullable=False),
    Column("waiting_ns", BigInteger, nullable=False),
    Column("receiving_ns", BigInteger, nullable=False),
    Column("queue_ns", BigInteger, nullable=False),
    Column("decoding_ns", BigInteger, nullable=False),
    Column("flow_ns", BigInteger, nullable=False),
    Column("encoding_ns", BigInteger, nullable=False),
    Column("took_ns", BigInteger, nullable=False),
    UniqueConstraint("came_ns", "slot", "run", name="records_id"),
    Index("records_part", "part"),
    Index("records_camera", "camera", "came_ns"),
    Index("records_verdict", "verdict", "came_ns"),
)

_IS_HELD = RECORDS.c.held.is_not(None)
Index("records_held", RECORDS.c.came_ns, sqlite_where=_IS_HELD, postgresql_where=_IS_HELD)  # of few frames

CONTEXTS = Table(
    "contexts",
    METADATA,
    Column("record", ForeignKey("records.number", ondelete="CASCADE"), primary_key=True),
    Column("context", LargeBinary, nullable=False),
)

LABELS = Table(
    "labels",
    METADATA,
    Column("record", ForeignKey("records.number", ondelete="CASCADE"), primary_key=True),
    Column("label", Text, primary_key=True),
    Index("labels_label", "label", "record"),
)

PLACES = Table(
    "places",
    METADATA,
    Column("record", ForeignKey("records.number", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),  # as its context counts them
    Column("label", Text),
    Column("x", Float, nullable=False),  # all of the picture's width or height: 0 to 1
    Column("y", Float, nullable=False),
    Column("width", Float, nullable=False),
    Column("height", Float, nullable=False),
)

PICTURES = Table(
    "pictures",
    METADATA,
    Column("record", ForeignKey("records.number", ondelete="CASCADE"), primary_key=True),
    Column("why", String(8), nullable=False),  # it was to be kept: nok, save, nth, all
    Column("file", Text),  # beneath the folder of pictures; none: it was lost, or had to go
    Column("lost", Text),  # why there is no file
    Column("media_type", Text),
    Column("bytes", BigInteger, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("pixel_format", Text),  # as the frame came; none: it came as a file
    Index("pictures_file", "file"),
)

SERIES = Table(
    "series",
    METADATA,
    Column("series", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    UniqueConstraint("name", "unit", name="series_name"),
)

MEASURED = Table(
    "measured",
    METADATA,
    Column("record", ForeignKey("records.number", ondelete="CASCADE"), primary_key=True),
    Column("series", ForeignKey("series.series"), primary_key=True),
    Column("value", Float),  # none: it could not be measured
    Column("low", Float),
    Column("high", Float),
    Column("ok", Boolean),
    Index("measured_series", "series", "record"),
)

REFUSALS = Table(
    "refusals",
    METADATA,
    Column("number", NUMBER, primary_key=True),
    Column("run", ForeignKey("runs.run"), nullable=False),
    Column("came_ns", BigInteger, nullable=False),
    Column("client", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("count", BigInteger, nullable=False),
    Index("refusals_time", "came_ns"),
)

UNKNOWN = Table(
    "unknown",
    METADATA,
    Column("number", NUMBER, primary_key=True),
    Column("run", ForeignKey("runs.run"), nullable=False),
    Column("begin_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("why", String(16), nullable=False),  # missed, killed, fault, damaged
    Column("count", BigInteger),  # of frames; none: nobody knows
    Index("unknown_time", "begin_ns"),
)
