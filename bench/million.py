"""A history of a million frames, made at once: for measuring pages over it.

python -m bench.million FOLDER        makes FOLDER/history/history.sqlite, in half a minute
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from service.history.database import open_to_write

FRAMES = 1_000_000
STEP_NS = 100_000_000  # ten a second: a million are a day and four hours
FIRST_NS = 1_764_000_000_000_000_000

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :frames) "
_STATEMENTS = (
    "INSERT INTO runs VALUES (1, 'local', 'none', :first, :first, :first)",
    _NUMBERS + "INSERT INTO records SELECT i, 1, :first + i * :step, i % 24, NULL, 'line', 'camera ' || (i % 3), "
    "CASE WHEN i % 5 THEN 'part ' || (i / 3) ELSE 'the same' END, 'tray ' || (i / 100) || ' of batch ' || (i / 10000), "
    "'0123456789abcdef', CASE WHEN i % 5000 THEN 200 ELSE 500 END, "
    "CASE WHEN i % 5000 = 0 THEN 'ERROR' WHEN i % 10 THEN 'OK' ELSE 'NOK' END, "
    "(i % 97) / 97.0, NULL, NULL, NULL, 300000, 0, 1, 2, 3, 4, 5, 6, 7 FROM n",
    "UPDATE records SET held = 'scratches' WHERE number % 1000 = 10",
    "INSERT INTO labels SELECT number, 'scratch' FROM records WHERE verdict = 'NOK'",
    "INSERT INTO labels SELECT number, 'dent' FROM records WHERE number % 30 = 0",
    "INSERT INTO labels SELECT number, 'seldom' FROM records WHERE number % 100000 = 7",
    (
        "INSERT INTO places SELECT number, 0, 'scratch', (number % 90) / 100.0, (number % 80) / 100.0, 0.1, 0.1 "
        "FROM records WHERE verdict = 'NOK'"
    ),
    # all but the oldest NOK were decided: the worst for who looks for what was not
    (
        "INSERT INTO decisions (record, at_ns, who, kind) SELECT number, came_ns, 'anna', "
        "CASE WHEN number % 100 THEN 'confirmed' ELSE 'false_call' END FROM records "
        "WHERE verdict = 'NOK' AND held IS NULL AND number > 500"
    ),
    (
        "INSERT INTO decided SELECT d.record, d.number, d.kind, CASE d.kind WHEN 'confirmed' THEN 'NOK' ELSE 'OK' END, "
        "r.came_ns FROM decisions d JOIN records r ON r.number = d.record"
    ),
    (
        "INSERT INTO pictures SELECT number, 'nok', '2026/' || number || '.jpg', NULL, 'image/jpeg', 300000, "
        "1920, 1024, NULL FROM records WHERE verdict = 'NOK'"
    ),
)


def make(path: Path, frames: int = FRAMES, first_ns: int = FIRST_NS) -> None:
    """Make it at `path`, in the form that this version reads; the first frame came at `first_ns`."""
    open_to_write(path).dispose()
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(records)")]
        values = {"frames": frames, "first": first_ns, "step": STEP_NS}
        for statement in _STATEMENTS:
            connection.execute(
                statement.replace("INTO records SELECT", f"INTO records ({_ordered(columns)}) SELECT"), values
            )


def _ordered(columns: list[str]) -> str:
    """The columns of records in the order of the statement above; a migration adds new ones at the end."""
    revision = "input_revision"
    rest = [name for name in columns if name not in {revision, "view", "held"}]
    at = rest.index("error_message") + 1
    return ", ".join([*rest[:at], revision, *rest[at:]])


if __name__ == "__main__":
    make(Path(sys.argv[1]) / "history" / "history.sqlite")
