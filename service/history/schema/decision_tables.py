"""The tables of what people decided about frames. Nothing in them is ever changed: what is taken back says so.

::

    records
     |- decisions   each thing that somebody said about a frame, in their order; an undo is one, too
     '- decided     what holds of that now, a row for a frame: for filters and statistics
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, String, Table, Text

from service.history.schema.tables import METADATA, NUMBER

# a decision's `kind`: confirmed (the NOK was right), false_call (it should have been OK), escape (an OK that should
# have been NOK), label (it has another label), undo (the decision `undoes` is taken back)
DECISIONS = Table(
    "decisions",
    METADATA,
    Column("number", NUMBER, primary_key=True),
    Column("record", ForeignKey("records.number", ondelete="CASCADE"), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("label", Text),  # the one that was corrected; of an escape: what was overlooked
    Column("new_label", Text),
    Column("note", Text),
    Column("undoes", ForeignKey("decisions.number")),
    # where the overlooked lies, if somebody has said it: of the picture's width and height, 0 to 1
    Column("x", Float),
    Column("y", Float),
    Column("width", Float),
    Column("height", Float),
    Index("decisions_record", "record"),
    Index("decisions_time", "at_ns"),
)

DECIDED = Table(
    "decided",
    METADATA,
    Column("record", ForeignKey("records.number", ondelete="CASCADE"), primary_key=True),
    Column("decision", ForeignKey("decisions.number", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),  # of the last verdict that was not taken back, else label
    Column("truth", String(8)),  # OK or NOK, as people see it; none: only a label was corrected
    Column("came_ns", BigInteger, nullable=False),  # the frame's, so that a time is found without its record
    Index("decided_time", "came_ns"),
)

TABLES = (DECISIONS, DECIDED)
