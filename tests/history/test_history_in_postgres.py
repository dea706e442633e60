"""PostgreSQL as the place of the history: what holds for a file holds there, for each of the servers that share it."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select, update

from service.history.database import AnotherForm, is_trouble, migrate, open_to_read, open_to_write, told_of
from service.history.marks import mark_of
from service.history.places import postgres
from service.history.places.place import CREDENTIAL, PostgresUrl, read_url
from service.history.schema import decision_tables, part_tables, quarter_tables
from service.history.schema.tables import CONTEXTS, LABELS, MEASURED, METADATA, RECORDS, REFUSALS, RUNS, SERIES, UNKNOWN
from service.history.stored import Stored
from service.history.writing.store import Store, Written
from service.own_errors import HistoryAway
from service.settings import load_settings
from tests.history.kept import NOW_NS, SECOND_NS, found, parts, record, refusals
from tests.support.databases.cluster import PASSWORD, Cluster
from workers.errors import SettingsInvalid

MARK = str(mark_of(os.getpid()))
_DAY_NS = 86_400 * SECOND_NS
_ELSEWHERE = "another-boot 17 4711"


@pytest.fixture(name="url")
def an_empty_database(cluster: Cluster) -> PostgresUrl:
    return PostgresUrl(cluster.database())


def _rows(url: PostgresUrl, statement: str) -> list[Any]:
    with psycopg.connect(url.secret) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_what_is_written_is_read_as_the_record_has_it_and_is_there_once(url: PostgresUrl) -> None:
    context = {
        "score": 0.25,
        "surfaceClasses": [{"label": "scratch"}, {"label": "dent"}],
        "measures": {"bore": {"value": 3.5, "unit": "mm", "min": 3, "max": 4, "ok": True}},
    }
    batch = [
        record(1, context=context, data="tray 5"),
        record(2),
        refusals(3, [{"client": "a", "status": 429, "count": 5}]),
    ]
    store = Store.begin(url, MARK, NOW_NS, "left")
    assert store.write(batch, NOW_NS) == Written(2, 0)
    again = Store.begin(url, MARK, NOW_NS, "left")
    assert again.write([*batch, record(5)], NOW_NS) == Written(1, 1)
    newest, unknown, refused, _, oldest = found(url)
    assert (newest["part"], unknown["count"], refused["refused"][0]["count"]) == ("0-5", 1, 5)
    expected = batch[0].document()
    assert oldest.pop("server") == unknown["server"] == refused["server"] == "left"
    assert sorted(oldest.pop("labels")) == sorted(expected.pop("labels"))
    assert oldest == expected
    for one in (store, again):
        one.close()


def test_whatever_clients_and_flows_say_is_written(url: PostgresUrl) -> None:
    noise = "".join(map(chr, random.Random(7).choices(range(0x10000, 0x10FFFF), k=5000)))  # no index packs it smaller
    hostile = ("a\0b", "\ud800 alone", "'; DROP TABLE records; --", "<script>", noise, "\x7f\x1b[2J")
    store = Store.begin(url, MARK, NOW_NS)
    for number, text in enumerate(hostile, 1):
        context = {
            "surfaceClasses": [{"label": text.encode("utf-8", "replace").decode()}],
            "measures": {text.encode("utf-8", "replace").decode(): {"value": 1, "unit": noise}},
        }
        said = text.encode("utf-8", "replace").decode()
        one = record(number, context=context, part=said, camera=said, data=said)
        assert store.write([one], None) == Written(1, 0)
    assert store.count() == len(hostile)
    newest = found(url, parts=("<script>",))[0]
    assert newest["camera"] == newest["data"] == newest["labels"][0] == "<script>"
    assert {len(one["part"]) for one in found(url)} == {3, 7, 25, 8, 512, 5}
    store.close()


def test_servers_that_share_it_count_settle_and_delete_their_own(url: PostgresUrl) -> None:
    left, right = (Store.begin(url, mark, NOW_NS, name) for mark, name in ((MARK, "left"), (_ELSEWHERE, "right")))
    for store, part in ((left, "l"), (right, "r")):
        store.write([record(n, part=f"{part}{n}") for n in range(1, 5)], NOW_NS)
    assert (left.count(), right.count()) == (4, 4)
    assert left.settle(NOW_NS + _DAY_NS) == 0  # nobody here knows of a process of another machine
    assert left.forget(0, surplus=2, now_ns=NOW_NS, most=10).frames == 2
    assert left.forget(1, surplus=0, now_ns=NOW_NS + 2 * _DAY_NS, most=10).frames == 2
    assert parts(url) == ["r4", "r3", "r2", "r1"]
    assert parts(url, servers=("left",)) == []
    assert len(parts(url, servers=("right", "left"))) == 4
    # the machine of `right` was started anew: its last run is unknown once it has been silent
    next_right = Store.begin(url, "a-later-boot 17 4711", NOW_NS + _DAY_NS, "right")
    assert next_right.settle(NOW_NS + 30 * SECOND_NS) == 0
    assert next_right.settle(NOW_NS + _DAY_NS) == 1
    assert [one["why"] for one in found(url, servers=("right",)) if one["kind"] == "unknown"] == ["killed"]
    for store in (left, right, next_right):
        store.close()


def test_the_first_form_comes_to_the_present_one_with_all_that_is_in_it(url: PostgresUrl) -> None:
    engine = postgres.to_record(url, durable=False)
    with engine.begin() as connection:
        migrate(connection, "0001")
        told = {"server": "left", "mark": _ELSEWHERE, "started_ns": 1, "seen_ns": 2}
        connection.execute(insert(RUNS).values(told))
        times = dict.fromkeys((c.name for c in RECORDS.c if c.name.endswith("_ns")), 7)
        row = {"run": 1, "slot": 3, "client": "a", "camera": "top", "part": "4711", "data": "", "status": 200}
        row |= {"verdict": "NOK", "flow_version": "7", "frame_bytes": 5, "left_out_bytes": 0}
        connection.execute(RECORDS.insert().values({**times, **row}))
        connection.execute(CONTEXTS.insert().values(record=1, context=b'{"result":false}'))
        connection.execute(LABELS.insert().values(record=1, label="dent"))
        connection.execute(SERIES.insert().values(name="bore", unit="mm"))
        connection.execute(MEASURED.insert().values(record=1, series=1, value=3.5, ok=True))
        connection.execute(REFUSALS.insert().values(run=1, came_ns=5, client="a", status=429, count=2))
        connection.execute(UNKNOWN.insert().values(run=1, begin_ns=1, end_ns=4, why="killed"))
    engine.dispose()
    failed: list[Exception] = []

    def begin(number: int) -> None:
        try:
            Store.begin(url, f"{MARK} {number}", NOW_NS, f"server {number}").close()
        except Exception as error:  # noqa: BLE001 - it is looked at below
            failed.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    frame, refused, unknown = found(url)
    assert (frame["part"], frame["labels"], frame["context"]) == ("4711", ["dent"], {"result": False})
    assert frame["measures"]["bore"]["value"] == 3.5
    assert (refused["refused"][0]["count"], unknown["why"]) == (2, "killed")
    engine = open_to_write(url)
    with engine.begin() as connection:
        assert {*decision_tables.TABLES, *part_tables.TABLES, *quarter_tables.TABLES} < {*METADATA.tables.values()}
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()
    assert _rows(url, "SELECT count(*) FROM runs") == [(5,)]


def test_one_of_a_later_version_is_left_as_it_is(url: PostgresUrl) -> None:
    with pytest.raises(AnotherForm, match="form None"):
        open_to_read(url)
    Store.begin(url, MARK, NOW_NS).close()
    with psycopg.connect(url.secret) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(AnotherForm, match="a later version"):
        open_to_write(url)
    with pytest.raises(HistoryAway, match="another version"), Stored(url).read():
        pass


def test_a_front_reads_one_moment_and_writes_all_or_nothing(url: PostgresUrl) -> None:
    store = Store.begin(url, MARK, NOW_NS)
    store.write([record(1)], NOW_NS)
    stored = Stored(url)
    with stored.read() as connection:
        assert connection.execute(select(RECORDS.c.part)).scalars().all() == ["0-1"]
        store.write([record(2)], NOW_NS)
        assert connection.execute(select(RECORDS.c.part)).scalars().all() == ["0-1"]
    with pytest.raises(HistoryAway), stored.read() as connection:
        connection.execute(update(RECORDS).values(part="changed"))  # who reads does nothing else
    with pytest.raises(ZeroDivisionError), stored.write() as connection:
        connection.execute(update(RECORDS).values(part="changed" * (1 // 0 + 1)))
    assert parts(url) == ["0-2", "0-1"]
    with psycopg.connect(url.secret, autocommit=True) as connection:  # as where the database was started anew
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                           "AND datname = current_database()")  # fmt: skip
    with stored.read() as connection:
        assert len(connection.execute(select(RECORDS.c.part)).all()) == 2
    with pytest.raises(Exception, match=r"terminat|closed|lost") as gone:
        store.write([record(3)], NOW_NS)
    assert isinstance(gone.value, Exception)
    assert is_trouble(gone.value)
    for one in (store, stored):
        one.close()


def test_a_commit_outlasts_a_loss_of_power_where_that_is_promised(url: PostgresUrl) -> None:
    with psycopg.connect(url.secret, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    for durable, expected in ((True, "on"), (False, "off")):
        engine = postgres.to_record(url, durable=durable)
        with engine.begin() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == expected
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "10s"
        engine.dispose()


def test_no_password_is_in_what_anybody_is_told(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    wrong = "wr0ng-s3cret%"
    url = PostgresUrl(cluster.url("postgres", wrong))
    with pytest.raises(Exception, match="password authentication failed") as refused:
        open_to_write(url)
    with pytest.raises(HistoryAway) as away, Stored(url).read():
        pass
    told = (str(refused.value), told_of(refused.value), str(away.value), caplog.text, repr(url), str(url), f"{url}")
    for text in told:
        assert wrong not in text
        assert "s3cret" not in text
    assert "***" in str(url)
    in_query = PostgresUrl("postgresql:///db?host=%2Ftmp&user=a&password=s3%20cret")
    assert "s3" not in str(in_query)
    assert in_query.redacted("at s3 cret and s3%20cret") == "at *** and ***"


@pytest.mark.parametrize(
    "text",
    ["", "mysql://a:s3cret@h/d", "postgresql://a:s3/cret@h/d", "postgresql://a:s3@cret@h/d", "postgresql://a:s3cret%@h/d",
     "host=h password=s3cret", "postgresql://a:s3 cret@h/d", "postgresql://" + "s3cret" * 1000 + "@h/d"],
)  # fmt: skip
def test_what_is_no_url_is_told_without_a_word_of_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "url").write_text(f"{text}\nmore\n")
    with pytest.raises(SettingsInvalid, match="expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE") as told:
        read_url(load_settings({"history_url_file": tmp_path / "url"}, {}))
    assert "cret" not in str(told.value)


def test_the_url_comes_from_a_file_or_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_url(load_settings({}, {})) is None
    with pytest.raises(SettingsInvalid, match="history_url: there is no such setting"):
        load_settings({"history_url": "postgresql://a:b@h/d"}, {})
    with pytest.raises(SettingsInvalid, match="cannot be read: No such file"):
        read_url(load_settings({"history_url_file": tmp_path / "none"}, {}))
    (tmp_path / "url").write_text("\ufeff postgresql://a:b@h1,h2:5433/d?sslmode=verify-full \r\n")
    (tmp_path / CREDENTIAL).write_text("postgres://b@/d")
    named = load_settings({"history_url_file": tmp_path / "url"}, {})
    assert read_url(named) == "postgresql://a:b@h1,h2:5433/d?sslmode=verify-full"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_url(load_settings({}, {})) == "postgres://b@/d"
    monkeypatch.setattr("service.history.places.place.find_spec", lambda _: None)
    with pytest.raises(SettingsInvalid, match=r"pip install 'framemill\[postgres\]'"):
        read_url(named)


def test_a_server_is_called_as_its_machine_or_as_one_says() -> None:
    assert load_settings({}, {}).server == os.uname().nodename
    assert load_settings({"server_name": "line 3"}, {}).server == "line 3"
    for wrong in ("", " a", "a\nb", "\0", "x" * 65):
        with pytest.raises(SettingsInvalid, match="server_name"):
            load_settings({"server_name": wrong}, {})


def test_a_cluster_asks_for_its_password(cluster: Cluster) -> None:
    assert PASSWORD not in cluster.url("postgres")
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(cluster.url("postgres", "guess"))
