"""Frames of a factory, in a history that a server has, or in one by itself."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from service.history.schema.times import DAY_NS
from service.results.record import Record
from service.statistics.shifts import SECOND_NS
from tests.history.kept import record

SHAPE = {"height": 480, "width": 640}
BEGIN_NS = 1_800_000_000 * SECOND_NS - 1_800_000_000 * SECOND_NS % DAY_NS  # a midnight, UTC
LABELS = ("scratch", "dent", "burr")


def frames(
    count: int, begin_ns: int, span_ns: int, *, labels: Sequence[str] = LABELS, measures: int = 2
) -> list[Record]:
    """Frames of two cameras, every tenth NOK with one label at its place, every hundredth an error."""
    chance = random.Random(3)
    found = []
    for sequence in range(1, count + 1):
        status = 504 if sequence % 100 == 50 else 200
        is_ok = bool(sequence % 10)
        label = labels[sequence // 10 % len(labels)]
        rectangle = {"x": 310, "y": 230, "width": 20, "height": 20, "classNames": [{"label": label}]}
        context: dict[str, Any] = {"result": is_ok, "detectedRectangles": [] if is_ok else [rectangle]}
        context["imageShape"] = SHAPE
        context["measures"] = {
            f"bore {number}": {"value": chance.gauss(10, 0.02), "unit": "mm", "min": 9.9, "max": 10.1, "ok": True}
            for number in range(1, measures + 1)
        }
        came_ns = begin_ns + sequence * span_ns // (count + 1)
        one = record(sequence, 0, came_ns, context, camera=("top", "left")[sequence % 2])
        times = one.head.times._replace(took_ns=20_000_000 if sequence % 100 else 200_000_000)
        head = one.head._replace(status=status, verdict=is_ok if status == 200 else None, times=times)
        found.append(Record(head, one.about, {}, one.context if status == 200 else b"", 0, sequence))
    return found
