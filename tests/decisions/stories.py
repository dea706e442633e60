"""A history with frames to decide about, and what somebody says of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from service.decisions.deciding import By, Decided, Said, decide, decided_of, undo
from service.decisions.rules import Kind, Place
from service.history.database import open_beside
from service.history.frame_id import row_of
from service.history.marks import mark_of
from service.history.writing.store import Store
from service.results.documents import id_text
from service.results.record import Head, Record, Times, about_bytes, error_bytes
from tests.history.kept import NOW_NS, SECOND_NS

WORDS = {"OK": True, "NOK": False, "OFF": None}


class Told:
    """A database with frames of these verdicts and labels; frame n came so many seconds after NOW_NS."""

    def __init__(self, path: Path, frames: Sequence[tuple[str, Sequence[str]]]) -> None:
        store = Store.begin(path, str(mark_of(os.getpid())), NOW_NS)
        store.write([_record(n, verdict, labels) for n, (verdict, labels) in enumerate(frames, 1)], None)
        store.close()
        self.engine: Engine = open_beside(path)

    def say(self, frame: int, kind: str, who: str = "anna", after: int | None = None, **more: Any) -> Decided:
        """Somebody says something, by default having seen all."""
        seen = self.of(frame).last if after is None else after
        if isinstance(more.get("place"), tuple):
            more["place"] = Place(*more["place"])
        with self.engine.begin() as connection:
            return decide(connection, frame_id(frame), Said(Kind(kind), seen, **more), By(who, NOW_NS))

    def take_back(self, frame: int, number: int, after: int | None = None) -> Decided:
        """Somebody takes a decision back."""
        seen = self.of(frame).last if after is None else after
        with self.engine.begin() as connection:
            return undo(connection, frame_id(frame), number, Said(Kind.UNDO, seen), By("bert", NOW_NS))

    def of(self, frame: int) -> Decided:
        """What was decided about a frame."""
        with self.engine.begin() as connection:
            return decided_of(connection, row_of(connection, frame_id(frame)))


def frame_id(frame: int) -> str:
    """The id of a frame of such a history."""
    return id_text(NOW_NS + frame * SECOND_NS, 3)


def _record(number: int, verdict: str, labels: Sequence[str]) -> Record:
    came_ns = NOW_NS + number * SECOND_NS
    about = about_bytes(client="line", camera="top", part=f"p{number}", data=f"tray {number}")
    if verdict == "ERROR":
        head = Head(came_ns, 3, 500)
        packed = head.pack(about, error_bytes("worker_crashed", "it ended"), b"")
    else:
        listed = ",".join('{"label":"%s"}' % label for label in labels)  # noqa: UP031 - JSON has braces of its own
        context = b'{"surfaceClasses":[%b]}' % listed.encode()
        packed = Head(came_ns, 3, 200, WORDS[verdict], 7, 256, Times(*range(1, 8))).pack(about, b"", context)
    return Record.unpack(packed, 0, number)
