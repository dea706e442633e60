"""TLS before a request: handshakes wait for their bytes without a thread, sessions go on, and the end is said."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.clients.raw_http import Connection, frame_request
from tests.clients.tls import Handshake, TlsConnection, TlsServer, tls_serving
from tests.conftest import MARK
from tests.support.faults import until
from tests.support.running import write_project

pytestmark = pytest.mark.long

PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
_CLIENTS = 250  # more than a front has threads


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    folder = tmp_path_factory.mktemp("tls") / "p"
    project = write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/mark.py"\n', mark=MARK)
    with tls_serving(project, "--fronts", "1") as running:
        yield running


def _is_answered(tls: TlsServer, source: str = "127.0.0.1") -> None:
    with TlsConnection(tls.server.port, tls.context(), source=source) as client:
        client.send(frame_request("good"))
        answer = client.answer()
        assert answer is not None
        assert answer.status == 200


def _shake_hands(tls: TlsServer, plain: socket.socket) -> ssl.SSLSocket:
    return tls.context().wrap_socket(plain, server_hostname="127.0.0.1")


def _say_nothing(tls: TlsServer, plain: socket.socket) -> None:
    del tls, plain


def _say_one_byte(tls: TlsServer, plain: socket.socket) -> None:
    del tls
    plain.sendall(b"\x16")


def _say_half_a_hello(tls: TlsServer, plain: socket.socket) -> None:
    hello = ssl.MemoryBIO()
    client = tls.context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    said = hello.read()
    plain.sendall(said[: len(said) // 2])


def _do_not_answer_the_server(tls: TlsServer, plain: socket.socket) -> None:
    hello = ssl.MemoryBIO()
    client = tls.context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    plain.sendall(hello.read())


def _only_shake_hands(tls: TlsServer, plain: socket.socket) -> None:
    socket.close(_shake_hands(tls, plain).detach())


def _say_half_a_head(tls: TlsServer, plain: socket.socket) -> None:
    client = _shake_hands(tls, plain)
    client.sendall(PING[:-2])
    socket.close(client.detach())


SLOW: list[Callable[[TlsServer, socket.socket], None]] = [
    _say_nothing,
    _say_one_byte,
    _say_half_a_hello,
    _do_not_answer_the_server,
    _only_shake_hands,
    _say_half_a_head,
]


def test_whoever_stops_on_the_way_to_a_request_holds_nobody_up(tls: TlsServer) -> None:
    with ExitStack() as stack:
        for number in range(_CLIENTS):
            slow = stack.enter_context(Connection(tls.server.port, source="127.0.0.2"))
            # what it says is said through another descriptor of the same connection, which stays open
            with slow.sock.dup() as plain:
                SLOW[number % len(SLOW)](tls, plain)
            if number % 50 == 49:
                _is_answered(tls)
        _is_answered(tls, "127.0.0.2")


def test_a_handshake_and_a_request_may_come_byte_by_byte(tls: TlsServer) -> None:
    with Connection(tls.server.port) as client:
        handshake = Handshake(tls.context(), client.sock)
        handshake.finish()
        for byte in frame_request("slow"):
            handshake.tls.write(bytes([byte]))
        handshake.send_bytewise()
        assert handshake.read().startswith(b"HTTP/1.1 200 ")


def test_requests_that_come_in_one_record_are_all_answered(tls: TlsServer) -> None:
    with TlsConnection(tls.server.port, tls.context()) as client:
        for _ in range(3):
            client.send(b"".join(frame_request(f"frame{number}") for number in range(50)))
            for number in range(50):
                answer = client.answer()
                assert answer is not None
                assert answer.json()["seen"]["data"] == f"frame{number}"


def test_a_large_frame_that_comes_in_many_records_arrives_whole(tls: TlsServer) -> None:
    pixels = bytes(range(256)) * 20_000
    head = b"POST /analyze_raw_image?width=2560&height=2000&pixel_format=Mono8 HTTP/1.1\r\nHost: a\r\n"
    with TlsConnection(tls.server.port, tls.context()) as client:
        for pause_s in (0.0, 0.08):  # at once, and slowly: then a thread has it no more
            client.send(head + b"Content-Length: %d\r\n\r\n" % len(pixels) + pixels[:100_001])
            time.sleep(pause_s)
            client.send(pixels[100_001:] + PING)
            answer, ping = client.answer(), client.answer()
            assert answer is not None
            assert answer.json()["seen"]["sum"] == 3 * sum(pixels)
            assert ping is not None
            assert ping.status == 200


@pytest.mark.parametrize("path", [b"/ping", b"/nothing"])
def test_the_end_of_a_connection_is_said(tls: TlsServer, path: bytes) -> None:
    """A client that takes an end without a word for a cut (RFC 8446, 6.1) reads to the end."""
    with TlsConnection(tls.server.port, tls.context()) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)
        assert client.answer() is not None
        assert client.sock.recv(100) == b""


def test_a_head_that_is_refused_is_answered_over_tls(tls: TlsServer) -> None:
    with TlsConnection(tls.server.port, tls.context()) as client:
        client.send(b"GET /ping HTTP/1.1\nHost: a\r\n")
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.json()["code"]) == (400, "head_invalid")
        assert client.sock.recv(100) == b""


def test_what_is_no_tls_is_told_in_the_log_and_nobody_else_notices(tls: TlsServer) -> None:
    for said in (PING, b"\x16\x03\x01\x00\x05hello", b"\x80" * 600):
        with Connection(tls.server.port) as client:
            client.send(said)
            client.rest()
    _is_answered(tls)
    until(lambda: any("no TLS connection with 127.0.0.1" in line for line in tls.server.log))
    assert not any("Traceback" in line for line in tls.server.log)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(tls: TlsServer, version: ssl.TLSVersion) -> None:
    context = tls.context()
    context.maximum_version = version
    assert _resumed(tls, context, 3) == [False, True, True]


def _resumed(tls: TlsServer, context: ssl.SSLContext, times: int) -> list[bool | None]:
    session, found = None, []
    for _ in range(times):
        with Connection(tls.server.port) as plain:
            client = context.wrap_socket(plain.sock, server_hostname="127.0.0.1", session=session)
            client.sendall(PING)
            client.recv(1000)
            found.append(client.session_reused)
            session = client.session
            client.close()
    return found


def test_a_session_is_resumed_at_another_front(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = write_project(tmp_path_factory.mktemp("fronts") / "p")
    with tls_serving(project, "--fronts", "2") as running:
        assert _resumed(running, running.context(), 20) == [False, *[True] * 19]


def test_http_2_is_not_offered(tls: TlsServer) -> None:
    context = tls.context()
    for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None)):
        context.set_alpn_protocols(offered)
        with TlsConnection(tls.server.port, context) as client:
            assert isinstance(client.sock, ssl.SSLSocket)
            assert client.sock.selected_alpn_protocol() == chosen
            client.send(PING)
            answer = client.answer()
            assert answer is not None
            assert answer.status == 200


def test_handshakes_that_never_end_are_closed_after_five_seconds(tls: TlsServer) -> None:
    with Connection(tls.server.port) as client:
        begun_s = time.monotonic()
        client.send(b"\x16")
        assert client.sock.recv(100) == b""
        assert 4 < time.monotonic() - begun_s < 15
