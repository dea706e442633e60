"""The database: all of a batch or nothing, nothing twice, what is missing is known, the oldest goes first."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from service.history.database import is_trouble, open_to_read
from service.history.marks import mark_of
from service.history.schema.tables import METADATA
from service.history.writing.store import Store, Written
from tests.history.kept import NOW_NS, SECOND_NS, found, parts, record, refusals, rows
from tests.support.running import CHECKOUT

MARK = str(mark_of(os.getpid()))
_DAY_NS = 86_400 * SECOND_NS


@pytest.fixture(name="path")
def a_path(tmp_path: Path) -> Path:
    return tmp_path / "a%20b?mode=x#" / "history.sqlite"


@pytest.fixture(name="store")
def a_store(path: Path) -> Iterator[Store]:
    made = Store.begin(path, MARK, NOW_NS)
    yield made
    made.close()


def test_what_is_written_is_read_as_the_record_has_it(store: Store, path: Path) -> None:
    context = {
        "result": False,
        "score": 0.25,
        "detectedRectangles": [{"classNames": [{"label": "scratch"}]}, {"classNames": [{"label": "dent"}]}],
        "measures": {"bore": {"value": 3.5, "unit": "mm", "min": 3, "max": 4, "ok": True}},
    }
    one = record(1, context=context, data="tray 5")
    assert store.write([one], NOW_NS) == Written(1, 0)
    read, expected = found(path)[0], one.document()
    assert read.pop("server") == "local"
    assert sorted(read.pop("labels")) == sorted(expected.pop("labels"))
    assert read == expected


def test_a_batch_that_comes_again_is_there_once(store: Store, path: Path) -> None:
    batch = [record(1), record(2), refusals(3, [{"client": "a", "status": 429, "count": 5}])]
    store.write(batch, None)
    again = Store.begin(path, MARK, NOW_NS)
    assert again.write([*batch, record(4)], None) == Written(1, 0)
    again.close()
    assert parts(path) == ["0-4", "0-2", "0-1"]
    assert rows(path, "SELECT client, status, count FROM refusals") == [("a", 429, 5)]
    assert not rows(path, "SELECT * FROM unknown")


def test_what_is_missing_between_records_is_known(store: Store, path: Path) -> None:
    assert store.write([record(3), record(1, front=1)], None) == Written(2, 2)
    assert store.write([record(10)], None) == Written(1, 6)
    gaps = [one for one in found(path) if one["kind"] == "unknown"]
    assert [(gap["why"], gap["count"]) for gap in gaps] == [("missed", 6), ("missed", 2)]
    frames = {one["part"]: one["time"] for one in found(path) if one["kind"] == "frame"}
    assert (gaps[0]["time"], gaps[0]["until"]) == (frames["0-3"], frames["0-10"])


def test_a_batch_that_cannot_be_written_leaves_nothing(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures = {"bore": {"value": 3.5, "unit": "mm"}}
    with monkeypatch.context() as patched:
        patched.setattr("service.history.writing.frames.labels_of", lambda _: [object()])  # no driver takes it
        with pytest.raises(Exception, match="type") as failed:
            store.write([record(1, context={"measures": measures})], NOW_NS)
    assert isinstance(failed.value, Exception)
    assert not is_trouble(failed.value)
    assert found(path) == []
    assert store.write([record(1, context={"measures": measures})], NOW_NS) == Written(1, 0)
    assert rows(path, "SELECT name, unit, value FROM measured JOIN series USING (series)") == [("bore", "mm", 3.5)]


def test_a_record_that_was_given_up_is_an_unknown_one(store: Store, path: Path) -> None:
    store.write([record(1)], None)
    store.give_up(record(2))
    assert store.write([record(2), record(3)], None) == Written(1, 0)
    assert [one.get("why", "") for one in found(path)] == ["", "fault", ""]


@pytest.mark.parametrize(
    "context",
    [
        {"score": 10**18, "measures": {"a\0b": {"value": "x", "unit": 7, "ok": 1}, "c": 5, "d": {"value": None}}},
        {"score": True, "detectedRectangles": [{"classNames": [{"label": "\0'; DROP TABLE records; --"}]}]},
        {"surfaceClasses": [{"label": "x" * 10_000}] * 3 + [{"label": str(n)} for n in range(100)]},
        {"measures": {str(n): {"value": n} for n in range(1000)}},
    ],
)
def test_whatever_a_flow_says_is_written(store: Store, path: Path, context: object) -> None:
    assert store.write([record(1, context=context, part="4711\0", data="=1+1\n\0")], None) == Written(1, 0)
    one = found(path)[0]
    assert one["context"] == context
    assert (one["part"], one["data"]) == ("4711\N{REPLACEMENT CHARACTER}", "=1+1\n\N{REPLACEMENT CHARACTER}")
    assert len(one["labels"]) <= 64
    assert len(one["measures"]) <= 256


def test_a_clock_that_nobody_has_set_is_no_fault(store: Store, path: Path) -> None:
    late = record(1, came_ns=(1 << 64) - 1)
    assert store.write([late, record(2, came_ns=1), record(4, came_ns=5)], None) == Written(3, 1)
    assert parts(path) == ["0-1", "0-4", "0-2"]


def test_the_oldest_goes_first_and_what_hangs_on_it(store: Store, path: Path) -> None:
    context = {"surfaceClasses": [{"label": "dent"}], "measures": {"bore": {"value": 1}}}
    store.write([record(n, context=context) for n in range(1, 11)], None)
    assert store.count() == 10
    assert store.forget(0, surplus=3, now_ns=NOW_NS, most=2).frames == 2
    assert store.forget(0, surplus=1, now_ns=NOW_NS, most=2).frames == 1
    assert parts(path) == [f"0-{n}" for n in range(10, 3, -1)]
    assert store.forget(1, surplus=0, now_ns=NOW_NS + _DAY_NS + 8 * SECOND_NS, most=500).frames == 4
    assert parts(path) == ["0-10", "0-9", "0-8"]
    for table in ("contexts", "labels", "measured"):
        assert rows(path, f"SELECT count(*) FROM {table}") == [(3,)]


def test_a_server_that_was_killed_leaves_an_interval_and_one_that_lives_or_has_ended_none(path: Path) -> None:
    started = [sys.executable, "-c", f"import time; print(time.time_ns(), flush=True); time.sleep({60})"]
    with subprocess.Popen(started, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        killed = Store.begin(path, str(mark_of(other.pid)), NOW_NS)
        killed.write([record(1)], NOW_NS)
        mine = Store.begin(path, MARK, NOW_NS)
        assert mine.settle(NOW_NS + SECOND_NS) == 0
        other.kill()
    assert mine.settle(NOW_NS + SECOND_NS) == 1
    assert mine.settle(NOW_NS + SECOND_NS) == 0
    gap = next(one for one in found(path) if one["kind"] == "unknown")
    assert gap["why"] == "killed"
    assert "count" not in gap
    ended = Store.begin(path, "another boot 1 1", NOW_NS)
    ended.end(NOW_NS)
    assert mine.settle(NOW_NS + SECOND_NS) == 0
    for store in (killed, mine, ended):
        store.close()


def test_pages_leave_none_out_and_have_none_twice(store: Store, path: Path) -> None:
    # seven fronts have a frame in each nanosecond
    many = [record(n, front, NOW_NS + n, part=f"{n}-{front}") for n in range(1, 200) for front in range(7)]
    assert store.write(many, None) == Written(len(many), 0)
    newest_first = parts(path)
    assert sorted(newest_first) == sorted(one.about["part"] for one in many)
    times = [int(part.partition("-")[0]) for part in newest_first]
    assert times == sorted(times, reverse=True)


def test_frames_are_found_by_what_is_asked(store: Store, path: Path) -> None:
    dent, scratch = ({"surfaceClasses": [{"label": label}]} for label in ("dent", "scratch"))
    store.write([record(1, camera="top"), record(2, camera="left", context=dent), record(3, context=scratch)], None)
    store.write([refusals(4, [{"client": "", "status": 429, "count": 1}]), record(6)], None)
    assert parts(path, cameras=("left",)) == ["0-2"]
    assert parts(path, labels=("dent", "scratch"), cameras=("top", "left")) == ["0-3", "0-2"]
    assert parts(path, parts=("0-1", "0-6")) == ["0-6", "0-1"]
    assert parts(path, verdicts=("NOK",)) == []
    assert parts(path, since_ns=NOW_NS + 2 * SECOND_NS, until_ns=NOW_NS + 3 * SECOND_NS) == ["0-2"]
    kinds = [one["kind"] for one in found(path, since_ns=NOW_NS + 3 * SECOND_NS)]
    assert sorted(kinds) == ["frame", "frame", "refusals", "unknown"]
    assert "refusals" not in [one["kind"] for one in found(path, cameras=("top",))]  # of whom nobody knows


def test_who_reads_does_not_wait_for_who_writes(store: Store, path: Path) -> None:
    store.write([record(1)], None)
    holds = f"import sqlite3; c = sqlite3.connect({str(path)!r}); c.execute('BEGIN IMMEDIATE')"
    holder = f"{holds}; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holder], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert parts(path) == ["0-1"]
        with pytest.raises(Exception, match="locked") as locked:
            store.write([record(2)], None)
        assert isinstance(locked.value, Exception)
        assert is_trouble(locked.value)
        other.communicate(b"\n")
    assert store.write([record(2)], None) == Written(1, 0)


def test_what_is_no_database_is_trouble_and_set_aside(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"my letters to the works council" * 100)
    for opens in (lambda: open_to_read(path), lambda: Store.begin(path, MARK, NOW_NS)):
        assert path.read_bytes().startswith(b"my letters")
        with pytest.raises(Exception, match="not a database") as error:
            opens()
        assert isinstance(error.value, Exception)
        assert is_trouble(error.value)
    Store.begin(path, MARK, NOW_NS).close()
    (kept,) = path.parent.glob("history-damaged-*.sqlite")
    assert kept.read_bytes().startswith(b"my letters")
    assert [one["why"] for one in found(path)] == ["damaged"]


def test_a_file_that_was_taken_away_is_seen(store: Store, path: Path) -> None:
    store.look()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.unlink()
    with pytest.raises(FileNotFoundError, match="was taken away") as gone:
        store.look()
    assert is_trouble(gone.value)
    Store.begin(path, MARK, NOW_NS).close()
    with pytest.raises(FileNotFoundError):
        store.look()


def test_postgresql_understands_the_tables_too() -> None:
    dialect: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in METADATA.sorted_tables:
        assert "BIGINT" in str(CreateTable(table).compile(dialect=dialect)) or table.name == "series"
        assert all(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
