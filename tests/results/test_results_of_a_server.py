"""A real server: each frame that was answered has one record, with its final status, whatever dies meanwhile."""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.results.follow import CannotFollow
from tests.results.served import FRAME, RAW, follow, next_frames, post, project_in
from tests.support.faults import children_of, command_of, fronts_master, until
from tests.support.running import CHECKOUT, Server, serving
from tests.support.versions import workers_of


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(project_in(tmp_path_factory.mktemp("results") / "p")) as running:
        yield running


def test_a_record_says_what_the_client_said_and_what_it_was_told(server: Server) -> None:
    with follow(server) as follower:
        answer = post(server, "nok", camera="top", part="4711")
        document = next_frames(follower)[0].document()
    assert document["context"] == answer.json()
    said = {key: document[key] for key in ("client", "camera", "part", "data", "status", "verdict", "score", "labels")}
    assert said == {
        "client": "127.0.0.1",
        "camera": "top",
        "part": "4711",
        "data": "nok",
        "status": 200,
        "verdict": "NOK",
        "score": 0.9,
        "labels": ["scratch"],
    }
    assert document["flowVersion"] == answer.json()["flowVersion"]
    assert document["frameBytes"] == len(FRAME)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", document["time"])
    times = document["timings"]
    parts = ("waiting_ms", "receiving_ms", "queue_ms", "decoding_ms", "flow_ms", "encoding_ms")
    assert 0 < sum(times[name] for name in parts) <= times["took_ms"] * 1.01


def test_the_id_is_the_one_that_code_finds(server: Server) -> None:
    with follow(server) as follower:
        ids = [post(server).json()["id"] for _ in range(3)]
        assert [record.id for record in next_frames(follower, 3)] == ids


@pytest.mark.parametrize(
    ("path", "data", "status", "code"),
    [
        (RAW, "kill", 500, "worker_crashed"),
        (f"{RAW}&deadline_ms=50", "slow:0.5", 504, "deadline_exceeded"),
        ("/analyze_image?x=1", "", 415, "image_unsupported"),
        ("/analyze_raw_image?width=17&height=16", "", 400, "frame_size_mismatch"),
        (f"{RAW}&response_type=picture", "", 400, "invalid_parameter"),
        (f"{RAW}&response_type=image", "large", 500, "context_too_large_for_header"),
    ],
)
def test_a_frame_that_has_an_error_has_it_on_record(
    server: Server, path: str, data: str, status: int, code: str
) -> None:
    with follow(server) as follower:
        answer = post(server, data, path, part="P7")
        (record,) = next_frames(follower)
    assert answer.status_code == status
    document = record.document()
    assert (document["status"], document["verdict"]) == (status, "ERROR")
    assert document["error"] == {"code": code, "message": answer.json()["detail"]}
    if code != "invalid_parameter" or "response_type" not in path:
        assert document["part"] == "P7"
    until(lambda: server.status()["workers"]["ready"] == 2)


def test_an_error_of_code_is_nok_with_its_context(server: Server) -> None:
    with follow(server) as follower:
        post(server, "raise")
        document = next_frames(follower)[0].document()
    assert (document["status"], document["verdict"], document["context"]["error"]) == (200, "NOK", True)


def test_a_picture_and_a_frame_that_nobody_inspects_have_records_too(server: Server) -> None:
    with follow(server) as follower, server.client() as client:
        picture = post(server, path=f"{RAW}&response_type=annotated_image&context_in_body=1")
        client.put("/api/v1/process", json={"process": False})
        off = post(server, part="unseen")
        client.put("/api/v1/process", json={"process": True})
        first, second = next_frames(follower, 2)
    assert picture.content.endswith(first.context)
    assert first.word == "OK"
    assert (second.word, second.context) == ("OFF", off.content)


def test_a_client_that_has_gone_is_on_record(server: Server) -> None:
    gate = server.project / "data" / "gone"
    with follow(server) as follower:
        connection = socket.create_connection(("127.0.0.1", server.port))
        head = (
            f"POST {RAW}&data=wait:gone&part=left HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(FRAME)}\r\n\r\n"
        )
        connection.sendall(head.encode() + FRAME)
        until(gate.with_suffix(".begun").exists)
        connection.close()
        (record,) = next_frames(follower)
        gate.touch()
    assert (record.head.status, record.told["code"], record.about["part"]) == (499, "frame_cancelled", "left")


@pytest.mark.parametrize("head", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("pauses", [False, True], ids=["at once", "after a pause"])
def test_a_body_that_ends_early_is_on_record(server: Server, head: str, pauses: bool) -> None:
    """Also where it waited in the main loop (service/connections/slow_bodies.py)."""
    with follow(server) as follower, socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            f"POST /analyze_image HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + b"32\r\n" + bytes(9)
        )
        if pauses:
            select.select([connection], [], [], 0.3)  # nothing comes: so long it is waited for
        connection.shutdown(socket.SHUT_WR)
        (record,) = next_frames(follower)
    assert (record.head.status, record.word) == (400, "ERROR")
    assert record.about["client"] == "127.0.0.1"


