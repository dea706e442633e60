"""Two servers with one PostgreSQL, each with pictures in a folder of its own: neither touches what is the other's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.history.pictures.rows import WAITING
from tests.history_under_faults.loaded import (
    check_pictures,
    files_in,
    in_postgres,
    kill,
    pictures_of,
    place_of,
    rows_of,
    told,
)
from tests.pictures_kept.pictured import folder_of, get
from tests.results.served import Cameras, post
from tests.support.databases.cluster import Cluster, running_cluster
from tests.support.faults import until
from tests.support.running import Server

OPTIONS = (
    "--record",
    "async",
    "--pictures",
    "all",
    "--free-disk-mib",
    "0",
    "--fronts",
    "1",
    "--pictures-format",
    "png",
)


@pytest.fixture(name="own", scope="module")
def a_cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


def _settled(url: str, name: str, cameras: Cameras) -> bool:
    if not cameras.inspected.keys() <= {row.part for row in rows_of(place_of(url), name)}:
        return False
    return all(row.lost != WAITING for row in pictures_of(place_of(url), name))


@pytest.mark.long
def test_each_keeps_and_settles_its_own_whoever_is_killed(own: Cluster, tmp_path: Path) -> None:
    url = own.database()
    place = place_of(url)
    with ExitStack() as stack:
        left, right = (
            stack.enter_context(in_postgres(tmp_path / name, url, name, *OPTIONS)) for name in ("left", "right")
        )
        with Cameras(left, 2) as of_left, Cameras(right, 2) as of_right:
            of_left.go_on()
            of_right.go_on()
            kill(left, "service.beside.recorder")
            own.kill()
            of_left.go_on()
            until(lambda: told(right)["state"] == "waiting")
            own.start()
            of_left.go_on()
            of_right.go_on()
        for name, cameras, server in (("left", of_left, left), ("right", of_right, right)):
            until(lambda name=name, cameras=cameras: _settled(url, name, cameras))  # type: ignore[misc]
            rows = check_pictures(place, folder_of(server), name)
            assert len(rows) == len(cameras.inspected)
            assert sum(row.file is not None for row in rows) > 60
    for name, cameras in (("left", of_left), ("right", of_right)):
        rows = rows_of(place, name)
        assert {row.id for row in rows} >= {*cameras.inspected.values()}
        assert len({row.id for row in rows}) == len(rows)


@pytest.mark.long
def test_one_makes_room_and_forgets_and_dies_and_the_other_keeps_all(own: Cluster, tmp_path: Path) -> None:
    url = own.database()
    with in_postgres(tmp_path / "right", url, "right", *OPTIONS) as right:
        theirs = [post(right).json()["id"] for _ in range(10)]
        until(lambda: len(files_in(folder_of(right))) == 10)
        kept = files_in(folder_of(right))
        with in_postgres(tmp_path / "left", url, "left", *OPTIONS, "--history-records", "5") as left:
            ours = [post(left).json()["id"] for _ in range(20)]
            until(lambda: len(rows_of(place_of(url), "left")) == 5 and len(files_in(folder_of(left))) == 5)
            check_pictures(place_of(url), folder_of(left), "left")
            assert get(left, f"/api/v1/frames/{ours[-1]}/picture").status_code == 200
            of_another = get(left, f"/api/v1/frames/{theirs[0]}/picture")  # its page tells of both
            assert (of_another.status_code, "another server has it" in of_another.text) == (404, True)
            assert get(left, f"/api/v1/frames/{theirs[0]}").json()["picture"]["kept"]
            os.kill(left.process.pid, signal.SIGKILL)
            left.process.wait()
        with in_postgres(tmp_path / "left", url, "left", *OPTIONS) as left:
            check_pictures(place_of(url), folder_of(left), "left")
        assert files_in(folder_of(right)) == kept
        check_pictures(place_of(url), folder_of(right), "right")
        assert _all_there(right, theirs)


def _all_there(server: Server, ids: list[str]) -> bool:
    return all(get(server, f"/api/v1/frames/{one}/picture").status_code == 200 for one in ids)
