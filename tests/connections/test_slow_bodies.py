"""Bodies that come late, in pieces, or never: on every way in, with TLS and without, one answer and no thread."""

from __future__ import annotations

import json
import select
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from tests.clients.front_costs import front_bytes
from tests.clients.raw_http import Answer, Connection, frame_request
from tests.clients.tls import TlsConnection, tls_serving
from tests.conftest import MARK
from tests.support.faults import until
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long

Connect = Callable[..., Connection]
PIXELS = bytes(range(256)) * 16
RAW = "/analyze_raw_image?width=64&height=64&pixel_format=Mono8"
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/mark.py"\n'
LATE_S = 0.08  # more than a thread waits for the next bytes
_CLIENTS = 250  # more than a front has threads


def _head(method: str, path: str, *lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: line", *lines, "")).encode()


def _with_length(method: str, path: str, body: bytes, *lines: str) -> tuple[bytes, bytes]:
    return _head(method, path, f"Content-Length: {len(body)}", *lines), body


def _in_chunks(body: bytes, at_once: int = 1500) -> bytes:
    pieces = [body[at : at + at_once] for at in range(0, len(body), at_once)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _part(name: str, value: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n%s\r\n' % (name.encode(), value)


FORM = _part("width", b"64") + _part("height", b"64") + _part("array", PIXELS) + b"--b--\r\n"
WAYS = {
    "plain": _with_length("POST", RAW, PIXELS),
    "chunked": (_head("POST", RAW, "Transfer-Encoding: chunked"), _in_chunks(PIXELS)),
    "form": _with_length("POST", "/analyze_raw_image", FORM, "Content-Type: multipart/form-data; boundary=b"),
    "switch": _with_length("PUT", "/api/v1/process", b'{"process": true}'),
    "switch-chunked": (
        _head("PUT", "/api/v1/process", "Transfer-Encoding: chunked"),
        _in_chunks(b'{"process": true}', 5),
    ),
    "page": _with_length("POST", "/process", b"process=on"),
}


@pytest.fixture(scope="module", params=["plain", "tls"])
def connect(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    """Makes connections to a server that waits for a body for half a second."""
    project = write_project(tmp_path_factory.mktemp(request.param) / "p", FLOW, mark=MARK)
    env = {"FRAMEMILL_BODY_MS": "700"}
    if request.param == "tls":
        with tls_serving(project, "--fronts", "1", env=env) as running:
            yield partial(TlsConnection, running.server.port, running.context())
    else:
        with serving(project, "--fronts", "1", env=env) as server:
            yield partial(Connection, server.port)


def _is_right(way: str, answer: Answer | None) -> None:
    assert answer is not None
    if way == "page":
        assert answer.status == 303
        return
    assert answer.status == 200, answer.body
    said = answer.json()
    assert said == {"process": True} if way.startswith("switch") else said["seen"]["sum"] == 3 * sum(PIXELS)


def _ask(client: Connection, request: bytes) -> Answer:
    client.send(request)
    answer = client.answer()
    assert answer is not None
    return answer


def _no_thread_is_needed(connect: Connect) -> None:
    """A frame is inspected as ever, and all slots are free a moment after."""
    with connect() as good:
        assert _ask(good, frame_request("good")).status == 200

        def all_free() -> bool:
            slots = _ask(good, _head("GET", "/api/v1/status")).json()["slots"]
            return bool(slots["free_here"] >= slots["per_front"])

        until(all_free)


@pytest.mark.parametrize("way", WAYS)
def test_a_body_that_comes_late_and_in_pieces_is_answered_as_one_that_does_not(connect: Connect, way: str) -> None:
    head, body = WAYS[way]
    with connect() as client:
        for cut in (0, 1, len(body) // 2, len(body) - 1):
            client.send(head + body[:cut])
            time.sleep(LATE_S)
            client.send(body[cut:])
            _is_right(way, client.answer())
        client.send(head + body + head + body[:5])  # and what follows in the same packet is another request
        _is_right(way, client.answer())
        time.sleep(LATE_S)
        client.send(body[5:])
        _is_right(way, client.answer())


def test_bodies_that_never_come_are_408_and_hold_nobody_up(connect: Connect) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(source="127.0.0.2")) for _ in range(_CLIENTS)]
        for number, client in enumerate(slow):
            head, body = list(WAYS.values())[number % len(WAYS)]
            client.send(head + body[: number * 7 % len(body)])
            if number % 50 == 49:
                _no_thread_is_needed(connect)
        for client in slow:
            answer = client.answer()
            assert answer is not None
            assert (answer.status, answer.json()["code"], answer.closes) == (408, "body_too_slow", True)
            assert client.answer() is None


def test_a_client_that_asked_whether_to_go_on_is_told_so_once(connect: Connect) -> None:
    head, body = _with_length("POST", RAW, PIXELS, "Expect: 100-continue")
    with connect() as client:
        client.send(head)
        time.sleep(LATE_S)
        client.send(body)
        time.sleep(LATE_S)
        client.send(_head("GET", "/ping", "Connection: close"))
        said = b""
        while piece := client.sock.recv(1 << 16):
            said += piece
    assert said.count(b"HTTP/1.1 100 ") == 1
    assert said.count(b"HTTP/1.1 200 ") == 2


def test_what_a_route_does_not_take_is_refused_before_it_comes(connect: Connect) -> None:
    with connect() as client:
        client.send(_head("PUT", "/api/v1/process", "Content-Length: 1001"))
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.json()["code"], answer.closes) == (413, "frame_too_large", True)
    with connect() as client:
        client.send(_head("PUT", "/api/v1/process", "Transfer-Encoding: chunked") + b"3e9\r\n{")
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.json()["code"], answer.closes) == (413, "frame_too_large", True)


def test_a_chunked_body_that_turns_out_malformed_while_it_waits_is_refused(connect: Connect) -> None:
    with connect() as client:
        client.send(_head("POST", RAW, "Transfer-Encoding: chunked") + b"5\r\nhello")
        time.sleep(LATE_S)
        client.send(b"xx")
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.json()["code"], answer.closes) == (400, "body_invalid", True)


