"""A history of some days of a factory, as the recorder would have written it: for measuring pages, and to look at them.

python -m bench.factory_days FOLDER --days 1          a day of three cameras, frame by frame: FOLDER/history/...
python -m bench.factory_days FOLDER --sums --days 90  the sums of 90 days alone, as full as they can be
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from service.history.database import open_to_write
from service.history.marks import mark_of
from service.history.places.place import sqlite_in
from service.history.schema.quarter_tables import BY_DAYS, BY_QUARTERS
from service.history.schema.times import DAY_NS, QUARTER_NS
from service.history.writing.store import Store
from service.results.record import Head, Record, Times, about_bytes

_BATCH = 1000
_LABELS = ("scratch", "dent", "burr", "missing hole", "stain")


class Size(NamedTuple):
    """How many there are of what makes pages long."""

    labels: int = 5
    measures: int = 4
    cameras: int = 3


def frames_of(begin_ns: int, end_ns: int, count: int, size: Size) -> Iterator[Record]:
    """Yield frames of a time: good shifts and bad ones, a tool that wears, breaks."""
    labels, measures = size.labels, size.measures
    chance = random.Random(11)
    names = [*_LABELS[:labels], *(f"defect of kind {number}" for number in range(len(_LABELS), labels))]
    weights = [1 / (place + 1) for place in range(labels)]
    places = {name: (chance.uniform(100, 540), chance.uniform(80, 400)) for name in names}
    gap_ns = (end_ns - begin_ns) // count
    sequence = 0
    for number in range(count):
        came_ns = begin_ns + number * gap_ns + chance.randrange(max(1, gap_ns // 2))
        hour = came_ns // (4 * QUARTER_NS) % 24
        if hour in {2, 10, 18} and came_ns % (4 * QUARTER_NS) < 2 * QUARTER_NS:  # a break
            continue
        sequence += 1
        bad = 0.12 if hour in {13, 14} else 0.04
        is_ok = chance.random() > bad
        found = [] if is_ok else chance.choices(names, weights, k=chance.choice((1, 1, 2)))
        rectangles = [
            {
                "x": chance.gauss(places[name][0], 40),
                "y": chance.gauss(places[name][1], 30),
                "width": 24,
                "height": 18,
                "classNames": [{"label": name}],
            }
            for name in found
        ]
        wear = (came_ns - begin_ns) / DAY_NS * 0.02
        values = {}
        for bore in range(measures):
            value = chance.gauss(10 + bore + wear * (bore % 3), 0.02)
            low, high = 9.9 + bore, 10.1 + bore
            values[f"bore {bore + 1}"] = {
                "value": value,
                "unit": "mm",
                "min": low,
                "max": high,
                "ok": low <= value <= high,
            }
        context = {
            "result": is_ok,
            "score": 0.2,
            "detectedRectangles": rectangles,
            "imageShape": {"height": 480, "width": 640},
            "measures": values,
        }
        took_ns = int(chance.lognormvariate(17.2, 0.35))
        times = Times(1000, 200_000, 300_000, 4_000_000, took_ns // 2, 200_000, took_ns)
        status = 504 if chance.random() < 0.001 else 200
        head = Head(came_ns, sequence % 16, status, is_ok if status == 200 else None, 7, 921_600, times)
        about = about_bytes("line 1", f"camera {sequence % size.cameras + 1}", str(sequence), "")
        yield Record.unpack(head.pack(about, b"", orjson.dumps(context) if status == 200 else b""), 0, sequence)


def write_frames(path: Path, begin_ns: int, end_ns: int, count: int, size: Size) -> None:
    """Write them as the recorder does; at two thirds of the time the server was killed for a quarter."""
    with closing(Store.begin(path, str(mark_of(os.getpid())), begin_ns)) as store:
        frames = frames_of(begin_ns, end_ns, count, size)
        while batch := [*islice(frames, _BATCH)]:
            store.write(batch, end_ns)
    with closing(sqlite3.connect(path)) as connection, connection:
        at_ns = begin_ns + 2 * (end_ns - begin_ns) // 3
        gap = "INSERT INTO unknown (run, begin_ns, end_ns, why, count) VALUES (1, ?, ?, ?, ?)"
        connection.execute(gap, (at_ns, at_ns + QUARTER_NS, "killed", None))
        connection.execute(gap, (at_ns - 20 * QUARTER_NS, at_ns - 20 * QUARTER_NS + 5_000_000_000, "missed", 12))


def write_sums(path: Path, end_ns: int, days: int, size: Size) -> None:
    """Write sums of each quarter and day for each camera, label and series: no real history has more."""
    open_to_write(path).dispose()
    with closing(sqlite3.connect(path)) as connection, connection:
        names = [(f"bore {number}", "mm") for number in range(1, size.measures + 1)]
        connection.executemany("INSERT INTO series (name, unit) VALUES (?, ?)", names)
        for sums in (BY_QUARTERS, BY_DAYS):
            spans, factor = days * DAY_NS // sums.span_ns, sums.span_ns // QUARTER_NS
            first_ns = end_ns - end_ns % sums.span_ns - (spans - 1) * sums.span_ns
            for table, of_one in zip(sums.tables, _rows_of(size, factor), strict=True):
                marks = ", ".join("?" * len(table.columns))
                rows = (
                    (first_ns + span * sums.span_ns, "local", f"camera {camera}", *row)
                    for span in range(spans)
                    for camera in range(size.cameras)
                    for row in of_one
                )
                connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)


def _rows_of(size: Size, factor: int) -> tuple[list[tuple[Any, ...]], ...]:
    """What each camera has in each span: counts, labels, places, measured, took."""
    return (
        [(970 * factor, 28 * factor, 0, 2 * factor, 0, 30_000_000_000 * factor)],
        [(f"defect {number}", factor, factor) for number in range(size.labels)],
        [(f"defect {cell % size.labels}", cell * 37 % 1024, factor) for cell in range(40)],
        [
            (number, 999 * factor, 10 + number / 1000, 0.4 * factor, 9.91, 10.09, 0, 9.9, 10.1)
            for number in range(1, size.measures + 1)
        ],
        [(50 + number, 50 * factor) for number in range(20)],
    )


def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--frames", type=int, default=40_000)
    parser.add_argument("--labels", type=int, default=5)
    parser.add_argument("--measures", type=int, default=4)
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--sums", action="store_true")
    chosen = parser.parse_args()
    path, now_ns = sqlite_in(chosen.folder), time.time_ns()
    size = Size(chosen.labels, chosen.measures, chosen.cameras)
    if chosen.sums:
        write_sums(path, now_ns, chosen.days, size)
    else:
        write_frames(path, now_ns - chosen.days * DAY_NS, now_ns, chosen.frames, size)


if __name__ == "__main__":
    main()
