"""Heads that a connection knows: what may differ from them, what is parsed anew, and what is given back whole."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

from service.intake.body import Bring
from service.logs.trace import Trace
from service.threads.repeat import Again, _Known, answer_again, remember
from service.wire.install import install
from service.wire.unsent import PlainClient
from workers.errors import ImageInvalid
from workers.pool.exchange import receive_into


def test_a_known_head_is_recognised_and_an_unknown_one_given_back() -> None:
    ours, theirs = _line()
    with ours, theirs:
        unreader = SocketUnreader(ours)
        unreader.repeat = [_known(lambda bring, _, __: _brought(bring))]
        theirs.sendall(b"HEAD 4\r\n\r\n1234")
        assert answer_again(unreader, ours) is True
        assert theirs.recv(4096).endswith(b"\r\n\r\n1234")
        theirs.sendall(b"HEADER 4\r\n\r\n1234")
        assert answer_again(unreader, ours) is None
        assert unreader.read() == b"HEADER 4\r\n\r\n1234"


def test_what_cannot_be_done_at_once_is_given_back_whole() -> None:
    ours, theirs = _line()
    with ours, theirs:
        unreader = SocketUnreader(ours)
        unreader.repeat = [_known(lambda _bring, _length, _trace: None)]
        theirs.sendall(b"HEAD 4\r\n\r\n12")
        assert answer_again(unreader, ours) is None
        assert unreader.read() == b"HEAD 4\r\n\r\n12"


@pytest.mark.parametrize(("error", "status"), [(ImageInvalid("torn"), b"422"), (ZeroDivisionError("x"), b"500")])
def test_every_error_becomes_an_answer(error: Exception, status: bytes) -> None:
    def fail(bring: Bring, _length: int, _trace: Trace) -> bytes:
        _brought(bring)
        raise error

    ours, theirs = _line()
    with ours, theirs:
        unreader = SocketUnreader(ours)
        unreader.repeat = [_known(fail)]
        theirs.sendall(b"HEAD 4\r\n\r\n1234")
        assert answer_again(unreader, ours) is True
        assert theirs.recv(4096).startswith(b"HTTP/1.1 " + status)


def test_a_camera_that_goes_away_closes_its_connection() -> None:
    ours, theirs = _line()
    with ours:
        unreader = SocketUnreader(ours)
        unreader.repeat = [_known(lambda bring, _, __: _brought(bring))]
        theirs.sendall(b"HEAD 4\r\n\r\n1234")
        theirs.close()
        assert answer_again(unreader, ours) is False


def _line() -> tuple[PlainClient, socket.socket]:
    ours, theirs = socket.socketpair()
    return PlainClient.of(ours), theirs


def _known(again: Again) -> _Known:
    return _Known((b"HEAD ", b"\r\n\r\n"), (b"content-length",), again)


def _brought(bring: Bring, length: int = 4) -> bytes:
    area = memoryview(bytearray(length))
    received = bring.into(area)
    assert received.length == length
    if received.rest is not None:
        received.rest.receive(partial(receive_into, area))
    return bytes(area)


class Camera:
    """A connection with gunicorn's parser at its end, that remembers what it was asked."""

    def __init__(self, ours: PlainClient, theirs: socket.socket) -> None:
        install()
        self._ours = ours
        self._theirs = theirs
        self._parser = RequestParser(Config(), ours, ("127.0.0.1", 1))
        self.parsed = 0
        self.traces: list[Trace] = []

    def ask(self, head: bytes, body: bytes = b"") -> bytes:
        """Send a request and return what the server answers behind its head: what it took for the body."""
        self._theirs.sendall(head + body)
        if answer_again(self._parser.unreader, self._ours) is None:
            self._parse()
            return b""
        return self._theirs.recv(65536).partition(b"\r\n\r\n")[2]

    def _parse(self) -> None:
        request = next(self._parser)
        env = {"wsgi.input": request.body, "gunicorn.socket": self._ours, "SERVER_PROTOCOL": "HTTP/1.1"}
        remember(env, self._echo)
        request.body.read()
        self.parsed += 1

    def _echo(self, bring: Bring, length: int, trace: Trace) -> bytes:
        self.traces.append(trace)
        return _brought(bring, length)


