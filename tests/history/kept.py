"""What a database of the history has, as tests look at it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from service.history.database import open_to_read
from service.history.lookup import Wanted, entries
from service.history.places.place import Place
from service.results.record import Head, Kind, Record, Times, about_bytes
from tests.support.running import Server, command

CONTEXT = {"result": True, "score": 0.5}
SECOND_NS = 1_000_000_000
NOW_NS = 1_800_000_000 * SECOND_NS


def record(sequence: int, front: int = 0, came_ns: int = 0, context: Any = None, **about: str) -> Record:
    """What became of a frame, as a follower has it; by default its time is so many seconds after NOW_NS."""
    said = {"client": "10.0.0.9", "camera": "top", "part": f"{front}-{sequence}", "data": "", **about}
    head = Head(came_ns or NOW_NS + sequence * SECOND_NS + front, front, 200, True, 7, 256, Times(*range(1, 8)))
    return Record.unpack(head.pack(about_bytes(**said), b"", orjson.dumps(context or CONTEXT)), front, sequence)


def refusals(sequence: int, told: Any) -> Record:
    """Who was refused, as a follower has it."""
    head = Head(NOW_NS + sequence * SECOND_NS, 0xFFFF, 429, kind=Kind.REFUSALS)
    return Record.unpack(head.pack(b"", orjson.dumps({"refused": told}), b""), 0, sequence)


def found(place: Place, **wanted: Any) -> list[dict[str, Any]]:
    """All that is there, newest first."""
    engine = open_to_read(place)
    try:
        documents = [entry.document for entry in entries(engine, Wanted(**wanted), with_context=True)]
        return [json.loads(orjson.dumps(document)) for document in documents]
    finally:
        engine.dispose()


def parts(place: Place, **wanted: Any) -> list[str]:
    """The parts of all frames, newest first."""
    return [one["part"] for one in found(place, **wanted) if one["kind"] == "frame"]


def rows(path: Path, statement: str) -> Sequence[Any]:
    """Ask the file itself."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def printed(server: Server, *arguments: str) -> list[dict[str, Any]]:
    """What `framemill history --jsonl` prints."""
    done = command("history", server.project, "--jsonl", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
