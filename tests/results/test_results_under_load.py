"""Fronts die, servers follow each other, floods come: each frame that was answered is on record, once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.results.follow import Start
from service.results.record import Kind, Record
from tests.results.served import FRAME, RAW, Cameras, follow, post, project_in
from tests.succession.upgrades import line_of_servers
from tests.support.faults import children_of, fronts_master, is_gone, until
from tests.support.running import CHECKOUT, Server, serving


def _check(cameras: Cameras, found: list[Record]) -> None:
    """Each frame that was answered is on record once, with its status; one that was not at most once."""
    counts = Counter(record.about["part"] for record in found if record.head.kind is Kind.FRAME)
    assert max(counts.values()) == 1
    answered = {part: status for part, (status, _) in cameras.answers.items() if status not in {429, 503}}
    assert answered.keys() <= counts.keys()
    assert counts.keys() - cameras.answers.keys() <= cameras.cut
    statuses = {record.about["part"]: record.head.status for record in found if record.head.kind is Kind.FRAME}
    assert {part: statuses[part] for part in answered} == answered


@contextmanager
def _reading(server: Server) -> Iterator[list[Record]]:
    """Everything that comes until the end of the block, and what is there then."""
    found: list[Record] = []
    over = threading.Event()
    with follow(server, Start.OLDEST) as follower:

        def read() -> None:
            while not over.is_set() or follower.behind:
                found.extend(follower.read())
                follower.wait(0.1)
            assert follower.missed == 0

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield found
        finally:
            over.set()
            thread.join()


@pytest.mark.long
def test_fronts_and_their_master_are_killed_and_every_answer_is_on_record(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p"), "--fronts", "2", "--slots", "8") as server:
        with _reading(server) as found, Cameras(server, 4) as cameras:
            for _ in range(3):
                cameras.go_on(60)
                os.kill(children_of(fronts_master(server))[0], signal.SIGKILL)
            cameras.go_on(60)
            master = fronts_master(server)
            os.kill(master, signal.SIGKILL)
            until(lambda: is_gone(master))
            cameras.go_on(60)
        _check(cameras, found)
        assert {record.front for record in found} == {0, 1}


@pytest.mark.long
def test_another_server_takes_over_and_every_answer_is_on_record(tmp_path: Path) -> None:
    """In the ring of the one or of the other; who follows is told by the end of the first to come to the next."""
    project = project_in(tmp_path / "p")
    command = [sys.executable, "-I", "-m", "service.cli", "results", str(project), "--all", "--json", "--no-context"]
    with (tmp_path / "told").open("w") as out, line_of_servers(project, tmp_path / "code") as line:
        follows = subprocess.Popen(command, cwd=CHECKOUT, stdout=out)
        try:
            with Cameras(line.server, 4) as cameras:
                cameras.go_on(100)
                line.upgrade()
                cameras.go_on(100)
            until(lambda: [one["behind"] for one in line.server.status()["followers"] if one["is_there"]] == [0])
            os.kill(line.pid, signal.SIGTERM)
            assert follows.wait(60) == 0
        finally:
            follows.kill()
            follows.wait()
    told = (tmp_path / "told").read_text()
    parts = Counter(re.findall(r'"part":"([^"]*)"', told))
    assert not cameras.cut
    assert set(parts) == set(cameras.answers)
    assert max(parts.values()) == 1


@pytest.mark.long
def test_a_flood_of_refusals_pushes_no_part_out(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    with serving(project, "--slots", "2", "--queue-ms", "0", "--results-mib", "1", "--workers", "1") as server:
        gate = project / "data" / "full"
        with _reading(server) as found:
            post(server, part="before")
            holders = [
                threading.Thread(target=post, args=(server, "wait:full"), kwargs={"part": f"holds {n}"})
                for n in range(2)
            ]
            for holder in holders:
                holder.start()
            until(lambda: server.status()["slots"]["free_here"] <= 1 and gate.with_suffix(".begun").exists())
            refused = 0
            with server.client() as client:
                for _ in range(2000):
                    refused += client.post(RAW, content=FRAME).status_code == 429
            gate.touch()
            for holder in holders:
                holder.join()
            post(server, part="after")
            until(lambda: sum(_refused(record) for record in found) >= refused)
        parts = [record.about.get("part") for record in found if record.head.kind is Kind.FRAME]
        assert refused > 1900
        assert {"before", "holds 0", "holds 1", "after"} <= set(parts)
        assert len(found) < 60
        assert sum(_refused(record) for record in found) == refused


def _refused(record: Record) -> int:
    return sum(entry["count"] for entry in record.told.get("refused", ()))


@pytest.mark.long
def test_memory_is_flat(tmp_path: Path) -> None:
    """Of a front that has told of 4,000 frames, twice as many as its ring holds, and of a follower's."""
    with (
        serving(project_in(tmp_path / "p"), "--results-mib", "1") as server,
        follow(server) as follower,
        server.client() as client,
    ):
        front = children_of(fronts_master(server))[0]

        def run(count: int) -> int:
            for _ in range(count):
                client.post(f"{RAW}&part=flat", content=FRAME)
                follower.read()
            return _private_kib(front)

        run(1500)
        before = run(500)
        after = run(2500)
    assert follower.missed == 0
    assert after - before < 512


def _private_kib(pid: int) -> int:
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])
