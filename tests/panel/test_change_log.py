"""The log of changes: whole lines whoever writes and is killed, bounded, and nothing of it is believed blindly."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from service.changes.log import Changes


def test_it_keeps_who_did_what_from_where_newest_first(tmp_path: Path) -> None:
    changes = Changes(tmp_path)
    assert changes.newest(10) == []
    changes.note("line7", "10.0.0.7", "process_off")
    changes.note("", "10.0.0.8", "inputs_changed", {"limit": 0.5, "lot": "A<b>\ud800" + "x" * 5000, "none": None})
    newest, oldest = Changes(tmp_path).newest(10)
    assert (oldest.who, oldest.address, oldest.what, oldest.detail) == ("line7", "10.0.0.7", "process_off", {})
    assert (newest.who, newest.detail["limit"], newest.detail["none"]) == ("", 0.5, None)
    assert newest.detail["lot"].startswith("A<b>?xxx")
    assert len(newest.detail["lot"]) == 500
    assert changes.newest(10, before_ns=newest.time_ns) == [oldest]
    assert changes.newest(1) == [newest]
    assert changes.last("process_on", "process_off") == oldest
    assert changes.last("reload") is None
    assert (tmp_path / "changes").stat().st_mode & 0o77 == 0


def _note_many(folder: Path, who: str) -> None:
    changes = Changes(folder)
    for number in range(10**9):
        changes.note(who, "127.0.0.1", "counted", {"number": number})


def test_processes_that_write_at_once_and_are_killed_leave_whole_lines(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    changes = Changes(tmp_path)
    for turn in range(3):
        writers = [fork.Process(target=_note_many, args=(tmp_path, f"w{turn}{one}")) for one in range(3)]
        for writer in writers:
            writer.start()
        while not all(any(change.who == f"w{turn}{one}" for change in changes.newest(10**9)) for one in range(3)):
            os.sched_yield()
        for writer in writers:
            assert writer.pid
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
    changes.note("after", "127.0.0.1", "counted")
    lines = (tmp_path / "changes" / "log.jsonl").read_bytes().splitlines()
    assert json.loads(lines[-1])["who"] == "after"
    by_writer: dict[str, list[int]] = {}
    for change in reversed(changes.newest(10**9)):
        by_writer.setdefault(change.who, []).append(change.detail.get("number", 0))
    assert all(numbers == [*range(len(numbers))] for numbers in by_writer.values())


@pytest.mark.parametrize("torn", [b'{"time_ns": 1, "who": "x', b"[1]", b"\xff\x00", b'{"time_ns":"1"}', b"9" * 5000])
def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    changes = Changes(tmp_path)
    changes.note("a", "1", "first")
    with (tmp_path / "changes" / "log.jsonl").open("ab") as file:
        file.write(torn)
    changes.note("b", "1", "second")
    assert [change.what for change in changes.newest(9)] == ["second", "first"]


def test_it_is_bounded_and_the_oldest_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.changes.log._FILE_BYTES", 2000)
    monkeypatch.setattr("service.changes.log._MOST_FILES", 4)
    changes = Changes(tmp_path)
    for number in range(200):
        changes.note("a", "1", "counted", {"number": number})
    numbers = [change.detail["number"] for change in changes.newest(1000)]
    assert numbers == [*range(199, 199 - len(numbers), -1)]
    assert 30 < len(numbers) < 200
    assert sum(file.stat().st_size for file in (tmp_path / "changes").iterdir()) < 4 * 2200


def test_what_cannot_be_written_stops_nobody_and_the_server_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "changes").write_text("no folder")
    Changes(tmp_path).note("a", "1", "process_off")
    assert "is not in the log of changes" in caplog.text
    assert Changes(tmp_path).newest(9) == []
