"""All that is known of a time, asked at once: for the page, and as JSON has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.decisions.rates import COLUMNS, ROWS, Rates, rates
from service.history.schema.quarter_tables import CELLS
from service.results.documents import time_text
from service.statistics import labels, latency, measured, unknown
from service.statistics.counts import (
    Bin,
    Counts,
    bins_of,
    by_camera_and_server,
    by_shift,
    document_of,
    fill,
    label_over_time,
    over_time,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.shift_settings import ShiftSettings
    from service.statistics.asked import Wanted
    from service.statistics.shifts import Shift


@dataclass(slots=True)
class Found:
    """What is known; `cameras` and `servers` are all that have frames in the time, whichever is asked for."""

    wanted: Wanted
    total: Counts
    cameras: dict[str, Counts]
    servers: dict[str, Counts]
    bins: list[Bin]
    shifts: list[tuple[Shift, Counts]]
    labels: list[labels.Labelled]
    places: dict[tuple[int, int], int]
    measures: list[measured.Measure]
    took: list[latency.Took]
    unknown: unknown.Unknown
    rates: Rates | None

    @property
    def ok_share_at_least(self) -> float | None:
        """The yield if none of the frames that are not known was OK; None where nobody knows how many they are."""
        all_frames = self.total.inspected + self.unknown.frames
        return self.total.ok / all_frames if self.unknown.is_counted and all_frames else None

    @property
    def ok_share_decided(self) -> float | None:
        """The yield with what people have decided: false calls are OK, escapes are not."""
        if self.rates is None or not self.total.inspected:
            return None
        good = self.total.ok + self.rates.counts.false_calls - self.rates.counts.escapes
        # people may also have decided about frames that are in no sums
        return min(1.0, max(0.0, good / self.total.inspected))


def find(connection: Connection, settings: ShiftSettings, wanted: Wanted) -> Found:
    """Ask for all of it."""
    everywhere = by_camera_and_server(connection, wanted._replace(camera=None, server=None))
    counted = over_time(connection, wanted)
    total = _total(everywhere, wanted)
    found = Found(
        wanted,
        total,
        _together(everywhere, 0, wanted.server, 1),
        _together(everywhere, 1, wanted.camera, 0),
        bins_of(settings, wanted),
        by_shift(settings, wanted, counted),
        labels.labels_of(connection, wanted),
        labels.places_of(connection, wanted),
        measured.measures_of(connection, wanted),
        latency.took_of(connection, wanted),
        unknown.unknown_of(connection, wanted),
        # decisions know no server
        _rates(connection, wanted, total) if wanted.server is None else None,
    )
    fill(found.bins, counted, label_over_time(connection, wanted) if wanted.label is not None else ())
    unknown.mark(found.bins, found.unknown)
    return found


def document(found: Found, zone: str) -> dict[str, Any]:
    """Return it as JSON has it."""
    wanted, shift = found.wanted, found.wanted.shift
    return {
        "since": time_text(wanted.since_ns),
        "until": time_text(wanted.until_ns),
        "now": time_text(wanted.now_ns),
        "shift": _shift(shift) if shift else None,
        "timeZone": zone,
        "counts": {
            **document_of(found.total),
            "yieldAtLeast": found.ok_share_at_least,
            "yieldDecided": found.ok_share_decided,
        },
        "unknown": unknown.document_of(found.unknown),
        "decided": _decided(found.rates) if found.rates else None,
        "bins": [
            {
                "time": time_text(one.begin_ns),
                "until": time_text(one.end_ns),
                **document_of(one.counts),
                "unknown": one.unknown,
                "unknownFrames": one.unknown_count,
                **({"label": one.label} if wanted.label is not None else {}),
            }
            for one in found.bins
        ],
        "cameras": [{"camera": name, **document_of(counts)} for name, counts in found.cameras.items()],
        "servers": [{"server": name, **document_of(counts)} for name, counts in found.servers.items()],
        "shifts": [{**_shift(shift), **document_of(counts)} for shift, counts in found.shifts],
        "labels": labels.documents_of(found.labels, found.total.nok, found.rates),
        "places": {
            "columns": CELLS,
            "rows": CELLS,
            "cells": [
                {"column": column, "row": row, "count": count} for (column, row), count in sorted(found.places.items())
            ],
        },
        "measures": [measured.document_of(one) for one in found.measures],
        "latency": latency.document_of(found.took, found.total.took_ns),
    }


def _rates(connection: Connection, wanted: Wanted, total: Counts) -> Rates:
    return rates(connection, wanted.since_ns, wanted.until_ns, wanted.camera, total.nok)


def _shift(shift: Shift) -> dict[str, Any]:
    return {
        "day": shift.day.isoformat(),
        "name": shift.name,
        "begin": time_text(shift.begin_ns),
        "end": time_text(shift.end_ns),
    }


def _decided(found: Rates) -> dict[str, Any]:
    return {
        "confirmed": found.counts.confirmed,
        "falseCalls": found.counts.false_calls,
        "escapes": found.counts.escapes,
        "undecidedNok": found.undecided,
        "falseCallShare": found.counts.false_call_share,
        "escapeShare": found.counts.escape_share,
        "places": {
            "columns": COLUMNS,
            "rows": ROWS,
            "cells": [
                {
                    "column": cell.column,
                    "row": cell.row,
                    "confirmed": counts.confirmed,
                    "falseCalls": counts.false_calls,
                    "escapes": counts.escapes,
                }
                for cell, counts in sorted(found.by_place.items())
            ],
        },
    }


def _total(everywhere: dict[tuple[str, str], Counts], wanted: Wanted) -> Counts:
    total = Counts()
    for (camera, server), counts in everywhere.items():
        if wanted.camera in {None, camera} and wanted.server in {None, server}:
            total.add(counts)
    return total


def _together(everywhere: dict[tuple[str, str], Counts], by: int, chosen: str | None, other: int) -> dict[str, Counts]:
    """Add up by camera or by server, of one of the others or of all; in the order of their names."""
    found: dict[str, Counts] = {}
    for key, counts in sorted(everywhere.items()):
        if chosen in {None, key[other]} and (counts.frames or by):
            found.setdefault(key[by], Counts()).add(counts)
    return found
