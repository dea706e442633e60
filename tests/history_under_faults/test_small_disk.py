"""A disk that gets full with the database and the pictures on it, and has room again: frames go on, nothing is half."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from service.history.pictures.keeping import NO_ROOM, NO_SLOT, TOO_FAST
from service.history.pictures.rows import WAITING
from service.history.places.place import sqlite_in
from tests.history_under_faults.loaded import (
    Cameras,
    await_recorder,
    check_each_once,
    check_pictures,
    pictures_of,
    rows_of,
    small_disk,
    told,
)
from tests.results.served import project_in
from tests.support.faults import until
from tests.support.running import serving

OPTIONS = ("--workers", "1", "--fronts", "1", "--pictures", "all", "--free-disk-mib", "0", "--pictures-format", "png")


def _fill(path: Path) -> None:
    """Take all that is left, to the last page."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(1 << 16))
    with path.with_name("rest").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))


@pytest.mark.long
@pytest.mark.parametrize("record", ["async", "before_answer"])
def test_both_on_a_full_disk_go_on_by_themselves_once_there_is_room(tmp_path: Path, record: str) -> None:
    with small_disk(tmp_path / "disk", "6m") as disk:
        place, folder = sqlite_in(disk), disk / "history" / "pictures"
        with serving(project_in(tmp_path / "p"), *OPTIONS, "--state-dir", str(disk), "--record", record) as server:
            await_recorder(server)
            with Cameras(server) as cameras:
                for turn in range(2):
                    cameras.go_on()
                    kept = told(server)["pictures"]["kept"]
                    _fill(disk / "fill")
                    until(lambda: told(server)["state"] == "waiting")
                    if record == "async":
                        cameras.go_on()  # frames do not notice
                        assert cameras.statuses == {200}
                    else:
                        until(lambda: 503 in cameras.statuses)
                        assert {said for status, said in cameras.answers.values() if status == 503} == {"not_recorded"}
                    (disk / "fill").unlink()
                    (disk / "rest").unlink()
                    await_recorder(server)
                    cameras.go_on()
                    until(lambda kept=kept: told(server)["pictures"]["kept"] > kept)  # type: ignore[misc]
                    assert turn == 0 or told(server)["failures"] > 0
            until(lambda: {row.part for row in rows_of(place)} >= cameras.inspected.keys())
            until(lambda: all(row.lost != WAITING for row in pictures_of(place)))
            assert told(server)["missed"] == 0
            counted = told(server)["pictures"]
            assert server.stop() == 0
        check_each_once(place, cameras)
        rows = check_pictures(place, folder)
        assert len(rows) == len([part for part, (status, _) in cameras.answers.items() if status == 200])
        lost = [row.lost for row in rows if row.file is None]
        assert counted["lost"] == len(lost)
        on_disk = [why for why in lost if "No space left" in why or why == NO_ROOM]
        assert {*lost} - {*on_disk} <= {NO_SLOT, TOO_FAST}  # three cameras are as fast as they can
        assert on_disk or record == "before_answer"  # frames that could not be recorded have none to be kept
