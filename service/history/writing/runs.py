"""The runs of servers: begun, seen, ended; of those that were killed it is unknown what became of their last frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select, update

from service.history.places.damage import gaps_beside
from service.history.schema.tables import RUNS, UNKNOWN
from service.history.writing.frames import insert_rows
from service.history.writing.progress import begin_behind

if TYPE_CHECKING:
    from service.history.places.place import Place
    from service.history.writing.own import Own


def run_of(
    connection: Connection,
    place: Place,
    whose: Mapping[str, str],
    started_ns: int,
    done: Callable[[], Mapping[int, int]],
) -> tuple[int, int]:
    """Return the run of a server, begun where it is not there yet, and when it was begun."""
    is_new = connection.execute(select(RUNS.c.run).limit(1)).first() is None
    mine = select(RUNS.c.run, RUNS.c.started_ns).where(RUNS.c.mark == whose["mark"])
    if connection.execute(mine).first() is None:
        connection.execute(insert(RUNS).values({**whose, "started_ns": started_ns, "seen_ns": started_ns}))
    run, started_ns = connection.execute(mine).one()
    gaps = gaps_beside(place, started_ns) if is_new and isinstance(place, Path) else []
    if gaps:
        told = {"run": run, "why": "damaged", "count": None}
        insert_rows(connection, UNKNOWN, [{**told, "begin_ns": gap.begin_ns, "end_ns": gap.end_ns} for gap in gaps])
        begin_behind(connection, run, done())
    return run, started_ns


def note_seen(connection: Connection, run: int, seen_ns: int) -> None:
    """Have it on record that all that was answered before is here."""
    connection.execute(update(RUNS).where(RUNS.c.run == run).values(seen_ns=seen_ns))


def end_run(connection: Connection, run: int, now_ns: int) -> None:
    """Have it on record that the run has ended, and all of it is here."""
    connection.execute(update(RUNS).where(RUNS.c.run == run).values(seen_ns=now_ns, ended_ns=now_ns))


def end_killed(connection: Connection, own: Own, run: int, started_ns: int, now_ns: int) -> int:
    """End the runs of servers that were killed, seen by `run`, which began at `started_ns`. Returns how many."""
    others = select(RUNS.c.run, RUNS.c.mark, RUNS.c.seen_ns).where(RUNS.c.ended_ns.is_(None), RUNS.c.run != run)
    open_runs = connection.execute(others.where(own.runs)).all()
    killed = [row for row in open_runs if own.was_killed(row.mark, row.seen_ns, now_ns)]
    for row in killed:
        # one that was killed before this one began had nothing to answer since
        end_ns = started_ns if row.seen_ns <= started_ns else now_ns
        gap = {"run": row.run, "begin_ns": row.seen_ns, "end_ns": end_ns, "why": "killed", "count": None}
        insert_rows(connection, UNKNOWN, [gap])
        connection.execute(update(RUNS).where(RUNS.c.run == row.run).values(ended_ns=end_ns))
    return len(killed)
