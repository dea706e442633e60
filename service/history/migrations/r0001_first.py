"""The first form: runs, records with contexts, labels and measured values, refusals, unknown intervals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMES = ("waiting_ns", "receiving_ns", "queue_ns", "decoding_ns", "flow_ns", "encoding_ns", "took_ns")


def upgrade() -> None:
    """Make the tables."""
    _make_runs()
    _make_records()
    _make_what_hangs_on_records()
    op.create_table(
        "refusals",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.run"), nullable=False),
        sa.Column("came_ns", sa.BigInteger, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_index("refusals_time", "refusals", ["came_ns"])
    op.create_table(
        "unknown",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.run"), nullable=False),
        sa.Column("begin_ns", sa.BigInteger, nullable=False),
        sa.Column("end_ns", sa.BigInteger, nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("count", sa.BigInteger),
    )
    op.create_index("unknown_time", "unknown", ["begin_ns"])


def _make_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run", sa.Integer, primary_key=True),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("mark", sa.Text, nullable=False, unique=True),
        sa.Column("started_ns", sa.BigInteger, nullable=False),
        sa.Column("seen_ns", sa.BigInteger, nullable=False),
        sa.Column("ended_ns", sa.BigInteger),
    )
    op.create_table(
        "rings",
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.run", ondelete="CASCADE"), primary_key=True),
        sa.Column("front", sa.Integer, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("newest_ns", sa.BigInteger, nullable=False),
    )


def _make_records() -> None:
    op.create_table(
        "records",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.run"), nullable=False),
        sa.Column("came_ns", sa.BigInteger, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("part", sa.Text),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("flow_version", sa.String(16), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("frame_bytes", sa.BigInteger, nullable=False),
        sa.Column("left_out_bytes", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _TIMES),
        sa.UniqueConstraint("came_ns", "slot", "run", name="records_id"),
    )
    op.create_index("records_part", "records", ["part"])
    op.create_index("records_camera", "records", ["camera", "came_ns"])
    op.create_index("records_verdict", "records", ["verdict", "came_ns"])


def _make_what_hangs_on_records() -> None:
    op.create_table("contexts", _record(), sa.Column("context", sa.LargeBinary, nullable=False))
    op.create_table("labels", _record(), sa.Column("label", sa.Text, primary_key=True))
    op.create_index("labels_label", "labels", ["label", "record"])
    op.create_table(
        "series",
        sa.Column("series", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.UniqueConstraint("name", "unit", name="series_name"),
    )
    op.create_table(
        "measured",
        _record(),
        sa.Column("series", sa.Integer, sa.ForeignKey("series.series"), primary_key=True),
        sa.Column("value", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("ok", sa.Boolean),
    )
    op.create_index("measured_series", "measured", ["series", "record"])


def _record() -> sa.Column[int]:
    return sa.Column("record", _NUMBER, sa.ForeignKey("records.number", ondelete="CASCADE"), primary_key=True)