@pytest.fixture
def camera() -> Iterator[Camera]:
    ours, theirs = _line()
    with ours, theirs:
        yield Camera(ours, theirs)


@pytest.mark.parametrize("name", [b"Content-Length: ", b"content-length:", b"CONTENT-LENGTH:\t "])
def test_files_may_differ_in_length(camera: Camera, name: bytes) -> None:
    head = b"POST /analyze_image HTTP/1.1\r\nHost: camera\r\n" + name + b"%d\r\nX-Line: 1\r\n\r\n"
    assert camera.ask(head % 3, b"abc") == b""
    for length in (3, 4, 40, 1, 999, 10_000):
        assert camera.ask(head % length, bytes([length % 251]) * length) == bytes([length % 251]) * length
    assert camera.parsed == 1


def test_a_length_is_not_read_from_elsewhere(camera: Camera) -> None:
    plain = b"POST /a?Content-Length:%d HTTP/1.1\r\nX-Content-Length: %d\r\nHost: camera\r\n\r\n"
    assert camera.ask(plain % (1, 2)) == b""
    assert camera.ask(plain % (1, 2)) == b""
    for changed in ((1, 3), (2, 2)):
        parsed = camera.parsed
        camera.ask(plain % changed)
        assert camera.parsed == parsed + 1
    assert camera.parsed == 3


def test_a_head_may_not_change_behind_its_length(camera: Camera) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: camera\r\nContent-Length: %s\r\nX-API-Key: %s\r\n\r\n"
    camera.ask(head % (b"2", b"mine"), b"12")
    assert camera.ask(head % (b"3", b"mine"), b"123") == b"123"
    camera.ask(head % (b"3", b"mind"), b"123")
    assert camera.parsed == 2


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-%016x-01"


def test_each_request_is_called_as_it_says_itself(camera: Camera) -> None:
    head = b"POST /a HTTP/1.1\r\nx-request-ID:\t%s \r\nHost: camera\r\nTraceparent: %s\r\nContent-Length: %d\r\n\r\n"
    camera.ask(head % (b"first", (TRACEPARENT % 1).encode(), 1), b"1")
    for number in range(2, 20):
        said = (b"id-%d" % number, (TRACEPARENT % number).encode(), number)
        assert camera.ask(head % said, bytes(number)) == bytes(number)
    assert camera.parsed == 1
    assert [trace.request_id for trace in camera.traces] == [f"id-{number}" for number in range(2, 20)]
    assert {trace.said.trace_id for trace in camera.traces} == {TRACEPARENT[3:35]}
    assert len({trace.span_id for trace in camera.traces}) == 18


def test_a_request_that_says_nothing_has_ids_of_its_own(camera: Camera) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: camera\r\nContent-Length: 0\r\n%s\r\n"
    for said in (b"X-Request-Id: a\r\n", b"") * 4:
        camera.ask(head % said)
    assert camera.parsed == 2
    own = [trace.request_id for trace in camera.traces if trace.request_id != "a"]
    assert len(set(own)) == len(own) == 3


@pytest.mark.parametrize(
    "said",
    [
        b"X-Request-Id: a b\r\n",
        b"X-Request-Id: %s\r\n" % (b"a" * 129),
        b"X-Request-Id: a\r\nX-Request-Id: b\r\n",
        b"X-Request-Id:\r\n",
        b"Traceparent: 00-1\r\n",
    ],
)
def test_what_is_no_id_is_never_known(camera: Camera, said: bytes) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: camera\r\n%sContent-Length: 0\r\n\r\n"
    camera.ask(head % b"X-Request-Id: fine\r\n")
    for _ in range(2):
        camera.ask(head % said)
    assert camera.parsed == 3
    camera.ask(head % b"X-Request-Id: better\r\n")
    assert [trace.request_id for trace in camera.traces] == ["better"]


def test_a_few_heads_are_remembered_and_the_oldest_forgotten(camera: Camera) -> None:
    head = b"POST /a?name=psm_%08x HTTP/1.1\r\nHost: camera\r\nContent-Length: 0\r\n\r\n"
    for _ in range(3):
        for name in range(8):
            camera.ask(head % name)
    assert camera.parsed == 8
    camera.ask(head % 8)
    for name in range(1, 9):
        camera.ask(head % name)
    assert camera.parsed == 9
    camera.ask(head % 0)
    assert camera.parsed == 10
