"""Going back to the version before: as it was loaded, whatever is on disk, one step, and without losing a frame."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.going_live.proved import ask, edition, edition_of, proved_project, save
from tests.support.faults import children_of, until
from tests.support.running import Server, serving
from tests.support.versions import kill_all_workers, under_load, workers_of
from workers.versions.copy import MANIFEST

pytestmark = pytest.mark.long


@pytest.fixture(name="server")
def proved_server(tmp_path: Path) -> Iterator[Server]:
    with serving(proved_project(tmp_path / "p"), "--state-dir", str(tmp_path / "state")) as running:
        yield running


def _copies(server: Server) -> int:
    return len([*server.project.with_name("state").glob(f"versions/*/{MANIFEST}")])


def test_back_and_forth(server: Server) -> None:
    first = server.status()["flowVersion"]
    assert ask(server, "rollback").json()["detail"].endswith("there is no version before it to go back to")
    save(server.project, edition(2))
    second = ask(server).json()["flowVersion"]
    assert ask(server).status_code == 200  # the same once more: the way back leads to the first all the same
    assert server.status()["projectOnDisk"] == "same"
    shutil.rmtree(server.project / "code")  # nothing of it comes from there
    answer = ask(server, "rollback")
    assert (answer.status_code, answer.json()) == (200, {"rollback": "done", "flowVersion": first, "before": second})
    assert edition_of(server) == 1
    kill_all_workers(server)
    assert edition_of(server) == 1
    assert server.status()["projectOnDisk"] == "invalid"
    again = ask(server, "rollback")
    assert again.status_code == 409
    assert again.json()["detail"] == f"version {first} goes on: there is no version before it to go back to"
    assert any(f"gone back to version {first} from {second}; asked for by a client" in line for line in server.log)
    proved_project(server.project, edition(3))
    assert ask(server).status_code == 200
    assert edition_of(server) == 3
    assert ask(server, "rollback").json()["flowVersion"] == first


def test_the_copy_of_the_version_before_is_kept_and_no_other(server: Server) -> None:
    for number in range(2, 6):
        save(server.project, edition(number))
        assert ask(server).status_code == 200
    until(lambda: _copies(server) == 2)
    processes = set(children_of(server.process.pid))
    assert ask(server, "rollback").status_code == 200
    assert edition_of(server) == 4
    until(lambda: _copies(server) == 1)
    until(lambda: not processes & workers_of(server))


def test_a_reload_that_is_refused_leaves_the_way_back_as_it_was(server: Server) -> None:
    save(server.project, edition(2))
    ask(server)
    save(server.project, edition(3).replace("mark == 10", "True"))
    assert ask(server).status_code == 409
    assert ask(server, "rollback").status_code == 200
    assert edition_of(server) == 1


def test_a_rollback_while_a_reload_is_under_way_is_refused(server: Server) -> None:
    save(server.project, edition(2))
    ask(server)
    save(server.project, edition(3, "    while True: pass\n"))
    with server.client() as client:
        assert client.post("/api/v1/reload").status_code == 202
    refused = ask(server, "rollback")
    assert refused.status_code == 409
    assert "another change of the version is under way" in refused.json()["detail"]
    assert edition_of(server) == 2


def test_ten_switches_under_load_lose_no_frame_and_each_camera_sees_them_in_order(server: Server) -> None:
    """No answer comes from an older version than one before it on the same connection, but where somebody went back."""
    versions = [server.status()["flowVersion"]]
    with under_load(server, 3) as line:
        until(lambda: line.answers)
        for number in range(10):
            back = number % 3 == 2
            if not back:
                save(server.project, edition(number + 2))
            answer = ask(server, "rollback" if back else "reload")
            assert answer.status_code == 200
            versions.append(answer.json()["flowVersion"])
            had = len(line.answers)
            until(lambda had=had: len(line.answers) > had + 6)  # type: ignore[misc]
    assert {answer.status_code for answer in line.answers} == {200}
    for seen in line.by_camera.values():
        assert len(seen) > 10
        places = iter(versions)
        # what a camera saw, without repetitions, comes in the order of the switches
        order = [each for place, each in enumerate(seen) if place == 0 or seen[place - 1] != each]
        assert all(any(each == version for version in places) for each in order), (order, versions)
    assert server.status()["workers"]["deaths"] == 0


def test_what_is_wrong_with_the_way_of_asking_is_told(server: Server) -> None:
    for path, parameters in (
        ("reload", {"wait_s": "soon"}),
        ("reload", {"accept": "perhaps"}),
        ("rollback", {"wait_s": "-1"}),
    ):
        with server.client() as client:
            answer = client.post(f"/api/v1/{path}", params=parameters)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    with server.client() as client:
        assert client.get("/api/v1/rollback").status_code == 405
    assert server.status()["reloads"] == 0
