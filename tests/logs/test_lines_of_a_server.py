"""A real server: each request has its own id, in its answer, its line, its record, and with whoever is asked for it."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.modules.kserve import models_served
from tests.results.served import FRAME, RAW, follow, next_frames
from tests.support.faults import until
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long

TRACE_ID, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT}-01"
KEY = "a-key-that-no-line-may-have"
FLOW = """
def main(context):
    if context["data"] == "raise":
        raise ValueError("no")
    context["asked"] = {name: context["frame"][name] for name in ("id", "requestId", "traceparent")}
"""


class Lines:
    """What a server says on standard output from now on."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.all: list[str] = []
        assert server.process.stdout is not None
        self._reader = threading.Thread(target=self.all.extend, args=(server.process.stdout,), daemon=True)
        self._reader.start()

    def of(self, request_id: str) -> str:
        """The one line of a request."""
        found: list[str] = []

        def is_there() -> bool:
            found[:] = [line for line in self.all if request_id in line]
            return bool(found)

        until(is_there)
        assert len(found) == 1
        return found[0]

    def json_of(self, answer: httpx.Response) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.of(answer.headers["X-Request-Id"]))
        return found


def project_in(folder: Path, toml: str) -> Path:
    return write_project(folder, f'{toml}\n[[flow]]\nmodule = "code"\nfile = "code/flow.py"\n', flow=FLOW)


@contextmanager
def told(folder: Path, toml: str) -> Iterator[Lines]:
    with serving(project_in(folder, f"[server]\n{toml}")) as server:
        lines = Lines(server)
        yield lines
        server.stop()
        lines._reader.join()


@pytest.fixture(name="lines", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lines]:
    with told(
        tmp_path_factory.mktemp("logs") / "p", f'log_requests = "all"\nlog_format = "json"\napi_key = "{KEY}"'
    ) as found:
        yield found


@pytest.fixture(name="client")
def one_client(lines: Lines) -> Iterator[httpx.Client]:
    with lines.server.client(**{"X-API-Key": KEY}) as made:
        yield made


def test_a_frame_has_a_line_with_the_ids_of_its_client(lines: Lines, client: httpx.Client) -> None:
    ids = {"X-Request-Id": "from-the-line-1", "traceparent": TRACEPARENT}
    with follow(lines.server) as follower:
        path = f"{RAW}&part=47%0A11&view=left&camera=top&data=secret&api_key={KEY}"
        answer = client.post(path, content=FRAME, headers=ids).raise_for_status()
        (record,) = next_frames(follower)
    line = lines.json_of(answer)
    told = {name: line.pop(name) for name in ("time", "queueMs", "runMs", "tookMs", "front")}
    assert line == {
        "status": 200,
        "verdict": "OK",
        "method": "POST",
        "path": "/analyze_raw_image",
        "requestId": "from-the-line-1",
        "client": "api_key",
        "traceId": TRACE_ID,
        "spanId": answer.headers["traceparent"].split("-")[2],
        "camera": "top",
        "part": "47\n11",
        "view": "left",
        "frame": answer.json()["asked"]["id"],
        "frameBytes": len(FRAME),
        "answerBytes": len(answer.content),
    }
    assert 0 < told["runMs"] <= told["tookMs"]
    assert answer.json()["asked"]["requestId"] == "from-the-line-1"
    assert answer.json()["asked"]["traceparent"] == answer.headers["traceparent"]
    assert re.fullmatch(rf"00-{TRACE_ID}-[0-9a-f]{{16}}-01", answer.headers["traceparent"])
    assert PARENT not in answer.headers["traceparent"]
    assert record.document()["requestId"] == "from-the-line-1"


def test_requests_of_one_head_have_ids_of_their_own(lines: Lines, client: httpx.Client) -> None:
    """From the second on they go the shorter way (service/threads/repeat.py)."""
    with follow(lines.server) as follower:
        answers = [client.post(f"{RAW}&part=again", content=FRAME).raise_for_status() for _ in range(20)]
        records = next_frames(follower, 20)
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == 20
    assert [answer.json()["asked"]["requestId"] for answer in answers] == ids
    assert [record.about["requestId"] for record in records] == ids
    for answer in answers:
        line = lines.json_of(answer)
        assert (line["frame"], line["part"], line["path"]) == (answer.json()["asked"]["id"], "again", RAW.split("?")[0])
        assert line["answerBytes"] == len(answer.content)
        assert not {"view", "held"} & line.keys()
    assert "traceparent" not in answers[-1].headers


