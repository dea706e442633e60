"""Statistics for spreadsheets: one table of them as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any, Literal, get_args

Table = Literal["bins", "shifts", "cameras", "servers", "labels", "measures", "latency", "places", "unknown"]
TABLES: tuple[str, ...] = get_args(Table)
# a spreadsheet takes a text that begins so for something to be computed
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(document: dict[str, Any], table: Table) -> str:
    """Return a table of a document as CSV, with a line of names."""
    rows = _rows_of(document, table)
    names = [*dict.fromkeys(name for row in rows for name in row)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def _rows_of(document: dict[str, Any], table: Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]]
    if table == "places":
        found = document["places"]["cells"]
    elif table == "latency":
        found = document["latency"]["bins"]
    elif table == "unknown":
        found = document["unknown"]["last"]
    else:
        found = document[table]
    return found


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
