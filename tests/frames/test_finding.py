"""Frames are found as asked for, page by page and in both directions, without a scan of what does not matter."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from bench.million import FIRST_NS, STEP_NS, make
from service.frames import finding
from service.frames.finding import find
from service.frames.known import cameras_of, in_short, labels_known
from service.frames.sought import Cursor, Sought
from service.history.database import open_to_read
from service.history.frame_id import row_of
from service.own_errors import NotFound
from service.results.documents import id_text
from tests.history.kept import rows
from workers.errors import InvalidParameter

FRAMES = 400


@pytest.fixture(name="path", scope="module")
def a_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frames") / "history" / "history.sqlite"
    make(path, FRAMES)
    _change(path, "INSERT INTO runs SELECT 2, 'line 2', 'another', started_ns, seen_ns, ended_ns FROM runs")
    _change(path, "UPDATE records SET run = 2 WHERE number % 7 = 3")
    _change(path, "UPDATE records SET held = 'scratches' WHERE number % 90 = 20")
    return path


@pytest.fixture(name="engine", scope="module")
def an_engine(path: Path) -> Iterator[Engine]:
    made = open_to_read(path)
    yield made
    made.dispose()


@pytest.fixture(name="connection")
def a_connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as made:
        yield made


def _all(connection: Connection, sought: Sought, count: int = 37, *, forward: bool = False) -> list[int]:
    """All that are found, page by page."""
    numbers: list[int] = []
    start = None
    while True:
        found = find(connection, sought, start, count, forward=forward)
        numbers += [row.number for row in found.rows]
        assert len(found.rows) <= count
        if found.more is None:
            return numbers
        start = found.more


def _expected(path: Path, sought: Sought) -> list[int]:
    """The same by a plain statement that looks at every row."""
    wanted = ["1"]
    plain = {name: getattr(sought, name) for name in ("verdict", "camera", "part")}
    wanted += [f"{name} = '{value}'" for name, value in plain.items() if value is not None]
    if sought.label is not None:
        wanted.append(f"EXISTS (SELECT 1 FROM labels WHERE record = number AND label = '{sought.label}')")
    if sought.data is not None:
        wanted.append(f"instr(lower(data), lower('{sought.data}'))")
    if sought.decided is not None:
        kind = "" if sought.decided in {"yes", "no"} else f"AND kind = '{sought.decided}'"
        exists = f"EXISTS (SELECT 1 FROM decided WHERE record = number {kind})"
        wanted.append(f"NOT {exists}" if sought.decided == "no" else exists)
    if sought.held is not None:
        wanted.append(f"held IS {'NOT' if sought.held == 'yes' else ''} NULL")
    if sought.server is not None:
        wanted.append(f"run IN (SELECT run FROM runs WHERE server = '{sought.server}')")
    if sought.since_ns is not None:
        wanted.append(f"came_ns >= {sought.since_ns}")
    if sought.until_ns is not None:
        wanted.append(f"came_ns < {sought.until_ns}")
    statement = f"SELECT number FROM records WHERE {' AND '.join(wanted)} ORDER BY came_ns DESC, number DESC"
    return [row[0] for row in rows(path, statement)]


CHOICES: dict[str, list[str]] = {
    "verdict": ["NOK", "OK", "OFF", "ERROR"],
    "camera": ["camera 1", "nobody"],
    "part": ["the same", "part 77", "nothing"],
    "label": ["scratch", "dent", "seldom", "nothing"],
    "data": ["TRAY 1", "batch 0", "%", "_", "nowhere"],
    "held": ["no", "yes"],
    "server": ["line 2", "local", "nobody"],
    "decided": ["no", "yes", "confirmed", "false_call", "escape", "label"],
    "since": ["2025-11-24T16:00:10Z", "2100-01-01"],
    "until": ["2025-11-24T16:00:30Z", "1990-01-01"],
}


@pytest.mark.parametrize("seed", range(30))
def test_what_is_found_is_what_matches(
    connection: Connection, path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    names = dice.sample(sorted(CHOICES), dice.choice([0, 1, 1, 2, 3]))
    sought = Sought.model_validate({name: dice.choice(CHOICES[name]) for name in names})
    # all ways of the search have their turn: what is rare, and what is looked at piece by piece
    monkeypatch.setattr(finding, "_RARE", dice.choice([0, 5, 4000]))
    monkeypatch.setattr(finding, "_PIECES", (dice.choice([7, 500]),))
    expected = _expected(path, sought)
    assert _all(connection, sought, dice.choice([20, 37, 500])) == expected
    assert _all(connection, sought, 200, forward=True) == expected[::-1]


def test_time_that_is_up_ends_a_page_and_the_next_goes_on(
    connection: Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_PIECES", (50,))
    sought, start, found_all, pages = Sought(data="tray 3"), None, [], 0
    while True:
        found = find(connection, sought, start, 50, most_s=0)
        found_all += [row.number for row in found.rows]
        pages += 1
        if found.more is None:
            break
        assert found.is_cut or len(found.rows) == 50
        start = found.more
    assert found_all == _expected(path, sought)
    assert pages > 4


def test_frames_of_one_moment_are_each_there_once(tmp_path: Path) -> None:
    same = tmp_path / "history" / "history.sqlite"
    make(same, 30)
    for statement in (
        f"UPDATE records SET came_ns = {FIRST_NS}, slot = number",
        f"UPDATE decided SET came_ns = {FIRST_NS}",
    ):
        _change(same, statement)
    engine = open_to_read(same)
    with engine.begin() as at_once:
        for sought in (Sought(), Sought(verdict="OK"), Sought(label="dent"), Sought(camera="camera 1")):
            assert _all(at_once, sought, 1) == _expected(same, sought)
            assert _all(at_once, sought, 4, forward=True) == _expected(same, sought)[::-1]
    engine.dispose()


def _change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"verdict": "NOK"},
        {"camera": "camera 1"},
        {"label": "seldom"},
        {"label": "scratch"},
        {"part": "part 5"},
        {"part": "the same"},
        {"data": "nowhere"},
        {"decided": "no", "verdict": "NOK"},
        {"decided": "yes"},
        {"held": "yes", "camera": "camera 1"},
        {"held": "no", "verdict": "NOK", "decided": "no"},
        {"server": "local", "held": "yes"},
        {"server": "local"},
        {"decided": "false_call"},
        {"verdict": "OK", "label": "scratch", "camera": "camera 2", "since": "2020-01-01", "decided": "no"},
    ],
    ids=str,
)
def test_no_statement_reads_or_sorts_a_whole_table(engine: Engine, asked: dict[str, Any]) -> None:
    said: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith("SELECT"):
            said.append((statement, parameters))

    with engine.begin() as connection:
        event.listen(engine, "before_cursor_execute", note)
        try:
            for start in (None, Cursor(FIRST_NS + 200 * STEP_NS, 200)):
                found = find(connection, Sought(**asked), start, 50)
                in_short(connection, found.rows)
            cameras_of(connection)
            labels_known(connection)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        plans = [
            row[3]
            for statement, parameters in said
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert plans
    # a subquery may be read as a whole, for it has a limit; a table in the order of an index, up to one
    limited = ("SCAN anon", "SCAN CONSTANT", "SCAN (subquery")
    for step in plans:
        assert not step.startswith("SCAN") or "USING" in step or step.startswith(limited), plans


def test_cameras_and_labels_are_known(connection: Connection) -> None:
    assert cameras_of(connection) == ["camera 0", "camera 1", "camera 2"]
    assert labels_known(connection) == ["dent", "scratch", "seldom"]


def test_a_frame_is_found_by_its_id_and_no_other(connection: Connection) -> None:
    assert row_of(connection, id_text(FIRST_NS + 5 * STEP_NS, 5)).number == 5
    for wrong in (id_text(FIRST_NS + 5 * STEP_NS, 6), "", "x" * 18, "f" * 18, id_text(1, 1) + "0"):
        with pytest.raises(NotFound):
            row_of(connection, wrong)


def test_a_cursor_is_one_of_ours() -> None:
    cursor = Cursor(FIRST_NS, 7)
    assert Cursor.read(str(cursor)) == cursor
    for wrong in ("", "-", "1", "1-", "g-1", "1-2-3", f"{1 << 63:x}-1", "1" * 20 + "-1"):
        with pytest.raises(InvalidParameter):
            Cursor.read(wrong)