def test_an_id_of_one_request_is_never_that_of_the_next(lines: Lines, client: httpx.Client) -> None:
    given = [{}, {"X-Request-Id": "same"}, {}, {"X-Request-Id": "same"}, {"traceparent": TRACEPARENT}, {}]
    found = [client.post(RAW, content=FRAME, headers=headers).headers for headers in given * 3]
    own = [headers["X-Request-Id"] for headers in found if headers["X-Request-Id"] != "same"]
    assert len(set(own)) == len(own) == 12
    spans = [headers["traceparent"] for headers in found if "traceparent" in headers]
    assert len(set(spans)) == len(spans) == 3
    assert all(line.count('"requestId"') == 1 for line in lines.all)


def test_requests_that_come_together_have_ids_of_their_own(lines: Lines) -> None:
    def request(request_id: str) -> bytes:
        said = f"X-Request-Id: {request_id}\r\n" if request_id else ""
        fields = f"Host: localhost\r\nX-API-Key: {KEY}\r\n{said}Content-Length: {len(FRAME)}"
        return f"POST {RAW} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + FRAME

    given = ["", "p-1", "", "", "p-2", ""]
    with socket.create_connection(("127.0.0.1", lines.server.port), 30) as line:
        line.sendall(b"".join(map(request, given)))
        found = []
        with line.makefile("rb") as stream:
            for _ in given:
                head = b"".join(iter(stream.readline, b"\r\n")).decode()
                body = json.loads(stream.read(int(re.findall(r"(?i)content-length: (\d+)", head)[0])))
                found += re.findall(r"X-Request-Id: (\S+)", head)
                assert body["asked"]["requestId"] == found[-1]
    assert len(set(found)) == len(given)
    assert [name if name.startswith("p-") else "" for name in found] == given
    for name in found:
        lines.of(f'"{name}"')


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/no%0Asuch%1b%E2%80%A8path", {}, 404, "not_found"),
        ("/analyze_image", {"X-API-Key": "wrong"}, 401, "unauthorized"),
        ("/analyze_image?key=none", {"X-Request-Id": "a-bad-picture"}, 415, "image_unsupported"),
        (f"{RAW}&part=1&part=2", {}, 400, "invalid_parameter"),
    ],
)
def test_an_error_has_its_id_and_a_line(
    lines: Lines, client: httpx.Client, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    answers = [client.post(path, content=FRAME, headers=headers)]
    if not headers:
        answers.append(client.post(path, content=FRAME))
        assert answers[0].headers["X-Request-Id"] != answers[1].headers["X-Request-Id"]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["requestId"] == answer.headers["X-Request-Id"]
        line = lines.json_of(answer)
        assert (line["status"], line["code"]) == (status, code)
        assert line["client"] == ("127.0.0.1" if status == 401 else "api_key")
        assert line["answerBytes"] == len(answer.content)


def test_errors_of_the_shorter_way_have_the_same(lines: Lines, client: httpx.Client) -> None:
    """The head is known from the frame before, whose length may have been another one."""
    path = "/analyze_image?camera=files"
    for _ in range(3):
        client.post(path, content=png(np.zeros((4, 4), np.uint8))).raise_for_status()
    answers = [client.post(path, content=b"no picture at all") for _ in range(2)]
    assert answers[0].headers["X-Request-Id"] != answers[1].headers["X-Request-Id"]
    for answer in answers:
        assert answer.json()["requestId"] == answer.headers["X-Request-Id"]
        line = lines.json_of(answer)
        assert (line["code"], line["camera"], line["client"]) == ("image_unsupported", "files", "api_key")
        assert line["answerBytes"] == len(answer.content)


@pytest.mark.parametrize(
    ("sent", "status"), [(b"GET  / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: x\n\r\n", 400)]
)
def test_what_is_no_request_has_a_line_without_its_words(lines: Lines, sent: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", lines.server.port), 30) as line, line.makefile("rb") as stream:
        line.sendall(sent)
        answer = stream.read().decode()
    (request_id,) = re.findall(r"X-Request-Id: (\S+)", answer)
    told = json.loads(lines.of(request_id))
    assert (told["status"], told["method"], told["path"], told["client"]) == (status, "", "", "127.0.0.1")
    assert json.loads(answer.partition("\r\n\r\n")[2])["requestId"] == request_id


@pytest.mark.parametrize("given", ["a b", "x" * 129, '"', "{}", "\xe9"])
def test_an_id_that_is_none_is_not_said_again(lines: Lines, client: httpx.Client, given: str) -> None:
    headers = {b"X-Request-Id": given.encode("latin-1"), b"traceparent": TRACEPARENT.upper().encode()}
    answer = client.post(RAW, content=FRAME, headers=headers)
    assert re.fullmatch(r"[0-9a-f]{24}", answer.headers["X-Request-Id"])
    assert "traceparent" not in answer.headers
    lines.json_of(answer)


def test_no_line_has_a_key_or_data(lines: Lines, client: httpx.Client) -> None:
    client.get(f"/last_image?api_key={KEY}")
    last = client.get(f"/nothing?api_key={KEY}")
    lines.json_of(last)
    assert lines.all
    assert not [line for line in lines.all if KEY in line or "secret" in line]
    assert all(json.loads(line) for line in lines.all)


def test_errors_alone_as_text(tmp_path: Path) -> None:
    with told(tmp_path / "p", 'log_requests = "errors"\nfronts = 1') as lines, lines.server.client() as client:
        for _ in range(3):
            client.post(f"{RAW}&part=good", content=FRAME).raise_for_status()
        failed = client.post(f"{RAW}&part=it%20is%22&data=raise", content=FRAME).raise_for_status()
        missing = client.get("/no%0asuch")
        flow, none = (lines.of(answer.headers["X-Request-Id"]) for answer in (failed, missing))
    assert len(lines.all) == 2
    time = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    assert re.match(rf"{time} 200 NOK POST /analyze_raw_image requestId=\S+ client=127.0.0.1 ", flow)
    assert ' part="it is\\"" ' in flow
    assert " flowFailed=True " in flow
    assert re.match(rf'{time} 404 - GET "/no\\nsuch" requestId=\S+ client=127.0.0.1 code=not_found tookMs=', none)


def test_by_default_a_server_is_quiet_and_answers_have_ids(tmp_path: Path) -> None:
    with told(tmp_path / "p", "") as lines, lines.server.client() as client:
        ids = {client.get("/ping").headers["X-Request-Id"] for _ in range(2)}
        ids |= {client.post(RAW, content=FRAME).headers["X-Request-Id"] for _ in range(3)}
        client.get("/nothing")
    assert len(ids) == 5
    assert lines.all == []


def test_lines_that_nobody_reads_are_counted_and_hold_up_nobody(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p", '[server]\nlog_requests = "all"\nfronts = 1')) as server:
        with server.client() as client:
            part = "x" * 200
            for _ in range(1 << 10):
                client.post(f"{RAW}&part={part}&camera={part}", content=FRAME).raise_for_status()
                if server.status()["log"]["lines_lost"] > 3:
                    break
            metrics = client.get("/metrics").text
        lost = re.findall(r"(?m)^framemill_log_lines_lost_total (\S+)", metrics)
        assert float(lost[0]) > 3


def test_a_server_of_models_is_told_for_whom_it_is_asked(tmp_path: Path) -> None:
    with models_served() as models:
        toml = f'[[flow]]\nmodule = "classifier"\nserver = "{models.address}"\nmodel = "colours"\nok_labels = ["1"]\n'
        path = f"/analyze_raw_image?width=8&height=8&data={KEY}"
        with serving(write_project(tmp_path / "p", toml)) as server, server.client() as client:
            headers = {"X-Request-Id": "asked-elsewhere", "traceparent": TRACEPARENT}
            traced = client.post(path, content=bytes(192), headers=headers).raise_for_status()
            plain = client.post(path, content=bytes(192)).raise_for_status()
        first, second = (asked["headers"] for asked in models.asked[-2:])
    assert first["x-request-id"] == "asked-elsewhere"
    assert first["traceparent"] == traced.headers["traceparent"]
    assert second["x-request-id"] == plain.headers["X-Request-Id"]
    assert "traceparent" not in second
