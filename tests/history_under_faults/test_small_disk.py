"""A disk that gets full with the database and the pictures on it, and has room again: frames go on, nothing is half."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.history.pictures.keeping import NO_ROOM, NO_SLOT, TOO_FAST
from service.history.pictures.rows import MADE_ROOM, WAITING
from service.history.places.place import sqlite_in
from tests.history.kept import rows
from tests.history_under_faults.loaded import (
    await_recorder,
    check_each_once,
    check_pictures,
    pictures_of,
    rows_of,
    small_disk,
    told,
)
from tests.history_under_faults.steps import parts_left
from tests.results.served import Cameras, project_in
from tests.support.faults import until
from tests.support.running import serving

OPTIONS = ("--workers", "1", "--fronts", "1", "--pictures", "all", "--pictures-format", "png", "--free-disk-mib")
MIB = 1 << 20


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
    with small_disk(tmp_path / "disk", "32m") as disk:
        place, folder = sqlite_in(disk), disk / "history" / "pictures"
        with serving(project_in(tmp_path / "p"), *OPTIONS, "0", "--state-dir", str(disk), "--record", record) as server:
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
        assert rows(place, "PRAGMA integrity_check") == [("ok",)]
        assert parts_left(folder) == []
        pictures = check_pictures(place, folder)
        assert len(pictures) == len([part for part, (status, _) in cameras.answers.items() if status == 200])
        lost = [row.lost for row in pictures if row.file is None]
        assert counted["lost"] == len(lost)
        on_disk = [why for why in lost if "No space left" in why or why == NO_ROOM]
        assert {*lost} - {*on_disk} <= {NO_SLOT, TOO_FAST}  # three cameras are as fast as they can
        assert on_disk or record == "before_answer"  # frames that could not be recorded have none to be kept


@pytest.mark.long
def test_what_others_take_of_the_disk_pictures_give_back_and_the_floor_holds(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (300, 300), np.uint8).tobytes()
    with small_disk(tmp_path / "disk", "16m") as disk:
        place, folder = sqlite_in(disk), disk / "history" / "pictures"
        options = (*OPTIONS, "4", "--record", "async", "--state-dir", str(disk))
        with serving(project_in(tmp_path / "p"), *options) as server, server.client() as client:
            await_recorder(server)

            def send(count: int) -> list[Any]:
                for _ in range(count):  # 90 kB each
                    path = "/analyze_raw_image?width=300&height=300"
                    client.post(path, content=noise).raise_for_status()
                    until(lambda: all(row.lost != WAITING for row in pictures_of(place)))
                return [row for row in pictures_of(place) if row.file]

            send(60)
            assert told(server)["pictures"]["made_room"] == 0
            (disk / "others").write_bytes(bytes(_free_bytes(disk) - 2 * MIB - MIB // 2))
            until(lambda: _free_bytes(disk) >= 4 * MIB)
            made_room = until(lambda: told(server)["pictures"]["made_room"])  # files go before that is told
            assert 10 < made_room < 60
            send(5)
            assert _free_bytes(disk) >= 3 * MIB
            _fill(disk / "all")
            until(lambda: not [row for row in pictures_of(place) if row.file])  # there is nothing else to give
            (disk / "all").unlink()
            until(lambda: send(1))
            await_recorder(server)
            assert told(server)["missed"] == 0
            assert server.stop() == 0
        assert rows(place, "PRAGMA integrity_check") == [("ok",)]
        assert parts_left(folder) == []
        lost = {row.lost for row in check_pictures(place, folder) if row.file is None}
        assert lost <= {MADE_ROOM, NO_ROOM, NO_SLOT}


def _free_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize
