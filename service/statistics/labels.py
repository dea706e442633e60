"""Labels of a time, the most frequent first, with what people have decided; and where on the picture things lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from service.history.schema.quarter_tables import CELLS
from service.statistics.pieces import added_up

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.decisions.rates import Rates
    from service.statistics.asked import Wanted

_MOST_LABELS = 500


class Labelled(NamedTuple):
    """How many frames had a label, and how many of those were NOK."""

    label: str
    frames: int
    nok: int


def labels_of(connection: Connection, wanted: Wanted) -> list[Labelled]:
    """Return the labels, those of the most NOK frames first."""
    found = added_up(connection, wanted._replace(label=None), "labels", ("label",), ("count", "nok"))
    labels = [Labelled(label, count, nok) for (label,), (count, nok) in found.items()]
    return sorted(labels, key=lambda one: (-one.nok, -one.frames, one.label))[:_MOST_LABELS]


def places_of(connection: Connection, wanted: Wanted) -> dict[tuple[int, int], int]:
    """Return how often the middle of what was found in NOK frames lay in a cell, by column and row."""
    found = added_up(connection, wanted, "places", ("cell",), ("count",))
    return {(cell % CELLS, cell // CELLS): count for (cell,), (count,) in found.items()}


def documents_of(labels: list[Labelled], nok: int, rates: Rates | None) -> list[dict[str, Any]]:
    """Return labels as JSON has them; `share` is of all NOK frames, of which one may have several labels."""
    found = []
    for one in labels:
        entry: dict[str, Any] = {"label": one.label, "frames": one.frames, "nok": one.nok}
        entry["share"] = one.nok / nok if nok else None
        if rates is not None:
            decided = rates.by_label.get(one.label)
            entry["confirmed"] = decided.confirmed if decided else 0
            entry["falseCalls"] = decided.false_calls if decided else 0
            entry["escapes"] = decided.escapes if decided else 0
            entry["falseCallShare"] = decided.false_call_share if decided else None
        found.append(entry)
    return found
