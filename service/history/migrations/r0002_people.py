"""Pictures, places of what was found, parts of several views, what people decided, sums over time."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_RECORD = "records.number"


def upgrade() -> None:
    """Add the tables, and columns that may be empty: a server of the version before may still write."""
    op.add_column("records", sa.Column("input_revision", sa.BigInteger))
    op.add_column("records", sa.Column("view", sa.Text))
    op.add_column("records", sa.Column("held", sa.Text))
    op.create_index("runs_server", "runs", ["server"])
    is_held = sa.text("held IS NOT NULL")
    op.create_index("records_held", "records", ["came_ns"], sqlite_where=is_held, postgresql_where=is_held)
    _make_pictures()
    _make_parts()
    _make_decisions()
    for span in ("quarter", "day"):
        _make_sums(span)


def _make_pictures() -> None:
    op.create_table(
        "places",
        sa.Column("record", _NUMBER, sa.ForeignKey(_RECORD, ondelete="CASCADE"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("label", sa.Text),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("x", "y", "width", "height")),
    )
    op.create_table(
        "pictures",
        sa.Column("record", _NUMBER, sa.ForeignKey(_RECORD, ondelete="CASCADE"), primary_key=True),
        sa.Column("why", sa.String(8), nullable=False),
        sa.Column("file", sa.Text),
        sa.Column("lost", sa.Text),
        sa.Column("media_type", sa.Text),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("pixel_format", sa.Text),
    )
    op.create_index("pictures_file", "pictures", ["file"])


def _make_parts() -> None:
    op.create_table(
        "parts",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.run"), nullable=False),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("begin_ns", sa.BigInteger, nullable=False),
        sa.Column("end_ns", sa.BigInteger, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("flow_version", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("why", sa.String(16)),
    )
    op.create_index("parts_part", "parts", ["part"])
    op.create_index("parts_time", "parts", ["begin_ns"])
    op.create_table(
        "part_views",
        sa.Column("number", _NUMBER, sa.ForeignKey("parts.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("came_ns", sa.BigInteger),
        sa.Column("slot", sa.Integer),
        sa.Column("verdict", sa.String(8), nullable=False),
    )


def _make_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("record", _NUMBER, sa.ForeignKey(_RECORD, ondelete="CASCADE"), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("new_label", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("undoes", _NUMBER, sa.ForeignKey("decisions.number")),
        *(sa.Column(name, sa.Float) for name in ("x", "y", "width", "height")),
    )
    op.create_index("decisions_record", "decisions", ["record"])
    op.create_index("decisions_time", "decisions", ["at_ns"])
    op.create_table(
        "decided",
        sa.Column("record", _NUMBER, sa.ForeignKey(_RECORD, ondelete="CASCADE"), primary_key=True),
        sa.Column("decision", _NUMBER, sa.ForeignKey("decisions.number", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("truth", sa.String(8)),
        sa.Column("came_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("decided_time", "decided", ["came_ns"])


def _make_sums(span: str) -> None:
    _make_sum(f"{span}s", *(_counted(name) for name in ("ok", "nok", "off", "error", "refused", "held", "took_ns")))
    _make_sum(f"{span}_labels", sa.Column("label", sa.Text, primary_key=True), _counted("count"), _counted("nok"))
    _make_sum(
        f"{span}_places",
        sa.Column("label", sa.Text, primary_key=True),
        sa.Column("cell", sa.Integer, primary_key=True),
        _counted("count"),
    )
    _make_sum(
        f"{span}_measured",
        sa.Column("series", sa.Integer, sa.ForeignKey("series.series"), primary_key=True),
        _counted("count"),
        sa.Column("mean", sa.Float, nullable=False),
        sa.Column("squares", sa.Float, nullable=False),
        sa.Column("least", sa.Float),
        sa.Column("most", sa.Float),
        _counted("failed"),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
    )
    _make_sum(f"{span}_took", sa.Column("bin", sa.Integer, primary_key=True), _counted("count"))


def _make_sum(name: str, *columns: sa.Column[Any]) -> None:
    key = (
        sa.Column("begin_ns", sa.BigInteger, primary_key=True),
        sa.Column("server", sa.Text, primary_key=True),
        sa.Column("camera", sa.Text, primary_key=True),
    )
    op.create_table(name, *key, *columns, sqlite_with_rowid=False)


def _counted(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)
