"""The recorder is killed at each of its steps: each frame is there once, each picture whole or told as lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.history.pictures.folder import pictures_in
from service.history.places.place import sqlite_in
from tests.history.kept import rows
from tests.history_under_faults.fronts import check, recorded, work
from tests.history_under_faults.steps import Limits, parts_left


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("limits", [Limits(), Limits(frames=30, bytes=1500)], ids=["all", "the newest"])
def test_killed_at_any_step_each_frame_is_there_once_and_each_picture_is_known(tmp_path: Path, limits: Limits) -> None:
    path, folder = sqlite_in(tmp_path), pictures_in(tmp_path)
    with recorded(tmp_path, limits) as (front, recorders):
        assert not work(front, recorders, path, 0)  # it makes the database
        steps, halves = 1, 0
        while work(front, recorders, path, steps):
            check(front, recorders, path, folder)
            steps += 1
            halves += bool(parts_left(folder))  # of the file at which it was killed
        check(front, recorders, path, folder)
        assert steps > 30
        assert halves
        for one in parts_left(folder):
            os.utime(one, (0, 0))
        assert not work(front, recorders, path, 0)
        assert parts_left(folder) == []
        ((kept,),) = rows(path, "SELECT count(*) FROM pictures WHERE file IS NOT NULL")
        assert kept > (10 if limits.bytes else steps)
