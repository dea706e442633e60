"""A server under load whose history is looked at afterwards: cameras that know what each frame was answered."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, select

from service.history.database import open_to_read
from service.history.pictures.rows import WAITING
from service.history.places.place import Place, PostgresUrl
from service.history.schema.tables import PICTURES, RECORDS, RUNS, UNKNOWN
from tests.results.served import Cameras, project_in
from tests.support.faults import programs_of, until
from tests.support.running import Server, serving


class Row(NamedTuple):
    """A frame as the database has it."""

    id: str
    part: str
    status: int
    came_ns: int


@contextmanager
def asked(place: Place) -> Iterator[Connection]:
    """The database, to be read."""
    engine = open_to_read(place)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def rows_of(place: Place, server: str = "") -> list[Row]:
    """Each frame that was recorded, of one server where it is named."""
    query = select(RECORDS.c.came_ns, RECORDS.c.slot, RECORDS.c.part, RECORDS.c.status)
    if server:
        query = query.join(RUNS, RUNS.c.run == RECORDS.c.run).where(RUNS.c.server == server)
    with asked(place) as connection:
        found = connection.execute(query).all()
    return [Row(f"{one.came_ns:016x}{one.slot & 0xFF:02x}", one.part, one.status, one.came_ns) for one in found]


def check_each_once(place: Place, cameras: Cameras, but: frozenset[str] = frozenset()) -> list[Row]:
    """Each frame that was answered with a verdict is on record as that, once, but for these parts; none twice."""
    rows = rows_of(place)
    assert len({row.id for row in rows}) == len(rows)
    parts = [row.part for row in rows if row.status == 200]
    assert len({*parts}) == len(parts)
    known = {row.part: row.id for row in rows if row.status == 200}
    missing = {part for part, frame_id in cameras.inspected.items() if known.get(part) != frame_id} - but
    assert not missing
    assert known.keys() - cameras.inspected.keys() <= cameras.cut | {
        part for part, (status, _) in cameras.answers.items() if status != 200
    }
    return rows


def unknown_of(place: Place, why: str) -> list[tuple[int, int]]:
    """Intervals of which not all is known, for this reason."""
    query = select(UNKNOWN.c.begin_ns, UNKNOWN.c.end_ns).where(UNKNOWN.c.why == why).order_by(UNKNOWN.c.begin_ns)
    with asked(place) as connection:
        return [(row.begin_ns, row.end_ns) for row in connection.execute(query)]


def pictures_of(place: Place, server: str = "") -> list[Any]:
    """All rows of pictures."""
    query = select(PICTURES).join(RECORDS, RECORDS.c.number == PICTURES.c.record)
    if server:
        query = query.join(RUNS, RUNS.c.run == RECORDS.c.run).where(RUNS.c.server == server)
    with asked(place) as connection:
        return [*connection.execute(query).all()]


def files_in(folder: Path) -> set[str]:
    """What lies in a folder of pictures, whatever it is called."""
    found = set()
    for parent, _, names in os.walk(folder):
        found |= {str((Path(parent) / name).relative_to(folder)) for name in names}
    return found


def check_pictures(place: Place, folder: Path, server: str = "") -> list[Any]:
    """Each picture is a whole file or told as lost, and there is no file beside; returns the rows.

    What begins with a dot is what somebody was killed at: it goes a minute later.
    """
    rows = pictures_of(place, server)
    kept = {row.file: row.bytes for row in rows if row.file}
    assert {name for name in files_in(folder) if not Path(name).name.startswith(".")} == {*kept}
    assert {name: (folder / name).stat().st_size for name in kept} == kept
    assert all(row.file or row.lost not in {None, "", WAITING} for row in rows)
    return rows


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of this size at `folder`; skipped where nobody may make one."""
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "small", str(folder)], check=False).returncode:
        pytest.skip("only root can make a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def in_postgres(folder: Path, url: str, name: str, *options: str) -> Iterator[Server]:
    """A server that records to this database, once it does."""
    project = project_in(folder)
    (folder / "url").write_text(url)
    named = ("--history-url-file", str(folder / "url"), "--server-name", name, "--workers", "1")
    with serving(project, *named, *options) as server:
        await_recorder(server)
        yield server


def await_recorder(server: Server) -> None:
    """Wait until it records."""
    until(lambda: told(server)["state"] == "recording")


def told(server: Server) -> dict[str, Any]:
    """What status has of the history."""
    found: dict[str, Any] = server.status()["history"]
    return found


def kill(server: Server, module: str) -> None:
    """Kill the one program of a server that runs this module."""
    (pid,) = until(lambda: programs_of(server.process.pid, module))
    os.kill(pid, signal.SIGKILL)


def place_of(url: str) -> PostgresUrl:
    """The database of this URL."""
    return PostgresUrl(url)
