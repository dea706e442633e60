"""Parts that are under way outlive their server: another takes over, and each has its verdict once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.history.kept import printed
from tests.parts.kit.clients import Clients, Told, check
from tests.parts.kit.served import VIEWS, asked, desk_of, project_in, view, words
from tests.succession.upgrades import Line, line_of_servers
from tests.support.faults import children_of, programs_of, until
from tests.support.running import Server

_PROJECT = 'views = ["top", "left", "right"]\nwait_ms = 60000'


@pytest.mark.long
def test_a_part_that_is_under_way_is_gone_on_with(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", _PROJECT)
    with line_of_servers(project, tmp_path / "code", "--record", "async") as line:
        server = line.server
        ended = [view(server, "ended", name).json() for name in VIEWS]
        view(server, "under way", "top")
        view(server, "never", "top")
        begun = asked(server, "under way")
        line.upgrade()
        there = asked(server, "under way")
        assert (there["state"], there["time"], words(there)) == ("open", begun["time"], ["OK", None, None])
        assert "partResult" not in view(server, "under way", "left", "nok").json()
        line.upgrade()
        told = view(server, "under way", "right").json()["partResult"]
        assert (told["verdict"], words(told)) == ("NOK", ["OK", "NOK", "OK"])
        assert asked(server, "under way") == {"state": "ended", **told}
        assert asked(server, "ended") == {"state": "ended", **ended[2]["partResult"]}  # of the server before last
        line.end()
        until(lambda: len(_parts_of(server, "never")) == 1)
        assert _parts_of(server, "under way") == [("NOK", None, ["OK", "NOK", "OK"])]
        assert _parts_of(server, "never") == [("ERROR", "ended", ["OK", "MISSING", "MISSING"])]


def _parts_of(server: Server, part: str) -> list[tuple[str, str | None, list[str]]]:
    return [(one["verdict"], one["why"], words(one)) for one in _records(server, "--part", part)]


def _records(server: Server, *arguments: str) -> list[dict[str, Any]]:
    return [one for one in printed(server, "--no-context", *arguments) if one["kind"] == "part"]


@pytest.mark.long
def test_no_part_is_lost_by_takeovers_a_reload_and_a_rollback_under_load(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", _PROJECT)
    with line_of_servers(project, tmp_path / "code", "--record", "async", "--fronts", "2") as line:
        clients = Clients(line.server)
        clients.have_sent(50)
        line.upgrade()
        clients.have_sent(50)
        _change(line, "reload")
        clients.have_sent(50)
        _change(line, "rollback")
        clients.have_sent(50)
        line.upgrade()
        clients.have_sent(50)
        clients.end()
        line.end()
        on_record = _records(line.server)
    assert len(clients.told) > 60
    told = {part: _only(heard) for part, heard in clients.told.items()}
    assert {part: verdict for part, (verdict, _) in told.items()} == {part: _right(part) for part in clients.told}
    assert Counter(one["id"] for one in on_record) == Counter(id_ for _, id_ in told.values())


def _only(heard: list[Told]) -> tuple[str, str]:
    """What a part became, of which the answer to its last view alone says so."""
    results = [result for _, _, result in heard]
    assert results[:-1] == [None, None]
    assert results[2] is not None
    return results[2]["verdict"], results[2]["id"]


def _right(part: str) -> str:
    """What was sent; see Clients."""
    return "NOK" if int(part.partition("-")[2]) % 2 == 0 else "OK"


def _change(line: Line, what: str) -> None:
    if what == "reload":  # a version that differs: its parts are the same
        flow = line.server.project / "code" / "flow.py"
        flow.write_text(f"{flow.read_text()}\n# another\n")
    with line.server.client() as client:
        client.post(f"/api/v1/{what}?wait_s=60").raise_for_status()


@pytest.mark.long
def test_fronts_and_a_desk_that_are_killed_around_a_takeover_lose_what_they_had_and_nothing_else(
    tmp_path: Path,
) -> None:
    project = project_in(tmp_path / "p", 'views = ["top", "left", "right"]\nwait_ms = 4000')
    with line_of_servers(project, tmp_path / "code", "--record", "async", "--fronts", "2") as line:
        clients = Clients(line.server)
        for turn in range(2):
            clients.have_sent(40)
            line.ask()
            _until_said(line, "another server is started", turn + 1)
            _kill(line, "service.server.front" if turn else "service.beside.part_desk")
            _until_said(line, "answers in place", turn + 1)
            line.pid = line.pids()[-1]
            clients.have_sent(40)
            os.kill(_fronts(line.pid)[0], signal.SIGKILL)
        clients.have_sent(40)
        clients.end()
        until(lambda: line.server.status()["parts"]["open"] == 0)
        line.end()
        on_record = _records(line.server)
    assert len({one["id"] for one in on_record}) == len(on_record)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for one in on_record:
        by_name.setdefault(one["part"], []).append(one)
    for part, heard in clients.told.items():
        check(heard, by_name.get(part, []))
    assert Counter(one["verdict"] for one in on_record)["OK"] > 5


def _until_said(line: Line, what: str, times: int) -> None:
    until(lambda: line.said(what) >= times)


def _kill(line: Line, what: str) -> None:
    """Kill one of the server that is followed."""
    os.kill(_fronts(line.pid)[0] if what == "service.server.front" else desk_of(line.server), signal.SIGKILL)


def _fronts(server_pid: int) -> list[int]:
    (master,) = programs_of(server_pid, "service.server.front")
    return children_of(master)
