"""A history that an older version has written comes to the present form with all that is in it; a later one stays."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from service.history.database import AnotherForm, open_to_read, open_to_write
from service.history.marks import mark_of
from service.history.schema import decision_tables, part_tables, quarter_tables
from service.history.schema.tables import METADATA
from service.history.writing.store import Store
from tests.history.kept import NOW_NS, found, record, rows
from tests.support.running import CHECKOUT

FORMS = sorted((CHECKOUT / "tests" / "history").glob("form_*.sql"))
MARK = str(mark_of(os.getpid()))


@pytest.fixture(name="path", params=FORMS, ids=lambda path: path.stem)
def an_old_history(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database as each form that was ever released has it, with the same in each."""
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(request.param.read_text())
    return path


def test_what_is_in_it_is_there_afterwards(path: Path) -> None:
    store = Store.begin(path, MARK, NOW_NS)
    store.write([record(1, came_ns=1)], None)
    store.close()
    refused, *others, oldest, newly_written = found(path)
    assert newly_written["time"].startswith("1970")
    assert refused["refused"] == [{"client": "a", "status": 429, "count": 5}]
    assert {one.get("part") or one["count"] for one in others} == {"0-4", 2}
    assert (oldest["part"], oldest["data"], oldest["labels"]) == ("0-1", "tray 5", ["dent"])
    assert oldest["measures"] == {"bore": {"value": 3.5, "unit": "mm", "min": 3.0, "max": 4.0, "ok": True}}
    assert oldest["context"]["score"] == 0.25


def test_the_tables_are_those_that_the_code_knows(path: Path, tmp_path: Path) -> None:
    for one in (path, tmp_path / "new" / "history.sqlite"):
        engine = open_to_write(one)
        with engine.begin() as connection:
            assert {*decision_tables.TABLES, *part_tables.TABLES, *quarter_tables.TABLES} < {*METADATA.tables.values()}
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        engine.dispose()


def test_the_first_form_that_was_kept_is_what_the_first_step_makes(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "kept.sqlite")) as connection:
        connection.executescript(FORMS[0].read_text())
    assert rows(tmp_path / "kept.sqlite", "SELECT version_num FROM alembic_version") == [("0001",)]


def test_one_of_a_later_version_is_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(AnotherForm, match="a later version"):
        open_to_write(path)
    with pytest.raises(AnotherForm, match="9999"):
        open_to_read(path)
    assert rows(path, "SELECT count(*) FROM records") == [(2,)]


def test_two_servers_that_begin_at_once_bring_it_there_once(tmp_path: Path) -> None:
    path = tmp_path / "history" / "history.sqlite"
    failed: list[Exception] = []

    def begin(number: int) -> None:
        try:
            Store.begin(path, f"{MARK} {number}", NOW_NS).close()
        except Exception as error:  # noqa: BLE001 - it is looked at below
            failed.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert rows(path, "SELECT count(*) FROM runs") == [(4,)]
