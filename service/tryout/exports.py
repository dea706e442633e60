"""What a run leaves for other programs: a table as CSV, contexts as lines of JSON."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import BinaryIO

import orjson

from service.tryout.row import Row

_COLUMNS = ("file", "verdict", "right", "score", "threshold", "found", "labels", "decode_ms", "flow_ms", "notes")


def json_line(row: Row, context: bytes) -> bytes:
    """Return a frame as a line of JSON: `file`, `verdict`, `context` or null, `error` or null, and what is right."""
    document: dict[str, object] = {
        "file": row.name,
        "verdict": row.verdict,
        "context": orjson.Fragment(context) if context else None,
        "error": row.notes[0] if row.verdict == "ERROR" else None,
    }
    if row.expected is not None:
        document["expected"] = row.expected.model_dump(include={"result", "label"})
    return orjson.dumps(document) + b"\n"


def write_csv(path: Path, rows: list[Row]) -> None:
    """Write a line for each row; behind our columns come the project's own values, whichever frame has them.

    Raises OSError where it cannot be written.
    """
    own = dict.fromkeys(name for row in rows for name in row.values)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([*_COLUMNS, *own])
        for row in rows:
            head = [row.name, row.verdict, row.right, row.score, row.threshold, row.found, "; ".join(row.labels)]
            times = [f"{row.decode_ms:.3f}", f"{row.flow_ms:.3f}", "; ".join(row.notes)]
            table.writerow([*head, *times, *(row.values.get(name, "") for name in own)])


class JsonLines:
    """A file that grows by a line for each frame."""

    def __init__(self, path: Path) -> None:
        """Begin it anew; raises OSError where it cannot be written."""
        self._file: BinaryIO = path.open("wb")

    def add(self, row: Row, context: bytes) -> None:
        """Write one more."""
        self._file.write(json_line(row, context))

    def close(self) -> None:
        """Write what is left."""
        self._file.close()
