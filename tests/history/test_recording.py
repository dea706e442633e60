"""The recorder's loop beside real rings: what cannot be written costs itself only, and what goes wrong is told."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.history.database import sqlite_in
from service.history.marks import mark_of
from service.history.pictures.folder import PictureFolder, pictures_in
from service.history.recording.recording import Recording
from service.history.recording.with_pictures import NoPictures
from service.history.schema.tables import RECORDS
from service.history.stored import Stored
from service.history.told import State, Told, create_page
from service.history.writing.rows import record_row
from service.history.writing.store import Store
from service.results.follow import Start
from service.settings import load_settings
from tests.history.kept import NOW_NS, found, parts
from tests.results.house import House, house
from tests.support.faults import until
from workers.errors import SettingsInvalid

pytestmark = pytest.mark.long


class Recorder:
    """A recorder in this process, for a server of a test."""

    def __init__(self, server: House, most_records: int = 0) -> None:
        self.path = sqlite_in(server.folder)
        self.told_fd = create_page()
        self.ended: list[bool] = []
        self._follower = server.follow_as_program("history", Start.RESUME)
        self._must_end = threading.Event()
        mark = str(mark_of(os.getpid()))
        self._recording = Recording(
            self._follower,
            lambda: Store.begin(self.path, mark, NOW_NS, done=lambda: self._follower.done_with),
            self.told_fd,
            must_end=self._must_end.is_set,
            most_days=0,
            most_records=most_records,
            pictures=NoPictures(PictureFolder(pictures_in(server.folder))),
        )
        self._thread = threading.Thread(target=lambda: self.ended.append(self._recording.run()))
        self._thread.start()

    @property
    def told(self) -> Told:
        """What fronts are told."""
        return Told.read(self.told_fd)

    def end(self) -> None:
        """Ask it to end, and wait for that."""
        self._must_end.set()
        self._follower.rouse()
        self._thread.join()
        self._follower.close()
        os.close(self.told_fd)


@contextmanager
def _recording(server: House, **options: Any) -> Iterator[Recorder]:
    made = Recorder(server, **options)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(name="server")
def server_house(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def test_a_frame_that_cannot_be_written_costs_itself_only(server: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def row(record: Any) -> dict[str, Any]:
        if record.about["part"] == "bad":
            raise ValueError("a fault of ours")
        return record_row(record)

    monkeypatch.setattr("service.history.writing.frames.record_row", row)
    for part in ("a", "bad", "b"):
        server.answer(part)
    with _recording(server) as recorder:
        until(lambda: recorder.told.recorded == 2)
        server.answer("c")
        until(lambda: recorder.told.recorded == 3)
        assert recorder.told == Told(State.RECORDING, 3, 1)
    assert parts(recorder.path) == ["c", "b", "a"]
    assert [one["why"] for one in found(recorder.path) if one["kind"] == "unknown"] == ["fault"]


def test_an_end_without_a_database_is_an_end_that_says_so(server: House, caplog: pytest.LogCaptureFixture) -> None:
    sqlite_in(server.folder).parent.touch()  # a file where the folder would be
    server.answer("a")
    with _recording(server) as recorder:
        until(lambda: recorder.told.state is State.WAITING)
        assert "exists" in recorder.told.error
    assert recorder.ended == [False]
    assert "the history has not all of the last frames" in caplog.text


def test_a_database_that_is_damaged_is_set_aside_and_a_new_one_begun(
    server: House, caplog: pytest.LogCaptureFixture
) -> None:
    stored = Stored(sqlite_in(server.folder))
    with _recording(server) as recorder:
        for part in ("a", "b"):
            server.answer(part)
        until(lambda: recorder.told.recorded == 2)
        with stored.read() as connection:
            assert len(connection.execute(select(RECORDS)).all()) == 2
        with closing(sqlite3.connect(recorder.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with recorder.path.open("r+b") as file:  # all pages but the first
            file.seek(4096)
            file.write(b"\xa5" * (recorder.path.stat().st_size - 4096))
        for part in ("c", "d"):
            server.answer(part)
        until(lambda: recorder.told.recorded == 4)
        assert recorder.told._replace(error="") == Told(State.RECORDING, 4, 0, 1)
        with stored.read() as connection:  # a front that had the old one open
            assert len(connection.execute(select(RECORDS)).all()) == 2
    (kept,) = recorder.path.parent.glob("history-damaged-*.sqlite")
    assert f"the history was damaged, and a new one is begun; the old one is kept as {kept}" in caplog.text
    assert kept.read_bytes().count(b"\xa5" * 4096) > 5
    assert sorted(parts(recorder.path)) == ["c", "d"]
    (gap,) = [one for one in found(recorder.path) if one["kind"] == "unknown"]
    assert (gap["why"], "count" in gap) == ("damaged", False)
    stored.close()


def test_what_is_known_of_a_recorder_that_is_gone() -> None:
    assert Told().document(is_there=False)["state"] == "starting"
    assert Told(State.RECORDING).document(is_there=False)["state"] == "away"
    assert Told(State.WAITING, error="full").document(is_there=True)["error"] == "full"
    told_fd = create_page()
    Told(State.WAITING, 1, 2, 3, "ž" * 300).write(told_fd)
    assert Told.read(told_fd) == Told(State.WAITING, 1, 2, 3, "ž" * 128)
    os.close(told_fd)


def test_there_is_no_history_without_results() -> None:
    with pytest.raises(SettingsInvalid, match="record: it is written from what results_mib keeps, and that is 0"):
        load_settings({"record": "async", "results_mib": 0}, {})
