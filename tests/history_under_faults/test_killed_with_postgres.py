"""A front, the fronts' master or the supervisor is killed under load; PostgreSQL has what was promised, once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history_under_faults.loaded import check_each_once, in_postgres, place_of, rows_of, told, unknown_of
from tests.results.served import Cameras
from tests.support.databases.cluster import Cluster, running_cluster
from tests.support.faults import children_of, fronts_master, is_gone, until

BOUND_NS = 10_000_000_000  # ten times what is promised, on a machine that has much else to do


@pytest.fixture(name="own", scope="module")
def a_cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.mark.long
@pytest.mark.parametrize("record", ["async", "before_answer"])
def test_fronts_that_are_killed_cost_no_record(own: Cluster, tmp_path: Path, record: str) -> None:
    url = own.database()
    with in_postgres(tmp_path / "p", url, "left", "--record", record, "--fronts", "2") as server:
        with Cameras(server) as cameras:
            for _ in range(2):
                cameras.go_on(30)
                os.kill(children_of(fronts_master(server))[0], signal.SIGKILL)
            cameras.go_on(30)
            os.kill(master := fronts_master(server), signal.SIGKILL)
            until(lambda: is_gone(master))
            cameras.go_on(30)
        until(lambda: cameras.inspected.keys() <= {row.part for row in rows_of(place_of(url))})
        assert told(server)["missed"] == 0
    check_each_once(place_of(url), cameras)
    assert unknown_of(place_of(url), "missed") == []
    assert len(cameras.cut) < 40


@pytest.mark.long
@pytest.mark.parametrize("record", ["async", "before_answer"])
def test_a_supervisor_that_is_killed_costs_what_may_be_lost_and_that_is_known(
    own: Cluster, tmp_path: Path, record: str
) -> None:
    url = own.database()
    place = place_of(url)
    killed_ns: list[int] = []
    seen: list[Cameras] = []
    for _ in range(2):
        with in_postgres(tmp_path / "p", url, "left", "--record", record) as server:
            until(lambda: len(unknown_of(place, "killed")) == len(seen))
            with Cameras(server) as cameras:
                until(lambda: told(server)["recorded"] > 30)
                cameras.go_on(30)
                killed_ns.append(time.time_ns())
                server.process.kill()
                server.process.wait()
            seen.append(cameras)
    with in_postgres(tmp_path / "p", url, "left", "--record", record) as server:
        until(lambda: len(unknown_of(place, "killed")) == 2)
        assert server.stop() == 0
    rows = rows_of(place)
    assert len({row.id for row in rows}) == len(rows)
    known = {row.id for row in rows}
    gaps = unknown_of(place, "killed")
    for (begin_ns, end_ns), at_ns, cameras in zip(gaps, killed_ns, seen, strict=True):
        assert at_ns - BOUND_NS < begin_ns < end_ns
        lost = {*cameras.inspected.values()} - known
        if record == "before_answer":
            assert lost == set()
        assert len(lost) < len(cameras.inspected)
        # by when it was answered: one that came a moment before may be among them
        assert all(begin_ns <= cameras.answered_ns[frame_id] <= end_ns for frame_id in lost)