def test_requests_of_one_head_are_told_one_by_one(server: Server) -> None:
    """From the second on they go the shorter way (service/threads/repeat.py)."""
    with follow(server) as follower, server.client() as client:
        for _ in range(50):
            client.post(f"{RAW}&part=again&camera=c", content=FRAME).raise_for_status()
        client.post("/analyze_raw_image?width=17&height=16", content=FRAME)
        found = next_frames(follower, 51)
    assert Counter(record.word for record in found) == {"OK": 50, "ERROR": 1}
    assert len({record.id for record in found}) == 51
    assert {record.about.get("part") for record in found} == {"again", None}


def test_a_part_may_be_a_field_of_a_form_and_has_limits(server: Server) -> None:
    fields = {"width": "16", "height": "16", "part": "from a form \u017e", "camera": "kamera"}
    with follow(server) as follower, server.client() as client:
        client.post("/analyze_raw_image", data=fields, files={"array": FRAME}).raise_for_status()
        assert next_frames(follower)[0].about["part"] == fields["part"]
        too_long = client.post(f"{RAW}&part={'x' * 201}", content=FRAME)
        twice = client.post(f"{RAW}&part=1&part=2", content=FRAME)
        odd = client.post(f"{RAW}&Part=1", content=FRAME)
        no_text = client.post(f"{RAW}&part=%ff", content=FRAME)
    details = [answer.json()["detail"] for answer in (too_long, twice, odd, no_text)]
    assert [answer.status_code for answer in (too_long, twice, odd, no_text)] == [400] * 4
    assert details[0] == "part has 201 bytes, at most 200 are accepted"
    assert "part" in details[1]
    assert "part" in details[2]
    assert details[3] == "part is not UTF-8"


def test_a_large_context_is_counted_where_everybody_sees_it(server: Server) -> None:
    before = server.status()["results"]["contexts_left_out"]
    with follow(server) as follower:
        post(server, "large", part="L")
        document = next_frames(follower)[0].document()
    assert document["contextLeftOutBytes"] > 100_000
    assert (document["part"], document["verdict"], document["score"]) == ("L", "OK", 0.0)
    assert server.status()["results"]["contexts_left_out"] == before + 1


def test_status_and_metrics_show_followers(server: Server) -> None:
    with follow(server) as follower:
        post(server)
        post(server)
        next_frames(follower, 2)
        found = {one["name"]: one for one in server.status()["followers"]}
        assert found["test"] == {"name": "test", "is_there": True, "behind": 2, "missed": 0}
        follower.done()
        with server.client() as client:
            metrics = client.get("/metrics").text
        assert 'framemill_follower_behind{follower="test"} 0.0' in metrics
        assert 'framemill_follower_missed_total{follower="test"} 0.0' in metrics


def test_no_worker_has_what_is_on_record(server: Server) -> None:
    """Neither a descriptor nor a mapping, nor has the template that they are forked from; fronts have."""
    post(server)
    family = children_of(server.process.pid)
    master = fronts_master(server)

    def has(pid: int) -> bool:
        names = [_maps(pid)]
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                names.append(str(fd.readlink()))
        return any("framemill-results" in name or "framemill-seat" in name for name in names)

    assert has(children_of(master)[0])
    others = [pid for pid in family if pid != master]
    assert set(workers_of(server)) <= set(others)
    assert len(others) >= 3
    assert not [command_of(pid) for pid in others if has(pid)]


def _maps(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.long
def test_a_server_that_keeps_no_results_answers_as_ever(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p"), "--results-mib", "0") as server:
        assert post(server, part="1").status_code == 200
        assert server.status()["followers"] == []
        with pytest.raises(CannotFollow):
            follow(server)


def _results(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", "service.cli", "results", str(server.project), *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_a_line_for_each_frame(server: Server, tmp_path: Path) -> None:
    post(server, "nok", camera="top\x1b[2J", part="last")
    shown = _results(server, "--all", "--until-now")
    assert shown.returncode == 0
    assert re.search(
        r"Z  NOK    +[\d.]+ ms  top\\x1b\[2J  part last  score 0.90  scratch$", shown.stdout.splitlines()[-1]
    )
    told: dict[str, Any] = httpx.Response(
        200, text=_results(server, "--all", "--until-now", "--json").stdout.splitlines()[-1]
    ).json()
    assert (told["part"], told["context"]["score"]) == ("last", 0.9)
    assert _results(server, "--state-dir", str(tmp_path)).returncode == 4


def test_the_command_follows_and_ends_as_asked(server: Server) -> None:
    command = [sys.executable, "-I", "-m", "service.cli", "results", str(server.project), "--count", "2", "--json"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as follows:
        until(lambda: any(one["name"] == "results" and one["is_there"] for one in server.status()["followers"]))
        post(server, part="1")
        post(server, part="2")
        try:
            out, _ = follows.communicate(timeout=60)
        finally:
            follows.kill()
    assert follows.returncode == 0
    assert re.findall(r'"part":"([^"]*)"', out) == ["1", "2"]
