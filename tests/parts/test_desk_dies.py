"""Fronts, the part desk and whole servers die or change under load: no part is OK that should not be, none is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.parts.kit.clients import Clients, check
from tests.parts.kit.served import LONG_MS, VIEWS, all_parts, asked, desk_of, next_parts, project_in, view, words
from tests.results.served import follow
from tests.support.faults import children_of, fronts_master, until
from tests.support.running import Server, serving

pytestmark = pytest.mark.long


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(project_in(tmp_path_factory.mktemp("dies") / "p"), "--fronts", "2") as running:
        yield running


def kill_desk(server: Server) -> None:
    """And wait for the next one, which has read what was said meanwhile."""
    before = desk_of(server)
    os.kill(before, signal.SIGKILL)
    until(lambda: desk_of(server) != before)
    hears(server)


def hears(server: Server) -> None:
    """Wait until there is a desk that has read what was said before."""

    def answers() -> bool:
        with server.client() as client:
            return client.get("/api/v1/parts/is%20it%20there").status_code == 404

    until(answers)


def test_a_part_that_is_open_outlives_the_desk(server: Server) -> None:
    view(server, "outlives", "top", "nok")
    view(server, "outlives", "left")
    kill_desk(server)
    assert words(asked(server, "outlives")) == ["NOK", "OK", None]
    until(lambda: "desk_away" not in view(server, "probe", "top").text)
    assert view(server, "outlives", "right").json()["partResult"]["verdict"] == "NOK"
    assert asked(server, "probe")["state"] == "open"


def test_a_part_that_has_ended_is_told_by_the_next_desk(server: Server) -> None:
    results = [view(server, "told later", name).json() for name in VIEWS]
    kill_desk(server)
    assert asked(server, "told later") == {"state": "ended", **results[2]["partResult"]}


def test_who_waits_while_the_desk_dies_hears_from_the_next_one(server: Server) -> None:
    answers: list[httpx.Response] = []

    def wait() -> None:
        with server.client() as client:
            answers.append(client.get("/api/v1/parts/waited%20for?wait_s=50"))

    view(server, "waited for", "top")
    desk = desk_of(server)
    at_rest = files_of(desk)
    waiter = threading.Thread(target=wait)
    waiter.start()
    until(lambda: files_of(desk) > at_rest)
    kill_desk(server)
    until(lambda: "desk_away" not in view(server, "probe 2", "top").text)
    for name in VIEWS[1:]:
        last = view(server, "waited for", name).json()
    waiter.join()
    assert answers[0].json() == {"state": "ended", **last["partResult"]}


@pytest.mark.parametrize("fronts_die", [False, True])
def test_what_has_no_place_in_the_queue_of_a_desk_that_hangs_is_said_once_it_reads(
    server: Server, fronts_die: bool
) -> None:
    """Its queue holds some 280; what is said behind that must not wait for another frame, nor for its front."""
    parts = [f"unheard {number} {fronts_die}" for number in range(150)]
    with follow(server) as follower:
        view(server, "heard", "top")
        desk = desk_of(server)
        os.kill(desk, signal.SIGSTOP)
        try:
            with server.client() as client:
                answers = [view(server, part, name, client=client) for part in parts for name in VIEWS]
            assert all(answer.status_code == 200 for answer in answers)
            for front in children_of(fronts_master(server)) if fronts_die else ():
                os.kill(front, signal.SIGKILL)
        finally:
            os.kill(desk, signal.SIGCONT)
        until(lambda: asked_or_none(server, parts[-1]))
        told = [asked(server, part, wait_s=30) for part in parts]
        on_record = all_parts(follower)
    assert {(one["state"], one["verdict"]) for one in told} == {("ended", "ERROR")}
    assert sorted(one["part"] for one in on_record) == sorted(parts)


def files_of(pid: int) -> int:
    """How many files a process has open."""
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


def test_killed_under_load_nothing_is_ok_that_should_not_be_and_every_part_is_on_record(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", 'views = ["top", "left", "right"]\nwait_ms = 4000')
    with serving(project, "--fronts", "2") as server, follow(server) as follower:
        clients = Clients(server)
        for turn in range(6):
            clients.have_sent(40)
            if turn % 2:
                fronts = children_of(fronts_master(server))
                os.kill(fronts[turn // 2 % len(fronts)], signal.SIGKILL)
            else:
                os.kill(desk_of(server), signal.SIGKILL)
        clients.have_sent(60)
        clients.end()
        hears(server)
        answered = {part for part, heard in clients.told.items() if any(result is not None for _, result, _ in heard)}
        on_record: list[dict[str, Any]] = []

        def all_are_on_record() -> bool:
            on_record.extend(all_parts(follower))
            return answered <= {one["part"] for one in on_record}

        until(all_are_on_record)  # what fronts have said to a desk that died, the next one hears in its own time
        until(lambda: server.status()["parts"]["open"] == 0)
        on_record += all_parts(follower)
        counted = server.status()["parts"]
    assert len({one["id"] for one in on_record}) == len(on_record)  # none is there twice
    by_name: dict[str, list[dict[str, Any]]] = {}
    for one in on_record:
        by_name.setdefault(one["part"], []).append(one)
    for part, heard in clients.told.items():
        check(heard, by_name.get(part, []))
    verdicts = Counter(one["verdict"] for one in on_record)
    assert verdicts["OK"] > 1
    assert verdicts["NOK"] > 1
    # a desk that was killed between a record and its count counts one fewer
    assert 0 <= len(on_record) - sum(counted[key] for key in ("ok", "nok", "off", "error")) <= 3


def test_a_view_that_does_not_come_is_an_error_on_record_and_a_late_one_another_pass(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", 'views = ["top", "left"]\nwait_ms = 200\nverdict = "top or left"')
    with serving(project) as server, follow(server) as follower:
        view(server, "half", "top")
        assert asked(server, "half", wait_s=30)["why"] == "missing"
        (missing,) = next_parts(follower)
        assert (missing["verdict"], words(missing)) == ("ERROR", ["OK", "MISSING"])
        assert missing["took_ms"] >= 200
        late = view(server, "half", "left").json()
        assert "partResult" not in late
        (again,) = next_parts(follower)
        assert words(again) == ["MISSING", "OK"]
        for name, data in (("top", "nok"), ("left", "")):
            last = view(server, "either", name, data).json()
        assert last["partResult"]["verdict"] == "OK"
        counted = server.status()["parts"]
        assert {key: counted[key] for key in ("ok", "error", "missing")} == {"ok": 1, "error": 2, "missing": 2}


def test_a_reload_in_the_middle_leaves_a_part_as_it_was_begun_and_brings_parts_where_there_were_none(
    tmp_path: Path,
) -> None:
    project = project_in(tmp_path / "p", "")
    with serving(project, "--fronts", "2") as server, server.client() as client:
        assert "partResult" not in view(server, "1", "top").json()
        assert client.get("/api/v1/parts/1").status_code == 404
        project_in(project, f'views = ["top", "left"]\nwait_ms = {LONG_MS}')
        client.post("/api/v1/reload?wait_s=60").raise_for_status()
        desk_of(server)
        until(lambda: client.get("/api/v1/parts/1").status_code == 404)
        for part in "26":
            view(server, part, "top", client=client)  # the second is not read anew: it is like the first
        project_in(project, f'views = ["left", "front"]\nwait_ms = {LONG_MS}')
        client.post("/api/v1/reload?wait_s=60").raise_for_status()
        assert view(server, "2", "left").json()["partResult"]["verdict"] == "OK"
        assert view(server, "7", "top", client=client).status_code == 400
        assert view(server, "2", "top").status_code == 400
        view(server, "3", "front")
        assert view(server, "3", "left").json()["partResult"]["verdict"] == "OK"
        view(server, "4", "front")
        project_in(project, "")
        client.post("/api/v1/reload?wait_s=60").raise_for_status()
        assert view(server, "4", "left").json()["partResult"]["verdict"] == "OK"
        assert "partResult" not in view(server, "5", "left").json()
        assert client.get("/api/v1/parts/5").status_code == 404


def test_what_is_open_at_the_end_of_the_server_is_an_error_in_the_history(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    with serving(project, "--record", "async") as server:
        view(server, "left open", "top")
        assert server.stop() == 0
    with serving(project, "--record", "async") as server:
        until(lambda: asked_or_none(server, "left open") is not None)
        told = asked(server, "left open")
    assert (told["state"], told["verdict"], told["why"]) == ("ended", "ERROR", "ended")
    assert words(told) == ["OK", "MISSING", "MISSING"]


def asked_or_none(server: Server, part: str) -> dict[str, Any] | None:
    with server.client() as client:
        answer = client.get(f"/api/v1/parts/{part}")
        return answer.json() if answer.status_code == 200 else None


def test_too_many_parts_end_the_oldest_as_errors(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p")) as server, server.client() as client:
        for number in range(1003):
            view(server, f"p{number}", "top", client=client)
        counted = server.status()["parts"]
        assert (counted["open"], counted["pushed_out"], counted["error"]) == (1000, 3, 3)
        told = [asked(server, f"p{number}") for number in range(4)]
    assert [one.get("why") for one in told] == ["pushed_out"] * 3 + [None]
    assert told[3]["state"] == "open"
