"""A real server: each frame that was answered has one record, with its final status, whatever dies meanwhile."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from service.results.follow import CannotFollow, Follower, Start
from service.results.record import Kind, Record
from tests.succession.upgrades import line_of_servers
from tests.support.faults import children_of, command_of, fronts_master, is_gone, until
from tests.support.running import CHECKOUT, Server, serving, write_project
from tests.support.versions import workers_of

FRAME = bytes(16 * 16)
RAW = "/analyze_raw_image?width=16&height=16"
FLOW = """
import os, pathlib, time

def main(context):
    what, _, rest = context["data"].partition(":")
    context["id"] = context["frame"]["id"]
    if what == "nok":
        context["result"], context["score"] = False, 0.9
        context["detectedRectangles"].append({"x": 1, "y": 1, "width": 2, "height": 2, "label": "scratch"})
    if what == "raise":
        raise ValueError("no")
    if what == "large":
        context["text"] = "x" * 100_000
    if what == "kill":
        os.kill(os.getpid(), 9)
    if what == "wait":
        here = pathlib.Path(os.environ["FRAMEMILL_DATA"])
        (here / (rest + ".begun")).touch()
        while not (here / rest).exists():
            time.sleep(0.005)
    if what == "slow":
        time.sleep(float(rest))
"""


def _project(folder: Path, toml: str = "") -> Path:
    return write_project(folder, f'{toml}\n[[flow]]\nmodule = "code"\nfile = "code/flow.py"\n', flow=FLOW)


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(_project(tmp_path_factory.mktemp("results") / "p")) as running:
        yield running


def _follow(server: Server, start: Start = Start.NOW) -> Follower:
    return Follower.of(server.project / ".framemill", "test", start)


def _next(follower: Follower, count: int = 1) -> list[Record]:
    """The next records of frames, as many; and none beside them."""
    found: list[Record] = []

    def there() -> bool:
        follower.wait(0.1)
        found.extend(record for record in follower.read() if record.head.kind is Kind.FRAME)
        return len(found) >= count

    until(there)
    assert len(found) == count, [record.document(with_context=False) for record in found]
    return found


def _post(server: Server, data: str = "", path: str = RAW, **parameters: str) -> httpx.Response:
    with server.client() as client:
        given = {**dict(httpx.URL(path).params), "data": data, **parameters}
        return client.post(path.partition("?")[0], params=given, content=FRAME)


def test_a_record_says_what_the_client_said_and_what_it_was_told(server: Server) -> None:
    with _follow(server) as follower:
        answer = _post(server, "nok", camera="top", part="4711")
        document = _next(follower)[0].document()
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
    with _follow(server) as follower:
        ids = [_post(server).json()["id"] for _ in range(3)]
        assert [record.id for record in _next(follower, 3)] == ids


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
    with _follow(server) as follower:
        answer = _post(server, data, path, part="P7")
        (record,) = _next(follower)
    assert answer.status_code == status
    document = record.document()
    assert (document["status"], document["verdict"]) == (status, "ERROR")
    assert document["error"] == {"code": code, "message": answer.json()["detail"]}
    if code != "invalid_parameter" or "response_type" not in path:
        assert document["part"] == "P7"
    until(lambda: server.status()["workers"]["ready"] == 2)


def test_an_error_of_code_is_nok_with_its_context(server: Server) -> None:
    with _follow(server) as follower:
        _post(server, "raise")
        document = _next(follower)[0].document()
    assert (document["status"], document["verdict"], document["context"]["error"]) == (200, "NOK", True)


def test_a_picture_and_a_frame_that_nobody_inspects_have_records_too(server: Server) -> None:
    with _follow(server) as follower, server.client() as client:
        picture = _post(server, path=f"{RAW}&response_type=annotated_image&context_in_body=1")
        client.put("/api/v1/process", json={"process": False})
        off = _post(server, part="unseen")
        client.put("/api/v1/process", json={"process": True})
        first, second = _next(follower, 2)
    assert picture.content.endswith(first.context)
    assert first.word == "OK"
    assert (second.word, second.context) == ("OFF", off.content)


def test_a_client_that_has_gone_is_on_record(server: Server) -> None:
    gate = server.project / "data" / "gone"
    with _follow(server) as follower:
        connection = socket.create_connection(("127.0.0.1", server.port))
        head = (
            f"POST {RAW}&data=wait:gone&part=left HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(FRAME)}\r\n\r\n"
        )
        connection.sendall(head.encode() + FRAME)
        until(gate.with_suffix(".begun").exists)
        connection.close()
        (record,) = _next(follower)
        gate.touch()
    assert (record.head.status, record.told["code"], record.about["part"]) == (499, "frame_cancelled", "left")


def test_requests_of_one_head_are_told_one_by_one(server: Server) -> None:
    """From the second on they go the shorter way (service/threads/repeat.py)."""
    with _follow(server) as follower, server.client() as client:
        for _ in range(50):
            client.post(f"{RAW}&part=again&camera=c", content=FRAME).raise_for_status()
        client.post("/analyze_raw_image?width=17&height=16", content=FRAME)
        found = _next(follower, 51)
    assert Counter(record.word for record in found) == {"OK": 50, "ERROR": 1}
    assert len({record.id for record in found}) == 51
    assert {record.about.get("part") for record in found} == {"again", None}


def test_a_part_may_be_a_field_of_a_form_and_has_limits(server: Server) -> None:
    fields = {"width": "16", "height": "16", "part": "from a form \u017e", "camera": "kamera"}
    with _follow(server) as follower, server.client() as client:
        client.post("/analyze_raw_image", data=fields, files={"array": FRAME}).raise_for_status()
        assert _next(follower)[0].about["part"] == fields["part"]
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
    with _follow(server) as follower:
        _post(server, "large", part="L")
        document = _next(follower)[0].document()
    assert document["contextLeftOutBytes"] > 100_000
    assert (document["part"], document["verdict"], document["score"]) == ("L", "OK", 0.0)
    assert server.status()["results"]["contexts_left_out"] == before + 1


def test_status_and_metrics_show_followers(server: Server) -> None:
    with _follow(server) as follower:
        _post(server)
        _post(server)
        _next(follower, 2)
        found = {one["name"]: one for one in server.status()["followers"]}
        assert found["test"] == {"name": "test", "is_there": True, "behind": 2, "missed": 0}
        follower.done()
        with server.client() as client:
            metrics = client.get("/metrics").text
        assert 'framemill_follower_behind{follower="test"} 0.0' in metrics
        assert 'framemill_follower_missed_total{follower="test"} 0.0' in metrics


def test_no_worker_has_what_is_on_record(server: Server) -> None:
    """Neither a descriptor nor a mapping, nor has the template that they are forked from; fronts have."""
    _post(server)
    family = children_of(server.process.pid)
    master = fronts_master(server)

    def has(pid: int) -> bool:
        fds = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        return any("framemill-results" in name or "framemill-seat" in name for name in (*fds, _maps(pid)))

    assert has(children_of(master)[0])
    others = [pid for pid in family if pid != master]
    assert set(workers_of(server)) <= set(others)
    assert len(others) >= 3
    assert not [command_of(pid) for pid in others if has(pid)]


def _maps(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


class Cameras:
    """Post frames without end, each with a part of its own; know what each was answered."""

    def __init__(self, server: Server, count: int = 4) -> None:
        self.answers: dict[str, int] = {}
        self.unanswered: set[str] = set()
        self._over = threading.Event()
        self._server = server
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def _run(self, camera: int) -> None:
        number = 0
        client = self._server.client()
        while not self._over.is_set():
            part = f"{camera}-{number}"
            number += 1
            try:
                answer = client.post(f"{RAW}&part={part}", content=FRAME)
            except httpx.TransportError:
                self.unanswered.add(part)
                client.close()
                client = self._server.client()
                continue
            self.answers[part] = answer.status_code
        client.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def await_more(self, count: int) -> None:
        """Wait until so many more were answered."""
        wanted = len(self.answers) + count
        until(lambda: len(self.answers) >= wanted)


def _check(cameras: Cameras, found: list[Record]) -> None:
    """Each frame that was answered is on record once, with its status; one that was not at most once."""
    counts = Counter(record.about["part"] for record in found if record.head.kind is Kind.FRAME)
    assert max(counts.values()) == 1
    answered = {part for part, status in cameras.answers.items() if status not in {429, 503}}
    assert answered <= counts.keys()
    assert counts.keys() - cameras.answers.keys() <= cameras.unanswered
    statuses = {record.about["part"]: record.head.status for record in found if record.head.kind is Kind.FRAME}
    assert {part: statuses[part] for part in answered} == {part: cameras.answers[part] for part in answered}


@contextmanager
def _reading(server: Server) -> Iterator[list[Record]]:
    """Everything that comes until the end of the block, and what is there then."""
    found: list[Record] = []
    over = threading.Event()
    with _follow(server, Start.OLDEST) as follower:

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
    with serving(_project(tmp_path / "p"), "--fronts", "2", "--slots", "8") as server:
        with _reading(server) as found, Cameras(server) as cameras:
            for _ in range(3):
                cameras.await_more(60)
                os.kill(children_of(fronts_master(server))[0], signal.SIGKILL)
            cameras.await_more(60)
            master = fronts_master(server)
            os.kill(master, signal.SIGKILL)
            until(lambda: is_gone(master))
            cameras.await_more(60)
        _check(cameras, found)
        assert {record.front for record in found} == {0, 1}


@pytest.mark.long
def test_another_server_takes_over_and_every_answer_is_on_record(tmp_path: Path) -> None:
    """In the ring of the one or of the other; who follows is told by the end of the first to come to the next."""
    project = _project(tmp_path / "p")
    command = [sys.executable, "-I", "-m", "service.cli", "results", str(project), "--all", "--json", "--no-context"]
    with line_of_servers(project, tmp_path / "code") as line:
        with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as follows:
            assert follows.stdout is not None
            with Cameras(line.server) as cameras:
                cameras.await_more(100)
                line.upgrade()
                cameras.await_more(100)
            with Follower.of(project / ".framemill", "other", Start.OLDEST) as new:
                until(lambda: not new.behind or new.read())
            os.kill(line.pid, signal.SIGTERM)
            told = follows.stdout.read()
        assert follows.returncode == 0
    parts = Counter(re.findall(r'"part":"([^"]*)"', told))
    assert not cameras.unanswered
    assert set(parts) == set(cameras.answers)
    assert max(parts.values()) == 1


@pytest.mark.long
def test_a_flood_of_refusals_pushes_no_part_out(tmp_path: Path) -> None:
    project = _project(tmp_path / "p")
    with serving(project, "--slots", "2", "--queue-ms", "0", "--results-mib", "1", "--workers", "1") as server:
        gate = project / "data" / "full"
        with _reading(server) as found:
            _post(server, part="before")
            holders = [
                threading.Thread(target=_post, args=(server, "wait:full"), kwargs={"part": f"holds {n}"})
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
            _post(server, part="after")
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
        serving(_project(tmp_path / "p"), "--results-mib", "1") as server,
        _follow(server) as follower,
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


@pytest.mark.long
def test_a_server_that_keeps_no_results_answers_as_ever(tmp_path: Path) -> None:
    with serving(_project(tmp_path / "p"), "--results-mib", "0") as server:
        assert _post(server, part="1").status_code == 200
        assert server.status()["followers"] == []
        with pytest.raises(CannotFollow):
            _follow(server)


def _results(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", "service.cli", "results", str(server.project), *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_a_line_for_each_frame(server: Server, tmp_path: Path) -> None:
    _post(server, "nok", camera="top\x1b[2J", part="last")
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
        _post(server, part="1")
        _post(server, part="2")
        out, _ = follows.communicate(timeout=60)
    assert follows.returncode == 0
    assert re.findall(r'"part":"([^"]*)"', out) == ["1", "2"]
