"""Inputs in a real server: from the next frame on, in all workers and fronts, one revision a frame, kept and told."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.changes.log import Changes
from service.inputs.operator_inputs import MEMORY_KIB, OperatorInputs
from tests.results.served import follow, next_frames
from tests.succession.upgrades import line_of_servers
from tests.support.contract import checked, raw
from tests.support.faults import until
from tests.support.projects import frame
from tests.support.running import Server, serving, write_project
from workers.flow.inputs import KINDS
from workers.memory.global_data import create_global_data

INPUTS = """
[[flow]]
module = "code"
file = "code/tell.py"

[[input]]
name = "limit"
kind = "number"
label = "Largest gap"
min = 0.1
max = 2
step = 0.05
unit = "mm"
default = 0.8

[[input]]
name = "lot"
kind = "text"
max_length = 8

[[input]]
name = "shift"
kind = "select"
choices = ["early", "late", "night"]

[[input]]
name = "strict"
kind = "switch"
"""
TELL = """
import os

def main(context):
    context["found"] = dict(context["operatorInput"])
    context["operatorInput"]["mine"] = 1
    context["pid"] = os.getpid()
"""
DEFAULTS = {"limit": 0.8, "lot": "", "shift": "early", "strict": False}


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = write_project(tmp_path_factory.mktemp("inputs") / "p", INPUTS, tell=TELL)
    with serving(project, "--fronts", "2", "--workers", "2") as running:
        yield running


def found(client: httpx.Client) -> dict[str, Any]:
    path, body = raw(frame())
    return dict(checked(client.post(path, content=body))["found"])


def put(client: httpx.Client, revision: int | None = None, **values: Any) -> httpx.Response:
    asked = {"values": values} | ({} if revision is None else {"revision": revision})
    return client.put("/api/v1/inputs", json=asked)


def set_to(client: httpx.Client, **values: Any) -> int:
    known = put(client, **values).raise_for_status().json()
    return int(known["revision"])


def test_a_change_is_there_from_the_next_frame_on_in_all_fronts_and_workers(server: Server) -> None:
    with server.client() as first:
        before = set_to(first, **dict.fromkeys(DEFAULTS))
        assert found(first) == DEFAULTS
        clients = [server.client() for _ in range(12)]
        for turn, limit in enumerate((0.5, 1.25, 2)):
            revision = set_to(first, limit=limit, lot=f"L{turn}")
            assert revision == before + turn + 1
            for client in clients:
                assert found(client) == {**DEFAULTS, "limit": float(limit), "lot": f"L{turn}"}
        for client in clients:
            client.close()
        assert set_to(first, limit=2, lot="L2") == revision, "nothing was changed"
        assert set_to(first, limit=None, lot=None) == revision + 1
        assert found(first) == DEFAULTS


def test_each_record_names_the_revision_that_its_frame_was_inspected_with(server: Server) -> None:
    with server.client() as client, follow(server) as follower:
        path, body = raw(frame())
        seen: dict[int, float] = {}
        done = threading.Event()

        def change() -> None:
            with server.client() as other:
                for turn in range(30):
                    limit = (10 + turn) / 20
                    seen[set_to(other, limit=limit)] = limit
            done.set()

        seen[set_to(client, limit=0.1)] = 0.1
        thread = threading.Thread(target=change)
        thread.start()
        answers = 0
        while not done.is_set() or answers < 10:
            checked(client.post(path, content=body))
            answers += 1
        thread.join()
        told = [record.document() for record in next_frames(follower, answers)]
        revisions = {one["inputRevision"] for one in told}
        assert all(one["context"]["found"]["limit"] == seen[one["inputRevision"]] for one in told)
        assert len(revisions) > 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"limit": 9}, "limit: is 9, expected 0.1 to 2"),
        ({"limit": 0.13}, "limit: is 0.13, expected steps of 0.05 from 0.1 on"),
        ({"limit": "0.5"}, "limit: is '0.5', expected a number"),
        ({"limit": True}, "limit: is True, expected a number"),
        ({"lot": "123456789"}, "lot: has 9 characters, expected 8 at most"),
        ({"lot": "a\x00b"}, "lot: has characters that cannot be shown"),
        ({"lot": "a\nb"}, "lot: has characters that cannot be shown"),
        ({"shift": "noon"}, "shift: is 'noon', expected one of early, late, night"),
        ({"strict": 1}, "strict: is 1, expected true or false"),
        ({"other": 1}, "other: there is no input of this name; known are limit, lot, shift, strict"),
        ({"other": None}, "other: there is no input of this name"),
    ],
)
def test_what_an_input_does_not_take_changes_nothing(server: Server, values: dict[str, Any], said: str) -> None:
    with server.client() as client:
        before = client.get("/api/v1/inputs").json()
        answer = put(client, **{"lot": "valid", **values})
        assert answer.status_code == 422
        assert answer.json()["code"] == "input_invalid"
        assert said in answer.json()["detail"]
        assert client.get("/api/v1/inputs").json() == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"values": {"limit": 1' + b"0" * 400 + b"}}",
        b"[]",
        b'{"values": []}',
        b'{"values": {"lot": []}}',
        b'{"values": {"lot": NaN}}',
        b'{"values": {}, "revision": -1}',
        b'{"values": {}, "more": 1}',
        b"\xff" * 100,
        b'{"values": {"lot": "' + b"x" * 70_000 + b'"}}',
        b'{"values": {"lot": "\\ud800"}}',
    ],
)
def test_a_body_that_is_none_is_told_what_was_expected(server: Server, body: bytes) -> None:
    with server.client() as client:
        answer = client.put("/api/v1/inputs", content=body)
        assert answer.status_code in {400, 413, 422}
        assert answer.json()["code"] in {"invalid_parameter", "frame_too_large", "input_invalid"}


def test_who_has_seen_another_revision_is_told_what_changed_and_by_whom(server: Server) -> None:
    with server.client() as one, server.client() as other:
        seen = set_to(one, lot="A", limit=None)
        set_to(other, limit=0.5)
        answer = put(one, revision=seen, lot="B")
        assert answer.status_code == 409
        assert answer.json()["code"] == "inputs_changed"
        detail = answer.json()["detail"]
        assert f"revision {seen} was seen, {seen + 1} holds by now: limit is 0.5" in detail
        assert "lot" not in detail
        assert found(one)["lot"] == "A"
        assert put(one, revision=seen + 1, lot="B").json()["revision"] == seen + 2


def test_two_at_once_never_take_each_other_s_change_back_unseen(server: Server) -> None:
    """Each adds to a text what it saw: where both had written at once one addition would be lost."""

    def add(letter: str) -> None:
        with server.client() as client:
            done = 0
            while done < 4:
                known = client.get("/api/v1/inputs").json()
                lot = next(one["value"] for one in known["inputs"] if one["name"] == "lot")
                done += put(client, revision=known["revision"], lot=lot + letter).status_code == 200

    with server.client() as client:
        set_to(client, lot="")
        threads = [threading.Thread(target=add, args=(letter,)) for letter in "xy"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found(client)["lot"]) == [*"xxxxyyyy"]


def test_the_log_of_changes_says_who_and_what_it_was_before(server: Server) -> None:
    with server.client() as client:
        set_to(client, limit=0.8, lot="old")
        revision = set_to(client, limit=0.85, lot="old")
    last = Changes(server.project / ".framemill").newest(1)[0]
    assert (last.what, last.address) == ("inputs_changed", "127.0.0.1")
    assert last.detail == {"revision": revision, "limit": "0.8 -> 0.85"}


@pytest.mark.long
def test_they_last_and_a_damaged_file_is_defaults_and_loud(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", INPUTS, tell=TELL)
    file = project / ".framemill" / "inputs.json"
    with serving(project, "--workers", "1") as server, server.client() as client:
        kept = set_to(client, lot="kept", strict=True)
    with serving(project, "--workers", "1") as server, server.client() as client:
        assert found(client) == {**DEFAULTS, "lot": "kept", "strict": True}
        assert client.get("/api/v1/inputs").json()["revision"] == kept
    file.write_bytes(file.read_bytes().replace(b'"kept"', b'"held"'))
    with serving(project, "--workers", "1") as server, server.client() as client:
        assert found(client) == DEFAULTS
        known = client.get("/api/v1/inputs").json()
        assert "damaged" in known["trouble"]
        assert known["revision"] > kept + 1000, "no record names it already"
        assert any("what operators had set is not known" in line for line in server.log)
        assert set_to(client, lot="new") == known["revision"] + 1
        assert client.get("/api/v1/inputs").json()["trouble"] == ""


def test_a_reload_keeps_what_is_still_taken_and_says_what_is_not(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", INPUTS, tell=TELL)
    with serving(project, "--workers", "1") as server, server.client() as client:
        revision = set_to(client, limit=2, lot="kept", strict=True)
        write_project(project, INPUTS.replace("max = 2\n", "max = 1.5\n").replace('"strict"', '"stern"'), tell=TELL)
        client.post("/api/v1/reload", params={"wait_s": "60"}).raise_for_status()
        assert found(client) == {"limit": 0.8, "lot": "kept", "shift": "early", "stern": False}
        known = client.get("/api/v1/inputs").json()
        assert known["revision"] == revision + 1
        assert [one["isSet"] for one in known["inputs"]] == [False, True, False, False]
        until(lambda: any("limit was 2.0" in line and "expected 0.1 to 1.5" in line for line in server.log))
        noted = [change for change in Changes(project / ".framemill").newest(9) if change.what == "input_dropped"]
        dropped = {change.detail["input"] for change in noted}
        assert {"limit", "strict"} <= dropped


@pytest.mark.long
def test_a_server_that_follows_has_them_and_both_see_a_change_at_once(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", INPUTS, tell=TELL)
    with line_of_servers(project, tmp_path / "copy", "--workers", "1") as line:
        with line.server.client() as client:
            before = set_to(client, lot="first")
        line.upgrade()
        with line.server.client() as after:
            assert found(after)["lot"] == "first"
            assert set_to(after, lot="second") == before + 1
            assert found(after)["lot"] == "second"


def test_who_is_killed_between_file_and_memory_leaves_what_the_file_says(tmp_path: Path) -> None:
    """The mark of one that died is in the memory: the supervisor reads the file, and all fronts have it."""
    declared = [KINDS["text"].model_validate({"name": "lot", "kind": "text"})]
    fd = create_global_data(MEMORY_KIB)
    ours = OperatorInputs(fd, tmp_path)
    ours.begin(declared, inherited=False)
    pid = os.fork()
    if pid == 0:
        theirs = OperatorInputs(fd, tmp_path)
        replace = Path.replace

        def replace_and_die(path: Path, target: Path) -> Path:
            replace(path, target)
            os.kill(os.getpid(), signal.SIGKILL)
            return target

        Path.replace = replace_and_die  # type: ignore[method-assign, assignment]
        theirs.change({"lot": "written"}, declared)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    assert ours.now is not None
    assert ours.now.packed == b"{}"
    ours.settle()
    assert json.loads(ours.now.packed) == {"lot": "written"}
    assert ours.now.revision == 1
    assert json.loads((tmp_path / "inputs.json").read_bytes())["inputs"]["revision"] == 1