def test_slow_cameras_side_by_side_have_their_own_answers(connect: Connect) -> None:
    def run(number: int) -> None:
        with connect() as camera:
            for _ in range(3):
                pixels = bytes([number]) * 4096
                request = frame_request(f"camera{number}", pixels)
                for at in range(0, len(request), 1100):
                    camera.send(request[at : at + 1100])
                    time.sleep(0.06)
                answer = camera.answer()
                assert answer is not None
                seen = json.loads(answer.body)["seen"]
                assert (seen["data"], seen["sum"]) == (f"camera{number}", 3 * number * 4096)

    with ThreadPoolExecutor(16) as cameras:
        list(cameras.map(run, range(16)))


@contextmanager
def _small_server(folder_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = write_project(folder_factory.mktemp("small") / "p", FLOW, mark=MARK)
    env = {"FRAMEMILL_MAX_FRAME_MIB": "4", "FRAMEMILL_MAX_HELD_MIB": "16"}
    with serving(project, "--fronts", "1", env=env) as server:
        yield server


def test_an_address_that_leaves_all_it_can_has_its_share_and_others_theirs(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Bodies and half heads: the front holds no more than its budget, and a slow camera's frame is inspected."""
    width, height = 2048, 1900  # 3.7 MiB
    head = _head("POST", f"/analyze_raw_image?width={width}&height={height}&pixel_format=Mono8",
                 f"Content-Length: {width * height}")  # fmt: skip
    half_head = _head("GET", "/ping", *[f"X{number}: {'y' * 6000}" for number in range(10)])[:-4]
    with _small_server(tmp_path_factory) as server, ExitStack() as stack:
        _no_thread_is_needed(partial(Connection, server.port))
        idle = front_bytes(server)
        crowd = [stack.enter_context(Connection(server.port, source="127.0.0.2")) for _ in range(260)]
        for number, client in enumerate(crowd):
            client.send(half_head if number > 20 else head + bytes(width * height - 10))
        with Connection(server.port) as camera:
            for _ in range(2):
                camera.send(head)
                for at in range(0, width * height, 1 << 20):
                    camera.send(bytes(min(1 << 20, width * height - at)))
                    time.sleep(LATE_S)
                answer = camera.answer()
                assert answer is not None
                assert answer.status == 200, answer.body
                assert front_bytes(server) <= 1.5 * idle + (16 << 20)
        refused = [client.answer() for client in crowd if _has_answer(client)]
        assert len(refused) > 50
        assert {(answer.status, answer.json()["code"]) for answer in refused if answer} >= {(429, "server_busy")}
        stack.pop_all().close()
        until(lambda: front_bytes(server) <= 1.5 * idle)  # small pieces leave gaps in the heap, which are used again


def _has_answer(client: Connection) -> bool:
    return bool(select.select([client.sock], (), (), 0)[0])
